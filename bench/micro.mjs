// The parts alone: deciding, and evidence on and off the call's path. Bundled from the sources, as the program is.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { measurePolicyTools } from './policy-tools.mjs';
import { median } from './proc.mjs';

/** @returns one row for the report for each figure */
export async function measureParts({ root, scratch, quick, budget }) {
  const parts = await bundleParts(root);
  return [
    ...policyRows(parts, quick, budget),
    ...measurePolicyTools(parts, budget),
    ...(await evidenceRows(parts, scratch, quick, budget)),
  ];
}

async function bundleParts(root) {
  const { rolldown } = await import('rolldown');
  const cache = join(root, '.cache/bench');
  const build = await rolldown({
    input: join(root, 'bench/parts.ts'),
    platform: 'node',
    external: [/^node:/, '@photostructure/sqlite'],
    // As scripts/build.mjs does.
    resolve: { alias: { yaml: join(root, 'node_modules/yaml/browser/index.js') } },
  });
  await build.write({ file: join(cache, 'parts.js'), format: 'esm', codeSplitting: false });
  await build.close();
  return import(`${pathToFileURL(join(cache, 'parts.js')).href}?${Date.now()}`);
}

const PRINCIPAL = { id: 'os:bench', user: 'bench', roles: [], chain: [], assurance: 'same-user' };
const callOf = (tool, args) => ({
  direction: 'call',
  server: 'bench',
  method: 'tools/call',
  tool,
  principal: PRINCIPAL,
  args: () => args,
  realPath: () => undefined,
});

function policyRows({ compilePolicy }, quick, budget) {
  const compile = (rules) =>
    compilePolicy([{ file: 'bench.yaml', text: `version: 1\nrules:\n${rules.join('\n')}\n` }], {
      variables: {},
      sha256: (text) => createHash('sha256').update(text).digest('hex'),
    });
  const rule = (id, tool, args) => `  - { id: ${id}, match: { tool: ${tool} }, args: ${args}, effect: allow }`;
  const indexed = (count) =>
    compile(Array.from({ length: count }, (_, i) => rule(`r${i}`, `tool_${i}`, '{ amount: { le: 100 } }')));
  // One tool, and conditions on arguments that only a look at each can tell.
  const linear = compile(
    Array.from({ length: 1000 }, (_, i) =>
      rule(`r${i}`, 'echo', `{ message: { startsWith: "m${String(i).padStart(4, '0')}" } }`),
    ),
  );
  const calls = quick ? 200_000 : 1_000_000;

  const many = indexed(10_000);
  const spread = Array.from({ length: 64 }, (_, i) => callOf(`tool_${(i * 157) % 10_000}`, { amount: 5 }));
  const one = [callOf('tool_9999', { amount: 5 })];
  const last = [callOf('echo', { message: 'm0999 and more' })];
  return [
    budget('decision, 10,000 indexed rules, one tool', nsOf(many, one, calls), 'ns', 250, '≤', ''),
    budget('decision, 10,000 indexed rules, 64 tools in turn', nsOf(many, spread, calls), 'ns', 250, '≤', ''),
    budget(
      'decision, 1,000 rules that only the arguments tell apart',
      nsOf(linear, last, calls / 100) / 1000,
      'µs',
      30,
      '≤',
      'the last one matches',
    ),
  ];
}

/** Median nanoseconds of a decision, over nine runs; every decision has to allow. */
function nsOf(policy, calls, count) {
  const runs = [];
  for (let run = 0; run < 10; run++) {
    let allowed = 0;
    const started = process.hrtime.bigint();
    for (let i = 0; i < count; i++) if (policy.decide(calls[i % calls.length]).effect === 'allow') allowed++;
    const ns = Number(process.hrtime.bigint() - started) / count;
    if (allowed !== count) throw new Error(`the policy allowed ${allowed} of ${count}`);
    if (run > 0) runs.push(ns);
  }
  return median(runs);
}

async function evidenceRows(parts, scratch, quick, budget) {
  const mono = () => Math.round(performance.now() * 1000);
  const log = (name, durability, sealing = false) => {
    const home = join(scratch, name);
    return parts.openEvidence({
      dir: join(home, 'evidence'),
      keysDir: join(home, 'keys'),
      durability,
      now: Date.now,
      mono,
      sealing,
    });
  };
  const args = Buffer.from(
    JSON.stringify({
      message: 'hello 1234',
      path: '/srv/project/file.txt',
      amount: 5,
      note: 'a call of about two hundred bytes',
    }),
  );
  const decision = (i) => ({
    type: 'decision',
    time: Date.now(),
    mono: mono(),
    direction: 'call',
    server: 'bench',
    method: 'tools/call',
    tool: 'echo',
    rpcId: String(i),
    protocol: '2025-11-25',
    transport: 'stdio',
    principal: PRINCIPAL,
    client: 'bench',
    policy: `sha256:${'0'.repeat(64)}`,
    rule: 'echo',
    effect: 'allow',
    args,
  });
  const outcome = (of) => ({
    type: 'outcome',
    time: Date.now(),
    mono: mono(),
    decision: of,
    status: 'ok',
    us: 100,
    bytes: 200,
  });

  const batch = log('batch', 'batch');
  const calls = quick ? 30_000 : 150_000;
  const runs = [];
  for (let run = 0; run < 6; run++) {
    const started = process.hrtime.bigint();
    for (let i = 0; i < calls / 6; i++) {
      const sequence = batch.append(decision(i));
      batch.flush();
      batch.append(outcome(sequence));
    }
    runs.push(Number(process.hrtime.bigint() - started) / 1000 / (calls / 6));
  }
  await batch.close();
  const grouped = log('grouped', 'batch');
  const started = process.hrtime.bigint();
  for (let i = 0; i < calls; i++) {
    grouped.append(outcome(grouped.append(decision(i))));
    if (i % 16 === 0) grouped.flush();
  }
  const groupedUs = Number(process.hrtime.bigint() - started) / 1000 / calls;
  await grouped.close();

  const strict = await strictPerSecond(log('strict', 'strict'), decision, quick ? 30_000 : 150_000);
  const sealed = await seal(parts, join(scratch, 'grouped'));
  return [
    budget(
      'evidence on the path, batch: decision, write, outcome',
      median(runs.slice(1)),
      'µs',
      10,
      '≤',
      'a write for each call',
    ),
    budget('evidence on the path, batch, 16 calls in a write', groupedUs, 'µs', 10, '≤', ''),
    budget('evidence, strict, records a second at 256 in flight', strict, '/s', 15_000, '≥', 'the log alone'),
    budget(
      'sealing, records a second',
      sealed.perSecond,
      '/s',
      20_000,
      '≥',
      `${sealed.count.toLocaleString('en')} records`,
    ),
    budget('sealing, CPU a record', sealed.cpuUs, 'µs', 40, '≤', 'all threads'),
  ];
}

async function strictPerSecond(log, decision, count) {
  let next = 0;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: 256 }, async () => {
      while (next < count) {
        log.append(decision(next++));
        log.flush();
        await log.synced();
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  await log.close();
  return count / seconds;
}

async function seal({ Sealer, evidencePlace }, home) {
  const sealer = new Sealer(evidencePlace(home));
  const cpu = process.cpuUsage();
  const started = performance.now();
  let count = 0;
  for (let head = await sealer.pass(); head !== undefined && head.added > 0; head = await sealer.pass())
    count += head.added;
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  sealer.close();
  return { count, perSecond: count / seconds, cpuUs: (user + system) / count };
}
