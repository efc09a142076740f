import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  call,
  eventually,
  initialize,
  modern,
  open,
  principalNamed,
  send,
  type TestDoor,
  testDoor,
} from './testing.ts';

let at: TestDoor;
beforeEach(async () => {
  at = await testDoor();
});
afterEach(() => at.door.close());

it('answers each client under its own id when all use the same', async () => {
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, n) =>
      send(at, {
        ...modern('tools/call', { name: n % 2 === 0 ? 'late' : 'echo', n }),
        as: n % 3 === 0 ? 'bob' : 'alice',
      }),
    ),
  );
  answers.forEach((answer, n) => {
    expect(answer.json.id).toBe(1);
    if (n % 2 === 1) expect(answer.json.result).toMatchObject({ echo: { n } });
  });
  expect(at.exchanges.map((exchange) => exchange.opening.principal.id).toSorted()).toEqual(['alice', 'bob']);
  for (const exchange of at.exchanges) {
    const ids = exchange.received.map((text) => (JSON.parse(text) as { id: number }).id);
    expect(new Set(ids).size).toBe(ids.length);
  }
});

it('sends progress to whose token it is, when all use the same', async () => {
  const sent = modern('tools/call', { name: 'progress', _meta: { progressToken: 't' } });
  const streams = await Promise.all([open(at, sent), open(at, sent)]);
  await Promise.all(streams.map((stream) => stream.ended));
  for (const stream of streams) expect(stream.text().match(/notifications\/progress/g)).toHaveLength(1);
});

it('shows another principal nothing of a session', async () => {
  const session = await initialize(at);
  const headers = { 'mcp-session-id': session };
  const stream = await open(at, { headers, body: call('c', 'tools/call', { name: 'ask' }) });
  const id = /^id: (\S+)$/m.exec(await stream.until('roots/list'))![1]!;
  const attempts = [
    { headers, body: call(1, 'tools/list') },
    { headers, body: { jsonrpc: '2.0', id: 'q1', result: { roots: [] } } },
    { headers, body: { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'c' } } },
    { method: 'GET', headers },
    { method: 'GET', headers: { ...headers, 'last-event-id': id } },
    { method: 'DELETE', headers },
  ];
  for (const attempt of attempts) expect((await send(at, { ...attempt, as: 'bob' })).status).toBe(404);
  expect((await send(at, { as: 'bob', headers, body: '{"jsonrpc"' })).status).toBe(400);
  expect(at.exchanges[0]!.malformedReasons).toEqual([]);
  expect(at.exchanges[0]!.received).toHaveLength(2);
  const other = await initialize(at, 'bob');
  const replay = { method: 'GET', as: 'bob', headers: { 'mcp-session-id': other, 'last-event-id': id } };
  expect((await send(at, replay)).status).toBe(400);
});

it('treats a principal whose roles have changed as another', async () => {
  const roles: string[][] = [['admin'], []];
  const own = await testDoor({
    authenticate: ({ agentKey }) => ({ ...principalNamed('carol'), roles: roles[Number(agentKey)] ?? [] }),
  });
  try {
    const before = await send(own, {
      headers: { 'x-agent-key': '0' },
      body: call(0, 'initialize', { protocolVersion: '2025-11-25' }),
    });
    const headers = { 'mcp-session-id': before.headers['mcp-session-id'] as string, 'x-agent-key': '1' };
    expect((await send(own, { headers, body: call(1, 'tools/list') })).status).toBe(404);
    for (const key of ['0', '1']) {
      const sent = modern('tools/list');
      await send(own, { ...sent, headers: { ...sent.headers, 'x-agent-key': key } });
    }
    expect(own.exchanges.slice(1).map((exchange) => exchange.opening.principal.roles)).toEqual([['admin'], []]);
  } finally {
    await own.door.close();
  }
});

it('lets a modern client cancel only by hanging up', async () => {
  const waiting = send(at, modern('tools/call', { name: 'late' }));
  await eventually(() => at.exchanges.length === 1, 'the call');
  const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } };
  const noted = await send(at, { headers: { 'mcp-protocol-version': '2026-07-28' }, body: cancel });
  expect(noted.status).toBe(202);
  expect((await waiting).status).toBe(200);
  expect(at.exchanges[0]!.received).toHaveLength(1);
});

it('hands on a cancellation of a session about the number of the request', async () => {
  const session = await initialize(at);
  const headers = { 'mcp-session-id': session };
  void send(at, { headers, body: call('mine', 'tools/call', { name: 'never' }) }).catch(() => undefined);
  await eventually(() => at.exchanges[0]!.received.length === 2, 'the call');
  expect((await send(at, { headers, body: call('mine', 'ping') })).status).toBe(400);
  for (const requestId of ['mine', 'other']) {
    const body = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } };
    expect((await send(at, { headers, body })).status).toBe(202);
  }
  expect(at.exchanges[0]!.received.slice(2)).toEqual([
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}',
  ]);
});

it('drops notes of a server that belong to no stream of a modern client, and requests', async () => {
  const listen = await open(at, modern('subscriptions/listen', { notifications: {} }));
  await listen.until('acknowledged');
  const [exchange] = at.exchanges;
  exchange!.say({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
  exchange!.say({ jsonrpc: '2.0', id: 4, method: 'sampling/createMessage' }, 1);
  const tagged = { _meta: { 'io.modelcontextprotocol/subscriptionId': 1 } };
  exchange!.say({ jsonrpc: '2.0', method: 'notifications/prompts/list_changed', params: tagged });
  const text = await listen.until('prompts/list_changed');
  expect(text).not.toContain('tools/list_changed');
  expect(text).not.toContain('sampling');
  listen.hangUp();
});
