import { spawn, type ChildProcess } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, fromJsonSchema, McpServer } from '@modelcontextprotocol/server';
import { afterEach, describe, expect, it } from 'vitest';
import { guardFor, guardedAgent, readTarget } from '../net/index.ts';
import { encodeUtf8 } from '../protocol/text.ts';
import { Ear, linkTo, MODERN } from './http-testing.ts';
import { sseLink } from './sse-link.ts';

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

/** The reference server of the project that makes the protocol. */
async function everything(transport: 'streamableHttp' | 'sse'): Promise<number> {
  const port = await freePort();
  const main = fileURLToPath(
    new URL('../../../../node_modules/@modelcontextprotocol/server-everything/dist/index.js', import.meta.url),
  );
  const child: ChildProcess = spawn(process.execPath, [main, transport], {
    env: { ...process.env, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  open.push(() => child.kill('SIGKILL'));
  await new Promise<void>((resolve, reject) => {
    child.stderr!.on('data', (text: Buffer) => text.includes(String(port)) && resolve());
    child.once('exit', () => reject(new Error('the server ended')));
  });
  return port;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const INITIALIZE = {
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: { sampling: {} }, clientInfo: { name: 'test', version: '1' } },
};

type Send = (message: object) => void;

/** What any server that works does. @returns the answer to a call for which it asked something itself */
async function converse(send: Send, ear: Ear): Promise<string> {
  send(INITIALIZE);
  expect(await ear.answer(0)).toMatchObject({
    result: { serverInfo: { name: expect.stringContaining('everything') } },
  });
  send({ method: 'notifications/initialized' });
  send({ id: 1, method: 'tools/list' });
  const { result } = await ear.answer(1);
  expect((result as { tools: object[] }).tools.length).toBeGreaterThan(5);
  send({ id: 2, method: 'tools/call', params: { name: 'echo', arguments: { message: 'grüß' } } });
  expect(await ear.answer(2)).toMatchObject({
    result: { content: [{ type: 'text', text: expect.stringContaining('grüß') }] },
  });
  send({ id: 3, method: 'tools/call', params: { name: 'trigger-sampling-request', arguments: { prompt: 'hi' } } });
  const asked = (await ear.next((told) => 'message' in told && told.message.includes('sampling/createMessage'))) as {
    message: string;
  };
  const { id } = JSON.parse(asked.message) as { id: number };
  send({ id, result: { role: 'assistant', model: 'm', content: { type: 'text', text: 'sampled' } } });
  return JSON.stringify(await ear.answer(3));
}

describe('real servers', () => {
  it('server-everything over Streamable HTTP: calls, what it asks, its stream, the end of the session', async () => {
    const { send, ear, close } = linkTo(`http://127.0.0.1:${await everything('streamableHttp')}/mcp`, {
      era: 'legacy',
    });
    open.push(close);
    expect(await converse(send, ear)).toContain('sampled');
    send({
      id: 4,
      method: 'tools/call',
      params: {
        name: 'trigger-long-running-operation',
        arguments: { duration: 0.2, steps: 2 },
        _meta: { progressToken: 4 },
      },
    });
    expect(
      await ear.next((told) => 'message' in told && told.message.includes('notifications/progress')),
    ).toMatchObject({ about: 4 });
    expect(await ear.answer(4)).toMatchObject({ result: { content: [{ type: 'text' }] } });
  });

  it('server-everything over HTTP+SSE', async () => {
    const target = readTarget(`http://127.0.0.1:${await everything('sse')}/sse`);
    const agent = guardedAgent({ guard: guardFor(target) });
    const ear = new Ear();
    const link = sseLink(target, { agent }, ear);
    open.push(async () => {
      await link.close();
      await agent.destroy();
    });
    const last = await converse((message) => {
      const bytes = encodeUtf8(JSON.stringify({ jsonrpc: '2.0', ...message }));
      link.send(bytes, 0, bytes.length);
    }, ear);
    expect(last).toContain('sampled');
  });

  describe('a server of both eras, made with the SDK', () => {
    async function both(): Promise<string> {
      const handler = createMcpHandler(() => {
        const server = new McpServer(
          { name: 'both', version: '1' },
          { capabilities: { tools: { listChanged: true } } },
        );
        const declared = (type: string, header: string): object => ({ type, 'x-mcp-header': header });
        const properties = { region: declared('string', 'Region'), urgent: declared('boolean', 'Urgent') };
        const inputSchema = fromJsonSchema<{ region: string }>({ type: 'object', properties, required: ['region'] });
        server.registerTool('run', { inputSchema }, ({ region }) => ({
          content: [{ type: 'text', text: `ran in ${region}` }],
        }));
        return server;
      });
      const handle = toNodeHandler(handler);
      const server: Server = createServer(
        (request, response) => void handle(request as Parameters<typeof handle>[0], response),
      );
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      open.push(() => {
        server.closeAllConnections();
        server.close();
      });
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
    }
    const ran = (region: string) => ({ content: [{ type: 'text', text: `ran in ${region}` }] });

    it('accepts the headers of the modern era', async () => {
      const { send, ear, close } = linkTo(await both(), { era: 'modern' });
      open.push(close);
      send({ id: 1, method: 'server/discover', params: MODERN });
      expect(await ear.answer(1)).toMatchObject({
        result: { supportedVersions: expect.arrayContaining(['2026-07-28']) },
      });
      for (const [id, region] of [
        [2, 'eu'],
        [3, 'zürich'],
        [4, ' x '],
        [5, '=?base64?eA==?='],
        [6, ''],
      ] as const) {
        send({ id, method: 'tools/call', params: { name: 'run', arguments: { region, urgent: true }, ...MODERN } });
        expect(await ear.answer(id)).toMatchObject({ result: ran(region) });
      }
      send({ id: 7, method: 'prompts/get', params: { name: 'nö', ...MODERN } });
      expect((await ear.answer(7)).error!.code).not.toBe(-32020);
    });

    it('keeps a subscription open until it is cancelled', async () => {
      const { send, ear, close } = linkTo(await both(), { era: 'modern' });
      open.push(close);
      send({ id: 1, method: 'subscriptions/listen', params: { notifications: { toolsListChanged: true }, ...MODERN } });
      expect(await ear.next()).toMatchObject({
        message: expect.stringContaining('notifications/subscriptions/acknowledged'),
        about: 1,
      });
      send({ method: 'notifications/cancelled', params: { requestId: 1 } });
      send({ id: 2, method: 'tools/list', params: MODERN });
      await ear.answer(2);
      expect(ear.told).toEqual([]);
    });

    it('speaks the legacy era', async () => {
      const { send, ear, close } = linkTo(await both(), { era: 'legacy' });
      open.push(close);
      send(INITIALIZE);
      expect(await ear.answer(0)).toMatchObject({ result: { serverInfo: { name: 'both' } } });
      send({ method: 'notifications/initialized' });
      send({ id: 1, method: 'tools/call', params: { name: 'run', arguments: { region: 'eu' } } });
      expect(await ear.answer(1)).toMatchObject({ result: ran('eu') });
    });
  });
});
