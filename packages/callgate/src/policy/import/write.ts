/** Pieces of Callgate's own syntax, written so that whatever a foreign text holds stays text. */

/** A text of an expression; `${` is kept from being a variable. */
export function celText(text: string): string {
  return quote(text.replaceAll('${', () => '$${'));
}

/** A pattern or glob of an expression: raw where it can be. */
export function celPattern(source: string): string {
  if (!source.includes('"') && /^[\u0020-\u007e]*$/.test(source) && source.includes('\\')) return `r"${source}"`;
  return quote(source);
}

/** A number, text, truth value or null. */
export function celLiteral(value: string | number | boolean | null): string {
  return typeof value === 'string' ? celText(value) : String(value);
}

/** A list of literals. */
export function celList(values: readonly (string | number | boolean | null)[]): string {
  return `[${values.map(celLiteral).join(', ')}]`;
}

/** `args.a["b c"].d` */
export function celField(path: readonly string[], root = 'args'): string {
  return path.reduce((of, key) => (isName(key) ? `${of}.${key}` : `${of}[${quote(key)}]`), root);
}

const WORDS = new Set(['in', 'true', 'false', 'null']);

function isName(key: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]{0,99}$/.test(key) && !WORDS.has(key);
}

/** `all` of some conditions, bracketed where it must be. */
export function celAnd(parts: readonly string[]): string {
  return join(parts, '&&');
}

/** `any` of some conditions. */
export function celOr(parts: readonly string[]): string {
  return join(parts, '||');
}

/** The opposite of a condition. */
export function celNot(part: string): string {
  return `!(${part})`;
}

function join(parts: readonly string[], sign: '&&' | '||'): string {
  const [first] = parts;
  if (parts.length <= 1) return first ?? 'true';
  return parts.map((part) => (part.includes(' ') ? `(${part})` : part)).join(` ${sign} `);
}

function quote(text: string): string {
  return JSON.stringify(text).replaceAll(/\\\\|\\[bf]|[\u007f-\u009f\u2028\u2029\ufeff]/g, (found) => {
    if (found === '\\\\') return found;
    const code = found === '\\b' ? 8 : found === '\\f' ? 12 : found.charCodeAt(0);
    return `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** A name as `match` takes it: exactly this one. */
export function exactName(name: string): string {
  return name.replaceAll(/[\\*?]/g, '\\$&').replaceAll('${', () => '$\\{');
}

/** A foreign glob whose `*` and `?` mean what ours do and that has no escapes. */
export function globName(glob: string): string {
  return glob.replaceAll('\\', '\\\\').replaceAll('${', () => '$\\{');
}

/** A literal of an `args` matcher. */
export function operand<T>(value: T): T | string {
  return typeof value === 'string' ? value.replaceAll('${', () => '$${') : value;
}
