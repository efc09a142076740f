import { LEXICONS, type Lexicon, type SqlDialect } from './dialects.ts';

/** A piece of the text, `start` to `end`. Tokens follow each other without gaps. */
export interface SqlToken {
  /** `name` is a quoted identifier, `word` a bare one or a keyword. */
  readonly kind: 'space' | 'comment' | 'string' | 'name' | 'word' | 'number' | 'param' | 'op';
  readonly start: number;
  readonly end: number;
}

export interface SqlTokens {
  readonly tokens: readonly SqlToken[];
  /** Why this text is doubtful in the given dialect: unfinished, odd white space, versioned comments. */
  readonly odd?: string;
  /** For `generic`: what the databases read differently. Tokens behind it hold for some of them only. */
  readonly fork?: string;
}

interface Cursor {
  readonly text: string;
  readonly lexicon: Lexicon;
  readonly dialect: SqlDialect;
  /** Inside an executable comment of MySQL. */
  executing: boolean;
  odd: string | undefined;
  fork: string | undefined;
}

interface Cut {
  readonly kind: SqlToken['kind'];
  readonly end: number;
}

/** Cuts SQL into tokens as one dialect does. Linear, never throws; the tokens joined give the text back. */
export function tokenizeSql(text: string, dialect: SqlDialect): SqlTokens {
  const cursor: Cursor = {
    text,
    lexicon: LEXICONS[dialect],
    dialect,
    executing: false,
    odd: undefined,
    fork: undefined,
  };
  const tokens: SqlToken[] = [];
  for (let start = 0; start < text.length;) {
    const { kind, end } = cutToken(cursor, start, tokens.at(-1));
    tokens.push({ kind, start, end });
    start = end;
  }
  if (cursor.executing) cursor.odd ??= 'it ends inside a comment that runs';
  const { odd, fork } = cursor;
  return { tokens, ...(odd === undefined ? {} : { odd }), ...(fork === undefined ? {} : { fork }) };
}

const isDigit = (code: number) => code >= 0x30 && code <= 0x39;
const isSpace = (code: number) => code === 0x20 || (code >= 0x09 && code <= 0x0d);
/** White space and invisible characters that some databases skip and others take for part of a name. */
const isOddSpace = (code: number) =>
  code < 0x20 ||
  (code >= 0x7f && code <= 0xa0) ||
  code === 0x1680 ||
  code === 0x180e ||
  (code >= 0x2000 && code <= 0x200f) ||
  (code >= 0x2028 && code <= 0x202f) ||
  (code >= 0x205f && code <= 0x2064) ||
  code === 0x3000 ||
  code === 0xfeff;
const isWordStart = (code: number) =>
  (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code === 0x5f || code > 0xa0;

function cutToken(cursor: Cursor, at: number, before: SqlToken | undefined): Cut {
  const { text } = cursor;
  const code = text.charCodeAt(at);
  if (isSpace(code) || isOddSpace(code)) return cutSpace(cursor, at);
  const pair = text.slice(at, at + 2);
  if (pair === '--' && dashes(cursor, at)) return lineComment(cursor, at);
  if (pair === '/*') return cutComment(cursor, at);
  if (pair === '*/' && cursor.executing) {
    cursor.executing = false;
    return { kind: 'comment', end: at + 2 };
  }
  const char = text[at]!;
  if (char === '#') return cutHash(cursor, at);
  if (char === "'") return cutQuoted(cursor, at, "'", 'string', cursor.lexicon.backslash);
  if (char === '"') {
    return cutQuoted(cursor, at, '"', cursor.lexicon.doubleIsString ? 'string' : 'name', cursor.lexicon.backslash);
  }
  if (char === '`') return cutQuoted(cursor, at, '`', 'name', false);
  if (char === '[') return cutBracket(cursor, at, before);
  if (char === '$') return cutDollar(cursor, at);
  if (isDigit(code) || (char === '.' && isDigit(text.charCodeAt(at + 1)))) return cutNumber(text, at);
  if (isWordStart(code)) return cutWord(cursor, at);
  return cutOther(text, at);
}

function cutSpace(cursor: Cursor, at: number): Cut {
  let end = at;
  for (; end < cursor.text.length; end++) {
    const code = cursor.text.charCodeAt(end);
    if (isSpace(code)) continue;
    if (!isOddSpace(code)) break;
    cursor.odd ??= 'it has control or invisible characters or white space that databases read differently';
  }
  return { kind: 'space', end };
}

/** Whether `--` starts a comment here. */
function dashes(cursor: Cursor, at: number): boolean {
  const next = cursor.text.charCodeAt(at + 2);
  const isSpaced = Number.isNaN(next) || next <= 0x20;
  if (!isSpaced && cursor.dialect === 'generic')
    cursor.fork ??= '-- without a space behind it, two minus signs to MySQL';
  return isSpaced || !cursor.lexicon.dashNeedsSpace;
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end;
}

/** A comment up to the end of the line, which for Postgres is a bare carriage return too: what follows then runs. */
function lineComment(cursor: Cursor, at: number): Cut {
  const end = lineEnd(cursor.text, at);
  if (/\r(?!$)/.test(cursor.text.slice(at, end)))
    cursor.odd ??= 'it has a carriage return in a comment, which ends it for some databases';
  return { kind: 'comment', end };
}

function cutComment(cursor: Cursor, at: number): Cut {
  const { text, lexicon, dialect } = cursor;
  const runs = /^\/\*M?!\d*/.exec(text.slice(at, at + 12));
  if (runs !== null && dialect === 'generic') cursor.fork ??= 'a /*! comment, which MySQL runs';
  if (runs !== null && lexicon.executableComments) {
    if (runs[0].length > 3) cursor.odd ??= 'it has a comment that runs on some versions only';
    cursor.executing = true;
    return { kind: 'comment', end: at + runs[0].length };
  }
  let depth = 1;
  let end = at + 2;
  while (depth > 0) {
    const close = text.indexOf('*/', end);
    const open = text.indexOf('/*', end);
    if (close < 0) {
      cursor.odd ??= 'it ends inside a comment';
      return { kind: 'comment', end: text.length };
    }
    if (open >= 0 && open < close) {
      if (dialect === 'generic') cursor.fork ??= 'a comment inside a comment, which only some nest';
      if (lexicon.nestedComments) {
        depth++;
        end = open + 2;
        continue;
      }
    }
    depth--;
    end = close + 2;
  }
  return { kind: 'comment', end };
}

function cutHash(cursor: Cursor, at: number): Cut {
  if (cursor.lexicon.hashComment) return lineComment(cursor, at);
  if (cursor.dialect === 'generic') cursor.fork ??= 'a #, which starts a comment in MySQL only';
  return cursor.lexicon.hashInNames ? cutWord(cursor, at) : { kind: 'op', end: at + 1 };
}

/** A quoted text whose quote is doubled inside, or escaped where `backslash` is true. */
function cutQuoted(cursor: Cursor, at: number, quote: string, kind: 'string' | 'name', backslash: boolean): Cut {
  const { text } = cursor;
  let slashes = 0;
  for (let end = at + 1; end < text.length; end++) {
    const char = text[end]!;
    if (char === '\\') {
      slashes++;
      continue;
    }
    const isEscaped = slashes % 2 === 1;
    slashes = 0;
    if (char !== quote) continue;
    if (isEscaped && quote !== '`') {
      if (cursor.dialect === 'generic') cursor.fork ??= 'a backslash before a quote, which escapes it in MySQL only';
      if (backslash) continue;
    }
    if (text[end + 1] !== quote) return { kind, end: end + 1 };
    end++;
  }
  cursor.odd ??= 'it ends inside quotes';
  return { kind, end: text.length };
}

/** An array of plain strings: as a name it ends at the same place, so nothing is hidden in it. */
const ARRAY = /^\[(?:[^'"`;#/\-[\]\\]|'[^'\]\\]*')*\]/;
const PLAIN_BRACKETS = /^\[[^'"`;#/\-[\]]*\]/;
/** Words behind which an adjoining bracket starts a name (`from[users]`), not an array index. */
const BEFORE_NAME = new Set(
  'from join into update table set where and or on by as select delete exec execute insert having not in using'.split(
    ' ',
  ),
);

function cutBracket(cursor: Cursor, at: number, before: SqlToken | undefined): Cut {
  const { text, lexicon, dialect } = cursor;
  if (dialect === 'generic') {
    const isPlain = PLAIN_BRACKETS.test(text.slice(at, at + 200));
    if (!isPlain && !ARRAY.test(text.slice(at, at + 1000)))
      cursor.fork ??= 'brackets, which quote a name in some databases only';
    const word = before?.kind === 'word' ? text.slice(before.start, before.end).toLowerCase() : undefined;
    const isIndex =
      before !== undefined && before.kind !== 'space' && before.kind !== 'comment' && before.kind !== 'op';
    if (!isPlain || (isIndex && !BEFORE_NAME.has(word ?? ''))) return { kind: 'op', end: at + 1 };
  } else if (lexicon.brackets === 'none') return { kind: 'op', end: at + 1 };
  let end = text.indexOf(']', at);
  while (end >= 0 && lexicon.brackets === 'doubled' && text[end + 1] === ']') end = text.indexOf(']', end + 2);
  if (end >= 0) return { kind: 'name', end: end + 1 };
  cursor.odd ??= 'it ends inside brackets';
  return { kind: 'name', end: text.length };
}

const DOLLAR_TAG = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]{0,62})?\$/y;

function cutDollar(cursor: Cursor, at: number): Cut {
  const { text, lexicon, dialect } = cursor;
  if (isDigit(text.charCodeAt(at + 1))) {
    let end = at + 1;
    while (isDigit(text.charCodeAt(end))) end++;
    return { kind: 'param', end };
  }
  DOLLAR_TAG.lastIndex = at;
  const tag = DOLLAR_TAG.exec(text)?.[0];
  if (tag === undefined) return { kind: 'op', end: at + 1 };
  if (dialect === 'generic') cursor.fork ??= 'a $ quote, which only Postgres knows';
  if (!lexicon.dollarQuotes) return { kind: 'op', end: at + 1 };
  const end = text.indexOf(tag, at + tag.length);
  if (end < 0) cursor.odd ??= 'it ends inside quotes';
  return { kind: 'string', end: end < 0 ? text.length : end + tag.length };
}

const NUMBER = /0[xX][0-9A-Fa-f]+|(?:\d[\d_]*(?:\.[\d_]*)?|\.\d+)(?:[eE][+-]?\d+)?/y;

function cutNumber(text: string, at: number): Cut {
  NUMBER.lastIndex = at;
  return { kind: 'number', end: at + (NUMBER.exec(text)?.[0].length ?? 1) };
}

function cutWord(cursor: Cursor, at: number): Cut {
  const { text, lexicon, dialect } = cursor;
  let end = at + 1;
  let isAscii = text.charCodeAt(at) < 0x80;
  for (; end < text.length; end++) {
    const code = text.charCodeAt(end);
    const isPart = (isWordStart(code) && !isOddSpace(code)) || isDigit(code) || code === 0x24;
    if (!isPart && !(lexicon.hashInNames && code === 0x23)) break;
    if (code >= 0x80) isAscii = false;
  }
  if (!isAscii && text.slice(at, end) !== text.slice(at, end).normalize('NFKC')) {
    cursor.odd ??= 'it has letters that some databases fold into others';
  }
  const quote = text[end];
  if (quote !== "'" && quote !== '&') return { kind: 'word', end };
  const word = end - at <= 2 ? text.slice(at, end).toLowerCase() : '';
  if (word === 'u' && quote === '&' && /['"]/.test(text[end + 1] ?? '')) {
    cursor.odd ??= 'it has a name or string of Unicode escapes';
  }
  if (quote !== "'") return { kind: 'word', end };
  if (word === 'e' && (dialect === 'postgres' || dialect === 'generic')) {
    return cutQuoted(cursor, end, "'", 'string', dialect === 'postgres');
  }
  if (word === 'n' || word === 'x' || word === 'b') return cutQuoted(cursor, end, "'", 'string', lexicon.backslash);
  if (word === 'q' || word === 'nq') {
    if (dialect === 'generic') cursor.fork ??= "a q' quote, which only Oracle knows";
    if (lexicon.qQuotes) return cutOracle(cursor, end);
  }
  return { kind: 'word', end };
}

const CLOSERS: Readonly<Record<string, string>> = { '[': ']', '{': '}', '(': ')', '<': '>' };

/** `q'[it's]'`, from its quote on. */
function cutOracle(cursor: Cursor, quote: number): Cut {
  const open = cursor.text[quote + 1] ?? '';
  const close = `${Object.hasOwn(CLOSERS, open) ? CLOSERS[open] : open}'`;
  const end = cursor.text.indexOf(close, quote + 2);
  if (end < 0) cursor.odd ??= 'it ends inside quotes';
  return { kind: 'string', end: end < 0 ? cursor.text.length : end + 2 };
}

const PARAM = /\?|:[A-Za-z_]\w{0,127}|@{1,2}[A-Za-z_]?[\w$.]{0,127}|%s|%\(\w{1,64}\)s/y;
const OPERATORS = ['<=>', '::', '<>', '!=', '<=', '>=', '==', '||', '&&', ':='];

function cutOther(text: string, at: number): Cut {
  const operator = OPERATORS.find((op) => text.startsWith(op, at));
  if (operator !== undefined) return { kind: 'op', end: at + operator.length };
  PARAM.lastIndex = at;
  const param = PARAM.exec(text);
  return param === null ? { kind: 'op', end: at + 1 } : { kind: 'param', end: at + param[0].length };
}
