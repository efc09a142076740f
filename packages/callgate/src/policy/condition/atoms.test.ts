import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Json } from '../../model/json.ts';
import { judgeTree, type ConditionTree } from './atoms.ts';
import type { CompiledRule } from '../rule.ts';
import { callOf, policyOf } from '../testing.ts';
import { Unsure } from './truth.ts';

const ruleOf = (when: string, more = ''): CompiledRule =>
  policyOf(` - {id: r, match: {tool: run}, ${more} when: ${JSON.stringify(when)}, effect: deny}`)
    .rules[0] as CompiledRule;
const shown = (tree: ConditionTree | undefined): unknown =>
  tree === undefined || tree.kind === 'atom'
    ? tree?.atom.text
    : { [tree.kind]: tree.kind === 'not' ? shown(tree.of) : tree.of.map(shown) };

describe('the atoms of a rule', () => {
  test.each<[string, unknown]>([
    ['args.a == 1', 'args.a == 1'],
    [' args.a == 1  ', 'args.a == 1'],
    ['args.a && args.b', { all: ['args.a', 'args.b'] }],
    ['args.a || args.b && !args.c', { any: ['args.a', { all: ['args.b', { not: 'args.c' }] }] }],
    ['(args.a || args.b) && (args.n + 1) * 2 > 3', { all: [{ any: ['args.a', 'args.b'] }, '(args.n + 1) * 2 > 3'] }],
    ['!!(args.a && args.b)', { not: { not: { all: ['args.a', 'args.b'] } } }],
    ['args.l.exists(x, x == 1 || x == 2) && true', { all: ['args.l.exists(x, x == 1 || x == 2)', 'true'] }],
    ['(args.a ? args.b : args.c) || "a && b" == args.s', { any: ['(args.a ? args.b : args.c)', '"a && b" == args.s'] }],
    ['!args.s.startsWith("x")', { not: 'args.s.startsWith("x")' }],
  ])('are the leaves of when as they are written: %s', (when, expected) => {
    expect(shown(ruleOf(when).tree)).toEqual(expected);
  });

  test('name roles, annotations and every entry of args, and where each stands', () => {
    const [rule] = policyOf(
      ' - {id: r, match: {tool: run, roles: [admin, "x*"], annotations: {readOnlyHint: true}}, args: {a: 1, b.c: {under: [/x, "/a b"]}}, when: "has(args.a)", effect: deny}',
    ).rules;
    expect(rule?.atoms.map(({ text, path }) => [text, path.join('.')])).toEqual([
      ['roles: [admin, "x*"]', 'rules.0.match.roles'],
      ['annotations: { readOnlyHint: true }', 'rules.0.match.annotations'],
      ['args.a: 1', 'rules.0.args.a'],
      ['args.b.c: { under: [/x, "/a b"] }', 'rules.0.args.b.c'],
      ['has(args.a)', 'rules.0.when'],
    ]);
  });

  test('are none where the match alone decides', () => {
    const [rule] = policyOf(' - {id: r, match: {tool: run}, effect: deny}').rules;
    expect([rule?.tree, rule?.atoms]).toEqual([undefined, []]);
  });

  test('show what they look at, where that is one value', () => {
    const rule = ruleOf('args.a.b > 1 && principal.id == "x" && 1 + 1 == 2 && under(args.p, "/x")', 'args: {q.r: 1},');
    const call = callOf({ args: { a: { b: 7 }, p: '/y', q: { r: 3 } } });
    expect(rule.atoms.map((atom) => atom.operand?.(call))).toEqual([3, 7, 'agent', undefined, '/y']);
    rule.forget();
  });

  test('joined as their tree says, judge as the rule does', () => {
    const whens = [
      'args.a && args.b || !args.c',
      '!(args.a || !args.b) && args.c',
      'args.a == 1 || args.b == "x" && args.c',
      'args.a.exists(x, x == 1) && args.b.all(y, y != 2) || args.c',
    ];
    const rules = whens.map((when) => ruleOf(when));
    const value: fc.Arbitrary<Json> = fc.constantFrom<Json>(true, false, null, 1, 'x', [1], [], {});
    fc.assert(
      fc.property(fc.record({ a: value, b: value, c: value }, { requiredKeys: [] }), (args) => {
        const call = callOf({ args });
        for (const rule of rules) {
          const whole = rule.condition?.(call);
          const parts = judgeTree(rule.tree as ConditionTree, (atom) => atom.test(call));
          rule.forget();
          expect(parts instanceof Unsure ? 'error' : parts).toBe(whole instanceof Unsure ? 'error' : whole);
        }
      }),
    );
  });
});
