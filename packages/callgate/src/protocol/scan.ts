import { KeyTable } from './keys.ts';
import { numberEnd, stringEnd } from './lexis.ts';
import type { ScanFaultCode, TokenFault } from './lexis.ts';
import { ARRAY, ESCAPED, FALSE, KEY, NULL, NUMBER, OBJECT, STRING, Tape, TRUE } from './nodes.ts';

export type { ScanFaultCode } from './lexis.ts';
export { ARRAY, FALSE, KEY, NULL, NUMBER, OBJECT, STRING, Tape, TRUE } from './nodes.ts';

/** Why a message was not accepted; `offset` counts bytes from its start. */
export interface ScanFault {
  readonly code: ScanFaultCode;
  readonly offset: number;
  readonly message: string;
}

/** Bounds of one message. */
export interface ScanLimits {
  /** Arrays and objects inside each other; at most 1000. */
  readonly depth?: number;
  /** Keys of all objects together. */
  readonly keys?: number;
  /** Nodes of the tape: values and keys. */
  readonly values?: number;
}

/** Nodes whose memory is kept between messages (about 0.5 MB). */
const RETAINED = 32_768;
/** A message, or the chunk it came in, that is held until the next one. */
const RETAINED_BYTES = 1 << 16;
const NO_BYTES = new Uint8Array(0);

/**
 * A strict scanner of one JSON value (RFC 8259) over bytes: one pass, no recursion, no allocation for ordinary
 * messages. It refuses whatever two parsers could read differently: duplicate keys (compared decoded), lone
 * surrogates, bytes that are not UTF-8, a byte order mark, a second value. It never throws. The scanner is the tape of
 * what it scanned last.
 */
export class Scanner extends Tape {
  readonly #maxDepth: number;
  readonly #maxKeys: number;
  readonly #maxValues: number;
  readonly #keys: KeyTable;
  readonly #token: TokenFault = { code: 'syntax', at: 0 };
  /** Where a run stopped because the tape was full. */
  #at = 0;
  #depth = 0;
  #parent = -1;
  #wantsKey = false;

  /**
   * @param limits bounds of a message; 128 levels, 100,000 keys, 4,194,304 values unless said otherwise
   * @param seed of the key hash, any integer that senders cannot know
   */
  constructor(limits: ScanLimits = {}, seed: number = Math.random() * 0x100000000) {
    super();
    this.#maxDepth = Math.min(limits.depth ?? 128, 1000);
    this.#maxKeys = limits.keys ?? 100_000;
    this.#maxValues = limits.values ?? 0x400000;
    this.#keys = new KeyTable(seed | 0);
  }

  /**
   * Scans exactly one value.
   * @param bytes the buffer; kept until the next scan
   * @param start first byte of the message
   * @param end one past its last byte
   * @returns what is wrong with it; undefined when its tape is here to be read
   */
  scan(bytes: Uint8Array, start = 0, end: number = bytes.length): ScanFault | undefined {
    this.bytes = bytes;
    this.count = 0;
    if (this.kinds.length > RETAINED && end - start < RETAINED) this.resize(512);
    const from = start > 0 ? start : 0;
    const fault = this.#scan(bytes, from, end < bytes.length ? end : bytes.length);
    if (fault === undefined) return undefined;
    this.count = 0;
    return { code: fault.code, offset: fault.at - from, message: explain(fault.code) };
  }

  /** Lets go of the last message and of the memory a large one took. */
  release(): void {
    this.bytes = NO_BYTES;
    this.count = 0;
    if (this.kinds.length > RETAINED) this.resize(512);
    this.#keys.restart(0);
  }

  /** After a message: one that was large is not held until the next one comes, for there may be as many scanners as sessions. */
  rest(): void {
    if (this.bytes.length > RETAINED_BYTES || this.kinds.length > RETAINED) this.release();
  }

  #scan(bytes: Uint8Array, from: number, end: number): TokenFault | undefined {
    this.#keys.restart(end - from);
    this.#at = from;
    this.#depth = 0;
    this.#parent = -1;
    this.#wantsKey = false;
    if (end - from >= 3 && bytes[from] === 0xef && bytes[from + 1] === 0xbb && bytes[from + 2] === 0xbf)
      return this.#refuse('bom', from);
    for (;;) {
      const outcome = this.#run(bytes, end);
      if (outcome !== 'full') return outcome;
      if (this.count >= this.#maxValues) return this.#refuse('too_many_values', this.#at);
      this.resize(this.kinds.length * 2);
    }
  }

  /** Scans until the end, a fault, or until the tape is full. Its arrays are constants here, which the engine rewards. */
  #run(bytes: Uint8Array, end: number): TokenFault | 'full' | undefined {
    const keys = this.#keys;
    const token = this.#token;
    const maxDepth = this.#maxDepth;
    const maxKeys = this.#maxKeys;
    const { kinds, flags, starts, ends, nexts } = this;
    // Two nodes (a key and its value) have room in each turn.
    const room = Math.min(kinds.length - 2, this.#maxValues);
    let { count } = this;
    let depth = this.#depth;
    let parent = this.#parent;
    let wantsKey = this.#wantsKey;
    let i = this.#at;
    let c = 0;

    for (;;) {
      if (count >= room) {
        this.count = count;
        this.#depth = depth;
        this.#parent = parent;
        this.#wantsKey = wantsKey;
        this.#at = i;
        return 'full';
      }
      while (i < end && (c = bytes[i]!) <= 0x20 && (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09)) i++;
      if (i >= end) return this.#refuse(count === 0 ? 'empty' : 'truncated', end);

      if (wantsKey) {
        if (c !== 0x22) return this.#refuse('syntax', i);
        const found = keys.end(bytes, i, end, token);
        if (found === 0) return token;
        if (keys.count >= maxKeys) return this.#refuse('too_many_keys', i);
        const wrong = keys.add(bytes, parent, i, found);
        if (wrong !== undefined) return this.#refuse(wrong, i);
        kinds[count] = KEY;
        starts[count] = i;
        if (found < 0) {
          flags[count] = ESCAPED;
          i = -found;
        } else {
          flags[count] = 0;
          i = found;
        }
        ends[count] = i;
        nexts[count] = ++count;
        while (i < end && (c = bytes[i]!) <= 0x20 && (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09)) i++;
        if (i >= end) return this.#refuse('truncated', end);
        if (c !== 0x3a) return this.#refuse('syntax', i);
        i++;
        while (i < end && (c = bytes[i]!) <= 0x20 && (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09)) i++;
        if (i >= end) return this.#refuse('truncated', end);
      }

      starts[count] = i;
      if (c === 0x22) {
        const found = stringEnd(bytes, i, end, token);
        if (found === 0) return token;
        kinds[count] = STRING;
        if (found < 0) {
          flags[count] = ESCAPED;
          i = -found;
        } else {
          flags[count] = 0;
          i = found;
        }
        ends[count] = i;
        nexts[count] = ++count;
      } else if (c === 0x7b || c === 0x5b) {
        if (++depth > maxDepth) return this.#refuse('too_deep', i);
        kinds[count] = c === 0x7b ? OBJECT : ARRAY;
        flags[count] = 0;
        // Until it closes, a container's `nexts` holds its parent: the tape is the stack.
        nexts[count] = parent;
        parent = count++;
        i++;
        const close = c + 2;
        while (i < end && (c = bytes[i]!) <= 0x20 && (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09)) i++;
        if (i >= end) return this.#refuse('truncated', end);
        wantsKey = close === 0x7d;
        // An empty one closes below.
        if (c !== close) continue;
      } else if (c === 0x2d || (c >= 0x30 && c <= 0x39)) {
        i = numberEnd(bytes, i, end, token);
        if (i === 0) return token;
        kinds[count] = NUMBER;
        flags[count] = 0;
        ends[count] = i;
        nexts[count] = ++count;
      } else {
        const length = literalLength(bytes, i, end, c);
        if (length === 0) return this.#refuse('syntax', i);
        kinds[count] = c === 0x74 ? TRUE : c === 0x66 ? FALSE : NULL;
        flags[count] = 0;
        i += length;
        ends[count] = i;
        nexts[count] = ++count;
      }

      // After a value: a comma leads to the next one, a bracket closes.
      for (;;) {
        while (i < end && (c = bytes[i]!) <= 0x20 && (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09)) i++;
        if (parent < 0) {
          if (i < end) return this.#refuse('trailing_content', i);
          this.count = count;
          return undefined;
        }
        if (i >= end) return this.#refuse('truncated', end);
        const inObject = kinds[parent] === OBJECT;
        if (c === 0x2c) {
          i++;
          wantsKey = inObject;
          break;
        }
        if (c !== (inObject ? 0x7d : 0x5d)) return this.#refuse('syntax', i);
        i++;
        depth--;
        ends[parent] = i;
        const outer = nexts[parent]!;
        nexts[parent] = count;
        parent = outer;
      }
    }
  }

  #refuse(code: ScanFaultCode, at: number): TokenFault {
    this.#token.code = code;
    this.#token.at = at;
    return this.#token;
  }
}

/** Length of `true`, `false` or `null` at `at`, or 0. */
function literalLength(bytes: Uint8Array, at: number, end: number, first: number): number {
  if (first === 0x74)
    return at + 4 <= end && bytes[at + 1] === 0x72 && bytes[at + 2] === 0x75 && bytes[at + 3] === 0x65 ? 4 : 0;
  if (first === 0x6e)
    return at + 4 <= end && bytes[at + 1] === 0x75 && bytes[at + 2] === 0x6c && bytes[at + 3] === 0x6c ? 4 : 0;
  if (first !== 0x66 || at + 5 > end) return 0;
  return bytes[at + 1] === 0x61 && bytes[at + 2] === 0x6c && bytes[at + 3] === 0x73 && bytes[at + 4] === 0x65 ? 5 : 0;
}

function explain(code: ScanFaultCode): string {
  switch (code) {
    case 'empty':
      return 'The message is empty.';
    case 'bom':
      return 'The message begins with a byte order mark.';
    case 'syntax':
      return 'The message is not JSON: an unexpected character.';
    case 'truncated':
      return 'The message is not JSON: it ends too early.';
    case 'control_character':
      return 'A string holds an unescaped control character.';
    case 'invalid_utf8':
      return 'The message is not UTF-8.';
    case 'invalid_escape':
      return 'A string holds an escape that JSON does not have.';
    case 'lone_surrogate':
      return 'A string holds half of a surrogate pair.';
    case 'invalid_number':
      return 'A number is not written as JSON writes numbers.';
    case 'trailing_content':
      return 'Something follows the message on its line.';
    case 'duplicate_key':
      return 'An object has the same key twice.';
    case 'too_deep':
      return 'Arrays and objects are nested too deeply.';
    case 'too_many_keys':
      return 'The message has too many object keys.';
    case 'too_many_values':
      return 'The message has too many values.';
    case 'key_collisions':
      return 'The object keys of the message collide as keys made for an attack do.';
  }
}
