// Real clients through the built gate, without a network and with a scripted model: `npm run agents`.
//
//   node scripts/agents.mjs [--only REGEX] [--keep] [--no-skips]
//
// Installs the pinned clients below node_modules/.cache, then plays the script of test/agents/gate.mjs with each client in
// each way that it can reach the gate: two calls that pass, one that is denied. Prints a line for each; exits 1 when one
// failed (or was skipped, with --no-skips). --keep leaves the directories of the runs where they are.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CLIENTS, SERVER } from '../test/agents/clients.mjs';
import { faultsOfLog, HIDDEN, layGate, SCRIPT, isUnclosed, WAYS } from '../test/agents/gate.mjs';
import { startModel } from '../test/agents/model.mjs';
import { installed, NotInstallable } from '../test/agents/packages.mjs';
import { killAll, leftIn } from '../test/agents/processes.mjs';

const RUN_MS = 60_000;
const LEFT_MS = 5000;
/** Set in the process that has no network but loopback. */
const ALONE = 'CALLGATE_AGENTS_ALONE';

const { values: flags } = parseArgs({
  options: { only: { type: 'string' }, keep: { type: 'boolean' }, 'no-skips': { type: 'boolean' } },
});
const only = new RegExp(flags.only ?? '');
const runs = CLIENTS.flatMap((client) =>
  WAYS.filter(({ eras }) => eras.includes(client.era)).map((way) => ({
    client,
    way,
    name: `${client.name} | ${way.name}`,
  })),
).filter(({ name }) => only.test(name));

const { commands, missing } = await installAll([...new Set(runs.map(({ client }) => client.package))]);
const isAlone = process.env[ALONE] !== undefined;
if (!isAlone && canBeAlone()) process.exit(runAlone());
console.log(
  isAlone
    ? 'network: loopback alone'
    : 'network: this system cannot take it away; the clients have been told not to use it',
);

const count = { passed: 0, failed: 0, skipped: 0 };
for (const { client, way, name } of runs) {
  const why = missing.get(client.package);
  if (why !== undefined) {
    count.skipped++;
    report(name, `not installable: ${why}`);
    continue;
  }
  const started = performance.now();
  const { faults, notes } = await play(client, way, commands.get(client.package));
  const time = `${((performance.now() - started) / 1000).toFixed(1)} s`;
  count[faults.length === 0 ? 'passed' : 'failed']++;
  report(name, [faults.length === 0 ? 'ok' : 'failed', time, ...notes].join(', '));
  for (const fault of faults) console.log(`    ${fault.replaceAll('\n', '\n    ')}`);
}
console.log(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exitCode = count.failed > 0 || (flags['no-skips'] && count.skipped > 0) ? 1 : 0;

function report(name, text) {
  console.log(`  ${name.padEnd(46)}${text}`);
}

/** One client in one way. @returns what was wrong, and what is worth a word */
async function play(client, way, command) {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'callgate-agents-')));
  const home = join(dir, 'home');
  const work = join(dir, 'work');
  for (const one of [home, work, join(dir, 'tmp')]) mkdirSync(one);
  const env = {
    PATH: process.env.PATH,
    LANG: 'C.UTF-8',
    TERM: 'dumb',
    NO_COLOR: '1',
    HOME: home,
    TMPDIR: join(dir, 'tmp'),
  };
  const script = SCRIPT.map((step) => ({ ...step, tool: `${way.prefix}${step.tool}` }));
  const model = await startModel(script, SERVER);
  const faults = [];
  const end = Date.now() + RUN_MS;
  const gate = layGate(dir, env);
  try {
    const { reach, close } = await way.open(gate);
    const bench = {
      dir: work,
      home,
      modelUrl: model.url,
      gate: reach,
      script,
      env,
      ms: () => Math.max(0, end - Date.now()),
    };
    const outcome = await client.drive(command, bench).finally(async () => faults.push(...(await close())));
    faults.push(...faultsOf(client, outcome, model, way.prefix));
  } catch (error) {
    faults.push(error.stack);
  }
  const left = await leftIn(dir, LEFT_MS);
  killAll(left);
  faults.push(
    ...left.map(({ pid, line }) => `left running: ${pid} ${line.slice(0, 200)}`),
    ...(await faultsOfLog(gate)),
  );
  await model.close();
  const notes = isUnclosed(gate) ? ['a gate ended before it closed its log'] : [];
  if (flags.keep) notes.push(dir);
  else rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  return { faults, notes };
}

function faultsOf(client, outcome, model, prefix) {
  const faults = [];
  if (outcome.code === undefined) faults.push(`ended by a signal, or not at all within ${RUN_MS / 1000} s`);
  else if (outcome.code !== 0) faults.push(`ended with ${outcome.code}`);
  const { tools, results } = outcome.seen ?? shownTo(model);
  for (const { missing } of model.turns) if (missing !== undefined) faults.push(`${missing} was not offered`);
  if (tools.some((name) => name.replaceAll('_', '-').endsWith(HIDDEN))) faults.push(`${HIDDEN} was offered`);
  for (const [n, { tool, shows }] of SCRIPT.entries())
    for (const text of shows)
      if (!plain(results[n] ?? '').includes(plain(text)))
        faults.push(`the result of ${prefix}${tool} lacks ${JSON.stringify(text)}: ${JSON.stringify(results[n])}`);
  if (results.length > SCRIPT.length) faults.push(`${results.length} results for ${SCRIPT.length} calls`);
  if (client.isAgent && !outcome.stdout.includes('All 3 calls are made.'))
    faults.push('the last answer is not in its output');
  if (faults.length > 0) faults.push(`stderr: ${outcome.stderr.slice(-1500)}`, `stdout: ${outcome.stdout.slice(-500)}`);
  return faults;
}

/** What the model was offered at first, and the results that it had at the end. */
function shownTo({ turns }) {
  return { tools: turns[0]?.tools ?? [], results: turns.at(-1)?.results ?? [] };
}

/** Some agents hand results on as JSON in a text. */
function plain(text) {
  return text.replaceAll('\\"', '"');
}

async function installAll(names) {
  const commands = new Map();
  const missing = new Map();
  for (const name of names) {
    try {
      commands.set(name, await installed(name));
    } catch (error) {
      if (!(error instanceof NotInstallable)) throw error;
      missing.set(name, error.message);
    }
  }
  return { commands, missing };
}

/** Linux gives a process a network of its own, with loopback alone, where users may make namespaces. */
function canBeAlone() {
  return spawnSync('unshare', [...spaces(), 'ip', 'link', 'set', 'lo', 'up'], { stdio: 'ignore' }).status === 0;
}

function runAlone() {
  const again = [process.execPath, ...process.argv.slice(1)];
  const { status } = spawnSync('unshare', [...spaces(), 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', ...again], {
    stdio: 'inherit',
    env: { ...process.env, [ALONE]: '1' },
  });
  return status ?? 1;
}

function spaces() {
  return process.getuid?.() === 0 ? ['--net'] : ['--net', '--map-root-user'];
}
