import { secretKind, type SecretKind } from './secret-names.ts';
import type { Span } from './secret-shapes.ts';

/** Between a name and its value: closing quote, a type word, the joint, opening quote. */
const JOINT =
  /(\\{0,3}["'`\]]{0,2})[ \t]{0,8}(?:[A-Za-z]{1,12}[ \t]{1,4}(?=[=:]))?((?:[:?.+|]{0,3}=>?)|:|,|>|(?<=[ \t])(?=\\{0,3}["'`]))[ \t\r\n]{0,20}(\\{0,3}["'`]{0,3})/y;
const NAME_MOST = 48;
const VALUE_MOST = 2_048;

/**
 * Finds `name = value` where the name promises a secret and the value can be one.
 * @param start where the telling part of the name stands; `after` behind it.
 * @returns `done`: nothing before it needs another look; `value`: the span of the value without quotes.
 */
export function findAssigned(
  text: string,
  start: number,
  after: number,
): { readonly done: number; readonly value?: Span } {
  let nameEnd = after;
  while (nameEnd - after < NAME_MOST && isNameUnit(text.charCodeAt(nameEnd))) nameEnd++;
  const nothing = { done: nameEnd };
  JOINT.lastIndex = nameEnd;
  const match = JOINT.exec(text);
  if (match === null) return nothing;
  const opening = match[3]!;
  if ((match[2] === ',' || match[2] === '') && opening === '') return nothing;
  // A value on the next line belongs to markup, not to an empty assignment.
  if (opening === '' && match[2] !== '>' && match[0].includes('\n')) return nothing;
  const kind = secretKind(text.slice(nameStart(text, start), nameEnd));
  if (kind === undefined) return nothing;
  const from = nameEnd + match[0].length;
  const quote = opening.at(-1);
  const closed = quote === undefined ? bareEnd(text, from, VALUE_MOST) : quotedEnd(text, from, quote);
  const isLong = closed - from >= VALUE_MOST;
  if (!canBeSecret(text.slice(from, closed), kind, quote !== undefined && !isLong)) return nothing;
  // Judged by its beginning, taken to its end: a tail must not stay behind.
  const end = isLong ? bareEnd(text, from, text.length) : closed;
  return { done: end, value: { start: from, end } };
}

/** Byte form of the same test for the prefilter: may something be assigned behind a name that ends near `at`? */
export function looksAssigned(bytes: Uint8Array, at: number, end: number): boolean {
  let here = at;
  const nameEnd = Math.min(end, at + NAME_MOST);
  while (here < nameEnd && isNameByte(bytes[here]!)) here++;
  const jointEnd = Math.min(end, here + 40);
  let closed = false;
  for (; here < jointEnd; here++) {
    const byte = bytes[here]!;
    if (byte === 0x3d || byte === 0x3e || byte === 0x2c) return true;
    if (byte === 0x3a) return !(closed && isPlainJson(bytes, here + 1, end));
    if ((byte === 0x22 || byte === 0x27 || byte === 0x60) && opensValue(bytes, here)) return true;
    if (byte === 0x22) closed = bytes[here - 1] !== 0x5c;
    else if (
      byte !== 0x20 &&
      byte !== 0x5c &&
      byte !== 0x27 &&
      byte !== 0x60 &&
      byte !== 0x5d &&
      byte !== 0x09 &&
      !isTypeByte(byte)
    )
      return false;
  }
  return false;
}

/** A quote behind a blank (also `\\t` spelled out) or a backslash may open a value without any joint. */
function opensValue(bytes: Uint8Array, quote: number): boolean {
  const before = bytes[quote - 1];
  return before === 0x20 || before === 0x09 || before === 0x5c || (before === 0x74 && bytes[quote - 2] === 0x5c);
}

/** Behind `"name":` a number, literal, or object is no string. */
function isPlainJson(bytes: Uint8Array, from: number, end: number): boolean {
  let at = from;
  while (at < end && (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09)) at++;
  return at < end && bytes[at] !== 0x22 && bytes[at] !== 0x5b && bytes[at] !== 0x5c;
}

function isNameByte(byte: number): boolean {
  return isTypeByte(byte) || (byte >= 0x30 && byte <= 0x39) || byte === 0x5f || byte === 0x2d;
}

function isTypeByte(byte: number): boolean {
  return (
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x3f ||
    byte === 0x2e ||
    byte === 0x2b ||
    byte === 0x7c
  );
}

function nameStart(text: string, start: number): number {
  let from = start;
  while (from > 0 && start - from < NAME_MOST && isNameUnit(text.charCodeAt(from - 1))) from--;
  return from;
}

function isNameUnit(code: number): boolean {
  return (
    (code >= 0x30 && code <= 0x39) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x61 && code <= 0x7a) ||
    code === 0x5f ||
    code === 0x2d
  );
}

function quotedEnd(text: string, from: number, quote: string): number {
  const most = Math.min(text.length, from + VALUE_MOST);
  let at = from;
  for (; at < most; at++) {
    const unit = text[at]!;
    if (unit === quote) return text[at - 1] === '\\' && at > from ? at - 1 : at;
    if (unit === '\n' || unit === '\r') return at;
  }
  return at;
}

function bareEnd(text: string, from: number, longest: number): number {
  const most = Math.min(text.length, from + longest);
  let at = from;
  while (at < most && !isBareStop(text.charCodeAt(at))) at++;
  return at;
}

/** White space, quotes, `, ; ) } ] < > &`, backslash. */
function isBareStop(code: number): boolean {
  if (code <= 0x20) return true;
  switch (code) {
    case 0x22:
    case 0x27:
    case 0x60:
    case 0x2c:
    case 0x3b:
    case 0x29:
    case 0x7d:
    case 0x5d:
    case 0x3c:
    case 0x3e:
    case 0x26:
    case 0x5c:
      return true;
    default:
      return false;
  }
}

const STOP_WORDS =
  /^(?:pass(?:word|wd)?\d{0,3}|secret|token|changeme|change_me|example|placeholder|redacted|masked|hidden|required|optional|string|undefined|null|none|true|false|empty|bearer|basic|default|unknown|n\/a|your[-_ ].*|my[-_ ]?(?:password|secret|token|api[-_]?key)|.*(?:your|put|insert|enter)[-_].*)$/i;

/** Length, alphabet and entropy gates; precision matters more here than for shapes with a prefix. */
function canBeSecret(value: string, kind: SecretKind, quoted: boolean): boolean {
  if (value.length < (kind === 'password' ? 6 : 8) || isReference(value) || STOP_WORDS.test(value)) return false;
  const different = new Set(value).size;
  if (different < 4 || hasLongRun(value)) return false;
  const digit = /\d/.test(value);
  const letter = /[A-Za-z]/.test(value);
  if (/\s/.test(value) && kind === 'token') return false;
  if (kind === 'password') {
    if (/\s/.test(value)) return quoted && digit && value.length <= 64;
    return (
      digit ||
      /[!@#$%^&*?~+=]/.test(value) ||
      (quoted && /[a-z]/.test(value) && /[A-Z]/.test(value.slice(1)) && !/[.:/]/.test(value))
    );
  }
  if (/\d\.\d{1,4}\.\d{1,6}$/.test(value)) return false;
  if (/^(?:https?:|\.{0,2}\/|~\/|[\w.-]+\.(?:[a-z]{1,5}|length|size)$)/.test(value)) return false;
  if (!digit || (!letter && value.length < 14)) return false;
  return value.length >= 14 ? entropy(value) >= 2.8 : entropy(value) >= 2.75 && different >= 7;
}

/**
 * A value that points to a secret or stands in for one: `${VAR}`, `$(cmd)`, `{{ x }}`, `<your key>`, `%VAR%`, `***`,
 * `process.env.X`.
 */
export function isReference(value: string): boolean {
  const text = value.trim();
  if (text.length > 256) return false;
  return REFERENCES.some((shape) => shape.test(text));
}

/** Narrow on purpose: `$ecret1` and `<hunter2>` are passwords. */
const REFERENCES: readonly RegExp[] = [
  /^\$\{[^}]{0,200}\}?$/,
  /^\$\([^)]{0,200}\)?$/,
  /^\$[A-Z_][A-Z0-9_]{0,100}$/,
  /^\{\{?[ A-Za-z_.:-]{1,200}\}\}?$/,
  /^<[A-Za-z][A-Za-z _.-]{0,200}>$/,
  /^%[A-Z_]{1,100}%$/,
  /^\[(?:secret:[\w~-]{1,60}|\w{0,3}redacted[\w: -]{0,60}|masked|hidden|removed|filtered)\]$/i,
  /^(?:[x*.•#-]+|X+)$/,
  /^(?:process\.env|os\.environ|env|ENV|secrets|vars|var|config)[.[][\w.'"[\]]{1,200}$/,
];

function hasLongRun(value: string): boolean {
  let run = 1;
  for (let at = 1; at < value.length; at++) {
    run = value[at] === value[at - 1] ? run + 1 : 1;
    if (run >= 8) return true;
  }
  return false;
}

/** Shannon entropy in bits a character. */
function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const unit of text) counts.set(unit, (counts.get(unit) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}
