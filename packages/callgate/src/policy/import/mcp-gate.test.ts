import { expect, it } from 'vitest';
import type { CallParts } from '../testing.ts';
import { callOf } from '../testing.ts';
import { imported, mistakes } from './import-testing.ts';

const POLICY = `
name: support
version: "1"
default_effect: deny
rules:
  - { id: block-threats, effect: deny, tools: ["*"], min_threat_score: 80, reason: looks like an attack }
  - { id: hold-threats, effect: require_approval, min_threat_score: 50 }
  - { id: no-shell, effect: deny, tools: ["shell_*", "exec"] }
  - { id: small-refund, effect: allow, tools: [refund], require_roles: [support, lead], when: { field: amount, op: le, value: 100 }, budget: { key: refunds, field: amount, limit: 2000 } }
  - { id: big-refund, effect: require_approval, tools: [refund], require_roles: [support] }
  - { id: mask, effect: redact, tools: ["customer.*"], redact_fields: [ssn, card.number] }
  - { id: bots, effect: allow, tools: [search], agents: ["bot-?", "crawler-*"] }
  - id: mail
    effect: allow
    tools: [send_mail]
    when: { all: [{ field: to, op: endswith, value: "@corp.example" }, { not: { any: [{ field: body, op: regex, value: '(?i)secret' }, { field: urgent, op: exists }] } }] }
`;
const finding = (confidence: number) => ({ findings: () => [{ rule: 'r', class: 'secret', pointer: '', confidence }] });
const quiet = { findings: () => [] };

/** Twenty labelled calls. */
const SAMPLES: readonly [effect: string, rule: string, call: CallParts][] = [
  ['deny', 'block-threats', { tool: 'search', ...finding(0.9) }],
  ['deny', 'block-threats', { tool: 'search', ...finding(0.8) }],
  ['ask', 'hold-threats', { tool: 'search', ...finding(0.5) }],
  ['deny', 'no-shell', { tool: 'shell_run', ...quiet }],
  ['deny', 'no-shell', { tool: 'exec', ...quiet }],
  ['deny', 'default', { tool: 'execute', ...quiet }],
  ['allow', 'small-refund', { tool: 'refund', args: { amount: 100 }, roles: ['support'], ...quiet }],
  ['allow', 'small-refund', { tool: 'refund', args: { amount: 1 }, roles: ['lead'], ...quiet }],
  ['ask', 'big-refund', { tool: 'refund', args: { amount: 101 }, roles: ['support'], ...quiet }],
  ['ask', 'big-refund', { tool: 'refund', args: { amount: '100' }, roles: ['support'], ...quiet }],
  ['ask', 'big-refund', { tool: 'refund', args: {}, roles: ['support'], ...quiet }],
  ['deny', 'default', { tool: 'refund', args: { amount: 1 }, roles: ['guest'], ...quiet }],
  ['deny', 'default', { tool: 'refund', args: { amount: 1 }, ...quiet }],
  ['allow', 'mask', { tool: 'customer.get', args: { ssn: '1' }, ...quiet }],
  ['deny', 'default', { tool: 'customers', args: {}, ...quiet }],
  [
    'allow',
    'bots',
    { tool: 'search', principal: { id: 'bot-1', roles: [], chain: [], assurance: 'same-user' }, ...quiet },
  ],
  [
    'deny',
    'default',
    { tool: 'search', principal: { id: 'bot-12', roles: [], chain: [], assurance: 'same-user' }, ...quiet },
  ],
  ['allow', 'mail', { tool: 'send_mail', args: { to: 'a@corp.example', body: 'hello' }, ...quiet }],
  ['deny', 'default', { tool: 'send_mail', args: { to: 'a@corp.example', body: 'the SECRET' }, ...quiet }],
  ['deny', 'default', { tool: 'send_mail', args: { to: 'a@corp.example', body: 'x', urgent: false }, ...quiet }],
];

it('decides twenty labelled calls as mcp-gate would', async () => {
  const { policy } = await imported('mcp-gate', POLICY);
  for (const [effect, rule, call] of SAMPLES) {
    const decision = policy.decide(callOf(call));
    expect([decision.effect, decision.rule], JSON.stringify(call)).toEqual([effect, rule]);
  }
});

it('reads the same policy as JSON', async () => {
  const { parse } = await import('yaml');
  const { policy } = await imported('mcp-gate', JSON.stringify(parse(POLICY), undefined, 2));
  for (const [effect, rule, call] of SAMPLES)
    expect([effect, rule]).toEqual([policy.decide(callOf(call)).effect, policy.decide(callOf(call)).rule]);
});

it('carries budgets and redactions, and says how a spent budget differs', async () => {
  const { policy, remarksOn } = await imported('mcp-gate', POLICY);
  const refund = policy.decide(callOf({ tool: 'refund', args: { amount: 5 }, roles: ['lead'], ...quiet }));
  expect(refund.obligations).toMatchObject([{ kind: 'budget', key: ['rule', 'session'], max: '2000' }]);
  const mask = policy.decide(callOf({ tool: 'customer.get', ...quiet }));
  expect(mask.obligations).toMatchObject([{ kind: 'redact', on: 'args', fields: [['ssn'], ['card', 'number']] }]);
  expect(remarksOn('a spent budget denies')).toMatchObject([{ fate: 'translated', line: 9 }]);
  expect(remarksOn('counts to 100')).toHaveLength(2);
});

it('takes scores from 0 to 1 when none is larger', async () => {
  const { decide } = await imported(
    'mcp-gate',
    'rules: [{ id: a, effect: deny, min_threat_score: 0.7 }, { id: b, effect: allow }]',
  );
  expect(decide(finding(0.7))).toBe('deny');
  expect(decide(finding(0.6))).toBe('allow');
});

it('gives each operator its meaning; a wrong type or a missing value never lets a call pass', async () => {
  const table: readonly [
    op: string,
    value: unknown,
    holds: readonly unknown[],
    not: readonly unknown[],
    wrong: readonly unknown[],
  ][] = [
    ['eq', 5, [5, 5.0], [6], ['5', [5], true]],
    ['eq', 'a', ['a'], ['b', 'A'], [5, {}]],
    ['ne', 5, [6], [5], ['5']],
    ['lt', 5, [4, -1], [5, 6], ['4', null]],
    ['le', 5, [4, 5], [6], ['4']],
    ['gt', 5, [6], [5, 4], ['6', [6]]],
    ['ge', 5, [5, 6], [4], ['6']],
    ['in', ['a', 'b'], ['a'], ['c'], [1]],
    ['not_in', ['a', 'b'], ['c'], ['a'], [1]],
    ['contains', 'x', ['axb', ['x', 'y']], ['ab', ['xx']], [5, {}]],
    ['contains', 5, [[5, 6]], [[6]], ['5']],
    ['startswith', 'x', ['xa'], ['ax', 'X'], [5, ['x']]],
    ['endswith', 'x', ['ax'], ['xa'], [5]],
    ['regex', '^a+$', ['aa'], ['ab'], [5, ['a']]],
  ];
  for (const [op, value, holds, not, wrong] of table) {
    const rules = (effect: string) =>
      imported(
        'mcp-gate',
        JSON.stringify({
          default_effect: effect === 'allow' ? 'deny' : 'allow',
          rules: [{ id: 'r', effect, tools: ['run'], when: { field: 'v', op, value } }],
        }),
      );
    const [allow, deny] = await Promise.all([rules('allow'), rules('deny')]);
    const isNegative = op === 'ne' || op === 'not_in';
    const check = (v: unknown, allowed: string, denied: string) => {
      const args = (v === undefined ? {} : { v }) as never;
      expect(
        [allow.decide({ args }), deny.decide({ args })],
        `${op} ${JSON.stringify(value)} on ${JSON.stringify(v)}`,
      ).toEqual([allowed, denied]);
    };
    for (const v of holds) check(v, 'allow', 'deny');
    for (const v of not) check(v, 'deny', 'allow');
    for (const v of wrong) check(v, 'deny', 'deny');
    check(undefined, 'deny', isNegative ? 'deny' : 'allow');
  }
  const exists = await imported(
    'mcp-gate',
    '{ "default_effect": "allow", "rules": [{ "id": "a", "effect": "deny", "when": { "field": "a.b", "op": "exists" } }] }',
  );
  expect([{ a: { b: null } }, { a: {} }, { a: 'b' }, {}].map((args) => exists.decide({ args }))).toEqual([
    'deny',
    'allow',
    'allow',
    'allow',
  ]);
});

it('nests conditions five deep', async () => {
  const leaf = (n: number) => ({ field: `f${n}`, op: 'eq', value: n });
  const when = {
    all: [{ any: [{ not: { all: [{ any: [leaf(1), leaf(2)] }, { not: leaf(3) }] } }, leaf(4)] }, leaf(5)],
  };
  const { decide } = await imported('mcp-gate', JSON.stringify({ rules: [{ id: 'a', effect: 'allow', when }] }));
  const args = (f1: number, f3: number, f4: number, f5: number) => ({ f1, f2: 0, f3, f4, f5 });
  expect(decide({ args: args(1, 3, 0, 5) })).toBe('allow');
  expect(decide({ args: args(1, 0, 0, 5) })).toBe('deny');
  expect(decide({ args: args(1, 0, 4, 5) })).toBe('allow');
  expect(decide({ args: args(0, 0, 0, 5) })).toBe('allow');
  expect(decide({ args: args(0, 0, 0, 0) })).toBe('deny');
});

it('asks where rules share a budget, which would count twice here', async () => {
  const rule = (id: string) => ({ id, effect: 'allow', tools: [id], budget: { key: 'k', field: 'n', limit: 10 } });
  const { decide, counts } = await imported('mcp-gate', JSON.stringify({ rules: [rule('a'), rule('b')] }));
  expect([decide({ tool: 'a', args: { n: 1 } }), decide({ tool: 'b', args: { n: 1 } })]).toEqual(['ask', 'ask']);
  expect(counts.refused).toBe(2);
});

it("reads classes of Python's globs and what its patterns mean", async () => {
  const { decide } = await imported(
    'mcp-gate',
    JSON.stringify({
      default_effect: 'allow',
      rules: [
        { id: 'a', effect: 'deny', tools: ['db_[!r]*'] },
        {
          id: 'b',
          effect: 'deny',
          tools: ['run'],
          when: { field: 'c', op: 'regex', value: String.raw`^rm\s+\d{,2}$` },
        },
      ],
    }),
  );
  expect([decide({ tool: 'db_write' }), decide({ tool: 'db_read' })]).toEqual(['deny', 'allow']);
  expect(['rm 12', 'rm\u00a012', 'rm 12\n', 'rm ', 'rm 123'].map((c) => decide({ args: { c } }))).toEqual([
    'deny',
    'deny',
    'deny',
    'deny',
    'allow',
  ]);
});

it('refuses mistakes with their line', async () => {
  const one = (rule: string) => `rules:\n  - ${rule}`;
  const cases: readonly [string, readonly string[]][] = [
    [one('{ effect: allow }'), ['2: MISSING']],
    [one('{ id: a, effect: permit }'), ['2: VALUE']],
    [one('{ id: a, effect: allow, tool: x }'), ['2: KEY']],
    [one('{ id: a, effect: allow, tools: [] }'), ['2: VALUE']],
    [one('{ id: a, effect: allow, when: { field: x, op: equals, value: 1 } }'), ['2: VALUE']],
    [one('{ id: a, effect: allow, when: { field: x, op: eq } }'), ['2: MISSING']],
    [one('{ id: a, effect: allow, when: { field: x..y, op: exists } }'), ['2: VALUE']],
    [one('{ id: a, effect: allow, when: { field: x, op: regex, value: "(?P=a)" } }'), ['2: REGEX']],
    [one('{ id: a, effect: allow, when: { field: x, op: lt, value: [1] } }'), ['2: TYPE']],
    [one('{ id: a, effect: allow, when: { field: x, op: in, value: 5 } }'), ['2: TYPE']],
    [one('{ id: a, effect: allow, when: { all: [], any: [] } }'), ['2: VALUE']],
    [one('{ id: a, effect: redact }'), ['2: MISSING']],
    [one('{ id: a, effect: allow, budget: { key: k, limit: 1 } }'), ['2: MISSING']],
    [one('{ id: a, effect: allow, min_threat_score: 101 }'), ['2: VALUE']],
    [one('{ id: a, effect: allow, when: { field: x, op: eq, value: 12345678901234567890 } }'), ['2: VALUE']],
    ['default_effect: maybe\nrules: []', ['1: VALUE']],
    ['name: n', ['1: MISSING']],
    ['version: "2"\nrules: []', ['1: VALUE']],
  ];
  for (const [text, expected] of cases) expect(await mistakes('mcp-gate', text), text).toEqual(expected);
});
