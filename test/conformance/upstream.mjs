// An MCP server that speaks both eras, for the official suite: with PORT over HTTP, else over stdio.
// ERA=legacy|modern|both (both unless said) says which of them.
import {
  CLIENT_CAPABILITIES_META_KEY,
  createRequestStateCodec,
  ResourceNotFoundError,
  Server,
} from '@modelcontextprotocol/server';
import { serveStdio, StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { PROMPTS, read, RESOURCES, TEMPLATES } from './offers.mjs';
import { TOOLS } from './tools.mjs';

const states = createRequestStateCodec({ key: 'made up, for tests: 32 bytes or more' });

const CAPABILITIES = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  completions: {},
  logging: {},
};

/**
 * One server for one connection or request.
 * @param era of the client
 * @param announce tells all who listen that a list changed; without it the client of this server is told
 */
function serverFor(era, announce) {
  const server = new Server(
    { name: 'conformance-upstream', version: '1.0.0' },
    { capabilities: CAPABILITIES, requestState: { verify: (state, ctx) => states.verify(state, ctx) } },
  );
  const around = (ctx) => surroundings(server, ctx, era === 'legacy', announce);

  server.setRequestHandler('tools/list', () => ({ tools: TOOLS.map(({ call: _call, ...tool }) => tool) }));
  server.setRequestHandler('tools/call', async ({ params }, ctx) => {
    const found = named(TOOLS, params.name, 'tool');
    return found.call(params.arguments ?? {}, around(ctx));
  });
  server.setRequestHandler('prompts/list', () => ({ prompts: PROMPTS.map(({ get: _get, ...prompt }) => prompt) }));
  server.setRequestHandler('prompts/get', async ({ params }, ctx) => {
    const got = await named(PROMPTS, params.name, 'prompt').get(params.arguments ?? {}, around(ctx));
    return Array.isArray(got) ? { messages: got } : got;
  });
  server.setRequestHandler('resources/list', () => ({ resources: RESOURCES }));
  server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: TEMPLATES }));
  server.setRequestHandler('resources/read', ({ params }) => {
    const contents = read(params.uri);
    if (contents === undefined) throw new ResourceNotFoundError(params.uri);
    return { contents: [contents] };
  });
  server.setRequestHandler('completion/complete', ({ params }) => {
    const values = ['test', 'text', 'term'].filter((value) => value.startsWith(params.argument.value));
    return { completion: { values, total: values.length, hasMore: false } };
  });
  if (era === 'legacy') {
    server.setRequestHandler('resources/subscribe', () => ({}));
    server.setRequestHandler('resources/unsubscribe', () => ({}));
  }
  return server;
}

/** What a tool or prompt may know and do, in the words of neither era. */
function surroundings(server, ctx, isLegacy, announce) {
  const { mcpReq, http } = ctx;
  const token = mcpReq._meta?.progressToken;
  return {
    isLegacy,
    capabilities: mcpReq.envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? server.getClientCapabilities() ?? {},
    answers: mcpReq.inputResponses,
    state: mcpReq.requestState(),
    mint: (payload) => states.mint(payload),
    send: (request) => mcpReq.send(request),
    log: (level, line) => mcpReq.log(level, line, 'conformance-upstream'),
    hangUp: () => http?.closeSSE?.(),
    async progress(progress, total) {
      if (token === undefined) return;
      await mcpReq.notify({ method: 'notifications/progress', params: { progressToken: token, progress, total } });
    },
    async changed(list) {
      if (announce !== undefined) return announce(list);
      await (list === 'tools' ? server.sendToolListChanged() : server.sendPromptListChanged());
    },
  };
}

function named(all, name, kind) {
  const found = all.find((one) => one.name === name);
  if (found === undefined) throw Object.assign(new Error(`No ${kind} has the name ${name}.`), { code: -32602 });
  return found;
}

async function start() {
  const { PORT, ERA = 'both' } = process.env;
  if (PORT !== undefined) {
    // Loaded late: over stdio, one process after another is started, and the suite counts.
    const { serveHttp } = await import('./http.mjs');
    return serveHttp(Number(PORT), ERA, serverFor);
  }
  if (ERA === 'legacy') return serverFor('legacy').connect(new StdioServerTransport());
  serveStdio(({ era }) => serverFor(era), { legacy: ERA === 'modern' ? 'reject' : 'serve' });
}

await start();
