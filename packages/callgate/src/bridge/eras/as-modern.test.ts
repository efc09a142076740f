import { expect, it } from 'vitest';
import type { AsModernOptions } from './modern-options.ts';
import { envelope, legacyServer, modernClientOf, scripted, settled, type Script } from './testing.ts';

function modern(script?: Script, over: Partial<AsModernOptions> = {}, capabilities?: object) {
  return modernClientOf(legacyServer(script, capabilities), over);
}

const echo: Script = (message) =>
  message.id === undefined ? undefined : { id: message.id, result: { content: [{ type: 'text', text: 'hi' }] } };

it('answers server/discover with what the server said of itself, less tasks', async () => {
  const { send, ear, peers } = modern();
  send({ id: 1, method: 'server/discover', params: envelope() });
  await settled();
  expect(ear.answer(1)?.result).toEqual({
    supportedVersions: ['2026-07-28'],
    capabilities: { logging: {}, tools: { listChanged: true }, resources: { subscribe: true, listChanged: true } },
    serverInfo: { name: 'fx', version: '1' },
    _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'fx', version: '1' } },
    instructions: 'Be kind.',
    resultType: 'complete',
    ttlMs: 0,
    cacheScope: 'private',
  });
  expect(peers[0]!.sent.map(({ method }) => method)).toEqual(['initialize', 'notifications/initialized']);
  expect(ear.early).toBe(0);
});

it('opens a session with the capabilities of the request and one revision it knows', async () => {
  const { send, peers } = modern(echo);
  send({ id: 1, method: 'tools/list', params: envelope({ sampling: {}, tasks: {}, elicitation: { url: {} } }) });
  await settled();
  expect(peers[0]!.sent[0]!.params).toEqual({
    protocolVersion: '2025-11-25',
    capabilities: { elicitation: { url: {} }, sampling: {} },
    clientInfo: { name: 'callgate', version: '0' },
  });
});

it('sends a request without its envelope, and every other byte as it came', async () => {
  const { send, peers } = modern(echo);
  const meta = JSON.stringify(envelope()._meta).slice(1, -1);
  send(
    `{"jsonrpc":"2.0", "id":1,"method":"tools/call","params":{ "_meta":{${meta},"progressToken":5, "traceparent":"t"},"name":"a","arguments":{"n":12345678901234567890, "f":1.0}}}`,
  );
  send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"a","_meta":{${meta}}}}`);
  send(`{"jsonrpc":"2.0","id":3,"method":"tools/list","params":{"_meta":{${meta}} }}`);
  await settled();
  expect(peers[0]!.raw.slice(2)).toEqual([
    '{"jsonrpc":"2.0", "id":1,"method":"tools/call","params":{ "_meta":{"progressToken":5, "traceparent":"t"},"name":"a","arguments":{"n":12345678901234567890, "f":1.0}}}',
    '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"a"}}',
    '{"jsonrpc":"2.0","id":3,"method":"tools/list","params":{ }}',
  ]);
});

it.each([
  ['tools/call', { name: 'a' }, '{"content":[1.0]}', '{"content":[1.0],"resultType":"complete"}'],
  ['tools/call', { name: 'a' }, '{}', '{"resultType":"complete"}'],
  ['tools/call', { name: 'a' }, '{"resultType":"input_required"}', '{"resultType":"complete"}'],
  ['tools/list', {}, '{"tools":[]}', '{"tools":[],"resultType":"complete","ttlMs":0,"cacheScope":"private"}'],
  [
    'resources/read',
    { uri: 'a:b' },
    '{"contents":[],"ttlMs":5}',
    '{"contents":[],"ttlMs":5,"resultType":"complete","cacheScope":"private"}',
  ],
])('completes the result of %s', async (method, params, result, expected) => {
  const { send, ear } = modern(({ id }) => (id === 1 ? `{"jsonrpc":"2.0","id":1,"result":${result}}` : undefined));
  send({ id: 1, method, params: { ...params, ...envelope() } });
  await settled();
  expect(ear.raw).toEqual([`{"jsonrpc":"2.0","id":1,"result":${expected}}`]);
  expect(ear.abouts).toEqual([1]);
});

it.each([
  [-32002, -32602],
  [-32603, -32603],
])('tells error %i as %i', async (code, expected) => {
  const { send, ear } = modern(({ id }) =>
    id === 1 ? { id, error: { code, message: 'no', data: { uri: 'a:b' } } } : undefined,
  );
  send({ id: 1, method: 'resources/read', params: { uri: 'a:b', ...envelope() } });
  await settled();
  expect(ear.answer(1)?.error).toEqual({ code: expected, message: 'no', data: { uri: 'a:b' } });
});

it.each(['ping', 'initialize', 'logging/setLevel', 'resources/subscribe', 'tasks/get'])(
  'has no method %s, and opens no session for it',
  async (method) => {
    const { send, ear, peers } = modern();
    send({ id: 1, method, params: { uri: 'a:b', ...envelope() } });
    await settled();
    expect(ear.answer(1)?.error?.code).toBe(-32601);
    expect(peers).toHaveLength(0);
  },
);

it.each([
  ['no envelope', {}, -32602],
  ['no capabilities', { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } }, -32602],
  ['capabilities that are no object', envelope([]), -32602],
  [
    'another revision',
    { _meta: { ...envelope()._meta, 'io.modelcontextprotocol/protocolVersion': '2027-01-01' } },
    -32022,
  ],
])('refuses a request with %s', async (_, params, code) => {
  const { send, ear, peers } = modern();
  send({ id: 1, method: 'tools/list', params });
  await settled();
  expect(ear.answer(1)?.error?.code).toBe(code);
  expect(peers).toHaveLength(0);
});

it('starts no task that nobody could ask about', async () => {
  const { send, ear, peers } = modern();
  send({ id: 1, method: 'tools/call', params: { name: 'a', task: { ttl: 1 }, ...envelope() } });
  await settled();
  expect(ear.answer(1)?.error?.code).toBe(-32602);
  expect(peers).toHaveLength(0);
});

it('shares a session between requests with the same capabilities, however they are written', async () => {
  const { send, peers, ear } = modern(echo);
  send({ id: 1, method: 'tools/call', params: { name: 'a', ...envelope({ a: 1, b: 2 }) } });
  send({ id: 2, method: 'tools/call', params: { name: 'a', ...envelope({ b: 2, a: 1 }) } });
  send({ id: 3, method: 'tools/call', params: { name: 'a', ...envelope({ c: 3 }) } });
  await settled();
  expect(peers).toHaveLength(2);
  expect(ear.heard.map(({ id }) => id).sort()).toEqual([1, 2, 3]);
});

it('gives each call that may be asked something a session of its own, and the session back afterwards', async () => {
  const waiting: (() => void)[] = [];
  const { send, peers, ear } = modern(
    (message, peer) => {
      if (message.method === 'tools/call') waiting.push(() => peer.say({ id: message.id, result: {} }));
      return undefined;
    },
    { limits: { sessions: 2, queue: 1 } },
  );
  for (const id of [1, 2, 3, 4]) send({ id, method: 'tools/call', params: { name: 'a', ...envelope({ roots: {} }) } });
  await settled();
  expect(peers).toHaveLength(2);
  expect(waiting).toHaveLength(2);
  expect(ear.failures).toEqual([
    { id: 4, code: -31006, why: 'has no session free for another call', kind: 'refused', retryAfterMs: 1000 },
  ]);
  waiting[0]!();
  await settled();
  expect(waiting).toHaveLength(3);
  waiting[1]!();
  waiting[2]!();
  expect(ear.heard.map(({ id }) => id)).toEqual([1, 2, 3]);
  expect(peers).toHaveLength(2);
});

it('ends a session that nobody used for a while', async () => {
  const { send, peers, clock } = modern(echo);
  send({ id: 1, method: 'tools/list', params: envelope() });
  await settled();
  await clock.pass(299_000);
  expect(peers[0]!.isClosed).toBe(false);
  await clock.pass(3_000);
  expect(peers[0]!.isClosed).toBe(true);
  expect(clock.timers).toBe(0);
});

it('fails open calls when their session ends, and opens another one for the next', async () => {
  const { send, peers, ear } = modern();
  send({ id: 1, method: 'tools/list', params: envelope() });
  await settled();
  peers[0]!.end('ended with exit code 1');
  expect(ear.failures).toEqual([{ id: 1, code: -31004, why: 'ended with exit code 1', kind: 'transport' }]);
  send({ id: 2, method: 'tools/list', params: envelope() });
  expect(peers).toHaveLength(2);
  expect(ear.endings).toEqual([]);
});

it.each([
  ['an error', { error: { code: -1, message: 'no' } }],
  ['no revision', { result: { capabilities: {} } }],
  ['an unknown revision', { result: { capabilities: {}, protocolVersion: '2031-01-01' } }],
])('fails what waits for a server that answers initialize with %s', async (_, answer) => {
  const script: Script = ({ id, method }) => (method === 'initialize' ? { id, ...answer } : undefined);
  const { send, ear } = modern(undefined, { openLegacy: scripted(script).open });
  send({ id: 1, method: 'tools/list', params: envelope() });
  await settled();
  expect(ear.failures).toMatchObject([{ id: 1, kind: 'refused' }]);
});

it('passes a cancellation on, and drops the late answer', async () => {
  const { send, peers, ear } = modern();
  send({ id: 1, method: 'tools/call', params: { name: 'a', ...envelope() } });
  await settled();
  send({ method: 'notifications/cancelled', params: { requestId: 1, reason: 'r' } });
  expect(peers[0]!.last('notifications/cancelled')?.params).toEqual({ requestId: 1, reason: 'r' });
  peers[0]!.say({ id: 1, result: {} });
  expect(ear.heard).toEqual([]);
});

it('answers what a server asks of nobody', async () => {
  const { send, peers, ear } = modern();
  send({ id: 1, method: 'tools/list', params: envelope() });
  await settled();
  peers[0]!.say({ id: 'p', method: 'ping' });
  peers[0]!.say({ id: 's', method: 'sampling/createMessage', params: {} });
  peers[0]!.say({ id: 'x', method: 'x/y' });
  expect(peers[0]!.sent.slice(3)).toMatchObject([
    { id: 'p', result: {} },
    { id: 's', error: { code: -32601 } },
    { id: 'x', error: { code: -32601 } },
  ]);
  expect(ear.heard).toEqual([]);
});

it('tells a log only to the request that asked, from the level it asked for', async () => {
  const { send, peers, ear } = modern();
  const level = { 'io.modelcontextprotocol/logLevel': 'warning' };
  const log = (text: string): object => ({ method: 'notifications/message', params: { level: text, data: 1 } });
  send({ id: 1, method: 'tools/call', params: { name: 'a', ...envelope({}, level) } });
  await settled();
  expect(peers[0]!.sent.map(({ method }) => method).slice(2)).toEqual(['logging/setLevel', 'tools/call']);
  peers[0]!.say(log('info'));
  peers[0]!.say(log('error'));
  peers[0]!.say({ id: 1, result: {} });
  peers[0]!.say(log('error'));
  send({ id: 2, method: 'tools/call', params: { name: 'a', ...envelope() } });
  peers[0]!.say(log('error'));
  expect(ear.told('notifications/message')).toHaveLength(1);
  expect(ear.abouts).toEqual([1, 1]);
});

it('passes bytes that are no message on to be judged, once, and closes the call they answer', async () => {
  const { send, peers, ear } = modern();
  send({ id: 1, method: 'tools/call', params: { name: 'a', ...envelope() } });
  await settled();
  peers[0]!.say('{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}');
  peers[0]!.say({ id: 1, result: {} });
  expect(ear.raw).toEqual(['{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}']);
});
