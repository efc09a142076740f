import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import type { HttpLinkOptions } from './http-link.ts';
import { events, json, linkTo, MODERN, serve, type SeenRequest } from './http-testing.ts';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one.close();
});

const ok = (id: unknown, result: object = {}) => ({ jsonrpc: '2.0', id, result });
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
type Handle = (request: SeenRequest, response: ServerResponse) => void;

async function modern(handle: Handle, options: Partial<HttpLinkOptions> = {}) {
  const server = await serve(handle);
  open.push(server);
  const link = linkTo(server.url, { era: 'modern', ...options });
  open.push(link);
  return { ...link, server };
}

const tool = (name: string, properties: object = {}) => ({ name, inputSchema: { type: 'object', properties } });
const region = { region: { type: 'string', 'x-mcp-header': 'Region' } };
const listing =
  (pages: readonly (readonly object[])[]): Handle =>
  (request, response) => {
    const { id, method, params } = request.body;
    if (method !== 'tools/list') return json(response, ok(id));
    const page = Number(params?.['cursor'] ?? 0);
    json(
      response,
      ok(id, { tools: pages[page], ...(page + 1 < pages.length ? { nextCursor: String(page + 1) } : {}) }),
    );
  };
const call = (id: number, name: string, args?: object) => ({
  id,
  method: 'tools/call',
  params: { name, arguments: args, ...MODERN },
});
const paramHeaders = (request: SeenRequest | undefined) =>
  Object.fromEntries(Object.entries(request!.headers).filter(([name]) => name.startsWith('mcp-param-')));

describe('the name of a request', () => {
  it.each<[string, object, string | undefined]>([
    ['tools/call', { name: 'add' }, 'add'],
    ['prompts/get', { name: 'a b' }, 'a b'],
    ['prompts/get', { name: ' a' }, '=?base64?IGE=?='],
    ['prompts/get', { name: '=?base64?eA==?=' }, '=?base64?PT9iYXNlNjQ/ZUE9PT89?='],
    ['prompts/get', { name: 'a\r\nx: y' }, '=?base64?YQ0KeDogeQ==?='],
    ['prompts/get', { name: '' }, '=?base64??='],
    ['resources/read', { uri: 'file:///ä' }, '=?base64?ZmlsZTovLy/DpA==?='],
    ['tasks/get', { taskId: 't1' }, 't1'],
    ['tasks/update', { taskId: 't1' }, 't1'],
    ['tasks/cancel', { taskId: 't1' }, 't1'],
    ['completion/complete', { name: 'x' }, undefined],
    ['constructor', { name: 'x' }, undefined],
  ])('of %s %j is told', async (method, params, expected) => {
    const { send, ear, server } = await modern(listing([[]]));
    send({ id: 1, method, params: { ...params, ...MODERN } });
    await ear.answer(1);
    const request = server.seen.find(({ body }) => body.method === method)!;
    expect(request.headers['mcp-method']).toBe(method);
    expect(request.headers['mcp-name']).toBe(expected);
  });
});

describe('arguments that a tool wants in headers', () => {
  it('are learned from a list that passes', async () => {
    const { send, ear, server } = await modern(listing([[tool('run', region)]]));
    send({ id: 1, method: 'tools/list', params: MODERN });
    await ear.answer(1);
    send(call(2, 'run', { region: 'eu west', other: 1 }));
    await ear.answer(2);
    expect(server.seen).toHaveLength(2);
    expect(paramHeaders(server.seen[1])).toEqual({ 'mcp-param-region': 'eu west' });
  });

  it('are asked for when the tool is not known, once, all pages', async () => {
    const { send, ear, server } = await modern(listing([[tool('a')], [tool('run', region)]]));
    send(call(1, 'run', { region: 'eu' }));
    send(call(2, 'run', { region: 'us' }));
    send(call(3, 'nowhere', {}));
    await Promise.all([ear.answer(1), ear.answer(2), ear.answer(3)]);
    const lists = server.seen.filter(({ body }) => body.method === 'tools/list');
    expect(lists.map(({ body }) => body.params)).toEqual([MODERN, { ...MODERN, cursor: '1' }]);
    expect(lists[0]!.headers).toMatchObject({ 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/list' });
    const calls = server.seen.filter(({ body }) => body.method === 'tools/call');
    expect(calls.map((one) => [one.body.id, paramHeaders(one)])).toEqual([
      [1, { 'mcp-param-region': 'eu' }],
      [2, { 'mcp-param-region': 'us' }],
      [3, {}],
    ]);
    expect(ear.told).toEqual([]);
  });

  it('are not asked for where a whole list declares none', async () => {
    const { send, ear, server } = await modern(listing([[tool('a')]]));
    send({ id: 1, method: 'tools/list', params: MODERN });
    await ear.answer(1);
    send(call(2, 'unknown'));
    await ear.answer(2);
    expect(server.seen.map(({ body }) => body.method)).toEqual(['tools/list', 'tools/call']);
  });

  it('are asked for again after the server found headers that do not fit', async () => {
    let header = 'Region';
    const { send, ear, server } = await modern((request, response) => {
      const { id, method } = request.body;
      const declared = { region: { type: 'string', 'x-mcp-header': header } };
      if (method === 'tools/list') return json(response, ok(id, { tools: [tool('run', declared)] }));
      if (request.headers['mcp-param-zone'] !== undefined) return json(response, ok(id));
      header = 'Zone';
      json(response, { jsonrpc: '2.0', id, error: { code: -32020, message: 'mismatch' } }, 400);
    });
    send(call(1, 'run', { region: 'eu' }));
    expect((await ear.answer(1)).error).toMatchObject({ code: -32020 });
    send(call(2, 'run', { region: 'eu' }));
    expect(await ear.answer(2)).toEqual(ok(2));
    expect(server.seen.filter(({ body }) => body.method === 'tools/list')).toHaveLength(2);
  });

  it.each<[string, Handle]>([
    ['fails', (_, response) => void response.writeHead(500).end()],
    ['is no list', (request, response) => json(response, ok(request.body.id, { tools: 7 }))],
    ['never ends', (request, response) => json(response, ok(request.body.id, { tools: [], nextCursor: 'again' }))],
  ])('do not keep a call from going when the list %s', async (_, list) => {
    const { send, ear, server } = await modern((request, response) =>
      request.body.method === 'tools/list' ? list(request, response) : json(response, ok(request.body.id)),
    );
    send(call(1, 'a'));
    expect(await ear.answer(1)).toEqual(ok(1));
    send(call(2, 'a'));
    expect(await ear.answer(2)).toEqual(ok(2));
    expect(server.seen.length).toBeLessThan(24);
  });
});

describe('a cancellation', () => {
  it('ends the exchange of its request, and goes no further', async () => {
    let gone = false;
    const { send, ear, server } = await modern((request, response) => {
      if (request.body.id !== 1) return json(response, ok(request.body.id));
      response.on('close', () => (gone = true));
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': x\n\n');
    });
    send({ id: 1, method: 'prompts/get', params: { name: 'a', ...MODERN } });
    await pause(80);
    send({ method: 'notifications/cancelled', params: { requestId: 1 } });
    send({ method: 'notifications/cancelled', params: { requestId: 77 } });
    send({ id: 2, method: 'prompts/get', params: { name: 'b', ...MODERN } });
    await ear.answer(2);
    await pause(50);
    expect(gone).toBe(true);
    expect(server.seen.map(({ body }) => body.id)).toEqual([1, 2]);
    expect(ear.told).toEqual([]);
  });

  it('of a request that has not begun keeps it from the server', async () => {
    const { send, ear, server } = await modern(
      (request, response) => void setTimeout(() => json(response, ok(request.body.id)), 80),
      {
        limits: { inFlight: 1 },
      },
    );
    for (const id of [1, 2, 3]) send({ id, method: 'prompts/list', params: MODERN });
    send({ method: 'notifications/cancelled', params: { requestId: 2 } });
    await ear.answer(3);
    expect(server.seen.map(({ body }) => body.id)).toEqual([1, 3]);
  });
});

it('posts notifications, and drops answers, for which this era has no place', async () => {
  const { send, ear, server } = await modern(listing([[]]));
  send({ id: 1, method: 'prompts/list', params: MODERN });
  await ear.answer(1);
  send({ id: 'q', result: {} });
  send({ method: 'notifications/vendor' });
  send({ id: 2, method: 'prompts/list', params: MODERN });
  await ear.answer(2);
  await pause(50);
  const notes = server.seen.filter(({ body }) => body.id === undefined);
  expect(notes.map(({ headers }) => [headers['mcp-method'], headers['mcp-protocol-version']])).toEqual([
    ['notifications/vendor', '2026-07-28'],
  ]);
  expect(server.seen).toHaveLength(3);
});

describe('a subscription', () => {
  it('stays open without a time limit, and each may have many beside calls', async () => {
    const streams: ServerResponse[] = [];
    const { send, ear } = await modern(
      (request, response) => {
        if (request.body.method !== 'subscriptions/listen') return json(response, ok(request.body.id));
        streams.push(response);
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': x\n\n');
      },
      { timeouts: { callMs: 150, idleMs: 150 }, limits: { inFlight: 1, listens: 2 } },
    );
    for (const id of [1, 2, 3]) send({ id, method: 'subscriptions/listen', params: MODERN });
    expect((await ear.answer(3)).failure).toMatchObject({ why: 'has too many subscriptions open already' });
    await pause(700);
    send({ id: 4, method: 'prompts/list', params: MODERN });
    await ear.answer(4);
    const note = { jsonrpc: '2.0', method: 'notifications/tools/list_changed' };
    streams[0]!.write(events(note));
    expect(await ear.next()).toEqual({ message: JSON.stringify(note), about: 1 });
    streams[0]!.end(events(ok(1)));
    streams[1]!.end();
    expect(await ear.answer(1)).toEqual(ok(1));
    expect((await ear.answer(2)).failure!.why).toMatch(/ended its answer/);
  });
});

describe('many calls', () => {
  it('wait for their turn up to a bound, and the link says when it is full and when not', async () => {
    let most = 0;
    let now = 0;
    const { link, send, ear } = await modern(
      (request, response) => {
        most = Math.max(most, ++now);
        setTimeout(() => (now--, json(response, ok(request.body.id))), 20);
      },
      { limits: { inFlight: 4, queued: 8 } },
    );
    for (let id = 1; id <= 4; id++) send({ id, method: 'prompts/list', params: MODERN });
    expect(link.isFull).toBe(false);
    for (let id = 5; id <= 13; id++) send({ id, method: 'prompts/list', params: MODERN });
    expect(link.isFull).toBe(true);
    expect((await ear.answer(13)).failure).toMatchObject({ code: -31006, kind: 'refused' });
    for (let id = 1; id <= 12; id++) expect(await ear.answer(id)).toEqual(ok(id));
    expect(most).toBe(4);
    expect(await ear.next()).toEqual({ drained: true });
    expect(link.isFull).toBe(false);
  });

  it('tells nothing more once it is closed', async () => {
    const { link, send, ear } = await modern(
      (request, response) => void setTimeout(() => json(response, ok(request.body.id)), 30),
    );
    for (let id = 1; id <= 5; id++) send({ id, method: 'prompts/list', params: MODERN });
    await link.close();
    send({ id: 6, method: 'prompts/list', params: MODERN });
    await pause(100);
    expect(ear.told).toEqual([]);
  });

  it('carry headers that change', async () => {
    let token = 'a';
    let headers = { authorization: token };
    const { send, ear, server } = await modern(listing([[]]), { headers: () => headers });
    for (const id of [1, 2]) {
      send({ id, method: 'prompts/list', params: MODERN });
      await ear.answer(id);
      token = 'b';
      headers = { authorization: token };
    }
    expect(server.seen.map((one) => one.headers.authorization)).toEqual(['a', 'b']);
  });
});
