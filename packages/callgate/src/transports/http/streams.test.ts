import { afterEach, beforeEach, expect, it } from 'vitest';
import { call, eventually, initialize, modern, open, send, type TestDoor, testDoor } from './testing.ts';

let at: TestDoor;
beforeEach(async () => {
  at = await testDoor({ legacySse: true, limits: { keptEvents: 4 } });
});
afterEach(() => at.door.close());

const NOTE = (n: number): object => ({
  jsonrpc: '2.0',
  method: 'notifications/message',
  params: { level: 'info', data: n },
});
const ids = (text: string): string[] => [...text.matchAll(/^id: (\S+)$/gm)].map((found) => found[1]!);

it('keeps what is nobody’s answer for the stream of a session, and sends it once', async () => {
  const headers = { 'mcp-session-id': await initialize(at) };
  at.exchanges[0]!.say(NOTE(1));
  const first = await open(at, { method: 'GET', headers });
  await first.until('"data":1');
  expect((await send(at, { method: 'GET', headers })).status).toBe(409);
  at.exchanges[0]!.say(NOTE(2));
  await first.until('"data":2');
  first.hangUp();
  await first.ended;
  await eventually(() => at.door.load().streams === 0, 'the stream is gone');
  at.exchanges[0]!.say(NOTE(3));
  const second = await open(at, { method: 'GET', headers });
  const text = await second.until('"data":3');
  expect(text).not.toContain('"data":2');
  const third = await open(at, { method: 'GET', headers: { ...headers, 'last-event-id': ids(text)[0]! } });
  expect(await third.until('"data":3')).not.toContain('"data":1');
  await second.ended;
});

it('lets a client of a session take up the stream of a request where it broke off', async () => {
  const headers = { 'mcp-session-id': await initialize(at) };
  const broken = await open(at, { headers, body: call('c', 'tools/call', { name: 'ask' }) });
  const [primed, asked] = ids(await broken.until('roots/list'));
  expect(broken.text()).toMatch(/^id: \S+\nretry: 1000\ndata: \n\n/);
  broken.hangUp();
  await eventually(() => at.door.load().streams === 0, 'the stream is gone');
  at.exchanges[0]!.say(NOTE(1), 2);
  at.exchanges[0]!.say(NOTE(9));
  const resumed = await open(at, { method: 'GET', headers: { ...headers, 'last-event-id': asked! } });
  await resumed.until('"data":1');
  at.exchanges[0]!.end.message(Buffer.from('{"result":{},"jsonrpc":"2.0","id":2}'), 2, 2);
  await resumed.ended;
  expect(resumed.text()).toContain('data: {"result":{},"jsonrpc":"2.0","id":"c"}\n\n');
  expect(resumed.text()).not.toContain('roots/list');
  expect(resumed.text()).not.toContain('"data":9');
  const again = await open(at, { method: 'GET', headers: { ...headers, 'last-event-id': primed! } });
  await again.ended;
  expect(again.text().match(/^data: \{/gm)).toHaveLength(3);
});

it('keeps no more than its bound, the newest', async () => {
  const headers = { 'mcp-session-id': await initialize(at) };
  for (let n = 1; n <= 10; n++) at.exchanges[0]!.say(NOTE(n));
  const stream = await open(at, { method: 'GET', headers });
  const text = await stream.until('"data":10');
  expect(text.match(/"data":\d+/g)).toEqual(['"data":7', '"data":8', '"data":9', '"data":10']);
});

it('does not prime clients that would stumble over an event without a message', async () => {
  const headers = { 'mcp-session-id': await initialize(at, 'alice', '2025-06-18') };
  const stream = await open(at, { headers, body: call('c', 'tools/call', { name: 'ask' }) });
  await stream.until('roots/list');
  expect(stream.text()).not.toContain('data: \n');
});

it('sends what is about no request on the newest open one when there is no other stream', async () => {
  const headers = { 'mcp-session-id': await initialize(at) };
  const stream = await open(at, { headers, body: call('c', 'tools/call', { name: 'ask' }) });
  await stream.until('roots/list');
  at.exchanges[0]!.say(NOTE(5));
  expect(await stream.until('"data":5')).toContain('roots/list');
});

it('sends a message with line ends as one event', async () => {
  const headers = { 'mcp-session-id': await initialize(at) };
  const stream = await open(at, { method: 'GET', headers });
  at.exchanges[0]!.end.message(Buffer.from('{"jsonrpc":"2.0",\r\n"method":\n"notifications/x"}'), undefined, undefined);
  expect(await stream.until('notifications/x')).toContain('data: {"jsonrpc":"2.0",  "method": "notifications/x"}\n\n');
});

it('turns a request that waits into a stream, and keeps streams alive', async () => {
  const pending = open(at, modern('tools/call', { name: 'never' }));
  await eventually(() => at.exchanges.length === 1, 'the call');
  at.clock.now = 6000;
  const stream = await pending;
  expect(stream.headers['content-type']).toBe('text/event-stream');
  at.clock.now = 30_000;
  await stream.until(': \n\n');
  at.exchanges[0]!.end.message(Buffer.from('{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}'), 1, 1);
  await stream.ended;
  expect([stream.status, stream.text().endsWith('"message":"no"}}\n\n')]).toEqual([200, true]);
});

it('closes a listen with its result, under the id of the client in both places', async () => {
  const stream = await open(at, modern('subscriptions/listen', {}, 'sub'));
  await stream.until('"io.modelcontextprotocol/subscriptionId":"sub"');
  const closing = '{"jsonrpc":"2.0","id":1,"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":1}}}';
  at.exchanges[0]!.end.message(Buffer.from(closing), 1, 1);
  await stream.ended;
  expect(stream.text()).toContain('"id":"sub","result":{"_meta":{"io.modelcontextprotocol/subscriptionId":"sub"}}');
});

it('answers what is open when an exchange ends, and opens another for the next request', async () => {
  const waiting = send(at, modern('tools/call', { name: 'never' }, 'w'));
  await eventually(() => at.exchanges.length === 1, 'the call');
  at.exchanges[0]!.end.ended('ended with exit code 1');
  expect((await waiting).json).toMatchObject({ id: 'w', error: { message: 'The server ended with exit code 1.' } });
  expect((await send(at, modern('tools/list'))).status).toBe(200);
  expect(at.exchanges).toHaveLength(2);
});

it('serves HTTP+SSE: one stream for all, posts are taken in', async () => {
  const stream = await open(at, { method: 'GET', path: '/sse/files' });
  const endpoint = /^event: endpoint\ndata: (\S+)\n\n/.exec(await stream.until('\n\n'))![1]!;
  const post = (body: object, as = 'alice') => send(at, { path: endpoint, as, body, headers: { accept: undefined } });
  expect((await post(call('i', 'initialize', { protocolVersion: '2024-11-05' }))).status).toBe(202);
  await stream.until('"id":"i","result"');
  expect((await post(call(7, 'tools/list'), 'bob')).status).toBe(404);
  expect((await post(call(7, 'tools/call', { name: 'echo' }))).status).toBe(202);
  await stream.until('"id":7,"result":{"echo":{"name":"echo"},"server":"files"}');
  at.exchanges[0]!.say(NOTE(1));
  await stream.until('"data":1');
  stream.hangUp();
  await eventually(() => at.exchanges[0]!.closed, 'the exchange is closed');
  await eventually(() => at.door.load().sessions === 0, 'the session is gone');
  expect((await post(call(8, 'ping'))).status).toBe(404);
  expect((await send(at, { method: 'GET', path: '/sse/none' })).status).toBe(404);
});
