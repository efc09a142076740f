#!/usr/bin/env node
// The least that an MCP server over HTTP can be, in both eras: says one tool back, in JSON, over connections that stay.
// Its first line of stdout is its port; GET /sessions says how many sessions are open.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

const META = 'io.modelcontextprotocol/protocolVersion';
const modern = { resultType: 'complete', ttlMs: 60_000, cacheScope: 'private' };
const tools = ['echo', 'add', 'args'].map((name) => ({ name, inputSchema: { type: 'object' } }));
const sessions = new Set();

const results = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'echo', version: '1' },
  }),
  'server/discover': () => ({
    supportedVersions: ['2026-07-28', '2025-11-25'],
    capabilities: { tools: {} },
    serverInfo: { name: 'echo', version: '1' },
    ...modern,
  }),
  'tools/list': () => ({ tools }),
  'tools/call': ({ arguments: args }) => ({ content: [{ type: 'text', text: `Echo: ${args.message}` }] }),
};

const server = createServer({ noDelay: true, keepAliveTimeout: 600_000 }, (request, response) => {
  if (request.method === 'POST') {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => post(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks), response));
    return;
  }
  if (request.method === 'DELETE') sessions.delete(request.headers['mcp-session-id']);
  if (request.url === '/sessions') return send(response, 200, String(sessions.size));
  send(response, request.method === 'DELETE' ? 200 : 405, '');
});

function post(body, response) {
  const { id, method, params = {} } = JSON.parse(body.toString());
  if (id === undefined) return send(response, 202, '');
  const answer = results[method];
  if (answer === undefined) {
    const error = { code: -32601, message: `no method ${method}` };
    return send(response, 200, JSON.stringify({ jsonrpc: '2.0', id, error }));
  }
  const result = params._meta?.[META] === undefined ? answer(params) : { ...answer(params), ...modern };
  let session;
  if (method === 'initialize') sessions.add((session = randomUUID()));
  send(response, 200, JSON.stringify({ jsonrpc: '2.0', id, result }), session);
}

function send(response, status, text, session) {
  const body = Buffer.from(text);
  const head = ['Content-Type', 'application/json', 'Content-Length', String(body.length)];
  if (session !== undefined) head.push('Mcp-Session-Id', session);
  response.writeHead(status, head);
  response.end(body);
}

server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
process.on('SIGTERM', () => process.exit());
