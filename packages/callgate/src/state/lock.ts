import { randomBytes } from 'node:crypto';
import { closeSync, linkSync, openSync, readdirSync, readFileSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { uptime } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { livenessOf, parseHolder, thisHolder, type Holder, type Liveness } from './holder.ts';

/** A lock this thread holds. `release` is idempotent. */
export interface Lock {
  release(): void;
}

interface Claim {
  readonly holder: Holder | undefined;
  readonly thread: number;
  readonly nonce: string;
  readonly liveness: Liveness;
}

/** Takeovers of takeovers end here: so many processes killed in the same microseconds are a fault, not a race. */
const MAX_TAKEOVERS = 8;

/**
 * Tries to become the one holder of `path` among all processes of this host. Does not wait.
 * The claim appears by link(2), so nobody ever sees half of it; a dead holder's claim is removed only under a second
 * lock named for that claim's nonce, so that two finders of the same corpse cannot remove each other's new claim.
 * @returns the lock, or undefined while a living process (or one of another host or container) holds it.
 */
export function acquireLock(path: string): Lock | undefined {
  const lock = acquire(path, MAX_TAKEOVERS);
  if (lock !== undefined) sweep(path);
  return lock;
}

/** Says who holds `path`, for a message: undefined when nobody does. */
export function describeHolder(path: string): string | undefined {
  const claim = readClaim(path);
  if (claim === undefined) return undefined;
  if (claim.holder === undefined) return `an unreadable claim (remove ${path} if no callgate runs here)`;
  const who = `process ${claim.holder.pid}`;
  if (claim.liveness === 'elsewhere')
    return `${who} of another host or container, which counts as alive (remove ${path} if it is gone for good)`;
  return claim.liveness === 'dead' ? `${who}, which has ended` : who;
}

/** Whether somebody who lives holds `path`. */
export function isHeld(path: string): boolean {
  const claim = readClaim(path);
  return claim !== undefined && claim.liveness !== 'dead';
}

/** Frees a claim that a thread of this process left behind when it died (a worker that ran out of memory). */
export function releaseThread(path: string, thread: number): void {
  const claim = readClaim(path);
  const self = thisHolder();
  if (claim?.thread === thread && claim.holder?.pid === self.pid && claim.holder.start === self.start) remove(path);
}

function acquire(path: string, depth: number): Lock | undefined {
  for (let round = 0; round < 4; round++) {
    const nonce = randomBytes(12).toString('hex');
    if (claimByLink(path, nonce)) return { release: () => releaseClaim(path, nonce) };
    const found = readClaim(path);
    if (found === undefined) continue;
    if (found.liveness !== 'dead' || depth === 0) return undefined;
    if (!removeDead(path, found.nonce, depth)) return undefined;
  }
  return undefined;
}

function claimByLink(path: string, nonce: string): boolean {
  const draft = `${path}.${nonce}.tmp`;
  const file = openSync(draft, 'wx', 0o600);
  try {
    writeSync(file, JSON.stringify({ ...thisHolder(), thread: threadId, nonce }));
  } finally {
    closeSync(file);
  }
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' || code === 'ENOENT') return false;
    throw error;
  } finally {
    remove(draft);
  }
}

function removeDead(path: string, nonce: string, depth: number): boolean {
  const takeover = acquire(`${path}.${nonce}.takeover`, depth - 1);
  if (takeover === undefined) return false;
  try {
    // Somebody may have taken over between our look and our lock: only the very claim we judged may go.
    if (readClaim(path)?.nonce === nonce) remove(path);
    return true;
  } finally {
    takeover.release();
  }
}

function releaseClaim(path: string, nonce: string): void {
  if (readClaim(path)?.nonce === nonce) remove(path);
}

function readClaim(path: string): Claim | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  try {
    const value = JSON.parse(text) as Record<string, unknown>;
    const holder = parseHolder(value);
    const { nonce, thread } = value;
    if (holder !== undefined && typeof nonce === 'string' && /^[0-9a-f]{24}$/.test(nonce) && typeof thread === 'number')
      return { holder, thread, nonce, liveness: livenessOf(holder) };
  } catch {
    // A claim lost its bytes (power loss): judged by its age below.
  }
  return unreadableClaim(path);
}

/** A claim without readable bytes is dead only when it is older than this boot. */
function unreadableClaim(path: string): Claim | undefined {
  try {
    const { ino, mtimeMs } = statSync(path);
    const beforeBoot = mtimeMs < Date.now() - uptime() * 1000 - 5000;
    return { holder: undefined, thread: -1, nonce: `ino${ino}`, liveness: beforeBoot ? 'dead' : 'alive' };
  } catch {
    return undefined;
  }
}

/**
 * Removes what killed contenders left beside the lock. Safe beside live takeovers: those are for nonces that are no
 * longer in `path` (we hold it), and a taker re-reads `path` before it removes anything.
 */
function sweep(path: string): void {
  const prefix = `${basename(path)}.`;
  for (const name of readdirSync(dirname(path))) {
    if (!name.startsWith(prefix) || !(name.endsWith('.tmp') || name.endsWith('.takeover'))) continue;
    const left = join(dirname(path), name);
    if (readClaim(left)?.liveness === 'dead') remove(left);
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
