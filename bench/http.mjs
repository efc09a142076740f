// HTTP to HTTP and HTTP to stdio. All targets of a part run at the same time; short blocks of calls go to one after the
// other, so that each round sees the machine as it is just then. "added" is the median of the differences within a round.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { callMany, credential, legacyTarget, modernTarget, once, openSession, p50 } from './http-client.mjs';
import { TWENTY } from './policy.mjs';
import { cpuOf, median, rssOf } from './proc.mjs';

const here = dirname(fileURLToPath(import.meta.url));

/**
 * @param {{ scratch: string, cli: string, rounds: number, quick: boolean, peers?: string, budget: Function, show: Function }} bench
 * `peers`: a directory where supergateway and mcp-proxy are installed
 * @returns rows, and the tables they were made of
 */
export async function measureHttp(bench) {
  const http = await withProcesses((start) => overHttp(bench, start));
  const stdio = await measureStdioBridges(bench);
  return { rows: [...http.rows, ...stdio.rows], tables: [http.table, stdio.table] };
}

/** HTTP in front of a server on stdio: ours and those of npm, side by side. */
export const measureStdioBridges = (bench) => withProcesses((start) => overStdio(bench, start));

async function overHttp(bench, start) {
  const { budget, show, quick, rounds } = bench;
  const upstream = await start('upstream', [join(here, 'http-upstream.mjs')]);
  const relay = await start('relay', [join(here, 'http-relay.mjs'), `http://127.0.0.1:${upstream.port}`]);
  const { gate, key } = await startGate(bench, start, 'http', ['--upstream', `http://127.0.0.1:${upstream.port}/mcp`]);
  const asked = credential(key);
  const targets = [
    { ...(await legacyTarget('direct', upstream.port, '/mcp')), pid: upstream.pid },
    { ...(await legacyTarget('relay', relay.port, '/mcp')), pid: relay.pid },
    { ...(await legacyTarget('callgate, sessions', gate.port, '/mcp', asked)), pid: gate.pid },
    { ...(await modernTarget('callgate, 2026-07-28', gate.port, '/mcp', asked)), pid: gate.pid },
  ];
  const load = { rounds: rounds * 4, sequential: quick ? 300 : 600, many: quick ? 3000 : 6000, connections: 64 };
  const found = await interleaved(targets, load, bench);
  const rows = [];
  for (const { name } of targets.slice(2)) {
    const [added, relayed] = [found.added(name, 'p50'), found.added('relay', 'p50')];
    rows.push(
      budget(
        `${name}: added p50 over direct`,
        added,
        'µs',
        60,
        '≤',
        `${show(added / relayed)} × the relay's ${show(relayed)} µs`,
      ),
      budget(
        `${name}: CPU a call at 64 connections`,
        found.of(name, 'mainUs'),
        'µs',
        60,
        '≤',
        `main thread; ${show(found.of(name, 'mainUs') / found.of('relay', 'mainUs'))} × the relay's; all threads ${show(found.of(name, 'cpuUs'))} µs`,
      ),
      budget(
        `${name}: CPU a call at 64 connections, times a bare relay's`,
        found.ratio(name, 'relay', 'mainUs'),
        '×',
        1.8,
        '≤',
        'what moves least with the load of the machine',
      ),
      budget(
        `${name}: calls a second at 64 connections`,
        found.best(name, 'perSecond'),
        '/s',
        12_000,
        '≥',
        `best of ${load.rounds} short rounds; median ${show(found.of(name, 'perSecond'))}, relay ${show(found.of('relay', 'perSecond'))}`,
      ),
    );
  }
  return { rows, table: found.table };
}

async function overStdio(bench, start) {
  const { budget, show, quick, rounds, peers } = bench;
  const server = [process.execPath, join(here, '../test/peers/echo-server.mjs')];
  const { gate, key } = await startGate(bench, start, 'stdio', ['--', ...server]);
  const targets = [{ ...(await legacyTarget('callgate', gate.port, '/mcp', credential(key))), pid: gate.pid }];
  const others = peers === undefined ? [] : peersIn(peers, server);
  for (const { name, args } of others) {
    const port = await freePort();
    const { pid } = await start(name, args(port), port);
    targets.push({ ...(await legacyTarget(name, port, '/mcp')), pid });
  }
  const load = { rounds: rounds * 2, sequential: quick ? 200 : 400, many: quick ? 1000 : 2000, connections: 64 };
  const found = await interleaved(targets, load, bench);
  const rows = [
    ['supergateway', 2],
    ['mcp-proxy', 3],
  ].flatMap(([name, times]) => {
    const what = `HTTP to stdio, p50 of ${name} over ours`;
    const cpu = `HTTP to stdio, main thread CPU a call of ${name} over ours`;
    if (!others.some((other) => other.name === name)) {
      return [
        budget(what, Number.NaN, '×', times, '≥', 'not measured'),
        budget(cpu, Number.NaN, '×', 4, '≥', 'not measured'),
      ];
    }
    const [us, them] = [found.of('callgate', 'p50'), found.of(name, 'p50')];
    const [our, their] = [found.of('callgate', 'mainUs'), found.of(name, 'mainUs')];
    return [
      budget(what, them / us, '×', times, '≥', `${show(them)} and ${show(us)} µs`),
      budget(
        cpu,
        their / our,
        '×',
        4,
        '≥',
        `${show(their)} and ${show(our)} µs; all threads, with our sealing: ${show(found.of(name, 'cpuUs'))} and ${show(found.of('callgate', 'cpuUs'))}`,
      ),
    ];
  });
  return { rows, table: found.table };
}

/** Runs rounds of short blocks, and keeps what each block showed. */
async function interleaved(targets, load, { show }) {
  const results = new Map(targets.map(({ name }) => [name, []]));
  for (const target of targets) await callMany(target, { count: load.many, connections: load.connections });
  for (let round = 0; round < load.rounds; round++) {
    const figures = new Map(targets.map(({ name }) => [name, {}]));
    for (const turn of turned(targets, round)) {
      figures.get(turn.name).p50 = p50((await callMany(turn, { count: load.sequential, connections: 1 })).latencies);
    }
    for (const turn of turned(targets, round)) {
      let before;
      const { seconds, latencies } = await callMany(turn, {
        count: load.many,
        connections: load.connections,
        started: () => (before = cpuOf(turn.pid)),
      });
      const after = cpuOf(turn.pid);
      Object.assign(figures.get(turn.name), {
        perSecond: load.many / seconds,
        p50At64: p50(latencies),
        cpuUs: (after.all - before.all) / load.many,
        mainUs: (after.main - before.main) / load.many,
        rssMb: rssOf(turn.pid),
      });
    }
    for (const [name, of] of figures) results.get(name).push(of);
    const line = [...figures].map(([name, of]) => `${name} ${show(of.p50)} µs ${show(of.mainUs)} µs CPU`).join(', ');
    process.stderr.write(`round ${round + 1}: ${line}\n`);
  }
  const all = (name, figure) => results.get(name).map((one) => one[figure]);
  const of = (name, figure) => median(all(name, figure));
  const first = targets[0].name;
  const added = (name, figure) => median(all(name, figure).map((one, round) => one - all(first, figure)[round]));
  const ratio = (name, other, figure) => median(all(name, figure).map((one, round) => one / all(other, figure)[round]));
  const table = [
    ['target', 'p50 µs', `over ${first}`, 'calls/s at 64', 'p50 at 64', 'CPU µs/call', 'main thread', 'RSS MB'],
    ...targets.map(({ name }) => [
      name,
      show(of(name, 'p50')),
      show(added(name, 'p50')),
      show(of(name, 'perSecond')),
      show(of(name, 'p50At64')),
      show(of(name, 'cpuUs')),
      show(of(name, 'mainUs')),
      show(of(name, 'rssMb')),
    ]),
  ];
  return { of, added, ratio, table, best: (name, figure) => Math.max(...all(name, figure)) };
}

const turned = (targets, round) => targets.map((_, i) => targets[(i + round) % targets.length]);

/** A million calls, ten thousand sessions, two thousand streams: what is left of them in memory. */
export async function measureHttpLong(bench) {
  return withProcesses((start) => long(bench, start));
}

async function long(bench, start) {
  const { budget, show, quick } = bench;
  const upstream = await start('upstream', [join(here, 'http-upstream.mjs')]);
  // The bounds of one principal are below 2,000 sessions: half of them come without a key.
  const { gate, key } = await startGate(
    bench,
    start,
    'long',
    ['--auth', 'anonymous', '--upstream', `http://127.0.0.1:${upstream.port}/mcp`],
    { CALLGATE_SERVE__SESSIONIDLE: '10' },
  );
  const calls = quick ? 100_000 : 1_000_000;
  const rows = [];
  const target = await modernTarget('callgate', gate.port, '/mcp', credential(key));
  await callMany(target, { count: 20_000, connections: 64 });
  const samples = [];
  await callMany(target, {
    count: calls,
    connections: 64,
    onProgress(done) {
      samples.push(rssOf(gate.pid));
      if (done % 200_000 === 0) process.stderr.write(`long: ${done} calls, ${show(samples.at(-1))} MB\n`);
    },
  });
  const [first, last] = thirds(samples);
  rows.push(
    budget(
      `HTTP, memory, last third over first third of ${calls.toLocaleString('en')} calls`,
      last / first,
      '×',
      1.1,
      '≤',
      `${show(first)} to ${show(last)} MB`,
    ),
  );

  const sessions = quick ? 1000 : 10_000;
  const clients = sessionsAt(gate.port, key, upstream.port);
  const rss = [];
  for (let done = 0; done < sessions; done += 250) {
    await clients.many(250, done + 250 < sessions ? 'drop' : 'leave');
    rss.push(rssOf(gate.pid));
  }
  await waitFor(async () => (await clients.atServer()) === 0, 30_000);
  const left = await clients.atServer();
  const [before, after] = thirds(rss);
  rows.push(
    budget(
      `HTTP, memory, last third over first third of ${sessions.toLocaleString('en')} sessions`,
      after / before,
      '×',
      1.1,
      '≤',
      `${show(before)} to ${show(after)} MB; ${show(rssOf(gate.pid))} when all were gone`,
    ),
    budget(
      'HTTP, sessions at the server when all were dropped or idle',
      left,
      'open',
      0,
      '≤',
      'the last 250 were left idle',
    ),
  );

  const streams = quick ? 400 : 2000;
  // Of a gate of its own: one that has worked has room to spare, in which they would not be seen.
  const fresh = await startGate(bench, start, 'streams', [
    '--auth',
    'anonymous',
    '--upstream',
    `http://127.0.0.1:${upstream.port}/mcp`,
  ]);
  const held = await sessionsAt(fresh.gate.port, fresh.key, upstream.port).hold(streams);
  const idle = rssOf(fresh.gate.pid);
  await held.streams();
  const streaming = rssOf(fresh.gate.pid);
  held.end();
  rows.push(
    budget(
      'HTTP, memory of an idle event stream',
      ((streaming - idle) * 1024) / streams,
      'KB',
      25,
      '≤',
      `${streams.toLocaleString('en')} streams, ${show(idle)} to ${show(streaming)} MB`,
    ),
  );
  return rows;
}

/** The medians of the first and the last third. */
function thirds(samples) {
  const third = Math.ceil(samples.length / 3);
  return [median(samples.slice(0, third)), median(samples.slice(-third))];
}

/** Sessions of two principals, which are dropped, left, or held with their streams. */
function sessionsAt(port, key, serverPort) {
  const fields = [credential(key), ''];
  const one = (i) => openSession(port, '/mcp', fields[i % 2]);
  const inTurn = async (count, each) => {
    let next = 0;
    const work = async () => {
      while (next < count) await each(next++);
    };
    await Promise.all(Array.from({ length: 16 }, work));
  };
  return {
    async atServer() {
      return Number((await once(serverPort, 'GET /sessions HTTP/1.1\r\n')).body);
    },
    many: (count, end) =>
      inTurn(count, async (i) => {
        const session = await one(i);
        if (end === 'leave') return;
        const { status } = await once(port, `DELETE /mcp HTTP/1.1\r\n${session}`);
        if (status !== 204) throw new Error(`DELETE: ${status}`);
      }),
    async hold(count) {
      const sessions = [];
      await inTurn(count, async (i) => void sessions.push(await one(i)));
      const open = [];
      return {
        streams: () => inTurn(count, async (i) => void open.push(await stream(port, sessions[i]))),
        end: () => open.forEach((socket) => socket.destroy()),
      };
    },
  };
}

/** A GET stream, once its head is here. */
function stream(port, session) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => {
      socket.write(`GET /mcp HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: text/event-stream\r\n${session}\r\n`);
    });
    socket.on('error', reject);
    socket.once('data', (head) => {
      if (head.toString().startsWith('HTTP/1.1 200')) resolve(socket);
      else reject(new Error(`no stream: ${head.toString()}`));
    });
  });
}

async function waitFor(holds, ms) {
  const until = performance.now() + ms;
  while (performance.now() < until && !(await holds())) await sleep(200);
}

/** Starts a gate with the policy of twenty rules, evidence on, and its key. */
async function startGate({ scratch, cli }, start, name, args, env) {
  mkdirSync(scratch, { recursive: true });
  const policy = join(scratch, 'http-policy.yaml');
  writeFileSync(policy, TWENTY);
  const home = join(scratch, `home-${name}`);
  const own = [cli, 'serve', '--port', '0', '--name', 'echo', '--policy', policy, '--home', home, ...args];
  const gate = await start('callgate', own, undefined, env);
  return { gate, key: readFileSync(join(home, 'keys/serve.key'), 'utf8').trim() };
}

/**
 * Installs the bridges of npm that ours is measured beside, outside of what the project depends on.
 * @returns where; undefined when they cannot be had
 */
export function installPeers(dir) {
  const wanted = ['supergateway@4.0.0', 'mcp-proxy@6.7.19'];
  if (existsSync(join(dir, 'node_modules/.bin/mcp-proxy'))) return dir;
  mkdirSync(dir, { recursive: true });
  const args = ['install', '--prefix', dir, '--ignore-scripts', '--no-audit', '--no-fund', ...wanted];
  const { status } = spawnSync('npm', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  return status === 0 ? dir : undefined;
}

/** The bridges of npm, if they are there. */
function peersIn(dir, server) {
  const bin = (name) => join(dir, 'node_modules/.bin', name);
  const own = ['--outputTransport', 'streamableHttp', '--stateful', '--logLevel', 'none'];
  return [
    {
      name: 'supergateway',
      args: (port) => [bin('supergateway'), '--stdio', server.join(' '), ...own, '--port', String(port)],
    },
    {
      name: 'mcp-proxy',
      args: (port) => [
        bin('mcp-proxy'),
        '--server',
        'stream',
        '--host',
        '127.0.0.1',
        '--port',
        String(port),
        '--',
        ...server,
      ],
    },
  ].filter(({ name }) => existsSync(bin(name)));
}

/**
 * Runs with processes that end with it. `start` waits for the first line of stdout, whose last number is the port; or, for
 * a program that says none, until something listens at `port`.
 */
async function withProcesses(run) {
  const children = [];
  const start = async (name, args, port, env) => {
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    children.push(child);
    let errors = '';
    child.stderr.on('data', (chunk) => (errors = (errors + chunk).slice(-2000)));
    const died = firstOf(child, 'exit').then(() => {
      throw new Error(`${name} ended: ${errors}`);
    });
    died.catch(() => undefined);
    if (port === undefined) {
      const line = await Promise.race([firstOf(child.stdout, 'data'), died]);
      child.stdout.resume();
      return { pid: child.pid, port: Number(/(\d+)(?:\/mcp)?\s/.exec(line.toString())[1]) };
    }
    child.stdout.resume();
    await Promise.race([waitFor(() => listens(port), 20_000), died]);
    return { pid: child.pid, port };
  };
  try {
    return await run(start);
  } finally {
    for (const child of children) child.kill('SIGTERM');
    await sleep(300);
    for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  }
}

const firstOf = (emitter, event) => new Promise((resolve) => emitter.once(event, resolve));
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function listens(port) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}
