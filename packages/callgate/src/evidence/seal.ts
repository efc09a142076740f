import {
  closeSync,
  fdatasync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { CallgateError } from '../model/error.ts';
import { acquireLock, describeHolder } from '../state/lock.ts';
import { Committer } from './commit.ts';
import { readOrMakeSecret, syncDirectory } from './keys.ts';
import { leafOf, owesOutcome, recoveryLeaf, unknownLeaf } from './leaf.ts';
import { commitState, openLog, readStateText, type OpenLog, type SealState } from './log-state.ts';
import { evidencePlace, readHead, refuseRollback, type EvidencePlace } from './mark.ts';
import { signCheckpoint } from './note.ts';
import { segmentName } from './segment.ts';
import { ProcessStream, freshProcess, listSegments, type ProcessState, type StreamItem } from './streams.ts';
import { TILE_WIDTH, leafHashInto, tilePath, type Tile, type TreeEdge } from './tree.ts';
import { VaultWriter, vaultDay } from './vault.ts';

/** Where a seal left the log. */
export interface SealedHead {
  readonly size: number;
  /** base64 */
  readonly root: string;
  /** Leaves added by this pass; 0 when nothing was left to seal. */
  readonly added: number;
}

const BATCH_LEAVES = 2 * 1024;
const BATCH_BYTES = 32 << 20;
/** More unanswered decisions than this of one process: the oldest are given up as `unknown`. */
const OPEN_MAX = 65_536;
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
      if (head !== undefined && head.added === 0) return { size: head.size, root: head.root };
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
    while (leaves.count < BATCH_LEAVES && leaves.bytes < BATCH_BYTES) {
      const stream = earliest(work.streams.values());
      if (stream === undefined) break;
      leaves.take(stream);
    }
    if (leaves.count > 0 || phases(work) !== before) {
      await this.#commit(work, leaves);
      this.#destroySealed(work);
    }
    return { size: work.edge.size, root: work.state.root, added: leaves.count };
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

interface Work extends OpenLog {
  state: SealState;
  stateText: string;
  entries: Buffer;
  readonly streams: Map<string, ProcessStream>;
  readonly wrapKey: Buffer;
  readonly vault: Record<string, number>;
  readonly vaultWriter: VaultWriter;
  readonly committer: Committer;
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

/** Leaves on their way into the log: bundles and tiles that the commit writes. */
class Batch {
  readonly #work: Work;
  readonly #edge: TreeEdge;
  readonly #oldSize: number;
  #bundle: Buffer;
  #used: number;
  readonly #fullBundles: (readonly [index: number, bytes: Buffer])[] = [];
  readonly #hash = Buffer.alloc(32);
  count = 0;
  bytes = 0;

  constructor(work: Work) {
    this.#work = work;
    this.#edge = work.edge;
    this.#oldSize = work.edge.size;
    this.#bundle = Buffer.alloc(Math.max(256 * 1024, work.entries.length * 2));
    work.entries.copy(this.#bundle);
    this.#used = work.entries.length;
  }

  /** Makes the leaf of the stream's next item and moves the stream past it. */
  take(stream: ProcessStream): void {
    const item = stream.head();
    if (item === undefined) return;
    const { state, process } = stream;
    switch (item.kind) {
      case 'record':
        this.#addRecord(process, state, item);
        break;
      case 'recovery':
        this.#add(recoveryLeaf(process, state.derived, state.seq, item.time, item.found));
        break;
      case 'unknown':
        this.#add(unknownLeaf(process, state.derived, state.seq, item.time, item.decision));
    }
    stream.take();
    while (state.open.length > OPEN_MAX)
      this.#add(unknownLeaf(process, state.derived++, state.seq, state.time, state.open.shift() ?? 0));
  }

  #addRecord(process: string, state: ProcessState, item: Extract<StreamItem, { kind: 'record' }>): void {
    const { record, tuple } = item;
    const recordKey = this.#work.committer.begin(item.root, record.seq);
    const leaf = leafOf(`${process}-${record.seq}`, record.seq, tuple, record.args, this.#work.committer);
    if (record.args !== undefined || leaf.includes('"cut":{'))
      this.#work.vaultWriter.add(vaultDay(item.time), this.#edge.size, recordKey, record.text, record.args);
    this.bytes += record.args?.length ?? 0;
    if (tuple[0] === 'd' && owesOutcome(tuple)) state.open.push(record.seq);
    if (tuple[0] === 'o') settle(state.open, tuple[3]);
    this.#add(leaf);
  }

  #add(leaf: string): void {
    if (this.#used + 2 + leaf.length * 3 > this.#bundle.length) {
      const larger = Buffer.alloc(2 * (this.#used + 2 + leaf.length * 3));
      this.#bundle.copy(larger, 0, 0, this.#used);
      this.#bundle = larger;
    }
    const length = this.#bundle.write(leaf, this.#used + 2, 'utf8');
    this.#bundle.writeUInt16BE(length, this.#used);
    leafHashInto(this.#bundle.subarray(this.#used + 2, this.#used + 2 + length), this.#hash, 0);
    this.#edge.push(this.#hash, 0);
    this.#used += 2 + length;
    this.count++;
    this.bytes += length;
    if (this.#edge.size % TILE_WIDTH !== 0) return;
    this.#fullBundles.push([this.#edge.size / TILE_WIDTH - 1, Buffer.from(this.#bundle.subarray(0, this.#used))]);
    this.#used = 0;
  }

  /** Everything to be written, by path. */
  *files(): Generator<readonly [path: string, bytes: Buffer]> {
    if (this.count === 0) return;
    const { size } = this.#edge;
    for (const [index, bytes] of this.#fullBundles) yield [tilePath('entries', index, TILE_WIDTH), bytes];
    if (this.#used > 0)
      yield [
        tilePath('entries', Math.floor(size / TILE_WIDTH), size % TILE_WIDTH),
        this.#bundle.subarray(0, this.#used),
      ];
    this.#fullTiles = this.#edge.takeFull();
    for (const tile of [...this.#fullTiles, ...this.#edge.partial()])
      yield [tilePath(tile.level, tile.index, tile.width), tile.hashes];
  }
  #fullTiles: readonly Tile[] = [];

  /** The unfinished bundle. */
  rest(): Buffer {
    return Buffer.from(this.#bundle.subarray(0, this.#used));
  }

  /** A tile that filled up serves every size its partials served. */
  dropPartials(dir: string): void {
    const drop = (path: string): void => rmSync(join(dir, `${path}.p`), { recursive: true, force: true });
    for (const [index] of this.#fullBundles)
      if (index === Math.floor(this.#oldSize / TILE_WIDTH)) drop(tilePath('entries', index, TILE_WIDTH));
    for (const tile of this.#fullTiles)
      if (tile.index === Math.floor(this.#oldSize / TILE_WIDTH ** (tile.level + 1)))
        drop(tilePath(tile.level, tile.index, TILE_WIDTH));
  }
}

/** Removes a decision from the open ones; nearly always it is among the oldest. */
function settle(open: number[], decision: number): void {
  if (open[0] === decision) {
    open.shift();
    return;
  }
  const at = open.indexOf(decision);
  if (at > 0) open.splice(at, 1);
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
