import { createDecipheriv, type Decipher } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import {
  END_CLOSED,
  FrameChain,
  KIND_END,
  KIND_RECORDS,
  LENGTH_BYTES,
  MAGIC,
  TAG_BYTES,
  parseHeader,
  segmentKeys,
  unwrapRoot,
  type SegmentHeader,
} from './segment.ts';

/** One record as the gate's process wrote it. `text` is what `encodeRecord` made. */
export interface WalRecord {
  readonly seq: number;
  readonly text: string;
  readonly args: Buffer | undefined;
}

/**
 * Where reading stands. `open`: everything there has been read, more may come. `ended` / `closed`: the end frame was
 * read (another segment follows / none does). `damaged`: a whole frame does not authenticate, nothing behind it can be read.
 */
export type ReadStatus = 'open' | 'ended' | 'closed' | 'damaged';

const CHUNK = 1 << 18;
const HEADER_MAX = 64 * 1024;

/** Reads one segment front to back, also while its process still appends. */
export class SegmentReader {
  readonly header: SegmentHeader;
  readonly root: Buffer;
  status: ReadStatus = 'open';
  #seq: number;
  readonly #chain: FrameChain;
  readonly #cipher: Decipher;
  readonly #path: string;
  #file: number;
  #offset: number;

  private constructor(path: string, file: number, header: SegmentHeader, root: Buffer, headerBytes: Buffer) {
    this.#path = path;
    this.#file = file;
    this.header = header;
    this.root = root;
    this.#seq = header.firstSeq;
    const keys = segmentKeys(root, headerBytes);
    this.#chain = new FrameChain(keys.chain);
    this.#cipher = createDecipheriv('aes-256-ctr', keys.cipher, Buffer.alloc(16));
    this.#offset = MAGIC.length + LENGTH_BYTES + headerBytes.length;
  }

  /** Opens a segment. `torn`: its header is not whole; `foreign`: not ours, or wrapped with another key. */
  static open(path: string, wrapKey: Uint8Array): SegmentReader | 'missing' | 'torn' | 'foreign' {
    let file: number;
    try {
      file = openSync(path, 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'missing';
      throw error;
    }
    const found = openHeader(file, wrapKey);
    if (typeof found === 'string') {
      closeSync(file);
      return found;
    }
    return new SegmentReader(path, file, found.header, found.root, found.bytes);
  }

  get path(): string {
    return this.#path;
  }

  get offset(): number {
    return this.#offset;
  }

  /** Sequence of the record that comes next. */
  get nextSeq(): number {
    return this.#seq;
  }

  /** Bytes behind the last valid frame. */
  unreadBytes(): number {
    return Math.max(0, fstatSync(this.#file).size - this.#offset);
  }

  /** The next records, about a megabyte of them; empty when there is nothing whole to read (see `status`). */
  read(): WalRecord[] {
    const records: WalRecord[] = [];
    if (this.status !== 'open') return records;
    let chunk = this.#chunk(CHUNK);
    let at = 0;
    for (;;) {
      const left = chunk.length - at;
      const need = left < LENGTH_BYTES ? LENGTH_BYTES : LENGTH_BYTES + chunk.readUInt32LE(at) + TAG_BYTES;
      if (left < need) {
        if (records.length > 0 || this.unreadBytes() < need) return records;
        chunk = this.#chunk(Math.max(need, CHUNK));
        at = 0;
        if (chunk.length < need) return records;
        continue;
      }
      const frame = chunk.subarray(at, at + need - TAG_BYTES);
      const tag = this.#chain.tagOf(frame);
      if (tag !== chunk.toString('latin1', at + need - TAG_BYTES, at + need)) {
        this.status = 'damaged';
        return records;
      }
      this.#chain.advance(tag);
      this.#open(this.#cipher.update(frame.subarray(LENGTH_BYTES)), records);
      at += need;
      this.#offset += need;
      if (this.status !== 'open') return records;
    }
  }

  close(): void {
    if (this.#file >= 0) closeSync(this.#file);
    this.#file = -1;
  }

  #chunk(size: number): Buffer {
    const room = Buffer.allocUnsafe(Math.min(size, this.unreadBytes()));
    let filled = 0;
    while (filled < room.length) {
      const got = readSync(this.#file, room, filled, room.length - filled, this.#offset + filled);
      if (got === 0) break;
      filled += got;
    }
    return room.subarray(0, filled);
  }

  #open(clear: Buffer, records: WalRecord[]): void {
    if (clear[0] === KIND_END) {
      this.status = clear[1] === END_CLOSED ? 'closed' : 'ended';
      return;
    }
    if (clear[0] !== KIND_RECORDS) {
      this.status = 'damaged';
      return;
    }
    for (let at = 1; at < clear.length;) {
      const textEnd = at + 4 + clear.readUInt32LE(at);
      const text = clear.toString('utf8', at + 4, textEnd);
      const args = clear.readUInt32LE(textEnd);
      at = textEnd + 4 + Math.max(0, args - 1);
      records.push({
        seq: this.#seq++,
        text,
        args: args === 0 ? undefined : clear.subarray(textEnd + 4, at),
      });
    }
  }
}

function openHeader(
  file: number,
  wrapKey: Uint8Array,
): { header: SegmentHeader; root: Buffer; bytes: Buffer } | 'torn' | 'foreign' {
  const head = Buffer.alloc(MAGIC.length + LENGTH_BYTES + HEADER_MAX);
  const got = readSync(file, head, 0, head.length, 0);
  const start = MAGIC.length + LENGTH_BYTES;
  if (!MAGIC.subarray(0, got).equals(head.subarray(0, Math.min(got, MAGIC.length)))) return 'foreign';
  if (got < start) return 'torn';
  const end = start + head.readUInt32LE(MAGIC.length);
  if (end > head.length) return 'foreign';
  if (got < end) return 'torn';
  const bytes = Buffer.from(head.subarray(start, end));
  const header = parseHeader(bytes.toString('utf8'));
  const root = header === undefined ? undefined : unwrapRoot(wrapKey, header.root);
  return header === undefined || root === undefined ? 'foreign' : { header, root, bytes };
}
