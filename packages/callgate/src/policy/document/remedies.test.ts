import { describe, expect, test } from 'vitest';
import type { Issue } from './issue.ts';
import { issuesOf } from '../testing.ts';

const ruleWith = (part: string): string =>
  `version: 1\nrules:\n  - id: r\n    match: { tool: x }\n    effect: allow\n    ${part}\n`;
const first = (text: string): Issue => issuesOf(text)[0] as Issue;
const when = (text: string): Issue => first(ruleWith(`when: '${text}'`));

describe('a word or sign of another language', () => {
  test.each([
    ['args.a => 3', '"=>"', '>='],
    ['args.a === 3', '"==="', '=='],
    ['args.a <> 3', '"<>"', '!='],
    ['args.a = 3', '"="', '=='],
    ['args.a > 1 and args.b > 2', '"and"', '&&'],
    ['(args.a > 1 or args.b > 2)', '"or"', '||'],
    ['not args.a', '"not"', '!'],
    ['args.a not in ["x"]', '"not"', '!(tool in'],
    ['args.a like "x*"', '"like"', 'glob('],
    ['{{ args.a }} == 1', '"{{"', 'without braces'],
    ['$a == 1', '"$"', 'args.path'],
    ['args.a ?? 1', '"??"', 'has('],
    ['amount > 5', '"amount"', 'args.amount'],
    ['args.a == True', '"True"', 'write true'],
    ['user == "a"', '"user"', 'principal.user'],
    ['len(args.a) > 3', '"len"', 'size'],
    ['hour() > 3', 'one value', 'hour("Europe/Berlin")'],
    ['(args.a == 1', 'not closed', 'add )'],
    ['args.a == 1 &&', 'too early', 'remove the sign'],
  ])('is named with what is written here: %s', (text, message, remedy) => {
    const issue = when(text);
    expect([issue.message, issue.remedy]).toEqual([expect.stringContaining(message), expect.stringContaining(remedy)]);
  });
});

describe('a value of the wrong type', () => {
  test.each([
    ['obligations: { rate: { max: 1, per: 1m } }', 'a dash before it: obligations: [{ ... }]'],
    ['args: { a: { in: x } }', 'write in: [x]'],
    ['args: { a: [1, 2] }', 'in: [...]'],
    ['args: { a: { exists: "yes" } }', 'write true, without quotes'],
    ['args: { a: { lt: "5" } }', 'without quotes'],
    ['args: { a: { shell: destructive } }', 'shell: { destructive: true }'],
    ['tags: x', 'tags: [x]'],
    ['reason: 5', 'in quotes'],
    ['when: [a]', 'when: {'],
    ['when: { field: args.a, op: in, value: x }', 'value: ["x", "y"]'],
  ])('is told with how to write it: %s', (part, remedy) => {
    const issue = first(ruleWith(part));
    expect([issue.code, issue.remedy]).toEqual(['CG_POLICY_TYPE', expect.stringContaining(remedy)]);
  });
});

describe('a mistake of YAML', () => {
  test.each([
    ['reason: Do not: never', 'second `key: value`'],
    ['reason: @x', 'may not begin with @'],
    ['reason: "\\d"', 'an escape, and \\d is none'],
    ['when: !args.a', '! is a tag'],
    ['reason: x]\n    tags: [a]]', '] closes nothing'],
    ['reason: "x', 'a quote is not closed'],
    ['when: > 5', 'behind | or >'],
    ['tags: [a,, b]', 'a comma stands'],
  ])('is told without the words of a parser: %s', (part, message) => {
    const issues = issuesOf(ruleWith(part)).filter(({ code }) => code === 'CG_POLICY_YAML');
    expect(issues[0]?.message).toContain(message);
    for (const { message: said, remedy } of issues) {
      expect(said).not.toMatch(/scalar|node|flow|mapping|token|implicit|sequence|YAML\./i);
      expect(remedy).toBeDefined();
    }
  });
});

describe('a mistake in a list', () => {
  test.each([
    ['args: { url: { host: [a.example, "https://b.example/x"] } }', 38],
    ['args: { url: { cidr: [loopback, 10.0.0.0/99] } }', 37],
    ['args: { a: { under: [/a, b] } }', 30],
    ['args: { a: { in: [x, "${NOPE}"] } }', 26],
    ['args: { a: { shell: { programs: [git, "rm -rf"] } } }', 43],
    ['when: { field: args.a, op: host, value: [a.example, "b/c"] }', 57],
  ])('stands at its element: %s', (part, column) => {
    expect(first(ruleWith(part))).toMatchObject({ line: 6, column });
  });
});

test('where the most restrictive rule wins, a rule that is never reached says so', () => {
  const rules =
    'rules:\n  - { id: a, match: { tool: x }, effect: allow }\n  - { id: b, match: { tool: x }, effect: deny }\n';
  const issue = first(`version: 1\ncombine: deny-overrides\n${rules}`);
  expect(issue.message).toContain('the deny of rule "b" wins');
});

test('every mistake of an edit has a remedy', () => {
  const sets = ['{ "a.*": 1 }', '{ __proto__: 1 }', '{ a..b: 1 }', '{ a: 1, a.b: 2 }', '{ a: { constructor: 1 } }'];
  for (const set of sets) expect(first(ruleWith(`obligations: [{ set: ${set} }]`)).remedy, set).toBeDefined();
});
