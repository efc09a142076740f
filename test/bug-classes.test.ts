import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Bench, isAlive, received, SECRET, within } from './peers/gate.ts';
import { keyOf, post, serve, type Served } from './peers/serve.ts';

// The bug classes that gateways for MCP have had, one regression test each, against the running gate over real sockets.
// In front of it are clients of both eras at `/mcp` and `/mcp/<server>`; behind it a command (`echo`) and a URL (`far`).

/** Classes of parts that do not exist yet: each gets its test with the part. */
const NOT_YET: Readonly<Record<string, string>> = {
  '24 a rug pull is noticed': 'descriptions are not pinned yet; that annotations earn no trust unasked is class 10',
  '25 text of a tool is no markup': 'there is no dashboard yet',
  'also: a token of another environment': 'clients are known by the key of the home; there is no OAuth yet',
};

const POLICY = `version: 1
default: deny
rules:
  - { id: no-wipe, match: { tool: wipe }, effect: deny, reason: Nothing is wiped here. }
  - { id: twice, match: { tool: add }, effect: allow, obligations: [{ rate: { max: 2, per: 1h } }] }
  - { id: small, match: { tool: large }, when: args.bytes < 100, effect: allow }
  - { id: not-large, match: { tool: large }, when: args.bytes > 1000, effect: deny, reason: Too large. }
  - { id: strip, match: { direction: result }, obligations: [{ redact: { classes: [secret] } }] }
  - id: some
    match: { tool: [echo, args, give, late, fork, where, far, "echo__echo", "b__c", c] }
    effect: allow
  - { id: results, match: { direction: result }, effect: allow }
  - { id: rest, match: { method: [initialize, ping, tools/list, server/discover, "notifications/*"] }, effect: allow }
`;

type Json = { readonly [key: string]: unknown };
type Era = 'legacy' | 'modern';
const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};
const DOORS = [
  ['legacy', '/mcp', 'echo__'],
  ['modern', '/mcp', 'echo__'],
  ['legacy', '/mcp/echo', ''],
  ['modern', '/mcp/echo', ''],
  ['legacy', '/mcp/far', ''],
  ['modern', '/mcp/far', ''],
] as const;

let bench: Bench;
let gates: Served[];
let fars: Far[];
beforeEach(() => {
  bench = new Bench(POLICY);
  gates = [];
  fars = [];
});
afterEach(async () => {
  await Promise.all(gates.map(async (gate) => gate.stop()));
  for (const far of fars) far.close();
  bench.remove();
});

/** A gate in front of `echo` and `far` (and others), whose clients need no key unless `args` say so. */
async function stage(more: Json = {}, ...args: readonly string[]): Promise<{ gate: Served; far: Far }> {
  const far = await farServer();
  const [command = '', ...rest] = bench.echo();
  const servers = { echo: { command, args: rest }, far: { url: far.url, era: 'modern' } };
  const { servers: others, ...settings } = more;
  const all = { ...servers, ...(others as object) };
  writeFileSync(bench.path('callgate.yaml'), JSON.stringify({ version: 1, servers: all, ...settings }));
  const auth = args.includes('--auth') ? [] : ['--auth', 'anonymous'];
  const gate = await serve(bench, '--config', bench.path('callgate.yaml'), ...auth, ...args);
  gates.push(gate);
  return { gate, far };
}

/** What the command has received, less the handshake. */
const reached = (): string => received(bench.path('seen')).join('\n');

interface Peer {
  readonly session: string | undefined;
  ask(method: string, params?: Json, id?: unknown): Promise<Json>;
  call(name: string, args?: Json): Promise<Json>;
  /** A body as it is, with the headers this client would send for `method` and `name`. */
  send(body: string, method: string, name?: string): ReturnType<typeof post>;
}

/** A client of either era that says what it is told to say. */
async function client(gate: Served, era: Era, path: string, headers: Record<string, string> = {}): Promise<Peer> {
  const url = gate.origin + path;
  let session: string | undefined;
  const head = (method: string, name?: string): Record<string, string> =>
    era === 'legacy'
      ? { ...headers, ...(session && { 'mcp-session-id': session }) }
      : { ...headers, 'mcp-protocol-version': '2026-07-28', 'mcp-method': method, ...(name && { 'mcp-name': name }) };
  const one: Peer = {
    get session() {
      return session;
    },
    async ask(method, params = {}, id = 1) {
      const all = era === 'modern' ? { ...params, _meta: META } : params;
      const body = JSON.stringify({ jsonrpc: '2.0', id, method, params: all });
      return answerOf((await one.send(body, method, params['name'] as string | undefined)).text);
    },
    call: async (name, args = {}) => one.ask('tools/call', { name, arguments: args }),
    send: async (body, method, name) => post(url, body, head(method, name)),
  };
  if (era === 'modern') return one;
  const clientInfo = { name: 'c', version: '1' };
  const hello = {
    id: 0,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo },
  };
  session = (await post(url, hello, headers)).headers.get('mcp-session-id') ?? undefined;
  await post(url, { method: 'notifications/initialized' }, head(''));
  return one;
}

/** The answer in a body, whether it is a message or a stream of them. */
function answerOf(text: string): Json {
  const messages = text.startsWith('{')
    ? [JSON.parse(text) as Json]
    : [...text.matchAll(/^data: ?(\{.*)$/gm)].map(([, data]) => JSON.parse(data ?? '') as Json);
  const answers = messages.filter((one) => one['method'] === undefined);
  if (answers.length !== 1) throw new Error(`${answers.length} answers in ${JSON.stringify(text)}`);
  return answers[0] as Json;
}

const said = (answer: Json): string => JSON.stringify(answer['result'] ?? answer['error'] ?? answer);

interface Seen {
  readonly headers: IncomingMessage['headers'];
  readonly raw: readonly string[];
  readonly message: Json;
}

/** A modern server at a URL, of which each test says how it answers. */
interface Far {
  readonly url: string;
  readonly seen: Seen[];
  /** Returns the result; undefined when it has answered by itself. */
  answer: (message: Json, response: ServerResponse) => Json | undefined;
  /** How a result is sent. */
  head: { status: number; type: string };
  close(): void;
}

const TOOLS = ['far', 'wipe', 'echo', 'late'].map((name) => ({ name, inputSchema: { type: 'object' } }));

async function farServer(): Promise<Far> {
  const server: Server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const message = text === '' ? {} : (JSON.parse(text) as Json);
      far.seen.push({ headers: incoming.headers, raw: incoming.rawHeaders, message });
      const result = far.answer(message, response);
      if (result === undefined) return;
      response.writeHead(far.head.status, { 'content-type': far.head.type });
      response.end(JSON.stringify({ jsonrpc: '2.0', id: message['id'], result }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const far: Far = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    seen: [],
    answer: usual,
    head: { status: 200, type: 'application/json' },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  fars.push(far);
  return far;
}

function usual({ method, params }: Json): Json {
  const common = { resultType: 'complete', ttlMs: 3_600_000, cacheScope: 'public' };
  if (method === 'server/discover') {
    const serverInfo = { name: 'far', version: '1' };
    return { ...common, supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, serverInfo };
  }
  if (method === 'tools/list') return { ...common, tools: TOOLS };
  const args = (params as Json | undefined)?.['arguments'] as Json | undefined;
  return { resultType: 'complete', content: [{ type: 'text', text: `far ${JSON.stringify(args ?? {})}` }] };
}

const names = (answer: Json): string[] =>
  ((answer['result'] as Json)['tools'] as { name: string }[]).map(({ name }) => name);
const callsAt = (far: Far): Seen[] => far.seen.filter(({ message }) => message['method'] === 'tools/call');

/** Bytes on a socket, and all that comes back within a moment. */
async function raw(gate: Served, text: string | Buffer): Promise<string> {
  const socket = connect(Number(new URL(gate.url).port), '127.0.0.1');
  let got = '';
  socket.on('data', (chunk) => (got += chunk.toString()));
  socket.on('error', () => undefined);
  socket.write(text);
  await within(3000, () => /\r\n\r\n/.test(got));
  socket.destroy();
  return got;
}

it('1 an unknown method is judged like any other, whoever asks and wherever', async () => {
  const { gate, far } = await stage();
  for (const [era, path] of DOORS) {
    const one = await client(gate, era, path);
    for (const method of ['vendor/wipe', 'tools/Call', 'Tools/call', 'tools/call ', 'prompts/get']) {
      const answer = await one.ask(method, { name: 'wipe', arguments: {} });
      expect(answer['error'], `${method} of a ${era} client at ${path}`).toBeDefined();
    }
  }
  expect(reached()).not.toContain('wipe');
  expect(JSON.stringify(far.seen)).not.toContain('wipe');
});

it('2 a batch is refused whole, whatever space stands before it', async () => {
  const { gate, far } = await stage();
  const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'wipe', arguments: {}, _meta: META } };
  const batch = JSON.stringify([{ ...call, params: { name: 'echo', arguments: { message: 'x' } } }, call]);
  for (const [era, path] of DOORS) {
    const one = await client(gate, era, path);
    for (const body of [batch, ` \n\t${batch}`, '[]']) {
      expect((await one.send(body, 'tools/call', 'echo')).status).toBe(400);
    }
  }
  expect(reached()).not.toContain('tools/call');
  expect(callsAt(far)).toEqual([]);
});

it('3 a body that does not say it is JSON is not taken for anything', async () => {
  const { gate, far } = await stage();
  const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'wipe', arguments: {}, _meta: META } };
  for (const [era, path] of DOORS) {
    const one = await client(gate, era, path);
    const types = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/json;'];
    for (const type of types) {
      const headers = {
        'content-type': type,
        ...(one.session === undefined
          ? { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'wipe' }
          : { 'mcp-session-id': one.session }),
      };
      expect((await post(gate.origin + path, JSON.stringify(message), headers)).status, type).toBe(415);
    }
  }
  expect(reached()).not.toContain('wipe');
  expect(callsAt(far)).toEqual([]);
});

it.each([
  ['a type in capitals', { status: 200, type: 'Application/JSON; Charset=UTF-8' }],
  ['another status of success', { status: 201, type: 'application/json' }],
])('4 a list is filtered when it comes with %s, and asked for with odd params', async (_what, head) => {
  const { gate, far } = await stage();
  far.head = head;
  for (const era of ['legacy', 'modern'] as const) {
    for (const path of ['/mcp', '/mcp/far']) {
      const one = await client(gate, era, path);
      const listed = names(await one.ask('tools/list', { timeout: 15_000, cursor: undefined }));
      expect(listed.some((name) => name.endsWith('far'))).toBe(true);
      expect(listed.filter((name) => name.endsWith('wipe'))).toEqual([]);
    }
  }
});

it('5 names of two servers that would be joined to one stay two, each judged as its own', async () => {
  const second = await farServer();
  second.answer = (message) =>
    message['method'] === 'tools/list'
      ? { ...usual(message), tools: [{ name: 'c', inputSchema: { type: 'object' } }] }
      : usual(message);
  const first = await farServer();
  const { gate } = await stage({
    servers: { a: { url: first.url, era: 'modern' }, a__b: { url: second.url, era: 'modern' } },
  });
  // Both tools would be "a__b__c".
  first.answer = (message) =>
    message['method'] === 'tools/list'
      ? { ...usual(message), tools: [{ name: 'b__c', inputSchema: { type: 'object' } }] }
      : usual(message);
  const one = await client(gate, 'modern', '/mcp');
  const listed = names(await one.ask('tools/list'));
  expect(new Set(listed).size).toBe(listed.length);
  const joined = listed.filter((name) => /^a.*c$/.test(name));
  expect(joined).toHaveLength(2);
  for (const name of joined) await one.call(name);
  expect(callsAt(second).map(({ message }) => (message['params'] as Json)['name'])).toEqual(['c']);
  expect(callsAt(first).map(({ message }) => (message['params'] as Json)['name'])).toEqual(['b__c']);
});

it('6 what two parsers would read in two ways is read in none', async () => {
  const { gate, far } = await stage();
  const meta = `"_meta":${JSON.stringify(META)}`;
  const bodies = [
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","name":"wipe","arguments":{},${meta}}}`,
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","n\\u0061me":"wipe","arguments":{},${meta}}}`,
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","Name":"wipe","arguments":{},${meta}}}`,
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","Method":"x","params":{"name":"echo","arguments":{},${meta}}}`,
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{},${meta}}}{"a":1}`,
    `\ufeff{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{},${meta}}}`,
    `{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/call","params":{"name":"echo","arguments":{},${meta}}}`,
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","result":{},"params":{"name":"echo","arguments":{},${meta}}}`,
  ];
  for (const [era, path] of DOORS) {
    const one = await client(gate, era, path);
    for (const body of bodies) {
      const { status, text } = await one.send(body, 'tools/call', 'echo');
      expect(status, body).toBe(400);
      expect(text).toContain('"error"');
    }
  }
  expect(reached()).not.toContain('tools/call');
  expect(callsAt(far)).toEqual([]);
});

it('7 an answer that was filtered or redacted says how long it is, and its status goes first', async () => {
  const { gate, far } = await stage();
  far.answer = (message) =>
    message['method'] === 'tools/call'
      ? { resultType: 'complete', content: [{ type: 'text', text: `one ${SECRET} two ${SECRET}` }] }
      : usual(message);
  const [head, name] = [{ 'mcp-protocol-version': '2026-07-28' }, { 'mcp-name': 'far' }];
  const list = { id: 1, method: 'tools/list', params: { _meta: META } };
  const call = { id: 2, method: 'tools/call', params: { name: 'far', arguments: {}, _meta: META } };
  for (const [message, more] of [
    [list, {}],
    [call, name],
  ] as const) {
    const answer = await post(`${gate.origin}/mcp/far`, message, { ...head, 'mcp-method': message.method, ...more });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-length')).toBe(String(Buffer.byteLength(answer.text)));
    expect(answer.text).not.toContain(SECRET);
    expect(answer.text).not.toContain('"wipe"');
    expect(JSON.parse(answer.text)).toMatchObject({ id: message.id, result: {} });
  }
  const [arrived] = callsAt(far);
  expect(arrived?.headers['content-length']).toBe(String(Buffer.byteLength(JSON.stringify(arrived?.message))));
});

it('8 a tool that has another name in front is judged and counted under its own', async () => {
  const { gate } = await stage();
  for (const [era, path, prefix] of DOORS.slice(0, 4)) {
    const one = await client(gate, era, path);
    expect(said(await one.call(`${prefix}wipe`))).toContain('no-wipe');
  }
  const answers = [];
  for (const [era, path, prefix] of DOORS.slice(0, 4)) {
    const one = await client(gate, era, path);
    answers.push(said(await one.call(`${prefix}add`, { a: 1, b: 2 })));
  }
  expect(answers.map((text) => text.includes('sum') || text.includes('"3"'))).toEqual([true, true, false, false]);
  expect(reached()).not.toContain('wipe');
});

it('9 the body is the truth: headers that say something else are refused, and those that go on are made from it', async () => {
  const { gate, far } = await stage();
  const call = { id: 1, method: 'tools/call', params: { name: 'wipe', arguments: {}, _meta: META } };
  for (const path of ['/mcp', '/mcp/far', '/mcp/echo']) {
    const heads = [
      { 'mcp-method': 'tools/call', 'mcp-name': 'echo' },
      { 'mcp-method': 'tools/list', 'mcp-name': 'wipe' },
      { 'mcp-method': 'tools/call', 'mcp-name': '=?base64?ZWNobw==?=' },
    ];
    for (const head of heads) {
      const { status, text } = await post(gate.origin + path, call, { 'mcp-protocol-version': '2026-07-28', ...head });
      expect([status, answerOf(text)['error']]).toMatchObject([400, { code: -32020 }]);
    }
  }
  const one = await client(gate, 'modern', '/mcp', { 'mcp-param-a': 'b' });
  expect(said(await one.call('far__far', { a: 1 }))).toContain('far {');
  const [arrived] = callsAt(far);
  expect(arrived?.headers).toMatchObject({ 'mcp-name': 'far', 'mcp-method': 'tools/call' });
  expect(arrived?.message).toMatchObject({ params: { name: 'far' } });
});

it('10 a rule on what is not there denies, and never allows', async () => {
  const { gate } = await stage();
  for (const [era, path, prefix] of DOORS.slice(0, 4)) {
    const one = await client(gate, era, path);
    expect(said(await one.call(`${prefix}large`, { bytes: 5 }))).toContain('xxxxx');
    for (const args of [{}, { bytes: null }, { bytes: '5' }, { bytes: [5] }, { Bytes: 5 }]) {
      expect(said(await one.call(`${prefix}large`, args)), JSON.stringify(args)).toContain('not-large');
    }
  }
});

it('11 a limit that cannot be counted and a policy that went away let nothing pass', async () => {
  const { gate, far } = await stage();
  const one = await client(gate, 'modern', '/mcp');
  expect(said(await one.call('echo__add', { a: 1, b: 1 }))).toContain('2');
  rmSync(bench.policy);
  for (const name of readdirSync(join(bench.home, 'state')).filter((each) => each.startsWith('state.db'))) {
    writeFileSync(join(bench.home, 'state', name), 'x'.repeat(65_536));
  }
  const before = reached().split('tools/call').length;
  for (const [era, path, prefix] of DOORS.slice(0, 4)) {
    const each = await client(gate, era, path);
    for (let i = 0; i < 3; i++) expect(said(await each.call(`${prefix}add`, { a: 1, b: 1 }))).not.toContain('"2"');
    expect(said(await each.call(`${prefix}wipe`))).toContain('no-wipe');
  }
  expect(reached().split('tools/call')).toHaveLength(before);
  expect(callsAt(far)).toEqual([]);
});

it('12 a session is its principal’s and its server’s; to others it is not there', async () => {
  const { gate } = await stage();
  const owner = await client(gate, 'legacy', '/mcp/echo', { authorization: `Bearer ${keyOf(bench)}` });
  const session = { 'mcp-session-id': owner.session ?? '' };
  const call = { id: 1, method: 'tools/call', params: { name: 'echo', arguments: { message: 'mine' } } };
  const url = gate.origin;
  expect((await post(`${url}/mcp/echo`, call, session)).status).toBe(404);
  expect((await post(`${url}/mcp`, call, { ...session, authorization: `Bearer ${keyOf(bench)}` })).status).toBe(404);
  expect((await fetch(`${url}/mcp/echo`, { method: 'DELETE', headers: session })).status).toBe(404);
  const stream = { ...session, accept: 'text/event-stream' };
  expect((await fetch(`${url}/mcp/echo`, { headers: stream })).status).toBe(404);
  expect(said(await owner.call('echo', { message: 'mine' }))).toContain('Echo: mine');
});

it('13 a page that a name was bent to is refused, and loopback is nobody', async () => {
  const { gate, far } = await stage();
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'far', _meta: META } });
  const fields = `Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: ${body.length}\r\nMcp-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: far\r\n`;
  const { host } = new URL(gate.url);
  const heads = [
    'Host: evil.example\r\n',
    `Host: ${host}.evil.example\r\n`,
    `Host: ${host}\r\nOrigin: null\r\n`,
    `Host: ${host}\r\nOrigin: http://evil.example\r\n`,
    `Host: ${host}\r\nOrigin: http://${host}\r\nOrigin: http://evil.example\r\n`,
    `Host: ${host}\r\nHost: evil.example\r\n`,
    '',
  ];
  for (const head of heads) {
    expect(await raw(gate, `POST /mcp/far HTTP/1.1\r\n${head}${fields}\r\n${body}`), head).toMatch(
      /^HTTP\/1\.1 40[03] /,
    );
  }
  expect(callsAt(far)).toEqual([]);
  expect(await raw(gate, `POST /mcp/far HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n${body}`)).toMatch(
    /^HTTP\/1\.1 200 /,
  );
  const keyed = await stage({}, '--auth', 'key');
  for (const headers of [{}, { 'x-forwarded-for': '127.0.0.1' }, { authorization: 'Basic Og==' }]) {
    expect((await post(`${keyed.gate.origin}/mcp`, { id: 1, method: 'ping' }, headers)).status).toBe(401);
  }
});

it('14 no redirect is followed, and no address inside is dialled that the config does not open', async () => {
  const inside = await farServer();
  const places = [
    'https://[::ffff:10.0.0.1]/mcp',
    'https://0x0a000001/mcp',
    'https://10.1/mcp',
    'https://[fd00::1]/mcp',
  ];
  const { gate, far } = await stage();
  far.answer = (_message, response) => void response.writeHead(307, { location: inside.url }).end();
  const one = await client(gate, 'modern', '/mcp/far');
  expect(said(await one.call('far'))).toMatch(/redirect|HTTP 307/);
  expect(inside.seen).toEqual([]);
  // It does not even stand in front of such a place.
  for (const url of places) await expect(stage({ servers: { inside: { url } } })).rejects.toThrow('may not be dialled');
});

it('15 the same ids of many clients at once get each its own answer', async () => {
  const { gate, far } = await stage();
  far.answer = (message, response) => {
    if (message['method'] !== 'tools/call') return usual(message);
    const { text } = (message['params'] as { arguments: { text: string } }).arguments;
    const answer = {
      jsonrpc: '2.0',
      id: message['id'],
      result: { resultType: 'complete', content: [{ type: 'text', text }] },
    };
    setTimeout(
      () => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer)),
      Math.random() * 50,
    );
    return undefined;
  };
  const asked = DOORS.flatMap(([era, path, prefix]) =>
    Array.from({ length: 5 }, (_, at) => ({ era, path, prefix, at })),
  );
  await Promise.all(
    asked.map(async ({ era, path, prefix, at }) => {
      const one = await client(gate, era, path);
      const mine = `${era} ${path} ${at}`;
      const tool = path === '/mcp/far' ? 'far' : `${prefix}echo`;
      expect(said(await one.ask('tools/call', { name: tool, arguments: { message: mine, text: mine } }, 7))).toContain(
        mine,
      );
    }),
  );
});

it('16 a key that is nearly right is as wrong as any, in every place that keys are shown', async () => {
  const { gate } = await stage({}, '--auth', 'key');
  const key = keyOf(bench);
  const wrong = [
    key.slice(0, -1),
    `${key}x`,
    key.toUpperCase(),
    `${key.slice(0, -1)}${key.endsWith('a') ? 'b' : 'a'}`,
    '',
    `${key}, ${key}`,
  ];
  for (const each of wrong) {
    expect((await post(gate.url, { id: 1, method: 'ping' }, { authorization: `Bearer ${each}` })).status).toBe(401);
    expect((await post(gate.url, { id: 1, method: 'ping' }, { 'x-agent-key': each })).status).toBe(401);
  }
  expect((await post(`${gate.url}?key=${key}&access_token=${key}`, { id: 1, method: 'ping' })).status).toBe(401);
  const one = await client(gate, 'modern', '/mcp', { authorization: `Bearer ${key}` });
  expect(said(await one.call('echo__echo', { message: 'in' }))).toContain('Echo: in');
});

it('17 secrets stand in no command line, no file of the log, no message, and go to no server', async () => {
  const upstreamKey = ['upstream', 'key', 'of', 'the', 'test'].join('-');
  const saved = process.env['FAR_KEY'];
  process.env['FAR_KEY'] = upstreamKey;
  try {
    const far = await farServer();
    const servers = { far2: { url: far.url, era: 'modern', headers: { Authorization: 'Bearer ${FAR_KEY}' } } };
    const { gate } = await stage({ servers });
    const authorization = `Bearer ${keyOf(bench)}`;
    const one = await client(gate, 'modern', '/mcp/far2', {
      authorization,
      cookie: 'c=private',
      'x-agent-key': keyOf(bench),
    });
    expect(said(await one.call('far', { key: SECRET }))).toContain('far');
    const [arrived] = callsAt(far);
    expect(arrived?.headers['authorization']).toBe(`Bearer ${upstreamKey}`);
    expect(JSON.stringify(arrived?.raw)).not.toMatch(/private|x-agent-key|cgk_/i);
    far.close();
    const lost = said(await one.call('far', {}));
    expect(readFileSync(`/proc/${gate.process.pid}/cmdline`, 'utf8')).not.toContain(upstreamKey);
    await gate.stop();
    const files = readdirSync(bench.home, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
    const kept = files
      .filter(({ name }) => name !== 'serve.key')
      .map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'latin1'))
      .join('\n');
    for (const secret of [upstreamKey, keyOf(bench), SECRET]) {
      expect(kept.includes(secret)).toBe(false);
      expect(gate.stderr() + lost).not.toContain(secret);
    }
  } finally {
    if (saved === undefined) delete process.env['FAR_KEY'];
    else process.env['FAR_KEY'] = saved;
  }
});

it('18 what servers started ends with the gate, however it ends; a config that came with a directory starts nothing', async () => {
  const { gate } = await stage();
  const one = await client(gate, 'legacy', '/mcp/echo');
  const pids = [Number(/"text":"(\d+)"/.exec(said(await one.call('fork')))?.[1])];
  pids.push(Number(/"pid":(\d+)/.exec(said(await one.call('where')))?.[1]));
  expect(pids.every((pid) => pid > 1 && isAlive(pid))).toBe(true);
  gate.process.kill('SIGKILL');
  expect(await within(8000, () => pids.every((pid) => !isAlive(pid)))).toBe(true);

  const marker = bench.path('ran');
  const touch = {
    command: process.execPath,
    args: ['-e', `require('fs').writeFileSync(${JSON.stringify(marker)}, '')`],
  };
  writeFileSync(bench.path('callgate.yaml'), JSON.stringify({ version: 1, servers: { evil: touch } }));
  await expect(serve(bench, '--auth', 'anonymous')).rejects.toThrow(/trust|no server/i);
  expect(readdirSync(bench.dir)).not.toContain('ran');
});

it('19 clients that come and go leave nothing behind', { timeout: 60_000 }, async () => {
  const { gate } = await stage({ serve: { sessionIdle: 10 } });
  const fds = () => readdirSync(`/proc/${gate.process.pid}/fd`).length;
  const visit = async () => {
    await Promise.all(
      DOORS.map(async ([era, path, prefix]) => {
        const one = await client(gate, era, path);
        await one.call(path === '/mcp/far' ? 'far' : `${prefix}echo`, { message: 'x' });
        const headers = { 'mcp-session-id': one.session ?? '' };
        if (one.session !== undefined) await fetch(gate.origin + path, { method: 'DELETE', headers });
      }),
    );
  };
  await visit();
  const before = fds();
  for (let i = 0; i < 8; i++) await visit();
  expect(await within(20_000, () => fds() <= before)).toBe(true);
});

it('20 what is too large, too deep, compressed or slow is refused at both ends', async () => {
  const { gate, far } = await stage({ limits: { messageBytes: 100_000 } });
  const deep = '['.repeat(200) + ']'.repeat(200);
  const body = (args: string) =>
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"far","arguments":${args},"_meta":${JSON.stringify(META)}}}`;
  for (const era of ['legacy', 'modern'] as const) {
    const one = await client(gate, era, '/mcp/far');
    expect((await one.send(body(`{"a":"${'x'.repeat(200_000)}"}`), 'tools/call', 'far')).status).toBe(413);
    expect((await one.send(body(`{"a":${deep}}`), 'tools/call', 'far')).status).toBe(400);
  }
  const status = await new Promise<number | undefined>((resolve) => {
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    const out = request(`${gate.origin}/mcp/far`, { method: 'POST', headers }, (response) =>
      resolve(response.resume().statusCode),
    );
    out.end(gzipSync(body(`{"a":"${'x'.repeat(1e6)}"}`)));
  });
  expect(status).toBe(415);
  expect(callsAt(far)).toEqual([]);

  const answers: ((response: ServerResponse, id: unknown) => void)[] = [
    (response, id) =>
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(`{"jsonrpc":"2.0","id":${String(id)},"result":{"x":"${'y'.repeat(200_000)}"}}`),
    (response, id) =>
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(`{"jsonrpc":"2.0","id":${String(id)},"result":{"x":${deep}}}`),
    (response, id) =>
      response
        .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
        .end(gzipSync(`{"jsonrpc":"2.0","id":${String(id)},"result":{"content":[]}}`)),
    (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const more = (): void =>
        void (response.write('data: '.padEnd(20_000, 'z')) ? setTimeout(more, 1) : response.once('drain', more));
      more();
    },
  ];
  const one = await client(gate, 'modern', '/mcp/far');
  for (const answer of answers) {
    far.answer = (message, response) => {
      if (message['method'] !== 'tools/call') return usual(message);
      answer(response, message['id']);
      return undefined;
    };
    expect((await one.call('far'))['error']).toMatchObject({
      message: expect.stringMatching(/"far"|answer/) as string,
    });
  }
});

it('21 while the policy changes, every call is judged by one whole policy', { timeout: 60_000 }, async () => {
  const { gate, far } = await stage();
  const one = await client(gate, 'modern', '/mcp');
  const other = POLICY.replace('Nothing is wiped here.', 'Nor now.');
  const texts = [other, POLICY, '', 'version: 1\nrules: [', other.slice(0, 200)];
  let isOver = false;
  const changing = (async () => {
    for (let i = 0; !isOver; i++) {
      writeFileSync(bench.policy, texts[i % texts.length] ?? '');
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
  })();
  for (let i = 0; i < 150; i++) {
    expect(said(await one.call(i % 2 === 0 ? 'echo__wipe' : 'far__wipe'))).toMatch(/no-wipe|denied/i);
  }
  isOver = true;
  await changing;
  expect(reached()).not.toContain('wipe');
  expect(callsAt(far)).toEqual([]);
});

it.each(['always', 'collisions', 'never'])(
  '22 no server takes the place of another’s tool, with names: %s',
  async (mode) => {
    const { gate, far } = await stage({ serve: { names: mode } });
    const tool = (name: string) => ({ name, inputSchema: { type: 'object' } });
    far.answer = (message) =>
      message['method'] === 'tools/list'
        ? { ...usual(message), tools: [tool('echo'), tool('echo__echo'), tool('add')] }
        : usual(message);
    for (const era of ['legacy', 'modern'] as const) {
      const one = await client(gate, era, '/mcp');
      const listed = names(await one.ask('tools/list'));
      expect(new Set(listed).size).toBe(listed.length);
      const mine = mode === 'never' ? 'echo' : 'echo__echo';
      expect(listed).toContain(mine);
      expect(said(await one.call(mine, { message: 'here' }))).toContain('Echo: here');
    }
  },
);

it('23 a name that only looks like another is another: what is allowed is spelled', async () => {
  const { gate, far } = await stage();
  const looks = ['ec\u200bho', 'ech\u043e', '\u202eohce', 'echo\u0000', 'echo ', 'ECHO', 'e\u0301cho', '\uff45cho'];
  for (const [era, path, prefix] of DOORS) {
    const one = await client(gate, era, path);
    for (const name of looks) {
      const body = JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: prefix + name, arguments: {}, _meta: META },
      });
      const spelled = `=?base64?${Buffer.from(prefix + name).toString('base64')}?=`;
      expect(said(answerOf((await one.send(body, 'tools/call', spelled)).text)), JSON.stringify(name)).not.toContain(
        'Echo',
      );
    }
  }
  expect(reached()).not.toContain('tools/call');
  expect(callsAt(far)).toEqual([]);
});

it('26 a new session, another path or another era begins no new count', async () => {
  const { gate } = await stage();
  const answers: string[] = [];
  for (let round = 0; round < 2; round++) {
    for (const [era, path, prefix] of DOORS.slice(0, 4)) {
      answers.push(said(await (await client(gate, era, path)).call(`${prefix}add`, { a: 20, b: 22 })));
    }
  }
  expect(answers.filter((text) => text.includes('42'))).toHaveLength(2);
  expect(reached().match(/"name":"add"/g)).toHaveLength(2);
});

it('27 a call whose record cannot be written does not go, and is told so', async () => {
  const { gate, far } = await stage({}, '--durability', 'strict');
  rmSync(join(bench.home, 'evidence', 'wal'), { recursive: true });
  for (const [era, path, prefix] of DOORS) {
    const one = await client(gate, era, path);
    const tool = path === '/mcp/far' ? 'far' : `${prefix}echo`;
    const answer = await one.ask(era === 'legacy' && one.session === undefined ? 'ping' : 'tools/call', {
      name: tool,
      arguments: {},
    });
    expect(answer['error'], `${era} ${path}`).toBeDefined();
  }
  expect(reached()).not.toContain('tools/call');
  expect(callsAt(far)).toEqual([]);
});

it('28 a list that was filtered for one is for that one alone, and not for long', async () => {
  const { gate } = await stage();
  for (const path of ['/mcp', '/mcp/far', '/mcp/echo']) {
    const one = await client(gate, 'modern', path);
    const { result } = (await one.ask('tools/list')) as { result: { cacheScope: string; ttlMs: number } };
    expect([path, result.cacheScope]).toEqual([path, 'private']);
    expect(result.ttlMs).toBeLessThanOrEqual(60_000);
  }
});

it('also: what a client writes becomes no header, no path and no command of ours', async () => {
  const { gate, far } = await stage();
  const evil = 'far\r\nX-Evil: 1';
  const one = await client(gate, 'modern', '/mcp/far');
  const body = (name: string) =>
    JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name, arguments: { a: evil }, _meta: META },
    });
  const spelled = (name: string) => `=?base64?${Buffer.from(name).toString('base64')}?=`;
  expect(said(answerOf((await one.send(body(evil), 'tools/call', spelled(evil))).text))).not.toContain('far {');
  await one.send(body('far'), 'tools/call', 'far');
  expect(far.seen.some(({ headers }) => 'x-evil' in headers)).toBe(false);
  for (const path of [
    '/mcp/../health',
    '/mcp/far/..%2f..',
    '/mcp/far%0d%0aX: 1',
    '/mcp//far',
    '/mcp/%66ar/x',
    '/mcp/__proto__',
    '/mcp/constructor',
    '/mcp/-c',
  ]) {
    const answer = await raw(
      gate,
      `POST ${path} HTTP/1.1\r\nHost: ${new URL(gate.url).host}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMcp-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: far\r\nContent-Length: ${Buffer.byteLength(body('far'))}\r\n\r\n${body('far')}`,
    );
    expect(answer, path).toMatch(/^HTTP\/1\.1 (40\d) /);
  }
  expect(callsAt(far)).toHaveLength(1);
});

it('names the classes that wait for their part', () => {
  const source = readFileSync(new URL(import.meta.url), 'utf8');
  for (let number = 1; number <= 28; number++) {
    const isTested = new RegExp(`\\(\\s*'${number} `).test(source);
    const waits = Object.keys(NOT_YET).some((name) => name.startsWith(`${number} `));
    expect(isTested !== waits, `class ${number}`).toBe(true);
  }
});
