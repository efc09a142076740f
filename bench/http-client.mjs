// A client of MCP over HTTP that costs as little as can be: plain sockets that stay open, one request at a time on each.
import { connect } from 'node:net';
import { quantile } from './proc.mjs';

const JSON_HEAD = 'Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n';
const META = 'io.modelcontextprotocol/';

/** One connection; `ask` resolves nothing, it calls back: promises would cost more than the rest. */
class Connection {
  #socket;
  #rest = '';
  #answered;
  #failed;

  constructor(port) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (text) => this.#data(text));
    this.#socket.on('error', (error) => this.#failed?.(error));
    this.#socket.on('close', () => this.#failed?.(new Error(`the connection was closed: ${this.#rest.slice(0, 300)}`)));
  }

  /** @param answered gets the status line and head, and the body (of a chunked one with its chunk sizes) */
  ask(request, answered, failed) {
    [this.#answered, this.#failed] = [answered, failed];
    this.#socket.write(request, 'latin1');
  }

  end() {
    this.#failed = undefined;
    this.#socket.destroy();
  }

  #data(text) {
    const all = this.#rest === '' ? text : this.#rest + text;
    const end = all.indexOf('\r\n\r\n');
    if (end < 0 || !isWhole(all, end)) {
      this.#rest = all;
      return;
    }
    this.#rest = '';
    this.#failed = undefined;
    this.#answered(all.slice(0, end), all.slice(end + 4));
  }
}

function isWhole(all, end) {
  if (all.startsWith(' 20', 8) === false) return true;
  const length = /\r\ncontent-length: *(\d+)/i.exec(all);
  if (length !== null && length.index < end) return all.length >= end + 4 + Number(length[1]);
  if (all.startsWith('204', 9)) return true;
  return all.endsWith('\r\n0\r\n\r\n');
}

/** @returns status, fields and body of one request on a connection of its own */
export function once(port, head, body = '') {
  return new Promise((resolve, reject) => {
    const connection = new Connection(port);
    const request = `${head}Host: 127.0.0.1:${port}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const answered = (fields, text) => {
      connection.end();
      resolve({ status: Number(fields.slice(9, 12)), fields, body: text });
    };
    connection.ask(request, answered, reject);
  });
}

/** The fields that say who asks; `key` may be undefined. */
export const credential = (key) => (key === undefined ? '' : `Authorization: Bearer ${key}\r\n`);

/**
 * Opens a session, and lists its tools.
 * @returns the fields of every further request
 */
export async function openSession(port, path, fields = '') {
  const hello =
    '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}';
  const opened = await once(port, `POST ${path} HTTP/1.1\r\n${JSON_HEAD}${fields}`, hello);
  const id = /\r\nmcp-session-id: *([^\r]+)/i.exec(opened.fields)?.[1];
  if (opened.status !== 200 || id === undefined) throw new Error(`no session: ${opened.fields}\n${opened.body}`);
  const session = `${fields}Mcp-Session-Id: ${id}\r\nMCP-Protocol-Version: 2025-11-25\r\n`;
  const post = (body) => once(port, `POST ${path} HTTP/1.1\r\n${JSON_HEAD}${session}`, body);
  const ready = await post('{"jsonrpc":"2.0","method":"notifications/initialized"}');
  if (ready.status !== 202) throw new Error(`initialized: ${ready.fields}\n${ready.body}`);
  return session;
}

/** A target to call: `path` at `port`, in the words of one era. */
export async function legacyTarget(name, port, path, fields = '') {
  const session = await openSession(port, path, fields);
  const target = { name, port, ...parts(port, path, session, '') };
  await listed(target, (id) => `{"jsonrpc":"2.0","id":${id},"method":"tools/list","params":{}}`, path, session);
  return target;
}

export async function modernTarget(name, port, path, fields = '') {
  const meta = `"_meta":{"${META}protocolVersion":"2026-07-28","${META}clientCapabilities":{}},`;
  const head = `${fields}MCP-Protocol-Version: 2026-07-28\r\n`;
  const target = { name, port, ...parts(port, path, `${head}Mcp-Method: tools/call\r\nMcp-Name: echo\r\n`, meta) };
  const list = (id) => `{"jsonrpc":"2.0","id":${id},"method":"tools/list","params":{${meta.slice(0, -1)}}}`;
  await listed(target, list, path, `${head}Mcp-Method: tools/list\r\n`);
  return target;
}

async function listed(target, list, path, fields) {
  const { body } = await once(target.port, `POST ${path} HTTP/1.1\r\n${JSON_HEAD}${fields}`, list(2));
  if (!body.includes('"echo"')) throw new Error(`${target.name} lists no echo: ${body.slice(0, 300)}`);
}

/** A call around its id, which stands in it twice and always has seven digits: the length is known. */
function parts(port, path, fields, meta) {
  const before = '{"jsonrpc":"2.0","id":';
  const between = `,"method":"tools/call","params":{${meta}"name":"echo","arguments":{"message":"hello `;
  const after = '","city":"Bonn","amount":7,"note":"a call of about two hundred bytes"}}}';
  const length = before.length + between.length + after.length + 14;
  const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${JSON_HEAD}${fields}Content-Length: ${length}\r\n\r\n`;
  return { before: head + before, between, after };
}

let lastId = 1_000_000;

/**
 * Calls `echo`, each connection one at a time, and checks each answer. Connections are opened, and used a little, before
 * `started` is told.
 * @returns latencies in µs, unsorted, and the seconds all took
 */
export async function callMany(target, { count, connections, started, onProgress }) {
  const open = Array.from({ length: connections }, () => new Connection(target.port));
  try {
    await run(target, open, connections * 3);
    started?.();
    return await run(target, open, count, onProgress);
  } finally {
    for (const connection of open) connection.end();
  }
}

async function run({ name, before, between, after }, open, count, onProgress) {
  const latencies = new Float64Array(count);
  const started = performance.now();
  let sent = 0;
  let done = 0;
  await new Promise((resolve, reject) => {
    const next = (connection) => {
      if (sent === count) return;
      const at = sent++;
      lastId = lastId === 9_999_999 ? 1_000_001 : lastId + 1;
      const id = String(lastId);
      const since = performance.now();
      const answered = (head, body) => {
        latencies[at] = (performance.now() - since) * 1000;
        if (!head.startsWith('HTTP/1.1 200') || !body.includes(`"Echo: hello ${id}"`) || !body.includes(`"id":${id}`)) {
          return reject(new Error(`${name}, wrong answer: ${head}\n${body.slice(0, 500)}`));
        }
        if (++done === count) resolve();
        else next(connection);
        if (onProgress && done % 50_000 === 0) onProgress(done);
      };
      connection.ask(before + id + between + id + after, answered, reject);
    };
    for (const connection of open) next(connection);
  });
  return { latencies, seconds: (performance.now() - started) / 1000 };
}

export const p50 = (latencies) => quantile(latencies.sort(), 0.5);
