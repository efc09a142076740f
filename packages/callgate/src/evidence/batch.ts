import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Committer } from './commit.ts';
import { leafOf, owesOutcome, recoveryLeaf, unknownLeaf } from './leaf.ts';
import type { OpenLog, SealState } from './log-state.ts';
import type { ProcessState, ProcessStream, StreamItem } from './streams.ts';
import { TILE_WIDTH, leafHashInto, tilePath, type Tile, type TreeEdge } from './tree.ts';
import { vaultDay, type VaultWriter } from './vault.ts';

/** More unanswered decisions than this of one process: the oldest are given up as `unknown`. */
const OPEN_MAX = 65_536;

/** A log being sealed, as it is in memory between passes. */
export interface Work extends OpenLog {
  state: SealState;
  stateText: string;
  entries: Buffer;
  readonly streams: Map<string, ProcessStream>;
  readonly wrapKey: Buffer;
  readonly vault: Record<string, number>;
  readonly vaultWriter: VaultWriter;
  readonly committer: Committer;
}

/** Leaves on their way into the log: bundles and tiles that the commit writes. */
export class Batch {
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
      if (!this.#isPublished(tile)) yield [tilePath(tile.level, tile.index, tile.width), tile.hashes];
  }
  #fullTiles: readonly Tile[] = [];

  /** A high tile keeps its width over many sizes: a crash in writing it again would destroy what is committed. */
  #isPublished(tile: Tile): boolean {
    return Math.floor(this.#oldSize / TILE_WIDTH ** tile.level) >= tile.index * TILE_WIDTH + tile.width;
  }

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
