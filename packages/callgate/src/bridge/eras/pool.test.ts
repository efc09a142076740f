import { expect, it } from 'vitest';
import type { ModernLimits } from './modern-options.ts';
import { envelope, legacyServer, modernClientOf, scripted, settled, type Script } from './testing.ts';

function modern(limits: Partial<ModernLimits>, server = legacyServer()) {
  const client = modernClientOf(server, { limits });
  const call = (id: number, capabilities: object = { roots: {} }) =>
    client.send({ id, method: 'tools/call', params: { name: 'a', ...envelope(capabilities) } });
  return { ...client, call };
}

it('tells a call that waits too long for a session when to come again', async () => {
  const { call, ear, clock, link } = modern({ sessions: 1, queue: 1 });
  call(1);
  call(2);
  expect(link.isFull).toBe(true);
  await clock.pass(29_000);
  expect(ear.failures).toEqual([]);
  await clock.pass(3000);
  expect(ear.failures).toMatchObject([{ id: 2, code: -31006, kind: 'refused', retryAfterMs: 1000 }]);
  expect(link.isFull).toBe(false);
});

it('forgets a call that was cancelled while it waited', async () => {
  const { call, send, ear, peers, clock } = modern({ sessions: 1 });
  call(1);
  call(2);
  send({ method: 'notifications/cancelled', params: { requestId: 2 } });
  await settled();
  peers[0]!.say({ id: 1, result: {} });
  await clock.pass(60_000);
  expect(peers[0]!.sent.filter(({ method }) => method === 'tools/call')).toHaveLength(1);
  expect(ear.failures).toEqual([]);
});

it('ends the session that was idle longest to make room for other capabilities', async () => {
  const { call, peers, clock } = modern({ sessions: 2 });
  for (const [id, capabilities] of [{ a: 1 }, { b: 1 }].entries()) {
    call(id, capabilities);
    await clock.pass(1000);
    peers[id]!.say({ id, result: {} });
  }
  call(2, { a: 1 });
  await settled();
  peers[0]!.say({ id: 2, result: {} });
  call(3, { c: 1 });
  await settled();
  expect(peers.map(({ isClosed }) => isClosed)).toEqual([false, true, false]);
});

it('fails what waits for a server that does not get ready', async () => {
  const { call, ear, peers, clock } = modern(
    {},
    scripted(() => undefined),
  );
  call(1);
  await clock.pass(62_000);
  expect(ear.failures).toMatchObject([{ id: 1, why: 'did not get ready in time', kind: 'transport' }]);
  expect(peers[0]!.isClosed).toBe(true);
});

it('fails what waits for a server that cannot be started, with its reason', async () => {
  const { call, ear, peers } = modern(
    {},
    scripted(() => undefined),
  );
  call(1);
  call(2);
  peers[0]!.fail(peers[0]!.sent[0]!.id!, { code: -31004, why: 'could not be reached', kind: 'transport' });
  peers[1]!.end('could not be started: no such file');
  expect(ear.failures.map(({ id, why }) => [id, why])).toEqual([
    [1, 'could not be reached'],
    [2, 'could not be started: no such file'],
  ]);
});

it('closes all that it opened', async () => {
  const { call, link, peers, clock, ear } = modern({});
  call(1);
  call(2);
  await settled();
  await link.close();
  expect(peers.map(({ isClosed }) => isClosed)).toEqual([true, true]);
  expect(clock.timers).toBe(0);
  expect(ear.failures).toEqual([]);
});

it('knows which call an answer that is too long was for', async () => {
  const { call, ear, peers } = modern({ sessions: 1 });
  call(1);
  call(2);
  await settled();
  peers[0]!.oversize('{"jsonrpc":"2.0","id":1,"result":{"a":"', '"}}', 20_000_000);
  expect(ear.oversizes).toEqual([20_000_000]);
  await settled();
  expect(peers[0]!.last('tools/call')?.id).toBe(2);
});

it('fails what waits for a server at once when the answer to its initialize is too long', async () => {
  const { call, ear, peers } = modern(
    {},
    scripted(() => undefined),
  );
  call(1);
  await settled();
  const id = JSON.stringify(peers[0]!.last('initialize')!.id);
  peers[0]!.oversize(`{"jsonrpc":"2.0","id":${id},"result":{"a":"`, '"}}', 20_000_000);
  expect(ear.failures).toMatchObject([{ id: 1, kind: 'refused' }]);
  expect(ear.oversizes).toEqual([]);
});

it('fails a call whose later round gets an answer that cannot be read: its id is not the one the client knows', async () => {
  const script: Script = () => undefined;
  const { call, send, ear, peers, clock } = modern({}, legacyServer(script));
  for (const [first, bad] of [
    [1, (): void => peers[0]!.say('{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}')],
    [11, (): void => peers[0]!.oversize('{"jsonrpc":"2.0","id":11,"result":"', '"}', 20_000_000)],
  ] as const) {
    call(first);
    await settled();
    peers[0]!.say({ id: `r${first}`, method: 'roots/list' });
    await clock.pass(10);
    const retry = { requestState: ear.answer(first)!.result!['requestState'], inputResponses: { 'roots-1': {} } };
    send({ id: first + 1, method: 'tools/call', params: { name: 'a', ...retry, ...envelope({ roots: {} }) } });
    bad();
    expect(ear.failures.at(-1)).toMatchObject({ id: first + 1, code: -31005 });
  }
  expect(ear.heard).toHaveLength(2);
  expect(ear.oversizes).toEqual([]);
});

it('is full while a session is, and says when it is not', async () => {
  const { call, link, peers, ear } = modern({});
  call(1);
  await settled();
  peers[0]!.isFull = true;
  expect(link.isFull).toBe(true);
  peers[0]!.drain();
  expect(ear.drains).toBe(0);
  peers[0]!.isFull = false;
  peers[0]!.drain();
  expect(ear.drains).toBe(1);
});
