import { hex4 } from './text.ts';

/** Why bytes were not accepted. Closed: a switch over it is exhaustive. */
export type ScanFaultCode =
  | 'empty'
  | 'bom'
  | 'syntax'
  | 'truncated'
  | 'control_character'
  | 'invalid_utf8'
  | 'invalid_escape'
  | 'lone_surrogate'
  | 'invalid_number'
  | 'trailing_content'
  | 'duplicate_key'
  | 'too_deep'
  | 'too_many_keys'
  | 'too_many_values'
  | 'key_collisions';

/** Where a token function puts what it did not like: an absolute byte offset and a code. */
export interface TokenFault {
  code: ScanFaultCode;
  at: number;
}

const QUOTE = 1;
const BACKSLASH = 2;
const CONTROL = 3;
const LEAD_2 = 4;
const LEAD_E0 = 5;
const LEAD_3 = 6;
const LEAD_ED = 7;
const LEAD_F0 = 8;
const LEAD_4 = 9;
const LEAD_F4 = 10;
const NEVER = 11;

/** String bytes by what must be done with them; 0 is an ordinary ASCII character. */
export const STRING_CLASS: Uint8Array = stringClasses();

/** What may follow a backslash, but for `u`. */
const SHORT_ESCAPE = new Uint8Array(256);
for (const letter of '"\\/bfnrt') SHORT_ESCAPE[letter.charCodeAt(0)] = 1;

function stringClasses(): Uint8Array {
  const classes = new Uint8Array(256);
  classes.fill(CONTROL, 0, 0x20);
  classes[0x22] = QUOTE;
  classes[0x5c] = BACKSLASH;
  classes.fill(NEVER, 0x80, 0xc2);
  classes.fill(LEAD_2, 0xc2, 0xe0);
  classes[0xe0] = LEAD_E0;
  classes.fill(LEAD_3, 0xe1, 0xf0);
  classes[0xed] = LEAD_ED;
  classes[0xf0] = LEAD_F0;
  classes.fill(LEAD_4, 0xf1, 0xf4);
  classes[0xf4] = LEAD_F4;
  classes.fill(NEVER, 0xf5, 0x100);
  return classes;
}

/**
 * Finds the end of a JSON string, strictly: RFC 8259 section 7, well-formed UTF-8 (RFC 3629, so neither overlong
 * forms nor surrogates), escapes only of whole surrogate pairs.
 * @param bytes the buffer
 * @param at its opening quote
 * @param end one past the last byte that may be read
 * @param fault filled when the result is 0
 * @returns one past the closing quote; negated when the string has escapes; 0 when it is no string
 */
export function stringEnd(bytes: Uint8Array, at: number, end: number, fault: TokenFault): number {
  const classes = STRING_CLASS;
  let escapes = false;
  let i = at + 1;
  for (;;) {
    while (
      i + 4 <= end &&
      (classes[bytes[i]!]! | classes[bytes[i + 1]!]! | classes[bytes[i + 2]!]! | classes[bytes[i + 3]!]!) === 0
    )
      i += 4;
    let kind = 0;
    while (i < end && (kind = classes[bytes[i]!]!) === 0) i++;
    if (i >= end) return refuse(fault, 'truncated', end);
    if (kind === QUOTE) return escapes ? -(i + 1) : i + 1;
    if (kind === BACKSLASH) {
      escapes = true;
      if (i + 1 < end && SHORT_ESCAPE[bytes[i + 1]!] === 1) {
        i += 2;
        continue;
      }
      i = longEscapeEnd(bytes, i, end, fault);
      if (i === 0) return 0;
    } else if (kind === LEAD_3) {
      // Most text that is not Latin; its second and third bytes are free.
      do {
        if (i + 3 > end || (bytes[i + 1]! & 0xc0) !== 0x80 || (bytes[i + 2]! & 0xc0) !== 0x80)
          return refuse(fault, 'invalid_utf8', i);
        i += 3;
      } while (i < end && classes[bytes[i]!] === LEAD_3);
    } else if (kind === CONTROL) return refuse(fault, 'control_character', i);
    else {
      const length = sequenceLength(bytes, i, end, kind);
      if (length === 0) return refuse(fault, 'invalid_utf8', i);
      i += length;
    }
  }
}

/** One past the `\u` escape at `at` (a whole pair for surrogates), or 0. */
function longEscapeEnd(bytes: Uint8Array, at: number, end: number, fault: TokenFault): number {
  if (at + 1 >= end) return refuse(fault, 'truncated', end);
  if (bytes[at + 1] !== 0x75) return refuse(fault, 'invalid_escape', at);
  if (at + 6 > end) return refuse(fault, 'truncated', end);
  const unit = hex4(bytes, at + 2);
  if (unit < 0) return refuse(fault, 'invalid_escape', at);
  if (unit < 0xd800 || unit > 0xdfff) return at + 6;
  if (unit >= 0xdc00 || at + 12 > end || bytes[at + 6] !== 0x5c || bytes[at + 7] !== 0x75)
    return refuse(fault, 'lone_surrogate', at);
  const low = hex4(bytes, at + 8);
  if (low < 0xdc00 || low > 0xdfff) return refuse(fault, 'lone_surrogate', at);
  return at + 12;
}

/** Length of the UTF-8 sequence whose first byte has this class, or 0 when it is not well-formed (Unicode table 3-7). */
function sequenceLength(bytes: Uint8Array, at: number, end: number, kind: number): number {
  if (kind === NEVER) return 0;
  const length = kind === LEAD_2 ? 2 : kind <= LEAD_ED ? 3 : 4;
  if (at + length > end) return 0;
  const second = bytes[at + 1]!;
  const low = kind === LEAD_E0 ? 0xa0 : kind === LEAD_F0 ? 0x90 : 0x80;
  const high = kind === LEAD_ED ? 0x9f : kind === LEAD_F4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  if (length > 2 && (bytes[at + 2]! & 0xc0) !== 0x80) return 0;
  if (length > 3 && (bytes[at + 3]! & 0xc0) !== 0x80) return 0;
  return length;
}

/**
 * Finds the end of a JSON number (RFC 8259 section 6).
 * @param bytes the buffer
 * @param at its first byte, a minus or a digit
 * @param end one past the last byte that may be read
 * @param fault filled when the result is 0
 * @returns one past the number; 0 when it is none
 */
export function numberEnd(bytes: Uint8Array, at: number, end: number, fault: TokenFault): number {
  let i = at;
  if (bytes[i] === 0x2d) i++;
  const first = i;
  i = digitsEnd(bytes, i, end);
  if (i === first || (bytes[first] === 0x30 && i > first + 1)) return refuse(fault, 'invalid_number', at);
  if (i < end && bytes[i] === 0x2e) {
    const fraction = ++i;
    i = digitsEnd(bytes, i, end);
    if (i === fraction) return refuse(fault, 'invalid_number', at);
  }
  if (i < end && (bytes[i]! | 0x20) === 0x65) {
    i++;
    if (i < end && (bytes[i] === 0x2b || bytes[i] === 0x2d)) i++;
    const exponent = i;
    i = digitsEnd(bytes, i, end);
    if (i === exponent) return refuse(fault, 'invalid_number', at);
  }
  return i;
}

function digitsEnd(bytes: Uint8Array, from: number, end: number): number {
  let i = from;
  while (i < end && (bytes[i]! - 0x30) >>> 0 <= 9) i++;
  return i;
}

function refuse(fault: TokenFault, code: ScanFaultCode, at: number): 0 {
  fault.code = code;
  fault.at = at;
  return 0;
}
