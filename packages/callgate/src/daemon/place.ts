import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, unlinkSync, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import { readOrMakeSecret, readSecret } from '../evidence/keys.ts';
import { CallgateError, messageOf } from '../model/error.ts';

/** Where the resident process of a home is met. */
export interface DaemonPlace {
  readonly home: string;
  /** In the home, or below /tmp where the home's path is too long for a socket; a named pipe on Windows (unverified). */
  readonly socket: string;
  /** Held by the one process that listens. */
  readonly lock: string;
  /** Held by the one that starts it. */
  readonly startLock: string;
  /** Held by a daemon that seals the evidence of the home: gates need not. */
  readonly sealerLock: string;
  /** What both sides prove that they have. */
  readonly key: string;
  /** What a daemon that runs by itself has to say. */
  readonly log: string;
}

/** What the kernel takes: 108 bytes with an end mark on Linux, 104 elsewhere. */
const LONGEST_SOCKET = 103;

/** The places of a home's daemon; touches no file. @param home an absolute path without links */
export function daemonPlace(home: string): DaemonPlace {
  const run = join(home, 'run');
  return {
    home,
    socket: socketOf(home),
    lock: join(run, 'daemon.lock'),
    startLock: join(run, 'start.lock'),
    sealerLock: join(run, 'sealer.lock'),
    key: join(home, 'keys', 'daemon.key'),
    log: join(run, 'daemon.log'),
  };
}

function socketOf(home: string): string {
  const digest = createHash('sha256').update(home).digest('hex').slice(0, 24);
  if (process.platform === 'win32') return `\\\\.\\pipe\\callgate-${digest}`;
  const inHome = join(home, 'run', 'daemon.sock');
  if (Buffer.byteLength(inHome) <= LONGEST_SOCKET) return inHome;
  // Not TMPDIR: whoever was given another one would not find it.
  return `/tmp/callgate-${process.getuid?.() ?? 0}-${digest}/daemon.sock`;
}

/** Directories of a home's daemon that are not in the home: agents are kept from them, too. */
export function outsideHome({ home, socket }: DaemonPlace): readonly string[] {
  return process.platform === 'win32' || socket.startsWith(`${home}/`) ? [] : [dirname(socket)];
}

/**
 * Makes the directories of lock and socket for this user alone, or checks them.
 * @throws CallgateError CG_DAEMON_UNSAFE when one is a link, is not ours, or is open to others
 */
export function openPlace(place: DaemonPlace): void {
  const dirs = process.platform === 'win32' ? [dirname(place.lock)] : [dirname(place.lock), dirname(place.socket)];
  for (const dir of new Set(dirs)) {
    try {
      mkdirSync(dir, { mode: 0o700 });
      chmodSync(dir, 0o700);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unusable(dir, error);
    }
    checkDirectory(dir);
  }
}

/**
 * Whether a socket is there to connect to, in a directory that only this user can change.
 * @throws CallgateError CG_DAEMON_UNSAFE when what is there may be somebody else's
 */
export function hasSocket({ socket }: DaemonPlace): boolean {
  if (process.platform === 'win32') return true;
  const dir = dirname(socket);
  if (statOf(dir) === undefined) return false;
  checkDirectory(dir);
  const stat = statOf(socket);
  if (stat === undefined) return false;
  if (!stat.isSocket()) throw unsafe(socket, 'is no socket', `Remove ${socket}.`);
  checkOwner(socket, stat);
  return true;
}

/** Removes the socket of a daemon that has ended; the lock must be held. @throws CallgateError CG_DAEMON_UNSAFE */
export function removeStaleSocket(place: DaemonPlace): void {
  if (process.platform !== 'win32' && hasSocket(place)) unlinkSync(place.socket);
}

/** Which file the socket is; undefined when it is gone, or cannot be looked at: nobody could reach it then. */
export function socketIdentity({ socket }: DaemonPlace): string | undefined {
  if (process.platform === 'win32') return 'pipe';
  try {
    const { dev, ino } = lstatSync(socket);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

/**
 * The key that both sides prove, made at first use.
 * @throws CallgateError CG_DAEMON_UNSAFE when it is readable by others, or no key
 */
export function daemonKey({ key }: DaemonPlace, make = true): Buffer | undefined {
  let secret: Buffer | undefined;
  try {
    secret = make ? readOrMakeSecret(key) : readSecret(key);
  } catch (error) {
    if (!(error instanceof CallgateError)) throw unusable(key, error);
    throw unsafe(key, 'can be read by other users', `Stop the daemon, then remove ${key}: a new one is made.`);
  }
  if (secret !== undefined && secret.length !== 32)
    throw unsafe(key, 'is no key of 32 bytes', `Stop the daemon, then remove ${key}: a new one is made.`);
  return secret;
}

function checkDirectory(dir: string): void {
  const stat = statOf(dir);
  if (stat === undefined || !stat.isDirectory())
    throw unsafe(dir, stat?.isSymbolicLink() === true ? 'is a link' : 'is no directory', `Remove ${dir}.`);
  checkOwner(dir, stat);
  if (process.platform !== 'win32' && (stat.mode & 0o077) !== 0)
    throw unsafe(dir, `is open to others (mode ${(stat.mode & 0o7777).toString(8)})`, `Run: chmod 700 '${dir}'`);
}

function checkOwner(path: string, stat: Stats): void {
  if (process.getuid !== undefined && stat.uid !== process.getuid())
    throw unsafe(path, 'belongs to another user', `Find out who made ${path}, and have it removed.`);
}

function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw unusable(path, error);
  }
}

function unsafe(path: string, why: string, remedy: string): CallgateError {
  return new CallgateError('CG_DAEMON_UNSAFE', `The daemon is not used: ${path} ${why}.`, { remedy });
}

function unusable(path: string, cause: unknown): CallgateError {
  return new CallgateError('CG_DAEMON_START', `The daemon cannot use ${path}: ${messageOf(cause)}.`, {
    remedy: 'Mend the rights or the space of the home.',
    cause,
  });
}
