#!/usr/bin/env node
// Speaks both eras and puts known and unknown members wherever the schema has room; every result carries what was
// received under _meta. A gate that loses nothing shows the client exactly what this server says, and the other way round.
//   rich-server.mjs [--record FILE]
import { option, readLines, say } from './wire.mjs';

const MCP = 'io.modelcontextprotocol/';
const mark = (place) => ({ [`x-${place}`]: { kept: true, list: [1, null, 'ä'] } });
const meta = (place) => ({
  _meta: { [`com.example/${place}`]: 1, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
});
const icons = [
  {
    src: 'data:image/svg+xml;base64,PHN2Zy8+',
    mimeType: 'image/svg+xml',
    sizes: ['any'],
    theme: 'light',
    ...mark('icon'),
  },
];
const annotations = {
  audience: ['user', 'assistant'],
  priority: 0.25,
  lastModified: '2026-01-02T03:04:05Z',
  ...mark('annotation'),
};

const schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: { zip: { type: 'string', pattern: '^[0-9]{5}$', ...mark('def') } },
  properties: {
    city: { type: 'string', 'x-mcp-header': 'City' },
    zip: { $ref: '#/$defs/zip' },
    pair: { type: 'array', prefixItems: [{ const: 1 }, true], items: false },
  },
  required: ['city'],
  additionalProperties: false,
  dependentRequired: { zip: ['city'] },
  oneOf: [{ required: ['zip'] }, { not: { required: ['zip'] } }],
};
const plain = (name) => ({ name, inputSchema: { type: 'object' } });
const tools = [
  {
    name: 'rich',
    title: 'Rich',
    description: 'everything at once',
    icons,
    inputSchema: schema,
    outputSchema: { type: 'object', properties: { n: { type: 'integer' } }, unevaluatedProperties: true },
    annotations: {
      title: 'R',
      readOnlyHint: false,
      destructiveHint: true,
      idempotentHint: false,
      openWorldHint: true,
      ...mark('hint'),
    },
    execution: { taskSupport: 'optional', ...mark('execution') },
    ...meta('tool'),
    ...mark('tool'),
  },
  ...['plain', 'list', 'failing', 'erring', 'strange', 'telling', 'asking', 'parking'].map(plain),
];
const capabilities = {
  tools: { listChanged: true, ...mark('cap') },
  resources: { subscribe: true, listChanged: true },
  prompts: { listChanged: true },
  logging: {},
  completions: {},
  tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } },
  extensions: { 'com.example/flags': { on: ['a', 'b'] }, [`${MCP}ui`]: {} },
  experimental: { thing: { deep: [[1]] } },
};
const content = [
  { type: 'text', text: 'hällo \u{1F600}', annotations, ...meta('text'), ...mark('text') },
  { type: 'image', data: 'AAEC', mimeType: 'image/png', ...meta('image') },
  { type: 'audio', data: 'AAEC', mimeType: 'audio/wav', annotations },
  {
    type: 'resource_link',
    uri: 'file:///tmp/a',
    name: 'a',
    title: 'A',
    size: 3,
    mimeType: 'text/plain',
    icons,
    ...meta('link'),
    ...mark('link'),
  },
  {
    type: 'resource',
    resource: {
      uri: 'ui://panel',
      mimeType: 'text/html;profile=mcp-app',
      text: '<p>',
      _meta: { ui: { csp: { connectDomains: ['https://a.example'] } } },
      ...mark('resource'),
    },
    annotations,
  },
];
const info = {
  name: 'rich',
  title: 'Rich server',
  version: '3.1',
  websiteUrl: 'https://rich.example',
  icons,
  description: 'd',
  ...mark('info'),
};

const results = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities,
    serverInfo: info,
    instructions: 'handle with care',
    ...mark('initialize'),
  }),
  'server/discover': () => ({
    supportedVersions: ['2026-07-28', '2025-11-25'],
    capabilities,
    serverInfo: info,
    instructions: 'handle with care',
    ttlMs: 60_000,
    cacheScope: 'public',
    ...mark('discover'),
  }),
  ping: () => ({ ...mark('pong') }),
  'tools/list': ({ cursor }) =>
    cursor === undefined
      ? { tools: tools.slice(0, 2), nextCursor: 'two', ttlMs: 5, cacheScope: 'public', ...mark('list') }
      : { tools: tools.slice(2) },
  'resources/list': () => ({
    resources: [
      {
        uri: 'file:///tmp/a',
        name: 'a',
        title: 'A',
        description: 'd',
        mimeType: 'text/plain',
        size: 3,
        icons,
        annotations,
        ...meta('resource'),
        ...mark('resource'),
      },
    ],
    nextCursor: '',
    ...mark('resources'),
  }),
  'resources/templates/list': () => ({
    resourceTemplates: [
      { uriTemplate: 'file:///{+path}', name: 't', title: 'T', icons, annotations, ...mark('template') },
    ],
  }),
  'resources/read': ({ uri }) => ({
    contents: [
      { uri, mimeType: 'text/plain', text: 'x', ...meta('content'), ...mark('content') },
      { uri, blob: 'AA==', ...mark('blob') },
    ],
    ...mark('read'),
  }),
  'resources/subscribe': () => ({ ...mark('subscribed') }),
  'resources/unsubscribe': () => ({ ...mark('unsubscribed') }),
  'prompts/list': () => ({
    prompts: [
      {
        name: 'p',
        title: 'P',
        description: 'd',
        icons,
        arguments: [{ name: 'q', title: 'Q', description: 'd', required: true, ...mark('argument') }],
        ...meta('prompt'),
        ...mark('prompt'),
      },
    ],
  }),
  'prompts/get': () => ({
    description: 'd',
    messages: [{ role: 'assistant', content: { type: 'text', text: 't', ...meta('message') }, ...mark('message') }],
    ...mark('get'),
  }),
  'completion/complete': () => ({
    completion: { values: ['a', 'b'], total: 2, hasMore: false, ...mark('completion') },
  }),
  'logging/setLevel': () => ({}),
  'tasks/get': ({ taskId }) => ({ taskId, status: 'working', ttl: null, pollInterval: 5, ...mark('task') }),
  'acme/forecast': () => ({ sky: 'clear', ...mark('vendor') }),
};
const calls = {
  rich: () => ({ content, structuredContent: { n: 1, more: { deep: [[], {}] } }, isError: false, ...mark('result') }),
  plain: () => ({ content: [] }),
  list: () => ({ content: [], structuredContent: [1, 'two', null] }),
  failing: () => ({ content: [{ type: 'text', text: 'no' }], isError: true, ...mark('failure') }),
  strange: () => ({ content: [{ type: 'hologram', depth: 3, ...mark('hologram') }] }),
};

/** Requests of the server to its client, each awaited in turn. */
const waiting = new Map();
let asked = 0;
const ask = (method, params) =>
  new Promise((resolve) => {
    const id = `s-${++asked}`;
    waiting.set(id, resolve);
    say({ id, method, ...(params && { params }) });
  });

async function askAll() {
  return [
    await ask('sampling/createMessage', {
      messages: [{ role: 'user', content: { type: 'text', text: '?', ...meta('sample') } }],
      maxTokens: 9,
      systemPrompt: 's',
      temperature: 0.5,
      stopSequences: ['x'],
      metadata: { v: 1 },
      modelPreferences: { hints: [{ name: 'm' }], costPriority: 0.1 },
      tools: [plain('t')],
      toolChoice: { mode: 'auto' },
      ...mark('sampling'),
    }),
    await ask('elicitation/create', {
      mode: 'form',
      message: 'colour?',
      requestedSchema: {
        type: 'object',
        properties: { colour: { type: 'string', enum: ['red'], enumNames: ['Red'], ...mark('field') } },
      },
      ...meta('elicit'),
    }),
    await ask('elicitation/create', {
      mode: 'url',
      message: 'go',
      url: 'https://e.example/?q=1',
      elicitationId: 'e-1',
      ...mark('url'),
    }),
    await ask('roots/list', meta('roots')),
    await ask('acme/ask', { anything: [1, { two: 2 }] }),
  ];
}

function tell(token) {
  if (token !== undefined)
    for (const progress of [1, 2])
      say({
        method: 'notifications/progress',
        params: { progressToken: token, progress, total: 2, message: 'm', ...meta('progress'), ...mark('progress') },
      });
  say({
    method: 'notifications/message',
    params: { level: 'warning', logger: 'l', data: { a: [1] }, ...meta('log'), ...mark('log') },
  });
  for (const kind of ['tools', 'resources', 'prompts'])
    say({ method: `notifications/${kind}/list_changed`, params: meta('changed') });
  say({ method: 'notifications/resources/updated', params: { uri: 'file:///tmp/a', title: 'A', ...mark('updated') } });
  say({ method: 'notifications/acme/tick', params: { n: 1 } });
}

async function onMessage(message) {
  const { id, method, params = {} } = message;
  if (method === undefined) {
    waiting.get(id)?.(message);
    waiting.delete(id);
    return;
  }
  if (id === undefined) return;
  const modern = params._meta?.[`${MCP}protocolVersion`] !== undefined;
  const finish = (result, more = {}) =>
    say({
      id,
      result: {
        ...(modern && { resultType: 'complete' }),
        ...result,
        _meta: { ...result._meta, 'com.example/received': message, ...more },
      },
      ...mark('envelope'),
    });
  if (method !== 'tools/call') {
    if (!Object.hasOwn(results, method))
      return say({ id, error: { code: -32601, message: 'no such method', data: { method } } });
    return finish(results[method](params));
  }
  if (params.name === 'erring')
    return say({
      id,
      error: {
        code: -32042,
        message: 'url needed',
        data: { elicitations: [{ url: 'https://e.example' }], ...mark('data') },
      },
    });
  if (params.name === 'telling') {
    tell(params._meta?.progressToken);
    return finish({ content: [] });
  }
  if (params.name === 'asking') return finish({ content: [] }, { 'com.example/answers': await askAll() });
  if (params.name === 'parking' && params.inputResponses === undefined) {
    return say({
      id,
      result: {
        resultType: 'input_required',
        requestState: 'b3BhcXVl+/=',
        inputRequests: {
          name: {
            method: 'elicitation/create',
            params: { message: 'who?', requestedSchema: { type: 'object' }, ...mark('embedded') },
          },
          roots: { method: 'roots/list' },
        },
        ...mark('parked'),
      },
    });
  }
  finish((calls[params.name] ?? calls.plain)());
}

readLines((line) => void onMessage(JSON.parse(line.toString('utf8'))), option('record'));
