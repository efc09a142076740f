import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { CallgateError } from '../model/error.ts';
import { startWatchdog, type Watchdog } from './watchdog.ts';

/** How a server process ended: an exit code or the signal that ended it. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** An end in words that continue "The server …". */
export function describeEnd(end: ProcessEnd): string {
  return end.signal === null ? `ended with exit code ${end.code ?? 'unknown'}` : `was ended by ${end.signal}`;
}

/** A running MCP server: a process group of its own that lives no longer than the gate. */
export interface ProcessUpstream {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Resolves once the process has ended and its output has been read. */
  readonly ended: Promise<ProcessEnd>;
  /** Passes a signal on to the whole group. */
  signal(name: NodeJS.Signals): void;
  /** Ends the group: end of input, then SIGTERM, then SIGKILL. Resolves when the process is gone. */
  stop(): Promise<ProcessEnd>;
}

const GRACE_AFTER_EOF_MS = 500;
const GRACE_AFTER_TERM_MS = 400;

/**
 * Starts a server as its user would have: same directory, same environment less `CALLGATE_*`, stderr shared,
 * no file descriptor of ours. It leads a process group so that what it forks ends with it.
 * Throws (rejects) CG_UPSTREAM_START when the command cannot be run.
 */
export async function startProcess(
  command: string,
  args: readonly string[],
  options: { readonly env: Readonly<Record<string, string | undefined>>; readonly cwd?: string },
): Promise<ProcessUpstream> {
  const watchdog = startWatchdog();
  const child = spawn(command, [...args], {
    cwd: options.cwd,
    env: serverEnvironment(options.env),
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: process.platform !== 'win32',
    windowsHide: true,
  });
  try {
    await started(child, command, options.cwd);
  } catch (error) {
    watchdog.release();
    throw error;
  }
  watchdog.guard(child.pid as number);
  return upstreamOf(child, watchdog);
}

/** The operator's environment without our own settings: the server must not see, or learn from, `CALLGATE_*`. */
export function serverEnvironment(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && !/^CALLGATE_/i.test(name)) kept[name] = value;
  }
  return kept;
}

function started(child: ChildProcess, command: string, cwd: string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause: NodeJS.ErrnoException) => reject(notStarted(command, cwd, cause)));
  });
}

/** The same ENOENT says that the program is missing, or the directory. */
function notStarted(command: string, cwd: string | undefined, cause: NodeJS.ErrnoException): CallgateError {
  if (cause.code === 'ENOENT' && cwd !== undefined && !existsSync(cwd)) {
    const remedy = 'Make it, or change cwd of the server.';
    return new CallgateError('CG_UPSTREAM_START', `There is no directory ${cwd} to start the server in.`, {
      remedy,
      cause,
    });
  }
  if (cause.code === 'ENOENT') {
    const remedy = command.includes(' ')
      ? 'Write the program alone as the command, and each argument for itself behind it (in callgate.yaml, under args).'
      : 'Check its spelling, and that it is installed; run it once without Callgate.';
    return new CallgateError('CG_UPSTREAM_START', `There is no program "${command}" to start the server with.`, {
      remedy,
      cause,
    });
  }
  return new CallgateError('CG_UPSTREAM_START', `The server command "${command}" cannot be run: ${cause.message}.`, {
    remedy: 'Check that it is executable; run it once without Callgate.',
    cause,
  });
}

function upstreamOf(child: ChildProcess, watchdog: Watchdog): ProcessUpstream {
  const pid = child.pid as number;
  const ended = new Promise<ProcessEnd>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  const signal = (name: NodeJS.Signals): void => signalGroup(pid, name);
  // A child that outlives the server would keep our pipes open and `close` from coming: the group ends with its leader.
  child.once('exit', () => {
    setTimeout(() => signal('SIGTERM'), 50);
    setTimeout(() => signal('SIGKILL'), GRACE_AFTER_TERM_MS).unref();
  });
  void ended.then(() => watchdog.release());
  child.stdin?.on('error', () => undefined);
  child.stdout?.on('error', () => undefined);

  let stopping: Promise<ProcessEnd> | undefined;
  return {
    pid,
    stdin: child.stdin as Writable,
    stdout: child.stdout as Readable,
    ended,
    signal,
    stop() {
      stopping ??= stopGroup(child, ended, signal);
      return stopping;
    },
  };
}

async function stopGroup(
  child: ChildProcess,
  ended: Promise<ProcessEnd>,
  signal: (name: NodeJS.Signals) => void,
): Promise<ProcessEnd> {
  child.stdin?.end();
  child.stdout?.resume();
  const term = setTimeout(() => signal('SIGTERM'), GRACE_AFTER_EOF_MS);
  const kill = setTimeout(() => signal('SIGKILL'), GRACE_AFTER_EOF_MS + GRACE_AFTER_TERM_MS);
  const end = await ended;
  clearTimeout(term);
  clearTimeout(kill);
  signal('SIGKILL'); // whatever the server forked and left behind
  return end;
}

/** Signals a process group; on Windows, which has none, the process. A group that is gone is no error. */
function signalGroup(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, name);
  } catch {
    // already gone
  }
}
