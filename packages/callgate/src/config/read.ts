import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { CallgateError } from '../model/error.ts';

/** Config and policy files are written by people. What is longer is a mistake or an attack. */
const MAX_CONFIG_BYTES = 131_072;
export const MAX_POLICY_BYTES = 4_194_304;

/** A file as it was at one moment: what is hashed is what is parsed. */
export interface TextFile {
  /** Absolute. */
  readonly path: string;
  readonly text: string;
  readonly sha256: string;
}

/**
 * Reads a whole small text file once.
 * @returns undefined when there is no such file.
 * @throws CallgateError CG_CONFIG_UNREADABLE (not a plain file, no permission, not UTF-8), CG_CONFIG_TOO_LARGE
 */
export function readTextFile(path: string, maxBytes = MAX_CONFIG_BYTES): TextFile | undefined {
  const bytes = readBytes(path, maxBytes);
  if (bytes === undefined) return undefined;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new CallgateError('CG_CONFIG_UNREADABLE', `${path} is not UTF-8 text.`, { remedy: 'Save it as UTF-8.' });
  }
  return { path, text, sha256: sha256(bytes) };
}

/** Lower-case hex SHA-256. */
export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

function readBytes(path: string, maxBytes: number): Uint8Array | undefined {
  let descriptor: number;
  try {
    // Non-blocking: opening a named pipe that a project has put there must not hang.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return undefined;
    throw unreadable(path, code ?? String(error));
  }
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) throw unreadable(path, 'it is not a plain file');
    // By what is read, not by the size that was: the file may grow meanwhile.
    let bytes = new Uint8Array(Math.min(stat.size, maxBytes) + 1);
    for (let length = 0; ;) {
      const read = readSync(descriptor, bytes, length, bytes.length - length, null);
      length += read;
      if (length > maxBytes) {
        throw new CallgateError('CG_CONFIG_TOO_LARGE', `${path} is larger than ${maxBytes} bytes.`, {
          remedy: 'Make the file smaller.',
        });
      }
      if (read === 0) return bytes.subarray(0, length);
      if (length === bytes.length) {
        const grown = new Uint8Array(maxBytes + 1);
        grown.set(bytes);
        bytes = grown;
      }
    }
  } finally {
    closeSync(descriptor);
  }
}

function unreadable(path: string, why: string): CallgateError {
  return new CallgateError('CG_CONFIG_UNREADABLE', `${path} cannot be read: ${why}.`, {
    remedy: 'Make it a plain file that you may read.',
  });
}
