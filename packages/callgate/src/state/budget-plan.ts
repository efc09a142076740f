import { CallgateError } from '../model/error.ts';
import { amountText, parseAmount, type Amount } from './budget-amount.ts';
import type { Budget } from './budgets.ts';
import { unavailable } from './unavailable.ts';

/** What one reserve wants: each budget as asked, and what the call takes from each key altogether. */
export interface Plan {
  readonly asked: readonly { readonly key: string; readonly max: Amount }[];
  readonly keys: ReadonlyMap<string, Taking>;
}

/** What one call takes from one key, and until when the key must be known. */
export interface Taking {
  readonly amount: Amount;
  /** Milliseconds from now; FOREVER when any budget of the key names no lifetime. */
  readonly keepMs: number;
}

export const MOST_KEYS = 100_000;
/** Reservations that nobody has settled. */
export const MOST_HELD = 100_000;
/** Later than any clock, and a whole number that every store keeps. */
export const FOREVER = Number.MAX_SAFE_INTEGER;
const LAST_TIME = 8.64e15;
const LONGEST_KEY = 1000;

/** @throws CG_STATE_AMOUNT, CG_STATE_UNAVAILABLE: what cannot be counted is refused. */
export function planOf(budgets: readonly Budget[], now: number, ttlMs: number): Plan {
  checkClock(now);
  if (!isSpan(ttlMs)) throw unavailable('budgets', 'a reservation needs a time to live');
  const keys = new Map<string, Taking>();
  const asked = budgets.map(({ key, max, amount, lifetimeMs }) => {
    checkKey(key);
    if (lifetimeMs !== undefined && !isSpan(lifetimeMs)) throw unavailable('budgets', `"${key}" has no valid lifetime`);
    const before = keys.get(key);
    const keepMs = Math.max(before?.keepMs ?? 0, lifetimeMs ?? FOREVER, ttlMs);
    keys.set(key, { amount: (before?.amount ?? 0n) + amountOf('amount', key, amount), keepMs });
    return { key, max: amountOf('maximum', key, max) };
  });
  return { asked, keys };
}

/** The first budget that what is wanted does not fit, and what is left of it. */
export function refusalOf(plan: Plan, usedOf: (key: string) => Amount): { index: number; left: string } | undefined {
  for (const [index, { key, max }] of plan.asked.entries()) {
    const used = usedOf(key);
    const wanted = plan.keys.get(key)?.amount ?? 0n;
    if (used + wanted > max) return { index, left: amountText(used < max ? max - used : 0n) };
  }
  return undefined;
}

/** When a key may be forgotten: never before it was to be, or while something of it is reserved. */
export function expiryOf(before: number, taking: Taking, clock: number): number {
  return Math.max(before, Math.min(FOREVER, clock + taking.keepMs));
}

/** @throws CallgateError CG_STATE_UNAVAILABLE for what is no time. */
export function checkClock(now: number): void {
  // A time beyond all dates would make every key one of the past, and forgotten.
  if (!(now >= 0 && now <= LAST_TIME)) throw unavailable('budgets', 'the clock gives no time');
}

function checkKey(key: unknown): void {
  if (typeof key !== 'string') throw unavailable('budgets', 'a key is no text');
  if (key.length > LONGEST_KEY) throw unavailable('budgets', `a key is longer than ${LONGEST_KEY} characters`);
}

function isSpan(ms: unknown): boolean {
  return typeof ms === 'number' && ms > 0 && ms < FOREVER;
}

/** A negative amount is an error, never a refund. What the amount was is not told: it may be a secret. */
function amountOf(what: 'amount' | 'maximum', key: string, text: unknown): Amount {
  const amount = parseAmount(text);
  if (typeof amount === 'bigint') return amount;
  throw new CallgateError('CG_STATE_AMOUNT', `The ${what} of the budget "${key}" is ${amount}.`, {
    remedy:
      'Give a decimal number from 0 on, such as 12.50 or 1e3, with at most 30 digits on either side of the point.',
  });
}
