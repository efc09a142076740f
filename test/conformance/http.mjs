// Serves both eras at http://127.0.0.1:PORT/mcp: sessions for clients up to 2025-11-25, single requests for later ones.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import {
  localhostHostValidation,
  localhostOriginValidation,
  NodeStreamableHTTPServerTransport,
  toNodeHandler,
} from '@modelcontextprotocol/node';
import { createMcpHandler, isLegacyRequest } from '@modelcontextprotocol/server';
import { TOOLS } from './tools.mjs';

/**
 * @param port 0 takes a free one; the first line on stdout is the URL
 * @param era legacy, modern or both
 * @param serverFor makes a server: (era, announce) => Server
 */
export async function serveHttp(port, era, serverFor) {
  const handler = createMcpHandler(() => serverFor('modern', announce), { legacy: 'reject' });
  const announce = (list) => (list === 'tools' ? handler.notify.toolsChanged() : handler.notify.promptsChanged());
  const modern = toNodeHandler(handler);
  const legacy = sessions(() => serverFor('legacy'));
  const isHostGood = localhostHostValidation();
  const isOriginGood = localhostOriginValidation();

  const http = createServer((request, response) => {
    answer(request, response).catch((error) => {
      if (!response.headersSent) response.writeHead(500);
      response.end();
      process.stderr.write(`${error?.stack}\n`);
    });
  });
  await new Promise((done) => {
    http.listen(port, '127.0.0.1', done);
  });
  process.stdout.write(`http://127.0.0.1:${http.address().port}/mcp\n`);

  async function answer(request, response) {
    if (!isHostGood(request, response) || !isOriginGood(request, response)) return;
    const body = await bodyOf(request);
    const isLegacy = era === 'legacy' || (era === 'both' && (await isLegacyRequest(asRequest(request, body), body)));
    const mismatch = isLegacy ? undefined : mismatchedParam(request.headers, body);
    if (mismatch !== undefined) return refuse(response, 400, mismatch, -32020, body.id);
    await (isLegacy ? legacy : modern)(request, response, body);
  }
}

/** A handler that keeps one server and one transport a session. */
function sessions(newServer) {
  const open = new Map();
  return async (request, response, body) => {
    const id = request.headers['mcp-session-id'];
    if (id !== undefined && !open.has(id)) return refuse(response, 404, 'There is no such session.');
    const transport = id === undefined ? await opened() : open.get(id);
    await transport.handleRequest(request, response, body);
  };

  async function opened() {
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: new Events(),
      retryInterval: 500,
      onsessioninitialized: (id) => void open.set(id, transport),
      onsessionclosed: (id) => void open.delete(id),
    });
    await newServer().connect(transport);
    return transport;
  }
}

/** What was sent on the streams of a session, for clients that come back for it. */
class Events {
  #events = [];

  async storeEvent(stream, message) {
    this.#events.push({ stream, message });
    return `${this.#events.length}`;
  }

  async getStreamIdForEventId(id) {
    return this.#events[Number(id) - 1]?.stream;
  }

  async replayEventsAfter(last, { send }) {
    const stream = this.#events[Number(last) - 1]?.stream;
    for (const [at, event] of this.#events.entries()) {
      const isMissed = at >= Number(last) && event.stream === stream && Object.hasOwn(event.message, 'jsonrpc');
      if (isMissed) await send(`${at + 1}`, event.message);
    }
    return stream;
  }
}

async function bodyOf(request) {
  if (request.method !== 'POST') return undefined;
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    return null;
  }
}

/** What the SDK needs to tell the eras apart. */
function asRequest({ method, headers, url }, body) {
  const flat = Object.entries(headers).map(([name, value]) => [name, String(value)]);
  const json = body === undefined ? {} : { body: JSON.stringify(body) };
  return new Request(new URL(url, 'http://localhost'), { method, headers: flat, ...json });
}

function refuse(response, status, message, code = -32600, id = null) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ jsonrpc: '2.0', id, error: { code, message } }));
}

/** Which header does not repeat the argument that the schema says it repeats. The SDK compares for tools it has itself. */
function mismatchedParam(headers, body) {
  if (body?.method !== 'tools/call') return undefined;
  const { properties = {} } = TOOLS.find(({ name }) => name === body.params?.name)?.inputSchema ?? {};
  for (const [name, { 'x-mcp-header': header }] of Object.entries(properties)) {
    if (header === undefined) continue;
    const value = body.params.arguments?.[name];
    const expected = value === undefined || value === null ? undefined : String(value);
    if (decoded(headers[`mcp-param-${header.toLowerCase()}`]) !== expected) {
      return `Mcp-Param-${header} is not the argument ${name}.`;
    }
  }
  return undefined;
}

/** A header value that may be `=?base64?...?=`; null when that is no Base64. */
function decoded(value) {
  const encoded = /^=\?base64\?(.*)\?=$/.exec(value ?? '')?.[1];
  if (encoded === undefined) return value;
  const bytes = Buffer.from(encoded, 'base64');
  return bytes.toString('base64') === encoded ? bytes.toString('utf8') : null;
}
