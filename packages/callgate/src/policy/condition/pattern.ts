import { RE2JS } from 're2js';
import { messageOf } from '../../model/error.ts';

/** Longest pattern that loads (UTF-16 units). */
export const MAX_PATTERN = 2_000;
const MAX_PROGRAM = 20_000;

/** A user's regular expression on RE2: linear time, unanchored, case-sensitive unless it says `(?i)`. */
export interface Pattern {
  readonly source: string;
  test(text: string): boolean;
  /** Every match replaced by `by`, taken literally. */
  replace(text: string, by: string): string;
}

/**
 * Compiles an RE2 pattern.
 * @throws SyntaxError whose message says what RE2 does not know (look-around, back-references ...) or where it is wrong
 */
export function compilePattern(source: string): Pattern {
  if (source === '') throw new SyntaxError('an empty pattern matches everything');
  if (source.length > MAX_PATTERN) {
    throw new SyntaxError(`a pattern may have ${MAX_PATTERN} characters, this one has ${source.length}`);
  }
  const re = parse(source);
  if (re.programSize() > MAX_PROGRAM) throw new SyntaxError('the pattern is too large; lower its repeat counts');
  return {
    source,
    test: (text) => re.test(text),
    replace: (text, by) => re.matcher(text).replaceAll(RE2JS.quoteReplacement(by)),
  };
}

function parse(source: string): RE2JS {
  try {
    return RE2JS.compile(source);
  } catch (cause) {
    throw new SyntaxError(explain(source, cause), { cause });
  }
}

function explain(source: string, cause: unknown): string {
  const unsupported: readonly (readonly [string, string])[] = [
    ['(?=', 'lookahead'],
    ['(?!', 'lookahead'],
    ['(?<=', 'lookbehind'],
    ['(?<!', 'lookbehind'],
    ['(?>', 'atomic groups'],
  ];
  for (const [text, name] of unsupported) {
    if (source.includes(text))
      return `RE2 has no ${name} (\`${text}\`): that is what keeps it linear; use \`not\` or a second rule`;
  }
  const message = messageOf(cause);
  const detail = message.startsWith('error parsing regexp: ')
    ? message.slice('error parsing regexp: '.length)
    : message;
  if (detail.startsWith('invalid escape sequence: `\\') && /^invalid escape sequence: `\\[1-9k]/.test(detail)) {
    return 'RE2 has no back-references: that is what keeps it linear';
  }
  if (detail.startsWith('invalid nested repetition')) return `${detail}; RE2 has no possessive quantifiers`;
  return detail;
}
