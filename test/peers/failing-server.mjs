#!/usr/bin/env node
// A server that fails on command, over stdio or HTTP: how it does stands in a file, read anew for each call.
//   failing-server.mjs --mode FILE [--seen FILE] [--port N]      with --port over HTTP; 0 takes a free one
// Modes: ok, error (isError), rpc (a JSON-RPC error), fault (invalid params), hang, exit, 503. A line "TOOL MODE" is that tool's alone.
import { appendFileSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { option, readLines, say, text } from './wire.mjs';

const META = 'io.modelcontextprotocol/protocolVersion';
const modern = { resultType: 'complete', ttlMs: 60_000, cacheScope: 'private' };
const tools = ['work', 'other'].map((name) => ({ name, inputSchema: { type: 'object' } }));
const results = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'failing', version: '1' },
  }),
  'server/discover': () => ({
    supportedVersions: ['2026-07-28'],
    capabilities: { tools: {} },
    serverInfo: { name: 'failing', version: '1' },
  }),
  'tools/list': () => ({ tools }),
  ping: () => ({}),
};

/** The members of the answer; undefined for none. `fail` does what no answer can. */
function answerTo({ method, params = {} }, fail) {
  const era = params._meta?.[META] === undefined ? {} : modern;
  if (method !== 'tools/call') {
    const result = results[method]?.(params);
    return result === undefined ? { error: { code: -32601, message: 'unknown' } } : { result: { ...result, ...era } };
  }
  const seen = option('seen');
  if (seen !== undefined) appendFileSync(seen, `${params.name}\n`);
  switch (modeOf(params.name)) {
    case 'error':
      return { result: { ...text('broken', { isError: true }), ...era } };
    case 'rpc':
      return { error: { code: -32603, message: 'broken' } };
    case 'fault':
      return { error: { code: -32602, message: 'wrong params' } };
    case 'hang':
      return undefined;
    case 'exit':
      return process.exit(3);
    case '503':
      return fail(503);
    default:
      return { result: { ...text('done'), ...era } };
  }
}

function modeOf(tool) {
  const lines = readFileSync(option('mode'), 'utf8').trim().split('\n');
  return lines.findLast((line) => line.startsWith(`${tool} `))?.slice(tool.length + 1) ?? lines[0];
}

function serveHttp(port) {
  const server = createServer((request, response) => {
    if (request.method !== 'POST') return response.writeHead(405).end();
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      const message = JSON.parse(body);
      if (message.id === undefined) return response.writeHead(202).end();
      const answer = answerTo(message, (status) => void response.writeHead(status).end());
      if (answer === undefined) return;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, ...answer }));
    });
  });
  server.listen(port, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
  process.on('SIGTERM', () => process.exit());
}

const port = option('port');
if (port !== undefined) serveHttp(Number(port));
else
  readLines((bytes) => {
    const message = JSON.parse(bytes.toString());
    const answer = message.id === undefined ? undefined : answerTo(message, () => undefined);
    if (answer !== undefined) say({ id: message.id, ...answer });
  });
