import { expect, it } from 'vitest';
import { asLegacy } from './as-legacy.ts';
import type { AsLegacyOptions } from './legacy-options.ts';
import { clientOf, counting, ManualClock, scripted, settled, type Script } from './testing.ts';

const capabilities = { logging: {}, tools: {}, resources: { subscribe: true, listChanged: true } };
const discovered = {
  resultType: 'complete',
  supportedVersions: ['2026-07-28'],
  capabilities: { ...capabilities, extensions: { 'io.modelcontextprotocol/tasks': {}, 'x/y': {} } },
  instructions: 'Be kind.',
  ttlMs: 0,
  cacheScope: 'public',
  _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'fx', version: '1' } },
};
const initialize = {
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: { roots: {} }, clientInfo: { name: 'c', version: '2' } },
};

function legacy(script: Script = () => undefined, over: Partial<AsLegacyOptions> = {}) {
  const server = scripted((message, peer) =>
    message.method === 'server/discover' ? { id: message.id, result: discovered } : script(message, peer),
  );
  const clock = new ManualClock();
  const options = {
    server: 'fx',
    open: server.open,
    client: { name: 'callgate', version: '0' },
    clock,
    random: counting(),
    ...over,
  };
  const client = clientOf((events) => asLegacy(options, events));
  return { ...client, peer: server.peers[0]!, clock };
}

/** After initialize. */
async function begun(script?: Script, over?: Partial<AsLegacyOptions>) {
  const all = legacy(script, over);
  all.send(initialize);
  await settled();
  return all;
}

it('answers initialize with what the server says of itself', async () => {
  const { ear, peer } = await begun();
  expect(ear.answer(0)?.result).toEqual({
    protocolVersion: '2025-06-18',
    capabilities: { ...capabilities, extensions: { 'x/y': {} } },
    serverInfo: { name: 'fx', version: '1' },
    instructions: 'Be kind.',
  });
  expect(peer.sent[0]!.params).toEqual({
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'c', version: '2' },
      'io.modelcontextprotocol/clientCapabilities': { roots: {} },
    },
  });
  expect(ear.early).toBe(0);
});

it.each([
  ['2024-11-05', '2024-11-05'],
  ['2025-11-25', '2025-11-25'],
  ['2026-07-28', '2025-11-25'],
  ['1.0', '2025-11-25'],
])('agrees to %s by %s', async (asked, agreed) => {
  const { send, ear } = legacy();
  send({ ...initialize, params: { ...initialize.params, protocolVersion: asked } });
  await settled();
  expect(ear.answer(0)?.result?.['protocolVersion']).toBe(agreed);
});

it('fails initialize when the server does not speak the revision, or cannot be reached', async () => {
  const { send, ear, peer } = legacy();
  peer.say({ id: 'stray', result: {} });
  send(initialize);
  peer.fail(peer.sent[0]!.id!, { code: -31004, why: 'could not be reached', kind: 'transport' });
  await settled();
  expect(ear.failures).toEqual([{ id: 0, code: -31004, why: 'could not be reached', kind: 'transport' }]);
  const other = scripted(({ id }) => ({ id, result: { ...discovered, supportedVersions: ['2027-01-01'] } }));
  const clock = new ManualClock();
  const options = { open: other.open, client: { name: 'c', version: '0' }, clock, random: counting() };
  const second = clientOf((events) => asLegacy(options, events));
  second.send(initialize);
  await settled();
  expect(second.ear.failures).toMatchObject([{ id: 0, why: 'does not speak 2026-07-28', kind: 'refused' }]);
});

it('keeps to itself what the server has no word for', async () => {
  const { send, ear, peer } = await begun();
  send({ id: 1, method: 'ping' });
  send({ id: 2, method: 'logging/setLevel', params: { level: 'error' } });
  send({ id: 3, method: 'logging/setLevel', params: { level: 'loud' } });
  send({ id: 4, method: 'tasks/list' });
  send({ id: 5, method: 'server/discover' });
  send({ method: 'notifications/roots/list_changed' });
  await settled();
  expect(ear.heard.slice(1)).toMatchObject([
    { id: 1, result: {} },
    { id: 2, result: {} },
    { id: 3, error: { code: -32602 } },
    { id: 4, error: { code: -32601 } },
    { id: 5, error: { code: -32601 } },
  ]);
  expect(peer.sent).toHaveLength(1);
});

it('puts the envelope into each request, and leaves every other byte', async () => {
  const { send, peer } = await begun();
  send({ id: 1, method: 'logging/setLevel', params: { level: 'error' } });
  send('{"jsonrpc":"2.0", "id":2,"method":"tools/list"}');
  send('{"jsonrpc":"2.0","id":3,"method":"tools/list","params":{ }}');
  send(
    '{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"a","_meta":{"progressToken":4,"io.modelcontextprotocol/logLevel":"debug"},"arguments":{"n":1e400}}}',
  );
  const meta =
    '"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"2"},"io.modelcontextprotocol/clientCapabilities":{"roots":{}},"io.modelcontextprotocol/logLevel":"error"';
  expect(peer.raw.slice(1)).toEqual([
    `{"jsonrpc":"2.0", "id":2,"method":"tools/list","params":{"_meta":{${meta}}}}`,
    `{"jsonrpc":"2.0","id":3,"method":"tools/list","params":{ "_meta":{${meta}}}}`,
    `{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"a","_meta":{"progressToken":4,${meta}},"arguments":{"n":1e400}}}`,
  ]);
});

it.each([
  ['tools/list', '{"resultType":"complete","tools":[1.0],"ttlMs":5,"cacheScope":"public"}', '{"tools":[1.0]}'],
  ['tools/call', '{"content":[],"ttlMs":5,"resultType":"complete"}', '{"content":[],"ttlMs":5}'],
  ['prompts/list', '{"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"x"}},"prompts":[]}', '{"prompts":[]}'],
  [
    'prompts/list',
    '{"_meta":{"io.modelcontextprotocol/serverInfo":{},"a":1},"prompts":[]}',
    '{"_meta":{"a":1},"prompts":[]}',
  ],
])('takes out of the result of %s what the client does not know', async (method, result, expected) => {
  const { send, ear } = await begun(({ id }) => `{"jsonrpc":"2.0","id":${id as number},"result":${result}}`);
  send({ id: 1, method, params: { name: 'a' } });
  await settled();
  expect(ear.raw[1]).toBe(`{"jsonrpc":"2.0","id":1,"result":${expected}}`);
  expect(ear.abouts[1]).toBe(1);
});

it.each([
  ['resources/read', -32602, { uri: 'a:b' }, -32002],
  ['resources/read', -32602, { field: 'uri' }, -32602],
  ['tools/call', -32602, { uri: 'a:b' }, -32602],
  ['tools/call', -32021, { requiredCapabilities: {} }, -32602],
  ['tools/call', -32603, undefined, -32603],
])('tells of %s error %i as a legacy server would', async (method, code, data, expected) => {
  const { send, ear } = await begun(({ id }) => ({ id, error: { code, message: 'no', data } }));
  send({ id: 1, method, params: { name: 'a', uri: 'a:b' } });
  await settled();
  expect(ear.answer(1)?.error?.code).toBe(expected);
});

it.each(['inputResponses', 'requestState'])('takes no %s of a session, which nobody asked for', async (name) => {
  const { send, ear, peer } = await begun();
  const before = peer.sent.length;
  send({ id: 7, method: 'tools/call', params: { name: 'echo', arguments: {}, [name]: {} } });
  await settled();
  expect([peer.sent.length, ear.answer(7)?.error?.code]).toEqual([before, -32602]);
});

it('refuses requests of the server, and results of kinds that nobody asked for', async () => {
  const { send, ear, peer } = await begun(({ id, method }) =>
    method === undefined ? undefined : { id, result: { resultType: 'task', taskId: 't' } },
  );
  peer.say({ id: 9, method: 'sampling/createMessage', params: {} });
  send({ id: 1, method: 'tools/call', params: { name: 'a' } });
  await settled();
  expect(peer.sent).toContainEqual(
    expect.objectContaining({ id: 9, error: expect.objectContaining({ code: -32601 }) }),
  );
  expect(ear.heard).toHaveLength(1);
  expect(ear.failures).toMatchObject([{ id: 1, code: -31005 }]);
});

it('passes a cancellation on, and drops the late answer', async () => {
  const { send, ear, peer } = await begun();
  send({ id: 1, method: 'tools/call', params: { name: 'a' } });
  send({ method: 'notifications/cancelled', params: { requestId: 1 } });
  expect(peer.last('notifications/cancelled')?.params).toEqual({ requestId: 1 });
  peer.say({ id: 1, result: {} });
  expect(ear.heard).toHaveLength(1);
});

it('passes bytes that are no message on to be judged, once, and closes the call they answer', async () => {
  const { send, ear, peer } = await begun();
  for (const id of [1, 2]) send({ id, method: 'tools/call', params: { name: 'a' } });
  peer.say('{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}');
  peer.say({ id: 1, result: {} });
  peer.oversize('{"jsonrpc":"2.0","id":2,"result":"', '"}', 20_000_000);
  peer.say({ id: 2, result: {} });
  peer.say('[1]');
  expect(ear.raw.slice(1)).toEqual(['{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}', '[1]']);
  expect(ear.oversizes).toEqual([20_000_000]);
});

it('fails initialize, and not the client, when the server says what it is in a way that cannot be read', async () => {
  const other = scripted(() => undefined);
  const options = {
    open: other.open,
    client: { name: 'c', version: '0' },
    clock: new ManualClock(),
    random: counting(),
  };
  const client = clientOf((events) => asLegacy(options, events));
  client.send(initialize);
  const id = JSON.stringify(other.peers[0]!.sent[0]!.id);
  other.peers[0]!.say(`{"jsonrpc":"2.0","id":${id},"result":{"a":1,"a":2}}`);
  expect(client.ear.failures).toMatchObject([{ id: 0, code: -31005 }]);
  expect(client.ear.heard).toEqual([]);
});

it.each([
  [-32022, -32602],
  [-32601, -32601],
])('tells of error %i to discover as %i', async (code, expected) => {
  const other = scripted(({ id }) => ({ id, error: { code, message: 'no' } }));
  const options = {
    open: other.open,
    client: { name: 'c', version: '0' },
    clock: new ManualClock(),
    random: counting(),
  };
  const client = clientOf((events) => asLegacy(options, events));
  client.send(initialize);
  await settled();
  expect(client.ear.answer(0)?.error).toEqual({ code: expected, message: 'no' });
});

it('ends with its link', async () => {
  const { ear, peer } = await begun();
  peer.end('ended with exit code 1');
  expect(ear.endings).toEqual(['ended with exit code 1']);
});
