// Starts what the suite needs two of: gates that let everything pass, and upstreams, on ports that are free.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CLI =
  process.env.GATE_UNDER_TEST ?? fileURLToPath(new URL('../../packages/callgate/dist/cli.js', import.meta.url));
export const UPSTREAM = fileURLToPath(new URL('upstream.mjs', import.meta.url));

/** Every message in every direction, so that what the suite misses was lost, not refused. */
const ALLOW_ALL = 'version: 1\nrules:\n  - { id: all, match: { method: "*" }, effect: allow }\n';

/**
 * `callgate serve` with a home of its own.
 * @param upstream its last arguments: `--upstream URL`, or `-- command...`
 * @returns the URL it serves, what it said on stderr, and how to end it
 */
export async function startGate(upstream, env = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'callgate-suite-'));
  const policy = join(dir, 'policy.yaml');
  writeFileSync(policy, ALLOW_ALL);
  const flags = ['--port', '0', '--auth', 'anonymous', '--policy', policy, '--home', join(dir, 'home')];
  const gate = await started([CLI, 'serve', ...flags, ...upstream], env);
  return {
    ...gate,
    async stop() {
      await gate.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** The dual-era upstream over HTTP. @param era legacy, modern or both */
export function startUpstream(era = 'both') {
  return started([UPSTREAM], { PORT: '0', ERA: era });
}

/** Runs a program of ours until it has said on stdout at which URL it serves. */
async function started(args, env) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  const ended = new Promise((done) => {
    child.once('exit', done);
  });
  let said = '';
  let complained = '';
  child.stderr.on('data', (chunk) => (complained += chunk));
  const url = await new Promise((done, fail) => {
    const late = setTimeout(
      () => fail(new Error(`${args[0]} did not say its URL within 15 s.\n${complained}`)),
      15_000,
    );
    late.unref();
    child.once('error', fail);
    void ended.then((code) => fail(new Error(`${args[0]} ended with ${code}.\n${complained}`)));
    child.stdout.on('data', (chunk) => {
      said += chunk;
      const found = /https?:\/\/\S+\/mcp\b/.exec(said)?.[0];
      if (found !== undefined) done(found);
    });
  });
  return {
    url,
    complaints: () => complained,
    async stop() {
      const late = setTimeout(() => child.kill('SIGKILL'), 5000);
      child.kill('SIGTERM');
      await ended;
      clearTimeout(late);
    },
  };
}
