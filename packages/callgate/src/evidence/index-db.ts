import type { Database, Statement } from '../state/database.ts';
import { callOf, settledBy, type CallFilter, type LoggedCall } from './calls.ts';
import { parseLeaf, readBundle, type Leaf } from './entries.ts';
import { TILE_WIDTH } from './tree.ts';

/*
 * A SQLite index over the log, for queries. Never the truth: it is caught up from the leaves by whoever asks, and made
 * anew when the log is another one or became smaller.
 */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY CHECK (id = 1), v INTEGER, origin TEXT, size INTEGER);
  CREATE TABLE IF NOT EXISTS call (
    idx INTEGER PRIMARY KEY, id TEXT, time INTEGER, server TEXT, method TEXT, tool TEXT, target TEXT, direction TEXT,
    decision TEXT, rule TEXT, reason TEXT, who TEXT, truncated INTEGER, status TEXT, us INTEGER,
    redactions INTEGER NOT NULL DEFAULT 0);
  CREATE UNIQUE INDEX IF NOT EXISTS call_id ON call (id);
  CREATE INDEX IF NOT EXISTS call_tool ON call (tool, idx);
  CREATE INDEX IF NOT EXISTS call_server ON call (server, idx);
  CREATE INDEX IF NOT EXISTS call_time ON call (time);
  CREATE INDEX IF NOT EXISTS call_refused ON call (decision, idx) WHERE decision <> 'allow';`;

/** Of the tables; an index of another version is made anew. */
const VERSION = 2;
const LEAVES_PER_TRANSACTION = 16_384;
const PAGE = 500;

type Row = ReturnType<Statement['all']>[number];

/** The index of one home, open. */
export class LogIndex {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
    const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
    if (version !== VERSION) database.exec('DROP TABLE IF EXISTS call; DROP TABLE IF EXISTS log');
    database.exec(`${SCHEMA} PRAGMA user_version = ${VERSION};`);
  }

  /** Takes in the leaves up to `size`. Several processes may do so at once: each transaction goes on from what is there. */
  catchUp(dir: string, origin: string, size: number): void {
    while (this.#takeIn(dir, origin, size));
  }

  /** The newest calls that pass SQL's exact conditions and `accept`, oldest first. */
  query(filter: CallFilter, accept: (call: LoggedCall) => boolean): LoggedCall[] {
    const conditions = ['idx < ?'];
    const values: (string | number)[] = [];
    const exactly = (column: string, value: string | undefined): void => {
      if (value === undefined || value.includes('*')) return;
      conditions.push(`${column} = ?`);
      values.push(value);
    };
    exactly('tool', filter.tool);
    exactly('server', filter.server);
    exactly('rule', filter.rule);
    exactly('decision', filter.decision);
    exactly('status', filter.status);
    if (filter.since !== undefined) {
      conditions.push('time >= ?');
      values.push(filter.since);
    }
    if (filter.until !== undefined) {
      conditions.push('time <= ?');
      values.push(filter.until);
    }
    const page = this.#database.prepare(
      `SELECT * FROM call WHERE ${conditions.join(' AND ')} ORDER BY idx DESC LIMIT ${PAGE}`,
    );
    const found: LoggedCall[] = [];
    for (let before = Number.MAX_SAFE_INTEGER; ;) {
      const rows = page.all(before, ...values);
      for (const row of rows) {
        const call = callOfRow(row);
        before = call.index;
        if (accept(call)) found.push(call);
        if (found.length >= filter.limit) return found.toReversed();
      }
      if (rows.length < PAGE) return found.toReversed();
    }
  }

  close(): void {
    this.#database.close();
  }

  /** One transaction of catching up; true when there is more to do. */
  #takeIn(dir: string, origin: string, size: number): boolean {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const from = this.#position(origin, size);
      const to = Math.min(size, from + LEAVES_PER_TRANSACTION);
      if (from < to) this.#insert(dir, from, to, size);
      this.#database.prepare('INSERT OR REPLACE INTO log VALUES (1, ?, ?, ?)').run(VERSION, origin, to);
      this.#database.exec('COMMIT');
      return to < size;
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  #position(origin: string, size: number): number {
    const row = this.#database.prepare('SELECT v, origin, size FROM log').get();
    const at = Number(row?.['size'] ?? 0);
    if (row?.['v'] === VERSION && row['origin'] === origin && at <= size) return at;
    this.#database.exec('DELETE FROM call');
    return 0;
  }

  #insert(dir: string, from: number, to: number, size: number): void {
    const add = this.#database.prepare(
      'INSERT OR REPLACE INTO call VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, 0)',
    );
    const settle = this.#database.prepare(
      'UPDATE call SET status = ?, us = ?, redactions = ?, reason = coalesce(reason, ?) WHERE id = ?',
    );
    for (let number = Math.floor(from / TILE_WIDTH); number * TILE_WIDTH < to; number++)
      for (const { index, text } of readBundle(dir, number, size)) {
        const leaf = index < from || index >= to ? undefined : parseLeaf(text);
        if (leaf !== undefined) insertLeaf(index, leaf, add, settle);
      }
  }
}

function insertLeaf(index: number, leaf: Leaf, add: Statement, settle: Statement): void {
  const decided = settledBy(leaf);
  if (decided !== undefined)
    settle.run(
      leaf.result?.status ?? null,
      leaf.us?.total ?? null,
      leaf.result?.redactions ?? 0,
      leaf.result?.reason ?? null,
      decided,
    );
  const call = callOf(index, leaf);
  if (call === undefined) return;
  const { id, time, server, method, tool, target, direction, decision, rule, reason, who, truncated } = call;
  const what = [server, method, tool ?? null, target ?? null, direction] as const;
  const verdict = [decision, rule, reason ?? null, who, truncated ?? null] as const;
  add.run(index, id, time, ...what, ...verdict);
}

function callOfRow(row: Row): LoggedCall {
  const text = (name: string): string => String(row[name] ?? '');
  const maybeText = (name: string): string | undefined => (row[name] === null ? undefined : String(row[name]));
  const maybeNumber = (name: string): number | undefined => (row[name] === null ? undefined : Number(row[name]));
  return {
    index: Number(row['idx']),
    id: text('id'),
    time: Number(row['time']),
    server: text('server'),
    method: text('method'),
    tool: maybeText('tool'),
    target: maybeText('target'),
    direction: text('direction'),
    decision: text('decision'),
    rule: text('rule'),
    reason: maybeText('reason'),
    who: text('who'),
    truncated: maybeNumber('truncated'),
    status: maybeText('status'),
    us: maybeNumber('us'),
    redactions: Number(row['redactions']),
  };
}
