import { writeFileSync } from 'node:fs';
import { Client, SSEClientTransport } from '@modelcontextprotocol/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bench, realServer, received } from './peers/gate.ts';
import { keyOf, post, sdkClient, serve, type Served } from './peers/serve.ts';

const POLICY = `version: 1
default: deny
rules:
  - id: no-hello
    match: { server: everything, tool: echo }
    args: { message: { contains: forbidden } }
    effect: deny
    reason: That word is not said here.
  - { id: no-env, match: { tool: get-env }, effect: deny, reason: The environment is private. }
  - { id: all, match: { method: "*" }, effect: allow }
`;

let bench: Bench;
let gates: Served[];
let clients: Client[];
beforeEach(() => {
  bench = new Bench(POLICY);
  gates = [];
  clients = [];
});
afterEach(async () => {
  await Promise.all(clients.map(async (client) => client.close()));
  await Promise.all(gates.map(async (gate) => gate.stop()));
  bench.remove();
});

async function start(...args: readonly string[]): Promise<Served> {
  const gate = await serve(bench, ...args);
  gates.push(gate);
  return gate;
}

async function client(url: string, era: 'legacy' | 'modern', headers?: Record<string, string>): Promise<Client> {
  const one = await sdkClient(url, era, headers);
  clients.push(one);
  return one;
}

const textOf = (result: unknown): string | undefined =>
  (result as { content?: { text?: string }[] }).content?.[0]?.text;
const call = (one: Client, name: string, args: object = {}) =>
  one.callTool({ name, arguments: args as Record<string, unknown> });

describe.each(['legacy', 'modern'] as const)('callgate serve, for a client of the %s era', (era) => {
  it('judges the calls of a stdio server', async () => {
    const gate = await start('--auth', 'anonymous', '--', ...realServer('everything'));
    const one = await client(gate.url, era);
    const tools = (await one.listTools()).tools.map(({ name }) => name);
    expect(tools).toContain('echo');
    expect(tools).not.toContain('get-env');
    expect(textOf(await call(one, 'echo', { message: 'hi' }))).toBe('Echo: hi');
    expect(textOf(await call(one, 'echo', { message: 'forbidden' }))).toContain('That word is not said here.');
  });

  it('passes what the server asks of its client, and the answer', async () => {
    const gate = await start('--auth', 'anonymous', '--', ...realServer('everything'));
    const one = await client(gate.url, era);
    const result = await call(one, 'trigger-sampling-request', { prompt: 'say', maxTokens: 10 });
    expect(textOf(result)).toContain('sampled');
  });

  it('stands in front of a server that is reached by URL', async () => {
    const behind = await start('--auth', 'anonymous', '--', ...realServer('everything'));
    const gate = await start('--auth', 'anonymous', '--upstream', behind.url, '--name', 'everything');
    const one = await client(gate.url, era);
    expect(textOf(await call(one, 'echo', { message: 'far' }))).toBe('Echo: far');
    expect(textOf(await call(one, 'echo', { message: 'forbidden' }))).toContain('That word is not said here.');
  });

  it('makes many servers one, each judged under its own names; a dead one harms no other', async () => {
    writeFileSync(
      bench.path('callgate.yaml'),
      JSON.stringify({
        servers: {
          everything: serverOf(realServer('everything')),
          memory: { ...serverOf(realServer('memory')), env: { MEMORY_FILE_PATH: bench.path('memory.jsonl') } },
          dead: serverOf([process.execPath, '-e', 'process.exit(3)']),
        },
      }),
    );
    const gate = await start('--auth', 'anonymous', '--config', bench.path('callgate.yaml'));
    const one = await client(gate.url, era);
    const tools = (await one.listTools()).tools.map(({ name }) => name);
    expect(tools).toContain('everything__echo');
    expect(tools).toContain('memory__read_graph');
    expect(tools).not.toContain('everything__get-env');
    expect(textOf(await call(one, 'everything__echo', { message: 'hi' }))).toBe('Echo: hi');
    expect(textOf(await call(one, 'everything__echo', { message: 'forbidden' }))).toContain('rule "no-hello"');
    expect(textOf(await call(one, 'memory__read_graph'))).toContain('entities');
    const alone = await client(`${gate.origin}/mcp/memory`, era);
    expect((await alone.listTools()).tools.map(({ name }) => name)).toContain('read_graph');
  });

  it('lets in who has the key of the home, and nobody else', async () => {
    const gate = await start('--', ...realServer('everything'));
    await expect(client(gate.url, era)).rejects.toThrow(/401|[Uu]nauthor|key is (wanted|not valid)/);
    await expect(client(gate.url, era, { Authorization: 'Bearer cgk_wrong' })).rejects.toThrow(
      /401|[Uu]nauthor|key is (wanted|not valid)/,
    );
    const one = await client(gate.url, era, { Authorization: `Bearer ${keyOf(bench)}` });
    expect(textOf(await call(one, 'echo', { message: 'hi' }))).toBe('Echo: hi');
    await gate.stop();
    const [record] = await bench.logs('--tool', 'echo');
    expect(JSON.stringify(record)).toContain('key:');
    expect(JSON.stringify(record)).not.toContain(keyOf(bench));
  });
});

const serverOf = ([command, ...args]: readonly string[]) => ({ command, args });

describe('callgate serve', () => {
  it('keeps the sessions of two clients apart', async () => {
    const gate = await start('--auth', 'anonymous', '--', ...realServer('everything'));
    const hello = {
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
    };
    const ids = await Promise.all([post(gate.url, hello), post(gate.url, hello)]);
    const [a, b] = ids.map(({ headers }) => headers.get('mcp-session-id') ?? '');
    expect(a).not.toBe(b);
    const ask = (session: string, message: string) =>
      post(
        gate.url,
        { id: 2, method: 'tools/call', params: { name: 'echo', arguments: { message } } },
        { 'mcp-session-id': session },
      );
    await Promise.all(
      [a, b].map((session) =>
        post(gate.url, { method: 'notifications/initialized' }, { 'mcp-session-id': session ?? '' }),
      ),
    );
    const answers = await Promise.all([ask(a ?? '', 'one'), ask(b ?? '', 'two')]);
    expect(answers.map(({ text }) => /Echo: \w+/.exec(text)?.[0])).toEqual(['Echo: one', 'Echo: two']);
    expect((await ask('unknown', 'x')).status).toBe(404);
  });

  it('hides no message on a line of another: what is written over several lines reaches a stdio server as one', async () => {
    const gate = await start('--auth', 'anonymous', '--', ...bench.echo());
    const meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const hidden = '{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"get-env","arguments":{}}}';
    const args = `{"message":"x","more":[\n${hidden}\n]}`;
    const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":${args},"_meta":${JSON.stringify(meta)}}}`;
    const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'echo' };
    const answer = await post(gate.url, body, headers);
    expect(answer.text).toContain('Echo: x');
    await gate.stop();
    const lines = received(bench.path('seen'));
    expect(lines.filter((line) => line.includes('get-env'))).toHaveLength(1);
    expect(lines.map((line) => line.trim())).not.toContain(hidden);
  });

  it('speaks HTTP+SSE of 2024-11-05 on both sides where it is told to', async () => {
    const behind = await start('--auth', 'anonymous', '--transport', 'sse', '--', ...realServer('everything'));
    const servers = { old: { url: `${behind.origin}/sse`, transport: 'sse' } };
    writeFileSync(bench.path('callgate.yaml'), JSON.stringify({ servers }));
    const gate = await start('--auth', 'anonymous', '--transport', 'sse', '--config', bench.path('callgate.yaml'));
    const one = new Client({ name: 'old', version: '1' });
    clients.push(one);
    await one.connect(new SSEClientTransport(new URL(`${gate.origin}/sse`)));
    expect(textOf(await call(one, 'echo', { message: 'old' }))).toBe('Echo: old');
  });

  it('answers health and readiness without a key', async () => {
    const gate = await start('--', ...realServer('everything'));
    expect((await fetch(`${gate.origin}/health`)).status).toBe(200);
    expect((await fetch(`${gate.origin}/ready`)).status).toBe(200);
    expect((await post(gate.url, { id: 1, method: 'ping' })).status).toBe(401);
  });

  it('is not ready while a server is down', async () => {
    const gate = await start('--auth', 'anonymous', '--upstream', 'http://127.0.0.1:9/mcp');
    await post(gate.url, {
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
    });
    expect((await fetch(`${gate.origin}/ready`)).status).toBe(503);
  });

  it('sends headers from the environment, and never shows them', async () => {
    const behind = await start('--', ...realServer('everything'));
    const saved = process.env['UPSTREAM_KEY'];
    process.env['UPSTREAM_KEY'] = keyOf(bench);
    try {
      const gate = await start(
        '--auth',
        'anonymous',
        '--upstream',
        behind.url,
        '--header',
        'Authorization: Bearer ${UPSTREAM_KEY}',
      );
      const one = await client(gate.url, 'legacy');
      expect(textOf(await call(one, 'echo', { message: 'hi' }))).toBe('Echo: hi');
      expect(gate.stderr()).not.toContain(keyOf(bench));
    } finally {
      if (saved === undefined) delete process.env['UPSTREAM_KEY'];
      else process.env['UPSTREAM_KEY'] = saved;
    }
  });

  it('refuses a header whose variable is not set, before it listens', async () => {
    await expect(
      start('--upstream', 'http://127.0.0.1:9/mcp', '--header', 'Authorization: Bearer ${NOT_SET_ANYWHERE}'),
    ).rejects.toThrow('CG_CONFIG_UNSET_VARIABLE');
  });

  it('ends its servers when it ends', async () => {
    const gate = await start('--auth', 'anonymous', '--', ...realServer('everything'));
    await client(gate.url, 'legacy');
    expect(await gate.stop()).toBe(0);
  });
});
