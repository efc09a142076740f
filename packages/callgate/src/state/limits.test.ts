import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DatabaseSync } from '@photostructure/sqlite';
import * as fc from 'fast-check';
import { rolldown } from 'rolldown';
import { describe, expect, it } from 'vitest';
import type { Database } from './database.ts';
import { memoryLimits, sqliteLimits, type Limits, type Rate } from './limits.ts';
import { openFile, room } from './testing.ts';

const HOUR = 3_600_000;
const MINUTE = 60_000;
const kinds: readonly (readonly [string, (options?: { maxKeys?: number }) => Limits])[] = [
  ['memory', (options) => memoryLimits(options)],
  ['sqlite', (options) => sqliteLimits(openFile(), options)],
];

describe.each(kinds)('%s limits', (_kind, make) => {
  it('refuse call no. 501 of 500 an hour, at 29 a minute, while 30 a minute also holds', () => {
    const limits = make();
    const rates: Rate[] = [
      { key: 'pay', max: 30, windowMs: MINUTE },
      { key: 'pay', max: 500, windowMs: HOUR },
    ];
    let passed = 0;
    let refusedAt = -1;
    for (let call = 0; call < 600 && refusedAt < 0; call++) {
      const taken = limits.take(rates, Math.floor((call * MINUTE) / 29));
      if (taken.ok) passed++;
      else {
        refusedAt = call;
        expect(taken.index).toBe(1);
        expect(taken.retryAfterMs).toBe(HOUR - Math.floor((call * MINUTE) / 29));
      }
    }
    expect([passed, refusedAt]).toEqual([500, 500]);
  });

  it('name the minute when the minute is spent, and open again exactly one window after the first event', () => {
    const limits = make();
    const rates = [
      { key: 'a', max: 1000, windowMs: HOUR },
      { key: 'a', max: 2, windowMs: 1000 },
    ];
    expect(limits.take(rates, 5000)).toEqual({ ok: true });
    expect(limits.take(rates, 5400)).toEqual({ ok: true });
    expect(limits.take(rates, 5999)).toEqual({ ok: false, index: 1, retryAfterMs: 1 });
    expect(limits.take(rates, 6000)).toEqual({ ok: true });
    expect(limits.take(rates, 6001)).toEqual({ ok: false, index: 1, retryAfterMs: 399 });
  });

  it('count nothing anywhere when one of several windows refuses', () => {
    const limits = make();
    const wide = { key: 'wide', max: 2, windowMs: HOUR };
    const narrow = { key: 'narrow', max: 1, windowMs: HOUR };
    expect(limits.take([wide, narrow], 0).ok).toBe(true);
    expect(limits.take([wide, narrow], 1).ok).toBe(false);
    expect(limits.take([wide], 2).ok).toBe(true);
    expect(limits.take([wide], 3).ok).toBe(false);
  });

  it('keep counting when the clock steps back', () => {
    const limits = make();
    const rates = [{ key: 'a', max: 2, windowMs: 1000 }];
    expect(limits.take(rates, 10_000).ok).toBe(true);
    expect(limits.take(rates, 2_000).ok).toBe(true);
    expect(limits.take(rates, 3_500)).toEqual({ ok: false, index: 0, retryAfterMs: 7500 });
    expect(limits.take(rates, 11_000).ok).toBe(true);
  });

  it('refuse everything under a maximum of zero and refuse nonsense with an error', () => {
    const limits = make();
    expect(limits.take([{ key: 'a', max: 0, windowMs: 1000 }], 0)).toEqual({ ok: false, index: 0, retryAfterMs: 1000 });
    expect(() => limits.take([{ key: 'a', max: 1, windowMs: Number.NaN }], 0)).toThrow(/window/);
    expect(() => limits.take([{ key: 'a', max: 1, windowMs: 10 }], Number.NaN)).toThrow(/clock/);
  });

  it('survive a maximum that is raised and lowered', () => {
    const limits = make();
    for (let call = 0; call < 5; call++)
      expect(limits.take([{ key: 'a', max: 5000, windowMs: HOUR }], call).ok).toBe(true);
    expect(limits.take([{ key: 'a', max: 5, windowMs: HOUR }], 10).ok).toBe(false);
    expect(limits.take([{ key: 'a', max: 6, windowMs: HOUR }], 11).ok).toBe(true);
    expect(limits.take([{ key: 'a', max: 5000, windowMs: HOUR }], 12).ok).toBe(true);
  });

  it('fail closed when more counters are alive than fit, and go on when old ones have expired', () => {
    const limits = make({ maxKeys: 50 });
    for (let key = 0; key < 50; key++) limits.take([{ key: `k${key}`, max: 1, windowMs: 1000 }], 0);
    expect(() => limits.take([{ key: 'one more', max: 1, windowMs: 1000 }], 10)).toThrow(/50 counters/);
    expect(limits.take([{ key: 'k3', max: 1, windowMs: 1000 }], 10).ok).toBe(false);
    expect(limits.take([{ key: 'one more', max: 1, windowMs: 1000 }], 2000).ok).toBe(true);
  });

  it('let a burst through at once and then the sustained rate, over an hour of asking', () => {
    const limits = make();
    const rate = { key: 'search', max: 30, windowMs: MINUTE, burst: 5 };
    const step = _kind === 'memory' ? 100 : 400;
    let passed = 0;
    let firstSecond = 0;
    for (let now = 0; now < HOUR; now += step) {
      if (limits.take([rate], now).ok) passed++;
      if (now < 1000) firstSecond = passed;
      expect(passed).toBeLessThanOrEqual(5 + (30 * now) / MINUTE);
    }
    expect([firstSecond, passed]).toEqual([_kind === 'memory' ? 5 : 3, 5 + 1799]);
  });

  it('say when a bucket takes one more, to the millisecond', () => {
    const limits = make();
    const rate = [{ key: 'a', max: 3, windowMs: 1000, burst: 2 }];
    expect([limits.take(rate, 0).ok, limits.take(rate, 0).ok]).toEqual([true, true]);
    expect(limits.take(rate, 0)).toEqual({ ok: false, index: 0, retryAfterMs: 334 });
    expect(limits.take(rate, 333)).toEqual({ ok: false, index: 0, retryAfterMs: 1 });
    expect(limits.take(rate, 334).ok).toBe(true);
    expect(limits.take(rate, 334)).toEqual({ ok: false, index: 0, retryAfterMs: 333 });
    expect(limits.take(rate, 667).ok).toBe(true);
  });

  it('never drift: a bucket of 3 a second takes 3,000 in 1,000 seconds, though a third of one is no number of milliseconds', () => {
    const limits = make();
    const rate = [{ key: 'a', max: 3, windowMs: 1000, burst: 2 }];
    let passed = 0;
    for (let now = 1_700_000_000_000, end = now + 1_000_000; now < end;) {
      const taken = limits.take(rate, now);
      if (taken.ok) passed++;
      now += taken.ok ? 1 : taken.retryAfterMs;
    }
    expect(passed).toBe(2 + 2999);
  });

  it('count a bucket whose single event is less than the last digit of the clock', () => {
    const limits = make();
    const rate = [{ key: 'a', max: 10_000_000, windowMs: 1, burst: 3 }];
    const taken = Array.from({ length: 5 }, () => limits.take(rate, 1_700_000_000_000).ok);
    expect(taken).toEqual([true, true, true, false, false]);
  });

  it('do not refill a bucket when the clock steps back', () => {
    const limits = make();
    const rate = [{ key: 'a', max: 1, windowMs: 1000, burst: 1 }];
    expect(limits.take(rate, 10_000).ok).toBe(true);
    expect(limits.take(rate, 2_000)).toEqual({ ok: false, index: 0, retryAfterMs: 9000 });
    expect(limits.take(rate, 10_999)).toEqual({ ok: false, index: 0, retryAfterMs: 1 });
    expect(limits.take(rate, 11_000).ok).toBe(true);
  });

  it.each([
    ['a bucket refuses', 0, { key: 'b', max: 1, windowMs: HOUR, burst: 1 }, { key: 'w', max: 2, windowMs: HOUR }],
    ['a window refuses', 1, { key: 'b', max: 1, windowMs: HOUR, burst: 2 }, { key: 'w', max: 1, windowMs: HOUR }],
  ])('count nothing anywhere when %s', (_what, index, bucket, window) => {
    const limits = make();
    expect(limits.take([bucket, window], 0).ok).toBe(true);
    expect(limits.take([bucket, window], 1)).toMatchObject({ ok: false, index });
    const other = index === 0 ? window : bucket;
    expect(limits.take([other], 2).ok).toBe(true);
    expect(limits.take([other], 3).ok).toBe(false);
  });

  it('keep a bucket and a window of one key apart, and go on with a bucket whose burst changes', () => {
    const limits = make();
    expect(limits.take([{ key: 'a', max: 1, windowMs: HOUR }], 0).ok).toBe(true);
    for (let call = 0; call < 3; call++)
      expect(limits.take([{ key: 'a', max: 1, windowMs: HOUR, burst: 3 }], 0).ok).toBe(true);
    expect(limits.take([{ key: 'a', max: 1, windowMs: HOUR, burst: 2 }], 0)).toEqual({
      ok: false,
      index: 0,
      retryAfterMs: 2 * HOUR,
    });
    expect(limits.take([{ key: 'a', max: 1, windowMs: HOUR, burst: 4 }], 0).ok).toBe(true);
  });

  it('do not let a bucket of a higher maximum drain that of a lower one under the same key', () => {
    const limits = make();
    const slow = { key: 'a', max: 1, windowMs: HOUR, burst: 1 };
    const fast = { ...slow, max: 3600 };
    expect(limits.take([slow, fast], 0).ok).toBe(true);
    expect(limits.take([fast], 1000).ok).toBe(true);
    expect(limits.take([slow], 2000)).toEqual({ ok: false, index: 0, retryAfterMs: HOUR - 2000 });
  });

  it.each([
    ['a burst of none', { max: 5, burst: 0 }],
    ['a maximum of none', { max: 0, burst: 5 }],
  ])('refuse everything under %s', (_what, numbers) => {
    const rate = { key: 'a', windowMs: 1000, ...numbers };
    expect(make().take([rate], 5)).toEqual({ ok: false, index: 0, retryAfterMs: 1000 });
  });

  it.each([
    ['a negative burst', { max: 1, windowMs: 1000, burst: -1 }],
    ['a burst that is no number', { max: 1, windowMs: 1000, burst: Number.NaN }],
    ['a burst that is not whole', { max: 1, windowMs: 1000, burst: 1.5 }],
    ['an endless burst', { max: 1, windowMs: 1000, burst: Number.POSITIVE_INFINITY }],
    ['a burst beyond what can be counted', { max: 1, windowMs: HOUR, burst: 2 ** 40 }],
    ['an endless maximum', { max: Number.POSITIVE_INFINITY, windowMs: 1000, burst: 1 }],
    ['a negative maximum', { max: -1, windowMs: 1000, burst: 1 }],
  ])('refuse %s with an error, and count nothing', (_what, numbers) => {
    const limits = make();
    const good = { key: 'good', max: 1, windowMs: HOUR };
    expect(() => limits.take([good, { key: 'a', ...numbers }], 0)).toThrow(/burst/);
    expect(limits.take([good], 0).ok).toBe(true);
  });

  it('count also what expired in the very call that needs its room', () => {
    const limits = make({ maxKeys: 40 });
    const key = (name: string): Rate => ({ key: name, max: 1, windowMs: 1000 });
    for (let at = 0; at < 40; at++) limits.take([key(`old${at}`)], 0);
    // The call needs more room than it swept, so it drops the rest of what has expired while it uses one of them.
    const all = ['old39', ...Array.from({ length: 20 }, (_, at) => `new${at}`)].toReversed().map(key);
    expect(limits.take(all, 5000).ok).toBe(true);
    for (const rate of all) expect(limits.take([rate], 5001).ok).toBe(false);
  });

  it('never let more than burst + rate × t pass a bucket in any span (property)', () => {
    const step = fc.record({ wait: fc.integer({ min: -50, max: 400 }), calls: fc.integer({ min: 1, max: 6 }) });
    const shape = fc.record({ max: fc.integer({ min: 1, max: 9 }), burst: fc.integer({ min: 1, max: 7 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), shape, (steps, { max, burst }) => {
        const limits = make();
        const passed: number[] = [];
        let now = 1_000_000;
        let latest = 0;
        for (const { wait, calls } of steps) {
          now += wait;
          latest = Math.max(latest, now);
          for (let call = 0; call < calls; call++) {
            const taken = limits.take([{ key: 'k', max, windowMs: 640, burst }], now);
            if (taken.ok) passed.push(latest);
            else expect(taken.retryAfterMs).toBeLessThanOrEqual(Math.ceil(640 / max) + latest - now);
          }
        }
        for (let from = 0; from < passed.length; from++)
          for (let to = from; to < passed.length; to++)
            if ((to - from + 1 - burst) * 640 > (passed[to]! - passed[from]!) * max) return false;
        return true;
      }),
      { numRuns: _kind === 'memory' ? 100 : 15 },
    );
  });

  it('never let more than the maximum pass in any window (property)', () => {
    const step = fc.record({ wait: fc.integer({ min: -50, max: 400 }), burst: fc.integer({ min: 1, max: 6 }) });
    const maximum = fc.constantFrom(1, 3, 7, 1500);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), maximum, (steps, max) => {
        const limits = make();
        const passed: number[] = [];
        let now = 1_000_000;
        let latest = 0;
        for (const { wait, burst } of steps) {
          now += wait;
          latest = Math.max(latest, now);
          for (let call = 0; call < (max > 1000 ? burst * 300 : burst); call++) {
            if (limits.take([{ key: 'k', max, windowMs: 640 }], now).ok) passed.push(latest);
          }
        }
        return passed.every((time, at) => at + max >= passed.length || passed[at + max]! - time >= 640);
      }),
      { numRuns: _kind === 'memory' ? 100 : 15 },
    );
  });
});

describe('memory limits', () => {
  it('stay bounded over 100,000 keys that come and go', () => {
    const limits = memoryLimits({ maxKeys: 1000 });
    for (let key = 0; key < 100_000; key++) {
      expect(limits.take([{ key: `k${key}`, max: 3, windowMs: 100 }], key).ok).toBe(true);
    }
  });
});

describe('sqlite limits', () => {
  it('stay bounded over 100,000 keys that come and go', () => {
    const database = openFile();
    const limits = sqliteLimits(database, { maxKeys: 2000 });
    const rates = Array.from({ length: 20 }, (_, part) => part);
    for (let call = 0; call < 5000; call++) {
      const taken = limits.take(
        rates.map((part) => ({ key: `k${call * 20 + part}`, max: 3, windowMs: 50 })),
        call,
      );
      expect(taken.ok).toBe(true);
    }
    const rows = (sql: string): number => (database.prepare(sql).get() as { n: number }).n;
    expect(rows('SELECT count(*) AS n FROM rate_counter')).toBeLessThanOrEqual(2000);
    expect(rows('SELECT count(*) AS n FROM rate_event')).toBeLessThanOrEqual(2000);
    expect(rows('SELECT counters AS n FROM rate_size')).toBe(rows('SELECT count(*) AS n FROM rate_counter'));
  });

  it('are remembered by the next process, also its clock', () => {
    const file = join(room, 'kept.db');
    const rates = [{ key: 'a', max: 1, windowMs: HOUR }];
    expect(sqliteLimits(openFile(file)).take(rates, 1000).ok).toBe(true);
    expect(sqliteLimits(openFile(file)).take(rates, 500)).toEqual({ ok: false, index: 0, retryAfterMs: HOUR + 500 });
    const bucket = [{ key: 'b', max: 1, windowMs: HOUR, burst: 1 }];
    expect(sqliteLimits(openFile(file)).take(bucket, 1000).ok).toBe(true);
    expect(sqliteLimits(openFile(file)).take(bucket, 500)).toEqual({ ok: false, index: 0, retryAfterMs: HOUR + 500 });
  });

  it('deny with CG_STATE_UNAVAILABLE when another process holds the file, and work again afterwards', () => {
    const file = join(room, 'locked.db');
    const database = openFile(file);
    database.exec('PRAGMA busy_timeout = 1');
    const limits = sqliteLimits(database);
    const other = openFile(file);
    other.exec('BEGIN IMMEDIATE');
    const rates = [{ key: 'a', max: 1, windowMs: HOUR }];
    expect(() => limits.take(rates, 0)).toThrow(expect.objectContaining({ code: 'CG_STATE_UNAVAILABLE' }));
    other.exec('ROLLBACK');
    expect(limits.take(rates, 0).ok).toBe(true);
  });

  it('deny with CG_STATE_UNAVAILABLE when the file is no database or a table is gone', () => {
    const file = join(room, 'corrupt.db');
    writeFileSync(file, 'this is not a database, whatever its name says '.repeat(100));
    const open = (): Limits => {
      const database = new DatabaseSync(file) as unknown as Database;
      return sqliteLimits(database);
    };
    expect(open).toThrow(expect.objectContaining({ code: 'CG_STATE_UNAVAILABLE' }));
    const database = openFile();
    const limits = sqliteLimits(database);
    const bucket = [{ key: 'b', max: 9, windowMs: HOUR, burst: 9 }];
    limits.take(bucket, 0);
    database.exec('DELETE FROM rate_bucket');
    expect(() => limits.take(bucket, 0)).toThrow(/bucket of "b" is gone/);
    database.exec('DROP TABLE rate_event');
    expect(() => limits.take([{ key: 'a', max: 1, windowMs: 10 }], 0)).toThrow(
      expect.objectContaining({ code: 'CG_STATE_UNAVAILABLE' }),
    );
  });

  it('are one budget for two processes that take at the same time', async () => {
    const file = join(room, 'shared.db');
    openFile(file);
    const bundle = await rolldown({ input: fileURLToPath(new URL('limits.ts', import.meta.url)), platform: 'node' });
    await bundle.write({ file: join(room, 'limits.mjs'), format: 'esm' });
    await bundle.close();
    const driver = import.meta.resolve('@photostructure/sqlite');
    writeFileSync(
      join(room, 'taker.mjs'),
      `import { DatabaseSync } from ${JSON.stringify(driver)};
       import { sqliteLimits } from './limits.mjs';
       const database = new DatabaseSync(process.argv[2]);
       database.exec('PRAGMA busy_timeout = 20000');
       const limits = sqliteLimits(database);
       let passed = 0;
       for (let call = 0; call < 400; call++) {
         if (limits.take([{ key: 'shared', max: 300, windowMs: ${HOUR} }], 1_000 + call).ok) passed++;
       }
       console.log(passed);`,
    );
    const passed = await Promise.all([taker(file), taker(file)]);
    expect(passed[0] + passed[1]).toBe(300);
  }, 60_000);
});

function taker(file: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(room, 'taker.mjs'), file], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.on('error', reject);
    child.on('close', () => resolve(Number(text.trim())));
  });
}
