import { randomBytes } from 'node:crypto';
import { fdatasync, fstat, fsync, closeSync, openSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CallgateError } from '../model/error.ts';
import type { EvidenceRecord } from '../model/record.ts';
import { encodeRecord } from './encode.ts';
import { privateDirectory, readOrMakeSecret } from './keys.ts';
import { refuseRollback } from './mark.ts';
import { END_CLOSED, END_ROTATED, KIND_RECORDS, SegmentWriter } from './segment.ts';

/** The log of one process, as the gate sees it. Two steps on the call's path, both synchronous; sealing is elsewhere. */
export interface Evidence {
  /** Takes a record; returns its sequence in this process, from 0. Nothing is on disk before `flush`. */
  append(record: EvidenceRecord): number;
  /**
   * Hands everything appended since the last flush to the kernel, encrypted, with one write.
   * @throws CallgateError CG_EVIDENCE_WRITE when it cannot: then nothing of it counts as recorded, and the call must not
   * go. The records are kept and go first with the next flush.
   */
  flush(): void;
  /** Resolves when everything flushed so far survives power loss; one fdatasync for all who wait. Rejects as `flush`. */
  synced(): Promise<void>;
  /** The id of a record in the log: `<process>-<sequence>`. */
  idOf(sequence: number): string;
  /** Flushes, marks the end of this process's records, syncs, stops sealing. Idempotent. */
  close(): Promise<void>;
}

export interface EvidenceOptions {
  /** `<home>/evidence`. */
  readonly dir: string;
  /** `<home>/keys`. */
  readonly keysDir: string;
  /** `batch` syncs within 50 ms of a flush by itself; under `strict` the gate also waits for `synced`. */
  readonly durability: 'batch' | 'strict';
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Microseconds of a clock that never steps. */
  readonly mono: () => number;
  /** The high-water mark; `state/evidence-mark.json` beside `keysDir` unless given. */
  readonly markFile?: string;
  /** Whether this process seals (off the path, about 300 ms after opening). Default true. */
  readonly sealing?: boolean;
  /** Whether another process has taken it on to seal; asked about once a minute. */
  readonly sealedElsewhere?: () => boolean;
  /** Told what goes wrong off the path: sealing that fails (it is tried again), a sync that failed. */
  readonly onProblem?: (error: CallgateError) => void;
  readonly rotateBytes?: number;
  readonly rotateMs?: number;
}

const SYNC_WITHIN_MS = 50;
const ROTATE_BYTES = 64 << 20;
const ROTATE_MS = 5 * 60_000;
const SEAL_AFTER_MS = 300;
const TOUCH_MS = 60_000;
const BATCH_BYTES = 256 * 1024;
const PENDING_MAX = 16 << 20;
/** A full disk is not asked again at every call: each try writes all that waits. */
const RETRY_AFTER_US = 200_000;

/**
 * Opens this process's write-ahead file. Loads no parser and no database; makes keys at first use.
 * @throws CallgateError CG_EVIDENCE_ROLLBACK when the log is older than its high-water mark, CG_EVIDENCE_WRITE when
 * the home cannot be written, CG_EVIDENCE_KEY_OPEN when a key file is readable by others.
 */
export function openEvidence(options: EvidenceOptions): Evidence {
  const markFile = options.markFile ?? join(dirname(options.keysDir), 'state', 'evidence-mark.json');
  refuseRollback({ dir: options.dir, keysDir: options.keysDir, markFile });
  return new WriteAhead(options, markFile);
}

class WriteAhead implements Evidence {
  readonly #options: EvidenceOptions;
  readonly #process = randomName();
  readonly #walDir: string;
  readonly #wrapKey: Buffer;
  readonly #markFile: string;
  #segment: SegmentWriter | undefined;
  #segmentIndex = 0;
  #batch = Buffer.alloc(BATCH_BYTES);
  /** Byte 0 of the batch is the frame's kind. */
  #used = 1;
  #next = 0;
  #flushed = 0;
  #broken: CallgateError | undefined;
  #closed = false;
  readonly #unsynced = new Set<SegmentWriter>();
  readonly #retired = new Set<SegmentWriter>();
  #syncing: Promise<void> | undefined;
  #nextSync: Promise<void> | undefined;
  #syncTimer: NodeJS.Timeout | undefined;
  #dirSynced = -1;
  readonly #timers: NodeJS.Timeout[] = [];
  /** The last write failed: until `retryAt` (mono) nothing is tried. */
  #failure: { readonly error: CallgateError; readonly retryAt: number } | undefined;
  /** Records refused because too much waited already. */
  #lost = 0;
  #sealTimer: NodeJS.Timeout | undefined;
  #stopSealing: (() => Promise<void>) | undefined;

  constructor(options: EvidenceOptions, markFile: string) {
    this.#options = options;
    this.#markFile = markFile;
    this.#walDir = join(options.dir, 'wal');
    try {
      privateDirectory(options.dir);
      privateDirectory(this.#walDir);
      this.#wrapKey = readOrMakeSecret(join(options.keysDir, 'evidence-wrap.key'));
      this.#segment = this.#openSegment();
    } catch (error) {
      throw error instanceof CallgateError ? error : writeError(options.dir, error);
    }
    this.#timers.push(setInterval(() => this.#rotateWhenOld(), TOUCH_MS).unref());
    if (options.sealing !== false) this.#sealTimer = setTimeout(() => void this.#startSealing(), SEAL_AFTER_MS).unref();
  }

  append(record: EvidenceRecord): number {
    const text = encodeRecord(record);
    const args = record.type === 'decision' ? record.args : undefined;
    const most = text.length * 3 + 8 + (args?.length ?? 0);
    if (this.#used + most > this.#batch.length) this.#grow(most);
    const batch = this.#batch;
    const length = batch.write(text, this.#used + 4, 'utf8');
    batch.writeUInt32LE(length, this.#used);
    let at = this.#used + 4 + length;
    // 0: no arguments; n + 1: n bytes of them.
    batch.writeUInt32LE(args === undefined ? 0 : args.length + 1, at);
    at += 4;
    if (args !== undefined) {
      batch.set(args, at);
      at += args.length;
    }
    this.#used = at;
    return this.#next++;
  }

  flush(): void {
    if (this.#used === 1) return;
    if (this.#broken !== undefined) throw this.#broken;
    if (this.#closed) throw new CallgateError('CG_EVIDENCE_WRITE', 'The evidence log of this process is closed.');
    if (this.#failure !== undefined && this.#options.mono() < this.#failure.retryAt) throw this.#failure.error;
    try {
      const segment = this.#segmentToWrite();
      this.#batch[0] = KIND_RECORDS;
      segment.write(this.#batch.subarray(0, this.#used));
      this.#unsynced.add(segment);
    } catch (error) {
      this.#abandonSegment();
      const failure = writeError(this.#walDir, error);
      this.#failure = { error: failure, retryAt: this.#options.mono() + RETRY_AFTER_US };
      throw failure;
    }
    this.#failure = undefined;
    this.#used = 1;
    this.#flushed = this.#next;
    if (this.#batch.length > 4 * BATCH_BYTES) this.#batch = Buffer.alloc(BATCH_BYTES);
    this.#tellGap();
    this.#armSync();
  }

  synced(): Promise<void> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    if (this.#unsynced.size === 0 && this.#syncing === undefined) return Promise.resolve();
    if (this.#syncing === undefined) return this.#sync();
    // What was flushed after the running sync began waits for the one after it, together with all others.
    if (this.#unsynced.size === 0) return this.#syncing;
    const again = (): Promise<void> => {
      this.#nextSync = undefined;
      return this.synced();
    };
    this.#nextSync ??= this.#syncing.then(again, again);
    return this.#nextSync;
  }

  idOf(sequence: number): string {
    return `${this.#process}-${sequence}`;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#sealTimer);
    this.#failure = undefined;
    try {
      this.flush();
      this.#endSegment(END_CLOSED);
      await this.#settle();
    } finally {
      this.#closed = true;
      clearTimeout(this.#syncTimer);
      for (const segment of [...this.#retired, this.#segment]) segment?.close();
      this.#retired.clear();
      await this.#stopSealing?.();
    }
  }

  #armSync(): void {
    this.#syncTimer ??= setTimeout(() => {
      this.#syncTimer = undefined;
      this.synced().catch(() => {});
    }, SYNC_WITHIN_MS).unref();
  }

  #openSegment(): SegmentWriter {
    const time = this.#options.now();
    const index = this.#segmentIndex;
    const segment = new SegmentWriter(this.#walDir, this.#wrapKey, this.#process, index, this.#flushed, time);
    this.#segmentIndex++;
    return segment;
  }

  #segmentToWrite(): SegmentWriter {
    if (this.#segment !== undefined && this.#segment.size > (this.#options.rotateBytes ?? ROTATE_BYTES))
      this.#endSegment();
    this.#segment ??= this.#openSegment();
    return this.#segment;
  }

  /** Idle processes rotate too, so that sealed records leave the disk with their segment. */
  #rotateWhenOld(): void {
    const segment = this.#segment;
    if (segment === undefined || this.#broken !== undefined || this.#closed) return;
    if (this.#flushed === 0 || this.#options.now() - segment.openedAt < (this.#options.rotateMs ?? ROTATE_MS)) return;
    try {
      this.#endSegment();
      this.#armSync();
      this.#segment = this.#openSegment();
    } catch {
      this.#abandonSegment();
    }
  }

  /** Ends the current segment; one that never got a record is removed instead. */
  #endSegment(why: number = END_ROTATED): void {
    const segment = this.#segment;
    if (segment === undefined) return;
    this.#segment = undefined;
    if (this.#flushed === 0) {
      segment.close();
      unlinkSync(segment.path);
      return;
    }
    segment.end(why);
    this.#unsynced.add(segment);
    this.#retired.add(segment);
  }

  #abandonSegment(): void {
    const segment = this.#segment;
    if (segment === undefined) return;
    this.#segment = undefined;
    segment.abandon();
    this.#retired.add(segment);
    this.#unsynced.add(segment);
  }

  #sync(): Promise<void> {
    const segments = [...this.#unsynced];
    this.#unsynced.clear();
    const running = this.#syncAll(segments).then(
      () => {
        if (this.#syncing === running) this.#syncing = undefined;
        for (const segment of segments) {
          if (!this.#retired.has(segment) || this.#unsynced.has(segment)) continue;
          this.#retired.delete(segment);
          segment.close();
        }
      },
      (error: unknown) => {
        this.#syncing = undefined;
        // After a failed sync the kernel may have dropped the pages: nothing written here can be trusted any more.
        this.#broken ??= error instanceof CallgateError ? error : writeError(this.#walDir, error);
        this.#options.onProblem?.(this.#broken);
        throw this.#broken;
      },
    );
    this.#syncing = running;
    return running;
  }

  async #syncAll(segments: readonly SegmentWriter[]): Promise<void> {
    const directory = this.#segmentIndex !== this.#dirSynced ? syncName(this.#walDir) : undefined;
    const index = this.#segmentIndex;
    // All of them to their end, also when one fails: no file may be closed while it is being synced.
    const results = await Promise.allSettled([
      directory,
      ...segments.map((segment) => syncFile(segment, () => this.#segment === segment)),
    ]);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    this.#dirSynced = index;
  }

  async #settle(): Promise<void> {
    while (this.#unsynced.size > 0 || this.#syncing !== undefined) await this.synced();
  }

  #grow(more: number): void {
    if (this.#used + more > PENDING_MAX) {
      this.#lost++;
      throw new CallgateError('CG_EVIDENCE_WRITE', `${this.#used} bytes of evidence wait and cannot be written.`, {
        remedy: `See why ${this.#walDir} cannot be written (space, rights) and start again.`,
      });
    }
    const larger = Buffer.alloc(Math.max(this.#batch.length * 2, this.#used + more));
    this.#batch.copy(larger, 0, 0, this.#used);
    this.#batch = larger;
  }

  /** Writing goes on: the log says how many records it lacks. Their calls were refused. */
  #tellGap(): void {
    if (this.#lost === 0) return;
    const detail = { count: this.#lost, cause: 'could not be written' };
    this.#lost = 0;
    this.append({ type: 'gap', time: this.#options.now(), mono: this.#options.mono(), detail });
  }

  async #startSealing(): Promise<void> {
    if (this.#closed) return;
    if (this.#options.sealedElsewhere?.() === true) {
      this.#sealTimer = setTimeout(() => void this.#startSealing(), TOUCH_MS).unref();
      return;
    }
    const { startSealing } = await import('./sealing.ts');
    const { dir, keysDir } = this.#options;
    const stop = startSealing({ dir, keysDir, markFile: this.#markFile }, (error) => this.#options.onProblem?.(error));
    if (this.#closed) await stop();
    else this.#stopSealing = stop;
  }
}

/** @param isCurrent tells whether the segment is still written to; the sealer removes those that are ended. */
function syncFile(segment: SegmentWriter, isCurrent: () => boolean): Promise<void> {
  const { file, path, size } = segment;
  return new Promise((resolve, reject) => {
    fdatasync(file, (error) => {
      if (error !== null) return reject(error);
      fstat(file, (failure, stats) => {
        if (failure !== null) reject(failure);
        else if (stats.nlink === 0 && isCurrent()) reject(removedError(path, 'removed'));
        else if (stats.size < size && isCurrent()) reject(removedError(path, 'cut'));
        else resolve();
      });
    });
  });
}

function syncName(dir: string): Promise<void> {
  return new Promise((resolve) => {
    const handle = openSync(dir, 'r');
    fsync(handle, () => {
      closeSync(handle);
      resolve();
    });
  });
}

function writeError(dir: string, cause: unknown): CallgateError {
  if (cause instanceof CallgateError && cause.remedy !== undefined) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new CallgateError('CG_EVIDENCE_WRITE', `The evidence of this call cannot be written to ${dir}: ${why}.`, {
    remedy: 'Make room or mend the rights of that directory; calls are refused until then.',
    cause,
  });
}

function removedError(path: string, how: 'removed' | 'cut'): CallgateError {
  return new CallgateError('CG_EVIDENCE_WRITE', `The write-ahead file ${path} was ${how} while it was in use.`, {
    remedy: 'Find out by whom, then start again; what it held and was not sealed is lost.',
  });
}

const LETTERS = '0123456789abcdefghjkmnpqrstvwxyz';

/** 50 random bits in Crockford's base 32. */
function randomName(): string {
  return Array.from(randomBytes(10), (byte) => LETTERS[byte & 31]).join('');
}
