import type { Json } from '../model/json.ts';
import { ExactNumber } from '../model/json.ts';
import { ARRAY, ESCAPED, FALSE, KEY, NULL, NUMBER, OBJECT, STRING, TRUE } from './nodes.ts';
import type { Tape } from './nodes.ts';
import { decodeUtf8, encodeUtf8, unescape } from './text.ts';

const names = new Map<string, Uint8Array>();
const MOST_NAMES = 1024;

/**
 * Finds a member of an object by its decoded key.
 * @param tape what was scanned
 * @param object a node
 * @param name the key
 * @returns the node of the value; -1 when there is none or the node is no object
 */
export function member(tape: Tape, object: number, name: string): number {
  if (object < 0 || tape.kinds[object] !== OBJECT) return -1;
  const wanted = nameBytes(name);
  const { nexts } = tape;
  const end = nexts[object]!;
  for (let key = object + 1; key < end; key = nexts[key + 1]!) if (textIs(tape, key, wanted)) return key + 1;
  return -1;
}

/**
 * Whether a STRING or KEY, decoded, is this text.
 * @param tape what was scanned
 * @param node a STRING or KEY
 * @param wanted the text as UTF-8
 */
export function textIs(tape: Tape, node: number, wanted: Uint8Array): boolean {
  let bytes = tape.bytes;
  let from = tape.starts[node]! + 1;
  let length = tape.ends[node]! - 1 - from;
  if (tape.flags[node] === ESCAPED) {
    // An escape is never shorter than what it stands for, and at most six times as long.
    if (length < wanted.length || length > wanted.length * 6) return false;
    bytes = new Uint8Array(length);
    length = unescape(tape.bytes, from, from + length, bytes);
    from = 0;
  }
  if (length !== wanted.length) return false;
  for (let i = 0; i < length; i++) if (bytes[from + i] !== wanted[i]) return false;
  return true;
}

/**
 * The keys of an object, in order. The value of a key is the node after it.
 * @param tape what was scanned
 * @param object a node; anything but an object has no members
 */
export function* members(tape: Tape, object: number): Generator<number, void, undefined> {
  if (object < 0 || tape.kinds[object] !== OBJECT) return;
  const end = tape.nexts[object]!;
  for (let key = object + 1; key < end; key = tape.nexts[key + 1]!) yield key;
}

/**
 * The elements of an array, in order.
 * @param tape what was scanned
 * @param array a node; anything but an array has no elements
 */
export function* elements(tape: Tape, array: number): Generator<number, void, undefined> {
  if (array < 0 || tape.kinds[array] !== ARRAY) return;
  const end = tape.nexts[array]!;
  for (let node = array + 1; node < end; node = tape.nexts[node]!) yield node;
}

/**
 * The decoded text of a STRING or KEY.
 * @param tape what was scanned
 * @param node a STRING or KEY
 */
export function stringAt(tape: Tape, node: number): string {
  const from = tape.starts[node]! + 1;
  const to = tape.ends[node]! - 1;
  if (tape.flags[node] !== ESCAPED) return decodeUtf8(tape.bytes, from, to);
  const decoded = new Uint8Array(to - from);
  return decodeUtf8(decoded, 0, unescape(tape.bytes, from, to, decoded));
}

/**
 * The value of a node. Objects have no prototype, so that `__proto__` is a key like any other.
 * @param tape what was scanned
 * @param node a value; for a KEY, its text
 */
export function jsonAt(tape: Tape, node: number): Json {
  switch (tape.kinds[node]) {
    case NULL:
      return null;
    case FALSE:
      return false;
    case TRUE:
      return true;
    case NUMBER:
      return numberAt(tape, node);
    case ARRAY: {
      const array: Json[] = [];
      const end = tape.nexts[node]!;
      for (let at = node + 1; at < end; at = tape.nexts[at]!) array.push(jsonAt(tape, at));
      return array;
    }
    case OBJECT: {
      const object = Object.create(null) as Record<string, Json>;
      const end = tape.nexts[node]!;
      for (let key = node + 1; key < end; key = tape.nexts[key + 1]!)
        object[stringAt(tape, key)] = jsonAt(tape, key + 1);
      return object;
    }
    default:
      return stringAt(tape, node);
  }
}

/**
 * The value of a NUMBER: a JS number when it is safe and JS would write it the same way, else the text.
 * @param tape what was scanned
 * @param node a NUMBER
 */
export function numberAt(tape: Tape, node: number): number | ExactNumber {
  const { bytes } = tape;
  const start = tape.starts[node]!;
  const end = tape.ends[node]!;
  const small = smallInteger(bytes, start, end);
  if (small >= 0) return small;
  const text = decodeUtf8(bytes, start, end);
  // A number of more digits than any double prints cannot round-trip.
  if (text.length > 32) return new ExactNumber(text);
  const value = Number(text);
  const keeps = String(value) === text && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
  return keeps ? value : new ExactNumber(text);
}

/** The value of up to nine digits; -1 for anything else. */
function smallInteger(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > 9) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = bytes[i]! - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** Longest key that a pointer spells out; of a longer one it has the beginning, and an ellipsis. */
const LONGEST_SEGMENT = 256;

/** A container being walked: the same object for all that it directly holds. */
export interface Holder {
  readonly isObject: boolean;
  /** What holds it. */
  readonly outer: Holder | undefined;
}

interface Level extends Holder {
  /** The node after it. */
  readonly end: number;
  /** The nearest KEY around it, or -1. */
  readonly around: number;
  /** Where the walk is in it: a KEY, or an index. */
  place: number;
  /** Pointer of `place`, once somebody asked. */
  path: string | undefined;
}

/**
 * Visits every string below a node (itself too), keys included, in the order they are written.
 * @param tape what was scanned
 * @param node where to begin; pointers are relative to it
 * @param visit gets each STRING or KEY; a function that builds its JSON pointer (RFC 6901), good during the visit only
 *   and to be called only when needed; the KEY of the nearest member that holds it (of a KEY, itself), or -1; and the
 *   container it stands in. A key's pointer is its member's with `/~key`
 */
export function walkStrings(
  tape: Tape,
  node: number,
  visit: (node: number, pointer: () => string, key: number, holder: Holder | undefined) => void,
): void {
  const { kinds, nexts } = tape;
  const levels: Level[] = [];
  let current = node;
  const pointer = (): string => {
    const path = pathOf(tape, levels);
    return kinds[current] === KEY ? `${path}/~key` : path;
  };
  for (const end = nexts[node]!; current < end; current++) {
    let level = levels.at(-1);
    while (level !== undefined && current >= level.end) {
      levels.pop();
      level = levels.at(-1);
    }
    const kind = kinds[current]!;
    if (level !== undefined && (kind === KEY || !level.isObject)) {
      level.place = kind === KEY ? current : level.place + 1;
      level.path = undefined;
    }
    const key = level === undefined ? -1 : level.isObject ? level.place : level.around;
    if (kind === STRING || kind === KEY) visit(current, pointer, key, level);
    else if (kind === ARRAY || kind === OBJECT) {
      const end = nexts[current]!;
      levels.push({ isObject: kind === OBJECT, outer: level, end, around: key, place: -1, path: undefined });
    }
  }
}

/** The pointer of where the walk is; each level keeps its own, so that a deep path is not spelled anew each time. */
function pathOf(tape: Tape, levels: readonly Level[]): string {
  let path = '';
  for (const level of levels) {
    level.path ??= `${path}/${level.isObject ? segmentOf(tape, level.place) : level.place}`;
    path = level.path;
  }
  return path;
}

function segmentOf(tape: Tape, key: number): string {
  const name = stringAt(tape, key);
  const shown = name.length > LONGEST_SEGMENT ? `${name.slice(0, LONGEST_SEGMENT)}…` : name;
  return shown.replaceAll('~', '~0').replaceAll('/', '~1');
}

function nameBytes(name: string): Uint8Array {
  const known = names.get(name);
  if (known !== undefined) return known;
  const bytes = encodeUtf8(name);
  if (names.size < MOST_NAMES) names.set(name, bytes);
  return bytes;
}
