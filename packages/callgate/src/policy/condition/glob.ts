const STAR = -1;
const ANY = -2;

/** Longest glob that loads, in UTF-16 units. */
export const MAX_GLOB = 1_000;
/** Upper bound of pattern length × text length: beyond it a glob is not run at all. */
export const MAX_GLOB_WORK = 50_000_000;

/** A compiled glob. `literal` is set when it has no wildcard. */
export interface Glob {
  readonly source: string;
  readonly literal: string | undefined;
  /** Text that a match must begin with. */
  readonly prefix: string;
  /** True for `prefix*`, including a bare `*`. */
  readonly isPrefix: boolean;
  readonly test: (text: string) => boolean;
}

/**
 * Compiles a glob: `*` any run of characters (it crosses `/` and everything else), `?` one character, `\` takes the next
 * one literally; case-sensitive, anchored at both ends. It never becomes a regular expression.
 * @throws RangeError when the pattern is too long or ends in a lone backslash
 */
export function compileGlob(source: string): Glob {
  const tokens = tokenize(source);
  const firstWild = tokens.findIndex((token) => token < 0);
  const prefix = String.fromCharCode(...(firstWild < 0 ? tokens : tokens.slice(0, firstWild)));
  if (firstWild < 0) {
    return { source, literal: prefix, prefix, isPrefix: false, test: (text) => text === prefix };
  }
  if (firstWild === tokens.length - 1 && tokens[firstWild] === STAR) {
    const test = prefix === '' ? () => true : (text: string) => text.startsWith(prefix);
    return { source, literal: undefined, prefix, isPrefix: true, test };
  }
  const suffix = tokens.slice(1);
  if (firstWild === 0 && tokens[0] === STAR && suffix.every((token) => token >= 0)) {
    const end = String.fromCharCode(...suffix);
    return { source, literal: undefined, prefix, isPrefix: false, test: (text) => text.endsWith(end) };
  }
  return { source, literal: undefined, prefix, isPrefix: false, test: (text) => matchTokens(tokens, text) };
}

/** Whether `source` has a wildcard or an escape. */
export function hasWildcard(source: string): boolean {
  return source.includes('*') || source.includes('?') || source.includes('\\');
}

function tokenize(source: string): number[] {
  if (source.length > MAX_GLOB)
    throw new RangeError(`a glob may have ${MAX_GLOB} characters, this one has ${source.length}`);
  const tokens: number[] = [];
  for (let i = 0; i < source.length; i++) {
    const char = source[i];
    if (char === '*') {
      if (tokens.at(-1) !== STAR) tokens.push(STAR);
    } else if (char === '?') {
      tokens.push(ANY);
    } else if (char === '\\') {
      i++;
      if (i === source.length) throw new RangeError('a glob may not end in a lone backslash');
      tokens.push(source.charCodeAt(i));
    } else {
      tokens.push(source.charCodeAt(i));
    }
  }
  return tokens;
}

/**
 * Two pointers: on a mismatch only the latest star takes one more character, because an earlier star could gain nothing
 * that the latest cannot. At most tokens × text steps; `count` is told each one (for tests).
 */
export function matchTokens(tokens: readonly number[], text: string, count?: () => void): boolean {
  let t = 0;
  let i = 0;
  let starToken = -1;
  let starText = 0;
  while (i < text.length) {
    count?.();
    const token = tokens[t];
    if (token === STAR) {
      starToken = t++;
      starText = i;
    } else if (token === ANY) {
      t++;
      i += characterWidth(text, i);
    } else if (token !== undefined && token === text.charCodeAt(i)) {
      t++;
      i++;
    } else if (starToken >= 0) {
      t = starToken + 1;
      starText += 1;
      i = starText;
    } else {
      return false;
    }
  }
  while (tokens[t] === STAR) t++;
  return t === tokens.length;
}

/** For tests: the tokens of a pattern. */
export function globTokens(source: string): readonly number[] {
  return tokenize(source);
}

function characterWidth(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  if (unit < 0xd800 || unit > 0xdbff) return 1;
  const next = text.charCodeAt(at + 1);
  return next >= 0xdc00 && next <= 0xdfff ? 2 : 1;
}
