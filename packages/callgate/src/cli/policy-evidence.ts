import { queryCalls, type LoggedCall, type LogSource } from '../evidence/index.ts';
import { decodeRecord, type DecisionTuple } from '../evidence/decode.ts';
import { openVaultDay, vaultDay, type VaultRecord } from '../evidence/vault.ts';
import { loadConfig } from '../config/index.ts';
import { existingHome } from '../config/home.ts';
import type { Direction } from '../model/call.ts';
import type { Effect } from '../model/decision.ts';
import type { CompiledPolicy } from '../policy/index.ts';
import type { Recorded } from '../policy/tools/replay.ts';
import { withHome, type Io } from './terminal.ts';

/** The newest records that one command reads. */
export const MOST_RECORDS = 250_000;

/** Recorded decisions, oldest first. */
export interface RecordedCalls {
  /** Each with what the vault holds; reads the vault every time it is gone through. */
  readonly calls: Iterable<Recorded>;
  /** The same, as the log's index has them. */
  readonly logged: readonly LoggedCall[];
  /** Whether they begin where the log begins. */
  readonly isWhole: boolean;
}

/** Reads the decisions of a log, with what its vault still holds. Each is put together when it is asked for. */
export async function readRecorded(
  source: LogSource,
  { since, until }: { readonly since?: number | undefined; readonly until?: number | undefined },
): Promise<RecordedCalls> {
  const calls = await queryCalls(source, {
    limit: MOST_RECORDS,
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  });
  const opened: Iterable<Recorded> = { [Symbol.iterator]: () => recordedOf(source, calls) };
  return { calls: opened, logged: calls, isWhole: calls.length < MOST_RECORDS && since === undefined };
}

/** Whether a policy's decision on a call depends on the calls before it. */
export function needsPast({ rules, usesRates }: CompiledPolicy): boolean {
  return (
    usesRates ||
    rules.some(
      ({ facts, obligations }) =>
        facts.has('history') || facts.has('labels') || obligations.some(({ kind }) => kind === 'budget'),
    )
  );
}

const EFFECTS: ReadonlySet<string> = new Set(['allow', 'deny', 'ask', 'defer']);
const DIRECTIONS: ReadonlySet<string> = new Set(['call', 'result', 'request', 'answer']);

function* recordedOf(source: LogSource, calls: readonly LoggedCall[]): Generator<Recorded> {
  const vault = new VaultCursors(source);
  try {
    for (const call of calls) {
      if (!EFFECTS.has(call.decision) || !DIRECTIONS.has(call.direction)) continue;
      yield recorded(call, vault.of(call));
    }
  } finally {
    vault.close();
  }
}

function recorded(call: LoggedCall, record: VaultRecord | undefined): Recorded {
  const tuple = record === undefined ? undefined : decodeRecord(record.text);
  const decision: DecisionTuple | undefined = tuple?.[0] === 'd' ? tuple : undefined;
  const tool = decision?.[11] ?? call.tool;
  const target = decision?.[12] ?? call.target;
  return {
    index: call.index,
    id: call.id,
    session: call.id.split('-', 1)[0] ?? '',
    time: call.time,
    mono: decision?.[2] ?? call.time * 1000,
    direction: call.direction as Direction,
    server: decision?.[3] ?? call.server,
    method: decision?.[10] ?? call.method,
    ...(tool === undefined || tool === null ? {} : { tool }),
    ...(target === undefined || target === null ? {} : { target }),
    principal: decision?.[5],
    labels: decision?.[20] ?? [],
    findings: decision?.[19] ?? [],
    args: decision === undefined || record === undefined || record.args.length === 0 ? undefined : record.args,
    truncated: call.truncated ?? 0,
    obligations: decision?.[18] ?? [],
    effect: call.decision as Effect,
    rule: decision?.[14] ?? call.rule,
    reason: decision?.[16] ?? call.reason,
    status: call.status,
  };
}

/** Reads the vault along with the log: the records of a day stand in the order of their leaves. */
class VaultCursors {
  readonly #source: LogSource;
  readonly #days = new Map<
    string,
    { readonly records: ReturnType<typeof openVaultDay>; at: number; record: VaultRecord | undefined }
  >();

  constructor(source: LogSource) {
    this.#source = source;
  }

  of({ index, time }: LoggedCall): VaultRecord | undefined {
    const { dir, place } = this.#source;
    if (place === undefined) return undefined;
    const day = vaultDay(time);
    let cursor = this.#days.get(day);
    if (cursor === undefined) {
      cursor = { records: openVaultDay(dir, place.keysDir, day), at: -1, record: undefined };
      this.#days.set(day, cursor);
    }
    while (cursor.at < index) {
      const next = cursor.records.next();
      if (next.done === true) {
        cursor.at = Number.POSITIVE_INFINITY;
        cursor.record = undefined;
      } else {
        cursor.at = next.value.index;
        cursor.record = next.value.record;
      }
    }
    return cursor.at === index ? cursor.record : undefined;
  }

  close(): void {
    for (const { records } of this.#days.values()) records.return(undefined);
  }
}

/** Servers whose claims about their tools rules may believe, as the configuration of this directory says. */
export async function trustedServers(values: Readonly<Record<string, string>>, io: Io): Promise<ReadonlySet<string>> {
  const env = withHome(io, values['home']);
  const home = existingHome(env);
  if (home === undefined) return new Set();
  try {
    const { servers } = await loadConfig({ flags: {}, env, cwd: io.cwd, home });
    return new Set(Object.keys(servers).filter((name) => servers[name]?.trust.annotations === true));
  } catch {
    // openSource has said what is wrong with it.
    return new Set();
  }
}
