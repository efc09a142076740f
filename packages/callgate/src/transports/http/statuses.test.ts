import { afterAll, beforeAll, expect, it } from 'vitest';
import { BOTH, call, initialize, modern, MODERN_META, send, type Sent, type TestDoor, testDoor } from './testing.ts';

let at: TestDoor;
beforeAll(async () => {
  at = await testDoor({ allowedOrigins: ['https://app.example'], limits: { bodyBytes: 4096 } });
});
afterAll(() => at.door.close());

/** A modern request with some header fields, or parts of its body, otherwise. */
function changed(headers: Record<string, string | undefined>, body: object = {}): Sent {
  const sent = modern('tools/call', { name: 'echo' });
  return { ...sent, headers: { ...sent.headers, ...headers }, body: { ...(sent.body as object), ...body } };
}
function withMeta(_meta: object | undefined): Sent {
  return changed({}, { params: { name: 'echo', ...(_meta === undefined ? {} : { _meta }) } });
}
const { 'io.modelcontextprotocol/protocolVersion': version, ...noVersion } = MODERN_META;
const base64 = (text: string): string => `=?base64?${Buffer.from(text).toString('base64')}?=`;

const MODERN_CASES: readonly (readonly [what: string, sent: Sent, status: number, code: number | undefined])[] = [
  ['a whole request', changed({}), 200, undefined],
  ['a request without _meta', withMeta(undefined), 400, -32602],
  ['a _meta without the version', withMeta(noVersion), 400, -32602],
  ['a _meta without capabilities', withMeta({ 'io.modelcontextprotocol/protocolVersion': version }), 400, -32602],
  [
    'capabilities that are no object',
    withMeta({ ...MODERN_META, 'io.modelcontextprotocol/clientCapabilities': [] }),
    400,
    -32602,
  ],
  [
    'a client info that is no object',
    withMeta({ ...MODERN_META, 'io.modelcontextprotocol/clientInfo': 'x' }),
    400,
    -32602,
  ],
  [
    'a version nobody has',
    {
      ...withMeta({ ...MODERN_META, 'io.modelcontextprotocol/protocolVersion': 'v999.0.0' }),
      headers: { ...changed({}).headers, 'mcp-protocol-version': 'v999.0.0' },
    },
    400,
    -32022,
  ],
  [
    'a version that its header contradicts',
    withMeta({ ...MODERN_META, 'io.modelcontextprotocol/protocolVersion': 'v999.0.0' }),
    400,
    -32020,
  ],
  ['no version in the headers', changed({ 'mcp-protocol-version': undefined }), 400, -32020],
  ['no Mcp-Method', changed({ 'mcp-method': undefined }), 400, -32020],
  ['another Mcp-Method', changed({ 'mcp-method': 'tools/list' }), 400, -32020],
  ['an Mcp-Method in capitals', changed({ 'mcp-method': 'TOOLS/CALL' }), 400, -32020],
  ['no Mcp-Name', changed({ 'mcp-name': undefined }), 400, -32020],
  ['another Mcp-Name', changed({ 'mcp-name': 'delete_all' }), 400, -32020],
  ['an Mcp-Name with space around it', changed({ 'mcp-name': '  echo  ' }), 200, undefined],
  ['an Mcp-Name in Base64', changed({ 'mcp-name': base64('echo') }), 200, undefined],
  ['an Mcp-Name in Base64 that says another', changed({ 'mcp-name': base64('other') }), 400, -32020],
  ['an Mcp-Name in Base64 without padding', changed({ 'mcp-name': '=?base64?ZWNobw?=' }), 400, -32020],
  ['an Mcp-Name in Base64 with odd characters', changed({ 'mcp-name': '=?base64?ZW!!NobW8=?=' }), 400, -32020],
  [
    'a task under the name of another',
    { ...modern('tasks/get', { taskId: 't' }), headers: { ...modern('tasks/get').headers, 'mcp-name': 'u' } },
    400,
    -32020,
  ],
  [
    'an answer',
    { headers: { 'mcp-protocol-version': '2026-07-28' }, body: { jsonrpc: '2.0', id: 1, result: {} } },
    400,
    -32600,
  ],
  [
    'an initialize with the header of 2026-07-28',
    {
      headers: { 'mcp-protocol-version': '2026-07-28' },
      body: call(1, 'initialize', { protocolVersion: '2025-11-25' }),
    },
    400,
    -32020,
  ],
  ['a method of before, whatever its parameters', modern('resources/subscribe'), 200, undefined],
  ['parameters that are missing', modern('resources/read'), 400, -32602],
  ['a method that the server does not know', modern('unknown/method'), 404, -32601],
  ['a capability that is missing', modern('tools/call', { name: 'bad' }), 400, -32021],
  ['a session id, which is ignored', changed({ 'mcp-session-id': 'anything' }), 200, undefined],
  ['a server that is not there', { ...changed({}), path: '/mcp/none' }, 404, -32600],
];

it.each(MODERN_CASES)('since 2026-07-28: %s', async (_what, sent, status, code) => {
  const answer = await send(at, sent);
  expect([answer.status, answer.json.error?.code]).toEqual([status, code]);
  expect(answer.headers['mcp-session-id']).toBeUndefined();
  expect(answer.headers['content-length']).toBe(String(answer.text.length));
  if (sent.body !== undefined && code !== -32600) expect(answer.json.id).toBe(1);
});

const PARAM_CASES: readonly (readonly [what: string, args: object, headers: Record<string, string>, status: number])[] =
  [
    ['what the arguments say', { region: 'eu', page: 4 }, { 'mcp-param-region': 'eu', 'mcp-param-page': '4.0' }, 200],
    ['nothing, for arguments that are not there', { region: null }, {}, 200],
    ['nothing', { region: 'eu' }, {}, 400],
    ['something else', { region: 'eu' }, { 'mcp-param-region': 'us' }, 400],
    ['the same in Base64', { region: 'eu' }, { 'mcp-param-region': base64('eu') }, 200],
    ['broken Base64', { region: 'eu' }, { 'mcp-param-region': '=?base64?ZXU?=' }, 400],
    ['another number', { page: 4 }, { 'mcp-param-page': '5' }, 400],
    ['what no tool declares', {}, { 'mcp-param-other': 'x' }, 200],
  ];

it.each(PARAM_CASES)(
  'holds arguments to the headers that repeat them, which say %s',
  async (_what, args, headers, status) => {
    await send(at, modern('tools/list'));
    const sent = modern('tools/call', { name: 'find', arguments: args });
    const answer = await send(at, { ...sent, headers: { ...sent.headers, ...headers } });
    expect([answer.status, answer.json.error?.code]).toEqual([status, status === 400 ? -32020 : undefined]);
  },
);

it('says which versions there are', async () => {
  const answer = await send(at, MODERN_CASES[6]![1]);
  expect(answer.json.error?.data).toEqual({ supported: ['2026-07-28'], requested: 'v999.0.0' });
});

const HTTP_CASES: readonly (readonly [what: string, sent: Sent, status: number])[] = [
  ['no key', changed({ authorization: undefined }), 401],
  ['a wrong key', changed({ authorization: 'Bearer eve' }), 401],
  ['a plain text', changed({ 'content-type': 'text/plain' }), 415],
  ['no content type', changed({ 'content-type': undefined }), 415],
  ['a list of content types', changed({ 'content-type': 'text/plain, application/json' }), 415],
  ['a type that begins like JSON', changed({ 'content-type': 'application/json-patch+json' }), 415],
  ['JSON in capitals with a charset', changed({ 'content-type': 'Application/JSON; Charset=UTF-8' }), 200],
  ['JSON in another charset', changed({ 'content-type': 'application/json; charset=utf-16' }), 415],
  ['a compressed body', changed({ 'content-encoding': 'gzip' }), 415],
  ['an Accept of JSON alone', changed({ accept: 'application/json' }), 406],
  ['an Accept of streams alone', changed({ accept: 'text/event-stream' }), 406],
  ['an Accept that forbids streams', changed({ accept: '*/*, text/event-stream;q=0' }), 406],
  ['an Accept of everything', changed({ accept: '*/*' }), 200],
  ['an Accept of kinds', changed({ accept: 'application/*, text/*;q=0.1' }), 200],
  ['a body over the limit', changed({}, { params: { name: 'echo', pad: 'x'.repeat(5000), _meta: MODERN_META } }), 413],
  ['another Host', changed({ host: 'evil.example.com' }), 403],
  ['a Host that begins like ours', changed({ host: '127.0.0.1.evil.example.com' }), 403],
  ['a Host with a user in it', changed({ host: 'localhost@evil.example.com' }), 403],
  ['localhost', changed({ host: 'LOCALHOST.:80' }), 200],
  ['the loopback of IPv6', changed({ host: '[::1]:4100' }), 200],
  ['the Origin null', changed({ origin: 'null' }), 403],
  ['another Origin', changed({ origin: 'http://evil.example.com' }), 403],
  ['an Origin on another port of this host', changed({ origin: 'http://127.0.0.1:1' }), 403],
  ['an Origin that is allowed', changed({ origin: 'https://app.example' }), 200],
  ['the method PUT', { ...changed({}), method: 'PUT' }, 405],
  ['another path', { ...changed({}), path: '/mcpx' }, 404],
  ['a path above', { ...changed({}), path: '/mcp/..%2f..%2fetc' }, 404],
  ['a path with a broken escape', { ...changed({}), path: '/mcp/%zz' }, 404],
  ['HTTP+SSE, which is off', { method: 'GET', path: '/sse' }, 404],
  ['a GET of 2026-07-28', { method: 'GET', headers: { 'mcp-protocol-version': '2026-07-28' } }, 405],
  ['a DELETE of 2026-07-28', { method: 'DELETE', headers: { 'mcp-protocol-version': '2026-07-28' } }, 405],
  ['OPTIONS from nowhere', { method: 'OPTIONS' }, 405],
];

it.each(HTTP_CASES)('of HTTP: %s', async (_what, sent, status) => {
  const answer = await send(at, sent);
  expect(answer.status).toBe(status);
  if (status === 401) expect(answer.headers['www-authenticate']).toMatch(/^Bearer /);
  if (status >= 400) expect(answer.json.error?.code).toBeTypeOf('number');
});

const MALFORMED: readonly (readonly [what: string, body: string | Buffer, code: number])[] = [
  ['no JSON', '{"jsonrpc":', -32700],
  ['nothing', '', -32700],
  ['a byte order mark', '\ufeff{"jsonrpc":"2.0","id":1,"method":"ping"}', -32700],
  ['bytes that are no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), -32700],
  ['a key twice', '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}', -32600],
  ['a key in another case', '{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}', -32600],
  ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600],
  ['two messages', '{"jsonrpc":"2.0","method":"a"}\n{"jsonrpc":"2.0","method":"b"}', -32700],
  ['an id that is an object', '{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600],
  ['a message and its answer at once', '{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}', -32600],
];

it.each(MALFORMED)('refuses what is no message, and has it recorded: %s', async (_what, body, code) => {
  await send(at, modern('tools/list'));
  const { exchanges } = at;
  const before = exchanges[0]!.malformedReasons.length;
  const received = exchanges[0]!.received.length;
  const answer = await send(at, { body, headers: { 'mcp-protocol-version': '2026-07-28' } });
  expect([answer.status, answer.json.error?.code]).toEqual([400, code]);
  expect(exchanges[0]!.malformedReasons.length).toBe(before + 1);
  expect(exchanges[0]!.received.length).toBe(received);
});

it('hands on one line, whatever line ends stand in the message', async () => {
  const sent = modern('tools/list');
  const body = JSON.stringify(sent.body, undefined, 2).replaceAll('\n', '\r\n');
  const answer = await send(at, { ...sent, body });
  expect(answer.status).toBe(200);
  expect(at.exchanges[0]!.received.at(-1)).not.toMatch(/[\r\n]/);
});

it('refuses a line end inside a text, which is no JSON', async () => {
  const sent = modern('tools/call', { name: 'a b' });
  const received = at.exchanges[0]?.received.length;
  for (const end of ['\n', '\r']) {
    const answer = await send(at, { ...sent, body: JSON.stringify(sent.body).replace('a b', `a${end}b`) });
    expect([answer.status, answer.json.error?.code]).toEqual([400, -32700]);
  }
  expect(at.exchanges[0]?.received.length).toBe(received);
});

it('checks what a client of a session says', async () => {
  const session = await initialize(at);
  const cases: readonly (readonly [sent: Sent, status: number])[] = [
    [{ body: call(1, 'tools/list') }, 400],
    [{ headers: { 'mcp-session-id': 'unknown' }, body: call(1, 'tools/list') }, 404],
    [{ headers: { 'mcp-session-id': session }, body: call(1, 'tools/list') }, 200],
    [
      { headers: { 'mcp-session-id': session, 'mcp-protocol-version': '2025-03-26' }, body: call(1, 'tools/list') },
      200,
    ],
    [
      { headers: { 'mcp-session-id': session, 'mcp-protocol-version': '1999-01-01' }, body: call(1, 'tools/list') },
      400,
    ],
    [{ headers: { 'mcp-session-id': session }, path: '/mcp/other', body: call(1, 'tools/list') }, 404],
    [{ headers: { 'mcp-session-id': session }, body: { jsonrpc: '2.0', method: 'notifications/initialized' } }, 202],
    [{ headers: { 'mcp-session-id': session }, body: { jsonrpc: '2.0', id: 9, result: {} } }, 202],
    [{ headers: { 'mcp-session-id': session }, body: `[${JSON.stringify(call(1, 'ping'))}]` }, 400],
    [{ method: 'GET' }, 400],
    [{ method: 'GET', headers: { 'mcp-session-id': 'unknown' } }, 404],
    [{ method: 'GET', headers: { 'mcp-session-id': session, accept: 'application/json' } }, 406],
    [{ method: 'GET', headers: { 'mcp-session-id': session, 'last-event-id': 'made-up!' } }, 400],
    [{ method: 'GET', headers: { 'mcp-session-id': session, 'last-event-id': '99-1' } }, 400],
    [{ method: 'DELETE' }, 400],
    [{ method: 'DELETE', headers: { 'mcp-session-id': session } }, 204],
    [{ method: 'DELETE', headers: { 'mcp-session-id': session } }, 404],
  ];
  for (const [sent, status] of cases) expect((await send(at, sent)).status, JSON.stringify(sent)).toBe(status);
});

it('gives no session to an initialize that the server refuses', async () => {
  const { sessions } = at.door.load();
  const answer = await send(at, { body: call(1, 'initialize', { protocolVersion: 'refuse-me' }) });
  expect([answer.status, answer.json.error?.code, answer.headers['mcp-session-id']]).toEqual([200, -32602, undefined]);
  expect(at.door.load().sessions).toBe(sessions);
});

it('answers health without a key and without names', async () => {
  const health = await send(at, {
    method: 'GET',
    path: '/health',
    headers: { authorization: undefined, host: '10.1.2.3' },
  });
  expect([health.status, health.text]).toEqual([200, '{"status":"ok","servers":{"up":1,"total":1}}']);
  expect((await send(at, { method: 'GET', path: '/ready' })).status).toBe(200);
  const head = await send(at, { method: 'HEAD', path: '/health' });
  expect([head.status, head.headers['content-length'], head.text]).toEqual([200, String(health.text.length), '']);
});

it('answers preflights of allowed origins only, and names no other', async () => {
  const allowed = await send(at, {
    method: 'OPTIONS',
    headers: { origin: 'https://app.example', authorization: undefined },
  });
  expect(allowed.status).toBe(204);
  expect(allowed.headers['access-control-allow-origin']).toBe('https://app.example');
  const other = await send(at, {
    method: 'OPTIONS',
    headers: { origin: 'https://app.example.evil', authorization: undefined },
  });
  expect(other.status).toBe(403);
  expect(other.headers['access-control-allow-origin']).toBeUndefined();
});

it('hands no credential on', async () => {
  await send(at, { ...changed({}), headers: { ...changed({}).headers, accept: BOTH } });
  for (const exchange of at.exchanges) {
    expect(JSON.stringify({ ...exchange.opening, end: undefined })).not.toContain('Bearer');
    expect(exchange.received.join('')).not.toContain('alice');
  }
});
