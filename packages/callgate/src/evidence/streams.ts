import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { livenessOf, type Holder } from '../state/holder.ts';
import { decodeRecord, type RecordTuple } from './decode.ts';
import type { Recovery } from './leaf.ts';
import { parseSegmentName, segmentName } from './segment.ts';
import { SegmentReader, type WalRecord } from './segment-reader.ts';

/** How far one process's records have been sealed. Plain JSON: it is the sealer's committed state. */
export interface ProcessState {
  holder: Holder | undefined;
  /** Segment being read, and the next sequence expected. */
  index: number;
  seq: number;
  /** Derived leaves (recoveries, unknown outcomes) so far. */
  derived: number;
  /** Time of the last record: derived leaves carry it. */
  time: number;
  /** `ending`: nothing more to read, unanswered decisions get their `unknown`. `done`: its files may go. */
  phase: 'reading' | 'ending' | 'done';
  /** Sequences of decisions that are owed an outcome, oldest first. */
  open: number[];
  /** Segments that could not be read to their end: kept under another name instead of being destroyed. */
  damaged: number[];
}

/** What comes next in a process: a record of it, or a leaf that follows from where its records break off. */
export type StreamItem =
  | {
      readonly kind: 'record';
      readonly time: number;
      readonly record: WalRecord;
      readonly tuple: RecordTuple;
      readonly root: Buffer;
    }
  | { readonly kind: 'recovery'; readonly time: number; readonly found: Recovery; readonly then: Partial<ProcessState> }
  | { readonly kind: 'unknown'; readonly time: number; readonly decision: number };

export function freshProcess(): ProcessState {
  return { holder: undefined, index: 0, seq: 0, derived: 0, time: 0, phase: 'reading', open: [], damaged: [] };
}

/** The segments in `walDir` by process, indices ascending. */
export function listSegments(walDir: string): Map<string, number[]> {
  const found = new Map<string, number[]>();
  let names: string[];
  try {
    names = readdirSync(walDir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return found;
    throw error;
  }
  for (const name of names) {
    const parsed = parseSegmentName(name);
    if (parsed === undefined) continue;
    const indices = found.get(parsed.process);
    if (indices === undefined) found.set(parsed.process, [parsed.index]);
    else indices.push(parsed.index);
  }
  for (const indices of found.values()) indices.sort((a, b) => a - b);
  return found;
}

/** One process's records in their order, across its segments, with what recovery has to say in between. */
export class ProcessStream {
  readonly process: string;
  readonly state: ProcessState;
  readonly #walDir: string;
  readonly #wrapKey: Buffer;
  #indices: readonly number[] = [];
  #dead = false;
  #reader: SegmentReader | undefined;
  #queue: WalRecord[] = [];
  #at = 0;
  #head: StreamItem | undefined;

  constructor(process: string, state: ProcessState, walDir: string, wrapKey: Buffer) {
    this.process = process;
    this.state = state;
    this.#walDir = walDir;
    this.#wrapKey = wrapKey;
  }

  /** Learns whose records these are. To be called before the listing that `look` gets: the dead write nothing after it. */
  checkLife(indices: readonly number[]): void {
    if (this.state.holder === undefined && indices.length > 0) {
      const reader = SegmentReader.open(this.#pathOf(indices[0] ?? 0), this.#wrapKey);
      if (typeof reader !== 'string') {
        this.state.holder = reader.header.holder;
        reader.close();
      }
    }
    // A segment whose header cannot be read belongs to nobody who could still append to it properly.
    this.#dead = this.state.holder === undefined || livenessOf(this.state.holder) === 'dead';
  }

  look(indices: readonly number[]): void {
    this.#indices = indices;
  }

  /** What comes next; undefined when nothing does for now. */
  head(): StreamItem | undefined {
    this.#head ??= this.#find();
    return this.#head;
  }

  /** Takes the head: the state moves past it. */
  take(): void {
    const item = this.#head;
    this.#head = undefined;
    if (item === undefined) return;
    if (item.kind === 'record') {
      this.#at++;
      this.state.seq = item.record.seq + 1;
      this.state.time = item.time;
    } else {
      this.state.derived++;
      if (item.kind === 'unknown') this.state.open.shift();
      else {
        if (item.found.cause === 'damaged') this.state.damaged.push(this.state.index);
        if (item.then.index !== undefined) this.#closeReader();
        Object.assign(this.state, item.then);
      }
    }
  }

  close(): void {
    this.#closeReader();
  }

  #find(): StreamItem | undefined {
    const { state } = this;
    for (;;) {
      if (state.phase === 'done') return undefined;
      if (state.phase === 'ending') {
        const decision = state.open[0];
        if (decision !== undefined) return { kind: 'unknown', time: state.time, decision };
        this.#closeReader();
        state.phase = 'done';
        return undefined;
      }
      const record = this.#queue[this.#at];
      if (record !== undefined) {
        const tuple = decodeRecord(record.text);
        return { kind: 'record', time: tuple[1], record, tuple, root: this.#reader?.root ?? Buffer.alloc(32) };
      }
      const item = this.#reader === undefined ? this.#openNext() : this.#readOn(this.#reader);
      if (item !== 'again') return item;
    }
  }

  #openNext(): StreamItem | 'again' | undefined {
    const { state } = this;
    const { index } = state;
    const later = this.#indices.find((i) => i > index);
    if (!this.#indices.includes(index)) {
      if (later !== undefined) return this.#recovery({ cause: 'missing', segment: index }, { index: later });
      if (!this.#dead) return undefined;
      // Nothing was ever recorded, or a whole segment was read and the process died before it began the next one.
      if (state.seq === 0 && state.index === 0) return this.#end();
      return this.#recovery({ cause: 'unclosed', segment: index }, { phase: 'ending' });
    }
    const reader = SegmentReader.open(this.#pathOf(index), this.#wrapKey);
    if (typeof reader === 'string') {
      if (reader === 'missing' && !this.#dead) return undefined;
      const next = later === undefined ? ({ phase: 'ending' } as const) : { index: later };
      return this.#recovery({ cause: reader === 'missing' ? 'missing' : 'damaged', segment: index }, next);
    }
    state.holder ??= reader.header.holder;
    this.#reader = reader;
    if (state.time === 0) state.time = reader.header.time;
    const to = reader.header.firstSeq;
    if (to > state.seq) return this.#recovery({ cause: 'missing', segment: index, from: state.seq, to }, { seq: to });
    return 'again';
  }

  #readOn(reader: SegmentReader): StreamItem | 'again' | undefined {
    const { state } = this;
    this.#queue = reader.read();
    this.#at = 0;
    // Sealed before, or written again after a failed write: each sequence counts once.
    while ((this.#queue[this.#at]?.seq ?? Infinity) < state.seq) this.#at++;
    if (this.#queue.length > 0) return 'again';
    if (reader.status === 'ended') {
      this.#closeReader();
      state.index++;
      return 'again';
    }
    if (reader.status === 'closed') return this.#end();
    const later = this.#indices.find((i) => i > state.index);
    if (later === undefined && !this.#dead) return undefined;
    const bytes = reader.unreadBytes();
    if (later === undefined && bytes === 0 && state.seq === 0) return this.#end();
    const cause = reader.status === 'damaged' ? 'damaged' : bytes > 0 ? 'torn' : 'unclosed';
    const then = later === undefined ? ({ phase: 'ending' } as const) : { index: state.index + 1 };
    return this.#recovery({ cause, segment: state.index, bytes, offset: reader.offset }, then);
  }

  #recovery(found: Recovery, then: Partial<ProcessState>): StreamItem {
    return { kind: 'recovery', time: this.state.time, found, then };
  }

  #end(): 'again' {
    this.#closeReader();
    this.state.phase = 'ending';
    return 'again';
  }

  #closeReader(): void {
    this.#reader?.close();
    this.#reader = undefined;
    this.#queue = [];
    this.#at = 0;
  }

  #pathOf(index: number): string {
    return join(this.#walDir, segmentName(this.process, index));
  }
}
