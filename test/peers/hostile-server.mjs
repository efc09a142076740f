#!/usr/bin/env node
// A server that breaks the protocol, in the way that the called tool names.
//   hostile-server.mjs --era legacy|modern [--http PORT] [--rude SEED] [--mute]
// --http: over Streamable HTTP at http://127.0.0.1:PORT/mcp (0: a free port, printed); else over stdio.
// --rude: the handshake is broken as well, now and then. --mute: takes everything and answers nothing.
// Every tool says `{"nonce": …}` of its arguments back where it gives a right answer at all.
import { createServer } from 'node:http';
import { option, readLines } from './wire.mjs';

const LIMIT = 1 << 20;
const isModern = option('era') === 'modern';
const isMute = process.argv.includes('--mute');
let rudeness = Number(option('rude') ?? 0) ^ process.pid;
const isRude = () =>
  option('rude') !== undefined && (rudeness = (rudeness * 1103515245 + 12345) & 0x7fffffff) % 3 === 0;

const json = JSON.stringify;
const result = (id, value) =>
  json({ jsonrpc: '2.0', id, result: isModern ? { resultType: 'complete', ...value } : value });
const good = (id, nonce) => result(id, { content: [{ type: 'text', text: `nonce ${nonce}` }] });
const note = (data) => json({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data } });
const pick = (list) => list[Math.floor(Math.random() * list.length)];

/** What each tool does with `out`: `say(text)`, `raw(bytes)`, `die()`, `cut()` (ends the answer), `later(ms, what)`. */
const tools = {
  good: (out, id, nonce) => out.say(good(id, nonce)),
  slow: (out, id, nonce) => out.later(50 + Math.random() * 250, () => out.say(good(id, nonce))),
  hang: () => {},
  kill: (out) => out.die(),
  'half-then-kill': (out, id, nonce) => {
    out.raw(good(id, nonce).slice(0, 30));
    out.later(10, () => out.die());
  },
  'half-then-cut': (out, id, nonce) => {
    out.raw(good(id, nonce).slice(0, 30));
    out.later(10, () => out.cut());
  },
  garbage: (out, id, nonce) => {
    for (const one of ['<html>', '{"jsonrpc":', '\u0000\u0001', '[]', 'null', '{}', '{"jsonrpc":"2.0"}']) out.say(one);
    out.say(good(id, nonce));
  },
  binary: (out, id, nonce) => {
    out.raw(Buffer.from(Array.from({ length: 4096 }, (_, at) => (at * 7919) & 255)));
    out.raw('\n');
    out.say(good(id, nonce));
  },
  oversized: (out, id) => out.say(good(id, 'x'.repeat(LIMIT * 3))),
  'oversized-note': (out, id, nonce) => {
    out.say(note('y'.repeat(LIMIT * 2)));
    out.say(good(id, nonce));
  },
  deep: (out, id) =>
    out.say(`{"jsonrpc":"2.0","id":${json(id)},"result":{"content":[],"x":${'['.repeat(20000)}${']'.repeat(20000)}}}`),
  twice: (out, id, nonce) => {
    out.say(good(id, nonce));
    out.say(good(id, `${nonce}-again`));
  },
  other: (out, id, nonce) => {
    for (const one of [typeof id === 'number' ? id + 1 : `${id}1`, 987654, 'abc', null, 1.5])
      out.say(good(one, 'stranger'));
    out.say(good(id, nonce));
  },
  duplicate: (out, id) => out.say(`{"jsonrpc":"2.0","id":${json(id)},"result":{"content":[]},"result":{"content":[]}}`),
  twofaced: (out, id) => out.say(`{"jsonrpc":"2.0","id":${json(id)},"result":{},"error":{"code":1,"message":"x"}}`),
  batch: (out, id, nonce) => {
    out.say(`[${good(id, nonce)}]`);
    out.say(good(id, nonce));
  },
  flood: (out, id, nonce) => {
    for (let i = 0; i < 2000; i++) out.say(note(`${i} ${'z'.repeat(200)}`));
    out.say(good(id, nonce));
  },
  endless: (out, id, nonce) => {
    let left = 400;
    const more = () => {
      out.say(note(`still ${left}`));
      if (--left > 0 && out.isOpen()) out.later(5, more);
      else out.say(good(id, nonce));
    };
    more();
  },
  progress: (out, id, nonce, token) => {
    for (const one of [token, 'nobody', 5, {}]) {
      const params = { progressToken: one, progress: 1 };
      out.say(json({ jsonrpc: '2.0', method: 'notifications/progress', params }));
    }
    out.say(good(id, nonce));
  },
  ask: (out, id, nonce) => out.ask(id, nonce),
  'ask-and-kill': (out, id, nonce) => {
    out.ask(id, nonce);
    out.later(20, () => out.die());
  },
  'ask-nonsense': (out, id, nonce) => {
    for (const method of ['sampling/createMessage', 'tools/call', 'no/such']) {
      out.say(json({ jsonrpc: '2.0', id: `q-${nonce}-${method}`, method, params: [] }));
    }
    out.say(good(id, nonce));
  },
  // What only HTTP can get wrong; over stdio these answer rightly.
  'type-html': (out, id, nonce) => out.http(200, 'text/html', good(id, nonce)),
  'type-lie': (out, id, nonce) => out.http(200, 'application/json', `data: ${good(id, nonce)}\n\n`),
  'type-sse-lie': (out, id, nonce) => out.http(200, 'text/event-stream', good(id, nonce)),
  'type-odd': (out, id, nonce) => out.http(200, 'Application/JSON; charset=UTF-8', good(id, nonce)),
  status: (out, id, nonce) =>
    out.http(pick([201, 202, 204, 302, 400, 401, 403, 404, 429, 500, 503]), 'application/json', good(id, nonce)),
  gzip: (out, id, nonce) => out.http(200, 'application/json', good(id, nonce), { 'content-encoding': 'gzip' }),
  length: (out, id, nonce) => out.http(200, 'application/json', good(id, nonce), { 'content-length': '999999' }),
  'endless-event': (out, id, nonce) => out.trickle(id, nonce),
  forget: (out, id, nonce) => out.forget(id, nonce),
};
export const TOOLS = Object.keys(tools);

const INFO = { serverInfo: { name: 'hostile', version: '1' }, capabilities: { tools: {}, logging: {} } };
const answers = {
  initialize: ({ protocolVersion }) => ({ protocolVersion: protocolVersion ?? '2025-11-25', ...INFO }),
  'server/discover': () => ({ supportedVersions: ['2026-07-28'], ttlMs: 0, cacheScope: 'private', ...INFO }),
  ping: () => ({}),
  'logging/setLevel': () => ({}),
  'tools/list': () => ({
    ...(isModern ? { ttlMs: 0, cacheScope: 'private' } : {}),
    tools: TOOLS.map((name) => ({ name, inputSchema: { type: 'object' } })),
  }),
};
const ofOtherEra = new Set(isModern ? ['initialize', 'ping', 'logging/setLevel'] : ['server/discover']);

/** Calls that wait for an answer of the client, by the id of the question. */
const asked = new Map();

function take(line, out) {
  if (isMute) return;
  let message;
  try {
    message = JSON.parse(line);
  } catch {
    return out.done();
  }
  const { id, method, params = {} } = message ?? {};
  if (method === undefined) {
    asked.get(id)?.();
    asked.delete(id);
    return out.done();
  }
  if (id === undefined) return out.done();
  if (method !== 'tools/call') {
    if (isRude())
      return tools[pick(['kill', 'garbage', 'duplicate', 'half-then-cut', 'oversized', 'status', 'type-html'])](
        out,
        id,
        'rude',
      );
    const answer = ofOtherEra.has(method) || !Object.hasOwn(answers, method) ? undefined : answers[method](params);
    return out.say(
      answer === undefined
        ? json({ jsonrpc: '2.0', id, error: { code: -32601, message: 'no such method' } })
        : result(id, answer),
    );
  }
  const nonce = params.arguments?.nonce;
  const tool = Object.hasOwn(tools, params.name) ? params.name : 'good';
  if (tool === 'ask' && isModern && params.inputResponses !== undefined) return out.say(good(id, nonce));
  tools[tool](out, id, nonce, params._meta?.progressToken);
}

function ask(say, id, nonce) {
  const question = { messages: [{ role: 'user', content: { type: 'text', text: 'say' } }], maxTokens: 5 };
  if (isModern) {
    const inputRequests = { one: { method: 'sampling/createMessage', params: question } };
    return say(
      json({ jsonrpc: '2.0', id, result: { resultType: 'input_required', inputRequests, requestState: `s-${nonce}` } }),
    );
  }
  asked.set(`q-${nonce}`, () => say(good(id, nonce)));
  say(json({ jsonrpc: '2.0', id: `q-${nonce}`, method: 'sampling/createMessage', params: question }));
}

const later = (ms, what) => void setTimeout(() => what(), ms).unref();

function overStdio() {
  const say = (text) => void process.stdout.write(`${text}\n`);
  const end = () => process.exit(1);
  const out = {
    say,
    raw: (bytes) => void process.stdout.write(bytes),
    die: end,
    cut: () => say(''),
    done: () => {},
    isOpen: () => true,
    later: (ms, what) => void setTimeout(() => what(), ms),
    ask: (id, nonce) => ask(say, id, nonce),
    http: (_status, _type, text) => say(text.replace(/^data: /, '').trim()),
    trickle: (id, nonce) => say(good(id, nonce)),
    forget: (id, nonce) => say(good(id, nonce)),
  };
  out.cut = () => process.stdout.write('\n', end);
  readLines((line) => take(line.toString(), out));
}

function overHttp(port) {
  const sessions = new Set();
  const server = createServer((request, response) => {
    response.on('error', () => {});
    const session = request.headers['mcp-session-id'];
    if (isMute) return;
    if (request.method === 'DELETE') {
      sessions.delete(session);
      return void response.writeHead(200).end();
    }
    if (request.method === 'GET') {
      if (isModern || Math.random() < 0.3) return void response.writeHead(405).end();
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      if (Math.random() < 0.3) later(100, () => response.destroy());
      return;
    }
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('error', () => {});
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const isOpening = body.includes('"method":"initialize"');
      if (!isModern && !isOpening && !sessions.has(session)) return void response.writeHead(404).end();
      const headers = {};
      if (!isModern && isOpening) {
        headers['mcp-session-id'] = `s${Math.random()}`;
        sessions.add(headers['mcp-session-id']);
      }
      take(body, httpOut(response, headers, session));
    });
  });
  function httpOut(response, headers, session) {
    // As JSON when the answer is one message that comes at once, else as a stream; either by chance.
    const asStream = Math.random() < 0.6;
    const stream = () => {
      if (!response.headersSent) response.writeHead(200, { ...headers, 'content-type': 'text/event-stream' });
    };
    const isAnswer = (text) => text.includes('"result"') || text.includes('"error"');
    const out = {
      say(text) {
        if (response.destroyed || response.writableEnded) return;
        if (!asStream && !response.headersSent && isAnswer(text)) {
          return void response.writeHead(200, { ...headers, 'content-type': 'application/json' }).end(text);
        }
        stream();
        response.write(`data: ${text}\n\n`);
        if (isAnswer(text) && Math.random() < 0.8) later(20, () => response.end());
      },
      raw(bytes) {
        if (response.destroyed || response.writableEnded) return;
        stream();
        response.write(typeof bytes === 'string' ? `data: ${bytes}` : bytes);
      },
      die() {
        // As the end of the process would: every connection breaks.
        server.closeAllConnections();
        sessions.clear();
      },
      cut: () => response.destroy(),
      done: () => void (response.headersSent || response.writeHead(202).end()),
      isOpen: () => !response.destroyed,
      later,
      ask: (id, nonce) => ask((text) => out.say(text), id, nonce),
      http: (status, type, text, more = {}) => {
        if (response.headersSent) return out.say(text);
        response.writeHead(status, {
          ...headers,
          'content-type': type,
          ...(status === 302 ? { location: 'http://127.0.0.1:1/' } : {}),
          ...more,
        });
        response.end(status === 204 ? undefined : text);
      },
      trickle(id, nonce) {
        stream();
        let left = 200;
        const more = () => {
          if (response.destroyed) return;
          response.write(left === 200 ? 'data: {"jsonrpc"' : 'x'.repeat(1000));
          if (--left > 0) later(5, more);
          else {
            response.write('\n\n');
            out.say(good(id, nonce));
            response.end();
          }
        };
        more();
      },
      forget(id, nonce) {
        sessions.delete(session);
        out.say(good(id, nonce));
      },
    };
    return out;
  }
  server.listen(port, '127.0.0.1', () => process.stdout.write(`http://127.0.0.1:${server.address().port}/mcp\n`));
}

const port = option('http');
if (process.argv[1]?.endsWith('hostile-server.mjs')) {
  if (port === undefined) overStdio();
  else overHttp(Number(port));
}
