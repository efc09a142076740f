import { expect, it } from 'vitest';
import { asLegacy } from './as-legacy.ts';
import type { AsLegacyOptions } from './legacy-options.ts';
import { clientOf, counting, ManualClock, scripted, settled, type Peer, type Script, type Seen } from './testing.ts';

const can = { sampling: {}, elicitation: { form: {}, url: {} }, roots: {} };
const discovered = {
  resultType: 'complete',
  supportedVersions: ['2026-07-28'],
  capabilities: { tools: {} },
  ttlMs: 0,
  cacheScope: 'public',
};

async function begun(script: Script, capabilities: object = can, over: Partial<AsLegacyOptions> = {}) {
  const server = scripted((message, peer) =>
    message.method === 'server/discover' ? { id: message.id, result: discovered } : script(message, peer),
  );
  const clock = new ManualClock();
  const options = { open: server.open, client: { name: 'callgate', version: '0' }, clock, random: counting(), ...over };
  const client = clientOf((events) => asLegacy(options, events));
  client.send({ id: 0, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities } });
  await settled();
  return { ...client, peer: server.peers[0] as Peer, clock };
}

const call = { id: 1, method: 'tools/call', params: { name: 'a', arguments: { n: 1 } } };
const required = (id: unknown, inputRequests: object | undefined, requestState?: string) => ({
  id,
  result: { resultType: 'input_required', inputRequests, requestState },
});
const form = { method: 'elicitation/create', params: { mode: 'form', message: 'Who?' } };
const isRetry = (message: Seen) => message.params?.['inputResponses'] !== undefined;

it('asks the client what the server wants to know, and sends the call again with the answers', async () => {
  const { send, ear, peer } = await begun((message) => {
    if (message.method !== 'tools/call') return undefined;
    if (isRetry(message)) return { id: message.id, result: { resultType: 'complete', content: [] } };
    return required(message.id, { 'user "name': form, r: { method: 'roots/list' } }, 'st"ate\u00e9');
  });
  send(call);
  await settled();
  const asked = ear.heard.slice(1);
  expect(asked).toMatchObject([{ method: 'elicitation/create', params: form.params }, { method: 'roots/list' }]);
  expect(ear.abouts.slice(1)).toEqual([1, 1]);
  send({ id: asked[0]!.id, result: { action: 'accept', content: { a: 1 } } });
  expect(peer.sent.filter(({ method }) => method === 'tools/call')).toHaveLength(1);
  send(`{"jsonrpc":"2.0","id":${JSON.stringify(asked[1]!.id)},"result":{ "roots":[1.0] }}`);
  const retry = peer.last('tools/call')!;
  expect(retry.id).not.toBe(1);
  expect(retry.params).toMatchObject({
    name: 'a',
    arguments: { n: 1 },
    inputResponses: { 'user "name': { action: 'accept', content: { a: 1 } }, r: { roots: [1] } },
    requestState: 'st"ate\u00e9',
    _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' },
  });
  expect(peer.raw.at(-1)).toContain('"r":{ "roots":[1.0] }');
  await settled();
  expect(ear.raw.at(-1)).toBe('{"jsonrpc":"2.0","id":1,"result":{"content":[]}}');
});

it('gives an elicitation by URL the id that legacy clients expect', async () => {
  const url = { method: 'elicitation/create', params: { mode: 'url', url: 'https://x.example/', message: 'm' } };
  const { send, ear } = await begun(({ id, method }) =>
    method === 'tools/call' ? required(id, { u: url }) : undefined,
  );
  send(call);
  await settled();
  expect(ear.heard.at(-1)?.params).toEqual({ ...url.params, elicitationId: expect.stringMatching(/^[\w-]{16}$/) });
});

it('says a call again that comes back with a state alone', async () => {
  const { send, ear, peer } = await begun((message) => {
    if (message.method !== 'tools/call') return undefined;
    const isAgain = message.params!['requestState'] === 's';
    return isAgain ? { id: message.id, result: { content: [] } } : required(message.id, undefined, 's');
  });
  send(call);
  await settled();
  await settled();
  expect(ear.answer(1)?.result).toEqual({ content: [] });
  expect(peer.last('tools/call')!.params).not.toHaveProperty('inputResponses');
});

it('goes through rounds, and no more than ten', async () => {
  let rounds = 0;
  const { send, ear, peer } = await begun(({ id, method }) =>
    method === 'tools/call' ? required(id, { q: form }, `s${++rounds}`) : undefined,
  );
  ear.onMessage = ({ id, method }) => {
    if (method !== undefined) setImmediate(() => send({ id, result: { action: 'accept' } }));
  };
  send(call);
  for (let i = 0; i < 60; i++) await settled();
  expect(ear.failures).toMatchObject([{ id: 1, code: -31005, why: 'asked again and again' }]);
  expect(peer.sent.filter(({ method }) => method === 'tools/call')).toHaveLength(11);
});

it.each([
  ['what the client cannot do', { q: { method: 'sampling/createMessage', params: {} } }, {}, -32602],
  [
    'pages of a client with forms alone',
    { q: { ...form, params: { mode: 'url', url: 'u' } } },
    { elicitation: {} },
    -32602,
  ],
])('refuses a call whose server asks %s', async (_, requests, capabilities, code) => {
  const { send, ear } = await begun(
    ({ id, method }) => (method === 'tools/call' ? required(id, requests) : undefined),
    capabilities,
  );
  send(call);
  await settled();
  expect(ear.heard).toHaveLength(2);
  expect(ear.answer(1)?.error).toMatchObject({ code, data: { requiredCapabilities: expect.any(Object) } });
});

it.each<[string, object | undefined]>([
  ['nothing at all', undefined],
  ['a list', [form]],
  ['a method that is none of the three', { q: { method: 'tools/call', params: {} } }],
  ['no method', { q: {} }],
  ['too much', Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`q${i}`, form]))],
])('fails a call that comes back with %s', async (_, requests) => {
  const { send, ear } = await begun(({ id, method }) => (method === 'tools/call' ? required(id, requests) : undefined));
  send(call);
  await settled();
  expect(ear.failures).toMatchObject([{ id: 1, code: -31005, kind: 'refused' }]);
  expect(ear.heard).toHaveLength(1);
});

it('fails a list that comes back with questions', async () => {
  const { send, ear } = await begun(({ id, method }) =>
    method === 'tools/list' ? required(id, { q: form }) : undefined,
  );
  send({ id: 1, method: 'tools/list' });
  await settled();
  expect(ear.failures).toMatchObject([{ id: 1, code: -31005 }]);
});

async function asked(over: Partial<AsLegacyOptions> = {}) {
  const all = await begun(
    ({ id, method }) => (method === 'tools/call' ? required(id, { a: form, b: form }, 's') : undefined),
    can,
    over,
  );
  all.send(call);
  await settled();
  return { ...all, ids: all.ear.heard.slice(1).map(({ id }) => id) };
}

it('fails the call when the client answers with an error, and asks it nothing more', async () => {
  const { send, ear, ids, peer } = await asked();
  send({ id: ids[0], error: { code: -1, message: 'will not' } });
  await settled();
  expect(ear.answer(1)?.error).toEqual({ code: -1, message: 'will not' });
  expect(ear.told('notifications/cancelled').map(({ params }) => params!['requestId'])).toEqual([ids[1]]);
  send({ id: ids[1], result: {} });
  send({ id: ids[0], result: {} });
  expect(peer.sent.filter(({ method }) => method === 'tools/call')).toHaveLength(1);
});

it('does not ask the second question when the first is denied on its way to the client', async () => {
  const { send, ear } = await begun(({ id, method }) =>
    method === 'tools/call' ? required(id, { a: form, b: form }) : undefined,
  );
  ear.onMessage = ({ id, method }) => method !== undefined && send({ id, error: { code: -31001, message: 'denied' } });
  send(call);
  await settled();
  expect(ear.told('elicitation/create')).toHaveLength(1);
  expect(ear.told('notifications/cancelled')).toEqual([]);
  expect(ear.answer(1)?.error?.code).toBe(-31001);
});

it('asks nothing more when the client gives the call up', async () => {
  const { send, ear, ids, peer } = await asked();
  send({ id: ids[0], result: { action: 'accept' } });
  send({ method: 'notifications/cancelled', params: { requestId: 1 } });
  await settled();
  expect(ear.told('notifications/cancelled').map(({ params }) => params!['requestId'])).toEqual([ids[1]]);
  send({ id: ids[1], result: { action: 'accept' } });
  expect(peer.sent.filter(({ method }) => method === 'tools/call')).toHaveLength(1);
  expect(peer.last('notifications/cancelled')).toBeUndefined();
});

it('cancels a later round under the id that the server knows', async () => {
  const { send, ids, peer } = await asked();
  for (const id of ids) send({ id, result: { action: 'accept' } });
  const { id } = peer.last('tools/call')!;
  send({ method: 'notifications/cancelled', params: { requestId: 1 } });
  expect(peer.last('notifications/cancelled')?.params).toMatchObject({ requestId: id });
});

it('fails the call when the client does not answer in time', async () => {
  const { ear, clock } = await asked();
  await clock.pass(119_000);
  expect(ear.answer(1)).toBeUndefined();
  await clock.pass(2000);
  expect(ear.answer(1)?.error?.code).toBe(-32603);
  expect(ear.told('notifications/cancelled')).toHaveLength(2);
  expect(clock.timers).toBe(0);
});
