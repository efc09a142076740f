export { memoryBudgets } from './memory-budgets.ts';
export { sqliteBudgets } from './sqlite-budgets.ts';

/**
 * One spending of `amount` from `key`, of which at most `max` may ever be spent. Amounts are decimal text, exact, with
 * up to 30 digits on either side of the point: `"12.50"`, `"1e3"`.
 */
export interface Budget {
  /** Carries its period itself (a key of a day names the day), for nothing here starts a new one. */
  readonly key: string;
  readonly max: string;
  readonly amount: string;
  /**
   * The key is forgotten this long after it was last spent from: longer than its period. Without it the key is kept for
   * good, since forgetting is giving back.
   */
  readonly lifetimeMs?: number;
}

/** The answer to `reserve`; `index` is that of the first refusing budget, `left` what is left of it. */
export type Reserved =
  | { readonly ok: true; readonly token: string }
  | { readonly ok: false; readonly index: number; readonly left: string };

export interface BudgetOptions {
  readonly maxKeys?: number;
  readonly maxHeld?: number;
}

/**
 * Budgets that all gates of a home share. What is reserved counts as spent at once; only `release` within the `ttl`
 * gives it back. So a call whose outcome nobody tells, for its process died, stays spent.
 * Every method throws CallgateError CG_STATE_UNAVAILABLE when the books cannot be read or written; the caller denies.
 */
export interface Budgets {
  /**
   * Sets aside all amounts, or none. Several amounts from one key add up, and each `max` holds for their sum.
   * Time never runs backwards: `now` before the latest time seen counts as that latest time.
   * @param now milliseconds since the epoch.
   * @param ttlMs until then `release` may give it back; from then on it is spent.
   * @throws CallgateError CG_STATE_AMOUNT for an amount or maximum that is negative, empty or no decimal number.
   */
  reserve(budgets: readonly Budget[], now: number, ttlMs: number): Reserved;
  /** Spent for good. Changes nothing when the token was committed or released before, has expired, or is unknown. */
  commit(token: string): void;
  /** Given back. Changes nothing when the token was committed or released before, has expired, or is unknown. */
  release(token: string): void;
  /** What was spent from `key` and what is reserved of it, as decimal text. */
  spent(key: string, now: number): string;
  close(): void;
}
