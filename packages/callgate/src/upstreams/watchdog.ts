import { spawn } from 'node:child_process';

/** Ends a process group when this process dies, however it dies. */
export interface Watchdog {
  /** Names the group to end. */
  guard(group: number): void;
  /** The group has ended by itself: nothing to do any more (a later group may reuse the number). */
  release(): void;
}

/**
 * Waits for a group number, then for the end of its input. The kernel closes that pipe when the gate dies, kill -9
 * included; a line instead of the end means that the group is gone already.
 */
const SCRIPT =
  'read -r group || exit 0; read -r done && exit 0; kill -s TERM -- "-$group" 2>/dev/null; sleep 1; kill -s KILL -- "-$group" 2>/dev/null';

/**
 * Starts the watchdog: a shell in a session of its own that holds one end of a pipe, with an empty environment and
 * nothing else open. Where there is no POSIX shell (Windows) it does nothing; docs/limits.md says so.
 */
export function startWatchdog(): Watchdog {
  if (process.platform === 'win32') return { guard: () => undefined, release: () => undefined };
  const shell = spawn('/bin/sh', ['-c', SCRIPT], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
    env: { PATH: '/usr/bin:/bin' },
  });
  shell.on('error', () => undefined);
  shell.stdin.on('error', () => undefined);
  shell.unref();
  (shell.stdin as unknown as { unref?: () => void }).unref?.();
  return {
    guard: (group) => void shell.stdin.write(`${group}\n`),
    release: () => void shell.stdin.end('done\n'),
  };
}
