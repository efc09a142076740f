import { describe, expect, test } from 'vitest';
import { type CaseFile, readCases } from './cases.ts';
import { compilePolicy } from '../compile.ts';
import { mutate, type Mutants } from './mutate-run.ts';
import { mutationsOf } from './mutate.ts';
import { OPTIONS, policyOf } from '../testing.ts';

const changesOf = (rule: string): string[] =>
  mutationsOf(policyOf(`  - ${rule}`).rules[0]!.doc).map(({ what, path }) => `${path.join('.')}: ${what}`);

describe('the ways to break a rule', () => {
  test.each([
    [
      '{ id: r, match: { tool: a }, effect: deny }',
      [': the rule deleted', 'effect: deny became allow', 'match.tool: tool became "*"'],
    ],
    [
      '{ id: r, match: { server: "*", roles: [x], annotations: { readOnlyHint: true } }, effect: ask }',
      [
        ': the rule deleted',
        'effect: ask became allow',
        'match.roles: roles no longer asked',
        'match.annotations: readOnlyHint became false',
      ],
    ],
    [
      '{ id: r, match: { server: "*" }, schedule: { from: "09:00", timeZone: UTC }, effect: ask }',
      [': the rule deleted', 'effect: ask became allow', 'schedule: schedule no longer asked'],
    ],
    [
      '{ id: r, match: { server: "*" }, args: { n: { allOf: [{ gt: 1 }, { le: 5 }] }, p: { not: { glob: "a*" } }, q: x }, effect: allow }',
      [
        ': the rule deleted',
        'effect: allow became deny',
        'args.n: negated',
        'args.n.allOf.0: negated',
        'args.n.allOf.0.gt: gt became ge',
        'args.n.allOf.1: negated',
        'args.n.allOf.1.le: le became lt',
        'args.p: not taken away',
        'args.p.not.glob: glob widened to "*"',
        'args.q: negated',
      ],
    ],
    [
      '{ id: r, match: { server: "*" }, args: { p: { under: ["/a/b", /c] }, q: { startsWith: ab } }, effect: allow }',
      [
        ': the rule deleted',
        'effect: allow became deny',
        'args.p: negated',
        'args.p.under: under widened to ["/a","/"]',
        'args.q: negated',
        'args.q.startsWith: startsWith widened to "a"',
      ],
    ],
    [
      `{ id: r, match: { server: "*" }, when: 'args.a == "<" && !(args.b < 3 || args.c)', effect: allow }`,
      [
        ': the rule deleted',
        'effect: allow became deny',
        'when: args.a == "<" negated',
        'when: args.b < 3 negated',
        'when: < became <= in args.b < 3',
        'when: args.c negated',
      ],
    ],
    [
      '{ id: r, match: { server: "*" }, when: { any: [{ field: args.a, op: lt, value: 3 }, { not: args.b }] }, obligations: [{ rate: { max: 1, per: 1m } }] }',
      [
        ': the rule deleted',
        'when.any.0: negated',
        'when.any.0.op: lt became le',
        'when.any.1: not taken away',
        'obligations.0: rate dropped',
      ],
    ],
  ])('%s', (rule, changes) => {
    expect(changesOf(rule)).toEqual(changes);
  });

  test('every one of them loads', () => {
    const rule = `{ id: r, match: { tool: a, roles: x }, args: { n: { anyOf: [{ lt: 3 }, { in: [a] }] } }, when: (args.a > 1) && (args.b || !args.c), effect: allow }`;
    for (const { doc } of mutationsOf(policyOf(`  - ${rule}`).rules[0]!.doc)) {
      const text = JSON.stringify({ version: 1, rules: doc === undefined ? [] : [doc] });
      expect(() => compilePolicy([{ file: 'p', text }], OPTIONS)).not.toThrow();
    }
  });
});

function mutantsOf(rules: string, cases: string): Mutants {
  const sources = [{ file: 'p.yaml', text: `version: 1\nrules:\n${rules}` }];
  const file = readCases('p.test.yaml', `policy: ./p.yaml\ncases:\n${cases}`) as CaseFile;
  const options = { compile: OPTIONS, now: () => performance.now(), withinMs: 5_000 };
  return mutate(compilePolicy(sources, OPTIONS), sources, [file], options);
}

const told = ({ survived }: Mutants): string[] =>
  survived.map(({ rule, mutation }) => `${rule.name}: ${mutation.what}`);

describe('what cases notice', () => {
  const rules = '  - { id: r, match: { tool: a }, args: { n: { lt: 5 } }, effect: allow }\n';

  test('everything, when they are at the bounds', () => {
    const mutants = mutantsOf(
      rules,
      '  - { call: { tool: a, args: { n: 4 } }, expect: allow }\n  - { call: { tool: a, args: { n: 5 } }, expect: deny }\n  - { call: { tool: b, args: { n: 4 } }, expect: deny }\n',
    );
    expect(mutants).toEqual({ killed: 5, survived: [], equivalent: 0, score: 100 });
  });

  test('not a bound that no case is at: with a call that tells', () => {
    const mutants = mutantsOf(rules, '  - { call: { tool: a, args: { n: 1 } }, expect: allow }\n');
    expect(told(mutants)).toEqual(['r: tool became "*"', 'r: lt became le']);
    const bound = mutants.survived[1]?.witness;
    expect([bound?.args, bound?.outcomes.map(({ effect }) => effect)]).toEqual([{ n: 5 }, ['deny', 'allow']]);
    expect(mutants.score).toBe(60);
  });

  test('does not count a change of which it is proven that it changes nothing', () => {
    const mutants = mutantsOf(
      '  - { id: no, match: { tool: a }, effect: deny }\n',
      '  - { call: { tool: a }, expect: deny }\n',
    );
    // Deleted or wider, a deny above the default of deny decides the same; only its flip shows.
    expect(mutants).toEqual({ killed: 1, survived: [], equivalent: 2, score: 100 });
  });

  test('counts an obligation that no case asks for', () => {
    const duty = '  - { id: r, match: { tool: a }, effect: allow, obligations: [{ rate: { max: 1, per: 1m } }] }\n';
    expect(
      told(mutantsOf(duty, '  - { call: { tool: a }, expect: allow }\n  - { call: { tool: b }, expect: deny }\n')),
    ).toEqual(['r: rate dropped']);
    expect(
      told(
        mutantsOf(
          duty,
          '  - { call: { tool: a }, expect: { obligations: [rate] } }\n  - { call: { tool: b }, expect: deny }\n',
        ),
      ),
    ).toEqual([]);
  });

  test('a change in what results may say is never taken for none', () => {
    const strip =
      '  - { id: r, match: { tool: a, direction: result }, obligations: [{ redact: { classes: [secret] } }] }\n';
    expect(told(mutantsOf(strip, '  - { call: { tool: b }, expect: deny }\n'))).toContain('r: the rule deleted');
  });
});

test('200 rules with 200 cases are measured in seconds', () => {
  const rules = Array.from(
    { length: 200 },
    (_, index) => `  - { id: r${index}, match: { tool: t${index} }, args: { n: { lt: ${index} } }, effect: allow }\n`,
  ).join('');
  const cases = Array.from(
    { length: 200 },
    (_, index) => `  - { call: { tool: t${index}, args: { n: ${index - 1} } }, expect: { rule: r${index} } }\n`,
  ).join('');
  const started = performance.now();
  const mutants = mutantsOf(rules, cases);
  expect(mutants.killed).toBe(400);
  expect(performance.now() - started).toBeLessThan(25_000);
}, 30_000);
