import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { memoryBudgets, sqliteBudgets, type Budgets } from './budgets.ts';
import { freshFile, openFile } from './testing.ts';

const DAY = 86_400_000;
const kinds: readonly (readonly [string, number, () => Budgets])[] = [
  ['memory budgets', 300, () => memoryBudgets()],
  ['sqlite budgets', 40, () => sqliteBudgets(openFile())],
  ['sqlite budgets of two processes', 40, inTurnsOnOneFile],
];

it.each(kinds)(
  '%s never overspend, whatever is reserved, committed, released or forgotten, in whatever order',
  (_kind, numRuns, make) => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => follow(make(), steps)),
      { numRuns },
    );
  },
);

type Step =
  | {
      readonly do: 'reserve';
      readonly amounts: readonly (readonly [key: 'a' | 'b', cents: number])[];
      readonly ttlMs: number;
    }
  | { readonly do: 'commit' | 'release'; readonly which: number }
  | { readonly do: 'wait'; readonly ms: number };

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('reserve' as const),
      amounts: fc.array(fc.tuple(fc.constantFrom('a' as const, 'b' as const), fc.integer({ min: 0, max: 60 })), {
        minLength: 1,
        maxLength: 3,
      }),
      ttlMs: fc.constantFrom(5, 50),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('commit' as const, 'release' as const), which: fc.nat(20) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: -20, max: 40 }) }) },
);

/** Walks the steps beside a naive book of its own, in whole cents. */
function follow(budgets: Budgets, steps: readonly Step[]): void {
  const MAX = { a: 100, b: 150 };
  const used = { a: 0, b: 0 };
  const held: { token: string; amounts: readonly (readonly ['a' | 'b', number])[]; expires: number; open: boolean }[] =
    [];
  let now = 1000;
  let clock = 0;
  const text = (cents: number): string => `${cents}e-2`;
  for (const step of steps) {
    if (step.do === 'wait') now += step.ms;
    else if (step.do === 'reserve') {
      clock = Math.max(clock, now);
      const sum = { a: 0, b: 0 };
      for (const [key, cents] of step.amounts) sum[key] += cents;
      const wanted = step.amounts.map(([key, cents]) => ({
        key,
        max: text(MAX[key]),
        amount: text(cents),
        lifetimeMs: DAY,
      }));
      const answer = budgets.reserve(wanted, now, step.ttlMs);
      const first = step.amounts.findIndex(([key]) => used[key] + sum[key] > MAX[key]);
      if (first >= 0) {
        const [key] = step.amounts[first]!;
        expect(answer).toMatchObject({ ok: false, index: first });
        expect(answer.ok ? '' : Number(answer.left)).toBeCloseTo((MAX[key] - used[key]) / 100, 10);
      } else {
        expect(answer.ok).toBe(true);
        for (const [key, cents] of step.amounts) used[key] += cents;
        const token = answer.ok ? answer.token : '';
        held.push({ token, amounts: step.amounts, expires: clock + step.ttlMs, open: true });
      }
    } else {
      const hold = held[step.which];
      budgets[step.do](hold?.token ?? 'unknown');
      if (hold === undefined) continue;
      if (step.do === 'release' && hold.open && hold.expires > clock)
        for (const [key, cents] of hold.amounts) used[key] -= cents;
      hold.open = false;
    }
    for (const key of ['a', 'b'] as const) {
      expect(Math.round(Number(budgets.spent(key, now)) * 100)).toBe(used[key]);
      expect(used[key]).toBeLessThanOrEqual(MAX[key]);
    }
  }
}

function inTurnsOnOneFile(): Budgets {
  const file = freshFile();
  return inTurns(sqliteBudgets(openFile(file)), sqliteBudgets(openFile(file)));
}

/** Each call goes to the other one. */
function inTurns(...both: readonly [Budgets, Budgets]): Budgets {
  let turn = 0;
  const next = (): Budgets => both[turn++ % 2 === 0 ? 0 : 1];
  return {
    reserve: (budgets, now, ttlMs) => next().reserve(budgets, now, ttlMs),
    commit: (token) => next().commit(token),
    release: (token) => next().release(token),
    spent: (key, now) => next().spent(key, now),
    close: () => both.forEach((one) => one.close()),
  };
}
