import { beforeAll, describe, expect, test } from 'vitest';
import type { Json } from '../../model/json.ts';
import { loadReaders } from './engines.ts';
import { callOf, issuesOf, policyOf } from '../testing.ts';

type Outcome = true | false | 'error';

beforeAll(loadReaders);

function truth(when: string, x: Json | undefined): Outcome {
  const call = callOf({ args: x === undefined ? {} : { x } });
  const decides = (effect: string): boolean =>
    policyOf(` - {id: r, match: {tool: run}, when: ${JSON.stringify(when)}, effect: ${effect}}`).decide(call).rule ===
    'r';
  const [allowed, denied] = [decides('allow'), decides('deny')];
  if (allowed !== denied) return denied ? 'error' : expect.unreachable('allow matched and deny did not');
  return allowed;
}

describe.each([
  ['host(args.x) == "a.example"', 'https://a.example/'],
  ['host(args.x, ["a.example"])', 'https://a.example/'],
  ['cidr(args.x, "10.0.0.0/8")', '10.0.0.1'],
  ['shell(args.x, "destructive")', 'rm -rf /'],
  ['shell(args.x, ["ls"])', 'ls -la'],
  ['sql(args.x, "read")', 'SELECT 1'],
])('%s', (when, good) => {
  test.each<[string, Json | undefined, Outcome]>([
    ['what it means', good, true],
    ['nothing', undefined, 'error'],
    ['null', null, 'error'],
    ['a number', 5, 'error'],
    ['an object', { x: good }, 'error'],
    ['an empty list', [], 'error'],
    ['a nested list', [[good]], 'error'],
    ['a huge text', 'x'.repeat(2_000_000), 'error'],
  ])('of %s is as it should be, and never turned round by "!"', (_what, x, expected) => {
    expect(truth(when, x)).toBe(expected);
    expect(truth(`!(${when})`, x)).toBe(expected === 'error' ? 'error' : !expected);
  });
});

describe('a function of another language', () => {
  test.each<[string, Json, Outcome]>([
    ['host(args.x) == "a.example"', 'https://b.example/', false],
    ['host(args.x) in ["a.example", "b.example"]', 'https://B.example/', true],
    ['host(args.x).endsWith(".example")', 'https://b.example/', true],
    ['host(args.x, "*.example.com")', 'https://example.com/', false],
    ['host(args.x) == "a.example"', 'https://a.example\\@b.example/', 'error'],
    ['cidr(args.x, ["private", "loopback"])', 'http://127.1/', true],
    ['cidr(args.x, "private")', '8.8.8.8', false],
    ['cidr(args.x, "private")', 'https://a.example/', 'error'],
    ['shell(args.x, "destructive")', 'ls', false],
    ['shell(args.x, "destructive")', ['rm -rf /'], true],
    ['shell(args.x, "destructive")', ['rm', '-rf', '/'], true],
    ['!shell(args.x, "destructive")', '$UNKNOWN x', 'error'],
    ['shell(args.x, ["ls", "git"])', 'ls; git log', true],
    ['shell(args.x, ["ls", "git"])', 'curl x.example', false],
    ['shell(args.x, ["ls", "git"])', 'ls; curl x.example', 'error'],
    ['!shell(args.x, ["curl"])', 'ls; curl x.example', 'error'],
    ['sql(args.x, "read")', 'DELETE FROM a', false],
    ['sql(args.x, "read")', 'SELECT 1; DELETE FROM a', 'error'],
    ['!sql(args.x, "ddl")', 'SELECT 1; DROP TABLE a', 'error'],
    ['sql(args.x, ["read", "write"], "postgres")', 'SELECT 1; DELETE FROM a WHERE id = 1', true],
  ])('%s of %j is %s', (when, x, expected) => {
    expect(truth(when, x)).toBe(expected);
  });

  test.each([
    ['host(args.x) == "A.example"', 'lower case'],
    ['host(args.x) == "a.example:80"', 'without port'],
    ['host(args.x) == "*.a.example"', '*.example.com'],
    ['host(args.x) in ["a.example", "https://b.example"]', 'no host is written'],
    ['host()', 'takes one or two values'],
    ['host(args.x, [])', 'the list is empty'],
    ['host(args.x, args.y)', 'never taken from what is judged'],
    ['host(args.x, "a b")', 'does not load'],
    ['cidr(args.x)', 'takes two values'],
    ['cidr(args.x, "10.0.0.0/64")', 'does not load'],
    ['shell(args.x, "destructiv")', 'destructive'],
    ['shell(args.x, "git")', 'written as a list'],
    ['shell(args.x, args.y)', 'never taken'],
    ['sql(args.x, "selects")', 'known here'],
    ['sql(args.x, "read", "postgress")', 'postgres'],
    ['args.x.host()', 'is a function'],
  ])('%s is refused', (when, said) => {
    const issues = issuesOf(
      `version: 1\nrules:\n - {id: r, match: {tool: run}, when: ${JSON.stringify(when)}, effect: deny}\n`,
    );
    expect(issues).toHaveLength(1);
    expect(`${issues[0]?.message} ${issues[0]?.remedy}`).toContain(said);
  });
});
