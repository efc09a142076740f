import { expect, it } from 'vitest';
import type { CallParts } from '../testing.ts';
import { callOf } from '../testing.ts';
import { imported, issuesIn, mistakes } from './import-testing.ts';

const who = (id: string, ...roles: string[]): Pick<CallParts, 'principal'> => ({
  principal: { id, roles, chain: [], assurance: 'same-user' },
});

const POLICY = String.raw`
// Weather for everybody.
@id("weather")
permit (principal, action == Action::"call_tool", resource == Tool::"weather");

@id("refund") @reason("small refunds only")
permit (principal in Role::"support", action == Action::"call_tool", resource == Tool::"refund")
when { context.args.amount > 0 && context.args.amount <= 100 }
unless { context.args has note && context.args.note like "*\*secret*?" };

@id("own") @stage("beta")
permit (principal == Agent::"bot", action in [Action::"files___read", Action::"get_prompt"], resource);

@id("no-prod")
forbid (principal, action, resource in Server::"prod") unless { principal in Role::"admin" };

@id("tags")
permit (principal, action == Action::"call_tool", resource == Tool::"tag")
when { context.args.tags.contains("a") || ["x", "y"].contains(context.arg_kind) };

@id("no-admins")
forbid (principal == User::"eve", action, resource);
`;

it('permits and forbids as Cedar does: forbid wins, nothing else passes', async () => {
  const { decide, policy } = await imported('cedar', POLICY);
  const refund = (args: unknown, ...roles: string[]): CallParts => ({
    tool: 'refund',
    args: args as never,
    ...who('a', ...roles),
  });
  const cases: readonly [string, CallParts][] = [
    ['allow', { tool: 'weather' }],
    ['deny', { tool: 'weathers' }],
    ['deny', { tool: 'weather', ...who('eve') }],
    ['deny', { tool: 'weather', server: 'prod' }],
    ['allow', { tool: 'weather', server: 'prod', ...who('a', 'admin') }],
    ['allow', refund({ amount: 100 }, 'support')],
    ['deny', refund({ amount: 101 }, 'support')],
    ['deny', refund({ amount: 0 }, 'support')],
    ['deny', refund({ amount: 5 }, 'sales')],
    ['deny', refund({ amount: '5' }, 'support')],
    ['deny', refund({}, 'support')],
    ['deny', refund({ amount: 5, note: 'a *secret b?' }, 'support')],
    ['allow', refund({ amount: 5, note: 'a secret b?' }, 'support')],
    ['allow', refund({ amount: 5, note: 'a *secret bx' }, 'support')],
    ['allow', { server: 'files', tool: 'read', ...who('bot') }],
    ['deny', { server: 'other', tool: 'read', ...who('bot') }],
    ['allow', { method: 'prompts/get', prompt: 'p', ...who('bot') }],
    ['allow', { tool: 'tag', args: { tags: ['b', 'a'] } }],
    ['deny', { tool: 'tag', args: { tags: ['b'], kind: 'z' } }],
    ['allow', { tool: 'tag', args: { tags: [], kind: 'y' } }],
    ['deny', { tool: 'tag', args: { kind: 'y' } }],
    ['deny', { tool: 'unknown' }],
  ];
  for (const [effect, call] of cases) expect(decide(call), JSON.stringify(call)).toBe(effect);
  expect(policy.decide(callOf(refund({ amount: 1 }, 'support'))).reason).toBe('small refunds only');
});

it('does not let three-valued logic permit what Cedar would not', async () => {
  const { decide } = await imported(
    'cedar',
    `permit (principal, action, resource) when { context.args.a == 1 || context.args.b == 2 || context.args.c == 3 };`,
  );
  // Cedar stops at the missing attribute and skips the policy.
  expect(decide({ args: { b: 2 } })).toBe('deny');
  expect(decide({ args: { a: 1 } })).toBe('allow');
  expect(decide({ args: { a: 0, b: 0, c: 3 } })).toBe('allow');
  const unless = await imported(
    'cedar',
    `permit (principal, action, resource) unless { context.args.a == 1 && context.args.b == 2 };`,
  );
  expect(unless.decide({ args: { b: 0 } })).toBe('deny');
  expect(unless.decide({ args: { a: 0 } })).toBe('allow');
});

it('compares principal, action and resource in conditions', async () => {
  const { decide } = await imported(
    'cedar',
    `permit (principal, action, resource) when {
       (principal == User::"ann" && resource == Tool::"a") || (action == Action::"get_prompt" && principal in [Role::"x", Role::"y"])
       || (resource in Server::"s9" && resource.name like "get_*" && !(principal == User::"bob") && -1 < context.args.n * 2 + 1)
     };`,
  );
  expect(decide({ tool: 'a', ...who('ann') })).toBe('allow');
  expect(decide({ tool: 'b', ...who('ann') })).toBe('deny');
  expect(decide({ method: 'prompts/get', prompt: 'a', ...who('z', 'y') })).toBe('allow');
  expect(decide({ method: 'prompts/get', prompt: 'a', ...who('z') })).toBe('deny');
  expect(decide({ server: 's9', tool: 'get_x', args: { n: 0 }, ...who('z') })).toBe('allow');
  expect(decide({ server: 's9', tool: 'get_x', args: { n: -2 }, ...who('z') })).toBe('deny');
  expect(decide({ server: 's9', tool: 'get_x', args: { n: 0 }, ...who('bob') })).toBe('deny');
});

it('refuses everything else with its place', async () => {
  const when = (text: string) => `permit (principal, action, resource)\nwhen { ${text} };`;
  const cases: readonly [string, string][] = [
    ['permit (principal is User, action, resource);', '1: SYNTAX'],
    ['permit (principal == ?principal, action, resource);', '1: SYNTAX'],
    ['allow (principal, action, resource);', '1: SYNTAX'],
    ['permit (principal, action, resource)', '1: SYNTAX'],
    ['permit (principal, action == Action::"fly", resource);', '1: VALUE'],
    ['permit (principal, action, resource == File::"x");', '1: VALUE'],
    ['permit (principal, action == Action::"get_prompt", resource == Tool::"x");', '1: VALUE'],
    [when('context.ip == "x"'), '2: VALUE'],
    [when('principal.department == "x"'), '2: VALUE'],
    [when('ip("10.0.0.1").isLoopback()'), '2: SYNTAX'],
    [when('if true then true else false'), '2: SYNTAX'],
    [when('{a: 1}.a == 1'), '2: SYNTAX'],
    [when('context.args.a.isEmpty()'), '2: VALUE'],
    [when('context.args.a'.concat(' == principal')), '2: VALUE'],
    [when('1'), '2: VALUE'],
    [when('"a" like context.args.a'), '2: SYNTAX'],
    [when(`${'('.repeat(500)}true${')'.repeat(500)}`), '2: SYNTAX'],
    [when(`context.args.a == 1 ${'&& context.args.a == 1 '.repeat(600)}`), '2: SYNTAX'],
    [when('context.args.a == 99999999999999999999'), '2: SYNTAX'],
    ['', '1: SYNTAX'],
    ['permit (principal, action, resource) when { "a };', '1: SYNTAX'],
  ];
  for (const [text, expected] of cases) expect(await mistakes('cedar', text), text.slice(0, 200)).toEqual([expected]);
  const [issue] = await issuesIn('cedar', when('true && context.ip == "x"'));
  expect(issue).toMatchObject({ line: 2, column: 16 });
});

it('takes long chains of conditions', async () => {
  const text = `permit (principal, action, resource) when { ${Array.from({ length: 100 }, (_, i) => `context.args.a != ${i}`).join(' && ')} };`;
  expect((await imported('cedar', text)).decide({ args: { a: 100 } })).toBe('allow');
});
