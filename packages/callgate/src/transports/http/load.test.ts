import { Agent, request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import type { HttpOptions } from './options.ts';
import { call, eventually, initialize, modern, open, send, type TestDoor, testDoor } from './testing.ts';

/** A server that never says anything. */
const silent: HttpOptions['open'] = () => ({
  isFull: false,
  receive: () => undefined,
  malformed: () => undefined,
  close: async () => undefined,
});

const doors: TestDoor[] = [];
async function door(...over: Parameters<typeof testDoor>): Promise<TestDoor> {
  const at = await testDoor(...over);
  doors.push(at);
  return at;
}
afterEach(async () => {
  await Promise.all(doors.splice(0).map((at) => at.door.close()));
});

it('lets a principal have so much in flight, and everybody so much', async () => {
  const at = await door({ limits: { inFlightPerPrincipal: 2, inFlight: 3, streamAfterMs: 0 } });
  const [first] = await Promise.all([1, 2].map((id) => open(at, modern('tools/call', { name: 'never' }, id))));
  const refused = await send(at, modern('tools/list'));
  expect([refused.status, refused.json.error?.code, refused.headers['retry-after']]).toEqual([429, -31006, '1']);
  await open(at, { ...modern('tools/call', { name: 'never' }), as: 'bob' });
  const busy = await send(at, { ...modern('tools/list'), as: 'bob' });
  expect([busy.status, busy.headers['retry-after']]).toEqual([503, '1']);
  first!.hangUp();
  await eventually(() => at.exchanges[0]!.received.length === 3, 'the cancellation');
  expect((await send(at, modern('tools/list'))).status).toBe(200);
});

it('holds only so much of bodies that are on their way in', async () => {
  const at = await door({ limits: { uploadBytes: 20_000 } });
  const begin = (as: string): Socket => {
    const socket = connect(at.door.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${as}\r\nContent-Type: application/json\r\nContent-Length: 50000\r\n\r\n${'x'.repeat(9000)}`,
    );
    return socket;
  };
  const one = begin('alice');
  await eventually(() => at.door.load().principals === 1, 'the upload');
  await new Promise((resolve) => setTimeout(resolve, 50));
  const large = modern('tools/call', { name: 'echo', pad: 'x'.repeat(5000) });
  expect((await send(at, large)).status).toBe(503);
  expect((await send(at, { ...large, as: 'bob' })).status).toBe(200);
  one.destroy();
  await eventually(() => at.door.load().principals === 1, 'the upload is gone');
  expect((await send(at, large)).status).toBe(200);
});

it('holds only so much of requests that are not answered', async () => {
  const at = await door({ limits: { uploadBytes: 20_000, streamAfterMs: 0 } });
  const large = modern('tools/call', { name: 'never', pad: 'x'.repeat(8000) });
  const first = await open(at, large);
  expect((await send(at, large)).status).toBe(503);
  first.hangUp();
  await eventually(() => at.exchanges[0]!.received.length === 2, 'the cancellation');
  (await open(at, large)).hangUp();
});

it('drops an answer when too much that was answered has not been read, and says so', async () => {
  const at = await door({ limits: { unreadBytes: 20_000 } });
  const large = modern('tools/call', { name: 'echo', pad: 'x'.repeat(15_000) });
  const answer = await send(at, large);
  expect([answer.status, answer.json.error?.code]).toEqual([503, -31006]);
  expect((await send(at, modern('tools/call', { name: 'echo' }))).status).toBe(200);
});

it('cuts connections on which nothing moves', async () => {
  const at = await door({ limits: { stalledMs: 100 } });
  const answer = send(at, modern('tools/call', { name: 'never' }));
  await expect(answer).rejects.toThrow('socket hang up');
  await eventually(() => at.exchanges[0]!.received.length === 2, 'the cancellation');
});

it('puts off what an exchange has no room for', async () => {
  const at = await door();
  await send(at, modern('tools/list'));
  at.exchanges[0]!.isFull = true;
  const answer = await send(at, modern('tools/list', {}, 'mine'));
  expect([answer.status, answer.json.id, answer.headers['retry-after']]).toEqual([503, 'mine', '1']);
  expect(at.exchanges[0]!.received).toHaveLength(1);
});

it('bounds sessions and streams of a principal', async () => {
  const at = await door({ limits: { sessionsPerPrincipal: 2, streamsPerPrincipal: 1 } });
  const [one, two] = [await initialize(at), await initialize(at)];
  const body = call(1, 'initialize', { protocolVersion: '2025-11-25' });
  expect((await send(at, { body })).status).toBe(429);
  expect((await send(at, { body, as: 'bob' })).status).toBe(200);
  const stream = await open(at, { method: 'GET', headers: { 'mcp-session-id': one } });
  expect((await send(at, { method: 'GET', headers: { 'mcp-session-id': two } })).status).toBe(429);
  expect((await send(at, modern('subscriptions/listen'))).status).toBe(429);
  stream.hangUp();
  await eventually(() => at.door.load().streams === 0, 'the stream is gone');
  await open(at, { method: 'GET', headers: { 'mcp-session-id': two } });
});

it('ends sessions and shared conversations that nobody uses', async () => {
  const at = await door({ limits: { sessionIdleMs: 60_000 } });
  const session = await initialize(at);
  const used = await initialize(at);
  await send(at, modern('tools/list'));
  const stream = await open(at, { method: 'GET', headers: { 'mcp-session-id': used } });
  at.clock.now = 61_000;
  await eventually(() => at.exchanges[0]!.closed && at.exchanges[2]!.closed, 'both are closed');
  expect(at.exchanges[1]!.closed).toBe(false);
  expect((await send(at, { headers: { 'mcp-session-id': session }, body: call(1, 'tools/list') })).status).toBe(404);
  stream.hangUp();
});

it('leaves nothing of ten thousand sessions', async () => {
  const at = await door({ limits: { sessionsPerPrincipal: 10_000 } });
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const post = (method: string, headers: Record<string, string>, body?: string): Promise<string | undefined> =>
    new Promise((resolve, reject) => {
      const request = httpRequest(`${at.door.url}/mcp`, { method, agent, headers }, (response) => {
        response.resume();
        response.on('end', () => resolve(response.headers['mcp-session-id'] as string | undefined));
      });
      request.on('error', reject);
      request.end(body);
    });
  const authorization = 'Bearer alice';
  const head = { authorization, 'content-type': 'application/json', accept: '*/*' };
  const body = JSON.stringify(call(1, 'initialize', { protocolVersion: '2025-11-25' }));
  for (let round = 0; round < 100; round++) {
    await Promise.all(
      Array.from({ length: 100 }, async () => {
        const session = (await post('POST', head, body)) as string;
        await post('DELETE', { authorization, 'mcp-session-id': session });
      }),
    );
  }
  expect(at.exchanges.filter((exchange) => exchange.closed)).toHaveLength(10_000);
  agent.destroy();
  await eventually(() => at.door.load().principals === 0, 'the principal is let go');
  expect(at.door.load()).toEqual({ sessions: 0, conversations: 0, streams: 0, principals: 0 });
}, 120_000);

it('ends a session whose client hung up before it knew of it', async () => {
  const at = await door({ open: silent });
  const socket = connect(at.door.port, '127.0.0.1');
  const body = JSON.stringify(call(1, 'initialize', { protocolVersion: '2025-11-25' }));
  socket.write(
    `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer alice\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await eventually(() => at.door.load().sessions === 1, 'the session');
  socket.destroy();
  await eventually(() => at.door.load().principals === 0, 'the session is gone');
  expect(at.door.load().sessions).toBe(0);
});

it('answers with an error when an answer does not carry its id', async () => {
  const at = await door();
  const waiting = send(at, modern('tools/call', { name: 'never' }, 'w'));
  await eventually(() => at.exchanges.length === 1, 'the call');
  at.exchanges[0]!.end.message(Buffer.from('{"jsonrpc":"2.0","id":"1","result":{}}'), 1, 1);
  expect((await waiting).json).toMatchObject({ id: 'w', error: { code: -32603 } });
});

it('cuts off who does not read', async () => {
  const at = await door({ limits: { bufferedBytes: 100_000 } });
  const session = await initialize(at);
  const socket = connect(at.door.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.pause();
  socket.write(
    `GET /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer alice\r\nAccept: */*\r\nMcp-Session-Id: ${session}\r\n\r\n`,
  );
  await eventually(() => at.door.load().streams === 1, 'the stream');
  const note = { jsonrpc: '2.0', method: 'notifications/message', params: { data: 'x'.repeat(1 << 20) } };
  for (let n = 0; n < 64 && at.door.load().streams > 0; n++) {
    at.exchanges[0]!.say(note);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await eventually(() => at.door.load().streams === 0, 'the stream is cut');
  expect(at.door.load().sessions).toBe(1);
  socket.destroy();
});

it('closes with everything: streams, sessions, what waits', async () => {
  const at = await testDoor();
  const session = await initialize(at);
  const stream = await open(at, { method: 'GET', headers: { 'mcp-session-id': session } });
  const waiting = send(at, modern('tools/call', { name: 'never' }, 'w'));
  await eventually(() => at.exchanges.length === 2, 'the call');
  const began = performance.now();
  await at.door.close();
  expect(performance.now() - began).toBeLessThan(2000);
  await stream.ended;
  expect((await waiting).json).toMatchObject({ id: 'w', error: { code: -31004 } });
  expect(at.exchanges.every((exchange) => exchange.closed)).toBe(true);
  expect(at.door.load()).toEqual({ sessions: 0, conversations: 0, streams: 0, principals: 0 });
});

it('answers in one piece when what it calls throws', async () => {
  const at = await door({
    open() {
      throw new Error('secret detail');
    },
  });
  for (const sent of [modern('tools/list'), { body: call(1, 'initialize', {}) }]) {
    const answer = await send(at, sent);
    expect([answer.status, answer.json.error?.code]).toEqual([500, -32603]);
    expect(answer.text).not.toContain('secret');
  }
  await eventually(() => at.door.load().principals === 0, 'nothing is left');
  expect(at.warned[0]).toContain('secret detail');
});

it('says why it cannot listen', async () => {
  const at = await door();
  await expect(testDoor({ port: at.door.port })).rejects.toThrow(/port \d+: the port is in use/);
});
