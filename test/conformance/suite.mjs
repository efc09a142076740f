// Runs the frozen sets of the official suite and reads what it wrote: per scenario what passed and failed, and a verdict.
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const SETS = ['2025-11-25', '2026-07-28'];

const MANIFEST = createRequire(import.meta.url).resolve('@modelcontextprotocol/conformance/package.json');
const SUITE = dirname(MANIFEST);
const { parse } = createRequire(MANIFEST)('yaml');
const PRELOAD = fileURLToPath(new URL('suite-preload.mjs', import.meta.url));

/** The scenarios of a set: those that count, and those that only run. @param leg server or client */
export function scenariosOf(set, leg) {
  const requirements = parse(readFileSync(join(SUITE, 'requirements', `${set}.yaml`), 'utf8'));
  const unscored = requirements.not_scored.filter((entry) => entry.leg === leg).map(({ scenario }) => scenario);
  return { scored: requirements[leg], unscored };
}

/**
 * Drives the server at `url` with a frozen set.
 * @param out a directory that is emptied first
 * @returns results by scenario: `{ passed, failed, warned }`, each a list of texts
 */
export async function serverSet(url, set, out) {
  empty(out);
  await suite(['server', '--url', url, '--requirements', set, '--timeout', '12000', '-o', out], 300_000);
  return resultsIn(out);
}

/** Drives the server at `url` with one scenario of a set. @returns its result; undefined when it did not run */
export async function serverScenario(url, set, scenario, out) {
  empty(out);
  await suite(['server', '--url', url, '--scenario', scenario, '--spec-version', set, '-o', out], 60_000);
  return resultsIn(out).get(scenario);
}

/**
 * Has a frozen set drive a client, one scenario after the other: side by side a chain of processes stalls on few cores.
 * @param command of the client; the suite appends the URL of its server
 * @param only which scenarios: (name) => boolean
 */
export async function clientSet(command, set, out, only) {
  empty(out);
  const { scored, unscored } = scenariosOf(set, 'client');
  for (const scenario of [...scored, ...unscored].filter(only)) {
    const args = ['--command', command, '--scenario', scenario, '--spec-version', set, '--timeout', '25000', '--force'];
    await suite(['client', ...args, '-o', out], 60_000);
  }
  return resultsIn(out);
}

/** Which scored scenarios failed or did not run; with no check that passed, none ran. */
export function failuresAmong(scored, results) {
  return scored.filter((name) => {
    const result = results.get(name);
    return result === undefined || result.failed.length > 0 || result.passed.length === 0;
  });
}

function empty(out) {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
}

function suite(args, limitMs) {
  const cli = join(SUITE, 'dist', 'index.js');
  const child = spawn(process.execPath, ['--import', PRELOAD, cli, ...args], { stdio: 'ignore' });
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('exit', () => done());
  }).finally(() => clearTimeout(timer));
}

/** The suite's exit code does not say what we ask: a client may end badly after all checks passed. */
function resultsIn(out) {
  const results = new Map();
  for (const entry of readdirSync(out, { recursive: true, withFileTypes: true })) {
    if (entry.name !== 'checks.json') continue;
    const folder = entry.parentPath ?? entry.path;
    const name = folder
      .slice(out.length + 1)
      .replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, '')
      .replace(/^server-/, '');
    const checks = JSON.parse(readFileSync(join(folder, basename(entry.name)), 'utf8'));
    const of = (status) =>
      checks
        .filter((check) => check.status === status)
        .map(({ id, errorMessage, description }) => `${id}: ${errorMessage ?? description}`);
    results.set(name, { passed: of('SUCCESS'), failed: of('FAILURE'), warned: of('WARNING') });
  }
  return results;
}
