import { spawn } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { CallgateError } from '../model/error.ts';
import { acquireLock } from '../state/lock.ts';
import { connectDaemon, type DaemonClient } from './client.ts';
import { daemonKey, daemonPlace, openPlace } from './place.ts';

export interface EnsureOptions {
  readonly home: string;
  /** What starts one in the foreground: program and arguments. */
  readonly command: readonly [string, ...string[]];
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
}

const START_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 20;

/**
 * Connects to the daemon of a home, and starts one, which outlives us, if there is none. Of many that come at once one starts
 * it.
 * @throws CallgateError CG_DAEMON_START when it did not come up; and as connectDaemon
 */
export async function ensureDaemon({ home, command, env, timeoutMs = START_WITHIN_MS }: EnsureOptions): Promise<{
  readonly client: DaemonClient;
  readonly wasStarted: boolean;
}> {
  const place = daemonPlace(home);
  const there = await connectDaemon(home);
  if (there !== undefined) return { client: there, wasStarted: false };
  openPlace(place);
  daemonKey(place);
  const until = performance.now() + timeoutMs;
  let isStarted = false;
  let lock = acquireLock(place.startLock);
  try {
    do {
      const client = await connectDaemon(home);
      if (client !== undefined) return { client, wasStarted: isStarted };
      lock ??= acquireLock(place.startLock);
      if (lock !== undefined && !isStarted) {
        start(command, env, home, place.log);
        isStarted = true;
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    } while (performance.now() < until);
  } finally {
    lock?.release();
  }
  throw new CallgateError(
    'CG_DAEMON_START',
    `The daemon did not come up within ${timeoutMs} ms. ${saidIn(place.log)}`,
    {
      remedy: 'Run: callgate daemon --foreground, and see what it says.',
    },
  );
}

function start([file, ...args]: readonly [string, ...string[]], env: NodeJS.ProcessEnv, home: string, log: string) {
  // It is for the directory of the lock to be ours; a link in it could still lead elsewhere.
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
  const output = openSync(log, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
  try {
    const child = spawn(file, args, { detached: true, stdio: ['ignore', 'ignore', output], cwd: home, env });
    child.on('error', () => undefined);
    child.unref();
  } finally {
    closeSync(output);
  }
}

/** The last that it had to say. */
function saidIn(log: string): string {
  try {
    return readFileSync(log, 'utf8').trim().split('\n').slice(-3).join(' ').slice(0, 500);
  } catch {
    return '';
  }
}
