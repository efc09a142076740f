import { createServer, type Server } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { ServerResponse } from 'node:http';
import { Dispatcher } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { guardFor, guardedAgent, readTarget } from '../net/index.ts';
import type { HttpLinkOptions } from './http-link.ts';
import { events, json, linkTo, MODERN, serve, type SeenRequest } from './http-testing.ts';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one.close();
});

const ok = (id: unknown) => ({ jsonrpc: '2.0', id, result: {} });
const sse = (response: ServerResponse, text: string | Buffer) =>
  response.writeHead(200, { 'content-type': 'text/event-stream' }).write(text);
const typed = (type: string, text: string) => (_: SeenRequest, response: ServerResponse) =>
  void response.writeHead(200, { 'content-type': type }).end(text);

/** What one call comes to. Everything the server says is secret here: no word of it may be in `why`. */
async function why(
  handle: (request: SeenRequest, response: ServerResponse) => void,
  options: Partial<HttpLinkOptions> = {},
): Promise<{ why: string; kind: string; retryAfterMs?: number; calls: number; told: unknown[] }> {
  const server = await serve(handle);
  open.push(server);
  const { send, ear, close } = linkTo(server.url, {
    era: 'modern',
    headers: { authorization: 'Bearer s3cret', 'x-api-key': 's3cret' },
    ...options,
    limits: { messageBytes: 10_000, ...options.limits },
  });
  open.push({ close });
  send({ id: 1, method: 'tools/call', params: { name: 't', ...MODERN } });
  const { failure } = await ear.answer(1);
  expect(failure, JSON.stringify(ear.told)).toBeDefined();
  expect(failure!.why).not.toMatch(/s3cret|[<>{}]|https?:|127\.0\.0\.1/);
  expect(failure!.why).toMatch(/^[a-z]/);
  const calls = server.seen.filter(({ body }) => body.method === 'tools/call').length;
  const { retryAfterMs } = failure!;
  return {
    why: failure!.why,
    kind: failure!.kind,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    calls,
    told: ear.told,
  };
}

/** Answers the list of tools, which a modern link asks for first, and leaves the call to the case. */
const after =
  (handle: (request: SeenRequest, response: ServerResponse) => void) =>
  (request: SeenRequest, response: ServerResponse): void => {
    if (request.body.method !== 'tools/list') return handle(request, response);
    json(response, { jsonrpc: '2.0', id: request.body.id, result: { tools: [{ name: 't', inputSchema: {} }] } });
  };

describe('a server that does not answer as it must', () => {
  it.each<[string, (request: SeenRequest, response: ServerResponse) => void, RegExp, string?]>([
    ['HTML', typed('text/html', '<p>s3cret</p>'), /^answered with text\/html in place of a message \(HTTP 200\)$/],
    ['plain text that is JSON', typed('text/plain', '{"jsonrpc":"2.0","id":1,"result":{}}'), /text\/plain/],
    ['a media type that is none', typed('s3cret', '{}'), /with another media type/],
    ['a prefix of the media type', typed('application/jsonp', '{}'), /with another media type/],
    ['HTML that says it is JSON', typed('application/json', '<p>s3cret</p>'), /no message/],
    ['an empty body', typed('application/json', ''), /empty body/],
    ['cut JSON', typed('application/json', '{"jsonrpc":"2.0","id":1,"resu'), /no message/],
    ['duplicate keys', typed('application/json', '{"jsonrpc":"2.0","id":1,"id":1,"result":{}}'), /no message/],
    ['a batch', typed('application/json', '[{"jsonrpc":"2.0","id":1,"result":{}}]'), /no message/],
    ['the answer to another request', (_, r) => json(r, ok(2)), /another request/],
    ['the id as a string', (_, r) => json(r, ok('1')), /another request/],
    ['a stream that ends', (_, r) => void (sse(r, ': hello\n\n'), r.end()), /ended its answer before/],
    ['a stream with another answer', (_, r) => void (sse(r, events(ok(2))), r.end()), /another request/],
    [
      'a stream cut in an event',
      (_, r) => void (sse(r, 'data: {"jsonrpc":"2.0","id":1,"result":{}}\n'), r.end()),
      /ended its answer/,
    ],
    ['nothing', (_, r) => void r.writeHead(202).end(), /gave no answer \(HTTP 202\)/],
    ['nothing at all', (_, r) => void r.writeHead(204).end(), /gave no answer \(HTTP 204\)/],
    [
      'a redirect',
      (_, r) => void r.writeHead(302, { location: 'http://169.254.169.254/' }).end(),
      /redirect.*\(HTTP 302\)/,
      'refused',
    ],
    [
      'a lasting redirect',
      (_, r) => void r.writeHead(307, { location: '/s3cret' }).end(),
      /redirect.*\(HTTP 307\)/,
      'refused',
    ],
    ['401', (_, r) => json(r, ok(1), 401), /^refused the credential that Callgate presents \(HTTP 401\)$/, 'refused'],
    ['403', (_, r) => void r.writeHead(403).end('s3cret'), /refused the credential/, 'refused'],
    ['404', (_, r) => void r.writeHead(404).end('s3cret'), /HTTP 404/, 'refused'],
    ['a result with a status of refusal', (_, r) => json(r, ok(1), 400), /another request|HTTP 400/, 'refused'],
    [
      'an error that answers nobody',
      (_, r) => json(r, { jsonrpc: '2.0', id: null, error: { code: 1, message: 's3cret' } }, 400),
      /HTTP 400/,
      'refused',
    ],
    ['500', (_, r) => void r.writeHead(500).end('s3cret'), /HTTP 500/],
    [
      'a gzipped answer',
      (_, r) =>
        void r
          .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
          .end(gzipSync('x'.repeat(1e6))),
      /compressed/,
    ],
    [
      'more than may be',
      (_, r) => void r.writeHead(200, { 'content-type': 'application/json' }).end('x'.repeat(50_000)),
      /more than 10000 bytes/,
    ],
    [
      'an event of more than may be',
      (_, r) => void (sse(r, `data: ${'x'.repeat(50_000)}\n\n`), r.end()),
      /50000 bytes/,
    ],
    ['hanging up', (_, r) => void r.destroy(), /closed the connection before/],
    ['hanging up in the middle', (_, r) => void (sse(r, ': x\n'), setTimeout(() => r.destroy(), 30)), /broke off/],
    [
      'less than it said',
      (_, r) =>
        void (r.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' }).write('{'),
        setTimeout(() => r.destroy(), 30)),
      /broke off|another length/,
    ],
    [
      'two media types',
      (_, r) =>
        void r
          .writeHead(200, [
            ['content-type', 'application/json'],
            ['content-type', 'text/html'],
          ])
          .end('{}'),
      /no one media type/,
    ],
  ])('fails a call on %s, and sends it once', async (_, handle, expected, kind = 'transport') => {
    const outcome = await why(after(handle));
    expect(outcome).toMatchObject({ why: expect.stringMatching(expected), kind, calls: 1 });
  });

  it('tells when to come back', async () => {
    const outcome = await why(after((_, r) => void r.writeHead(429, { 'retry-after': '7' }).end()));
    expect(outcome).toMatchObject({ why: 'was asked too often (HTTP 429)', kind: 'refused', retryAfterMs: 7000 });
    const later = new Date(Date.now() + 60_000).toUTCString();
    const { retryAfterMs, kind } = await why(after((_, r) => void r.writeHead(503, { 'retry-after': later }).end()));
    expect([kind, Math.round(retryAfterMs! / 10_000)]).toEqual(['transport', 6]);
  });

  it.each<[string, (request: SeenRequest, response: ServerResponse) => void, Partial<HttpLinkOptions>, RegExp]>([
    ['no headers', () => undefined, { timeouts: { firstByteMs: 200 } }, /did not begin to answer in time/],
    ['silence', (_, r) => void sse(r, ': x\n\n'), { timeouts: { idleMs: 200 } }, /fell silent/],
    [
      'a stream of comments without end',
      (_, r) => void (sse(r, ': x\n\n'), setInterval(() => r.write(': x\n\n'), 20).unref()),
      { timeouts: { callMs: 300 } },
      /did not answer in time/,
    ],
    [
      'an event that does not end',
      (_, r) => void (sse(r, 'data: '), setInterval(() => r.write('x'.repeat(5000)), 1).unref()),
      {},
      /event that does not end/,
    ],
    [
      'a line that does not end',
      (_, r) => void (sse(r, ':'), setInterval(() => r.write('x'.repeat(5000)), 1).unref()),
      {},
      /event that does not end/,
    ],
  ])('gives up on %s', async (_, handle, options, expected) => {
    expect(await why(after(handle), options)).toMatchObject({ why: expect.stringMatching(expected), calls: 1 });
  });

  it('says so when nobody listens', async () => {
    const server = await serve(() => undefined);
    await server.close();
    const { send, ear, close } = linkTo(server.url, { era: 'modern' });
    open.push({ close });
    send({ id: 1, method: 'prompts/get', params: { name: 'a', ...MODERN } });
    expect((await ear.answer(1)).failure).toMatchObject({
      why: 'could not be reached: connection refused',
      kind: 'transport',
    });
  });

  it.each([
    'HTTP/1.1 two hundred\r\n\r\n',
    'SSH-2.0-s3cret\r\n',
    `HTTP/1.1 200 OK\r\n${'a: s3cret\r\n'.repeat(5000)}\r\n`,
    'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcde',
  ])('fails a call on what is no HTTP: %#', async (text) => {
    const server: Server = createServer(
      (socket) => void socket.on('error', () => undefined).once('data', () => socket.end(text)),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push({ close: () => new Promise((resolve) => server.close(resolve)) });
    const { port } = server.address() as { port: number };
    const { send, ear, close } = linkTo(`http://127.0.0.1:${port}/`, { era: 'legacy' });
    open.push({ close });
    send({ id: 1, method: 'tools/call', params: { name: 't' } });
    const { failure } = await ear.answer(1);
    expect(failure!.why).toMatch(/broken HTTP|too long|another length|closed the connection/);
    expect(failure!.why).not.toContain('s3cret');
  });

  it('hands on one answer only, and nothing after it', async () => {
    const server = await serve((request, response) => {
      const { id } = request.body;
      sse(
        response,
        events(
          ok(id),
          { jsonrpc: '2.0', id, result: { second: true } },
          { jsonrpc: '2.0', method: 'notifications/message' },
        ),
      );
      response.end();
    });
    open.push(server);
    const { send, ear, close } = linkTo(server.url, { era: 'legacy' });
    open.push({ close });
    send({ id: 1, method: 'tools/call', params: { name: 't' } });
    expect(await ear.answer(1)).toEqual(ok(1));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(ear.told).toEqual([]);
  });

  it('never lets one call be answered on the stream of another', async () => {
    let first: ServerResponse | undefined;
    const server = await serve((request, response) => {
      if (request.body.id === 1) return void sse((first = response), ': x\n\n');
      sse(response, events({ jsonrpc: '2.0', id: 1, result: { forged: true } }, ok(2)));
      response.end();
    });
    open.push(server);
    const { send, ear, close } = linkTo(server.url, { era: 'legacy' });
    open.push({ close });
    send({ id: 1, method: 'tools/call', params: { name: 'a' } });
    send({ id: 2, method: 'tools/call', params: { name: 'b' } });
    expect(await ear.answer(2)).toEqual(ok(2));
    first!.end(events({ jsonrpc: '2.0', id: 1, result: { right: true } }));
    expect(await ear.answer(1)).toEqual({ jsonrpc: '2.0', id: 1, result: { right: true } });
    expect(ear.told).toEqual([]);
  });

  it('passes on an error under a status of refusal when it answers the request', async () => {
    const error = { jsonrpc: '2.0', id: 1, error: { code: -32022, message: 'no such revision' } };
    const server = await serve((_, response) => json(response, error, 400));
    open.push(server);
    const { send, ear, close } = linkTo(server.url, { era: 'modern' });
    open.push({ close });
    send({ id: 1, method: 'server/discover', params: MODERN });
    expect(await ear.answer(1)).toEqual(error);
  });

  it('fails a call whose request is refused before it was read', async () => {
    const server = await serve(
      () => undefined,
      (raw, response) => {
        raw.pause();
        response.writeHead(413, { connection: 'close' }).end('s3cret');
      },
    );
    open.push(server);
    const { send, ear, close } = linkTo(server.url, { era: 'legacy' });
    open.push({ close });
    send({ id: 1, method: 'tools/call', params: { name: 'a', arguments: { text: 'x'.repeat(5_000_000) } } });
    expect((await ear.answer(1)).failure!.why).toMatch(/HTTP 413|closed the connection/);
    send({ id: 2, method: 'ping' });
    expect((await ear.answer(2)).failure!.why).toMatch(/HTTP 413|closed the connection/);
  });

  it('asks once more for what changes nothing when the connection was lost', async () => {
    let asked = 0;
    const server = await serve((request, response) =>
      asked++ === 0 ? void response.destroy() : json(response, ok(request.body.id)),
    );
    open.push(server);
    const { send, ear, close } = linkTo(server.url, { era: 'modern' });
    open.push({ close });
    send({ id: 1, method: 'tools/list', params: MODERN });
    expect(await ear.answer(1)).toEqual(ok(1));
    expect(asked).toBe(2);
  });
});

it('asks once more, whatever it is, when the connection was lost before the request was given to it', async () => {
  let dialled = 0;
  const server = await serve((request, response) => json(response, ok(request.body.id)));
  open.push(server);
  const target = readTarget(server.url);
  const guarded = guardedAgent({ guard: guardFor(target) });
  const agent = new (class extends Dispatcher {
    override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
      if (dialled++ > 0) return guarded.dispatch(options, handler);
      handler.onError?.(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
      return true;
    }
  })();
  open.push({ close: () => guarded.destroy() });
  const { send, ear, link } = linkTo(server.url, { era: 'legacy', agent });
  open.push(link);
  send({ id: 1, method: 'tools/call', params: { name: 'a' } });
  expect(await ear.answer(1)).toEqual(ok(1));
  expect([dialled, server.seen.length]).toEqual([2, 1]);
});

describe('headers that an operator wrote', () => {
  it.each<Record<string, string>>([
    { Host: 'a' },
    { 'Mcp-Session-Id': 'x' },
    { 'content-length': '1' },
    { 'a b': 'x' },
    { 'x-a': 's3cret\r\nx: y' },
    { 'x-a': 's3creté€' },
    { A: 's3cret', a: 'x' },
    { 'Mcp-Param-x': 'y' },
  ])('are refused: %j', (headers) => {
    try {
      linkTo('http://127.0.0.1:1/', { era: 'modern', headers });
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'CG_UPSTREAM_HEADER' });
      expect(String(error)).not.toContain('s3cret');
    }
  });
});
