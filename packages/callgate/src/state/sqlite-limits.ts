import type { Database } from './database.ts';
import type { Limits, Rate, Taken } from './limits.ts';
import {
  bucketWait,
  checkRates,
  counterOf,
  drained,
  eventTime,
  filled,
  isBucket,
  later,
  MOST_COUNTERS,
  refused,
  type Bucket,
  type BucketRate,
  type Refusal,
} from './rates.ts';
import { SWEEP_AT_ONCE } from './sweep.ts';
import { guarded, openTransactions } from './transaction.ts';
import { unavailable } from './unavailable.ts';

const SCHEMA = `
CREATE TABLE IF NOT EXISTS rate_clock (one INTEGER PRIMARY KEY CHECK (one = 1), at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS rate_counter (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, total INTEGER NOT NULL, expires REAL NOT NULL);
CREATE INDEX IF NOT EXISTS rate_counter_expires ON rate_counter (expires);
CREATE TABLE IF NOT EXISTS rate_event (
  counter INTEGER NOT NULL, at REAL NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (counter, at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rate_bucket (counter INTEGER PRIMARY KEY, fill REAL NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS rate_size (one INTEGER PRIMARY KEY CHECK (one = 1), counters INTEGER NOT NULL);
INSERT OR IGNORE INTO rate_size VALUES (1, 0);
CREATE TRIGGER IF NOT EXISTS rate_counter_in AFTER INSERT ON rate_counter BEGIN
  UPDATE rate_size SET counters = counters + 1; END;
CREATE TRIGGER IF NOT EXISTS rate_counter_out AFTER DELETE ON rate_counter BEGIN
  UPDATE rate_size SET counters = counters - 1; END;
CREATE TRIGGER IF NOT EXISTS rate_bucket_out AFTER DELETE ON rate_counter BEGIN
  DELETE FROM rate_bucket WHERE counter = OLD.id; END;
`;

/**
 * Limits that every process of a home shares through one SQLite file. Each `take` is one immediate transaction, so two
 * gates never count from the same total. `close` closes the database.
 * @throws CallgateError CG_STATE_UNAVAILABLE when the file is locked for too long, full, or corrupt.
 */
export function sqliteLimits(database: Database, options: { readonly maxKeys?: number } = {}): Limits {
  const maxKeys = options.maxKeys ?? MOST_COUNTERS;
  const sql = guarded('limits', database, () => {
    database.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT;`);
    return prepareAll(database);
  });
  const inTransaction = openTransactions('limits', database);
  return {
    take(rates, now) {
      checkRates(rates, now);
      if (rates.length === 0) return { ok: true };
      return inTransaction(() => takeIn(sql, rates, now, maxKeys));
    },
    close: () => database.close(),
  };
}

type Statements = ReturnType<typeof prepareAll>;

function prepareAll(database: Database) {
  return {
    clock: database.prepare('SELECT at FROM rate_clock'),
    setClock: database.prepare('INSERT INTO rate_clock VALUES (1, ?) ON CONFLICT DO UPDATE SET at = excluded.at'),
    counter: database.prepare('SELECT id, total FROM rate_counter WHERE name = ?'),
    size: database.prepare('SELECT counters FROM rate_size'),
    create: database.prepare('INSERT INTO rate_counter (name, total, expires) VALUES (?, 0, 0) RETURNING id'),
    oldest: database.prepare('SELECT at FROM rate_event WHERE counter = ? ORDER BY at LIMIT 1'),
    forget: database.prepare('DELETE FROM rate_event WHERE counter = ? AND at <= ? RETURNING n'),
    setTotal: database.prepare('UPDATE rate_counter SET total = ? WHERE id = ?'),
    last: database.prepare('SELECT at FROM rate_event WHERE counter = ? ORDER BY at DESC LIMIT 1'),
    add: database.prepare('INSERT INTO rate_event VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET n = n + 1'),
    count: database.prepare('UPDATE rate_counter SET total = total + 1, expires = ? WHERE id = ?'),
    events: database.prepare('SELECT at, n FROM rate_event WHERE counter = ? ORDER BY at'),
    bucket: database.prepare('SELECT fill, at FROM rate_bucket WHERE counter = ?'),
    setBucket: database.prepare(
      'INSERT INTO rate_bucket VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET fill = excluded.fill, at = excluded.at',
    ),
    expired: database.prepare('SELECT id FROM rate_counter WHERE expires <= ? LIMIT ?'),
    dropEvents: database.prepare('DELETE FROM rate_event WHERE counter = ?'),
    drop: database.prepare('DELETE FROM rate_counter WHERE id = ?'),
  };
}

/** Inside the transaction. */
function takeIn(sql: Statements, rates: readonly Rate[], now: number, maxKeys: number): Taken {
  const stored = sql.clock.get() as { at: number } | undefined;
  const clock = Math.max(now, stored?.at ?? now);
  sweep(sql, clock, SWEEP_AT_ONCE);
  const known = new Map<number, Rate>();
  const fresh = new Map<string, Rate>();
  let refusal: Refusal | undefined;
  for (const [index, rate] of rates.entries()) {
    const name = counterOf(rate);
    const counter = sql.counter.get(name) as { id: number; total: number } | undefined;
    if (counter === undefined) fresh.set(name, rate);
    else known.set(counter.id, rate);
    const time = freeAt(sql, counter, rate, clock);
    if (time !== undefined) refusal = later(refusal, index, time);
  }
  if (clock !== stored?.at) sql.setClock.run(clock);
  if (refusal !== undefined) return refused(refusal, now);
  // Those that are there first: making room for a new one drops what has expired and was not counted again.
  for (const [id, rate] of known) count(sql, id, rate, clock);
  for (const [name, rate] of fresh) count(sql, create(sql, name, rate, clock, maxKeys), rate, clock);
  return { ok: true };
}

function sweep(sql: Statements, clock: number, most: number): void {
  for (const row of sql.expired.all(clock, most) as { id: number }[]) {
    sql.dropEvents.run(row.id);
    sql.drop.run(row.id);
  }
}

/** When one more event will fit; undefined when it fits now. */
function freeAt(
  sql: Statements,
  counter: { id: number; total: number } | undefined,
  rate: Rate,
  clock: number,
): number | undefined {
  if (isBucket(rate)) {
    const wait = bucketWait(counter === undefined ? 0 : fillOf(sql, counter.id, rate, clock), rate);
    return wait === 0 ? undefined : clock + wait;
  }
  const total = counter === undefined ? 0 : forget(sql, counter, clock - rate.windowMs);
  if (total < rate.max) return undefined;
  return counter === undefined ? clock + rate.windowMs : roomAt(sql, counter.id, total, rate);
}

function fillOf(sql: Statements, id: number, rate: BucketRate, clock: number): number {
  const bucket = sql.bucket.get(id) as Bucket | undefined;
  if (bucket === undefined) throw unavailable('limits', `the bucket of "${rate.key}" is gone`);
  return drained(bucket, rate, clock);
}

/** Drops events that no longer count. @returns how many still do. */
function forget(sql: Statements, counter: { id: number; total: number }, until: number): number {
  const oldest = sql.oldest.get(counter.id) as { at: number } | undefined;
  if (oldest === undefined || oldest.at > until) return counter.total;
  let total = counter.total;
  for (const row of sql.forget.all(counter.id, until) as { n: number }[]) total -= row.n;
  sql.setTotal.run(total, counter.id);
  return total;
}

/** When enough events have left for one more to fit. */
function roomAt(sql: Statements, id: number, total: number, rate: Rate): number {
  let left = total;
  let at = 0;
  for (const row of sql.events.all(id) as { at: number; n: number }[]) {
    left -= row.n;
    at = row.at;
    if (left < rate.max) break;
  }
  return at + rate.windowMs;
}

function create(sql: Statements, name: string, rate: Rate, clock: number, maxKeys: number): number {
  const size = (): number => (sql.size.get() as { counters: number }).counters;
  if (size() >= maxKeys) {
    sweep(sql, clock, maxKeys);
    if (size() >= maxKeys) throw unavailable('limits', `more than ${maxKeys} counters are in use`);
  }
  const { id } = sql.create.get(name) as { id: number };
  if (isBucket(rate)) sql.setBucket.run(id, 0, clock);
  return id;
}

function count(sql: Statements, id: number, rate: Rate, clock: number): void {
  if (isBucket(rate)) {
    const { fill, at, expires } = filled(fillOf(sql, id, rate, clock), rate, clock);
    sql.setBucket.run(id, fill, at);
    sql.count.run(expires, id);
    return;
  }
  const last = sql.last.get(id) as { at: number } | undefined;
  const at = Math.max(eventTime(rate, clock), last?.at ?? Number.NEGATIVE_INFINITY);
  sql.add.run(id, at);
  sql.count.run(at + rate.windowMs, id);
}
