import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { events, json, linkTo, serve, type SeenRequest, type TestServer } from './http-testing.ts';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one.close();
});

const ok = (id: unknown, result: object = {}) => ({ jsonrpc: '2.0', id, result });
const note = { jsonrpc: '2.0', method: 'notifications/tools/list_changed' };
const stream = (response: ServerResponse, text: string) =>
  response.writeHead(200, { 'content-type': 'text/event-stream' }).write(text);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

type Handle = (request: SeenRequest, response: ServerResponse, id: unknown) => void;

/** A server with sessions; what a case says nothing about is answered as a plain server would. */
async function session(
  cases: { call?: Handle; get?: Handle; remove?: Handle; initialize?: Handle; note?: Handle } = {},
) {
  const server = await serve((request, response) => {
    const { id, method } = request.body;
    const plain: Handle = (_, r) => json(r, ok(id));
    if (request.method === 'DELETE')
      return (cases.remove ?? ((_, r) => void r.writeHead(200).end()))(request, response, id);
    if (request.method === 'GET') return (cases.get ?? ((_, r) => void r.writeHead(405).end()))(request, response, id);
    if (method === 'initialize') {
      const begin: Handle = (_, r) =>
        json(r, ok(id, { protocolVersion: '2025-11-25' }), 200, { 'Mcp-Session-Id': 's-1' });
      return (cases.initialize ?? begin)(request, response, id);
    }
    if (id === undefined || method === undefined)
      return (cases.note ?? ((_, r) => void r.writeHead(202).end()))(request, response, id);
    return (cases.call ?? plain)(request, response, id);
  });
  open.push(server);
  const link = linkTo(server.url, { era: 'legacy', timeouts: { closeMs: 300 } });
  open.push(link);
  const begin = async (): Promise<void> => {
    link.send({ id: 0, method: 'initialize', params: {} });
    await link.ear.answer(0);
    link.send({ method: 'notifications/initialized' });
  };
  return { ...link, server, begin };
}

const methods = ({ seen }: TestServer) => seen.map(({ method, body }) => body.method ?? method);

describe('the handshake', () => {
  it('is not overtaken', async () => {
    const { send, ear, server } = await session({
      initialize: (_, r, id) =>
        void setTimeout(() => json(r, ok(id, { protocolVersion: '2025-06-18' }), 200, { 'mcp-session-id': 's-1' }), 60),
      note: (_, r) => void setTimeout(() => r.writeHead(202).end(), 60),
    });
    send({ id: 0, method: 'initialize' });
    send({ method: 'notifications/initialized' });
    send({ id: 1, method: 'tools/list' });
    await ear.answer(1);
    expect(methods(server).filter((method) => method !== 'GET')).toEqual([
      'initialize',
      'notifications/initialized',
      'tools/list',
    ]);
    expect(server.seen.at(-1)!.headers).toMatchObject({
      'mcp-session-id': 's-1',
      'mcp-protocol-version': '2025-06-18',
    });
  });

  it.each<[string, Handle]>([
    ['fails', (_, r) => void r.writeHead(500).end()],
    ['is refused', (_, r, id) => json(r, { jsonrpc: '2.0', id, error: { code: -32602, message: 'no' } })],
  ])('holds nothing back for good when it %s', async (_, initialize) => {
    const { send, ear } = await session({ initialize });
    send({ id: 0, method: 'initialize' });
    send({ id: 1, method: 'ping' });
    await ear.answer(0);
    expect(await ear.answer(1)).toEqual(ok(1));
  });

  it('holds nothing back for good when it is cancelled', async () => {
    const { send, ear } = await session({ initialize: () => undefined });
    send({ id: 0, method: 'initialize' });
    send({ id: 1, method: 'ping' });
    send({ method: 'notifications/cancelled', params: { requestId: 0 } });
    expect(await ear.answer(1)).toEqual(ok(1));
  });

  it.each([
    ['with a space', 'a b'],
    ['too long', 'x'.repeat(2000)],
  ])('takes no session id %s', async (_, id) => {
    const { send, ear, server } = await session({
      initialize: (_r, r, call) => json(r, ok(call, { protocolVersion: '2025-06-18' }), 200, { 'mcp-session-id': id }),
    });
    send({ id: 0, method: 'initialize' });
    await ear.answer(0);
    send({ id: 1, method: 'ping' });
    await ear.answer(1);
    expect(server.seen.at(-1)!.headers).not.toHaveProperty('mcp-session-id');
  });
});

describe('a session', () => {
  it('is over when the server no longer knows it', async () => {
    const { begin, send, ear, link, server } = await session({ call: (_, r) => void r.writeHead(404).end() });
    await begin();
    send({ id: 1, method: 'tools/call', params: { name: 'a' } });
    expect(await ear.next((told) => 'ended' in told)).toEqual({ ended: 'no longer knows the session (HTTP 404)' });
    send({ id: 2, method: 'ping' });
    await link.close();
    expect(methods(server)).not.toContain('DELETE');
    expect(ear.told).toEqual([]);
  });

  it.each<[string, Handle, boolean]>([
    ['says nothing', (_, r) => void r.writeHead(400).end(), true],
    [
      'answers nobody',
      (_, r) => json(r, { jsonrpc: '2.0', error: { code: -32000, message: 'No session' } }, 400),
      true,
    ],
    ['answers', (_, r, id) => json(r, { jsonrpc: '2.0', id, error: { code: -32602, message: 'x' } }, 400), false],
  ])('is over, too, when the server %s with a 400: %#', async (_, call, isOver) => {
    const { begin, send, ear } = await session({ call });
    await begin();
    send({ id: 1, method: 'tools/call', params: { name: 'a' } });
    const told = await ear.next();
    if (isOver) expect(told).toEqual({ ended: 'no longer knows the session (HTTP 400)' });
    else expect(told).toHaveProperty('message');
  });

  it('is over, too, when the 404 comes with an answer', async () => {
    const error = (id: unknown) => ({ jsonrpc: '2.0', id, error: { code: -32001, message: 'Session not found' } });
    const { begin, send, ear } = await session({ call: (_, r, id) => json(r, error(id), 404) });
    await begin();
    send({ id: 1, method: 'tools/call', params: { name: 'a' } });
    expect(await ear.next()).toEqual({ ended: 'no longer knows the session (HTTP 404)' });
  });

  it.each<[string, Handle]>([
    ['will not be ended', (_, r) => void r.writeHead(405).end()],
    ['does not answer', () => undefined],
    ['hangs up', (_, r) => void r.destroy()],
  ])('is left in time when the server %s', async (_, remove) => {
    const { begin, link, server } = await session({ remove });
    await begin();
    const begun = performance.now();
    await link.close();
    expect(performance.now() - begun).toBeLessThan(2000);
    expect(server.seen.at(-1)).toMatchObject({ method: 'DELETE', headers: { 'mcp-session-id': 's-1' } });
  });

  it('passes a cancellation on and hears no more of the call', async () => {
    let response: ServerResponse | undefined;
    const { begin, send, ear, server } = await session({ call: (_, r) => void stream((response = r), ': x\n\n') });
    await begin();
    send({ id: 1, method: 'tools/call', params: { name: 'a' } });
    await pause(50);
    send({ method: 'notifications/cancelled', params: { requestId: 1 } });
    send({ method: 'notifications/cancelled', params: { requestId: 99 } });
    await pause(50);
    response!.end(events(ok(1)));
    await pause(50);
    expect(methods(server).filter((method) => method === 'notifications/cancelled')).toHaveLength(1);
    expect(ear.told).toEqual([]);
  });

  it('lets the server ask on the stream of a call, and posts the answer', async () => {
    let response: ServerResponse | undefined;
    const ask = { jsonrpc: '2.0', id: 'q', method: 'elicitation/create', params: {} };
    const { begin, send, ear, server } = await session({
      call: (_, r) => void stream((response = r), events(ask)),
      note: (request, r) => {
        r.writeHead(202).end();
        if (request.body.id === 'q') response!.end(events(ok(1)));
      },
    });
    await begin();
    send({ id: 1, method: 'tools/call', params: { name: 'a' } });
    expect(await ear.next()).toEqual({ message: JSON.stringify(ask), about: 1 });
    send({ id: 'q', result: { action: 'decline' } });
    expect(await ear.answer(1)).toEqual(ok(1));
    expect(server.seen.at(-1)!.text).toBe('{"jsonrpc":"2.0","id":"q","result":{"action":"decline"}}');
  });
});

describe('the stream of a session', () => {
  it('is taken up again where it broke off, and holds no answers', async () => {
    const { begin, ear, server } = await session({
      get: (request, r) => {
        const from = request.headers['last-event-id'];
        if (from === undefined)
          return void (stream(r, `retry: 60\nid: e1\ndata: ${JSON.stringify(note)}\n\n`), r.end());
        return void stream(r, events(ok(0), { ...note, params: { from } }));
      },
    });
    await begin();
    expect(await ear.next()).toEqual({ message: JSON.stringify(note), about: undefined });
    expect(await ear.next()).toEqual({
      message: JSON.stringify({ ...note, params: { from: 'e1' } }),
      about: undefined,
    });
    expect(ear.told).toEqual([]);
    expect(server.seen.at(-1)!.headers).toMatchObject({
      accept: 'text/event-stream',
      'mcp-session-id': 's-1',
      'mcp-protocol-version': '2025-11-25',
    });
  });

  it.each<[string, number, boolean]>([
    ['no longer knows its session', 404, true],
    ['refuses it for a while', 401, false],
    ['fails for a while', 500, false],
  ])('tells, when it was there before and the server %s', async (_, status, isLost) => {
    let asked = 0;
    const { begin, ear } = await session({
      get: (_request, r) => {
        asked++;
        if (asked === 2) return void r.writeHead(status).end();
        return void (stream(r, `retry: 50\n${events(note)}`), asked === 1 && r.end());
      },
    });
    await begin();
    await ear.next();
    const told = await ear.next();
    if (isLost) expect(told).toEqual({ ended: 'no longer knows the session (HTTP 404)' });
    else expect(told).toEqual({ message: JSON.stringify(note), about: undefined });
  });

  it('is asked for without an id that no header can carry', async () => {
    const { begin, ear, server } = await session({
      get: (_, r) => void (stream(r, `retry: 50\nid: ü\ndata: ${JSON.stringify(note)}\n\n`), r.end()),
    });
    await begin();
    await ear.next();
    await ear.next();
    expect(server.seen.at(-1)!.headers).not.toHaveProperty('last-event-id');
  });

  it.each<[string, Handle]>([
    ['405', (_, r) => void r.writeHead(405).end()],
    ['404', (_, r) => void r.writeHead(404).end()],
    ['HTML', (_, r) => void r.writeHead(200, { 'content-type': 'text/html', 'retry-after': '0' }).end('<p>')],
  ])('is not asked for again after %s', async (_, get) => {
    const { begin, ear, send, server } = await session({ get });
    await begin();
    await pause(150);
    send({ id: 1, method: 'ping' });
    expect(await ear.answer(1)).toEqual(ok(1));
    expect(methods(server).filter((method) => method === 'GET')).toHaveLength(1);
  });
});

describe('the stream of a call', () => {
  const polling = (ends: number): { call: Handle; get: Handle } => {
    let left = ends;
    return {
      call: (_, r) => void (stream(r, 'retry: 50\nid: p0\ndata:\n\n'), r.end()),
      get: (request, r) => {
        const from = request.headers['last-event-id'];
        if (from === undefined) return void r.writeHead(405).end();
        if (--left > 0) return void (stream(r, `id: p${left}\ndata:\n\n`), r.end());
        return void (stream(r, `id: last\n${events({ jsonrpc: '2.0', id: 1, result: { from } })}`), r.end());
      },
    };
  };

  it.each([1, 3, 8])('is polled where it has ids, %i times', async (ends) => {
    const { begin, send, ear, server } = await session(polling(ends));
    await begin();
    send({ id: 1, method: 'tools/call', params: { name: 'a' } });
    expect(await ear.answer(1)).toEqual(ok(1, { from: ends === 1 ? 'p0' : 'p1' }));
    expect(methods(server).filter((method) => method === 'tools/call')).toHaveLength(1);
  });

  it('is polled after it was cut', async () => {
    const { begin, send, ear } = await session({
      ...polling(1),
      call: (_, r) => void (stream(r, 'retry: 50\nid: p0\ndata:\n\n'), setTimeout(() => r.destroy(), 20)),
    });
    await begin();
    send({ id: 1, method: 'tools/call', params: { name: 'a' } });
    expect(await ear.answer(1)).toEqual(ok(1, { from: 'p0' }));
  });

  it('is given up when nothing new comes', async () => {
    const { begin, send, ear, server } = await session({
      call: (_, r) => void (stream(r, 'retry: 1\nid: p0\ndata:\n\n'), r.end()),
      get: (request, r) =>
        request.headers['last-event-id'] === undefined
          ? void r.writeHead(405).end()
          : void (stream(r, ': x\n\n'), r.end()),
    });
    await begin();
    send({ id: 1, method: 'tools/call', params: { name: 'a' } });
    expect((await ear.answer(1)).failure!.why).toMatch(/ended its answer/);
    expect(methods(server).filter((method) => method === 'GET').length).toBeLessThan(8);
  });

  it('fails the call when it cannot be taken up', async () => {
    const { begin, send, ear } = await session({ ...polling(1), get: (_, r) => void r.writeHead(405).end() });
    await begin();
    send({ id: 1, method: 'tools/call', params: { name: 'a' } });
    expect((await ear.answer(1)).failure!.why).toMatch(/HTTP 405/);
  });
});
