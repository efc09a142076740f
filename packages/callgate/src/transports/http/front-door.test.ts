import { afterEach, expect, it } from 'vitest';
import { call, eventually, initialize, modern, open, send, type TestDoor, testDoor } from './testing.ts';

const doors: TestDoor[] = [];
async function door(...over: Parameters<typeof testDoor>): Promise<TestDoor> {
  const at = await testDoor(...over);
  doors.push(at);
  return at;
}
afterEach(async () => {
  await Promise.all(doors.splice(0).map((at) => at.door.close()));
});

it('answers a modern request as JSON, under the id that the client gave', async () => {
  const at = await door();
  const answer = await send(at, modern('tools/call', { name: 'echo', arguments: { n: 1 } }, 'mine'));
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toBe('application/json');
  expect(answer.headers['mcp-session-id']).toBeUndefined();
  expect(answer.json.id).toBe('mine');
  expect(JSON.parse(at.exchanges[0]!.received[0]!)).toMatchObject({ id: 1, method: 'tools/call' });
});

it('sends what comes before the answer as a stream, with the token that the client gave', async () => {
  const at = await door();
  const stream = await open(at, modern('tools/call', { name: 'progress', _meta: { progressToken: 'tok' } }, 7));
  await stream.ended;
  expect(stream.headers['content-type']).toBe('text/event-stream');
  expect(stream.headers['x-accel-buffering']).toBe('no');
  expect(stream.text()).toBe(
    'data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"tok","progress":1}}\n\n' +
      'data: {"jsonrpc":"2.0","id":7,"result":{"done":true}}\n\n',
  );
});

it('opens a session for a client before 2026-07-28, and ends it', async () => {
  const at = await door();
  const session = await initialize(at);
  expect(session).toMatch(/^[\x21-\x7e]{32}$/);
  const headers = { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' };
  const noted = await send(at, { headers, body: { jsonrpc: '2.0', method: 'notifications/initialized' } });
  expect(noted.status).toBe(202);
  const listed = await send(at, { headers, body: call(1, 'tools/list') });
  expect(listed).toMatchObject({ status: 200, json: { id: 1 } });
  expect((await send(at, { method: 'DELETE', headers })).status).toBe(204);
  expect((await send(at, { headers, body: call(2, 'tools/list') })).status).toBe(404);
  expect(at.exchanges[0]!.closed).toBe(true);
  await eventually(() => at.door.load().principals === 0, 'everything was let go');
});

it('sends a request of the server on the stream of the request it is about, and takes the answer', async () => {
  const at = await door();
  const session = await initialize(at);
  const headers = { 'mcp-session-id': session };
  const stream = await open(at, { headers, body: call('c', 'tools/call', { name: 'ask' }) });
  await stream.until('"roots/list"');
  const answered = await send(at, { headers, body: { jsonrpc: '2.0', id: 'q1', result: { roots: [] } } });
  expect(answered.status).toBe(202);
  expect(at.exchanges[0]!.received.at(-1)).toBe('{"jsonrpc":"2.0","id":"q1","result":{"roots":[]}}');
  at.exchanges[0]!.end.message(Buffer.from('{"jsonrpc":"2.0","id":2,"result":{}}'), 2, undefined);
  await stream.ended;
  expect(stream.text()).toContain('data: {"jsonrpc":"2.0","id":"c","result":{}}\n\n');
});

it('tells a modern exchange that its client hung up, and a legacy one not', async () => {
  const at = await door();
  const one = await open(at, modern('subscriptions/listen', { notifications: {} }));
  await one.until('acknowledged');
  expect(one.text()).toContain('"io.modelcontextprotocol/subscriptionId":1');
  one.hangUp();
  await eventually(() => at.exchanges[0]!.received.length === 2, 'the cancellation');
  expect(JSON.parse(at.exchanges[0]!.received[1]!)).toMatchObject({
    method: 'notifications/cancelled',
    params: { requestId: 1 },
  });
  const session = await initialize(at);
  const two = await open(at, { headers: { 'mcp-session-id': session }, body: call(1, 'tools/call', { name: 'ask' }) });
  await two.until('roots/list');
  two.hangUp();
  await two.ended;
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(at.exchanges[1]!.received).toHaveLength(2);
});
