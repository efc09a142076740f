import { createCipheriv, createDecipheriv, randomFillSync } from 'node:crypto';
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { privateDirectory, readOrMakeSecret, readSecret } from './keys.ts';

/*
 * What leaves only commit to, in clear (masked), so that it can be shown and later forgotten: a file a day,
 * AES-256-GCM a record under the day's key. Deleting the key forgets the day; every proof stays valid (audit.md §4).
 * Record: u32le length of the rest | u64le leaf index | nonce 12 | ciphertext | tag 16.
 * Clear: record key 32 | u32le length of the text | text (as in encode.ts) | arguments.
 */
const HEAD = 4 + 8;
const NONCE = 12;
const TAG = 16;
const KEY = 32;

/** One record of the vault. */
export interface VaultRecord {
  readonly recordKey: Buffer;
  readonly text: string;
  readonly args: Buffer;
}

/** Collects the records of one seal and writes them behind what earlier seals committed. */
export class VaultWriter {
  readonly #dir: string;
  readonly #keysDir: string;
  readonly #days = new Map<string, { key: Buffer; chunks: Buffer[] }>();
  readonly #nonces = Buffer.alloc(NONCE * 512);
  #nonce = Infinity;

  constructor(dir: string, keysDir: string) {
    this.#dir = join(dir, 'vault');
    this.#keysDir = join(keysDir, 'vault');
  }

  add(day: string, index: number, recordKey: Buffer, text: string, args: Buffer | undefined): void {
    let file = this.#days.get(day);
    if (file === undefined) {
      file = { key: readOrMakeSecret(join(this.#keysDir, `${day}.key`)), chunks: [] };
      this.#days.set(day, file);
    }
    const head = Buffer.allocUnsafe(HEAD + NONCE + KEY + 4 + Buffer.byteLength(text));
    const textAt = HEAD + NONCE + KEY + 4;
    const length = head.write(text, textAt, 'utf8');
    const clearEnd = textAt + length;
    recordKey.copy(head, HEAD + NONCE);
    head.writeUInt32LE(length, HEAD + NONCE + KEY);
    head.writeUInt32LE(8 + NONCE + KEY + 4 + length + (args?.length ?? 0) + TAG, 0);
    writeIndex(head, index);
    const nonce = this.#nextNonce();
    nonce.copy(head, HEAD);
    const cipher = createCipheriv('aes-256-gcm', file.key, nonce);
    cipher.setAAD(head.subarray(4, HEAD));
    const first = cipher.update(head.subarray(HEAD + NONCE, clearEnd));
    first.copy(head, HEAD + NONCE);
    file.chunks.push(head.subarray(0, clearEnd));
    if (args !== undefined && args.length > 0) file.chunks.push(cipher.update(args));
    cipher.final();
    file.chunks.push(cipher.getAuthTag());
  }

  /**
   * Writes everything added behind the committed length of each day (cutting what an unfinished seal left there).
   * @param lengths committed bytes a day; changed to the new lengths.
   * @returns the open files, which the caller syncs and closes.
   */
  write(lengths: Record<string, number>): number[] {
    privateDirectory(this.#dir);
    const files: number[] = [];
    for (const [day, { chunks }] of this.#days) {
      const file = openSync(join(this.#dir, `${day}.vlt`), 'a+', 0o600);
      files.push(file);
      // A day that was deleted starts again from nothing.
      const start = Math.min(lengths[day] ?? 0, fstatSync(file).size);
      ftruncateSync(file, start);
      const bytes = Buffer.concat(chunks);
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
      lengths[day] = start + bytes.length;
    }
    this.#days.clear();
    return files;
  }

  #nextNonce(): Buffer {
    if (this.#nonce >= this.#nonces.length) {
      randomFillSync(this.#nonces);
      this.#nonce = 0;
    }
    this.#nonce += NONCE;
    return this.#nonces.subarray(this.#nonce - NONCE, this.#nonce);
  }
}

/** The vault's day for a time in milliseconds: its UTC date. */
export function vaultDay(time: number): string {
  return new Date(Math.min(Math.max(Math.floor(time), 0), 253402300799999)).toISOString().slice(0, 10);
}

/**
 * Walks a day's records without opening them: leaf index and place of each. Stops at the first that is not whole.
 * @param from bytes to skip, as given by an earlier walk.
 */
export function* walkVault(
  dir: string,
  day: string,
  from = 0,
): Generator<{ index: number; offset: number; end: number }> {
  const file = openDay(dir, day);
  if (file === undefined) return;
  try {
    const head = Buffer.alloc(HEAD);
    const { size } = fstatSync(file);
    for (let offset = from; offset + HEAD <= size;) {
      if (readSync(file, head, 0, HEAD, offset) < HEAD) return;
      const end = offset + 4 + head.readUInt32LE(0);
      if (end > size || end < offset + HEAD + NONCE + KEY + 4 + TAG) return;
      yield { index: head.readUInt32LE(4) + head.readUInt32LE(8) * 2 ** 32, offset, end };
      offset = end;
    }
  } finally {
    closeSync(file);
  }
}

/** Opens one record; undefined when its key is gone (forgotten), the file was cut, or it does not authenticate. */
export function openVault(
  dir: string,
  keysDir: string,
  day: string,
  offset: number,
  index: number,
): VaultRecord | undefined {
  const key = readSecret(join(keysDir, 'vault', `${day}.key`));
  if (key === undefined) return undefined;
  const file = openDay(dir, day);
  if (file === undefined) return undefined;
  try {
    return openedRecord(file, key, offset, index);
  } finally {
    closeSync(file);
  }
}

/**
 * Opens a day's records one after the other, in the order of their leaves. Nothing when the day was forgotten; a record that
 * does not authenticate is left out.
 */
export function* openVaultDay(
  dir: string,
  keysDir: string,
  day: string,
): Generator<{ readonly index: number; readonly record: VaultRecord }> {
  const key = readSecret(join(keysDir, 'vault', `${day}.key`));
  if (key === undefined) return;
  const file = openDay(dir, day);
  if (file === undefined) return;
  try {
    for (const { index, offset } of walkVault(dir, day)) {
      const record = openedRecord(file, key, offset, index);
      if (record !== undefined) yield { index, record };
    }
  } finally {
    closeSync(file);
  }
}

/** A day's file to read; undefined when there is none. */
function openDay(dir: string, day: string): number | undefined {
  try {
    return openSync(join(dir, 'vault', `${day}.vlt`), 'r');
  } catch {
    return undefined;
  }
}

/** Undefined also for a record that does not authenticate. */
function openedRecord(file: number, key: Buffer, offset: number, index: number): VaultRecord | undefined {
  try {
    return openRecord(file, key, offset, index);
  } catch {
    return undefined;
  }
}

function openRecord(file: number, key: Buffer, offset: number, index: number): VaultRecord | undefined {
  const head = Buffer.alloc(HEAD);
  readSync(file, head, 0, HEAD, offset);
  const length = head.readUInt32LE(0) - 8;
  if (length < NONCE + KEY + 4 + TAG || offset + HEAD + length > fstatSync(file).size) return undefined;
  const body = Buffer.alloc(length);
  readSync(file, body, 0, length, offset + HEAD);
  const decipher = createDecipheriv('aes-256-gcm', key, body.subarray(0, NONCE), { authTagLength: TAG });
  writeIndex(head, index);
  decipher.setAAD(head.subarray(4, HEAD));
  decipher.setAuthTag(body.subarray(length - TAG));
  const clear = Buffer.concat([decipher.update(body.subarray(NONCE, length - TAG)), decipher.final()]);
  const textEnd = KEY + 4 + clear.readUInt32LE(KEY);
  return {
    recordKey: clear.subarray(0, KEY),
    text: clear.toString('utf8', KEY + 4, textEnd),
    args: clear.subarray(textEnd),
  };
}

function writeIndex(head: Buffer, index: number): void {
  head.writeUInt32LE(index % 2 ** 32, 4);
  head.writeUInt32LE(Math.floor(index / 2 ** 32), 8);
}
