import type { Budget, Budgets } from './budgets.ts';

export const DAY = 86_400_000;
/** How long a reservation of the tests is kept. */
export const TTL = 60_000;

/** Something to spend of a budget of 2,000 a day. */
export function refund(amount: string, more: Partial<Budget> = {}): Budget {
  return { key: 'refunds|alice|2026-11-21', max: '2000', amount, lifetimeMs: 2 * DAY, ...more };
}

/** The key of every refund. */
export const KEY = refund('0').key;

/** Reserves, and gives the token; throws when it is refused. */
export function reserved(budgets: Budgets, wanted: readonly Budget[], now = 0, ttlMs = TTL): string {
  const answer = budgets.reserve(wanted, now, ttlMs);
  if (!answer.ok) throw new Error(`refused: ${answer.left} left`);
  return answer.token;
}
