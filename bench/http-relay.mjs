#!/usr/bin/env node
// The least that a Node process between HTTP client and HTTP server can do: the whole body on, the whole answer back.
//   http-relay.mjs ORIGIN            its first line of stdout is its port
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const { Pool } = createRequire(new URL('../packages/callgate/package.json', import.meta.url))('undici');
const pool = new Pool(process.argv[2], { pipelining: 1 });
const NO_ANSWER = Buffer.from('no answer');

const server = createServer({ noDelay: true, keepAliveTimeout: 600_000 }, (request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
    const { method, url: path, rawHeaders } = request;
    pool.dispatch({ path, method, headers: passedOn(rawHeaders), body }, new Answer(response));
  });
});

class Answer {
  chunks = [];
  constructor(response) {
    this.response = response;
  }
  onConnect() {}
  onHeaders(status, raw) {
    this.status = status;
    this.head = passedOn(raw.map(String));
    return true;
  }
  onData(chunk) {
    this.chunks.push(chunk);
    return true;
  }
  onComplete() {
    this.response.writeHead(this.status, this.head);
    this.response.end(this.chunks.length === 1 ? this.chunks[0] : Buffer.concat(this.chunks));
  }
  onError() {
    this.response.writeHead(502, ['Content-Length', String(NO_ANSWER.length)]);
    this.response.end(NO_ANSWER);
  }
}

const own = new Set(['connection', 'keep-alive', 'host', 'date', 'transfer-encoding']);
function passedOn(raw) {
  const kept = [];
  for (let i = 0; i < raw.length; i += 2) {
    if (!own.has(raw[i].toLowerCase())) kept.push(raw[i], raw[i + 1]);
  }
  return kept;
}

server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
process.on('SIGTERM', () => process.exit());
