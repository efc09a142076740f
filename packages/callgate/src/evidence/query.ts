import { dirname, join } from 'node:path';
import { CallgateError } from '../model/error.ts';
import { openDatabase } from '../state/database.ts';
import { callOf, matches, settled, settledBy, type CallFilter, type LoggedCall } from './calls.ts';
import { canonicalise } from './canonical.ts';
import { parseLeaf, readBundle, type Leaf } from './entries.ts';
import { LogIndex } from './index-db.ts';
import { readHead, type EvidencePlace } from './mark.ts';
import { TILE_WIDTH } from './tree.ts';
import { openVault, vaultDay, walkVault } from './vault.ts';

/** Where to read. `place` when it is the home's own log: then the index and the vault's keys are at hand. */
export interface LogSource {
  readonly dir: string;
  readonly place: EvidencePlace | undefined;
  /** Told once when there is no index and the log is read as it is. */
  readonly note: (text: string) => void;
}

/**
 * The newest calls that match, oldest of them first.
 * An absent log has no calls; damage is passed over, which only the verifier judges.
 */
export async function queryCalls(source: LogSource, filter: CallFilter): Promise<LoggedCall[]> {
  const head = readHead(source.dir);
  if (head === undefined || head.size <= 0) return [];
  let index: LogIndex | undefined;
  try {
    index = await openIndex(source);
    if (index === undefined) return scanCalls(source.dir, head.size, filter);
    index.catchUp(source.dir, head.origin, head.size);
    return index.query(filter, (call) => matches(call, filter));
  } catch (error) {
    // The index is a convenience: whatever is wrong with it, the log itself answers.
    source.note(`Reading the log without its index, which is slower. ${whyOf(error)}`);
    return scanCalls(source.dir, head.size, filter);
  } finally {
    index?.close();
  }
}

/** The masked arguments of a call as one line of JSON; undefined when there are none or they were forgotten. */
export class ArgumentReader {
  readonly #place: EvidencePlace | undefined;
  readonly #dir: string;
  readonly #days = new Map<string, Map<number, number>>();

  constructor(source: LogSource) {
    this.#place = source.place;
    this.#dir = source.dir;
  }

  of(call: LoggedCall): string | undefined {
    if (this.#place === undefined) return undefined;
    const day = vaultDay(call.time);
    let offsets = this.#days.get(day);
    if (offsets?.has(call.index) !== true) {
      // Anew for a call that a running gate added since: later records of a seal replace those of an unfinished one.
      offsets = new Map();
      for (const { index, offset } of walkVault(this.#dir, day)) offsets.set(index, offset);
      this.#days.set(day, offsets);
    }
    const offset = offsets.get(call.index);
    const record =
      offset === undefined ? undefined : openVault(this.#dir, this.#place.keysDir, day, offset, call.index);
    if (record === undefined || record.args.length === 0) return undefined;
    const text = record.args.toString('utf8');
    return canonicalise(text)?.whole ?? JSON.stringify(text);
  }
}

async function openIndex({ place }: LogSource): Promise<LogIndex | undefined> {
  if (place === undefined) return undefined;
  const database = await openDatabase(join(dirname(place.markFile), 'evidence-index.db'));
  try {
    return new LogIndex(database);
  } catch (error) {
    database.close();
    throw error;
  }
}

function whyOf(error: unknown): string {
  if (error instanceof CallgateError)
    return error.remedy === undefined ? error.message : `${error.message} ${error.remedy}`;
  return error instanceof Error ? error.message : String(error);
}

/** From the newest leaf back: an outcome is met before its decision. */
function scanCalls(dir: string, size: number, filter: CallFilter): LoggedCall[] {
  const found: LoggedCall[] = [];
  const outcomes = new Map<string, Leaf>();
  for (let number = Math.ceil(size / TILE_WIDTH) - 1; number >= 0; number--)
    for (const { index, text } of readBundle(dir, number, size).toReversed()) {
      const leaf = parseLeaf(text);
      if (leaf === undefined) continue;
      const decided = settledBy(leaf);
      if (decided !== undefined) outcomes.set(decided, leaf);
      const call = callOf(index, leaf);
      if (call === undefined) continue;
      const outcome = outcomes.get(call.id);
      outcomes.delete(call.id);
      const whole = outcome === undefined ? call : settled(call, outcome);
      if (!matches(whole, filter)) continue;
      found.push(whole);
      if (found.length >= filter.limit) return found.toReversed();
    }
  return found.toReversed();
}

/** An allowed call is told of with its outcome; after this long, without. */
const OUTCOME_WAIT_MS = 2000;

/**
 * Yields calls that match as they enter the log, beginning behind `from` leaves, until `aborted`.
 * @param refresh seals what is pending; called before each look.
 */
export async function* followCalls(
  source: LogSource,
  filter: CallFilter,
  refresh: () => Promise<void>,
  aborted: AbortSignal,
): AsyncGenerator<LoggedCall> {
  let at = readHead(source.dir)?.size ?? 0;
  const waiting = new Map<string, { call: LoggedCall; until: number }>();
  while (!aborted.aborted) {
    await refresh();
    const size = readHead(source.dir)?.size ?? 0;
    // A log that became smaller is the verifier's business; here its new records are read.
    at = Math.min(at, size);
    const ready: LoggedCall[] = [];
    for (let number = Math.floor(at / TILE_WIDTH); number * TILE_WIDTH < size; number++)
      for (const { index, text } of readBundle(source.dir, number, size)) {
        const leaf = index < at ? undefined : parseLeaf(text);
        if (leaf === undefined) continue;
        const call = callOf(index, leaf);
        if (call !== undefined) waiting.set(call.id, { call, until: performance.now() + OUTCOME_WAIT_MS });
        const decided = settledBy(leaf) ?? '';
        const settles = waiting.get(decided);
        if (settles !== undefined) waiting.set(decided, { call: settled(settles.call, leaf), until: 0 });
      }
    at = size;
    for (const [id, { call, until }] of waiting)
      if (until <= performance.now() || call.decision !== 'allow') {
        waiting.delete(id);
        ready.push(call);
      }
    for (const call of ready) if (matches(call, filter)) yield call;
    await sleep(FOLLOW_EVERY_MS, aborted);
  }
}

const FOLLOW_EVERY_MS = 300;

function sleep(ms: number, aborted: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      aborted.removeEventListener('abort', done);
      resolve();
    }
    aborted.addEventListener('abort', done);
  });
}
