// Programs that end: each in a group of its own, within a time, and what they leave behind is found.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** What is kept of a program's output. */
const MAX_OUTPUT = 4 << 20;
/** What a program has written is read so long after its end: others may hold its output open. */
const READ_MS = 1000;
/** Groups that were started and have not ended; they end with this process. */
const live = new Set();
process.once('exit', () => live.forEach(killGroup));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

/**
 * Runs a program to its end.
 * @param {readonly string[]} command
 * @param {{ cwd: string, env: Record<string, string | undefined>, ms: number }} options `ms`: when it is killed
 * @returns its exit code (undefined when it was killed) and what it wrote
 */
export async function run(command, { cwd, env, ms }) {
  const { child, output } = start(command, { cwd, env });
  const late = setTimeout(killGroup, ms, child);
  const closed = once(child, 'close');
  const [code] = await once(child, 'exit');
  await Promise.race([closed, sleep(READ_MS, undefined, { ref: false })]);
  clearTimeout(late);
  return { code: code ?? undefined, stdout: output.stdout, stderr: output.stderr };
}

/** Starts a program; `output` grows while it runs. */
export function start([file = '', ...args], { cwd, env }) {
  const child = spawn(file, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'])
    child[name].setEncoding('utf8').on('data', (text) => {
      if (output[name].length < MAX_OUTPUT) output[name] += text;
    });
  child.on('error', (error) => (output.stderr += error.message));
  live.add(child);
  child.once('exit', () => live.delete(child));
  return { child, output };
}

/** Tells a program to end, and kills it when it has not within `ms`. @returns its exit code, undefined when it was killed */
export async function stop({ child }, ms) {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode ?? undefined;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await Promise.race([ended, sleep(ms, undefined, { ref: false })]);
  if (child.exitCode === null) killGroup(child);
  await ended;
  return child.exitCode ?? undefined;
}

function killGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/**
 * The processes whose command line, environment or working directory names a directory, waiting until there is none or
 * `ms` are over. On systems without /proc none is found.
 * @returns {Promise<{ pid: number, line: string }[]>}
 */
export async function leftIn(dir, ms) {
  for (const end = Date.now() + ms; ; await sleep(100)) {
    const left = processesIn(dir);
    if (left.length === 0 || Date.now() > end) return left;
  }
}

/** Kills what `leftIn` has found. */
export function killAll(left) {
  for (const { pid } of left) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
}

function processesIn(dir) {
  return pids().flatMap((pid) => {
    try {
      const [line, env] = ['cmdline', 'environ'].map((name) => readFileSync(`/proc/${pid}/${name}`, 'utf8'));
      const isInside = line.includes(dir) || env.includes(dir) || readlinkSync(`/proc/${pid}/cwd`).startsWith(dir);
      return isInside && !isZombie(pid) ? [{ pid, line: line.replaceAll('\0', ' ').trim() }] : [];
    } catch {
      return [];
    }
  });
}

function isZombie(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
}

function pids() {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => pid !== process.pid);
  } catch {
    return [];
  }
}
