import type { Limits, Rate } from './limits.ts';
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
  type Refusal,
} from './rates.ts';
import { makeRoom, sweepOf } from './sweep.ts';
import { unavailable } from './unavailable.ts';

interface Window {
  /** Event times, ascending, from `head` on, and how many events each stands for. */
  readonly times: number[];
  readonly counts: number[];
  head: number;
  total: number;
}

/** What one name counts in: `window` or `bucket`, as the name says. */
interface Counter {
  readonly window: Window;
  bucket: Bucket;
  expires: number;
}

/** Limits of one process: tests, simulation, and a home that asks for none to be shared. */
export function memoryLimits(options: { readonly maxKeys?: number } = {}): Limits {
  const maxKeys = options.maxKeys ?? MOST_COUNTERS;
  const counters = new Map<string, Counter>();
  const sweep = sweepOf(counters);
  let clock = Number.NEGATIVE_INFINITY;

  const counterFor = (name: string): Counter => {
    const known = counters.get(name);
    if (known !== undefined) return known;
    const window = { times: [], counts: [], head: 0, total: 0 };
    const fresh: Counter = { window, bucket: { fill: 0, at: clock }, expires: 0 };
    counters.set(name, fresh);
    return fresh;
  };

  return {
    take(rates, now) {
      checkRates(rates, now);
      clock = Math.max(clock, now);
      sweep(clock);
      let refusal: Refusal | undefined;
      for (const [index, rate] of rates.entries()) {
        const time = freeAt(counters.get(counterOf(rate)), rate, clock);
        if (time !== undefined) refusal = later(refusal, index, time);
      }
      if (refusal !== undefined) return refused(refusal, now);
      const wanted = new Map(rates.map((rate) => [counterOf(rate), rate]));
      // Room first: running out of it must count nothing.
      if (!makeRoom(counters, [...wanted.keys()], maxKeys, clock))
        throw unavailable('limits', `more than ${maxKeys} counters are in use`);
      for (const [name, rate] of wanted) count(counterFor(name), rate, clock);
      return { ok: true };
    },
    close: () => counters.clear(),
  };
}

/** When one more event will fit; undefined when it fits now. */
function freeAt(counter: Counter | undefined, rate: Rate, clock: number): number | undefined {
  if (isBucket(rate)) {
    const wait = bucketWait(counter === undefined ? 0 : drained(counter.bucket, rate, clock), rate);
    return wait === 0 ? undefined : clock + wait;
  }
  if (counter !== undefined) forget(counter.window, clock - rate.windowMs);
  if ((counter?.window.total ?? 0) < rate.max) return undefined;
  return counter === undefined ? clock + rate.windowMs : roomAt(counter.window, rate, counter.expires);
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
function roomAt(window: Window, rate: Rate, expires: number): number {
  let left = window.total;
  for (let at = window.head; at < window.times.length; at++) {
    left -= window.counts[at]!;
    if (left < rate.max) return window.times[at]! + rate.windowMs;
  }
  return expires;
}

function count(counter: Counter, rate: Rate, clock: number): void {
  if (isBucket(rate)) {
    const { expires, ...bucket } = filled(drained(counter.bucket, rate, clock), rate, clock);
    counter.bucket = bucket;
    counter.expires = expires;
  } else counter.expires = add(counter.window, eventTime(rate, clock)) + rate.windowMs;
}

/** @returns the time it was added under. */
function add(window: Window, time: number): number {
  const last = window.times.length - 1;
  // A limit that was lowered keeps its rounded times, which lie ahead: never go back behind them.
  const at = last >= window.head ? Math.max(time, window.times[last]!) : time;
  if (last >= window.head && window.times[last] === at) window.counts[last]!++;
  else {
    window.times.push(at);
    window.counts.push(1);
  }
  window.total++;
  return at;
}
