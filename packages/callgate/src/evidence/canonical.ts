/** Canonical text of a JSON value, and of each member when it is an object, keys sorted. */
export interface Canonical {
  readonly whole: string;
  readonly members: readonly (readonly [key: string, text: string])[] | undefined;
}

const DEPTH_MAX = 512;

class NotCanonical extends Error {}

let source = '';
let at = 0;

/**
 * RFC 8785 (JCS) text of `json`, except that a number whose value a double would change keeps its digits as written.
 * @returns undefined for what is not one JSON value, repeats a key, or nests deeper than 512.
 */
export function canonicalise(json: string): Canonical | undefined {
  source = json;
  at = 0;
  try {
    blank();
    const members: [string, string][] = [];
    const isObject = source.charCodeAt(at) === 0x7b;
    const whole = isObject ? object(0, members) : value(0);
    blank();
    return at === source.length ? { whole, members: isObject ? members : undefined } : undefined;
  } catch (error) {
    if (error instanceof NotCanonical) return undefined;
    throw error;
  } finally {
    source = '';
  }
}

/** JCS text of a string; lone surrogates become U+FFFD, as UTF-8 would make them. */
export function canonicalString(text: string): string {
  return JSON.stringify(wellFormed(text));
}

/** Text without lone surrogates. */
export function wellFormed(text: string): string {
  return LONE_SURROGATE.test(text) ? Buffer.from(text, 'utf8').toString('utf8') : text;
}
const LONE_SURROGATE = /\p{Surrogate}/u;

function value(depth: number): string {
  if (depth > DEPTH_MAX) throw new NotCanonical();
  switch (source.charCodeAt(at)) {
    case 0x7b:
      return object(depth, []);
    case 0x5b:
      return array(depth);
    case 0x22:
      return string().text;
    case 0x74:
      return word('true');
    case 0x66:
      return word('false');
    case 0x6e:
      return word('null');
    default:
      return number();
  }
}

function object(depth: number, members: [string, string][]): string {
  at++;
  blank();
  if (source.charCodeAt(at) === 0x7d) {
    at++;
    return '{}';
  }
  const texts = new Map<string, string>();
  let sorted = true;
  for (;;) {
    const key = string();
    blank();
    expect(0x3a);
    blank();
    const last = members.at(-1);
    if (last !== undefined && last[0] >= key.value) sorted = false;
    members.push([key.value, value(depth + 1)]);
    if (texts.has(key.value)) throw new NotCanonical();
    texts.set(key.value, key.text);
    blank();
    if (!more(0x7d)) break;
    blank();
  }
  if (!sorted) members.sort((a, b) => (a[0] < b[0] ? -1 : 1));
  return `{${members.map(([key, text]) => `${texts.get(key)}:${text}`).join(',')}}`;
}

function array(depth: number): string {
  at++;
  blank();
  if (source.charCodeAt(at) === 0x5d) {
    at++;
    return '[]';
  }
  const items: string[] = [];
  for (;;) {
    items.push(value(depth + 1));
    blank();
    if (!more(0x5d)) return `[${items.join(',')}]`;
    blank();
  }
}

function string(): { value: string; text: string } {
  if (source.charCodeAt(at) !== 0x22) throw new NotCanonical();
  let end = source.indexOf('"', at + 1);
  while (end > 0 && isEscaped(end)) end = source.indexOf('"', end + 1);
  if (end < 0) throw new NotCanonical();
  const raw = source.slice(at, end + 1);
  at = end + 1;
  if (!raw.includes('\\') && !CONTROL.test(raw)) return { value: raw.slice(1, -1), text: raw };
  let text: unknown;
  try {
    text = JSON.parse(raw);
  } catch {
    throw new NotCanonical();
  }
  const clean = wellFormed(String(text));
  return { value: clean, text: JSON.stringify(clean) };
}
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\u0000-\u001f]/;

function isEscaped(quote: number): boolean {
  let slashes = 0;
  while (source.charCodeAt(quote - 1 - slashes) === 0x5c) slashes++;
  return slashes % 2 === 1;
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;

function number(): string {
  NUMBER.lastIndex = at;
  const text = NUMBER.exec(source)?.[0];
  if (text === undefined) throw new NotCanonical();
  at += text.length;
  return canonicalNumber(text);
}

/** The shortest text of the double when it has the very value of `text`, else `text`. */
export function canonicalNumber(text: string): string {
  const short = String(Number(text));
  if (short === text) return text;
  return decimal(short) === decimal(text) ? (short === '-0' ? '0' : short) : text;
}

/** Sign, digits without zeros at either end, and exponent: equal for equal decimal values. */
function decimal(text: string): string {
  const match = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/.exec(text);
  if (match === null || (match[4]?.length ?? 0) > 20) return text;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  let end = digits.length;
  while (end > 0 && digits.charCodeAt(end - 1) === 0x30) end--;
  if (end === 0) return '0';
  return `${sign}${digits.slice(0, end)}e${BigInt(exponent) - BigInt(fraction.length) + BigInt(digits.length - end)}`;
}

function word(text: string): string {
  if (!source.startsWith(text, at)) throw new NotCanonical();
  at += text.length;
  return text;
}

function more(close: number): boolean {
  const code = source.charCodeAt(at++);
  if (code === 0x2c) return true;
  if (code !== close) throw new NotCanonical();
  return false;
}

function expect(code: number): void {
  if (source.charCodeAt(at) !== code) throw new NotCanonical();
  at++;
}

function blank(): void {
  for (;;) {
    const code = source.charCodeAt(at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
    at++;
  }
}
