import type { Rate, Taken } from './limits.ts';
import { unavailable } from './unavailable.ts';

/** A rate that is a bucket. */
export type BucketRate = Rate & { readonly burst: number };

/**
 * How full a bucket was at `at`. Each event fills it by `windowMs`, each millisecond drains `max`: whole numbers, where
 * a sum of windowMs / max would drift, and stand still once one event is less than the clock's last digit.
 */
export interface Bucket {
  readonly fill: number;
  readonly at: number;
}

/** Up to this many events a window keeps each time; beyond, times are rounded up to 1/64 of the window. */
const EXACT_MOST = 1000;
const BUCKETS = 64;
export const MOST_COUNTERS = 100_000;

/** Whether a rate is counted in a bucket; otherwise in a sliding window. */
export function isBucket(rate: Rate): rate is BucketRate {
  return rate.burst !== undefined;
}

/** @throws CG_STATE_UNAVAILABLE: what cannot be counted is refused. */
export function checkRates(rates: readonly Rate[], now: number): void {
  if (!Number.isFinite(now)) throw unavailable('limits', 'the clock gives no number');
  for (const rate of rates) {
    if (!(rate.windowMs > 0 && Number.isFinite(rate.windowMs)) || Number.isNaN(rate.max))
      throw unavailable('limits', `"${rate.key}" has no valid window or maximum`);
    if (isBucket(rate) && !isCountable(rate))
      throw unavailable('limits', `"${rate.key}" has a burst, window or maximum that is no whole number or too large`);
  }
}

function isCountable({ max, windowMs, burst }: BucketRate): boolean {
  const whole = [max, windowMs, burst].every((part) => Number.isSafeInteger(part) && part >= 0);
  return whole && Number.isSafeInteger((burst + 1) * windowMs);
}

/**
 * The name of the counter. Windows of different lengths under one key are different counters (none prunes another), so
 * are buckets that drain differently.
 */
export function counterOf(rate: Rate): string {
  return isBucket(rate) ? `bucket|${rate.windowMs}|${rate.max}|${rate.key}` : `${rate.windowMs}|${rate.key}`;
}

/** Time under which an event is kept: its own, or the end of its bucket, so that rounding only ever counts longer. */
export function eventTime(rate: Rate, now: number): number {
  if (rate.max <= EXACT_MOST) return now;
  const bucket = rate.windowMs / BUCKETS;
  return (Math.floor(now / bucket) + 1) * bucket;
}

/** How full the bucket still is. */
export function drained(bucket: Bucket, rate: BucketRate, clock: number): number {
  return Math.max(0, bucket.fill - (clock - bucket.at) * rate.max);
}

/** Whole milliseconds until one more event fits a bucket this full; 0 when it fits now. */
export function bucketWait(fill: number, rate: BucketRate): number {
  // Nothing ever fits: as for a window of none, the answer is to ask again in a window's time.
  if (rate.max === 0 || rate.burst === 0) return rate.windowMs;
  const over = fill + rate.windowMs - rate.burst * rate.windowMs;
  return over <= 0 ? 0 : Math.ceil(over / rate.max);
}

/** The bucket after one more event, and when it will be as good as new. */
export function filled(fill: number, rate: BucketRate, clock: number): Bucket & { readonly expires: number } {
  const next = fill + rate.windowMs;
  return { fill: next, at: clock, expires: clock + Math.ceil(next / rate.max) };
}

/** The rate that keeps a call waiting longest. */
export interface Refusal {
  readonly index: number;
  readonly freeAt: number;
}

/** The refusal that frees up last, of the one so far and that of rate no. `index`. */
export function later(refusal: Refusal | undefined, index: number, time: number): Refusal {
  return refusal === undefined || time > refusal.freeAt ? { index, freeAt: time } : refusal;
}

/** The answer to who was refused, with how long to wait. */
export function refused(refusal: Refusal, now: number): Taken {
  return { ok: false, index: refusal.index, retryAfterMs: Math.max(1, Math.ceil(refusal.freeAt - now)) };
}
