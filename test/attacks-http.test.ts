import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ALLOW_ALL, Bench, received } from './peers/gate.ts';
import { keyOf, post, serve, type Served } from './peers/serve.ts';

const POLICY = `version: 1
default: deny
rules:
  - { id: no-raw, match: { tool: [danger, b__danger] }, effect: deny }
  - { id: all, match: { method: "*", server: "*" }, effect: allow }
`;

let bench: Bench;
const gates: Served[] = [];
const servers: Server[] = [];
beforeEach(() => {
  bench = new Bench(POLICY);
});
afterEach(async () => {
  await Promise.all(gates.splice(0).map(async (gate) => gate.stop()));
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  bench.remove();
});

async function start(...args: readonly string[]): Promise<Served> {
  const gate = await serve(bench, ...args);
  gates.push(gate);
  return gate;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

interface Session {
  say(message: string | object): Promise<Answer>;
  call(name: string, args?: object, more?: object): Promise<Answer>;
}

/** A session of a legacy client. */
async function session(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Session> {
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'a', version: '1' } };
  const hello = await post(url, { id: 0, method: 'initialize', params }, headers);
  const id = hello.headers.get('mcp-session-id');
  if (id === null) throw new Error(`no session: ${hello.status} ${hello.text}`);
  let last = 0;
  const say = (message: string | object) => post(url, message, { ...headers, 'mcp-session-id': id });
  return {
    say,
    call: (name, args = {}, more = {}) =>
      say({ id: ++last, method: 'tools/call', params: { name, arguments: args, ...more } }),
  };
}

interface Seen {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** A server of 2026-07-28 over HTTP, or one that sends its callers elsewhere. */
async function upstream(elsewhere?: string): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      seen.push({ headers: request.headers, body });
      if (elsewhere !== undefined) return response.writeHead(307, { location: elsewhere }).end();
      const { id, method } = JSON.parse(body) as { id?: number; method: string };
      if (method === 'initialize') return response.writeHead(404).end();
      const task = { resultType: 'task', taskId: 'the-task', status: 'working' };
      const about = { supportedVersions: ['2026-07-28'], capabilities: { tools: {} } };
      const result =
        method === 'server/discover'
          ? about
          : body.includes('"begin"')
            ? task
            : { content: [], resultType: 'complete' };
      response.writeHead(200, { 'content-type': 'application/json' });
      return response.end(JSON.stringify({ jsonrpc: '2.0', id, result }));
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, seen };
}

const calls = (lines: readonly string[]): string[] => lines.filter((line) => line.includes('"tools/call"'));
const bearer = (): Record<string, string> => ({ authorization: `Bearer ${keyOf(bench)}` });

function modern(url: string, method: string, params: object, headers: Readonly<Record<string, string>> = {}) {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': { extensions: { 'io.modelcontextprotocol/tasks': {} } },
  };
  const { name, taskId } = params as { name?: string; taskId?: string };
  const named = name ?? taskId;
  return post(
    url,
    { id: 1, method, params: { ...params, _meta: meta } },
    {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(named === undefined ? {} : { 'mcp-name': named }),
      ...headers,
    },
  );
}

describe('past the policy', () => {
  it('leads no other spelling, and no line end inside a text', async () => {
    const gate = await start('--auth', 'anonymous', '--', ...bench.echo());
    const one = await session(gate.url);
    const spellings = [
      '{"jsonrpc":"2.0","id":7,"method":"tools\\/call","params":{"n\\u0061me":"dan\\u0067er","arguments":{}}}',
      '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","name":"danger"}}',
      '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"a":"x\ny"}}}',
      '[{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo"}}]',
      '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"danger"}}',
    ];
    for (const spelling of spellings) await one.say(spelling);
    await one.call('echo', { message: 'last' });
    expect(calls(received(bench.path('seen')))).toHaveLength(1);
  });

  it('leads no name among many servers', async () => {
    const server = (name: string) => {
      const [command, ...args] = bench.echo();
      return { command, args: args.map((arg) => (arg === bench.path('seen') ? bench.path(name) : arg)) };
    };
    const config = { servers: { a: server('a'), a__b: server('ab'), 'x.y': server('xy') } };
    writeFileSync(bench.path('many.yaml'), JSON.stringify(config));
    const gate = await start('--auth', 'anonymous', '--config', bench.path('many.yaml'));
    const one = await session(gate.url);
    for (const name of ['danger', 'a__danger', 'a__b__danger', 'A__danger', 'x.y__danger', 'x_y__danger', '__danger']) {
      await one.call(name);
    }
    for (const path of ['a/', 'A', '..%2fa', 'a%00', '__proto__', 'a;b', 'a/b']) {
      const hello = { id: 0, method: 'initialize', params: { protocolVersion: '2025-06-18' } };
      expect([path, (await post(`${gate.url}/${path}`, hello)).status]).toEqual([path, 404]);
    }
    const alone = await session(`${gate.url}/a`);
    await alone.call('danger');
    const arrived = ['a', 'ab', 'xy'].flatMap((name) => calls(received(bench.path(name))));
    expect(arrived).toEqual([]);
  });

  it('leads no answer to a question that nobody asked', async () => {
    const behind = await upstream();
    const gate = await start('--auth', 'anonymous', '--upstream', behind.url);
    const one = await session(gate.url);
    const answer = await one.call('echo', {}, { inputResponses: { q: { action: 'accept' } } });
    expect(JSON.parse(answer.text)).toMatchObject({ error: { code: -32602 } });
    expect(behind.seen.filter(({ body }) => body.includes('inputResponses'))).toEqual([]);
  });

  it.each(['batch', 'strict'])('no kill of the gate leads a call that is not in the log (%s)', async (durability) => {
    const gate = await start('--auth', 'anonymous', '--durability', durability, '--', ...bench.echo());
    let isOver = false;
    const clients = await Promise.all(Array.from({ length: 8 }, async () => session(gate.url)));
    const work = clients.map(async (one) => {
      while (!isOver) await one.call('echo', { message: 'x' }).catch(() => (isOver = true));
    });
    setTimeout(() => gate.process.kill('SIGKILL'), 700);
    await Promise.all(work);
    const arrived = calls(received(bench.path('seen'))).length;
    const recorded = await bench.logs('--tool', 'echo');
    expect(arrived).toBeGreaterThan(0);
    expect(recorded.length).toBeGreaterThanOrEqual(arrived);
  });
});

describe('of one client to another', () => {
  it('goes no task of a server that both share', async () => {
    const behind = await upstream();
    const gate = await start('--auth', 'anonymous', '--upstream', behind.url);
    await modern(gate.url, 'tools/call', { name: 'begin', arguments: {} }, bearer());
    for (const method of ['tasks/get', 'tasks/cancel', 'tasks/update']) {
      const answer = await modern(gate.url, method, { taskId: 'the-task' });
      expect(answer.text).toContain('another principal');
    }
    expect(behind.seen.filter(({ body }) => body.includes('tasks/'))).toEqual([]);
    expect((await modern(gate.url, 'tasks/get', { taskId: 'the-task' }, bearer())).status).toBe(200);
  });

  it('goes no session, and no event of one', async () => {
    const gate = await start('--auth', 'anonymous', '--', ...bench.echo());
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'a', version: '1' } };
    const hello = await post(gate.url, { id: 0, method: 'initialize', params }, bearer());
    const stolen = { 'mcp-session-id': hello.headers.get('mcp-session-id') as string };
    expect((await post(gate.url, { id: 1, method: 'tools/list' }, stolen)).status).toBe(404);
    const get = { method: 'GET', headers: { ...stolen, accept: 'text/event-stream', 'last-event-id': '1-0' } };
    expect((await fetch(gate.url, get)).status).toBe(404);
    expect((await fetch(gate.url, { method: 'DELETE', headers: stolen })).status).toBe(404);
  });

  it('leaves room for others: nobody has all processes of a server', async () => {
    const [command, ...args] = bench.echo();
    writeFileSync(bench.path('few.yaml'), JSON.stringify({ servers: { few: { command, args, maxProcesses: 4 } } }));
    const gate = await start('--auth', 'anonymous', '--config', bench.path('few.yaml'));
    const outcomes = await Promise.allSettled(Array.from({ length: 6 }, async () => session(gate.url)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    const mine = await session(gate.url, bearer());
    expect((await mine.call('echo', { message: 'here' })).text).toContain('here');
  });
});

describe('of secrets and addresses', () => {
  it('goes nothing on that a client shows, and nothing back of what the server is shown', async () => {
    const behind = await upstream();
    const gate = await start('--upstream', behind.url, '--header', 'Authorization: Bearer of-the-server');
    const shown = { ...bearer(), cookie: 'a=b', 'x-forwarded-for': '1.2.3.4', 'x-agent-key': keyOf(bench) };
    const answer = await modern(gate.url, 'tools/call', { name: 'echo', arguments: {} }, shown);
    expect(answer.status).toBe(200);
    const { headers } = behind.seen.at(-1)!;
    expect(headers['authorization']).toBe('Bearer of-the-server');
    const all = JSON.stringify(behind.seen) + JSON.stringify(await bench.logs()) + gate.stderr();
    for (const secret of [keyOf(bench), 'a=b', '1.2.3.4']) expect(all).not.toContain(secret);
    expect(answer.text + gate.stderr()).not.toContain('of-the-server');
  });

  it('follows no redirect', async () => {
    const secret = await upstream();
    const behind = await upstream(secret.url);
    const gate = await start('--auth', 'anonymous', '--upstream', behind.url);
    const answer = await modern(gate.url, 'tools/call', { name: 'echo', arguments: {} });
    expect(answer.text).toContain('error');
    expect([behind.seen.length > 0, secret.seen.length]).toEqual([true, 0]);
  });

  it('is no key for free because a repository says so', async () => {
    writeFileSync(bench.path('callgate.yaml'), 'serve: { auth: anonymous, host: 0.0.0.0 }\n');
    const gate = await start('--', ...bench.echo());
    expect(gate.url).toContain('127.0.0.1');
    expect((await post(gate.url, { id: 1, method: 'tools/list' })).status).toBe(401);
  });
});

it('holds no more than a bound of what clients make it wait for', async () => {
  bench.remove();
  bench = new Bench(ALLOW_ALL);
  const gate = await start('--auth', 'anonymous', '--', ...bench.echo());
  const one = await session(gate.url);
  const id = 'x'.repeat(9 << 20);
  const answers = Array.from({ length: 20 }, async (_, n) =>
    one
      .say({ id: `${id}${n}`, method: 'tools/call', params: { name: 'late', arguments: { ms: 60_000 } } })
      .catch(() => undefined),
  );
  const first = await Promise.race(answers);
  expect([first?.status, JSON.parse(first!.text)]).toMatchObject([503, { error: { code: -31006 } }]);
});

it('records what is no message, also of a client that has said nothing else', async () => {
  const gate = await start('--', ...bench.echo());
  for (const garbage of ['{', '[]', '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}']) {
    expect((await post(gate.url, garbage, bearer())).status).toBe(400);
  }
  expect((await post(gate.url, '{')).status).toBe(401);
  await gate.stop();
  const rules = (await bench.logs())
    .map(({ matchedRule }) => matchedRule)
    .filter((rule) => rule?.startsWith('protocol:'));
  expect(rules).toEqual(['protocol:truncated', 'protocol:batch', 'protocol:duplicate_key']);
});

it.each([
  'file:///etc/passwd',
  'http://169.254.169.254/',
  'http://[::ffff:10.0.0.1]/',
  'https://u:hidden-word@a.example/',
])('does not start in front of %s', async (url) => {
  const { code, stderr } = await bench.callgate('serve', '--port', '0', '--policy', bench.policy, '--upstream', url);
  expect(code).not.toBe(0);
  expect(stderr).toContain(url.startsWith('file') ? 'CG_NET_URL' : 'CG_NET_');
  expect(stderr).not.toContain('hidden-word');
});
