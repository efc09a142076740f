import type { Database } from './database.ts';
import { countIn } from './sessions-memory.ts';
import {
  FORGOTTEN_AFTER_MS,
  LONGEST_TOOL,
  MOST_CALLS,
  MOST_LABELS,
  MOST_OPEN,
  MOST_SESSIONS,
  fades,
  sessionId,
  type SessionKey,
  type Sessions,
  type SessionsOptions,
  type SessionState,
} from './sessions.ts';
import { guarded, openTransactions } from './transaction.ts';
import { unavailable } from './unavailable.ts';

const VERSION = 1;
const SCHEMA = `
CREATE TABLE IF NOT EXISTS session_state (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL);
INSERT OR IGNORE INTO session_state VALUES (1, ${VERSION});
CREATE TABLE IF NOT EXISTS session (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, principal TEXT NOT NULL,
  made INTEGER NOT NULL, last REAL NOT NULL, forgotten REAL, used REAL NOT NULL);
CREATE INDEX IF NOT EXISTS session_principal ON session (principal);
CREATE INDEX IF NOT EXISTS session_used ON session (used);
CREATE TABLE IF NOT EXISTS session_label (
  session INTEGER NOT NULL, label TEXT NOT NULL, n INTEGER NOT NULL, until REAL,
  PRIMARY KEY (session, label)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS session_call (
  session INTEGER NOT NULL, n INTEGER NOT NULL, at REAL NOT NULL, tool TEXT NOT NULL,
  PRIMARY KEY (session, n)) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS session_out AFTER DELETE ON session BEGIN
  DELETE FROM session_label WHERE session = OLD.id;
  DELETE FROM session_call WHERE session = OLD.id; END;
`;

/** Each may have a thousand calls: one write never drops many. */
const SWEEP_SESSIONS = 4;
/** A session in use says so at most this often; it is a write. */
const TOUCH_MS = 600_000;

/**
 * Sessions that every process of a home shares through one SQLite file, beside limits and budgets. A write is one
 * immediate transaction. What was read is kept until the file has changed (`PRAGMA data_version`), so that asking again
 * costs one look. `close` closes the database.
 * @throws CallgateError CG_STATE_UNAVAILABLE when the file is locked for too long, full, corrupt, or of a newer Callgate.
 */
export function sqliteSessions(database: Database, { perPrincipal = MOST_SESSIONS }: SessionsOptions = {}): Sessions {
  const inBooks = <T>(work: () => T): T => guarded('sessions', database, work);
  const sql = inBooks(() => {
    database.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT;`);
    const prepared = prepareAll(database);
    const { version } = prepared.version.get() as { version: number };
    if (version !== VERSION) throw unavailable('sessions', `their tables have version ${version}, not ${VERSION}`);
    return prepared;
  });
  const store: Store = {
    sql,
    perPrincipal,
    read: inBooks,
    change: openTransactions('sessions', database),
    writes: 0,
  };
  const opened = new Map<string, SqliteSession>();
  return {
    open(key) {
      const name = sessionId(key);
      const known = opened.get(name);
      if (known !== undefined) return known;
      const fresh = new SqliteSession(store, key, name);
      if (opened.size >= MOST_OPEN) for (const oldest of [...opened.keys()].slice(0, 1)) opened.delete(oldest);
      opened.set(name, fresh);
      return fresh;
    },
    keep(now) {
      for (const [name, session] of opened) if (!session.keep(now)) opened.delete(name);
    },
    close: () => database.close(),
  };
}

interface Store {
  readonly sql: Statements;
  readonly perPrincipal: number;
  readonly read: <T>(work: () => T) => T;
  readonly change: <T>(work: () => T) => T;
  /** Counts what this connection writes: its own writes do not change what `data_version` says. */
  writes: number;
}

type Statements = ReturnType<typeof prepareAll>;

function prepareAll(database: Database) {
  return {
    version: database.prepare('SELECT version FROM session_state'),
    dataVersion: database.prepare('PRAGMA data_version'),
    find: database.prepare('SELECT id, made, last, forgotten, used FROM session WHERE name = ?'),
    size: database.prepare('SELECT COUNT(*) AS size FROM session WHERE principal = ?'),
    create: database.prepare(
      'INSERT INTO session (name, principal, made, last, used) VALUES (?, ?, 0, 0, ?) RETURNING id',
    ),
    touch: database.prepare('UPDATE session SET used = max(used, ?) WHERE id = ?'),
    labels: database.prepare('SELECT label, n, until FROM session_label WHERE session = ? ORDER BY n'),
    label: database.prepare(
      'INSERT INTO session_label VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET until = excluded.until',
    ),
    fade: database.prepare('DELETE FROM session_label WHERE session = ? AND until <= ?'),
    calls: database.prepare('SELECT n, at, tool FROM session_call WHERE session = ? AND n > ? ORDER BY n'),
    call: database.prepare('INSERT INTO session_call VALUES (?, ?, ?, ?)'),
    drop: database.prepare('DELETE FROM session_call WHERE session = ? AND n <= ? RETURNING at'),
    count: database.prepare('UPDATE session SET made = ?, last = ?, forgotten = ?, used = max(used, ?) WHERE id = ?'),
    unused: database.prepare('SELECT id FROM session WHERE used <= ? LIMIT ?'),
    forget: database.prepare('DELETE FROM session WHERE id = ?'),
  };
}

interface Row {
  readonly id: number;
  /** How many calls were ever counted; the number of the last. */
  readonly made: number;
  readonly last: number;
  readonly forgotten: number | null;
  readonly used: number;
}

interface Calls {
  readonly tools: string[];
  readonly times: number[];
  readonly numbers: number[];
}

class SqliteSession implements SessionState {
  readonly #store: Store;
  readonly #key: SessionKey;
  readonly #name: string;
  /** What was read, and of which state of the file. */
  #dataVersion = -1;
  #writes = -1;
  #row: Row | undefined;
  /** With the time at which each fades. */
  #labels = new Map<string, number>();
  #list: readonly string[] = [];
  /** Until when the list holds. */
  #listUntil = Infinity;
  /** Calls by their numbers; read when first counted. */
  #calls: Calls | undefined;
  #usedHere = Number.NEGATIVE_INFINITY;
  /** Labels that were seen are not stored any more. */
  #isLacking = false;

  constructor(store: Store, key: SessionKey, name: string) {
    this.#store = store;
    this.#key = key;
    this.#name = name;
  }

  labels(now: number): readonly string[] {
    this.#refresh(now);
    if (now >= this.#listUntil) this.#hold(this.#labels, now);
    return this.#list;
  }

  addLabels(labels: readonly string[], now: number): boolean {
    if (labels.length === 0) return true;
    this.#refresh(now);
    const until = fades(this.#key) ? now + FORGOTTEN_AFTER_MS : Infinity;
    // What is there already, and not about to fade, needs no write.
    if (labels.every((label) => (this.#labels.get(label) ?? 0) > until - TOUCH_MS || this.#isHeld(label))) return true;
    const given = new Map(labels.map((label) => [label, until]));
    if (!this.#write(now, (id) => this.#put(id, given, now))) return false;
    this.#hold(new Map([...this.#labels, ...given]), now);
    return true;
  }

  called(tool: string, now: number): void {
    if (tool.length > LONGEST_TOOL) throw unavailable('sessions', 'the name of a tool is too long to be counted');
    const isCurrent = this.#writes === this.#store.writes;
    let next: Row | undefined;
    this.#write(now, (id, row) => {
      const { sql } = this.#store;
      const made = (row?.made ?? 0) + 1;
      const at = Math.max(now, row?.last ?? now);
      const used = Math.max(now, row?.used ?? now);
      sql.call.run(id, made, at, stored(tool));
      let forgotten = row?.forgotten ?? null;
      if (made > MOST_CALLS)
        for (const dropped of sql.drop.all(id, made - MOST_CALLS) as { at: number }[])
          forgotten = Math.max(forgotten ?? dropped.at, dropped.at);
      sql.count.run(made, at, forgotten, now, id);
      next = { id, made, last: at, forgotten, used };
      return true;
    });
    if (isCurrent && next !== undefined) this.#follow(next, tool);
  }

  count(isCounted: (tool: string) => boolean, windowMs: number, now: number): number | undefined {
    this.#refresh(now);
    const row = this.#row;
    if (row === undefined) return 0;
    const { tools, times } = this.#callsOf(row);
    const forgotten = row.forgotten ?? Number.NEGATIVE_INFINITY;
    return countIn({ tools, times, forgotten }, isCounted, Math.max(now, row.last) - windowMs);
  }

  /** Takes over a call of our own without reading it again, if nobody else made one in between. */
  #follow(next: Row, tool: string): void {
    if (this.#row?.id !== next.id || this.#row.made !== next.made - 1) return;
    const calls = this.#calls;
    if (calls !== undefined && calls.numbers.at(-1) === next.made - 1) {
      calls.numbers.push(next.made);
      calls.times.push(next.last);
      calls.tools.push(tool);
      forgetOldest(calls);
    }
    this.#row = next;
    this.#writes = this.#store.writes;
  }

  /** @returns false when it is not used any more */
  keep(now: number): boolean {
    if (fades(this.#key) && this.#usedHere <= now - FORGOTTEN_AFTER_MS) return false;
    this.#refresh(now, false);
    const row = this.#row;
    if (row !== undefined && row.used < now) this.#touch(row, now);
    return true;
  }

  #isHeld(label: string): boolean {
    return this.#labels.get(label) === Infinity;
  }

  /** Reads again what has changed since the last time. */
  #refresh(now: number, isUse = true): void {
    const { sql, writes } = this.#store;
    if (isUse) this.#usedHere = Math.max(now, this.#usedHere);
    this.#store.read(() => {
      const { data_version: version } = sql.dataVersion.get() as { data_version: number };
      if (version === this.#dataVersion && writes === this.#writes) return;
      this.#take(sql.find.get(this.#name) as Row | undefined, now);
      this.#dataVersion = version;
      this.#writes = writes;
    });
    if (this.#row !== undefined && isUse && this.#row.used < now - TOUCH_MS) this.#touch(this.#row, now);
    this.#restore(now);
  }

  /** Takes over what is stored; labels that were seen are kept, whatever became of them there. */
  #take(row: Row | undefined, now: number): void {
    if (row?.id !== this.#row?.id) this.#calls = undefined;
    this.#row = row;
    const kept = row === undefined ? NOTHING : this.#stored(row.id, now);
    const seen = [...this.#labels].filter(([label]) => !kept.has(label));
    this.#hold(new Map([...[...kept].map(([label, { until }]): [string, number] => [label, until]), ...seen]), now);
    this.#isLacking = [...this.#labels.keys()].some((label) => !kept.has(label));
  }

  /** A session that was forgotten while this process slept, and lives: its labels are written anew. */
  #restore(now: number): void {
    if (!this.#isLacking) return;
    const labels = new Map(this.#labels);
    if (!this.#write(now, (id) => this.#put(id, labels, now)))
      throw unavailable('sessions', `one would have more than ${MOST_LABELS} labels`);
    this.#isLacking = false;
  }

  /** Inside a transaction. @returns false, and puts none, when there is no room. */
  #put(id: number, labels: ReadonlyMap<string, number>, now: number): boolean {
    const { sql } = this.#store;
    sql.touch.run(now, id);
    sql.fade.run(id, now);
    const all = this.#stored(id, now);
    if (new Set([...all.keys(), ...labels.keys()]).size > MOST_LABELS) return false;
    let number = [...all.values()].reduce((most, { n }) => Math.max(most, n), 0);
    for (const [label, until] of labels)
      sql.label.run(id, stored(label), all.get(label)?.n ?? ++number, until === Infinity ? null : until);
    return true;
  }

  #hold(labels: ReadonlyMap<string, number>, now: number): void {
    const live = [...labels].filter(([, until]) => until > now);
    const same = live.length === this.#list.length && live.every(([label], at) => this.#list[at] === label);
    this.#labels = new Map(live);
    if (!same) this.#list = live.map(([label]) => label);
    this.#listUntil = live.reduce((first, [, until]) => Math.min(first, until), Infinity);
  }

  #stored(id: number, now: number): Map<string, { readonly n: number; readonly until: number }> {
    const rows = this.#store.sql.labels.all(id) as { label: string; n: number; until: number | null }[];
    const live = rows.filter(({ until }) => until === null || until > now);
    return new Map(live.map(({ label, n, until }) => [read(label), { n, until: until ?? Infinity }]));
  }

  #callsOf({ id, made }: Row) {
    const calls = (this.#calls ??= { tools: [], times: [], numbers: [] });
    const after = calls.numbers.at(-1) ?? 0;
    if (made > after) {
      const fresh = this.#store.read(() => this.#store.sql.calls.all(id, after)) as unknown as Call[];
      for (const { n, at, tool } of fresh) {
        calls.numbers.push(n);
        calls.times.push(at);
        calls.tools.push(read(tool));
      }
      forgetOldest(calls);
    }
    return calls;
  }

  #touch({ id }: Row, now: number): void {
    const { sql, change } = this.#store;
    change(() => {
      sweep(sql, now);
      sql.touch.run(now, id);
    });
    this.#store.writes++;
  }

  /** One transaction on the session, which is begun if it is not there. `work` returns whether it changed something. */
  #write(now: number, work: (id: number, row: Row | undefined) => boolean): boolean {
    const { sql, change } = this.#store;
    this.#usedHere = Math.max(now, this.#usedHere);
    const done = change(() => {
      const row = sql.find.get(this.#name) as Row | undefined;
      return work(row?.id ?? this.#begin(now), row);
    });
    this.#store.writes++;
    return done;
  }

  #begin(now: number): number {
    const { sql, perPrincipal } = this.#store;
    const { principal } = this.#key;
    sweep(sql, now);
    const size = (): number => (sql.size.get(principal) as { size: number }).size;
    if (size() >= perPrincipal) {
      sweep(sql, now, perPrincipal);
      if (size() >= perPrincipal) throw unavailable('sessions', `${perPrincipal} of this principal are remembered`);
    }
    return (sql.create.get(this.#name, principal, now) as { id: number }).id;
  }
}

const NOTHING: ReadonlyMap<string, { readonly until: number }> = new Map();

/** Drivers end a text at its first NUL when they read it: `send\0x` would be another tool's name. */
function stored(text: string): string {
  return JSON.stringify(text);
}

function read(text: string): string {
  return JSON.parse(text) as string;
}

interface Call {
  readonly n: number;
  readonly at: number;
  readonly tool: string;
}

function forgetOldest({ numbers, times, tools }: Calls): void {
  const over = numbers.length - MOST_CALLS;
  if (over > 0) for (const list of [numbers, times, tools]) list.splice(0, over);
}

function sweep(sql: Statements, now: number, most = SWEEP_SESSIONS): void {
  for (const { id } of sql.unused.all(now - FORGOTTEN_AFTER_MS, most) as { id: number }[]) sql.forget.run(id);
}
