import { describe, expect, test } from 'vitest';
import { ExactNumber, type Json } from '../../model/json.ts';
import { callOf, policyOf } from '../testing.ts';

type Outcome = 'hit' | 'miss' | 'error';

/** What a matcher says of arguments, told by an allow rule and a deny rule: an error allows nothing and denies. */
function outcome(
  field: string,
  matcher: string,
  args: Json | undefined,
  links: Record<string, string | null> = {},
): Outcome {
  const rule = (effect: string): string =>
    ` - {id: r, match: {tool: run}, args: {${JSON.stringify(field)}: ${matcher}}, effect: ${effect}}`;
  const call = callOf({ args, links });
  const allowed = policyOf(rule('allow')).decide(call).effect === 'allow';
  const denied = policyOf(rule('deny'), 'version: 1\ndefault: allow').decide(call).effect === 'deny';
  if (allowed !== denied) return allowed ? expect.unreachable('allow matched and deny did not') : 'error';
  return allowed ? 'hit' : 'miss';
}

const big = (text: string): ExactNumber => new ExactNumber(text);

describe('an operator on one field', () => {
  test.each<[string, Json, Outcome]>([
    ['a', 'a', 'hit'],
    ['a', 'b', 'miss'],
    ['a', 1, 'error'],
    ['a', null, 'error'],
    ['a', {}, 'error'],
    ['a', ['a'], 'hit'],
    ['{equals: a}', 'a', 'hit'],
    ['{equals: 1}', 1, 'hit'],
    ['{equals: 1}', big('1.0'), 'hit'],
    ['{equals: 1}', '1', 'error'],
    ['{equals: true}', true, 'hit'],
    ['{equals: true}', false, 'miss'],
    ['{equals: true}', 'true', 'error'],
    ['{equals: null}', null, 'hit'],
    ['{equals: null}', 'x', 'miss'],
    ['{equals: "é"}', 'e\u0301', 'miss'],
    ['{notEquals: a}', 'b', 'hit'],
    ['{notEquals: a}', 'a', 'miss'],
    ['{notEquals: a}', 7, 'error'],
    ['{in: [a, b]}', 'b', 'hit'],
    ['{in: [a, b]}', 'c', 'miss'],
    ['{in: [a, 1]}', 1, 'hit'],
    ['{in: [a, b]}', 1, 'error'],
    ['{notIn: [a, b]}', 'c', 'hit'],
    ['{notIn: [a, b]}', 'a', 'miss'],
    ['{notIn: [a, b]}', {}, 'error'],
    ['{startsWith: ab}', 'abc', 'hit'],
    ['{startsWith: ab}', 'Abc', 'miss'],
    ['{startsWith: ab}', 5, 'error'],
    ['{endsWith: bc}', 'abc', 'hit'],
    ['{endsWith: bc}', 'bcd', 'miss'],
    ['{endsWith: bc}', true, 'error'],
    ['{contains: b}', 'abc', 'hit'],
    ['{contains: b}', 'xyz', 'miss'],
    ['{contains: b}', { b: 1 }, 'error'],
    ['{regex: "b+"}', 'abbc', 'hit'],
    ['{regex: "^b+"}', 'abbc', 'miss'],
    ['{regex: "b+"}', 3, 'error'],
    ['{regex: "b+"}', 'b'.repeat(1_048_577), 'error'],
    ['{glob: "a*c"}', 'a/b/c', 'hit'],
    ['{glob: "a*c"}', 'a/b/d', 'miss'],
    ['{glob: "a*c"}', 3, 'error'],
    ['{lt: 10}', 9, 'hit'],
    ['{lt: 10}', 10, 'miss'],
    ['{lt: 10}', '9', 'error'],
    ['{le: 10}', 10, 'hit'],
    ['{le: 10}', 10.5, 'miss'],
    ['{gt: 10}', 11, 'hit'],
    ['{gt: 10}', 10, 'miss'],
    ['{gt: 10}', 'x', 'error'],
    ['{ge: 10}', 10, 'hit'],
    ['{ge: 10}', 9.99, 'miss'],
    ['{gt: 12345678901234567890}', big('12345678901234567891'), 'hit'],
    ['{gt: 12345678901234567890}', big('12345678901234567890'), 'miss'],
    ['{equals: 9007199254740993}', big('9007199254740993'), 'hit'],
    ['{equals: 9007199254740993}', 9007199254740992, 'miss'],
    ['{lt: 1}', big('1e999'), 'error'],
    ['{exists: true}', 'x', 'hit'],
    ['{exists: true}', null, 'hit'],
    ['{exists: false}', 'x', 'miss'],
    ['{exists: true}', [], 'hit'],
    ['{not: {startsWith: a}}', 'b', 'hit'],
    ['{not: {startsWith: a}}', 'a', 'miss'],
    ['{not: {startsWith: a}}', 1, 'error'],
    ['{not: a}', 'b', 'hit'],
    ['{anyOf: [{equals: a}, {startsWith: b}]}', 'bx', 'hit'],
    ['{anyOf: [{equals: a}, {startsWith: b}]}', 'cx', 'miss'],
    ['{anyOf: [{equals: 1}, {startsWith: b}]}', 'bx', 'hit'],
    ['{anyOf: [{equals: 1}, {startsWith: b}]}', 'cx', 'error'],
    ['{allOf: [{startsWith: a}, {endsWith: z}]}', 'a-z', 'hit'],
    ['{allOf: [{startsWith: a}, {endsWith: z}]}', 'a-y', 'miss'],
    ['{allOf: [{startsWith: a}, {gt: 1}]}', 'b', 'miss'],
    ['{under: ["/safe"]}', '/safe/x', 'hit'],
    ['{under: ["/safe"]}', '/safe', 'hit'],
    ['{under: ["/safe"]}', '/safer/x', 'miss'],
    ['{under: ["/safe"]}', '/Safe/x', 'miss'],
    ['{under: ["/safe"]}', '/safe/../etc/passwd', 'miss'],
    ['{under: ["/safe"]}', '/etc/../safe/x', 'hit'],
    ['{under: ["/safe"]}', '/safe//x/./y', 'hit'],
    ['{under: /safe}', '/safe/x', 'hit'],
    ['{under: ["/"]}', '/anything', 'hit'],
    ['{under: ["/safe"]}', '/safe/%2e%2e/etc', 'error'],
    ['{under: ["/safe"]}', '/safe/\0', 'error'],
    ['{under: ["/safe"]}', 'https://safe/x', 'error'],
    ['{under: ["/safe"]}', 'file:///safe/x', 'hit'],
    ['{under: ["/safe"]}', 'file://host/safe/x', 'error'],
    ['{under: ["/safe"]}', '', 'error'],
    ['{under: ["/safe"]}', '/safe/..\\..\\etc', 'error'],
    ['{under: ["/safe"]}', 'file:///safe/..\\..\\etc', 'error'],
    ['{under: ["/safe"]}', '/safe/..\u2215..\u2215etc', 'error'],
    ['{under: ["/safe"]}', '/safe/\uff0e\uff0e/etc', 'error'],
    ['{under: ["/safe"]}', '/safe/\u200b../etc', 'error'],
    ['{under: ["/safe"]}', '/safe/.../etc', 'error'],
    ['{under: ["/safe"]}', '/safe/a\n/etc', 'error'],
    ['{under: ["${PROJECT}"]}', '$HOME/x', 'error'],
    ['{under: ["${PROJECT}"]}', '${HOME}/x', 'error'],
    ['{under: ["${PROJECT}"]}', ' /etc', 'error'],
    ['{under: ["/safe"]}', '/safe/caf\u00e9 menu (1).txt', 'hit'],
    ['{under: ["/safe"]}', 7, 'error'],
    ['{under: ["/safe"]}', {}, 'error'],
    ['{under: ["~/work"]}', '~/work/a', 'hit'],
    ['{under: ["${HOME}/work"]}', '/home/user/work/a', 'hit'],
    ['{under: ["${HOME}/work"]}', '~root/work', 'error'],
    ['{under: ["${PROJECT}"]}', 'src/a.ts', 'hit'],
    ['{under: ["${PROJECT}"]}', '../other', 'miss'],
    ['{under: ["${PROJECT}"]}', 'link/../x', 'error'],
    ['{startsWith: "${env.TEAM}-"}', 'blue-1', 'hit'],
    ['{equals: "$${HOME}"}', '${HOME}', 'hit'],
  ])('%s on %j: %s', (matcher, value, expected) => {
    expect(outcome('a', matcher, { a: value })).toBe(expected);
  });

  test.each([
    'a',
    '{notEquals: a}',
    '{in: [a]}',
    '{notIn: [a]}',
    '{startsWith: a}',
    '{not: {contains: a}}',
    '{regex: a}',
    '{lt: 1}',
    '{under: ["/a"]}',
    '{any: a}',
    '{all: a}',
  ])('%s on a missing field is an error', (matcher) => {
    expect(outcome('a', matcher, {})).toBe('error');
    expect(outcome('a', matcher, undefined)).toBe('error');
    expect(outcome('a', matcher, [])).toBe('error');
  });

  test('exists is definite on a missing field', () => {
    expect(outcome('a', '{exists: true}', {})).toBe('miss');
    expect(outcome('a', '{exists: false}', {})).toBe('hit');
    expect(outcome('a.b', '{exists: true}', { a: 'text' })).toBe('miss');
  });
});

describe('a field', () => {
  test.each<[string, string, Json, Outcome]>([
    ['a.b', 'x', { a: { b: 'x' } }, 'hit'],
    ['a.b', 'x', { a: { b: 'y' } }, 'miss'],
    ['a.b', 'x', { a: 'x' }, 'error'],
    ['a.0', 'x', { a: ['x', 'y'] }, 'hit'],
    ['a.1', 'x', { a: ['x', 'y'] }, 'miss'],
    ['a.2', 'x', { a: ['x', 'y'] }, 'error'],
    ['a.0.c', 'x', { a: [{ c: 'x' }] }, 'hit'],
    ['a\\.b', 'x', { 'a.b': 'x' }, 'hit'],
    ['constructor', '{exists: true}', {}, 'miss'],
    ['__proto__', '{exists: true}', {}, 'miss'],
    ['toString.name', '{exists: true}', {}, 'miss'],
  ])('%s: %s in %j: %s', (field, matcher, args, expected) => {
    expect(outcome(field, matcher, args)).toBe(expected);
  });
});

describe('an array where one value is expected', () => {
  test.each<[string, string, Json, boolean, boolean]>([
    // field, matcher, arguments, allow matches, deny matches
    ['a', '{startsWith: x}', { a: ['x1', 'x2'] }, true, true],
    ['a', '{startsWith: x}', { a: ['x1', 'y'] }, false, true],
    ['a', '{startsWith: x}', { a: ['y1', 'y2'] }, false, false],
    ['a', '{startsWith: x}', { a: ['x1', 5] }, false, true],
    ['a', '{startsWith: x}', { a: [] }, false, true],
    ['a', '{startsWith: x}', { a: [['x1'], ['y']] }, false, true],
    ['a', '{not: {startsWith: x}}', { a: ['x1', 'y'] }, false, true],
    ['a.p', '{under: ["/safe"]}', { a: [{ p: '/safe/1' }, { p: '/etc/2' }] }, false, true],
    ['a.p', '{under: ["/safe"]}', { a: [{ p: '/safe/1' }, { p: '/safe/2' }] }, true, true],
    ['a.p', '{under: ["/safe"]}', { a: [{ p: '/safe/1' }, {}] }, false, true],
    ['command', '{regex: "rm -rf"}', { command: ['rm -rf /'] }, true, true],
    // wrapped: the wrapper says how
    ['a', '{any: {startsWith: x}}', { a: ['x1', 'y'] }, true, true],
    ['a', '{any: {startsWith: x}}', { a: [] }, false, false],
    ['a', '{all: {startsWith: x}}', { a: ['x1', 'y'] }, false, false],
    ['a', '{all: {startsWith: x}}', { a: ['x1', 'x2'] }, true, true],
    ['a', '{all: {startsWith: x}}', { a: 'x1' }, false, true],
    ['a', '{not: {any: {startsWith: x}}}', { a: ['y', 'z'] }, true, true],
    ['a', '{not: {any: {startsWith: x}}}', { a: ['y', 'x'] }, false, false],
    ['a', '{allOf: [{any: {equals: x}}, {not: {equals: y}}]}', { a: ['x', 'z'] }, true, true],
    ['a', '{allOf: [{any: {equals: x}}, {not: {equals: y}}]}', { a: ['x', 'y'] }, false, true],
  ])('%s: %s in %j: allow %s, deny %s', (field, matcher, args, allows, denies) => {
    const rule = (effect: string): string =>
      ` - {id: r, match: {tool: run}, args: {${field}: ${matcher}}, effect: ${effect}}`;
    expect(policyOf(rule('allow')).decide(callOf({ args })).effect === 'allow').toBe(allows);
    expect(policyOf(rule('deny'), 'version: 1\ndefault: allow').decide(callOf({ args })).effect === 'deny').toBe(
      denies,
    );
  });
});

describe('every text', () => {
  test.each<[Json, Outcome]>([
    [{ a: { b: ['x', 'rm  -rf /'] } }, 'error'],
    [{ 'rm -rf': 1 }, 'hit'],
    [{ a: 'ls' }, 'miss'],
  ])('of %j, keys too: %s', (args, expected) => {
    expect(outcome('*', '{regex: "rm\\\\s+-rf"}', args)).toBe(expected);
  });

  test('denies for one text, allows only for all, and finds nothing where there is none', () => {
    const deny = policyOf(
      ' - {id: r, match: {tool: run}, args: {anyString: {contains: bad}}, effect: deny}',
      'version: 1\ndefault: allow',
    );
    expect(deny.decide(callOf({ args: { a: ['ok', { k: 'bad one' }] } })).effect).toBe('deny');
    expect(deny.decide(callOf({ args: {} })).effect).toBe('allow');
    expect(deny.decide(callOf({ args: undefined })).effect).toBe('allow');
  });

  test('is an error where there is too much to search', () => {
    const args = { a: Array.from({ length: 100_001 }, () => 1) };
    expect(outcome('*', '{contains: bad}', args)).toBe('error');
  });
});

describe('under', () => {
  test('counts the real path, not the text', () => {
    expect(outcome('p', '{under: ["/safe"]}', { p: '/safe/link' }, { '/safe/link': '/etc/passwd' })).toBe('miss');
    expect(outcome('p', '{under: ["/safe"]}', { p: '/elsewhere/link' }, { '/elsewhere/link': '/safe/x' })).toBe('hit');
  });

  test('is an error where the real path is not known', () => {
    expect(outcome('p', '{under: ["/safe"]}', { p: '/safe/x' }, { '/safe/x': null })).toBe('error');
  });

  test('is an error where `..` and links lead to different places', () => {
    expect(outcome('p', '{under: ["/safe"]}', { p: '/safe/link/../x' }, { '/safe/link/../x': '/etc/x' })).toBe('error');
    expect(outcome('p', '{under: ["/safe"]}', { p: '/etc/link/../x' }, { '/etc/link/../x': '/safe/x' })).toBe('error');
  });

  test('names the fields whose paths it needs, of the rules that can match only', () => {
    const policy = policyOf(
      ' - {id: a, match: {server: s, tool: run}, args: {"edits.path": {under: /x}, cwd: {not: {under: /y}}}, effect: allow}\n - {id: b, match: {tool: other}, when: "under(args.to, \'/x\')", effect: allow}',
    );
    expect(policy.pathsNeeded(callOf())).toEqual([['edits', 'path'], ['cwd']]);
    expect(policy.pathsNeeded(callOf({ tool: 'other' }))).toEqual([['to']]);
    expect(policy.pathsNeeded(callOf({ tool: 'third' }))).toEqual([]);
  });
});
