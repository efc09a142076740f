import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { ClampObligation, SetObligation } from '../model/decision.ts';
import { ExactNumber, type Json } from '../model/json.ts';
import { Scanner } from '../protocol/scan.ts';
import { splice, type Edit } from '../protocol/splice.ts';
import { clampEdits, setEdits } from './rewrite.ts';

const set = (values: Readonly<Record<string, Json>>, rule = 'r'): SetObligation => ({
  kind: 'set',
  rule,
  values: Object.entries(values).map(([path, value]) => ({ path: path.split('.'), value })),
});
type Bounds = { readonly min?: number | ExactNumber; readonly max?: number | ExactNumber };
const clamp = (fields: Readonly<Record<string, Bounds>>, rule = 'r'): ClampObligation => ({
  kind: 'clamp',
  rule,
  fields: Object.entries(fields).map(([path, bounds]) => ({ path: path.split('.'), ...bounds })),
});

/** Arguments with the edits made: always JSON that a strict reader takes. */
function edited(json: string, edit: (tape: Scanner) => readonly Edit[]): string {
  const scanner = new Scanner();
  const bytes = new TextEncoder().encode(json);
  expect(scanner.scan(bytes)).toBeUndefined();
  const after = splice(bytes, 0, bytes.length, edit(scanner));
  expect(new Scanner().scan(after)).toBeUndefined();
  return new TextDecoder().decode(after);
}
const withSet = (json: string, ...duties: SetObligation[]) =>
  edited(json, (tape) => setEdits(tape, { node: 0, holder: -1, name: '' }, duties));
const withClamp = (json: string, ...duties: ClampObligation[]) =>
  edited(json, (tape) => clampEdits(tape, { node: 0, holder: -1, name: '' }, duties));

describe('set', () => {
  test.each<[string, string, Readonly<Record<string, Json>>, string]>([
    ['replaces a value', '{"a":1,"dry_run":false}', { dry_run: true }, '{"a":1,"dry_run":true}'],
    ['puts in a member that is missing, behind the last', '{ "a": 1.50 }', { b: 'x' }, '{ "a": 1.50,"b":"x" }'],
    ['puts a member into an empty object', '{ }', { b: null }, '{"b":null }'],
    ['puts in several at once', '{"z":0}', { a: 1, b: 2 }, '{"z":0,"a":1,"b":2}'],
    ['makes the objects on the way', '{}', { 'a.b.c': 1, 'a.b.d': 2 }, '{"a":{"b":{"c":1,"d":2}}}'],
    [
      'goes into objects that are there',
      '{"o":{"k":9007199254740993}}',
      { 'o.l': 10 },
      '{"o":{"k":9007199254740993,"l":10}}',
    ],
    ['goes into lists by index', '{"l":[{"a":1},{"a":2}]}', { 'l.1.a': 3 }, '{"l":[{"a":1},{"a":3}]}'],
    ['replaces whole objects and lists', '{"o":{"a":[1,2]}}', { o: ['x', { y: false }] }, '{"o":["x",{"y":false}]}'],
    [
      'edits inside the last member and behind it',
      '{"o":{"a":1}}',
      { 'o.a': 2, 'o.b': 3, p: 4 },
      '{"o":{"a":2,"b":3},"p":4}',
    ],
    ['finds a key that is written with an escape', '{"\\u0061":1}', { a: 2 }, '{"\\u0061":2}'],
    [
      'writes numbers as they were written',
      '{}',
      { n: new ExactNumber('1.50'), big: new ExactNumber('12345678901234567890') },
      '{"n":1.50,"big":12345678901234567890}',
    ],
    ['spells keys and texts as JSON', '{}', { 'a"\n': 'é"\u2028\ud800' }, '{"a\\"\\n":"é\\"\u2028\ufffd"}'],
    ['takes a key of digits in an object that is there', '{}', { '2024': 1 }, '{"2024":1}'],
  ])('%s', (_what, json, values, after) => {
    expect(withSet(json, set(values))).toBe(after);
  });

  test.each<[string, string, SetObligation[], RegExp]>([
    ['something on the way is text', '{"a":"x"}', [set({ 'a.b': 1 })], /a has no place for "b"/],
    ['something on the way is null', '{"a":null}', [set({ 'a.b': 1 })], /a has no place for "b"/],
    ['an index is beyond the list', '{"l":[1]}', [set({ 'l.1': 1 })], /l has no place for "1"/],
    ['a list is named by a word', '{"l":[{"a":1}]}', [set({ 'l.a': 1 })], /l has no place for "a"/],
    ['a list would have to be made', '{}', [set({ 'l.0.a': 1 })], /l\.0 is an element of a list that is missing/],
    [
      'two rules want two values',
      '{}',
      [set({ a: 1 }, 'one'), set({ a: 2 }, 'two')],
      /rules "one" and "two" set a differently/,
    ],
    [
      'one rule sets inside what another sets',
      '{}',
      [set({ a: {} }, 'one'), set({ 'a.b': 2 }, 'two')],
      /"one" and "two"/,
    ],
    [
      'one rule sets around what another sets',
      '{}',
      [set({ 'a.b': 2 }, 'one'), set({ a: {} }, 'two')],
      /"one" and "two"/,
    ],
  ])('cannot be done when %s', (_what, json, duties, message) => {
    expect(() => withSet(json, ...duties)).toThrow(message);
  });

  it('is done once when two rules want the same', () => {
    expect(withSet('{}', set({ a: 1 }, 'one'), set({ a: 1, b: 2 }, 'two'))).toBe('{"a":1,"b":2}');
  });

  it('edits nothing where the value stands already', () => {
    const scanner = new Scanner();
    scanner.scan(new TextEncoder().encode('{"dry_run":true}'));
    expect(setEdits(scanner, { node: 0, holder: -1, name: '' }, [set({ dry_run: true })])).toEqual([]);
  });

  it.each([
    ['{"name":"t"}', -1, '{"name":"t","arguments":{"a":{"b":1}}}'],
    ['{"name":"t","arguments":null}', 4, '{"name":"t","arguments":{"a":{"b":1}}}'],
  ])('makes arguments that are not there: %s', (json, node, after) => {
    const done = edited(json, (tape) => setEdits(tape, { node, holder: 0, name: 'arguments' }, [set({ 'a.b': 1 })]));
    expect(done).toBe(after);
  });

  it('changes what it names and no other byte, whatever the arguments are', () => {
    const key = fc.constantFrom('a', 'b', 'c', '\u0061"', '');
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.integer(),
        fc.string(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(key, tie('value'), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(
        fc.dictionary(key, value, { maxKeys: 4 }),
        fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }),
        value,
        fc.constantFrom(0, 1, 2),
        (args, path, wanted, space) => {
          const json = JSON.stringify(args, null, space).replaceAll('\n', ' ');
          const expected = expectedOf(args, path, wanted);
          if (expected === undefined) {
            expect(() => withSet(json, set({ [path.join('.')]: wanted as Json }))).toThrow(/no place for/);
            return;
          }
          const after = withSet(json, set({ [path.join('.')]: wanted as Json }));
          expect(JSON.parse(after)).toEqual(expected);
          const kept = commonEnds(json, after);
          expect(kept.before + kept.behind).toBeGreaterThanOrEqual(json.length - lengthAt(args, path, space));
        },
      ),
    );
  });
});

/** What setting a path comes to, on plain values. */
function expectedOf(args: unknown, path: readonly string[], wanted: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return wanted;
  if (typeof args !== 'object' || args === null || Array.isArray(args)) return undefined;
  const has = Object.hasOwn(args, key);
  const inner =
    has || rest.length === 0 ? expectedOf((args as Record<string, unknown>)[key], rest, wanted) : made(rest, wanted);
  return inner === undefined ? undefined : { ...args, [key]: inner };
}

function made(path: readonly string[], wanted: unknown): unknown {
  return path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), wanted);
}

function lengthAt(args: unknown, path: readonly string[], space: number): number {
  let at: unknown = args;
  for (const key of path) at = (at as Record<string, unknown> | undefined)?.[key];
  return at === undefined ? 0 : JSON.stringify(at, null, space).length + (space === 0 ? 0 : 400);
}

function commonEnds(a: string, b: string): { readonly before: number; readonly behind: number } {
  let before = 0;
  while (before < a.length && a[before] === b[before]) before++;
  let behind = 0;
  while (behind < a.length - before && a[a.length - 1 - behind] === b[b.length - 1 - behind]) behind++;
  return { before, behind };
}

describe('clamp', () => {
  test.each<[string, string, Readonly<Record<string, Bounds>>, string]>([
    ['lowers what is too large', '{"limit": 500 }', { limit: { min: 1, max: 100 } }, '{"limit": 100 }'],
    ['raises what is too small', '{"limit":-5}', { limit: { min: 1, max: 100 } }, '{"limit":1}'],
    ['leaves what lies between as it is written', '{"limit":1e2}', { limit: { max: 100 } }, '{"limit":1e2}'],
    ['leaves a field that is missing', '{"a":1}', { limit: { max: 100 }, 'b.c': { max: 1 } }, '{"a":1}'],
    [
      'compares exactly, however large',
      '{"n":9007199254740993}',
      { n: { max: new ExactNumber('9007199254740992') } },
      '{"n":9007199254740992}',
    ],
    ['compares decimals exactly', '{"n":0.30000000000000001}', { n: { max: 0.3 } }, '{"n":0.3}'],
    ['goes into objects and lists', '{"l":[{"n":9},{"n":9}]}', { 'l.1.n': { max: 3 } }, '{"l":[{"n":9},{"n":3}]}'],
    ['holds each field apart', '{"a":9,"b":-9}', { b: { min: 0 }, a: { max: 1 } }, '{"a":1,"b":0}'],
  ])('%s', (_what, json, fields, after) => {
    expect(withClamp(json, clamp(fields))).toBe(after);
  });

  test.each<[string, string, ClampObligation[], RegExp]>([
    ['text', '{"n":"500"}', [clamp({ n: { max: 1 } })], /n is no number/],
    ['null', '{"n":null}', [clamp({ n: { max: 1 } })], /n is no number/],
    ['a list', '{"n":[5]}', [clamp({ n: { max: 1 } })], /n is no number/],
    ['inside text', '{"n":"x"}', [clamp({ 'n.m': { max: 1 } })], /n is nothing that holds "m"/],
    ['a number beyond all numbers', '{"n":1e999}', [clamp({ n: { max: 1 } })], /out of range/],
    [
      'held apart by two rules',
      '{"n":5}',
      [clamp({ n: { max: 1 } }, 'a'), clamp({ n: { min: 2 } }, 'b')],
      /no number fits/,
    ],
  ])('cannot be done when the field is %s', (_what, json, duties, message) => {
    expect(() => withClamp(json, ...duties)).toThrow(message);
  });

  it('of several rules holds between the narrowest bounds', () => {
    const wide = clamp({ n: { min: 0, max: 100 } }, 'wide');
    expect(withClamp('{"n":70}', wide, clamp({ n: { max: 50 } }, 'narrow'))).toBe('{"n":50}');
    expect(withClamp('{"n":-1}', clamp({ n: { min: 5 } }, 'narrow'), wide)).toBe('{"n":5}');
  });
});
