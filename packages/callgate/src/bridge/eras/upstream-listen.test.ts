import { expect, it } from 'vitest';
import { asLegacy } from './as-legacy.ts';
import { clientOf, counting, ManualClock, scripted, settled, type Peer, type Script, type Seen } from './testing.ts';

const ID = 'io.modelcontextprotocol/subscriptionId';
const everything = { tools: { listChanged: true }, resources: { subscribe: true } };
const discovered = { supportedVersions: ['2026-07-28'], capabilities: everything };

async function begun(script: Script = agreeing, capabilities: object = everything) {
  const server = scripted((message, peer) =>
    message.method === 'server/discover'
      ? { id: message.id, result: { ...discovered, capabilities } }
      : script(message, peer),
  );
  const clock = new ManualClock();
  const options = { open: server.open, client: { name: 'callgate', version: '0' }, clock, random: counting() };
  const client = clientOf((events) => asLegacy(options, events));
  client.send({ id: 0, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {} } });
  await settled();
  client.send({ method: 'notifications/initialized' });
  await settled();
  return { ...client, peer: server.peers[0] as Peer, clock };
}

const agreeing: Script = ({ id, method, params }) =>
  method === 'subscriptions/listen' ? acknowledgement(id, params!['notifications'] as object) : undefined;
const acknowledgement = (id: unknown, notifications: object) => ({
  method: 'notifications/subscriptions/acknowledged',
  params: { notifications, _meta: { [ID]: id } },
});
const listens = (peer: Peer): readonly Seen[] => peer.sent.filter(({ method }) => method === 'subscriptions/listen');
const cancelled = (peer: Peer) =>
  peer.sent.filter(({ method }) => method === 'notifications/cancelled').map(({ params }) => params!['requestId']);
const subscribe = (id: number, uri: string) => ({ id, method: 'resources/subscribe', params: { uri } });

it('listens to the lists that may change, once the client is ready', async () => {
  const { peer, ear } = await begun();
  expect(listens(peer)).toHaveLength(1);
  expect(listens(peer)[0]!.params).toMatchObject({
    notifications: { toolsListChanged: true },
    _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' },
  });
  peer.say(
    `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"${ID}":${JSON.stringify(listens(peer)[0]!.id)}}}}`,
  );
  expect(ear.raw.at(-1)).toBe('{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{}}');
  expect(ear.told('notifications/subscriptions/acknowledged')).toEqual([]);
});

it('has the next listen acknowledged before it ends the last one', async () => {
  let acknowledge = (): void => undefined;
  let count = 0;
  const { send, peer, ear } = await begun((message, peer) => {
    if (message.method !== 'subscriptions/listen' || ++count === 1) return agreeing(message, peer);
    acknowledge = () => peer.say(agreeing(message, peer)!);
    return undefined;
  });
  send(subscribe(1, 'a:b'));
  await settled();
  const [first, second] = listens(peer);
  expect(second!.params!['notifications']).toEqual({ toolsListChanged: true, resourceSubscriptions: ['a:b'] });
  expect(cancelled(peer)).toEqual([]);
  expect(ear.answer(1)).toBeUndefined();
  acknowledge();
  expect(cancelled(peer)).toEqual([first!.id]);
  expect(ear.answer(1)?.result).toEqual({});
  peer.say({ id: first!.id, result: { resultType: 'complete', _meta: { [ID]: first!.id } } });
  const update = (id: unknown, uri: string) =>
    peer.say({ method: 'notifications/resources/updated', params: { uri, _meta: { [ID]: id } } });
  update(first!.id, 'a:b');
  update(second!.id, 'a:c');
  update(second!.id, 'a:b');
  expect(ear.told('notifications/resources/updated').map(({ params }) => params)).toEqual([{ uri: 'a:b' }]);
  expect(listens(peer)).toHaveLength(2);
});

it('makes one listen of subscriptions that come together', async () => {
  const { send, peer, ear } = await begun();
  send(subscribe(1, 'a:1'));
  send(subscribe(2, 'a:2'));
  send(subscribe(3, 'a:3'));
  send(subscribe(4, 'a:1'));
  await settled();
  await settled();
  expect(listens(peer).map(({ params }) => params!['notifications'])).toEqual([
    { toolsListChanged: true },
    { toolsListChanged: true, resourceSubscriptions: ['a:1'] },
    { toolsListChanged: true, resourceSubscriptions: ['a:1', 'a:2', 'a:3'] },
  ]);
  for (const id of [1, 2, 3, 4]) expect(ear.answer(id)?.result).toEqual({});
  send({ id: 5, method: 'resources/unsubscribe', params: { uri: 'a:2' } });
  await settled();
  expect(ear.answer(5)?.result).toEqual({});
  expect(listens(peer).at(-1)!.params!['notifications']).toMatchObject({ resourceSubscriptions: ['a:1', 'a:3'] });
});

it('refuses a subscription that the server does not agree to, or cannot have', async () => {
  const { send, ear } = await begun(({ id, method }) =>
    method === 'subscriptions/listen' ? acknowledgement(id, { toolsListChanged: true }) : undefined,
  );
  send(subscribe(1, 'a:b'));
  await settled();
  expect(ear.answer(1)?.error?.code).toBe(-32602);
  const other = await begun(agreeing, { tools: {} });
  other.send(subscribe(1, 'a:b'));
  await settled();
  expect(other.ear.answer(1)?.error?.code).toBe(-32601);
  expect(listens(other.peer)).toEqual([]);
});

it('listens again when a listen ends, later and later', async () => {
  const { peer, clock } = await begun(({ id, method }) =>
    method === 'subscriptions/listen' ? { id, error: { code: -32603, message: 'no' } } : undefined,
  );
  expect(listens(peer)).toHaveLength(1);
  await clock.pass(2000);
  expect(listens(peer)).toHaveLength(2);
  await clock.pass(3000);
  expect(listens(peer)).toHaveLength(3);
  await clock.pass(120_000);
  expect(listens(peer).length).toBeLessThan(11);
});

it('gives up on a listen that is not acknowledged in time', async () => {
  const { send, ear, peer, clock } = await begun(() => undefined);
  send(subscribe(1, 'a:b'));
  await clock.pass(11_000);
  expect(ear.answer(1)?.error?.code).toBe(-32602);
  expect(cancelled(peer)).toEqual([listens(peer)[0]!.id]);
});

it('drops changes that belong to no listen', async () => {
  const { ear, peer } = await begun();
  peer.say({ method: 'notifications/tools/list_changed' });
  peer.say({ method: 'notifications/tools/list_changed', params: { _meta: { [ID]: 'other' } } });
  expect(ear.heard).toHaveLength(1);
});
