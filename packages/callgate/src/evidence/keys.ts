import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { CallgateError } from '../model/error.ts';

/** Makes `dir` (and its parents) for this user alone. */
export function privateDirectory(dir: string): void {
  if (mkdirSync(dir, { recursive: true, mode: 0o700 }) !== undefined && process.platform !== 'win32')
    chmodSync(dir, 0o700);
}

/**
 * Reads the secret in `path`; makes it at first use with `make` (0600, whole or not at all: two processes that both
 * come first end with the same secret).
 * @throws CallgateError CG_EVIDENCE_KEY_OPEN when others may read the file.
 */
export function readOrMakeSecret(path: string, make: () => Uint8Array = () => randomBytes(32)): Buffer {
  const existing = readSecret(path);
  if (existing !== undefined) return existing;
  privateDirectory(dirname(path));
  const draft = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  writeDurable(draft, make());
  try {
    linkSync(draft, path);
    syncDirectory(dirname(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(draft);
  }
  return readSecret(path) ?? readFileSync(path);
}

/** The secret in `path`, or undefined when there is none. */
export function readSecret(path: string): Buffer | undefined {
  let secret: Buffer;
  try {
    secret = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0)
    throw new CallgateError('CG_EVIDENCE_KEY_OPEN', `The key ${path} can be read by other users.`, {
      remedy: `Run: chmod 600 ${path}. If others may have read it, treat the log it signs as theirs to forge from then on.`,
    });
  return secret;
}

/** Replaces `path` in one step that survives power loss: temporary file, fsync, rename, fsync of the directory. */
export function replaceFile(path: string, bytes: string | Uint8Array): void {
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
  writeDurable(draft, bytes);
  renameSync(draft, path);
  syncDirectory(dirname(path));
}

/** Makes names that were just created or removed in `dir` survive power loss. */
export function syncDirectory(dir: string): void {
  const handle = openSync(dir, 'r');
  try {
    fsyncSync(handle);
  } catch (error) {
    // Some file systems cannot sync a directory; their names are as durable as they get.
    if (!['EINVAL', 'EPERM', 'EISDIR', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    closeSync(handle);
  }
}

function writeDurable(path: string, bytes: string | Uint8Array): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    const content = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    for (let at = 0; at < content.length;) at += writeSync(file, content, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
