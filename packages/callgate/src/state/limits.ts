import { CallgateError, messageOf } from '../model/error.ts';

/** At most `max` events of `key` in any `windowMs`. */
export interface Rate {
  readonly key: string;
  readonly max: number;
  readonly windowMs: number;
}

/** The answer to `take`; `index` is that of the refusing rate which frees up last. */
export type Taken =
  | { readonly ok: true }
  | { readonly ok: false; readonly index: number; readonly retryAfterMs: number };

/**
 * Rate limits that all gates of a home share. True sliding windows: an event counts for exactly `windowMs` (up to
 * 1/64 longer where `max` is above 1,000), so that never more than `max` pass in any window.
 */
export interface Limits {
  /**
   * Counts one event against all rates, or against none when one of them is spent.
   * Time never runs backwards: `now` before the latest time seen counts as that latest time.
   * @param now milliseconds since the epoch.
   * @throws CallgateError CG_STATE_UNAVAILABLE when the counters cannot be told; the caller denies.
   */
  take(rates: readonly Rate[], now: number): Taken;
  close(): void;
}

/** The part of node:sqlite's DatabaseSync (also @photostructure/sqlite's) that limits need. */
export interface LimitsDatabase {
  exec(sql: string): void;
  prepare(sql: string): LimitsStatement;
  close(): void;
}

interface LimitsStatement {
  run(...values: (string | number)[]): unknown;
  get(...values: (string | number)[]): unknown;
  all(...values: (string | number)[]): unknown[];
}

/** Up to this many events a window keeps each time; beyond, times are rounded up to 1/64 of the window. */
const EXACT_MOST = 1000;
const BUCKETS = 64;
const MOST_KEYS = 100_000;
const SWEEP_AT_ONCE = 16;

/** Time under which an event is kept: its own, or the end of its bucket, so that rounding only ever counts longer. */
function eventTime(rate: Rate, now: number): number {
  if (rate.max <= EXACT_MOST) return now;
  const bucket = rate.windowMs / BUCKETS;
  return (Math.floor(now / bucket) + 1) * bucket;
}

/** One entry a counter: windows of different lengths under one key are different counters (none prunes another). */
function counterOf(rate: Rate): string {
  return `${rate.windowMs}|${rate.key}`;
}

function checkRates(rates: readonly Rate[], now: number): void {
  const bad = rates.find((rate) => !(rate.windowMs > 0 && Number.isFinite(rate.windowMs)) || Number.isNaN(rate.max));
  if (bad !== undefined || !Number.isFinite(now)) {
    throw unavailable(bad === undefined ? 'the clock gives no number' : `"${bad.key}" has no valid window or maximum`);
  }
}

function unavailable(why: string, cause?: unknown): CallgateError {
  return new CallgateError('CG_STATE_UNAVAILABLE', `The shared limits cannot be used: ${why}.`, {
    remedy: 'Calls with a rate limit are refused until this is mended; `callgate doctor` shows the state of the home.',
    cause,
  });
}

interface Refusal {
  readonly index: number;
  readonly freeAt: number;
}

function later(refusal: Refusal | undefined, index: number, time: number): Refusal {
  return refusal === undefined || time > refusal.freeAt ? { index, freeAt: time } : refusal;
}

function refused(refusal: Refusal, now: number): Taken {
  return { ok: false, index: refusal.index, retryAfterMs: Math.max(1, Math.ceil(refusal.freeAt - now)) };
}

interface Window {
  /** Event times, ascending, from `head` on, and how many events each stands for. */
  readonly times: number[];
  readonly counts: number[];
  head: number;
  total: number;
  expires: number;
}

/** Limits of one process: tests, simulation, and a home that asks for none to be shared. */
export function memoryLimits(options: { readonly maxKeys?: number } = {}): Limits {
  const maxKeys = options.maxKeys ?? MOST_KEYS;
  const windows = new Map<string, Window>();
  let clock = Number.NEGATIVE_INFINITY;
  let expiring = windows.entries();

  const windowOf = (counter: string): Window => {
    const known = windows.get(counter);
    if (known !== undefined) return known;
    if (windows.size >= maxKeys) {
      for (const [name, window] of windows) if (window.expires <= clock) windows.delete(name);
      if (windows.size >= maxKeys) throw unavailable(`more than ${maxKeys} counters are in use`);
    }
    const fresh: Window = { times: [], counts: [], head: 0, total: 0, expires: 0 };
    windows.set(counter, fresh);
    return fresh;
  };

  return {
    take(rates, now) {
      checkRates(rates, now);
      clock = Math.max(clock, now);
      for (let step = 0; step < SWEEP_AT_ONCE; step++) {
        const next = expiring.next();
        if (next.done === true) {
          expiring = windows.entries();
          break;
        }
        if (next.value[1].expires <= clock) windows.delete(next.value[0]);
      }
      let refusal: Refusal | undefined;
      for (const [index, rate] of rates.entries()) {
        const window = windows.get(counterOf(rate));
        if (window !== undefined) forget(window, clock - rate.windowMs);
        const total = window?.total ?? 0;
        if (total < rate.max) continue;
        refusal = later(refusal, index, window === undefined ? clock + rate.windowMs : freeAt(window, rate));
      }
      if (refusal !== undefined) return refused(refusal, now);
      // Reserve room first: running out of it must count nothing.
      const counters = new Map(rates.map((rate) => [counterOf(rate), rate]));
      const reserved = [...counters].map(([counter, rate]) => ({ window: windowOf(counter), rate }));
      for (const { window, rate } of reserved) add(window, eventTime(rate, clock), rate.windowMs);
      return { ok: true };
    },
    close: () => windows.clear(),
  };
}

function forget(window: Window, until: number): void {
  while (window.head < window.times.length && window.times[window.head]! <= until) {
    window.total -= window.counts[window.head]!;
    window.head++;
  }
  if (window.head < 64 || window.head * 2 < window.times.length) return;
  window.times.splice(0, window.head);
  window.counts.splice(0, window.head);
  window.head = 0;
}

/** When enough events have left for one more to fit. */
function freeAt(window: Window, rate: Rate): number {
  let left = window.total;
  for (let at = window.head; at < window.times.length; at++) {
    left -= window.counts[at]!;
    if (left < rate.max) return window.times[at]! + rate.windowMs;
  }
  return window.expires;
}

function add(window: Window, time: number, windowMs: number): void {
  const last = window.times.length - 1;
  // A limit that was lowered keeps its rounded times, which lie ahead: never go back behind them.
  const at = last >= window.head ? Math.max(time, window.times[last]!) : time;
  if (last >= window.head && window.times[last] === at) window.counts[last]!++;
  else {
    window.times.push(at);
    window.counts.push(1);
  }
  window.total++;
  window.expires = at + windowMs;
}

const SCHEMA = `
CREATE TABLE IF NOT EXISTS rate_clock (one INTEGER PRIMARY KEY CHECK (one = 1), at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS rate_counter (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, total INTEGER NOT NULL, expires REAL NOT NULL);
CREATE INDEX IF NOT EXISTS rate_counter_expires ON rate_counter (expires);
CREATE TABLE IF NOT EXISTS rate_event (
  counter INTEGER NOT NULL, at REAL NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (counter, at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rate_size (one INTEGER PRIMARY KEY CHECK (one = 1), counters INTEGER NOT NULL);
INSERT OR IGNORE INTO rate_size VALUES (1, 0);
CREATE TRIGGER IF NOT EXISTS rate_counter_in AFTER INSERT ON rate_counter BEGIN
  UPDATE rate_size SET counters = counters + 1; END;
CREATE TRIGGER IF NOT EXISTS rate_counter_out AFTER DELETE ON rate_counter BEGIN
  UPDATE rate_size SET counters = counters - 1; END;
`;

/**
 * Limits that every process of a home shares through one SQLite file. Each `take` is one immediate transaction, so two
 * gates never count from the same total. `close` closes the database.
 * @throws CallgateError CG_STATE_UNAVAILABLE when the file is locked for too long, full, or corrupt.
 */
export function sqliteLimits(database: LimitsDatabase, options: { readonly maxKeys?: number } = {}): Limits {
  const maxKeys = options.maxKeys ?? MOST_KEYS;
  const sql = guarded(() => {
    database.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT;`);
    return prepareAll(database);
  }, database);
  return {
    take(rates, now) {
      checkRates(rates, now);
      if (rates.length === 0) return { ok: true };
      return guarded(() => {
        sql.begin.run();
        const taken = takeIn(sql, rates, now, maxKeys);
        sql.commit.run();
        return taken;
      }, database);
    },
    close: () => database.close(),
  };
}

type Statements = ReturnType<typeof prepareAll>;

function prepareAll(database: LimitsDatabase) {
  return {
    begin: database.prepare('BEGIN IMMEDIATE'),
    commit: database.prepare('COMMIT'),
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
  const counters = new Map<string, { id: number; rate: Rate }>();
  let refusal: Refusal | undefined;
  for (const [index, rate] of rates.entries()) {
    const name = counterOf(rate);
    const counter = sql.counter.get(name) as { id: number; total: number } | undefined;
    counters.set(name, { id: counter?.id ?? -1, rate });
    const total = counter === undefined ? 0 : forgetIn(sql, counter, clock - rate.windowMs);
    if (total < rate.max) continue;
    refusal = later(
      refusal,
      index,
      counter === undefined ? clock + rate.windowMs : freeAtIn(sql, counter.id, total, rate),
    );
  }
  if (clock !== stored?.at) sql.setClock.run(clock);
  if (refusal !== undefined) return refused(refusal, now);
  for (const [name, { id, rate }] of counters)
    addIn(sql, id < 0 ? createIn(sql, name, clock, maxKeys) : id, rate, clock);
  return { ok: true };
}

function sweep(sql: Statements, clock: number, most: number): void {
  for (const row of sql.expired.all(clock, most) as { id: number }[]) {
    sql.dropEvents.run(row.id);
    sql.drop.run(row.id);
  }
}

/** Drops events that no longer count. @returns how many still do. */
function forgetIn(sql: Statements, counter: { id: number; total: number }, until: number): number {
  const oldest = sql.oldest.get(counter.id) as { at: number } | undefined;
  if (oldest === undefined || oldest.at > until) return counter.total;
  let total = counter.total;
  for (const row of sql.forget.all(counter.id, until) as { n: number }[]) total -= row.n;
  sql.setTotal.run(total, counter.id);
  return total;
}

function createIn(sql: Statements, name: string, clock: number, maxKeys: number): number {
  const size = (): number => (sql.size.get() as { counters: number }).counters;
  if (size() >= maxKeys) {
    sweep(sql, clock, maxKeys);
    if (size() >= maxKeys) throw unavailable(`more than ${maxKeys} counters are in use`);
  }
  return (sql.create.get(name) as { id: number }).id;
}

function addIn(sql: Statements, id: number, rate: Rate, clock: number): void {
  const last = sql.last.get(id) as { at: number } | undefined;
  const at = Math.max(eventTime(rate, clock), last?.at ?? Number.NEGATIVE_INFINITY);
  sql.add.run(id, at);
  sql.count.run(at + rate.windowMs, id);
}

function freeAtIn(sql: Statements, id: number, total: number, rate: Rate): number {
  let left = total;
  let at = 0;
  for (const row of sql.events.all(id) as { at: number; n: number }[]) {
    left -= row.n;
    at = row.at;
    if (left < rate.max) break;
  }
  return at + rate.windowMs;
}

/** Rolls back whatever was begun and turns any fault into the one error the caller denies on. */
function guarded<T>(work: () => T, database: LimitsDatabase): T {
  try {
    return work();
  } catch (error) {
    try {
      database.exec('ROLLBACK');
    } catch {
      // Nothing was begun, or the file is beyond rolling back.
    }
    if (error instanceof CallgateError) throw error;
    throw unavailable(messageOf(error), error);
  }
}
