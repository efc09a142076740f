import { randomUUID } from 'node:crypto';
import { amountText, parseAmount, type Amount } from './budget-amount.ts';
import {
  checkClock,
  expiryOf,
  MOST_HELD,
  MOST_KEYS,
  planOf,
  refusalOf,
  type Plan,
  type Taking,
} from './budget-plan.ts';
import type { BudgetOptions, Budgets, Reserved } from './budgets.ts';
import type { Database } from './database.ts';
import { SWEEP_AT_ONCE } from './sweep.ts';
import { guarded, openTransactions } from './transaction.ts';
import { unavailable } from './unavailable.ts';

const VERSION = 1;
const SCHEMA = `
CREATE TABLE IF NOT EXISTS budget_state (
  one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL,
  clock REAL NOT NULL, keys INTEGER NOT NULL, held INTEGER NOT NULL);
INSERT OR IGNORE INTO budget_state VALUES (1, ${VERSION}, 0, 0, 0);
CREATE TABLE IF NOT EXISTS budget_key (
  key TEXT PRIMARY KEY NOT NULL, used TEXT NOT NULL, expires REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS budget_key_expires ON budget_key (expires);
CREATE TABLE IF NOT EXISTS budget_hold (
  token TEXT NOT NULL, key TEXT NOT NULL, amount TEXT NOT NULL, expires REAL NOT NULL,
  PRIMARY KEY (token, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS budget_hold_expires ON budget_hold (expires);
CREATE TRIGGER IF NOT EXISTS budget_key_in AFTER INSERT ON budget_key BEGIN
  UPDATE budget_state SET keys = keys + 1; END;
CREATE TRIGGER IF NOT EXISTS budget_key_out AFTER DELETE ON budget_key BEGIN
  UPDATE budget_state SET keys = keys - 1; END;
CREATE TRIGGER IF NOT EXISTS budget_hold_in AFTER INSERT ON budget_hold BEGIN
  UPDATE budget_state SET held = held + 1; END;
CREATE TRIGGER IF NOT EXISTS budget_hold_out AFTER DELETE ON budget_hold BEGIN
  UPDATE budget_state SET held = held - 1; END;
`;

/**
 * Budgets that every process of a home shares through one SQLite file, beside the limits. Each change is one immediate
 * transaction, so two gates never spend the same rest. `close` closes the database.
 * @throws CallgateError CG_STATE_UNAVAILABLE when the file is locked for too long, full, corrupt, or of a newer Callgate.
 */
export function sqliteBudgets(database: Database, options: BudgetOptions = {}): Budgets {
  const { maxKeys = MOST_KEYS, maxHeld = MOST_HELD } = options;
  const inBooks = <T>(work: () => T): T => guarded('budgets', database, work);
  const sql = inBooks(() => {
    database.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT;`);
    const prepared = prepareAll(database);
    const { version } = stateOf(prepared);
    if (version !== VERSION) throw unavailable('budgets', `their tables have version ${version}, not ${VERSION}`);
    return prepared;
  });
  const change = openTransactions('budgets', database);

  return {
    reserve(budgets, now, ttlMs) {
      const plan = planOf(budgets, now, ttlMs);
      return change(() => reserveIn(sql, plan, now, ttlMs, { maxKeys, maxHeld }));
    },
    commit(token) {
      inBooks(() => sql.settle.run(token));
    },
    release(token) {
      change(() => releaseIn(sql, token));
    },
    spent(key, now) {
      checkClock(now);
      return inBooks(() => amountText(accountOf(sql, key, Math.max(now, stateOf(sql).clock))?.used ?? 0n));
    },
    close: () => database.close(),
  };
}

type Statements = ReturnType<typeof prepareAll>;

function prepareAll(database: Database) {
  return {
    state: database.prepare('SELECT version, clock, keys, held FROM budget_state'),
    setClock: database.prepare('UPDATE budget_state SET clock = ?'),
    account: database.prepare('SELECT used, expires FROM budget_key WHERE key = ?'),
    save: database.prepare(
      `INSERT INTO budget_key VALUES (?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET used = excluded.used, expires = excluded.expires`,
    ),
    setUsed: database.prepare('UPDATE budget_key SET used = ? WHERE key = ?'),
    dropKey: database.prepare('DELETE FROM budget_key WHERE key = ?'),
    hold: database.prepare('INSERT INTO budget_hold VALUES (?, ?, ?, ?)'),
    settle: database.prepare('DELETE FROM budget_hold WHERE token = ?'),
    take: database.prepare('DELETE FROM budget_hold WHERE token = ? RETURNING key, amount, expires'),
    sweepKeys: database.prepare(
      'DELETE FROM budget_key WHERE key IN (SELECT key FROM budget_key WHERE expires <= ? LIMIT ?)',
    ),
    sweepHolds: database.prepare(
      'DELETE FROM budget_hold WHERE (token, key) IN (SELECT token, key FROM budget_hold WHERE expires <= ? LIMIT ?)',
    ),
  };
}

interface State {
  readonly version: number;
  readonly clock: number;
  readonly keys: number;
  readonly held: number;
}

function stateOf(sql: Statements): State {
  const state = sql.state.get() as State | undefined;
  if (state === undefined) throw unavailable('budgets', 'their state is gone');
  return state;
}

interface Account {
  /** Spent and reserved. */
  readonly used: Amount;
  readonly expires: number;
}

/** What the books say of `key`; undefined when they know nothing, or nothing that still counts. */
function accountOf(sql: Statements, key: string, clock: number): Account | undefined {
  const row = sql.account.get(key) as { used: string; expires: number } | undefined;
  if (row === undefined || row.expires <= clock) return undefined;
  return { used: stored(row.used, key), expires: row.expires };
}

function stored(text: unknown, key: string): Amount {
  const amount = parseAmount(text);
  if (typeof amount === 'string') throw unavailable('budgets', `what is kept of "${key}" is ${amount}`);
  return amount;
}

/** Inside the transaction. */
function reserveIn(
  sql: Statements,
  plan: Plan,
  now: number,
  ttlMs: number,
  most: { readonly maxKeys: number; readonly maxHeld: number },
): Reserved {
  const before = stateOf(sql);
  const clock = Math.max(now, before.clock);
  if (clock !== before.clock) sql.setClock.run(clock);
  // A reservation whose time is over stays in `used`: with its hold goes only the right to give it back.
  sql.sweepHolds.run(clock, SWEEP_AT_ONCE);
  sql.sweepKeys.run(clock, SWEEP_AT_ONCE);
  const accounts = new Map([...plan.keys.keys()].map((key) => [key, accountOf(sql, key, clock)]));
  const refusal = refusalOf(plan, (key) => accounts.get(key)?.used ?? 0n);
  if (refusal !== undefined) return { ok: false, ...refusal };

  const token = randomUUID();
  for (const [key, taking] of plan.keys) {
    if (taking.amount === 0n) continue;
    charge(sql, key, taking, accounts.get(key), clock);
    sql.hold.run(token, key, amountText(taking.amount), clock + ttlMs);
  }
  // Too many is found out after the fact, and the rollback undoes it.
  checkRoom(sql, clock, most);
  return { ok: true, token };
}

function charge(sql: Statements, key: string, taking: Taking, account: Account | undefined, clock: number): void {
  const used = (account?.used ?? 0n) + taking.amount;
  sql.save.run(key, amountText(used), expiryOf(account?.expires ?? 0, taking, clock));
}

function checkRoom(
  sql: Statements,
  clock: number,
  { maxKeys, maxHeld }: { readonly maxKeys: number; readonly maxHeld: number },
): void {
  const fits = ({ keys, held }: State): boolean => keys <= maxKeys && held <= maxHeld;
  if (fits(stateOf(sql))) return;
  sql.sweepHolds.run(clock, maxHeld);
  sql.sweepKeys.run(clock, maxKeys);
  const after = stateOf(sql);
  if (fits(after)) return;
  throw unavailable(
    'budgets',
    after.keys > maxKeys ? `more than ${maxKeys} keys are in use` : `more than ${maxHeld} reservations are open`,
  );
}

/** Inside the transaction. */
function releaseIn(sql: Statements, token: string): void {
  const { clock } = stateOf(sql);
  for (const row of sql.take.all(token) as { key: string; amount: string; expires: number }[]) {
    if (row.expires <= clock) continue;
    const used = accountOf(sql, row.key, clock)?.used ?? 0n;
    const amount = stored(row.amount, row.key);
    if (amount > used) throw unavailable('budgets', `more is reserved of "${row.key}" than is used`);
    // Of what is given back whole nothing is known: names that a client makes up do not fill the books for good.
    if (used === amount) sql.dropKey.run(row.key);
    else sql.setUsed.run(amountText(used - amount), row.key);
  }
}
