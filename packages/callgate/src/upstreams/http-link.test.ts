import { afterEach, describe, expect, it } from 'vitest';
import { events, json, linkTo, MODERN, serve, type TestServer } from './http-testing.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one.close();
});
async function served(...given: Parameters<typeof serve>): Promise<TestServer> {
  const server = await serve(...given);
  open.push(server);
  return server;
}
function linked(...given: Parameters<typeof linkTo>): ReturnType<typeof linkTo> {
  const one = linkTo(...given);
  open.push(one);
  return one;
}

const answer = (id: unknown, result: object = {}) => ({ jsonrpc: '2.0', id, result });

describe('a modern link', () => {
  it('posts the very bytes and hands on the answer', async () => {
    const server = await served((request, response) => json(response, answer(request.body.id, { n: 1 })));
    const { send, ear } = linked(server.url, { era: 'modern', headers: { Authorization: 'Bearer s3cret' } });
    send({ id: 1, method: 'prompts/get', params: { name: 'naïve', ...MODERN } });
    expect(await ear.answer(1)).toEqual(answer(1, { n: 1 }));
    const [request] = server.seen;
    expect(request!.headers).toMatchObject({
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      'accept-encoding': 'identity',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'prompts/get',
      'mcp-name': `=?base64?${Buffer.from('naïve').toString('base64')}?=`,
      authorization: 'Bearer s3cret',
    });
    expect(request!.headers).not.toHaveProperty('mcp-session-id');
  });

  it('hands on what comes on a stream, and for which request', async () => {
    const note = { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } };
    const server = await served((request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      response.end(events(note, answer(request.body.id)));
    });
    const { send, ear } = linked(server.url, { era: 'modern' });
    send({ id: 7, method: 'resources/read', params: { uri: 'file:///a', ...MODERN } });
    expect(await ear.next()).toEqual({ message: JSON.stringify(note), about: 7 });
    expect(await ear.answer(7)).toEqual(answer(7));
    expect(server.seen[0]!.headers['mcp-name']).toBe('file:///a');
  });
});

describe('a legacy link', () => {
  it('keeps the session, listens, and ends it', async () => {
    const server = await served((request, response) => {
      if (request.method === 'DELETE') return response.writeHead(200).end();
      if (request.method === 'GET') {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        return response.write(events({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }));
      }
      if (request.body.id === undefined) return response.writeHead(202).end();
      const headers = request.body.method === 'initialize' ? { 'mcp-session-id': 's-1' } : {};
      return json(response, answer(request.body.id, { protocolVersion: '2025-06-18' }), 200, headers);
    });
    const { link, send, ear } = linked(server.url, { era: 'legacy' });
    send({ id: 1, method: 'initialize', params: {} });
    await ear.answer(1);
    send({ method: 'notifications/initialized' });
    send({ id: 2, method: 'tools/list' });
    await ear.answer(2);
    expect(await ear.next()).toEqual({
      message: '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}',
      about: undefined,
    });
    await link.close();
    const session = { 'mcp-session-id': 's-1', 'mcp-protocol-version': '2025-06-18' };
    expect(server.seen.map(({ method }) => method).toSorted()).toEqual(['DELETE', 'GET', 'POST', 'POST', 'POST']);
    expect(server.seen[0]!.headers).not.toHaveProperty('mcp-session-id');
    for (const { headers } of server.seen.slice(1)) expect(headers).toMatchObject(session);
    for (const { headers } of server.seen) expect(headers).not.toHaveProperty('mcp-method');
  });
});
