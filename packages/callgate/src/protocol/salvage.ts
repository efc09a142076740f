import { numberEnd, stringEnd } from './lexis.ts';
import type { TokenFault } from './lexis.ts';
import { decodeUtf8, unescape } from './text.ts';

/** What could be told of a message that cannot be read. */
export interface Salvaged {
  /** The id as JSON text, when there is exactly one and it is a string or a safe integer. */
  readonly idText: string | undefined;
  /** Its top level has a `method`. */
  readonly asks: boolean;
  /** Its top level has a `result` or an `error`. */
  readonly answers: boolean;
}

/** What one walk found; `ids` counts top-level ids, well-formed or not. */
interface Trace {
  ids: number;
  idText: string | undefined;
  asks: boolean;
  answers: boolean;
}

const LONGEST_KEY = 64;

/**
 * The id of a broken line, so that its sender gets an answer instead of silence. Never a reason to act on anything
 * else in it.
 * @param bytes the buffer
 * @param start first byte of the line, or of the last part of one
 * @param end one past its last byte
 * @returns the JSON text of the only top-level id, when it is a string or a safe integer
 */
export function salvageId(bytes: Uint8Array, start: number, end: number): string | undefined {
  return salvage(bytes, start, end).idText;
}

/** As `salvageId`, and what kind of message it seems to be. */
export function salvage(bytes: Uint8Array, start: number, end: number): Salvaged {
  const trace = blank();
  if (bytes[pastOddSpace(bytes, start, end)] === 0x7b && forward(bytes, start, end, trace)) return summary(trace);
  // It does not begin as a message, or closes more than it opened: the last part of a line.
  const tail = blank();
  backward(bytes, start, end, tail);
  return summary(tail);
}

/**
 * As `salvage`, for a line of which only the two ends were kept.
 * @param head its first bytes
 * @param tail its last bytes, none of which are in `head`
 */
export function salvageOversize(head: Uint8Array, tail: Uint8Array): Salvaged {
  const trace = blank();
  forward(head, 0, head.length, trace);
  backward(tail, 0, tail.length, trace);
  return summary(trace);
}

function blank(): Trace {
  return { ids: 0, idText: undefined, asks: false, answers: false };
}

function summary(trace: Trace): Salvaged {
  return { idText: trace.ids === 1 ? trace.idText : undefined, asks: trace.asks, answers: trace.answers };
}

/** Walks from the start, counting brackets; false when it closes more than it opened. */
function forward(bytes: Uint8Array, start: number, end: number, trace: Trace): boolean {
  let depth = 0;
  let inObject = false;
  let wantsKey = false;
  for (let i = start; i < end; i++) {
    switch (bytes[i]) {
      case 0x22: {
        const close = looseStringEnd(bytes, i, end);
        if (close < 0) return true;
        if (depth === 1 && inObject && wantsKey) {
          const colon = pastSpace(bytes, close, end);
          if (colon < end && bytes[colon] === 0x3a) note(trace, bytes, i, close, pastSpace(bytes, colon + 1, end), end);
          wantsKey = false;
        }
        i = close - 1;
        break;
      }
      case 0x7b:
      case 0x5b:
        if (depth++ === 0) inObject = wantsKey = bytes[i] === 0x7b;
        break;
      case 0x7d:
      case 0x5d:
        if (--depth < 0) return false;
        break;
      case 0x2c:
        if (depth === 0) return false;
        if (depth === 1) wantsKey = true;
        break;
      default:
    }
  }
  return true;
}

/**
 * Walks from the closing brace back. Exact for JSON: a quote inside a string follows an odd number of backslashes, and
 * the quote that opens one follows none.
 */
function backward(bytes: Uint8Array, start: number, end: number, trace: Trace): void {
  let i = end - 1;
  while (i >= start && isSpace(bytes[i]!)) i--;
  if (i < start || bytes[i] !== 0x7d) return;
  let depth = 1;
  /** The value right of the last colon seen at depth 1. */
  let value = -1;
  let colonSeen = false;
  for (i--; i >= start; i--) {
    const byte = bytes[i]!;
    if (byte === 0x22) {
      const open = looseStringStart(bytes, i, start);
      if (open < 0) return;
      if (depth === 1 && colonSeen) {
        note(trace, bytes, open, i + 1, value, end);
        colonSeen = false;
        // One value belongs to one key, or a line of keys could have a long one read over and over.
        value = -1;
      } else if (depth === 1) value = open;
      i = open;
    } else if (byte === 0x7d || byte === 0x5d) depth++;
    else if (byte === 0x7b || byte === 0x5b) {
      if (--depth === 0) {
        // Something stands before the object that just opened, so it was not the message: its id means nothing.
        if (pastOddSpace(bytes, start, i) !== i) trace.ids += 2;
        return;
      }
      if (depth === 1) value = i;
    } else if (depth === 1) {
      if (byte === 0x3a) colonSeen = true;
      else if (byte === 0x2c) value = -1;
      else if (!isSpace(byte)) value = i;
    }
  }
}

/** Takes down a top-level member if it is one that tells something. */
function note(trace: Trace, bytes: Uint8Array, open: number, close: number, value: number, end: number): void {
  switch (keyText(bytes, open, close)) {
    case 'id':
      trace.ids++;
      trace.idText = value < 0 || trace.ids > 1 ? undefined : idTextAt(bytes, value, end);
      break;
    case 'method':
      trace.asks = true;
      break;
    case 'result':
    case 'error':
      trace.answers = true;
      break;
    default:
  }
}

/** The JSON text of a well-formed id that stands whole at `at`. */
function idTextAt(bytes: Uint8Array, at: number, end: number): string | undefined {
  const fault: TokenFault = { code: 'syntax', at: 0 };
  const first = at < end ? bytes[at]! : 0;
  let close = 0;
  if (first === 0x22) close = Math.abs(stringEnd(bytes, at, end, fault));
  else if (first === 0x2d || (first >= 0x30 && first <= 0x39)) close = numberEnd(bytes, at, end, fault);
  if (close === 0) return undefined;
  const next = pastSpace(bytes, close, end);
  if (next >= end || (bytes[next] !== 0x2c && bytes[next] !== 0x7d)) return undefined;
  const text = decodeUtf8(bytes, at, close);
  return first === 0x22 || isSafeIntegerText(text) ? text : undefined;
}

/** Whether a number is written as the one spelling of a safe integer, so that every parser reads the same id. */
function isSafeIntegerText(text: string): boolean {
  const value = Number(text);
  return Number.isSafeInteger(value) && String(value) === text;
}

function keyText(bytes: Uint8Array, open: number, close: number): string | undefined {
  if (close - open > LONGEST_KEY) return undefined;
  const found = stringEnd(bytes, open, close, { code: 'syntax', at: 0 });
  if (Math.abs(found) !== close) return undefined;
  if (found > 0) return decodeUtf8(bytes, open + 1, close - 1);
  const decoded = new Uint8Array(close - open);
  return decodeUtf8(decoded, 0, unescape(bytes, open + 1, close - 1, decoded));
}

/** One past the next quote that no backslash escapes, or -1. */
function looseStringEnd(bytes: Uint8Array, open: number, end: number): number {
  for (let i = open + 1; i < end; i++) {
    if (bytes[i] === 0x5c) i++;
    else if (bytes[i] === 0x22) return i + 1;
  }
  return -1;
}

/** The quote that opens the string which closes at `close`, or -1. */
function looseStringStart(bytes: Uint8Array, close: number, start: number): number {
  for (let i = close - 1; i >= start; i--) {
    if (bytes[i] !== 0x22) continue;
    let slashes = 0;
    while (i - 1 - slashes >= start && bytes[i - 1 - slashes] === 0x5c) slashes++;
    if (slashes % 2 === 0) return i;
    i -= slashes;
  }
  return -1;
}

function pastSpace(bytes: Uint8Array, from: number, end: number): number {
  let i = from;
  while (i < end && isSpace(bytes[i]!)) i++;
  return i;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

/** The first byte that no parser takes for white space: what hides behind odd space is judged like what does not. */
export function pastOddSpace(bytes: Uint8Array, start: number, end: number): number {
  let i = start;
  for (;;) {
    const a = i < end ? bytes[i]! : -1;
    const b = i + 1 < end ? bytes[i + 1]! : -1;
    const c = i + 2 < end ? bytes[i + 2]! : -1;
    if (a >= 0 && a <= 0x20) i += 1;
    else if (a === 0xc2 && (b === 0xa0 || b === 0x85)) i += 2;
    else if (a === 0xef && b === 0xbb && c === 0xbf) i += 3;
    else if (a === 0xe2 && (b === 0x80 || b === 0x81) && c >= 0x80) i += 3;
    else if (a === 0xe3 && b === 0x80 && c === 0x80) i += 3;
    else return i;
  }
}
