import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Json } from '../../model/json.ts';
import { loadReaders } from './engines.ts';
import { callOf, type CallParts, issuesOf, policyOf } from '../testing.ts';

type Outcome = true | false | 'error';

beforeAll(loadReaders);

function truth(when: string, parts: CallParts = {}): Outcome {
  const rule = (effect: string): string => ` - {id: r, match: {tool: run}, when: ${when}, effect: ${effect}}`;
  const allowed = policyOf(rule('allow')).decide(callOf(parts)).rule === 'r';
  const denied = policyOf(rule('deny')).decide(callOf(parts)).rule === 'r';
  if (allowed !== denied) return denied ? 'error' : expect.unreachable('allow matched and deny did not');
  return allowed;
}

const args: Json = {
  s: 'abc',
  n: 5,
  l: ['x', 'y'],
  url: 'https://api.example.com/',
  ip: '10.0.0.1',
  cmd: 'rm -rf /',
  sql: 'DELETE FROM t',
  path: '/safe/x',
  o: { b: [1, 2] },
};

describe('a comparison of the mapping style', () => {
  test.each<[string, Outcome]>([
    ['{field: args.s, op: eq, value: abc}', true],
    ['{field: args.s, op: ne, value: abc}', false],
    ['{field: args.n, op: lt, value: 6}', true],
    ['{field: args.n, op: le, value: 5}', true],
    ['{field: args.n, op: gt, value: 5}', false],
    ['{field: args.s, op: in, value: [abc, d]}', true],
    ['{field: args.s, op: not_in, value: [abc, d]}', false],
    ['{field: args.s, op: contains, value: b}', true],
    ['{field: args.s, op: startswith, value: b}', false],
    ['{field: args.s, op: endswith, value: c}', true],
    ['{field: args.s, op: startsWith, value: a}', true],
    ['{field: args.s, op: regex, value: "^a.c$"}', true],
    ['{field: args.s, op: glob, value: "a*"}', true],
    ['{field: args.s, op: exists}', true],
    ['{field: args.gone, op: exists}', false],
    ['{field: args.gone, op: exists, value: false}', true],
    ['{field: args.gone, op: eq, value: 1}', 'error'],
    ['{field: args.constructor, op: exists}', false],
    ['{field: args.path, op: under, value: [/safe]}', true],
    ['{field: args.url, op: host, value: "*.example.com"}', true],
    ['{field: args.ip, op: cidr, value: private}', true],
    ['{field: args.cmd, op: shell, value: {destructive: true}}', true],
    ['{field: args.sql, op: sql, value: {class: [write], unbounded: true}}', true],
    ['{field: args.o.b, op: gt, value: 0}', true],
    ['{field: principal.id, op: eq, value: agent}', true],
    ['{field: tool, op: in, value: [run]}', true],
    ['{field: http.method, op: eq, value: GET}', 'error'],
    ['{field: args.s, op: ge, value: 5}', 'error'],
    ['{field: "args.*", op: regex, value: .}', true],
  ])('%s is %s', (when, expected) => {
    expect(truth(when, { args })).toBe(expected);
  });

  test.each<[string, Outcome]>([
    ['{all: [{field: args.n, op: eq, value: 5}, {field: args.s, op: eq, value: abc}]}', true],
    ['{all: [{field: args.n, op: eq, value: 4}, {field: args.gone, op: eq, value: 1}]}', false],
    ['{any: [{field: args.n, op: eq, value: 5}, {field: args.gone, op: eq, value: 1}]}', true],
    ['{any: [{field: args.n, op: eq, value: 4}, {field: args.gone, op: eq, value: 1}]}', 'error'],
    ['{not: {field: args.n, op: eq, value: 4}}', true],
    ['{not: {field: args.gone, op: eq, value: 4}}', 'error'],
    ['{all: ["args.n > 4", {not: "args.s == \'x\'"}]}', true],
    ['{any: [{all: ["args.n > 9", "args.gone"]}, {not: {any: ["args.n > 9"]}}]}', true],
  ])('joins by three-valued logic: %s is %s', (when, expected) => {
    expect(truth(when, { args })).toBe(expected);
  });

  test('takes every element of a list for allow and one for deny, the other way round below not', () => {
    const mixed = { args: { to: ['a@good.example', 'b@evil.example'] } };
    const good = '{field: args.to, op: endswith, value: "@good.example"}';
    const evil = '{field: args.to, op: endswith, value: "@evil.example"}';
    expect([truth(good, mixed), truth(`{not: ${evil}}`, mixed)]).toEqual(['error', 'error']);
    const nested = `{not: {not: ${good}}}`;
    expect(truth(nested, mixed)).toBe('error');
  });
});

describe('a condition of the mapping style that does not load', () => {
  test.each<[string, string, string]>([
    ['{}', 'CG_POLICY_EMPTY', 'when'],
    ['{all: []}', 'CG_POLICY_EMPTY', 'all'],
    ['{field: args.a}', 'CG_POLICY_MISSING_KEY', 'op'],
    ['{op: eq, value: 1}', 'CG_POLICY_MISSING_KEY', 'field'],
    ['{field: args.a, op: equls, value: 1}', 'CG_POLICY_VALUE', 'equals'],
    ['{field: args.a, op: "==", value: 1}', 'CG_POLICY_VALUE', 'eq'],
    ['{field: args.a, op: eq}', 'CG_POLICY_TYPE', 'nothing'],
    ['{field: args.a, op: eq, value: [1]}', 'CG_POLICY_TYPE', 'a list'],
    ['{field: args.a, op: in, value: 1}', 'CG_POLICY_TYPE', 'a list of texts'],
    ['{field: args.a, op: lt, value: "1"}', 'CG_POLICY_TYPE', 'a number'],
    ['{field: args.a, op: shell, value: destructive}', 'CG_POLICY_TYPE', 'a map'],
    ['{field: args.a, op: shell, value: {destructiv: true}}', 'CG_POLICY_UNKNOWN_KEY', 'destructive'],
    ['{field: args.a, op: regex, value: "("}', 'CG_POLICY_REGEX', 'pattern'],
    ['{field: args..a, op: eq, value: 1}', 'CG_POLICY_FIELD', 'field'],
    ['{field: arg.a, op: eq, value: 1}', 'CG_POLICY_WHEN', 'args'],
    ['{field: "*", op: contains, value: x}', 'CG_POLICY_WHEN', 'not expected'],
    ['{field: "size(args)", op: eq, value: 1}', 'CG_POLICY_WHEN', 'no field'],
    ['{field: result.a, op: eq, value: 1}', 'CG_POLICY_WHEN', 'result'],
    ['{field: tool, op: under, value: /x}', 'CG_POLICY_OPERATOR', 'arguments'],
    ['{all: ["true"], any: ["true"]}', 'CG_POLICY_TWO_OPERATORS', 'all'],
    ['{all: ["true"], field: args.a, op: exists}', 'CG_POLICY_TWO_OPERATORS', 'field'],
    ['{all: ["args.a =="]}', 'CG_POLICY_WHEN', 'ends too early'],
    ['{feild: args.a, op: exists}', 'CG_POLICY_UNKNOWN_KEY', 'field'],
    ['{and: ["true"]}', 'CG_POLICY_UNKNOWN_KEY', 'all'],
    ['["true"]', 'CG_POLICY_TYPE', 'a map'],
    ['5', 'CG_POLICY_TYPE', 'a map'],
  ])('is refused at its place: %s', (when, code, said) => {
    const text = `version: 1\nrules:\n - {id: r, match: {tool: run}, effect: deny, when: ${when}}\n`;
    const issues = issuesOf(text);
    expect(issues.map((issue) => issue.code)).toEqual([code]);
    expect(`${issues[0]?.message} ${issues[0]?.remedy}`).toContain(said);
    expect(issues[0]?.line).toBe(3);
  });

  test('is placed at the comparison, the operator or the value that is wrong', () => {
    const text = `version: 1
rules:
  - id: r
    match: { tool: run }
    effect: deny
    when:
      all:
        - args.a > 1
        - field: args.b
          op: regex
          value: "("
        - args.c ==
`;
    expect(issuesOf(text).map(({ code, line, column }) => [code, line, column])).toEqual([
      ['CG_POLICY_REGEX', 11, 18],
      ['CG_POLICY_WHEN', 12, 20],
    ]);
  });

  test('is refused where it nests too deeply', () => {
    const nested = `${'{not: '.repeat(33)}"true"${'}'.repeat(33)}`;
    const issues = issuesOf(`version: 1\nrules:\n - {id: r, match: {tool: run}, effect: deny, when: ${nested}}\n`);
    expect(issues.map(({ code }) => code)).toEqual(['CG_POLICY_WHEN']);
  });
});

test('the mapping style says what the text says', () => {
  const pairs = [
    ['{field: args.a, op: eq, value: 1}', 'args.a == 1'],
    ['{all: [{field: args.a, op: gt, value: 1}, {field: args.b, op: lt, value: 9}]}', 'args.a > 1 && args.b < 9'],
    [
      '{any: [{field: args.a, op: ge, value: 3}, {not: {field: args.b, op: eq, value: 2}}]}',
      'args.a >= 3 || !(args.b == 2)',
    ],
    ['{all: [{field: args.a, op: exists}, {field: args.a, op: le, value: 4}]}', 'has(args.a) && args.a <= 4'],
  ] as const;
  const rule = (when: string, effect: string): string =>
    ` - {id: r, match: {tool: run}, when: ${when}, effect: ${effect}}`;
  const compiled = pairs.map(([map, text]) =>
    ['allow', 'deny'].map(
      (effect) => [policyOf(rule(map, effect)), policyOf(rule(JSON.stringify(text), effect))] as const,
    ),
  );
  const value: fc.Arbitrary<Json> = fc.constantFrom<Json>(0, 1, 2, 3, 5, 10, true, {});
  fc.assert(
    fc.property(fc.record({ a: value, b: value }, { requiredKeys: [] }), (given) => {
      for (const policies of compiled)
        for (const [map, text] of policies)
          expect(map.decide(callOf({ args: given })).rule).toBe(text.decide(callOf({ args: given })).rule);
    }),
  );
});
