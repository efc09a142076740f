import {
  closeSync,
  fdatasync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { CallgateError } from '../model/error.ts';
import { acquireLock, describeHolder } from '../state/lock.ts';
import { Batch, type Work } from './batch.ts';
import { Committer } from './commit.ts';
import { readOrMakeSecret, syncDirectory } from './keys.ts';
import { commitState, openLog, readStateText, type SealState } from './log-state.ts';
import { evidencePlace, readHead, refuseRollback, type EvidencePlace } from './mark.ts';
import { signCheckpoint } from './note.ts';
import { segmentName } from './segment.ts';
import { ProcessStream, freshProcess, listSegments, type ProcessState } from './streams.ts';
import { VaultWriter } from './vault.ts';

/** Where a seal left the log. */
export interface SealedHead {
  readonly size: number;
  /** base64 */
  readonly root: string;
  /** Leaves added by this pass; 0 when nothing was left to seal. */
  readonly added: number;
  /** Whether nothing was left of what was there when the pass began. */
  readonly drained: boolean;
}

const BATCH_LEAVES = 512;
const BATCH_BYTES = 32 << 20;
const WAIT_MS = 30_000;
const DRAFT_MAX_AGE_MS = 3_600_000;

/**
 * Takes everything that any process of the home has flushed into the log.
 * @param home the home directory, or its places.
 * @throws CallgateError CG_EVIDENCE_BUSY when another process holds the seal for half a minute, CG_EVIDENCE_ROLLBACK,
 * CG_EVIDENCE_DAMAGED.
 */
export async function sealNow(home: string | EvidencePlace): Promise<{ size: number; root: string }> {
  const place = typeof home === 'string' ? evidencePlace(home) : home;
  if (readHead(place.dir) === undefined && listSegments(join(place.dir, 'wal')).size === 0) {
    refuseRollback(place);
    return { size: 0, root: '' };
  }
  const sealer = new Sealer(place);
  try {
    for (let waited = 0; ; waited += 20) {
      const head = await sealer.pass();
      if (head?.drained === true) return { size: head.size, root: head.root };
      if (head !== undefined) waited = 0;
      else if (waited > WAIT_MS)
        throw new CallgateError(
          'CG_EVIDENCE_BUSY',
          `The evidence is being sealed by ${describeHolder(sealer.lockFile) ?? 'another process'}.`,
          { remedy: 'Try again; if that process hangs, end it.' },
        );
      else await new Promise((resolve) => setTimeout(resolve, 20));
    }
  } finally {
    sealer.close();
  }
}

/** Seals a home pass by pass, remembering between passes where it stood. */
export class Sealer {
  readonly #place: EvidencePlace;
  readonly #walDir: string;
  #work: Work | undefined;

  constructor(place: EvidencePlace) {
    this.#place = place;
    this.#walDir = join(place.dir, 'wal');
  }

  get lockFile(): string {
    return join(this.#place.dir, 'seal.lock');
  }

  /** Seals one batch. Undefined when another process is at it. */
  async pass(): Promise<SealedHead | undefined> {
    const lock = acquireLock(this.lockFile);
    if (lock === undefined) return undefined;
    try {
      return await this.#sealBatch();
    } catch (error) {
      // What is in memory may be ahead of what was committed.
      this.close();
      throw error;
    } finally {
      lock.release();
    }
  }

  close(): void {
    for (const stream of this.#work?.streams.values() ?? []) stream.close();
    this.#work = undefined;
  }

  async #sealBatch(): Promise<SealedHead> {
    if (this.#work !== undefined && readStateText(this.#place) !== this.#work.stateText) this.close();
    const work = (this.#work ??= this.#open());
    this.#findSegments(work);
    const before = phases(work);
    const leaves = new Batch(work);
    let next = earliest(work.streams.values());
    while (next !== undefined && leaves.count < BATCH_LEAVES && leaves.bytes < BATCH_BYTES) {
      leaves.take(next);
      next = earliest(work.streams.values());
    }
    if (leaves.count > 0 || phases(work) !== before) {
      await this.#commit(work, leaves);
      this.#destroySealed(work);
    }
    return { size: work.edge.size, root: work.state.root, added: leaves.count, drained: next === undefined };
  }

  #open(): Work {
    const log = openLog(this.#place);
    const wrapKey = readOrMakeSecret(join(this.#place.keysDir, 'evidence-wrap.key'));
    const streams = new Map<string, ProcessStream>();
    for (const [process, state] of Object.entries(log.state.processes))
      streams.set(process, new ProcessStream(process, structuredClone(state), this.#walDir, wrapKey));
    const work = {
      ...log,
      streams,
      wrapKey,
      vault: { ...log.state.vault },
      vaultWriter: new VaultWriter(this.#place.dir, this.#place.keysDir),
      committer: new Committer(),
    };
    this.#destroySealed(work);
    return work;
  }

  #findSegments(work: Work): void {
    for (const [process, indices] of listSegments(this.#walDir)) {
      let stream = work.streams.get(process);
      if (stream === undefined) {
        stream = new ProcessStream(process, freshProcess(), this.#walDir, work.wrapKey);
        work.streams.set(process, stream);
      }
      stream.look(indices);
    }
    const known = listSegments(this.#walDir);
    for (const [process, stream] of work.streams) stream.checkLife(known.get(process) ?? []);
    // Listed after the life check: a dead process has written all that it ever will.
    const all = listSegments(this.#walDir);
    for (const [process, stream] of work.streams) stream.look(all.get(process) ?? []);
  }

  async #commit(work: Work, leaves: Batch): Promise<void> {
    const { edge, key } = work;
    const files = leaves.count === 0 ? [] : work.vaultWriter.write(work.vault);
    const dirs = new Set<string>([join(this.#place.dir, 'vault')]);
    if (leaves.count === 0) dirs.clear();
    for (const [path, bytes] of leaves.files()) files.push(writeTile(this.#place.dir, path, bytes, dirs));
    await syncAll(files);
    for (const dir of dirs) syncDirectory(dir);
    const root = leaves.count === 0 ? Buffer.from(work.state.root, 'base64') : edge.root();
    const processes: Record<string, ProcessState> = {};
    for (const [process, stream] of work.streams) processes[process] = stream.state;
    const state: SealState = {
      v: 1,
      origin: key.origin,
      size: edge.size,
      root: root.toString('base64'),
      checkpoint: leaves.count === 0 ? work.state.checkpoint : signCheckpoint(key, edge.size, root),
      processes,
      vault: work.vault,
    };
    work.stateText = commitState(this.#place, state, key);
    work.state = state;
    work.entries = leaves.rest();
    leaves.dropPartials(this.#place.dir);
  }

  /** Segments that are wholly in the committed log leave the disk; a process without any is forgotten. */
  #destroySealed(work: Work): void {
    const listed = listSegments(this.#walDir);
    for (const [process, stream] of work.streams) {
      const { state } = stream;
      const committed = work.state.processes[process];
      if (committed === undefined) continue;
      const done = committed.phase === 'done';
      const indices = listed.get(process) ?? [];
      for (const index of indices) if (done || index < committed.index) this.#destroy(process, index, state.damaged);
      if (!done) continue;
      stream.close();
      work.streams.delete(process);
    }
    sweepDrafts(this.#walDir);
  }

  #destroy(process: string, index: number, damaged: readonly number[]): void {
    const path = join(this.#walDir, segmentName(process, index));
    if (damaged.includes(index)) renameSync(path, `${path}.damaged`);
    else unlinkSync(path);
  }
}

/** The stream whose next item comes first: by time, then by process; within a process by sequence. */
function earliest(streams: Iterable<ProcessStream>): ProcessStream | undefined {
  let first: ProcessStream | undefined;
  let firstTime = Infinity;
  for (const stream of streams) {
    const time = stream.head()?.time;
    if (time === undefined) continue;
    if (first === undefined || time < firstTime || (time === firstTime && stream.process < first.process)) {
      first = stream;
      firstTime = time;
    }
  }
  return first;
}

/** Changes that must be committed although they add no leaf: a process moved on to another segment or ended. */
function phases(work: Work): string {
  let text = '';
  for (const [process, { state }] of work.streams) text += `${process}:${state.index}:${state.phase};`;
  return text;
}

function writeTile(dir: string, path: string, bytes: Buffer, dirs: Set<string>): number {
  const full = join(dir, path);
  const parent = dirname(full);
  if (!dirs.has(parent)) {
    const made = mkdirSync(parent, { recursive: true, mode: 0o700 });
    for (let at = parent; ; at = dirname(at)) {
      dirs.add(at);
      if (made === undefined || at === dirname(made) || at === dir || at === dirname(at)) break;
    }
  }
  const file = openSync(full, 'w', 0o600);
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
  return file;
}

/** Syncs and closes. Together, so that the file system can put many files into one commit of its journal. */
async function syncAll(files: readonly number[]): Promise<void> {
  const results = await Promise.allSettled(
    files.map(
      (file) =>
        new Promise<void>((resolve, reject) => {
          fdatasync(file, (error) => (error === null ? resolve() : reject(error)));
        }),
    ),
  );
  for (const file of files) closeSync(file);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

function sweepDrafts(walDir: string): void {
  for (const name of readdirIfThere(walDir)) {
    if (!name.endsWith('.wal.tmp')) continue;
    const path = join(walDir, name);
    try {
      if (Date.now() - statSync(path).mtimeMs > DRAFT_MAX_AGE_MS) unlinkSync(path);
    } catch {
      // Its process just gave it its name.
    }
  }
}

function readdirIfThere(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}
