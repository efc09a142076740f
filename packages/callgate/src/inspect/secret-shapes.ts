/** Secrets told by their surroundings instead of by a prefix. All bounded, all one pass. */

export interface Span {
  readonly start: number;
  readonly end: number;
}

const PEM_BODY_MOST = 32_768;

/**
 * A private key in PEM, also in one line with `\n` spelled out.
 * @param at where `PRIVATE KEY` stands.
 * @param ends where the next `-----END ` stood in the last search (-1 none, -2 not searched), so that many beginnings
 *   cost one search.
 * @returns the block (start -1: a beginning without a key in it), or undefined when no block begins here.
 */
export function pemBlock(text: string, at: number, ends: number): (Span & { readonly ends: number }) | undefined {
  const head = text.slice(Math.max(0, at - 40), at);
  const begin = head.lastIndexOf('-----BEGIN ');
  if (begin < 0 || !/^[A-Z0-9 ]{0,30}$/.test(head.slice(begin + 11))) return undefined;
  const start = at - head.length + begin;
  const body = at + 'PRIVATE KEY'.length;
  const next = ends === -1 || ends >= body ? ends : text.indexOf('-----END ', body);
  const end =
    next < 0 || next - body > PEM_BODY_MOST ? bodyEnd(text, body) : Math.min(text.length, closing(text, next));
  return { start: keyCharacters(text, body, end) >= 24 ? start : -1, end, ends: next };
}

/** Behind the dashes that close `-----END ... -----`. */
function closing(text: string, end: number): number {
  const dashes = text.indexOf('-----', end + 9);
  return dashes < 0 || dashes - end > 80 ? end + 9 : dashes + 5;
}

/** Without an end line the run of key characters is the key. */
function bodyEnd(text: string, from: number): number {
  const most = Math.min(text.length, from + PEM_BODY_MOST);
  let at = from;
  while (at < most && isPemBody(text.charCodeAt(at))) at++;
  return at;
}

function keyCharacters(text: string, from: number, to: number): number {
  let count = 0;
  const stop = Math.min(to, from + 400);
  for (let at = from; at < stop && count < 24; at++) if (isBase64(text.charCodeAt(at))) count++;
  return count;
}

function isPemBody(code: number): boolean {
  return (
    isBase64(code) || code === 0x2d || code === 0x5c || code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
  );
}

const USER_INFO = /:\/\/[^\s:/@"'<>`]{0,128}:([^\s@"'<>`]{3,256})@[\w.[-]/y;
const PLACEHOLDER_PASSWORD = /^(?:pass(?:word|wd)?|pwd|secret|token|x{3,}|\*+|\.{3}|your[-_]?\w*|unused|redacted)$/i;

/**
 * The password of `scheme://user:password@host`.
 * @param at where `://` stands.
 */
export function connectionPassword(text: string, at: number): Span | undefined {
  const before = at > 0 ? text.charCodeAt(at - 1) : 0;
  if (!isBase64(before)) return undefined;
  USER_INFO.lastIndex = at;
  const match = USER_INFO.exec(text);
  if (match === null) return undefined;
  const secret = match[1]!;
  // A slash or query before the `@` means that the `:` was a port and the `@` belongs to the path.
  if (PLACEHOLDER_PASSWORD.test(secret) || /^[$%{[<]/.test(secret) || /^\d{1,5}[/?#]/.test(secret)) return undefined;
  const end = at + match[0].length - 2;
  return { start: end - secret.length, end };
}

const CREDENTIAL =
  /(?:authorization["'\\]{0,4}[ \t]{0,4}[:=][ \t]{0,4}["'\\]{0,4})?(bearer|basic|token|bot|api-?key|api-?token|digest)[ \t]{1,4}["'\\]{0,2}([\w.~+/=|:-]{6,4096})/iy;
const BARE_CREDENTIAL = /authorization["'\\]{0,4}[ \t]{0,4}[:=][ \t]{0,4}["'\\]{0,4}([\w.~+/=|:-]{16,4096})/iy;

/**
 * The credential of an `Authorization` header, or of `Bearer …` and `Basic …` standing alone.
 * @param at where `authorization`, `bearer ` or `basic ` stands.
 */
export function authorizationValue(text: string, at: number): Span | undefined {
  CREDENTIAL.lastIndex = at;
  const match = CREDENTIAL.exec(text);
  if (match !== null) {
    const value = match[2]!;
    const end = at + match[0].length;
    const header = /^authorization/i.test(match[0]);
    return isCredential(match[1]!.toLowerCase(), value, header)
      ? { start: end - value.length, end: tokenEnd(text, end) }
      : undefined;
  }
  BARE_CREDENTIAL.lastIndex = at;
  const bare = BARE_CREDENTIAL.exec(text);
  if (bare === null || !/\d/.test(bare[1]!) || new Set(bare[1]).size < 8) return undefined;
  const end = at + bare[0].length;
  return { start: end - bare[1]!.length, end: tokenEnd(text, end) };
}

/** A credential longer than the pattern reads is taken to its end. */
function tokenEnd(text: string, from: number): number {
  let at = from;
  while (at < text.length && /[\w.~+/=|:-]/.test(text[at]!)) at++;
  return at;
}

function isCredential(scheme: string, value: string, header: boolean): boolean {
  if (scheme === 'basic') return decodesToUserAndPassword(value);
  if (new Set(value).size < 5) return false;
  if (header) return value.length >= 8 && (/\d/.test(value) || value.length >= 24);
  return value.length >= 16 && /\d/.test(value) && new Set(value).size >= 8;
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Basic credentials are base64 of printable text with a colon in it (RFC 7617). */
function decodesToUserAndPassword(value: string): boolean {
  let bits = 0;
  let held = 0;
  let colon = false;
  let decoded = 0;
  for (let at = 0; at < value.length && at < 512; at++) {
    if (value[at] === '=') break;
    const six = BASE64.indexOf(value[at]!);
    if (six < 0) return false;
    bits = ((bits << 6) | six) & 0xffff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    const byte = (bits >> held) & 0xff;
    if (byte < 0x20 || byte === 0x7f) return false;
    if (byte === 0x3a) colon = true;
    decoded++;
  }
  return colon && decoded >= 3;
}

function isBase64(code: number): boolean {
  return (
    (code >= 0x30 && code <= 0x39) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x61 && code <= 0x7a) ||
    code === 0x2b ||
    code === 0x2f ||
    code === 0x3d
  );
}
