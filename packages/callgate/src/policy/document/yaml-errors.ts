import type { YAMLError } from 'yaml';

/** A mistake of YAML as whoever writes policies would say it. */
export interface SpokenError {
  readonly message: string;
  readonly remedy: string;
}

const QUOTES = 'put the text in quotes: "..."; a pattern or condition in single quotes: \'...\'';

/** Says what is wrong with a YAML text, and what to do; the parser speaks of scalars, nodes and flow collections. */
export function spokenError({ code, message, pos }: YAMLError, text: string): SpokenError {
  const at = text[pos[0]] ?? '';
  switch (code) {
    case 'TAB_AS_INDENT':
      return { message: 'a tab is used as indentation', remedy: 'indent with spaces' };
    case 'BAD_SCALAR_START':
      return not(`a text may not begin with ${at} unless it is in quotes`, QUOTES);
    case 'BAD_ALIAS':
      return not('a text may not begin with * or & unless it is in quotes', 'write "*" in quotes');
    case 'TAG_RESOLVE_FAILED':
      return not('a text that begins with ! is a tag unless it is in quotes', QUOTES);
    case 'BAD_DQ_ESCAPE':
      return not(
        `a backslash in "..." begins an escape, and ${message.slice(message.lastIndexOf('\\'))} is none`,
        "write the text in single quotes, '...', where a backslash is only itself; or double it",
      );
    case 'BLOCK_AS_IMPLICIT_KEY':
      return /^[^\n]*: /.test(text.slice(pos[0]))
        ? not('a second `key: value` stands in one line', `${QUOTES}; or write a map as { key: value }`)
        : not('lines do not line up', INDENT);
    case 'BAD_INDENT':
      if (/flow/i.test(message))
        return not('a { or [ is not closed before this line', 'close it, or indent the line further');
      return not('this line is not indented as what it belongs to', INDENT);
    case 'MULTILINE_IMPLICIT_KEY':
      return not('a line has no `key: value`, or one that is cut in two', INDENT);
    case 'MULTIPLE_DOCS':
      return not('there are several documents in one file, divided by ---', 'write each into a file of its own');
    case 'MISSING_CHAR':
      return missing(message);
    case 'UNEXPECTED_TOKEN':
      return unexpected(message, at);
    case 'BLOCK_IN_FLOW':
      return not(
        'inside { ... } and [ ... ] lines with dashes and indented maps cannot stand',
        'close the bracket first, or write it as { ... } and [...]',
      );
    case 'KEY_OVER_1024_CHARS':
      return not('a key is longer than 1,024 characters', 'look for a quote that is not closed');
    case 'DUPLICATE_KEY':
      return not('a key stands twice in one map', 'keep one of them');
    case 'BAD_DIRECTIVE':
      return not('a line that begins with % is a directive, and none is known here', 'remove it');
    default:
      return not(message, 'compare it with the lines around it: dashes, colons, quotes and indentation');
  }
}

const INDENT = 'indent it with as many spaces as the keys beside it';

function not(why: string, remedy: string): SpokenError {
  return { message: `this is not valid YAML: ${why}`, remedy };
}

function missing(message: string): SpokenError {
  if (/quote/.test(message)) return not('a quote is not closed', 'close it with the same quote, on the same line');
  if (/Missing ,/.test(message))
    return not(
      'a comma is missing, or a text with a comma, colon, quote or bracket is not in quotes',
      'write { a: 1, b: 2 }; a condition with a comma goes into single quotes',
    );
  const close = /end with an? (.)$|expected.*?([\]}])/i
    .exec(message)
    ?.slice(1)
    .find((char) => char !== undefined);
  if (close !== undefined || /flow/i.test(message))
    return not(`a bracket is not closed`, close === undefined ? 'close it' : `add ${close} where it ends`);
  if (/- indicator/.test(message)) return not('a line of a list has no dash, or is indented too little', INDENT);
  return not(message, INDENT);
}

function unexpected(message: string, at: string): SpokenError {
  if (at === ']' || at === '}')
    return not(`${at} closes nothing`, `remove it, or open it with ${at === ']' ? '[' : '{'}`);
  if (at === ',') return not('a comma stands where a value should', 'remove it');
  if (/Not a YAML token/.test(message))
    return not(
      'text stands behind | or >',
      'begin it on the next line, indented; or put the whole text in single quotes',
    );
  return not('something stands behind a value that has ended', 'put a comma before it, or the whole text in quotes');
}
