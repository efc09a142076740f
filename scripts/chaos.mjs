// Chaos over a running gate: servers that break the protocol and clients that vanish, in seeded random rounds.
//   node scripts/chaos.mjs [--rounds N] [--seed N] [--gate cli.js] [--at-once N] [--verbose]
// Exits 1 with what it found: a request left without an answer, an answer that is somebody else's, a good server that is no
// longer served rightly, processes, descriptors or memory that stay behind, a log that does not verify.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { TOOLS } from '../test/peers/hostile-server.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    seed: { type: 'string' },
    gate: { type: 'string' },
    'at-once': { type: 'string' },
    verbose: { type: 'boolean' },
  },
});
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const seed = Number(values.seed ?? Math.floor(Math.random() * 0x7fffffff));
const rounds = Number(values.rounds ?? 2000);
const atOnce = Number(values['at-once'] ?? 12);
if (![seed, rounds, atOnce].every(Number.isSafeInteger) || rounds < 1 || atOnce < 1) {
  console.error('chaos: --rounds, --seed and --at-once take whole numbers.');
  process.exit(2);
}
const cli = values.gate ?? process.env.GATE_UNDER_TEST ?? here('../packages/callgate/dist/cli.js');

/** Rounds between two looks at the good servers. */
const STRIDE = 50;
/** A request of a client that stays is answered in this time; a call may queue for 30 s for a server process. */
const PATIENCE_MS = 45_000;
const CONFIG = { timeout: 2, sessionIdle: 10, messageBytes: 1 << 20 };
/** What the gate may have more of at the end than at its start, when it had not served anybody: files of its log, warm code. */
const MORE_FDS = 12;
const MORE_MB = 250;
const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': { sampling: {}, elicitation: {}, roots: {} },
};

const findings = [];
const counts = {};
const count = (what) => (counts[what] = (counts[what] ?? 0) + 1);
function find(what, where) {
  count('FOUND');
  if (findings.length < 50) findings.push(`${what} [${where}]`);
  if (values.verbose) console.error(`found: ${what} [${where}]`);
}
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** mulberry32: a small generator, so that a seed gives the same rounds again. */
function randomOf(start) {
  let state = start >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return {
    chance: (p) => next() < p,
    below: (n) => Math.floor(next() * n),
    pick: (list) => list[Math.floor(next() * list.length)],
  };
}

const dir = mkdtempSync(join(tmpdir(), 'callgate-chaos-'));
const started = [];
const agent = new Agent({ keepAlive: true, maxSockets: 200 });
let gate;

async function chaos() {
  const before = measure();
  await goodIsServed('before the first round');
  const peak = { rss: before.rss };
  for (let done = 0; done < rounds; done += STRIDE) {
    await roundsFrom(done, Math.min(rounds, done + STRIDE));
    await goodIsServed(`after round ${Math.min(rounds, done + STRIDE)}`);
    peak.rss = Math.max(peak.rss, measure().rss);
    if (values.verbose) console.error(`${done + STRIDE} rounds: ${JSON.stringify(measure())}`);
  }
  await settled();
  const after = measure();
  console.log(`chaos: before ${JSON.stringify(before)}, after ${JSON.stringify(after)}, most memory ${peak.rss} MB`);
  if (after.children > before.children)
    find(`${after.children} processes stay: ${childrenOf(gate.child.pid).map(commandOf).join(' | ')}`, 'end');
  if (after.fds > before.fds + MORE_FDS)
    find(`${after.fds} descriptors stay open, ${before.fds} at the start: ${kindsOfFds()}`, 'end');
  if (after.rss > before.rss + MORE_MB) find(`${after.rss} MB stay in memory, ${before.rss} at the start`, 'end');
  gate.child.kill('SIGTERM');
  const code = await Promise.race([gate.ended, sleep(15_000).then(() => 'never')]);
  if (code !== 0) find(`the gate ended with ${code} when it was told to`, 'end');
  const faults = gate
    .stderr()
    .split('\n')
    .filter((line) =>
      /inside Callgate|TypeError|unhandled|at file:|could not be taken back|did not carry the id/i.test(line),
    );
  for (const line of new Set(faults)) find(`the gate says: ${line}`, 'stderr');
  try {
    execFileSync(process.execPath, [cli, 'audit', 'verify', '--home', join(dir, 'home')], {
      stdio: 'pipe',
      env: gate.env,
    });
  } catch (error) {
    find(`the log does not verify: ${String(error.stdout)}${String(error.stderr)}`, 'end');
  }
}

async function startGate() {
  const echo = [here('../test/peers/echo-server.mjs')];
  const hostile = here('../test/peers/hostile-server.mjs');
  const command = (args) => ({ command: process.execPath, args, timeout: CONFIG.timeout });
  const url = async (...args) => ({ url: await listening(hostile, ...args), timeout: CONFIG.timeout });
  const servers = {
    good: { command: process.execPath, args: echo },
    goodhttp: { url: await listening(hostile, '--era', 'modern') },
    ls: command([hostile, '--era', 'legacy']),
    ms: command([hostile, '--era', 'modern']),
    lh: await url('--era', 'legacy'),
    mh: await url('--era', 'modern'),
    rls: command([hostile, '--era', 'legacy', '--rude', '7']),
    rms: command([hostile, '--era', 'modern', '--rude', '8']),
    rlh: await url('--era', 'legacy', '--rude', '9'),
    rmh: await url('--era', 'modern', '--rude', '10'),
    mutes: { ...command([hostile, '--era', 'legacy', '--mute']), era: 'legacy' },
    mute: await url('--era', 'legacy', '--mute'),
    dead: { url: 'http://127.0.0.1:9/mcp', timeout: CONFIG.timeout },
    gone: { command: join(dir, 'no-such-command') },
  };
  const config = {
    version: 1,
    servers,
    limits: { messageBytes: CONFIG.messageBytes },
    serve: { sessionIdle: CONFIG.sessionIdle },
    breaker: { transportErrors: 0 },
  };
  writeFileSync(join(dir, 'callgate.yaml'), JSON.stringify(config));
  writeFileSync(
    join(dir, 'policy.yaml'),
    'version: 1\nrules:\n  - { id: all, match: { method: "*" }, effect: allow }\n',
  );
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith('CALLGATE_'));
  const env = { ...Object.fromEntries(others), CALLGATE_HOME: join(dir, 'home') };
  const args = [
    'serve',
    '--auth',
    'anonymous',
    '--port',
    '0',
    '--config',
    join(dir, 'callgate.yaml'),
    '--policy',
    join(dir, 'policy.yaml'),
  ];
  const child = spawn(process.execPath, [cli, ...args], { cwd: dir, env, stdio: ['ignore', 'pipe', 'pipe'] });
  started.push(child);
  let stderr = '';
  let isOver = false;
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
  void ended.then(() => (isOver = true));
  const line = await firstLine(child, /https?:\/\/[\d.:]+/, () => stderr);
  const key = readFileSync(join(dir, 'home', 'keys', 'serve.key'), 'utf8').trim();
  return {
    child,
    env,
    key,
    ended,
    origin: line,
    port: Number(new URL(line).port),
    stderr: () => stderr,
    isOver: () => isOver,
  };
}

async function listening(hostile, ...args) {
  const child = spawn(process.execPath, [hostile, '--http', '0', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  started.push(child);
  return firstLine(child, /http:\S+/, () => '');
}

function firstLine(child, pattern, stderr) {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      const found = pattern.exec(text);
      if (found !== null) resolve(found[0]);
    });
    child.once('exit', (code) => reject(new Error(`ended with ${code}: ${stderr()}`)));
  });
}

async function roundsFrom(from, to) {
  let next = from;
  const worker = async () => {
    while (next < to && !gate.isOver()) {
      const round = next++;
      try {
        await playRound(round);
      } catch (error) {
        find(`a round failed: ${error?.stack}`, `round ${round}`);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, to - from) }, worker));
  if (gate.isOver()) throw new Error(`the gate is gone (${await gate.ended}): ${gate.stderr().slice(-3000)}`);
}

const SERVERS = ['ls', 'ms', 'lh', 'mh', 'ls', 'ms', 'lh', 'mh', 'rls', 'rms', 'rlh', 'rmh', 'dead', 'gone', undefined];

async function playRound(round) {
  const random = randomOf(seed * 1_000_003 + round);
  const era = random.pick(['legacy', 'modern']);
  const isMute = random.chance(0.03);
  const server = isMute ? random.pick(['mute', 'mutes']) : random.pick(SERVERS);
  const path = server === undefined ? '/mcp' : `/mcp/${server}`;
  const client = {
    round,
    hasKey: random.chance(0.3),
    random,
    era,
    server,
    path,
    where: `round ${round}, ${era} client at ${path}`,
    session: undefined,
    ids: 0,
  };
  const vanish = isMute || random.chance(0.45) ? random.pick(VANISH) : undefined;
  count(vanish === undefined ? 'stayed' : 'vanished');
  if (vanish !== undefined) {
    client.where += ` that vanishes ${vanish.name}`;
    await vanish(client);
  } else await (era === 'legacy' ? staysLegacy(client) : staysModern(client));
}

async function staysLegacy(client) {
  const { random } = client;
  if (!(await opened(client))) return;
  const stream = random.chance(0.5) ? hold(client, 'GET') : undefined;
  const calls = Array.from({ length: 1 + random.below(4) }, () => callOf(client));
  await Promise.all(calls.map((call) => played(client, call)));
  if (random.chance(0.3)) await listed(client);
  stream?.destroy();
  if (random.chance(0.7)) await exchange(client, 'DELETE', undefined);
}

async function staysModern(client) {
  const { random } = client;
  if (random.chance(0.3)) await answered(client, messageOf(client, 'server/discover', {}));
  if (random.chance(0.3)) await listed(client);
  const calls = Array.from({ length: 1 + random.below(4) }, () => callOf(client));
  await Promise.all(calls.map((call) => played(client, call)));
}

/** One tool call, and its second half where the server asks. */
async function played(client, call) {
  const { random } = client;
  const isAlone = client.server === undefined;
  const answer = await answered(client, messageOf(client, 'tools/call', paramsOf(client, call)), PATIENCE_MS, call);
  const result = answer?.result;
  if (result?.resultType !== 'input_required' || random.chance(0.3) || isAlone) return;
  const keys = Object.keys(result.inputRequests ?? {});
  const said = { role: 'assistant', model: 'm', content: { type: 'text', text: 'said' } };
  const inputResponses = Object.fromEntries(keys.map((key) => [key, said]));
  const params = { ...paramsOf(client, call), inputResponses, requestState: result.requestState };
  await answered(client, messageOf(client, 'tools/call', params), PATIENCE_MS, call);
}

async function listed(client) {
  const answer = await answered(client, messageOf(client, 'tools/list', {}));
  if (answer?.result !== undefined && !Array.isArray(answer.result.tools) && !String(client.server).startsWith('r'))
    find(`a list that is none: ${JSON.stringify(answer).slice(0, 300)}`, client.where);
}

function callOf(client) {
  const tool = client.random.pick(TOOLS);
  count(`tool ${tool}`);
  return { tool, nonce: `${client.round}-${++client.ids}-${client.random.below(1e9)}` };
}

function paramsOf(client, { tool, nonce }) {
  const name = client.server === undefined ? `${client.random.pick(['ls', 'ms', 'lh', 'mh'])}__${tool}` : tool;
  return { name, arguments: { nonce }, ...(client.random.chance(0.3) ? { _meta: { progressToken: nonce } } : {}) };
}

function messageOf(client, method, params) {
  const id = client.random.chance(0.5) ? ++client.ids : `id-${++client.ids}`;
  const meta = client.era === 'modern' ? { _meta: { ...params._meta, ...META } } : {};
  return { jsonrpc: '2.0', id, method, params: { ...params, ...meta } };
}

async function opened(client) {
  const params = {
    protocolVersion: '2025-11-25',
    capabilities: { sampling: {}, elicitation: {}, roots: {} },
    clientInfo: { name: 'chaos', version: '1' },
  };
  const answer = await answered(client, messageOf(client, 'initialize', params));
  if (answer?.result === undefined || client.session === undefined) return false;
  await exchange(client, 'POST', { jsonrpc: '2.0', method: 'notifications/initialized' });
  return true;
}

/** Sends a request and holds what comes to the rules: one answer, its own. @returns the answer, or undefined */
async function answered(client, message, patienceMs = PATIENCE_MS, call) {
  const since = Date.now();
  const got = await exchange(client, 'POST', message, patienceMs);
  const took = Date.now() - since;
  const what = `${message.method}${call === undefined ? '' : ` ${call.tool}`}`;
  if (got.isLate) {
    find(`no answer to ${what} within ${patienceMs / 1000} s`, client.where);
    return undefined;
  }
  count('answers');
  if (took > 10_000) count('slow answers');
  const answers = got.messages.filter(
    (one) => one.method === undefined && (one.result !== undefined || one.error !== undefined),
  );
  if (got.status >= 400) {
    count(`HTTP ${got.status}`);
    if (got.status === 500) find(`${what} was answered with HTTP 500: ${got.text.slice(0, 300)}`, client.where);
    return answers[0];
  }
  if (answers.length !== 1) {
    find(
      `${answers.length} answers to ${what} (HTTP ${got.status}, ${got.error ?? 'whole'}): ${got.text.slice(0, 300)}`,
      client.where,
    );
    return undefined;
  }
  const [answer] = answers;
  if (answer.id !== message.id)
    find(`an answer to ${what} with another id: ${JSON.stringify(answer).slice(0, 300)}`, client.where);
  if (call !== undefined && answer.result !== undefined) {
    const nonce = /nonce (\d[\w-]*)/.exec(JSON.stringify(answer.result))?.[1]?.replace('-again', '');
    if (nonce !== undefined && nonce !== call.nonce)
      find(`an answer to ${what} that is another call's: ${nonce} for ${call.nonce}`, client.where);
    count('results');
  } else if (answer.error !== undefined) count('errors');
  return answer;
}

/** One HTTP request; answers what the server asks on its stream, mostly. */
function exchange(client, method, message, patienceMs = 10_000) {
  const body = message === undefined ? undefined : Buffer.from(JSON.stringify(message));
  return new Promise((resolve) => {
    const got = { status: 0, messages: [], text: '', isLate: false, error: undefined };
    const finish = () => {
      clearTimeout(timer);
      resolve(got);
    };
    const timer = setTimeout(() => {
      got.isLate = true;
      out.destroy();
      finish();
    }, patienceMs);
    const options = {
      host: '127.0.0.1',
      port: gate.port,
      path: client.path,
      method,
      headers: headersOf(client, message, body),
      agent,
    };
    const out = request(options, (response) => {
      got.status = response.statusCode;
      const session = response.headers['mcp-session-id'];
      if (session !== undefined) client.session = session;
      const isStream = String(response.headers['content-type']).startsWith('text/event-stream');
      listen(client, got, response, isStream);
      response.on('end', finish);
      response.on('error', (error) => {
        got.error = error.code ?? error.message;
        finish();
      });
    });
    out.on('error', (error) => {
      got.error = error.code ?? error.message;
      finish();
    });
    out.end(body);
  });
}

/** Reads the messages of a response, one or a stream of them. */
function listen(client, got, response, isStream) {
  const dataOf = (event) => event.split('\n').filter((line) => line.startsWith('data:'));
  let rest = '';
  response.setEncoding('utf8');
  response.on('data', (chunk) => {
    if (got.text.length < 5000) got.text += chunk;
    rest += chunk;
    if (!isStream) return;
    for (let at = rest.indexOf('\n\n'); at >= 0; at = rest.indexOf('\n\n')) {
      const data = dataOf(rest.slice(0, at)).map((line) => line.slice(5).trim());
      rest = rest.slice(at + 2);
      heard(client, got, data.join('\n'));
    }
  });
  response.on('end', () => {
    if (!isStream) heard(client, got, rest);
  });
}

function heard(client, got, text) {
  if (text === '') return;
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    if (text.startsWith('{')) find(`something that is no JSON: ${text.slice(0, 200)}`, client.where);
    return;
  }
  got.messages.push(message);
  if (message.method === undefined || message.id === undefined) return;
  const result = { role: 'assistant', model: 'm', content: { type: 'text', text: 'said' } };
  const answer = client.random.chance(0.8) ? { result } : { error: { code: -1, message: 'The user said no.' } };
  void exchange(client, 'POST', { jsonrpc: '2.0', id: message.id, ...answer });
}

function headersOf(client, message, body) {
  const { era, session } = client;
  const headers = { accept: 'application/json, text/event-stream' };
  if (body !== undefined)
    Object.assign(headers, { 'content-type': 'application/json', 'content-length': String(body.length) });
  if (session !== undefined) headers['mcp-session-id'] = session;
  if (client.hasKey) headers.authorization = `Bearer ${gate.key}`;
  if (era === 'modern' && message?.method !== undefined) {
    headers['mcp-protocol-version'] = '2026-07-28';
    headers['mcp-method'] = message.method;
    if (message.params?.name !== undefined) headers['mcp-name'] = message.params.name;
  }
  return headers;
}

/** A stream that stays open until its holder lets go. */
function hold(client, method, message) {
  const body = message === undefined ? undefined : Buffer.from(JSON.stringify(message));
  const out = request({
    host: '127.0.0.1',
    port: gate.port,
    path: client.path,
    method,
    headers: headersOf(client, message, body),
    agent: false,
  });
  out.on('response', (response) => {
    response.on('error', () => {});
    listen(client, { messages: [], text: '' }, response, true);
  });
  out.on('error', () => {});
  out.end(body);
  return out;
}

/** Writes bytes and hangs up when `until` says so, or after a while. */
async function hungUp(bytes, { afterMs = 0, onFirstByte = false, reads = true } = {}) {
  const socket = connect(gate.port, '127.0.0.1');
  socket.on('error', () => {});
  const over = new Promise((resolve) => socket.once('close', resolve));
  await Promise.race([new Promise((resolve) => socket.once('connect', resolve)), over]);
  if (!reads) socket.pause();
  if (bytes !== undefined) socket.write(bytes);
  const first = new Promise((resolve) => reads && socket.once('data', resolve));
  if (reads) socket.resume();
  await Promise.race([onFirstByte ? Promise.race([first, sleep(1500)]) : sleep(afterMs), over]);
  socket.destroy();
  await over;
}

function wireOf(client, message) {
  const body = Buffer.from(JSON.stringify(message));
  const fields = { host: `127.0.0.1:${gate.port}`, ...headersOf(client, message, body) };
  const head = `POST ${client.path} HTTP/1.1\r\n${Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;
  return { head: Buffer.from(head), body, whole: Buffer.concat([Buffer.from(head), body]) };
}

/** A call of a client that will not wait for it; legacy ones have a session first. */
async function lost(client) {
  if (client.era === 'legacy' && !(client.server ?? '').startsWith('mute') && !(await opened(client))) return undefined;
  const opening = client.era === 'legacy' && client.session === undefined;
  return wireOf(
    client,
    opening
      ? messageOf(client, 'initialize', {
          protocolVersion: '2025-11-25',
          capabilities: {},
          clientInfo: { name: 'c', version: '1' },
        })
      : messageOf(client, 'tools/call', paramsOf(client, callOf(client))),
  );
}

const VANISH = [
  async function afterConnect() {
    await hungUp(undefined, { afterMs: 5 });
  },
  async function midHead(client) {
    const wire = wireOf(client, messageOf(client, 'tools/list', {}));
    await hungUp(wire.head.subarray(0, client.random.below(wire.head.length)), { afterMs: 10 });
  },
  async function midBody(client) {
    const wire = await lost(client);
    if (wire !== undefined)
      await hungUp(Buffer.concat([wire.head, wire.body.subarray(0, client.random.below(wire.body.length))]), {
        afterMs: 10,
      });
  },
  async function afterTheRequest(client) {
    const wire = await lost(client);
    if (wire !== undefined) await hungUp(wire.whole, { afterMs: client.random.pick([0, 1, 5, 20, 100, 400]) });
  },
  async function afterTheRequestAgain(client) {
    const wire = await lost(client);
    if (wire !== undefined) await hungUp(wire.whole, { afterMs: client.random.pick([0, 1, 5, 20, 100, 400]) });
  },
  async function midStream(client) {
    const wire = await lost(client);
    if (wire !== undefined) await hungUp(wire.whole, { onFirstByte: true });
  },
  async function withoutReading(client) {
    if (client.era === 'legacy' && !(await opened(client))) return;
    const wire = wireOf(
      client,
      messageOf(client, 'tools/call', {
        name: client.random.pick(['flood', 'endless', 'oversized']),
        arguments: { nonce: '0' },
      }),
    );
    await hungUp(wire.whole, { afterMs: 700, reads: false });
  },
  async function midParkedCall(client) {
    if (client.era === 'legacy' && !(await opened(client))) return;
    const message = messageOf(client, 'tools/call', {
      name: client.random.pick(['ask', 'ask-and-kill']),
      arguments: { nonce: `${client.round}-0` },
    });
    if (client.era === 'modern') await exchange(client, 'POST', message, 5000);
    else await hungUp(wireOf(client, message).whole, { onFirstByte: true });
  },
  async function withoutDelete(client) {
    if (client.era === 'legacy') await opened(client);
    else await exchange(client, 'POST', messageOf(client, 'server/discover', {}), 5000);
  },
  async function fromItsStream(client) {
    const listen = { notifications: { toolsListChanged: true, resourceSubscriptions: ['file:///a'] } };
    if (client.era === 'legacy' && !(await opened(client))) return;
    const stream =
      client.era === 'legacy'
        ? hold(client, 'GET')
        : hold(client, 'POST', messageOf(client, 'subscriptions/listen', listen));
    await sleep(client.random.pick([0, 20, 200, 600]));
    stream.destroy();
  },
].map((vanish) => Object.assign(muteProof(vanish), {}));

/** Clients of a server that says nothing do not wait to be let in. */
function muteProof(vanish) {
  const wrapped = async (client) => {
    if (!(client.server ?? '').startsWith('mute')) return vanish(client);
    const wire = await lost(client);
    await hungUp(wire?.whole, { afterMs: client.random.pick([0, 50, 600]) });
  };
  return Object.defineProperty(wrapped, 'name', { value: vanish.name });
}

/** The good servers answer rightly, in both eras, alone and as one of many. */
async function goodIsServed(when) {
  const checks = [
    ['legacy', '/mcp/good', 'echo'],
    ['modern', '/mcp/good', 'echo'],
    ['legacy', '/mcp', 'good__echo'],
    ['modern', '/mcp', 'good__echo'],
    ['legacy', '/mcp/goodhttp', 'good'],
    ['modern', '/mcp/goodhttp', 'good'],
  ];
  await Promise.all(
    checks.map(async ([era, path, name]) => {
      const client = {
        round: -1,
        random: randomOf(1),
        era,
        server: path.slice(5) || undefined,
        path,
        where: `good ${era} client at ${path}, ${when}`,
        session: undefined,
        ids: 0,
      };
      if (era === 'legacy' && !(await opened(client))) return find('a good server gives no session', client.where);
      const nonce = `${Date.now()}-${Math.floor(Math.random() * 1e9)}`;
      const answer = await answered(
        client,
        messageOf(client, 'tools/call', { name, arguments: { nonce, message: nonce } }),
      );
      if (!JSON.stringify(answer?.result ?? answer ?? '').includes(nonce))
        find(`a good server is not served: ${JSON.stringify(answer)}`, client.where);
      if (era === 'legacy') await exchange(client, 'DELETE', undefined);
    }),
  );
  const { status } = await fetch(`${gate.origin}/health`);
  if (status !== 200) find(`health says ${status}`, when);
}

/** Waits until what nobody uses is put away, as long as that may take. */
async function settled() {
  agent.destroy();
  let last = '';
  for (let i = 0, same = 0; i < 60 && (same < 3 || i < 12); i++) {
    await sleep(1000);
    const { children, fds } = measure();
    if (children === 0 && i >= 11) break;
    if (values.verbose && i % 10 === 9)
      console.error(`settling: ${childrenOf(gate.child.pid).map(commandOf).join(' | ')}`);
    same = last === `${children} ${fds}` ? same + 1 : 0;
    last = `${children} ${fds}`;
    if (children > 0) same = 0;
  }
}

function measure() {
  const { pid } = gate.child;
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  return { children: childrenOf(pid).length, fds: readdirSync(`/proc/${pid}/fd`).length, rss: Math.round(rss / 1024) };
}

function childrenOf(pid) {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    try {
      return readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean);
    } catch {
      return [];
    }
  });
}

function commandOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').slice(-160);
  } catch {
    return 'gone';
  }
}

function kindsOfFds() {
  const { pid } = gate.child;
  const out = execFileSync('ls', ['-l', `/proc/${pid}/fd`], { encoding: 'utf8' });
  const kinds = {};
  for (const line of out.split('\n')) {
    const kind = /-> ([a-z]+:|\/\S+)/.exec(line)?.[1];
    if (kind !== undefined) kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  return JSON.stringify(kinds);
}

const began = Date.now();
try {
  gate = await startGate();
  await chaos();
} catch (error) {
  find(`chaos itself failed: ${error?.stack}`, 'chaos.mjs');
} finally {
  for (const child of started) child.kill('SIGKILL');
}
const seconds = ((Date.now() - began) / 1000).toFixed(1);
console.log(`chaos: seed ${seed}, ${rounds} rounds, ${seconds} s, ${JSON.stringify(counts)}`);
for (const one of findings) console.log(`FOUND ${one}`);
if (findings.length === 0) rmSync(dir, { recursive: true, force: true });
else console.log(`The home and the log of the gate are in ${dir}; again: --seed ${seed} --rounds ${rounds}`);
process.exit(findings.length === 0 ? 0 : 1);
