import { randomUUID } from 'node:crypto';
import { amountText, type Amount } from './budget-amount.ts';
import { checkClock, expiryOf, MOST_HELD, MOST_KEYS, planOf, refusalOf } from './budget-plan.ts';
import type { BudgetOptions, Budgets } from './budgets.ts';
import { makeRoom, sweepOf } from './sweep.ts';
import { unavailable } from './unavailable.ts';

interface Account {
  /** Spent and reserved. */
  used: Amount;
  expires: number;
}

/** What `release` would give back. */
interface Hold {
  readonly parts: readonly { readonly key: string; readonly account: Account; readonly amount: Amount }[];
  readonly expires: number;
}

/** Budgets of one process: tests, simulation, and a home that asks for none to be shared. */
export function memoryBudgets(options: BudgetOptions = {}): Budgets {
  const { maxKeys = MOST_KEYS, maxHeld = MOST_HELD } = options;
  const accounts = new Map<string, Account>();
  const holds = new Map<string, Hold>();
  const sweeps = [sweepOf(accounts), sweepOf(holds)];
  let clock = 0;

  const living = (key: string, at: number): Account | undefined => {
    const account = accounts.get(key);
    return account === undefined || account.expires <= at ? undefined : account;
  };

  return {
    reserve(budgets, now, ttlMs) {
      const plan = planOf(budgets, now, ttlMs);
      clock = Math.max(clock, now);
      for (const sweep of sweeps) sweep(clock);
      const refusal = refusalOf(plan, (key) => living(key, clock)?.used ?? 0n);
      if (refusal !== undefined) return { ok: false, ...refusal };
      const token = randomUUID();
      const spending = [...plan.keys].filter(([, { amount }]) => amount > 0n);
      const names = spending.map(([key]) => key);
      if (!makeRoom(accounts, names, maxKeys, clock))
        throw unavailable('budgets', `more than ${maxKeys} keys are in use`);
      if (!makeRoom(holds, [token], maxHeld, clock))
        throw unavailable('budgets', `more than ${maxHeld} reservations are open`);
      const parts = spending.map(([key, taking]) => {
        const account = living(key, clock) ?? { used: 0n, expires: 0 };
        account.used += taking.amount;
        account.expires = expiryOf(account.expires, taking, clock);
        accounts.set(key, account);
        return { key, account, amount: taking.amount };
      });
      holds.set(token, { parts, expires: clock + ttlMs });
      return { ok: true, token };
    },
    commit(token) {
      holds.delete(token);
    },
    release(token) {
      const hold = holds.get(token);
      holds.delete(token);
      if (hold === undefined || hold.expires <= clock) return;
      for (const { key, account, amount } of hold.parts) {
        account.used -= amount;
        if (account.used === 0n && accounts.get(key) === account) accounts.delete(key);
      }
    },
    spent(key, now) {
      checkClock(now);
      return amountText(living(key, Math.max(clock, now))?.used ?? 0n);
    },
    close() {
      accounts.clear();
      holds.clear();
    },
  };
}
