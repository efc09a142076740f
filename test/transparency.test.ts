import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bench, peer, received } from './peers/gate.ts';
import { type Line, type Message, RawClient } from './peers/raw-client.ts';

const MCP = 'io.modelcontextprotocol/';
const CAPABILITIES = {
  roots: { listChanged: true },
  sampling: { tools: {}, context: {} },
  elicitation: { form: {}, url: {} },
  experimental: { e: { f: 1 } },
  extensions: { 'com.example/x': {} },
};
const META = { 'com.example/sent': [1], traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };
const ENVELOPE = {
  [`${MCP}protocolVersion`]: '2026-07-28',
  [`${MCP}clientInfo`]: { name: 'probe', version: '1', 'x-info': 1 },
  [`${MCP}clientCapabilities`]: CAPABILITIES,
  [`${MCP}logLevel`]: 'debug',
};

/** What the probing client answers, with members that no schema knows. */
const ANSWERS: Record<string, Partial<Message>> = {
  'sampling/createMessage': {
    result: {
      role: 'assistant',
      content: [{ type: 'text', text: 'ok' }],
      model: 'm',
      stopReason: 'endTurn',
      'x-sampled': { deep: [1, 2] },
    } as Message['result'] & object,
  },
  'elicitation/create': {
    result: { action: 'accept', content: { colour: 'red' }, 'x-elicited': null } as unknown as Message['result'] &
      object,
  },
  'roots/list': {
    result: { roots: [{ uri: 'file:///r', name: 'r', 'x-root': 1 }], 'x-roots': true } as Message['result'] & object,
  },
  'acme/ask': { error: { code: -32099, message: 'rather not', data: { why: ['a', { b: 2 }] } } },
};

interface Recording {
  readonly answers: ReadonlyMap<string, Line>;
  readonly notifications: readonly Line[];
  readonly requests: readonly Line[];
  /** What the server got, byte for byte. */
  readonly received: readonly string[];
}

/** Requests of a probe in order: label, method, params. */
type Step = readonly [string, string, object?];

const COMMON: readonly Step[] = [
  ['tools', 'tools/list', {}],
  ['tools 2', 'tools/list', { cursor: 'two' }],
  [
    'rich',
    'tools/call',
    { name: 'rich', arguments: { city: 'Köln', zip: '50667', pair: [1, 2] }, 'x-param': { a: 1 } },
  ],
  ['list', 'tools/call', { name: 'list', arguments: {} }],
  ['no arguments', 'tools/call', { name: 'plain' }],
  ['failing', 'tools/call', { name: 'failing', arguments: {} }],
  ['erring', 'tools/call', { name: 'erring', arguments: {} }],
  ['strange', 'tools/call', { name: 'strange', arguments: {} }],
  ['resources', 'resources/list', {}],
  ['templates', 'resources/templates/list', {}],
  ['read', 'resources/read', { uri: 'file:///tmp/a', 'x-read': 1 }],
  ['prompts', 'prompts/list', {}],
  ['prompt', 'prompts/get', { name: 'p', arguments: { q: 'v' }, 'x-get': 1 }],
  [
    'completion',
    'completion/complete',
    { ref: { type: 'ref/prompt', name: 'p' }, argument: { name: 'q', value: 'a' }, context: { arguments: { z: '1' } } },
  ],
  ['vendor', 'acme/forecast', { where: { lat: 1 } }],
  ['unknown', 'acme/nothing', {}],
  ['telling', 'tools/call', { name: 'telling', arguments: {}, _meta: { progressToken: 'p-1' } }],
];
const LEGACY: readonly Step[] = [
  [
    'initialize',
    'initialize',
    {
      protocolVersion: '2025-11-25',
      capabilities: CAPABILITIES,
      clientInfo: { name: 'probe', version: '1', 'x-client': 1 },
      'x-init': 1,
    },
  ],
  ...COMMON,
  ['subscribe', 'resources/subscribe', { uri: 'file:///tmp/a' }],
  ['unsubscribe', 'resources/unsubscribe', { uri: 'file:///tmp/a' }],
  ['level', 'logging/setLevel', { level: 'debug' }],
  ['task', 'tasks/get', { taskId: 't-1' }],
  ['ping', 'ping'],
  ['asking', 'tools/call', { name: 'asking', arguments: {} }],
];
const MODERN: readonly Step[] = [
  ['discover', 'server/discover', {}],
  ...COMMON,
  ['task', 'tasks/get', { taskId: 't-1' }],
  ['parked', 'tools/call', { name: 'parking', arguments: { a: 1 } }],
  [
    'answered',
    'tools/call',
    {
      name: 'parking',
      arguments: { a: 1 },
      requestState: 'b3BhcXVl+/=',
      inputResponses: { name: { action: 'accept', content: { who: 'me' } }, roots: { roots: [] } },
    },
  ],
];

async function probe(
  command: readonly string[],
  record: string,
  era: 'legacy' | 'modern',
  env: NodeJS.ProcessEnv,
): Promise<Recording> {
  const client = new RawClient(command, { env, onRequest: (request) => ANSWERS[request.method ?? ''] });
  const answers = new Map<string, Line>();
  const meta = era === 'modern' ? { ...META, ...ENVELOPE } : META;
  let n = 0;
  for (const [label, method, params] of era === 'modern' ? MODERN : LEGACY) {
    const id = n++ % 2 === 0 ? n : `id-${n}-ü`;
    const withMeta = params && { ...params, _meta: { ...meta, ...(params as { _meta?: object })._meta } };
    await client.request(method, withMeta, id);
    answers.set(label, client.answerTo(id) as Line);
    if (method === 'initialize') client.notify('notifications/initialized', { _meta: META });
    if (label === 'ping') client.notify('notifications/roots/list_changed', { 'x-changed': 1 });
    if (label === 'vendor') client.notify('notifications/acme/tock', { n: [1] });
  }
  await client.close();
  const rest = client.lines.filter((line) => line.message?.method !== undefined);
  return {
    answers,
    notifications: rest.filter((line) => line.message?.id === undefined),
    requests: rest.filter((line) => line.message?.id !== undefined),
    received: received(record),
  };
}

/** Every leaf of a JSON value with its path. */
function leaves(value: unknown, path = '', found = new Map<string, string>()): Map<string, string> {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  if (entries.length === 0) found.set(path, JSON.stringify(value));
  for (const [key, child] of entries) leaves(child, `${path}/${key}`, found);
  return found;
}

function difference(direct: Line | undefined, gated: Line | undefined): string[] {
  const [a, b] = [leaves(direct?.message ?? null), leaves(gated?.message ?? null)];
  return [
    ...[...a].filter(([path]) => !b.has(path)).map(([path]) => `lost ${path}`),
    ...[...a]
      .filter(([path, value]) => b.has(path) && b.get(path) !== value)
      .map(([path, value]) => `changed ${path}: ${value} to ${b.get(path)}`),
    ...[...b].filter(([path]) => !a.has(path)).map(([path]) => `added ${path}`),
  ];
}

const textsOf = (lines: readonly Line[]): string[] => lines.map((line) => line.text);

describe.each(['legacy', 'modern'] as const)('in the %s era', (era) => {
  const bench = new Bench();
  let direct: Recording;
  let gated: Recording;
  beforeAll(async () => {
    const server = (record: string): string[] => [
      process.execPath,
      peer('rich-server.mjs'),
      '--record',
      bench.path(record),
    ];
    direct = await probe(server('direct'), bench.path('direct'), era, process.env);
    gated = await probe(bench.gated(server('gated')), bench.path('gated'), era, bench.env);
  });
  afterAll(() => bench.remove());

  it('loses, changes and adds nothing of the answers', () => {
    expect(
      [...direct.answers].flatMap(([label, line]) =>
        difference(line, gated.answers.get(label)).map((what) => `${label}: ${what}`),
      ),
    ).toEqual([]);
  });

  it('compares enough to mean something', () => {
    const size = [...direct.answers.values(), ...direct.notifications, ...direct.requests].reduce(
      (sum, line) => sum + leaves(line.message).size,
      0,
    );
    expect(size).toBeGreaterThanOrEqual(400);
    expect(direct.answers.size).toBe(era === 'legacy' ? LEGACY.length : MODERN.length);
    expect(direct.notifications.length).toBe(8);
    expect(direct.requests.length).toBe(era === 'legacy' ? 5 : 0);
  });

  it('hands the client the very bytes of the server', () => {
    expect([...gated.answers.values()].map((line) => line.text)).toEqual(
      [...direct.answers.values()].map((line) => line.text),
    );
    expect(textsOf(gated.notifications)).toEqual(textsOf(direct.notifications));
    expect(textsOf(gated.requests)).toEqual(textsOf(direct.requests));
  });

  it('hands the server the very bytes of the client, its answers and notifications included', () => {
    expect(gated.received).toEqual(direct.received);
  });
});
