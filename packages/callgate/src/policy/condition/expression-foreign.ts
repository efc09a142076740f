/** Words and signs of other languages, and what is written here. */
export const WORDS: Readonly<Record<string, string>> = {
  and: 'write &&',
  or: 'write ||',
  not: 'write ! before a condition, as in !has(args.path) or !(tool in ["a", "b"])',
  is: 'compare with ==',
  like: 'write args.path.matches("...") or glob(args.path, "*.md")',
  contains: 'write args.text.contains("...")',
  matches: 'write args.text.matches("...")',
  startswith: 'write args.text.startsWith("...")',
  endswith: 'write args.text.endsWith("...")',
  if: 'write test ? a : b',
  '!': 'to deny a comparison, put it in parentheses: !(tool in ["a", "b"])',
  ':': 'compare with ==; a ternary is written test ? a : b',
};

/** Signs of other languages that begin with one of ours, longest first. */
export const FOREIGN_SIGNS: readonly (readonly [string, string])[] = [
  ['===', 'compare with =='],
  ['!==', 'compare with !='],
  ['{{', 'a value is written args.path, without braces'],
  ['=>', 'greater or equal is written >='],
  ['=<', 'less or equal is written <='],
  ['=~', 'write args.path.matches("...")'],
  ['<>', 'compare with !='],
  ['??', 'write has(args.a) ? args.a : 1'],
  ['?.', 'write has(args.a) && args.a.b == 1'],
  ['**', 'multiply with *'],
];
/** Signs that no expression has. */
export const ALTERNATIVES: Readonly<Record<string, string>> = {
  '=': 'compare with ==',
  '&': 'write &&',
  '|': 'write ||',
  '/': 'multiply the other side instead',
  '%': 'the language has + - and *',
  '{': 'maps are not part of the language: compare the fields one by one',
  '}': 'maps are not part of the language',
  $: 'a value is written args.path; variables such as ${PROJECT} stand inside texts',
  '^': 'write a != b for one of two, and matches("^...") for a pattern',
  ';': 'join conditions with && or ||',
  '@': 'put texts in quotes',
  '#': 'put texts in quotes; a comment begins with //',
  '`': 'put texts in "..." or single quotes',
  '\\': 'put texts in quotes',
  '~': 'write args.path.matches("...")',
};
