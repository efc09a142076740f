import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Json } from '../../model/json.ts';
import { compilePolicy } from '../compile.ts';
import { combine, tightenOnly } from '../layers.ts';
import { openPlaces } from '../document/places.ts';
import { callOf, type CallParts, OPTIONS, policyOf } from '../testing.ts';
import { trace } from './trace.ts';

const conditions = fc.constantFrom(
  '',
  'args: {f: x}, ',
  'args: {f: {startsWith: x}}, ',
  'args: {f: {not: {gt: 3}}}, ',
  'args: {f: {exists: true}, g: {in: [1, 2]}}, ',
  "when: 'args.f > 2 || args.g == 1', ",
  'when: \'!(has(args.g) && args.f == "x")\', ',
  "when: 'args.f.exists(e, e == 7)', ",
);
const rule = fc
  .record({
    tool: fc.constantFrom('a', 'b', '*', 'a*'),
    direction: fc.constantFrom('', '', ', direction: result'),
    role: fc.constantFrom('', '', ', roles: admin'),
    condition: conditions,
    effect: fc.constantFrom(
      'effect: allow',
      'effect: deny',
      'effect: ask',
      'effect: defer',
      'obligations: [{rate: {max: 1, per: 1s}}]',
    ),
  })
  .map(({ tool, direction, role, condition, effect }) => {
    const args = direction === '' ? condition : '';
    return `match: {tool: "${tool}"${direction}${role}}, ${args}${effect}`;
  });
const value = fc.constantFrom<Json>('x', 'xy', 1, 7, null, true, [7], []);
const calls: fc.Arbitrary<CallParts> = fc.record({
  tool: fc.constantFrom('a', 'b', 'ab'),
  direction: fc.constantFrom('call', 'call', 'result'),
  roles: fc.constantFrom([], ['admin']),
  args: fc.oneof(fc.constant({}), fc.record({ f: value }), fc.record({ f: value, g: value })),
});

function compiled(rules: readonly string[], head: string): ReturnType<typeof policyOf> | undefined {
  try {
    return policyOf(rules.map((text, index) => ` - {id: r${index}, ${text}}`).join('\n') || ' []', head);
  } catch {
    // Rules that are never reached do not load.
    return undefined;
  }
}

describe('a trace', () => {
  test('tells the decision of the policy, and the rules account for it', () => {
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 6 }),
        fc.constantFrom('first', 'deny-overrides'),
        fc.array(calls, { minLength: 1, maxLength: 5 }),
        (rules, mode, many) => {
          const policy = compiled(rules, `version: 1\ncombine: ${mode}`);
          if (policy === undefined) return;
          for (const parts of many) {
            const { decision, rules: rows } = trace(policy, callOf(parts));
            expect(decision).toEqual(policy.decide(callOf(parts)));
            const matching = rows.filter(
              ({ matched, effect }) => matched === true || (matched === 'error' && effect !== 'allow'),
            );
            const deciding = matching.filter(({ effect }) => effect !== undefined);
            const refusing = matching.filter(({ effect, matched }) => effect === undefined && matched === 'error');
            const order = ['deny', 'ask', 'defer', 'allow'];
            const first =
              mode === 'first'
                ? deciding[0]
                : deciding.toSorted((a, b) => order.indexOf(a.effect!) - order.indexOf(b.effect!))[0];
            const wanted = refusing.length > 0 && first?.effect !== 'deny' ? refusing[0] : first;
            const decided = rows.filter((row) => row.decided);
            if (!/^(?:base:|default$)/.test(decision.rule))
              expect(decided.map((row) => row.rule)).toEqual([wanted?.rule]);
            else expect(decided).toEqual([]);
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  test('does not disturb what is decided afterwards', () => {
    const policy = policyOf('  - { id: r, match: { tool: a }, args: { f: x }, effect: allow }');
    trace(policy, callOf({ tool: 'a', args: { f: 'x' } }));
    expect(policy.decide(callOf({ tool: 'a', args: { f: 'y' } })).rule).toBe('default');
  });

  test('says which part fails, what it looked at, and why it cannot be told', () => {
    const text = `version: 1
rules:
  - { id: other, match: { tool: b }, effect: deny }
  - id: pay
    match: { tool: a, roles: [clerk] }
    args: { currency: EUR }
    when: args.amount > 0 && (args.amount < 500 || args.approved)
    effect: allow
`;
    const sources = [{ file: 'p.yaml', text }];
    const policy = compilePolicy(sources, OPTIONS);
    const writtenOf = openPlaces(sources);
    const call = callOf({ tool: 'a', roles: ['clerk'], args: { currency: 'EUR', amount: 700 } });
    expect(trace(policy, call, (found) => writtenOf(found)?.at())).toEqual({
      decision: policy.decide(call),
      rules: [
        {
          rule: 'other',
          effect: 'deny',
          layer: 'policy',
          file: 'p.yaml',
          line: 3,
          matched: false,
          why: 'it is for another tool than "a"',
          atoms: [],
          decided: false,
        },
        {
          rule: 'pay',
          effect: 'allow',
          layer: 'policy',
          file: 'p.yaml',
          line: 4,
          matched: 'error',
          why: 'args.approved is missing',
          decided: false,
          atoms: [
            { text: 'roles: [clerk]', value: true, operand: '["clerk"]' },
            { text: expect.stringContaining('currency'), value: true, operand: '"EUR"' },
            { text: 'args.amount > 0', value: true, operand: '700' },
            { text: 'args.amount < 500', value: false, operand: '700' },
            { text: 'args.approved', value: 'error', cause: 'args.approved is missing' },
          ],
        },
      ],
    });
  });

  test('masks what looks like a secret, in values and in the policy', () => {
    // Put together here so that no scanner of repositories finds it.
    const token = ['xo', 'xb-', '781236542736-2364535789652-', 'KmQ3vT8wZb2LxR7cYf5NdJ9s'].join('');
    const policy = policyOf(
      `  - { id: r, match: { tool: a }, args: { note: { contains: x }, password: { exists: true }, t: "${token}" }, when: 'args.secret.token != "y"', effect: allow }`,
    );
    const args = { note: `see ${token}`, password: 'correct horse', t: token, secret: { token: 'hunter2hunter2' } };
    const told = JSON.stringify(trace(policy, callOf({ tool: 'a', args })).rules);
    for (const secret of [token, 'correct horse', 'hunter2']) expect(told).not.toContain(secret);
    expect(told).toContain('[secret:');
  });

  test('names the layer of each rule', () => {
    const policy = policyOf('  - { id: r, match: { tool: a }, effect: allow }');
    const project = tightenOnly(policyOf('  - { id: q, match: { tool: a }, args: { f: x }, effect: deny }'));
    const { decision, rules } = trace(combine([policy, project]), callOf({ tool: 'a', args: { f: 'x' } }));
    expect(decision.rule).toBe('project:q');
    expect(rules.map(({ layer, rule: name, decided }) => [layer, name, decided])).toEqual([
      ['policy', 'r', false],
      ['project', 'project:q', true],
    ]);
  });
});
