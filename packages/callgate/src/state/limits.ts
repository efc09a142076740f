export { memoryLimits } from './memory-limits.ts';
export { sqliteLimits } from './sqlite-limits.ts';

/**
 * Without `burst` a true sliding window: at most `max` events of `key` in any `windowMs`.
 * With `burst` a bucket (GCRA): at most `burst` at once and, over any time t, at most burst + max × t / windowMs.
 * A bucket's numbers are whole.
 */
export interface Rate {
  readonly key: string;
  readonly max: number;
  readonly windowMs: number;
  readonly burst?: number;
}

/** The answer to `take`; `index` is that of the refusing rate which frees up last. */
export type Taken =
  | { readonly ok: true }
  | { readonly ok: false; readonly index: number; readonly retryAfterMs: number };

/**
 * Rate limits that all gates of a home share. In a sliding window an event counts for exactly `windowMs` (up to 1/64
 * longer where `max` is above 1,000), so that never more than `max` pass in any window. A bucket whose `max` or
 * `windowMs` changes begins empty; one whose `burst` changes goes on.
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
