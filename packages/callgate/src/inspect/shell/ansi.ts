const NAMED: ReadonlyMap<string, string> = new Map([
  ['a', '\x07'],
  ['b', '\b'],
  ['e', '\x1b'],
  ['E', '\x1b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
  ['\\', '\\'],
  ["'", "'"],
  ['"', '"'],
  ['?', '?'],
]);

/**
 * Decodes the escapes of `$'…'`, `echo -e` and `printf`: named, `\xHH`, octal, `\uHHHH`, `\UHHHHHHHH`, `\cX`.
 * Bytes above 127 are read as UTF-8. What is no escape stays as it is written.
 */
export function decodeEscapes(text: string): string {
  if (!text.includes('\\')) return text;
  const replaced = text.replace(
    /\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|(0?[0-7]{1,3})|c([\s\S])|([\s\S]))/g,
    (whole, hex?: string, short?: string, long?: string, octal?: string, control?: string, other?: string) => {
      if (hex !== undefined) return byte(Number.parseInt(hex, 16));
      if (short !== undefined) return codePoint(Number.parseInt(short, 16));
      if (long !== undefined) return codePoint(Number.parseInt(long, 16));
      if (octal !== undefined) return byte(Number.parseInt(octal, 8) & 0xff);
      if (control !== undefined) return String.fromCharCode(control.charCodeAt(0) & 0x1f);
      return NAMED.get(other ?? '') ?? whole;
    },
  );
  return replaced.replace(/[\uf780-\uf7ff]+/g, (bytes) =>
    decodeUtf8(Array.from(bytes, (char) => char.charCodeAt(0) & 0xff)),
  );
}

/** Bytes to text; what is not UTF-8 becomes U+FFFD, byte by byte. */
export function decodeUtf8(bytes: readonly number[]): string {
  let text = '';
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at]!;
    const length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
    const rest = bytes.slice(at + 1, at + length);
    if (length === 0 || first > 0xf4 || rest.length < length - 1 || rest.some((next) => (next & 0xc0) !== 0x80)) {
      text += '\ufffd';
      at++;
      continue;
    }
    const lead = length === 1 ? first : first & (0x7f >> length);
    text += codePoint(rest.reduce((code, next) => (code << 6) | (next & 0x3f), lead));
    at += length;
  }
  return text;
}

/** Standard or URL base64 to bytes, blanks skipped; undefined when it is not base64. */
export function decodeBase64(text: string): number[] | undefined {
  const body = text.replace(/\s+/g, '').replace(/={1,2}$/, '');
  if (body === '' || body.length % 4 === 1 || !/^[A-Za-z0-9+/_-]*$/.test(body)) return undefined;
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const char of body) {
    held = ((held << 6) | sextet(char)) & 0xffff;
    bits += 6;
    if (bits >= 8) bytes.push((held >> (bits -= 8)) & 0xff);
  }
  return bytes;
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const sextet = (char: string) => ALPHABET.indexOf(char === '-' ? '+' : char === '_' ? '/' : char);

/** A byte above 127 waits in the private area until its neighbours are known. */
const byte = (value: number) => String.fromCharCode(value < 0x80 ? value : 0xf700 + value);
const codePoint = (value: number) => (value <= 0x10ffff ? String.fromCodePoint(value) : '\ufffd');
