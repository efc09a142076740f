import { STRING_CLASS, stringEnd } from './lexis.ts';
import type { TokenFault } from './lexis.ts';
import { unescape } from './text.ts';

/** Longest probe before the keys are taken for an attack on the hash; random keys stay far below. */
const LONGEST_PROBE = 128;
/** Keys whose tables are kept between messages. */
const RETAINED = 4096;

/**
 * The keys of the message being scanned, for telling duplicates in linear time. Keys are compared DECODED and within
 * their object. The hash is seeded, so that nobody can prepare keys that collide; a probe that grows long all the same
 * refuses the message instead of going quadratic.
 */
export class KeyTable {
  readonly #seed: number;
  readonly #factor: number;
  /** Ordinal + 1 + base; what is not above `#base` belongs to an earlier message, so nothing is cleared between. */
  #slots = new Int32Array(256);
  #base = 0;
  #count = 0;
  #hashes = new Int32Array(64);
  #starts = new Int32Array(64);
  /** End of the body, negated when it has escapes. */
  #ends = new Int32Array(64);
  #left = new Uint8Array(64);
  #right = new Uint8Array(64);
  /** Hash of the key that `end` read last. */
  #hash = 0;

  constructor(seed: number) {
    this.#seed = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b);
    this.#factor = Math.imul(seed ^ (seed >>> 15) ^ 0x27d4eb2f, 0x01000193) | 1;
  }

  /** How many keys this message has so far. */
  get count(): number {
    return this.#count;
  }

  /**
   * Forgets the keys of the message before.
   * @param length bytes of the message to come; when it is small, memory that a large one took is given back
   */
  restart(length: number): void {
    this.#base += this.#count;
    this.#count = 0;
    const isSmall = length < RETAINED * 8;
    if (isSmall && this.#hashes.length > RETAINED) {
      this.#slots = new Int32Array(256);
      this.#base = 0;
      this.#resize(64);
    } else if (this.#base > 0x3fffffff) {
      this.#slots.fill(0);
      this.#base = 0;
    }
    if (isSmall && this.#left.length > RETAINED) this.#left = new Uint8Array(64);
    if (isSmall && this.#right.length > RETAINED) this.#right = new Uint8Array(64);
  }

  /** As `stringEnd`, and remembers the key's hash for `add`. */
  end(bytes: Uint8Array, at: number, end: number, fault: TokenFault): number {
    const classes = STRING_CLASS;
    const factor = this.#factor;
    let hash = this.#seed;
    let i = at + 1;
    let byte = 0;
    while (i < end && classes[(byte = bytes[i]!)] === 0) {
      hash = Math.imul(hash ^ byte, factor);
      i++;
    }
    if (i < end && byte === 0x22) {
      this.#hash = hash;
      return i + 1;
    }
    const found = stringEnd(bytes, at, end, fault);
    if (found > 0) this.#hash = this.#hashOf(bytes, at + 1, found - 1);
    else if (found < 0) {
      const body = -found - 1;
      this.#left = roomFor(this.#left, body - at);
      this.#hash = this.#hashOf(this.#left, 0, unescape(bytes, at + 1, body, this.#left));
    }
    return found;
  }

  /**
   * Adds the key that `end` read last.
   * @param owner the object it belongs to
   * @param start its opening quote
   * @param end what `end` returned
   * @returns what is wrong with it, if anything
   */
  add(bytes: Uint8Array, owner: number, start: number, end: number): 'duplicate_key' | 'key_collisions' | undefined {
    // Each step can be undone, so one key in two objects never has one hash: the owner needs no comparing.
    let hash = Math.imul(this.#hash ^ owner, 0x2c1b3c6d);
    hash = Math.imul(hash ^ (hash >>> 15), 0x297a2d39);
    hash ^= hash >>> 14;
    const ordinal = this.#count;
    if (ordinal === this.#hashes.length) this.#resize(ordinal * 2);
    if ((ordinal + 1) * 2 > this.#slots.length) this.#rehash();
    const slots = this.#slots;
    const mask = slots.length - 1;
    const base = this.#base;
    let slot = hash & mask;
    let entry: number;
    for (let probe = 0; (entry = slots[slot]! - base) > 0; slot = (slot + 1) & mask) {
      if (++probe > LONGEST_PROBE) return 'key_collisions';
      const other = entry - 1;
      if (this.#hashes[other] === hash && this.#same(bytes, other, start, end)) return 'duplicate_key';
    }
    slots[slot] = base + ordinal + 1;
    this.#hashes[ordinal] = hash;
    this.#starts[ordinal] = start + 1;
    this.#ends[ordinal] = end < 0 ? end + 1 : end - 1;
    this.#count = ordinal + 1;
    return undefined;
  }

  #same(bytes: Uint8Array, other: number, start: number, end: number): boolean {
    let a = bytes;
    let aFrom = this.#starts[other]!;
    let aTo = this.#ends[other]!;
    if (aTo < 0) {
      a = this.#right = roomFor(this.#right, -aTo - aFrom);
      aTo = unescape(bytes, aFrom, -aTo, a);
      aFrom = 0;
    }
    let b = bytes;
    let bFrom = start + 1;
    let bTo = end - 1;
    if (end < 0) {
      b = this.#left = roomFor(this.#left, -end - 1 - bFrom);
      bTo = unescape(bytes, bFrom, -end - 1, b);
      bFrom = 0;
    }
    if (aTo - aFrom !== bTo - bFrom) return false;
    while (aFrom < aTo) if (a[aFrom++] !== b[bFrom++]) return false;
    return true;
  }

  #hashOf(bytes: Uint8Array, from: number, to: number): number {
    const factor = this.#factor;
    let hash = this.#seed;
    for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, factor);
    return hash;
  }

  #resize(length: number): void {
    const kept = Math.min(length, this.#hashes.length);
    const grown = (old: Int32Array): Int32Array<ArrayBuffer> => {
      const room = new Int32Array(length);
      room.set(old.subarray(0, kept));
      return room;
    };
    this.#hashes = grown(this.#hashes);
    this.#starts = grown(this.#starts);
    this.#ends = grown(this.#ends);
  }

  #rehash(): void {
    const slots = new Int32Array(this.#slots.length * 4);
    const mask = slots.length - 1;
    for (let ordinal = 0; ordinal < this.#count; ordinal++) {
      let slot = this.#hashes[ordinal]! & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = ordinal + 1;
    }
    this.#slots = slots;
    this.#base = 0;
  }
}

function roomFor(buffer: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
  return length <= buffer.length ? buffer : new Uint8Array(length * 2);
}
