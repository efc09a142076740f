import { ExactNumber } from '../../model/json.ts';
import type { Json } from '../../model/json.ts';
import { ARRAY, KEY, OBJECT, Scanner } from '../scan.ts';
import type { Tape } from '../scan.ts';
import { jsonAt } from '../tape.ts';
import { decodeUtf8, encodeUtf8 } from '../text.ts';
import { strictParse } from './reference.ts';

/** A run that found a difference. */
export interface Mismatch {
  readonly run: number;
  readonly problem: string;
  readonly input: Uint8Array;
}

/** What a whole run saw. */
export interface FuzzReport {
  readonly runs: number;
  readonly accepted: number;
  readonly mismatch: Mismatch | undefined;
}

/**
 * Feeds generated and mutated messages to the scanner and to the strict reference.
 * @param seed the same seed makes the same inputs
 * @param runs how many
 * @returns the first difference, if any: one accepts what the other refuses, a tape that does not give the input
 *   back, another value, or a throw
 */
export function fuzzScanner(seed: number, runs: number): FuzzReport {
  const random = mulberry32(seed);
  const scanner = new Scanner({}, seed);
  let accepted = 0;
  for (let run = 0; run < runs; run++) {
    const input = mutate(encodeUtf8(nested(random, space(random) + value(random, 0) + space(random))), random);
    // Offsets inside a larger buffer are the usual case.
    const shift = below(random, 3);
    const buffer = new Uint8Array(input.length + shift + 2).fill(0x22);
    buffer.set(input, shift);
    let problem: string | undefined;
    try {
      problem = compare(scanner, buffer, shift, shift + input.length);
    } catch (error) {
      problem = `threw ${String(error)}`;
    }
    if (problem !== undefined) return { runs: run + 1, accepted, mismatch: { run, problem, input } };
    if (scanner.count > 0) accepted++;
  }
  return { runs, accepted, mismatch: undefined };
}

function compare(scanner: Scanner, bytes: Uint8Array, start: number, end: number): string | undefined {
  const fault = scanner.scan(bytes, start, end);
  const wanted = strictParse(bytes.subarray(start, end));
  if (fault !== undefined) {
    if (wanted !== undefined) return `the scanner refuses (${fault.code}) what the reference accepts`;
    return fault.offset >= 0 && fault.offset <= end - start ? undefined : `offset ${fault.offset} is outside`;
  }
  if (wanted === undefined) return 'the scanner accepts what the reference refuses';
  if (denseAt(scanner, 0) !== wanted.dense) return 'the spans do not give the input back';
  return isSame(jsonAt(scanner, 0), wanted.value) ? undefined : 'the value is another';
}

/**
 * Writes a node from its spans, without white space; checks that containers hold what lies between their brackets.
 * @param tape what was scanned
 * @param node a value or KEY
 */
export function denseAt(tape: Tape, node: number): string {
  const { kinds, nexts, bytes } = tape;
  const token = decodeUtf8(bytes, tape.starts[node], tape.ends[node]);
  if (kinds[node] !== ARRAY && kinds[node] !== OBJECT) return token;
  let inside = '';
  const end = nexts[node]!;
  for (let at = node + 1; at < end; at = nexts[at]!) {
    if (tape.starts[at]! <= tape.starts[node]! || tape.ends[at]! >= tape.ends[node]!) return 'a child lies outside';
    inside += denseAt(tape, at) + (kinds[at] === KEY ? ':' : ',');
  }
  return token[0]! + inside.replace(/,$/, '') + token.at(-1)!;
}

/** Whether a value is what JSON.parse gives, exact numbers by their value. */
export function isSame(mine: Json, theirs: unknown): boolean {
  if (mine instanceof ExactNumber) return Object.is(Number(mine.text), theirs);
  if (typeof mine !== 'object' || mine === null || typeof theirs !== 'object' || theirs === null) {
    return Object.is(mine, theirs);
  }
  if (Array.isArray(mine) !== Array.isArray(theirs)) return false;
  const keys = Object.keys(mine);
  if (keys.length !== Object.keys(theirs).length) return false;
  return keys.every(
    (key) =>
      Object.hasOwn(theirs, key) &&
      isSame((mine as Record<string, Json>)[key]!, (theirs as Record<string, unknown>)[key]),
  );
}

const SPACES = ['', '', '', '', ' ', '\n', '\t', '\r\n', '  '];
const PIECES = [
  'a', 'b', 'id', 'name', '__proto__', '', ' ', '/', '~', '\\u0061', '\\u0065', '\\n', '\\"', '\\\\', '\\/', '\\ud83d\\ude00', '\\u0000',
  'é', '漢', '😀', '\ufeff', '\u2028', '\u007f', '\\ud800', '\\udc00', '\\ud83d\\ue000', '\\ud83dx', '\\v', '\\u00', '\\U0041', '\\u00E9', 'constructor', '0',
]; // prettier-ignore
const NUMBERS = [
  '0', '-0', '1', '12', '-7', '0.5', '1.0', '1e5', '1E+400', '-1e-9', '9007199254740991', '9007199254740993',
  '12345678901234567890', '123456789', '1234567890', '01', '+1', '.5', '1.', '1e', '-', 'NaN', '0x1', '2.50',
]; // prettier-ignore
const LITERALS = ['true', 'false', 'null', 'True', 'nul', 'undefined', '{}', '[]', '[ ]', '""'];
const BYTES = [0x00, 0x1f, 0x20, 0x22, 0x2c, 0x2d, 0x30, 0x3a, 0x5b, 0x5c, 0x5d, 0x65, 0x75, 0x7b, 0x7d, 0x80, 0xbf, 0xc0, 0xc3, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xff]; // prettier-ignore

/** What UTF-8 decoders have been known to get wrong: overlong forms, surrogates, too large, cut short; and their neighbours. */
const SEQUENCES = [
  [0xc0, 0x80],
  [0xc1, 0xbf],
  [0xc2, 0x80],
  [0xdf, 0xbf],
  [0xe0, 0x80, 0x80],
  [0xe0, 0x9f, 0xbf],
  [0xe0, 0xa0, 0x80],
  [0xe6, 0xbc],
  [0xe6, 0xbc, 0xa2],
  [0xe6, 0xbc, 0x28],
  [0xed, 0x9f, 0xbf],
  [0xed, 0xa0, 0x80],
  [0xed, 0xbf, 0xbf],
  [0xee, 0x80, 0x80],
  [0xef, 0xbb, 0xbf],
  [0xf0, 0x80, 0x80, 0x80],
  [0xf0, 0x8f, 0xbf, 0xbf],
  [0xf0, 0x90, 0x80, 0x80],
  [0xf0, 0x9f, 0x98],
  [0xf4, 0x8f, 0xbf, 0xbf],
  [0xf4, 0x90, 0x80, 0x80],
  [0xf5, 0x80, 0x80, 0x80],
];

type Random = () => number;

/** Now and then, a value about as deep as the limit. */
function nested(random: Random, inner: string): string {
  if (below(random, 200) > 0) return inner;
  const levels = 118 + below(random, 14);
  return below(random, 2) === 0
    ? '['.repeat(levels) + inner + ']'.repeat(levels)
    : '{"a":'.repeat(levels) + inner + '}'.repeat(levels);
}

function value(random: Random, depth: number): string {
  const kind = below(random, depth > 5 ? 6 : 12);
  if (kind < 2) return pick(random, NUMBERS);
  if (kind < 4) return string(random);
  if (kind < 5) return pick(random, LITERALS);
  if (kind < 6) return String(below(random, 1_000_000) / (below(random, 3) === 0 ? 1 : 7));
  const items: string[] = [];
  const count = below(random, 5);
  const isObject = kind < 10;
  for (let i = 0; i < count; i++) {
    const key = isObject ? `${space(random)}${string(random)}${space(random)}:` : '';
    items.push(key + space(random) + value(random, depth + 1) + space(random));
  }
  return isObject ? `{${items.join(',')}}` : `[${items.join(',')}]`;
}

function string(random: Random): string {
  let text = '';
  const count = below(random, 4);
  for (let i = 0; i < count; i++) text += pick(random, PIECES);
  if (below(random, 30) === 0) text += 'x'.repeat(below(random, 40));
  return `"${text}"`;
}

function space(random: Random): string {
  return pick(random, SPACES);
}

function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  let mutated = bytes;
  for (let times = below(random, 5) - 2; times > 0; times--) {
    const at = below(random, mutated.length + 1);
    const before = mutated.subarray(0, at);
    const after = mutated.subarray(at);
    const length = below(random, 6);
    switch (below(random, 8)) {
      case 0:
        mutated = join(before, new Uint8Array([pick(random, BYTES)]), after);
        break;
      case 1:
        mutated = join(before, after.subarray(1));
        break;
      case 2:
        mutated = join(before, new Uint8Array([pick(random, BYTES)]), after.subarray(1));
        break;
      case 3:
        mutated = join(before, after.subarray(0, length), after);
        break;
      case 4:
        if (after.length > 0)
          mutated = join(before, new Uint8Array([after[0]! ^ (1 << below(random, 8))]), after.subarray(1));
        break;
      case 5:
        mutated = before.slice();
        break;
      default:
        mutated = join(before, Uint8Array.from(pick(random, SEQUENCES)), after);
    }
  }
  return mutated;
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[below(random, from.length)]!;
}

function below(random: Random, bound: number): number {
  return Math.floor(random() * bound);
}

/** A small seedable generator (Tommy Ettinger's mulberry32); 32 bits of state are enough to replay a run. */
function mulberry32(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x100000000;
  };
}
