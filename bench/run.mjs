// npm run bench [-- --quick] [--long] [--peers] [--write] [--only stdio|micro|http|long|http-long] [--rounds N] [--cli FILE]
// Prints each figure beside its budget. --write puts the same into bench/RESULTS.md; --long adds 1,000,000 calls of one gate,
// over stdio and over HTTP; --peers measures bridges of npm beside ours, and installs them into node_modules/.cache first.
// Targets of a round run one after the other in fresh processes, the order turned each round; "added" is the median of the
// differences within a round. Figures compare within one run only.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { installPeers, measureHttp, measureHttpLong } from './http.mjs';
import { measureParts } from './micro.mjs';
import { TWENTY } from './policy.mjs';
import { median } from './proc.mjs';
import { runRound } from './stdio-client.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '..');
const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean' },
    long: { type: 'boolean' },
    peers: { type: 'boolean' },
    write: { type: 'boolean' },
    only: { type: 'string' },
    rounds: { type: 'string' },
    cli: { type: 'string' },
  },
});
const load = flags.quick
  ? { rounds: 2, warmup: 300, sequential: 1000, pipelined: 8000 }
  : { rounds: 5, warmup: 1000, sequential: 4000, pipelined: 40_000 };
if (flags.rounds) load.rounds = Number(flags.rounds);

const wants = (part) => flags.only === undefined || flags.only === part;
const scratch = mkdtempSync(join(tmpdir(), 'callgate-bench-'));
const rows = [];
const tables = [];
try {
  if (wants('stdio')) await measureStdio();
  if (wants('micro')) rows.push(...(await measureParts({ root, scratch, quick: flags.quick, budget })));
  if (wants('http')) await measureOverHttp();
  if (flags.only === 'long' || (flags.long && wants('stdio'))) await measureLong();
  if (flags.only === 'http-long' || (flags.long && wants('http'))) rows.push(...(await measureHttpLong(httpBench())));
  report();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function targets() {
  const server = [process.execPath, join(root, 'test/peers/echo-server.mjs')];
  const through = (file, ...args) => [process.execPath, file, ...args, '--', ...server];
  const policy = join(scratch, 'policy.yaml');
  writeFileSync(policy, TWENTY);
  const gate = (home, ...args) =>
    through(
      resolve(flags.cli ?? join(root, 'packages/callgate/dist/cli.js')),
      'run',
      '--policy',
      policy,
      '--name',
      'echo',
      '--home',
      join(scratch, home),
      ...args,
    );
  return [
    { name: 'direct', command: server },
    { name: 'relay', command: through(join(here, 'relay.mjs')) },
    { name: 'callgate', command: gate('batch') },
    { name: 'callgate strict', command: gate('strict', '--durability', 'strict') },
    { name: 'sdk proxy', command: through(join(here, 'sdk-proxy.mjs')) },
  ];
}

async function measureStdio() {
  const all = targets();
  const results = new Map(all.map((target) => [target.name, []]));
  for (let round = 0; round < load.rounds; round++) {
    for (let i = 0; i < all.length; i++) {
      const target = all[(i + round) % all.length];
      const figures = await runRound(target, { ...load, inFlight: 32 });
      results.get(target.name).push(figures);
      process.stderr.write(
        `round ${round + 1} ${target.name.padEnd(16)} p50 ${show(figures.p50)} µs, ${show(figures.perSecond)} calls/s, main ${show(figures.mainUs)} µs\n`,
      );
    }
  }
  const of = (name, figure) => median(results.get(name).map((one) => one[figure]));
  const added = (name, figure) =>
    median(results.get(name).map((one, round) => one[figure] - results.get('direct')[round][figure]));
  const table = all.map(({ name }) => [
    name,
    show(of(name, 'p50')),
    show(added(name, 'p50')),
    show(added(name, 'p99')),
    show(of(name, 'perSecond')),
    show(of(name, 'cpuUs')),
    show(of(name, 'mainUs')),
    show(of(name, 'rssMb')),
    show(of(name, 'startMs')),
  ]);
  tables.push([
    ['target', 'p50 µs', 'added p50', 'added p99', 'calls/s at 32', 'CPU µs/call', 'main thread', 'RSS MB', 'start ms'],
    ...table,
  ]);

  const relay = added('relay', 'p50');
  const sdk = added('sdk proxy', 'p50');
  const own = added('callgate', 'p50');
  rows.push(
    budget('added p50 over a bare relay', own - relay, 'µs', 25, '≤', `${show(own / relay)} × the relay's`),
    budget('added p50, share of an SDK proxy', own / sdk, '×', 0.5, '≤', `${show(own)} of ${show(sdk)} µs`),
    budget(
      'main thread CPU a call at 32 in flight',
      of('callgate', 'mainUs'),
      'µs',
      14,
      '≤',
      `${show(of('callgate', 'mainUs') / of('relay', 'mainUs'))} × the relay's`,
    ),
    budget(
      'all CPU a call at 32 in flight, sealing of its two records with it',
      of('callgate', 'cpuUs'),
      'µs',
      94,
      '≤',
      `${show(of('callgate', 'cpuUs') / of('relay', 'cpuUs'))} × the relay's`,
    ),
    budget(
      'throughput at 32, share of a bare relay',
      of('callgate', 'perSecond') / of('relay', 'perSecond'),
      '×',
      0.5,
      '≥',
      `${show(of('callgate', 'perSecond'))} calls/s`,
    ),
    budget(
      'throughput at 32, times an SDK proxy',
      of('callgate', 'perSecond') / of('sdk proxy', 'perSecond'),
      '×',
      3,
      '≥',
      `SDK proxy ${show(of('sdk proxy', 'perSecond'))} calls/s`,
    ),
    budget(
      'RSS over a bare relay',
      of('callgate', 'rssMb') - of('relay', 'rssMb'),
      'MB',
      40,
      '≤',
      `${show(of('callgate', 'rssMb'))} MB`,
    ),
    budget(
      'start to first tools/list, over a bare relay',
      of('callgate', 'startMs') - of('relay', 'startMs'),
      'ms',
      40,
      '≤',
      `${show(of('callgate', 'startMs'))} ms`,
    ),
  );
  const gate = all.find((target) => target.name === 'callgate');
  const paths = existingFiles();
  const naming = [];
  for (let i = 0; i < load.rounds; i++)
    naming.push((await runRound(gate, { ...load, sequential: 0, inFlight: 32, paths })).mainUs);
  rows.push(budget('main thread CPU a call that names a file (floor looks it up)', median(naming), 'µs', 20, '≤', ''));
  const strict = all.find((target) => target.name === 'callgate strict');
  const many = [];
  for (let i = 0; i < (flags.quick ? 1 : 3); i++)
    many.push((await runRound(strict, { ...load, sequential: 0, inFlight: 256 })).perSecond);
  rows.push(budget('strict, calls a second at 256 in flight, end to end', median(many), '/s', 15_000, '≥', ''));
}

function existingFiles() {
  const dir = join(scratch, 'project');
  mkdirSync(dir);
  return Array.from({ length: 64 }, (_, i) => {
    const file = join(dir, `file-${i}.txt`);
    writeFileSync(file, 'x');
    return file;
  });
}

async function measureOverHttp() {
  const peers = flags.peers ? installPeers(join(root, 'node_modules/.cache/callgate-bench')) : undefined;
  const found = await measureHttp({ ...httpBench(), peers });
  rows.push(...found.rows);
  tables.push(...found.tables);
}

function httpBench() {
  const cli = resolve(flags.cli ?? join(root, 'packages/callgate/dist/cli.js'));
  return { scratch, cli, rounds: load.rounds, quick: flags.quick === true, budget, show };
}

async function measureLong() {
  const target = targets().find((one) => one.name === 'callgate');
  const samples = [];
  await runRound(target, {
    warmup: 20_000,
    sequential: 0,
    pipelined: 1_000_000,
    inFlight: 32,
    onProgress(done, rssMb) {
      samples.push(rssMb);
      if (done % 200_000 === 0) process.stderr.write(`long: ${done} calls, ${show(rssMb)} MB\n`);
    },
  });
  const third = Math.ceil(samples.length / 3);
  const [first, last] = [median(samples.slice(0, third)), median(samples.slice(-third))];
  rows.push(
    budget(
      'memory, last third over first third of 1,000,000 calls',
      last / first,
      '×',
      1.1,
      '≤',
      `${show(first)} to ${show(last)} MB`,
    ),
  );
}

function budget(what, value, unit, limit, sense, note) {
  return {
    what,
    figure: `${show(value)} ${unit}`,
    budget: `${sense} ${limit} ${unit}`,
    isMet: Number.isNaN(value) ? undefined : sense === '≤' ? value <= limit : value >= limit,
    note,
  };
}

function show(value) {
  if (value === undefined || !Number.isFinite(value)) return '-';
  const size = Math.abs(value);
  return size >= 1000 ? Math.round(value).toLocaleString('en') : value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

function report() {
  const budgets = [
    ['what', 'figure', 'budget', 'met', 'note'],
    ...rows.map((row) => [
      row.what,
      row.figure,
      row.budget,
      row.isMet === undefined ? '-' : row.isMet ? 'yes' : 'NO',
      row.note,
    ]),
  ];
  const machine = `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, load ${loadavg()[0].toFixed(2)}, ${flags.quick ? 'quick run' : `${load.rounds} rounds`}`;
  const all = [...tables, budgets];
  process.stdout.write(`${machine}\n\n${all.map(aligned).join('\n\n')}\n`);
  if (flags.write) {
    const markdown = all.map((table) =>
      [table[0], table[0].map(() => '---'), ...table.slice(1)].map((row) => `| ${row.join(' | ')} |`).join('\n'),
    );
    writeFileSync(
      join(here, 'RESULTS.md'),
      `# Results\n\nWritten by \`npm run bench -- --write\`. Figures compare within one run only.\n\n${machine}\n\n${markdown.join('\n\n')}\n`,
    );
  }
}

function aligned(table) {
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
