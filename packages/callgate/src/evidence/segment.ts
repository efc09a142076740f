import { createCipheriv, createDecipheriv, hash, randomBytes, type Cipher } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { CallgateError } from '../model/error.ts';
import { parseHolder, thisHolder, type Holder } from '../state/holder.ts';

/*
 * A write-ahead segment: magic, u32le header length, header (JSON), then frames: u32le n, n bytes of AES-256-CTR under
 * the segment's key, 32 bytes HMAC-SHA256 under a key that is hashed forward with every tag (audit.md §6). Editing,
 * reordering or dropping a frame breaks every tag behind it; the end frame shows a cut tail. The header is bound into
 * both keys. A frame's first clear byte is its kind.
 */
export const MAGIC = Buffer.from('CGWAL1\r\n', 'latin1');
export const KIND_RECORDS = 1;
export const KIND_END = 2;
/** Second byte of an end frame. */
export const END_ROTATED = 0;
export const END_CLOSED = 1;
export const TAG_BYTES = 32;
export const LENGTH_BYTES = 4;

export interface SegmentHeader {
  readonly v: 1;
  /** Random name of the writing process; its records are `<process>-<seq>`. */
  readonly process: string;
  /** Counts the segments of this process from 0. */
  readonly index: number;
  readonly firstSeq: number;
  readonly time: number;
  readonly holder: Holder;
  /** The root key under the wrapping key: nonce, ciphertext, tag; base64. */
  readonly root: string;
}

export function segmentName(process: string, index: number): string {
  return `${process}-${index}.wal`;
}

/** Process and index out of a segment's file name; undefined for any other name. */
export function parseSegmentName(name: string): { process: string; index: number } | undefined {
  const match = /^([0-9a-hjkmnp-tv-z]{10})-(0|[1-9][0-9]{0,8})\.wal$/.exec(name);
  return match === null ? undefined : { process: match[1] ?? '', index: Number(match[2]) };
}

/** Authenticates frames in order. `key` moves forward with every tag and cannot be moved back. */
export class FrameChain {
  readonly #inner = Buffer.alloc(64);
  readonly #outer = Buffer.alloc(96);
  readonly #ratchet = Buffer.alloc(64);
  constructor(key: Uint8Array) {
    this.#ratchet.set(key);
  }

  /** Writes the 64-byte inner pad to the front of `room`: the caller puts length and ciphertext right behind it. */
  pad(room: Buffer): void {
    for (let i = 0; i < 32; i++) {
      const byte = this.#ratchet[i] ?? 0;
      room[i] = byte ^ 0x36;
      this.#outer[i] = byte ^ 0x5c;
    }
    room.fill(0x36, 32, 64);
    this.#outer.fill(0x5c, 32, 64);
  }

  /** Tag of `padded` (pad, length, ciphertext) as a latin1 string; moves the key forward when `advance` says so. */
  tag(padded: Buffer): string {
    this.#outer.write(hash('sha256', padded, 'binary'), 64, 'latin1');
    return hash('sha256', this.#outer, 'binary');
  }

  /** Hashes the key forward past the frame with this tag. */
  advance(tag: string): void {
    this.#ratchet.write(tag, 32, 'latin1');
    this.#ratchet.write(hash('sha256', this.#ratchet, 'binary'), 0, 'latin1');
  }

  /** Tag of one frame given in one piece (length and ciphertext), for readers. */
  tagOf(frame: Uint8Array): string {
    this.pad(this.#inner);
    return this.tag(Buffer.concat([this.#inner, frame]));
  }
}

/** The two keys of a segment, bound to its header bytes. */
export function segmentKeys(root: Uint8Array, header: Uint8Array): { cipher: Buffer; chain: Buffer } {
  const bound = Buffer.concat([root, hash('sha256', header, 'buffer')]);
  return {
    cipher: hash('sha256', Buffer.concat([Buffer.from('callgate/wal/cipher/1'), bound]), 'buffer'),
    chain: hash('sha256', Buffer.concat([Buffer.from('callgate/wal/chain/1'), bound]), 'buffer'),
  };
}

export function wrapRoot(wrapKey: Uint8Array, root: Uint8Array): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', wrapKey, nonce);
  const sealed = Buffer.concat([nonce, cipher.update(root), cipher.final()]);
  return Buffer.concat([sealed, cipher.getAuthTag()]).toString('base64');
}

/** The root key of a segment; undefined when `wrapKey` is not the one it was wrapped with. */
export function unwrapRoot(wrapKey: Uint8Array, wrapped: string): Buffer | undefined {
  const bytes = Buffer.from(wrapped, 'base64');
  if (bytes.length !== 12 + 32 + 16) return undefined;
  try {
    const decipher = createDecipheriv('aes-256-gcm', wrapKey, bytes.subarray(0, 12), { authTagLength: 16 });
    decipher.setAuthTag(bytes.subarray(44));
    return Buffer.concat([decipher.update(bytes.subarray(12, 44)), decipher.final()]);
  } catch {
    return undefined;
  }
}

/** Reads a header; undefined when it is not one of version 1. */
export function parseHeader(text: string): SegmentHeader | undefined {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const { v, process, index, firstSeq, time, root } = value;
  const holder = parseHolder(value['holder']);
  if (v !== 1 || typeof process !== 'string' || typeof root !== 'string' || holder === undefined) return undefined;
  if (typeof index !== 'number' || typeof firstSeq !== 'number' || typeof time !== 'number') return undefined;
  return { v, process, index, firstSeq, time, holder, root };
}

/** The file one process appends to until it rotates. */
export class SegmentWriter {
  readonly path: string;
  readonly openedAt: number;
  readonly #chain: FrameChain;
  readonly #cipher: Cipher;
  #room = Buffer.alloc(64 * 1024);
  #file: number;
  #size: number;

  /** Creates `<dir>/<process>-<index>.wal`; throws what the file system throws. */
  constructor(dir: string, wrapKey: Uint8Array, process: string, index: number, firstSeq: number, time: number) {
    const root = randomBytes(32);
    const header: SegmentHeader = {
      v: 1,
      process,
      index,
      firstSeq,
      time,
      holder: thisHolder(),
      root: wrapRoot(wrapKey, root),
    };
    const text = Buffer.from(JSON.stringify(header));
    const keys = segmentKeys(root, text);
    root.fill(0);
    this.#chain = new FrameChain(keys.chain);
    this.#cipher = createCipheriv('aes-256-ctr', keys.cipher, Buffer.alloc(16));
    this.path = join(dir, segmentName(process, index));
    this.openedAt = time;
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    const head = Buffer.concat([MAGIC, length, text]);
    // Under its name only with a whole header: a reader must always learn whose it is.
    this.#file = openWith(this.path, head);
    this.#size = head.length;
  }

  get file(): number {
    return this.#file;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Hands one frame to the kernel with one write.
   * @throws when it cannot; the segment must then be abandoned with `abandon`, its key has moved on.
   */
  write(clear: Uint8Array): void {
    const n = clear.length;
    const end = 64 + LENGTH_BYTES + n;
    if (this.#room.length < end + TAG_BYTES) this.#room = Buffer.alloc(2 * end);
    const room = this.#room;
    this.#chain.pad(room);
    room.writeUInt32LE(n, 64);
    room.set(this.#cipher.update(clear), 64 + LENGTH_BYTES);
    const tag = this.#chain.tag(room.subarray(0, end));
    this.#chain.advance(tag);
    room.write(tag, end, 'latin1');
    writeWhole(this.#file, room, 64, end + TAG_BYTES);
    this.#size += LENGTH_BYTES + n + TAG_BYTES;
    if (room.length > 1 << 20) this.#room = Buffer.alloc(64 * 1024);
  }

  /** Writes the end frame: nothing of this segment may be missing, and after `END_CLOSED` no other follows. */
  end(why: number): void {
    this.write(Uint8Array.of(KIND_END, why));
  }

  /** After a failed write: cuts what may have been written of the frame, so that readers see a clean edge. */
  abandon(): void {
    try {
      ftruncateSync(this.#file, this.#size);
    } catch {
      // The reader cuts at the last valid frame by itself.
    }
  }

  close(): void {
    if (this.#file >= 0) closeSync(this.#file);
    this.#file = -1;
  }
}

/** A file under its name only with all that it begins with; of one that cannot be made nothing is left, for it is tried again. */
function openWith(path: string, head: Buffer): number {
  const draft = `${path}.tmp`;
  const file = openSync(draft, 'wx', 0o600);
  try {
    writeWhole(file, head, 0, head.length);
    renameSync(draft, path);
    return file;
  } catch (error) {
    closeSync(file);
    unlinkSync(draft);
    throw error;
  }
}

function writeWhole(file: number, bytes: Buffer, from: number, to: number): void {
  const written = writeSync(file, bytes, from, to - from);
  if (written !== to - from)
    throw new CallgateError('CG_EVIDENCE_WRITE', `Only ${written} of ${to - from} bytes of evidence could be written.`);
}
