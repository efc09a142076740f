import { compilePattern } from '../condition/pattern.ts';

/** Whose regular expressions the source has. */
export type Dialect = 'js' | 'python' | 'rust';

const LETTERS: Readonly<Record<Dialect, { readonly d: string; readonly w: string; readonly s: string }>> = {
  js: { d: '0-9', w: '0-9A-Za-z_', s: '\\s\\x{0b}\\x{a0}\\x{feff}\\p{Z}' },
  python: { d: '\\p{Nd}', w: '\\p{L}\\p{N}_', s: '\\s\\x{0b}\\x{1c}-\\x{1f}\\x{85}\\p{Z}' },
  rust: { d: '\\p{Nd}', w: '\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}', s: '\\s\\x{0b}\\x{85}\\p{Z}' },
};
const PLAIN_LETTERS: Readonly<Record<Dialect, string>> = { js: 'nrtfv', python: 'nrtfva', rust: 'nrtfva' };

/**
 * Writes a pattern of another engine in RE2's syntax, with that engine's meaning of `\d \w \s . $`, and compiles it.
 * `permissive` is true where matching allows: in doubt it then matches less.
 * @throws SyntaxError for look-around, back-references and whatever else RE2 cannot say
 */
export function toRe2(source: string, dialect: Dialect, permissive = false): string {
  let out = '';
  for (let i = 0; i < source.length;) {
    const [text, next] = token(source, i, dialect, permissive);
    out += text;
    i = next;
  }
  // `${` would be read as a variable of the policy.
  const safe = out.replaceAll('${', () => '$\\{');
  compilePattern(safe);
  return safe;
}

type Step = readonly [text: string, next: number];

function token(source: string, i: number, dialect: Dialect, permissive: boolean): Step {
  const char = source[i] as string;
  if (char === '\\') return escape(source, i, dialect, permissive, false);
  if (char === '[') return characterClass(source, i, dialect, permissive);
  if (char === '(') return group(source, i, dialect);
  if (char === '{') return repeat(source, i, dialect);
  if (char === '.' && dialect === 'js' && permissive) return ['[^\\n\\r\\x{2028}\\x{2029}]', i + 1];
  // In Python `$` also stands before a last line break.
  if (char === '$' && dialect === 'python' && !/\(\?[a-z]*m/.test(source)) return ['(?:\\n?\\z)', i + 1];
  return [char, i + 1];
}

function repeat(source: string, i: number, dialect: Dialect): Step {
  const match = /^\{([0-9]*)(,?)([0-9]*)\}/.exec(source.slice(i, i + 24));
  const [whole = '', from = '', comma = '', to = ''] = match ?? [];
  if (from !== '') return [whole, i + whole.length];
  if (comma !== '' && to !== '' && dialect !== 'js') return [`{0,${to}}`, i + whole.length];
  return ['\\{', i + 1];
}

function group(source: string, i: number, dialect: Dialect): Step {
  if (source[i + 1] !== '?') return ['(', i + 1];
  const rest = source.slice(i, i + 80);
  if (/^\(\?(?:=|!|<=|<!)/.test(rest)) throw new SyntaxError('RE2 has no look-around: that is what keeps it linear');
  if (rest.startsWith('(?:')) return ['(?:', i + 3];
  if (dialect === 'python' && rest.startsWith('(?#')) {
    const close = source.indexOf(')', i);
    if (close < 0) throw new SyntaxError('a comment is not closed');
    return ['', close + 1];
  }
  const name = /^\(\?(P?)<([A-Za-z_][A-Za-z0-9_]*)>/.exec(rest);
  if (name !== null && !(name[1] === 'P' && dialect === 'js')) return [`(?P<${name[2]}>`, i + name[0].length];
  const flags = /^\(\?([a-zA-Z-]*)([:)])/.exec(rest);
  if (flags !== null && dialect !== 'js' && /^[ims]*(?:-[ims]+)?$/.test(flags[1] ?? '')) {
    return [flags[0], i + flags[0].length];
  }
  throw new SyntaxError(
    `"${rest.slice(0, 5)}" cannot be carried: RE2 has no back-references, conditions or such flags`,
  );
}

function characterClass(source: string, start: number, dialect: Dialect, permissive: boolean): Step {
  let i = start + 1;
  let out = '[';
  if (source[i] === '^') {
    out += '^';
    i++;
  }
  if (source[i] === ']') {
    if (dialect === 'js') {
      if (out === '[^') return ['(?s:.)', i + 1];
      throw new SyntaxError('"[]" matches nothing');
    }
    out += '\\]';
    i++;
  }
  const first = i;
  for (;;) {
    const char = source[i];
    if (char === undefined) throw new SyntaxError('"[" is not closed');
    if (char === ']') break;
    if (dialect === 'rust' && /^(?:&&|--|~~)/.test(source.slice(i, i + 2)))
      throw new SyntaxError('RE2 has no operations between character classes');
    if (char === '\\') {
      const [text, next] = escape(source, i, dialect, permissive && !out.startsWith('[^'), true);
      out += text;
      i = next;
    } else if (char === '[') {
      const posix = dialect === 'rust' ? /^\[:\^?[a-z]+:\]/.exec(source.slice(i, i + 16)) : null;
      if (posix === null && dialect === 'rust') throw new SyntaxError('RE2 has no classes within classes');
      out += posix === null ? '\\[' : posix[0];
      i += posix === null ? 1 : posix[0].length;
    } else {
      out += char;
      i++;
    }
  }
  const inner = source.slice(first, i);
  const isAll = ['sS', 'wW', 'dD'].some((pair) => inner.includes(`\\${pair[0]}`) && inner.includes(`\\${pair[1]}`));
  if (isAll) {
    if (out.startsWith('[^')) throw new SyntaxError('this class matches nothing');
    return ['(?s:.)', i + 1];
  }
  return [`${out}]`, i + 1];
}

function escape(source: string, i: number, dialect: Dialect, permissive: boolean, inClass: boolean): Step {
  const char = source[i + 1];
  if (char === undefined) throw new SyntaxError('the pattern ends in a lone backslash');
  const next = i + 2;
  const letters = LETTERS[dialect];
  if (char === 'd' || char === 'w' || char === 's') {
    // Engines differ in letters beyond ASCII; to allow, ASCII will do.
    if (permissive || (dialect === 'js' && char !== 's')) return [`\\${char}`, next];
    return [inClass ? letters[char] : `[${letters[char]}]`, next];
  }
  if (char === 'D' || char === 'W' || char === 'S') {
    if (inClass || (dialect === 'js' && char !== 'S')) return [`\\${char}`, next];
    return [`[^${letters[char.toLowerCase() as 'd' | 'w' | 's']}]`, next];
  }
  if (char === 'b' || char === 'B') {
    if (inClass) return ['\\x{08}', next];
    if (dialect === 'rust' && source[next] === '{') throw new SyntaxError('RE2 has no half word boundaries');
    return [`\\${char}`, next];
  }
  if (char === '0' && !/[0-9]/.test(source[next] ?? '')) return ['\\x{00}', next];
  if (/[0-9]/.test(char) || (char === 'k' && dialect === 'js')) throw new SyntaxError('RE2 has no back-references');
  const code = codePoint(source, i, dialect);
  if (code !== undefined) return code;
  if (char === 'A' && dialect !== 'js') return ['\\A', next];
  if (char === 'Z' && dialect === 'python') return ['\\z', next];
  if (char === 'z' && dialect === 'rust') return ['\\z', next];
  const property =
    dialect === 'rust' ? /^\\[pP](?:\{\^?[A-Za-z_]{1,40}\}|[A-Z])/.exec(source.slice(i, i + 48))?.[0] : undefined;
  if (property !== undefined) return [property, i + property.length];
  if (PLAIN_LETTERS[dialect].includes(char)) return [`\\${char}`, next];
  if (/[A-Za-z]/.test(char)) {
    if (dialect !== 'js' || char === 'p' || char === 'P' || char === 'u' || char === 'x' || char === 'c')
      throw new SyntaxError(`"\\${char}" is not known`);
    return [char, next];
  }
  if (/[<>]/.test(char) && dialect === 'rust') throw new SyntaxError('RE2 has no half word boundaries');
  return [/[!-/:-@[-`{-~]/.test(char) ? `\\${char}` : char, next];
}

/** `\xHH`, `\uHHHH`, `\UHHHHHHHH`, `\x{H}`, `\u{H}`, `\cX`. */
function codePoint(source: string, i: number, dialect: Dialect): Step | undefined {
  const rest = source.slice(i, i + 14);
  const fixed = /^\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4}))/.exec(rest);
  if (fixed !== null) return [`\\x{${fixed[1] ?? fixed[2]}}`, i + fixed[0].length];
  const long = dialect === 'js' ? null : /^\\U([0-9A-Fa-f]{8})/.exec(rest);
  if (long !== null) return [`\\x{${(long[1] ?? '').replace(/^0+(?=.)/, '')}}`, i + long[0].length];
  const braced = dialect === 'rust' ? /^\\[xuU]\{([0-9A-Fa-f]{1,8})\}/.exec(rest) : null;
  if (braced !== null) return [`\\x{${braced[1]}}`, i + braced[0].length];
  const control = dialect === 'js' ? /^\\c([A-Za-z])/.exec(rest) : null;
  if (control === null) return undefined;
  return [`\\x{${((control[1] ?? 'A').toUpperCase().charCodeAt(0) - 64).toString(16).padStart(2, '0')}}`, i + 3];
}

/** Whether a pattern of RE2 is found in the empty text. */
export function matchesNothing(re2: string): boolean {
  return compilePattern(re2).test('');
}

/** A text as a pattern that matches just it. */
export function quotePattern(text: string): string {
  return text.replaceAll(/[\\^$.|?*+()[\]{}/-]/g, '\\$&');
}
