import { expect, it } from 'vitest';
import type { AsModernOptions } from './modern-options.ts';
import { envelope, legacyServer, modernClientOf, settled, type Script } from './testing.ts';

const ID = 'io.modelcontextprotocol/subscriptionId';

function modern(script: Script = granting, over: Partial<AsModernOptions> = {}, capabilities?: object) {
  return modernClientOf(legacyServer(script, capabilities), over);
}

const granting: Script = ({ id, method, params }) => {
  if (method === 'resources/unsubscribe') return { id, result: {} };
  if (method !== 'resources/subscribe') return undefined;
  return params!['uri'] === 'a:no' ? { id, error: { code: -32002, message: 'no' } } : { id, result: {} };
};
const listen = (id: number, notifications: unknown) => ({
  id,
  method: 'subscriptions/listen',
  params: { notifications, ...envelope() },
});

it('acknowledges what the server can tell of, and has agreed to', async () => {
  const { send, ear, peers } = modern();
  send(
    listen(1, {
      toolsListChanged: true,
      promptsListChanged: true,
      resourcesListChanged: false,
      resourceSubscriptions: ['a:b', 'a:no', 'a:b'],
    }),
  );
  await settled();
  expect(ear.heard).toEqual([
    {
      jsonrpc: '2.0',
      method: 'notifications/subscriptions/acknowledged',
      params: { notifications: { toolsListChanged: true, resourceSubscriptions: ['a:b'] }, _meta: { [ID]: 1 } },
    },
  ]);
  expect(ear.abouts).toEqual([1]);
  expect(peers[0]!.sent.filter(({ method }) => method === 'resources/subscribe')).toHaveLength(2);
});

it('tells of what was acknowledged and of nothing else, each under its id', async () => {
  const { send, ear, peers } = modern();
  send(listen(1, { toolsListChanged: true, resourceSubscriptions: ['a:dir'] }));
  send(listen(2, { toolsListChanged: true }));
  await settled();
  const [peer] = peers;
  const before = ear.heard.length;
  peer!.say('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}');
  peer!.say('{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}');
  peer!.say('{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:dir/x", "n":1.0}}');
  peer!.say('{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:directory"}}');
  expect(ear.raw.slice(before)).toEqual([
    `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"${ID}":1}}}`,
    `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"${ID}":2}}}`,
    `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:dir/x", "n":1.0,"_meta":{"${ID}":1}}}`,
  ]);
  expect(ear.abouts.slice(before)).toEqual([1, 2, 1]);
});

it('does not believe a server that names a listen itself', async () => {
  const { send, ear, peers } = modern();
  send(listen(1, { toolsListChanged: true }));
  await settled();
  const meta = { [ID]: 99, a: 1 };
  peers[0]!.say({ method: 'notifications/tools/list_changed', params: { _meta: meta } });
  expect(ear.heard.at(-1)?.params).toEqual({ _meta: { a: 1, [ID]: 1 } });
});

it('ends a listen with its result, and a subscription with the last listen that has it', async () => {
  const { send, ear, peers } = modern();
  send(listen(1, { resourceSubscriptions: ['a:b'] }));
  send(listen(2, { resourceSubscriptions: ['a:b'] }));
  await settled();
  const cancel = (requestId: number) => send({ method: 'notifications/cancelled', params: { requestId } });
  const unsubscribed = () => peers[0]!.sent.filter(({ method }) => method === 'resources/unsubscribe').length;
  cancel(1);
  await settled();
  expect(ear.answer(1)?.result).toEqual({ resultType: 'complete', _meta: { [ID]: 1 } });
  expect(unsubscribed()).toBe(0);
  peers[0]!.say({ method: 'notifications/resources/updated', params: { uri: 'a:b' } });
  expect(ear.heard.at(-1)?.params).toMatchObject({ _meta: { [ID]: 2 } });
  cancel(2);
  await settled();
  expect(unsubscribed()).toBe(1);
});

it('ends at once a listen to nothing that the server has', async () => {
  const { send, ear } = modern(granting, {}, { prompts: {} });
  send(listen(1, { toolsListChanged: true, promptsListChanged: true, resourceSubscriptions: ['a:b'] }));
  await settled();
  expect(ear.heard[0]?.params?.['notifications']).toEqual({});
  expect(ear.answer(1)?.result?.['resultType']).toBe('complete');
});

it('ends with the session it listens to, which is not idle while it does', async () => {
  const { send, ear, peers, clock } = modern();
  send(listen(1, { toolsListChanged: true }));
  await settled();
  await clock.pass(400_000);
  expect(peers[0]!.isClosed).toBe(false);
  peers[0]!.end('ended with exit code 1');
  expect(ear.answer(1)?.result?.['resultType']).toBe('complete');
});

it('acknowledges without a server that does not answer in time', async () => {
  const { send, ear, clock } = modern(() => undefined);
  send(listen(1, { toolsListChanged: true, resourceSubscriptions: ['a:b'] }));
  await settled();
  expect(ear.heard).toEqual([]);
  await clock.pass(6000);
  expect(ear.heard[0]?.params?.['notifications']).toEqual({ toolsListChanged: true });
});

it.each([undefined, [], { toolsListChanged: 'yes' }, { resourceSubscriptions: 'a:b' }, { resourceSubscriptions: [1] }])(
  'refuses to listen to %j',
  async (notifications) => {
    const { send, ear, peers } = modern();
    send(listen(1, notifications));
    await settled();
    expect(ear.answer(1)?.error?.code).toBe(-32602);
    expect(peers).toHaveLength(0);
  },
);

it('allows so many listens and subscriptions, and no more', async () => {
  const { send, ear } = modern(granting, { limits: { listens: 2, subscriptions: 2 } });
  send(listen(1, { resourceSubscriptions: ['a:1', 'a:2'] }));
  await settled();
  send(listen(2, { resourceSubscriptions: ['a:3'] }));
  send(listen(3, { resourceSubscriptions: ['a:1', 'a:2', 'a:3'] }));
  send(listen(4, { toolsListChanged: true }));
  send(listen(5, { toolsListChanged: true }));
  await settled();
  expect(ear.failures.map(({ id, code }) => [id, code])).toEqual([
    [2, -31006],
    [5, -31006],
  ]);
  expect(ear.answer(3)?.error?.code).toBe(-32602);
});
