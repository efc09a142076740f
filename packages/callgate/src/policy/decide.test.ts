import { describe, expect, test } from 'vitest';
import type { Direction } from '../model/call.ts';
import { compilePolicy } from './compile.ts';
import { MAX_PLANS } from './plan-cache.ts';
import { OBSERVE_POLICY } from './observe.ts';
import { callOf, type CallParts, OPTIONS, policyOf } from './testing.ts';

/** The example of the design, with a pattern for the shell operator and a rate for the budget. */
const EXAMPLE: Readonly<Record<string, string>> = {
  'read-project': `
  - id: read-project
    match: { server: files, tool: [read_file, list_directory, "search_*"] }
    args:
      path: { under: ["\${PROJECT}"] }
    effect: allow`,
  'no-destructive-shell': `
  - id: no-destructive-shell
    match: { tool: Bash }
    args:
      command: { regex: '\\brm\\s+-[a-z]*[rf]' }
    effect: deny
    reason: Deletes more than can be undone.`,
  refunds: `
  - id: refunds
    match: { tool: billing.refund, roles: [support] }
    when: args.amount > 0 && args.amount < 500
    effect: allow
    obligations:
      - rate: { max: 4, per: 1d, key: [principal] }`,
  'strip-secrets': `
  - id: strip-secrets
    match: { direction: result }
    obligations:
      - redact: { classes: [secret] }`,
};
const ids = Object.keys(EXAMPLE);

describe.each([
  ['in file order', ids],
  ['reversed', ids.toReversed()],
  ['with strip-secrets first', ['strip-secrets', ...ids.slice(0, 3)]],
])('the example of the design, %s', (_, order) => {
  const policy = compilePolicy(
    [{ file: 'policy.yaml', text: `version: 1\ndefault: deny\nrules:${order.map((id) => EXAMPLE[id]).join('\n')}\n` }],
    OPTIONS,
  );

  test.each<[CallParts, string, string]>([
    [{ server: 'files', tool: 'read_file', args: { path: '/project/a' } }, 'allow', 'read-project'],
    [{ server: 'files', tool: 'search_text', args: { path: 'a' } }, 'allow', 'read-project'],
    [{ server: 'files', tool: 'read_file', args: { path: '/project/../etc/passwd' } }, 'deny', 'default'],
    [{ server: 'files', tool: 'read_file', args: {} }, 'deny', 'default'],
    [{ server: 'other', tool: 'read_file', args: { path: '/project/a' } }, 'deny', 'default'],
    [{ tool: 'Bash', args: { command: 'rm  -rf /' } }, 'deny', 'no-destructive-shell'],
    [{ tool: 'Bash', args: { command: ['rm -rf /'] } }, 'deny', 'no-destructive-shell'],
    [{ tool: 'Bash', args: {} }, 'deny', 'no-destructive-shell'],
    [{ tool: 'Bash', args: { command: 'ls' } }, 'deny', 'default'],
    [{ tool: 'billing.refund', args: { amount: 100 }, roles: ['support'] }, 'allow', 'refunds'],
    [{ tool: 'billing.refund', args: { amount: 500 }, roles: ['support'] }, 'deny', 'default'],
    [{ tool: 'billing.refund', args: { amount: '100' }, roles: ['support'] }, 'deny', 'default'],
    [{ tool: 'billing.refund', args: { amount: 100 } }, 'deny', 'default'],
  ])('%j: %s by %s', (parts, effect, rule) => {
    expect(policy.decide(callOf(parts))).toMatchObject({ effect, rule });
  });

  test('masks secrets in every result, and rates refunds', () => {
    const result = policy.decide(callOf({ direction: 'result', tool: 'read_file', args: { content: [] } }));
    expect(result).toMatchObject({
      effect: 'allow',
      rule: 'base:results',
      obligations: [{ kind: 'redact', on: 'result', classes: ['secret'], rule: 'strip-secrets' }],
    });
    const refund = policy.decide(callOf({ tool: 'billing.refund', args: { amount: 1 }, roles: ['support'] }));
    expect(refund.obligations).toEqual([
      { kind: 'rate', rule: 'refunds', key: ['principal'], max: 4, windowMs: 86_400_000 },
    ]);
  });
});

describe('an indeterminate condition', () => {
  const rule = (effect: string, more = ''): string =>
    ` - {id: r, match: {tool: run}, args: {a: {startsWith: x}}${effect === '' ? '' : `, effect: ${effect}`}${more}}`;
  const rate = ', obligations: [{rate: {max: 1, per: 1s}}]';

  test.each([
    // rule, default, on true, on false, on error
    [rule('allow'), 'deny', 'allow', 'deny', 'deny'],
    [rule('deny'), 'allow', 'deny', 'allow', 'deny'],
    [rule('ask'), 'allow', 'ask', 'allow', 'ask'],
    [rule('defer'), 'allow', 'defer', 'allow', 'defer'],
    [rule('', rate), 'allow', 'allow', 'allow', 'deny'],
    [rule('', `${rate}, onError: ask`), 'allow', 'allow', 'allow', 'ask'],
    [rule('', `${rate}, onError: ask`), 'deny', 'deny', 'deny', 'deny'],
  ])('%s under default %s: %s, %s, %s', (text, byDefault, onTrue, onFalse, onError) => {
    const policy = policyOf(text, `version: 1\ndefault: ${byDefault}`);
    const effect = (args: CallParts['args']): string => policy.decide(callOf({ args })).effect;
    expect([effect({ a: 'x' }), effect({ a: 'y' }), effect({})]).toEqual([onTrue, onFalse, onError]);
    expect([effect({ a: 1 }), effect({ a: {} }), effect(undefined)]).toEqual([onError, onError, onError]);
  });

  test('says why', () => {
    const decision = policyOf(rule('deny'), 'version: 1\ndefault: allow').decide(callOf({ args: { a: 5 } }));
    expect(decision).toMatchObject({ effect: 'deny', rule: 'r', indeterminate: 'args.a is a number, not text' });
    expect(decision.reason).toMatch(/^indeterminate: args\.a is a number, not text/);
  });
});

describe('annotations', () => {
  const policy = (effect: string): ReturnType<typeof policyOf> =>
    policyOf(` - {id: r, match: {annotations: {readOnlyHint: true}}, ${effect}}`, 'version: 1\ndefault: ask');

  test('earn nothing where the server is not trusted for them', () => {
    expect(policy('effect: allow').decide(callOf()).rule).toBe('default');
    expect(policy('effect: deny').decide(callOf())).toMatchObject({
      rule: 'r',
      indeterminate: 'annotations not trusted',
    });
    expect(policy('obligations: [{rate: {max: 1, per: 1}}]').decide(callOf()).obligations).toHaveLength(1);
  });

  test('count where it is', () => {
    expect(policy('effect: allow').decide(callOf({ annotations: { readOnlyHint: true } })).rule).toBe('r');
    expect(policy('effect: allow').decide(callOf({ annotations: {} })).rule).toBe('default');
    expect(policy('effect: deny').decide(callOf({ annotations: { readOnlyHint: false } })).rule).toBe('default');
    expect(policy('effect: allow').needsAnnotations).toBe(true);
  });

  test('concern tools only', () => {
    expect(policy('effect: deny').decide(callOf({ method: 'resources/read', uri: 'file:///x' })).rule).toBe('default');
  });
});

describe('what a rule covers', () => {
  const covers = (match: string, parts: CallParts): boolean =>
    policyOf(` - {id: r, match: ${match}, effect: deny}`).decide(callOf(parts)).rule === 'r';
  const read: CallParts = { method: 'resources/read', uri: 'file:///project/a' };

  test.each<[string, CallParts, boolean]>([
    ['{server: "*"}', {}, true],
    ['{server: "*"}', read, true],
    ['{server: "*"}', { method: 'tasks/update' }, true],
    ['{server: "*"}', { method: 'tools/list' }, false],
    ['{server: "*"}', { method: 'vendor/x' }, false],
    ['{server: "*"}', { direction: 'result' }, false],
    ['{server: "*"}', { direction: 'request', method: 'sampling/createMessage' }, false],
    ['{direction: result}', { direction: 'result' }, true],
    ['{direction: result}', { direction: 'result', method: 'tools/list' }, false],
    ['{direction: result, method: "*"}', { direction: 'result', method: 'tools/list' }, true],
    ['{direction: request}', { direction: 'request', method: 'roots/list' }, true],
    ['{method: "*"}', { method: 'vendor/x' }, true],
    ['{method: "*"}', { direction: 'request', method: 'vendor/x' }, true],
    ['{method: "*"}', { direction: 'result' }, false],
    ['{method: [tools/list, ping]}', { method: 'ping' }, true],
    ['{tool: run}', {}, true],
    ['{tool: run}', { tool: 'running' }, false],
    ['{tool: "r*"}', { tool: 'running' }, true],
    ['{tool: {regex: "un"}}', { tool: 'running' }, true],
    ['{tool: [{regex: "^x"}, "y?"]}', { tool: 'y1' }, true],
    ['{tool: Run}', {}, false],
    ['{tool: "*"}', read, false],
    ['{tool: run, server: [a, "s*"]}', {}, true],
    ['{prompt: "p*"}', { method: 'prompts/get', prompt: 'p1' }, true],
    ['{resource: "file:///project/*"}', read, true],
    ['{resource: "file:///project/*"}', { ...read, method: 'resources/subscribe' }, true],
    ['{resource: "file:///secret/*"}', { ...read, uri: 'file:///project/../secret/x' }, true],
    ['{resource: "file:///secret/*"}', { ...read, uri: 'file:///project/%2e%2e/secret/x' }, true],
    ['{resource: "file:///secret/*"}', { ...read, uri: 'file:///project/%252e%252e/secret/x' }, true],
    ['{tool: run, roles: [admin]}', { roles: ['admin', 'x'] }, true],
    ['{tool: run, roles: [admin]}', { roles: ['x'] }, false],
    ['{tool: "x*"}', { method: 'tools/call', tool: undefined as unknown as string }, true],
  ])('%s on %j: %s', (match, parts, expected) => {
    expect(covers(match, parts)).toBe(expected);
  });

  test('an allow rule takes no URI that a server may read differently', () => {
    const policy = policyOf(' - {id: r, match: {resource: "file:///project/*"}, effect: allow}');
    const rule = (uri: string): string => policy.decide(callOf({ ...read, uri })).rule;
    expect(rule('file:///project/a/b.txt')).toBe('r');
    for (const uri of [
      'file:///project/../etc',
      'file:///project/%2e%2e/etc',
      'file:///project/%252e%252e/etc',
      'file:///project/..%2fetc',
      'file:///project/..\\..\\etc',
    ]) {
      expect(rule(uri)).toBe('default');
    }
  });
});

describe('the base layer', () => {
  const policy = policyOf(' - {id: r, match: {tool: ok}, effect: allow}');
  const open = policyOf(' - {id: r, match: {tool: no}, effect: deny}', 'version: 1\ndefault: allow');

  test.each<[Direction, string, string, string]>([
    ['call', 'initialize', 'allow', 'base:housekeeping'],
    ['call', 'server/discover', 'allow', 'base:housekeeping'],
    ['call', 'ping', 'allow', 'base:housekeeping'],
    ['request', 'ping', 'allow', 'base:housekeeping'],
    ['call', 'notifications/cancelled', 'allow', 'base:housekeeping'],
    ['request', 'notifications/progress', 'allow', 'base:housekeeping'],
    ['call', 'tools/list', 'allow', 'base:lists'],
    ['call', 'resources/templates/list', 'allow', 'base:lists'],
    ['call', 'tasks/get', 'allow', 'base:following'],
    ['request', 'notifications/tools/list_changed', 'allow', 'base:observing'],
    ['request', 'notifications/message', 'allow', 'base:observing'],
    ['call', 'notifications/roots/list_changed', 'allow', 'base:roots-changed'],
    ['result', 'tools/call', 'allow', 'base:results'],
    ['result', 'vendor/x', 'allow', 'base:results'],
    ['answer', 'sampling/createMessage', 'allow', 'base:results'],
    ['request', 'sampling/createMessage', 'ask', 'base:sampling'],
    ['request', 'elicitation/create', 'ask', 'base:elicitation'],
    ['request', 'roots/list', 'ask', 'base:roots'],
    ['call', 'vendor/x', 'deny', 'base:unknown-call'],
    ['call', 'sampling/createMessage', 'deny', 'base:unknown-call'],
    ['call', 'notifications/vendor', 'deny', 'base:unknown-call'],
    ['request', 'vendor/x', 'deny', 'base:unknown-request'],
    ['request', 'tools/call', 'deny', 'base:unknown-request'],
    ['request', 'tasks/update', 'deny', 'base:unknown-request'],
  ])('%s %s: %s by %s, whatever the default', (direction, method, effect, rule) => {
    const call = callOf({ direction, method });
    expect(policy.decide(call)).toMatchObject({ effect, rule });
    expect(open.decide(call)).toMatchObject({ effect, rule });
  });

  test.each([
    'tools/call',
    'prompts/get',
    'resources/read',
    'resources/subscribe',
    'completion/complete',
    'tasks/update',
  ])('leaves %s to the default', (method) => {
    expect(policy.decide(callOf({ method }))).toMatchObject({ effect: 'deny', rule: 'default' });
    expect(open.decide(callOf({ method }))).toMatchObject({ effect: 'allow', rule: 'default' });
  });

  test('lets lists be watched, and leaves resources to the default', () => {
    const listen = (notifications: Record<string, boolean | string[]>): CallParts => ({
      method: 'subscriptions/listen',
      args: { notifications },
    });
    expect(policy.decide(callOf(listen({ toolsListChanged: true }))).rule).toBe('base:listen');
    expect(policy.decide(callOf(listen({ resourceSubscriptions: ['file:///x'] }))).rule).toBe('default');
  });

  test('yields to any rule of the user', () => {
    const strict = policyOf(
      ' - {id: r, match: {method: "*"}, effect: deny}\n - {id: q, match: {method: "*", direction: [result, answer]}, effect: deny}',
    );
    expect(strict.decide(callOf({ method: 'tools/list' })).rule).toBe('r');
    expect(strict.decide(callOf({ direction: 'result' })).rule).toBe('q');
    expect(strict.decide(callOf({ direction: 'request', method: 'roots/list' })).rule).toBe('r');
  });

  test('the observe policy allows everything in both directions', () => {
    const observe = compilePolicy([{ file: 'observe', text: OBSERVE_POLICY }], OPTIONS);
    for (const method of ['tools/call', 'vendor/x', 'tools/list'])
      expect(observe.decide(callOf({ method })).rule).toBe('observe');
    expect(observe.decide(callOf({ direction: 'request', method: 'sampling/createMessage' })).rule).toBe('observe');
    expect(observe.decide(callOf({ direction: 'result' })).effect).toBe('allow');
  });
});

describe('a compiled policy', () => {
  test('says what must be looked at', () => {
    const policy = policyOf(
      ' - {id: a, match: {tool: x}, args: {p: y}, effect: allow}\n - {id: b, match: {server: t, direction: result}, obligations: [{redact: {classes: [secret]}}]}',
    );
    expect(policy.needsArgs('s', 'tools/call', 'x')).toBe(true);
    expect(policy.needsArgs('s', 'tools/call', 'y')).toBe(false);
    expect(policy.needsResult('t', 'tools/call', 'y')).toBe(true);
    expect(policy.needsResult('s', 'tools/call', 'y')).toBe(false);
    expect(policy.needsResult('t', 'tools/list')).toBe(false);
    expect([policy.usesRates, policy.needsAnnotations]).toEqual([false, false]);
  });

  test('has a hash over texts and variables, not over file names', () => {
    const rules = ' - {id: a, match: {tool: x}, args: {p: {under: "${HOME}"}}, effect: allow}';
    const text = `version: 1\nrules:\n${rules}`;
    const hash = (file: string, home: string): string =>
      compilePolicy([{ file, text }], { ...OPTIONS, variables: { HOME: home } }).hash;
    expect(hash('a', '/h')).toMatch(/^sha256:/);
    expect(hash('a', '/h')).toBe(hash('b', '/h'));
    expect(hash('a', '/h')).not.toBe(hash('a', '/i'));
  });

  test('names where a rule comes from', () => {
    const policy = policyOf(' - {id: a, match: {tool: x}, effect: allow}');
    expect([policy.layerOf('a'), policy.layerOf('base:lists'), policy.layerOf('default'), policy.layerOf('z')]).toEqual(
      ['policy.yaml', '(built-in base layer)', 'default', undefined],
    );
  });

  test('keeps a bounded number of plans, whatever names are sent', () => {
    const policy = policyOf(' - {id: a, match: {tool: "x*"}, effect: allow}');
    for (let index = 0; index < 100_000; index++) policy.decide(callOf({ tool: `evil${index}` }));
    expect(policy.planCount()).toBeLessThanOrEqual(MAX_PLANS + 100);
    policy.decide(callOf({ tool: 'x'.repeat(600) }));
    expect(policy.decide(callOf({ tool: 'xa' })).rule).toBe('a');
    expect(policy.decide(callOf({ tool: 'evil1' })).rule).toBe('default');
  });

  test('refuses a name that is too long to be judged', () => {
    const policy = policyOf(' - {id: a, match: {tool: "*"}, effect: allow}');
    expect(policy.decide(callOf({ tool: 'x'.repeat(5_000) }))).toMatchObject({
      effect: 'deny',
      rule: 'base:oversized-name',
    });
  });

  test('denies when arguments cannot be read', () => {
    const policy = policyOf(
      ' - {id: a, match: {tool: run}, args: {p: y}, effect: allow}',
      'version: 1\ndefault: allow',
    );
    const call = {
      ...callOf(),
      args: () => {
        throw new Error('torn');
      },
    };
    expect(policy.decide(call)).toMatchObject({ effect: 'deny', rule: 'engine-fault', indeterminate: 'torn' });
    expect(policy.decide(callOf({ args: { p: 'y' } })).rule).toBe('a');
  });

  test('gives the same decision object again where nothing depends on the call', () => {
    const policy = policyOf(' - {id: a, match: {tool: run}, effect: allow}');
    expect(policy.decide(callOf())).toBe(policy.decide(callOf()));
  });

  test('takes nothing of one call for another', () => {
    const policy = policyOf(' - {id: a, match: {tool: run}, when: args.p == "y", effect: allow}');
    expect(policy.decide(callOf({ args: { p: 'y' } })).rule).toBe('a');
    expect(policy.decide(callOf({ args: { p: 'z' } })).rule).toBe('default');
    expect(policy.decide(callOf({ args: {} })).rule).toBe('default');
  });
});
