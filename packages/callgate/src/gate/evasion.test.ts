import { describe, expect, it } from 'vitest';
import { TaskHolders } from './tasks.ts';
import { judgeOf } from './testing.ts';

/** Shaped like a key, spelled so that no scanner takes this file for a leak. */
const SECRET = ['AKIA', 'Q3EGRIGSHDX7KPZT'].join('');
const named = (id: string) => ({ id, roles: [], chain: [], assurance: 'bearer' }) as const;
const ALL = '  - { id: all, match: { method: "*" }, effect: allow }';

describe('a rule on findings', () => {
  const NO_SECRETS = `  - { id: no-secrets, match: { tool: send }, when: 'findings.exists(f, f.class == "secret")', effect: deny }
  - { id: none-back, match: { direction: result, tool: send }, when: threat.score > 0, effect: deny }\n${ALL}`;

  it.each([
    ['the arguments', { arguments: { a: SECRET } }],
    ['the answers of a retry', { arguments: {}, inputResponses: { a: { content: { key: SECRET } } } }],
    ['_meta', { _meta: { a: SECRET } }],
    ['the name of a member of _meta', { arguments: {}, _meta: { [SECRET]: 1 } }],
  ])('sees what leaves in %s', (_what, params) => {
    const bench = judgeOf(NO_SECRETS);
    bench.send('client', { id: 1, method: 'tools/call', params: { name: 'send', ...params } });
    expect([bench.toServer, bench.decisions[0]?.rule]).toEqual([[], 'no-secrets']);
  });

  it('sees members beside params and beside the result', () => {
    const bench = judgeOf(NO_SECRETS);
    bench.send('client', { id: 'a', method: 'tools/call', params: { name: 'send', arguments: {} }, beside: SECRET });
    expect(bench.toServer).toEqual([]);
    const id = bench.call('send');
    bench.send('server', { id, result: { content: [] }, beside: { a: [SECRET] } });
    expect(bench.toClient.join()).not.toContain(SECRET);
    const clean = bench.call('send', { a: 1 }, { _meta: { progressToken: 1 } });
    bench.answer(clean);
    expect(bench.last.result?.isError).toBeUndefined();
  });
});

it("the task of another principal is nobody else's to ask for, to answer or to end", () => {
  const taskHolders = new TaskHolders();
  const alice = judgeOf(ALL, { taskHolders, principal: named('alice') });
  const bob = judgeOf(ALL, { taskHolders, principal: named('bob') });
  alice.answer(alice.call('slow'), { task: { taskId: 't' } });
  for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel', 'tasks/update']) {
    const before = bob.toServer.length;
    bob.send('client', { id: method, method, params: { taskId: 't' } });
    expect([bob.toServer.length, bob.decisions.at(-1)?.rule]).toEqual([before, 'tasks']);
    alice.send('client', { id: method, method, params: { taskId: 't' } });
    expect(alice.toServer.at(-1)).toContain(method);
  }
  // A server that gives the same name to two does not lead one to the other's.
  bob.answer(bob.call('slow'), { task: { taskId: 't' } });
  expect(bob.last.result).toMatchObject({ isError: true });
});

describe('what a rule wants told', () => {
  const alert = (match: string): string =>
    `  - { id: tell, match: { ${match} }, obligations: [{ alert: { severity: high } }] }\n${ALL}`;

  it('is in the evidence for the result of a task', () => {
    const bench = judgeOf(alert('direction: result, tool: slow'));
    const id = bench.call('slow');
    bench.answer(id, { task: { taskId: 't' } });
    const before = bench.decisions.length;
    bench.send('client', { id: 'r', method: 'tasks/result', params: { taskId: 't' } });
    bench.send('server', { id: 'r', result: { content: [] } });
    expect(bench.warned).toHaveLength(2);
    expect(bench.decisions.slice(before).at(-1)).toMatchObject({ tool: 'slow', obligations: ['alert:tell'] });
  });

  it('is in the evidence for a notification that is only counted otherwise', () => {
    const bench = judgeOf(alert('direction: [call, request], method: notifications/progress'));
    const tell = (method: string): void => bench.send('client', { method, params: { progressToken: 1, progress: 1 } });
    tell('notifications/progress');
    expect([bench.warned.length, bench.toServer.length]).toEqual([1, 1]);
    expect(bench.decisions).toMatchObject([{ method: 'notifications/progress', obligations: ['alert:tell'] }]);
  });
});

it('a list that lacks something is private, also where its last member is redacted', () => {
  const bench = judgeOf(`  - { id: no, match: { tool: no }, effect: deny }
  - { id: strip, match: { direction: result, method: tools/list }, obligations: [{ redact: { fields: [note] } }] }
${ALL}`);
  const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' };
  bench.send('client', { id: 1, method: 'tools/list', params: { _meta: meta } });
  bench.answer(1, { tools: [{ name: 'no' }, { name: 'yes' }], note: 'x' });
  expect(bench.last.result).toEqual({
    tools: [{ name: 'yes' }],
    note: '[redacted]',
    cacheScope: 'private',
    ttlMs: 60_000,
  });
});
