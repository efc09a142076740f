import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { guardFor, guardedAgent, readTarget } from '../net/index.ts';
import { encodeUtf8 } from '../protocol/text.ts';
import { Ear, events, serve, type SeenRequest } from './http-testing.ts';
import type { HttpLinkOptions } from './http-link.ts';
import { sseLink } from './sse-link.ts';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one.close();
});

const ok = (id: unknown) => ({ jsonrpc: '2.0', id, result: {} });
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A server of 2024-11-05. @param post answers a POST; `say` writes onto the stream */
async function server(
  endpoint: string | undefined,
  post: (request: SeenRequest, response: ServerResponse, say: (...messages: object[]) => void) => void,
  options: Partial<HttpLinkOptions> = {},
) {
  let stream: ServerResponse | undefined;
  const http = await serve((request, response) => {
    if (request.method === 'POST')
      return post(request, response, (...messages) => void stream!.write(events(...messages)));
    (stream = response).writeHead(200, { 'content-type': 'text/event-stream' }).write(': hello\n\n');
    if (endpoint !== undefined) response.write(`event: endpoint\ndata: ${endpoint}\n\n`);
  });
  open.push(http);
  const target = readTarget(http.url);
  const agent = guardedAgent({ guard: guardFor(target) });
  const ear = new Ear();
  const link = sseLink(target, { agent, ...options }, ear);
  open.push({ close: async () => (await link.close(), agent.destroy()) });
  const send = (message: object): void => {
    const bytes = encodeUtf8(JSON.stringify({ jsonrpc: '2.0', ...message }));
    link.send(bytes, 0, bytes.length);
  };
  return { http, ear, link, send, end: () => stream?.end() };
}

const answering = (request: SeenRequest, response: ServerResponse, say: (...messages: object[]) => void): void => {
  response.writeHead(202).end();
  if (request.body.id !== undefined) say(ok(request.body.id));
};

describe('a link over HTTP+SSE', () => {
  it.each(['/messages?session=1', 'messages?session=1', './messages?session=1'])(
    'posts to %s and hears on the stream',
    async (endpoint) => {
      const { send, ear, http } = await server(endpoint, answering, { headers: { 'x-key': 'k' } });
      send({ id: 1, method: 'initialize' });
      expect(await ear.answer(1)).toEqual(ok(1));
      expect(http.seen.map((one) => [one.method, one.headers['x-key']])).toEqual([
        ['GET', 'k'],
        ['POST', 'k'],
      ]);
    },
  );

  it.each([
    'http://127.0.0.1:1/messages',
    'https://evil.example/',
    '//evil.example/',
    'http://169.254.169.254/',
    `/${'x'.repeat(5000)}`,
    'http://u:p@[',
    '',
  ])('posts nothing to %s', async (endpoint) => {
    const { send, ear, http } = await server(endpoint, answering, { timeouts: { callMs: 300 } });
    send({ id: 1, method: 'initialize' });
    const told = await ear.next();
    if (endpoint !== '') expect(told).toEqual({ ended: 'named a place to post to that is not its own' });
    expect(http.seen.map(({ method }) => method)).toEqual(['GET']);
  });

  it('hands on what was asked for, and nothing that answers nobody', async () => {
    const ask = { jsonrpc: '2.0', id: 'q', method: 'roots/list' };
    const { send, ear } = await server('/m', (request, response, say) => {
      response.writeHead(202).end();
      if (request.body.id === 1) say(ok(7), ask, ok(1), ok(1));
    });
    send({ id: 1, method: 'tools/list' });
    expect(await ear.answer(1)).toEqual(ok(1));
    await pause(50);
    expect(ear.told).toEqual([{ message: JSON.stringify(ask), about: undefined }]);
  });

  it('fails what could not be posted, and goes on', async () => {
    const { send, ear } = await server('/m', (request, response, say) => {
      if (request.body.id === 1) return void response.writeHead(500).end('s3cret');
      answering(request, response, say);
    });
    send({ id: 1, method: 'tools/list' });
    expect((await ear.answer(1)).failure).toMatchObject({ why: 'failed (HTTP 500)', kind: 'transport' });
    send({ id: 2, method: 'tools/list' });
    expect(await ear.answer(2)).toEqual(ok(2));
  });

  it('gives up a call in time, and hears no more of one that was cancelled', async () => {
    const says: ((...messages: object[]) => void)[] = [];
    const { send, ear } = await server(
      '/m',
      (_, response, say) => (says.push(say), void response.writeHead(202).end()),
      { timeouts: { callMs: 200 } },
    );
    send({ id: 1, method: 'tools/list' });
    send({ id: 2, method: 'tools/list' });
    await pause(60);
    send({ method: 'notifications/cancelled', params: { requestId: 2 } });
    expect((await ear.answer(1)).failure).toMatchObject({ why: 'did not answer in time' });
    says[0]!(ok(1), ok(2));
    await pause(60);
    expect(ear.told).toEqual([]);
  });

  it('is over with its stream', async () => {
    const { send, ear, end } = await server('/m', (_, response) => void response.writeHead(202).end());
    send({ id: 1, method: 'tools/list' });
    await pause(60);
    end();
    expect(await ear.next()).toEqual({ ended: 'closed its stream of events' });
    send({ id: 2, method: 'tools/list' });
    expect(ear.told).toEqual([]);
  });

  it.each<[string, (response: ServerResponse) => void, RegExp]>([
    ['HTML', (r) => void r.writeHead(200, { 'content-type': 'text/html' }).end('<p>'), /text\/html/],
    ['405', (r) => void r.writeHead(405).end(), /HTTP 405/],
    ['401', (r) => void r.writeHead(401).end(), /refused the credential/],
    ['a redirect', (r) => void r.writeHead(302, { location: 'http://169.254.169.254/' }).end(), /redirect/],
  ])('is over when its stream is %s', async (_, handle, how) => {
    const http = await serve((_request, response) => handle(response));
    open.push(http);
    const target = readTarget(http.url);
    const agent = guardedAgent({ guard: guardFor(target) });
    const ear = new Ear();
    const link = sseLink(target, { agent }, ear);
    open.push({ close: async () => (await link.close(), agent.destroy()) });
    expect(await ear.next()).toEqual({ ended: expect.stringMatching(how) });
  });
});
