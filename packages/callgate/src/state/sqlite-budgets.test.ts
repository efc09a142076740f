import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DatabaseSync } from '@photostructure/sqlite';
import { rolldown } from 'rolldown';
import { beforeAll, describe, expect, it } from 'vitest';
import { sqliteBudgets } from './budgets.ts';
import type { Database } from './database.ts';
import { sqliteLimits } from './limits.ts';
import { openFile, room } from './testing.ts';
import { DAY, KEY, refund, reserved, TTL } from './testing-budgets.ts';

describe('sqlite budgets', () => {
  beforeAll(async () => {
    const bundle = await rolldown({ input: fileURLToPath(new URL('budgets.ts', import.meta.url)), platform: 'node' });
    await bundle.write({ file: join(room, 'budgets.mjs'), format: 'esm' });
    await bundle.close();
    writeFileSync(
      join(room, 'spender.mjs'),
      `import { DatabaseSync } from ${JSON.stringify(import.meta.resolve('@photostructure/sqlite'))};
       import { sqliteBudgets } from './budgets.mjs';
       const [, , file, calls, amount, end] = process.argv;
       const database = new DatabaseSync(file);
       database.exec('PRAGMA busy_timeout = 20000');
       const budgets = sqliteBudgets(database);
       let spent = 0;
       for (let call = 0; call < Number(calls); call++) {
         const wanted = { key: ${JSON.stringify(KEY)}, max: '2000', amount, lifetimeMs: ${DAY} };
         const answer = budgets.reserve([wanted], 1000 + call, ${TTL});
         if (!answer.ok) continue;
         if (end === 'release' && call % 3 === 0) budgets.release(answer.token);
         else spent++;
         if (end === 'die') process.kill(process.pid, 'SIGKILL');
         if (end === 'release' && call % 3 === 1) budgets.commit(answer.token);
       }
       console.log(spent);`,
    );
  });

  function spender(...args: string[]): Promise<number> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [join(room, 'spender.mjs'), ...args], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let text = '';
      child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
      child.on('error', reject);
      child.on('close', () => resolve(Number(text.trim())));
    });
  }

  it('are one budget for two processes: 13 of their 20 refunds of 150 pass', async () => {
    const file = join(room, 'shared.db');
    const budgets = sqliteBudgets(openFile(file));
    const spent = await Promise.all([spender(file, '10', '150', 'leave'), spender(file, '10', '150', 'leave')]);
    expect(spent[0] + spent[1]).toBe(13);
    expect(budgets.spent(KEY, 1000)).toBe('1950');
  }, 60_000);

  it('lose and invent nothing when two processes reserve, commit and release at the same time', async () => {
    const file = join(room, 'busy.db');
    const budgets = sqliteBudgets(openFile(file));
    const spent = await Promise.all([spender(file, '300', '7.1', 'release'), spender(file, '300', '7.1', 'release')]);
    expect(Number(budgets.spent(KEY, 1000))).toBeCloseTo((spent[0] + spent[1]) * 7.1, 6);
    expect(spent[0] + spent[1]).toBe(281);
    expect(budgets.reserve([refund('7.1')], 1000, TTL)).toEqual({ ok: false, index: 0, left: '4.9' });
  }, 60_000);

  it('keep what a killed process had reserved, before and after its time is over', async () => {
    const file = join(room, 'crash.db');
    const budgets = sqliteBudgets(openFile(file));
    await spender(file, '1', '1900', 'die');
    expect(budgets.spent(KEY, 1000)).toBe('1900');
    expect(budgets.reserve([refund('150')], 2000, TTL)).toEqual({ ok: false, index: 0, left: '100' });
    expect(budgets.reserve([refund('150')], 5000 + TTL, TTL)).toEqual({ ok: false, index: 0, left: '100' });
  }, 60_000);

  it('stay bounded over 20,000 keys that come and go, and know how many they are', () => {
    const database = openFile();
    const budgets = sqliteBudgets(database, { maxKeys: 2000, maxHeld: 2000 });
    for (let call = 0; call < 2000; call++) {
      const wanted = Array.from({ length: 10 }, (_, part) =>
        refund('1', { key: `k${call * 10 + part}`, lifetimeMs: 50 }),
      );
      const token = reserved(budgets, wanted, call, 50);
      if (call % 2 === 0) budgets.commit(token);
    }
    const rows = (sql: string): unknown => database.prepare(sql).get()?.['n'];
    // Ten new ones a call for 50 calls are alive: the rest has left as fast as it came.
    expect(rows('SELECT count(*) AS n FROM budget_key')).toBeLessThanOrEqual(520);
    expect(rows('SELECT count(*) AS n FROM budget_hold')).toBeLessThanOrEqual(520);
    expect(rows('SELECT keys AS n FROM budget_state')).toBe(rows('SELECT count(*) AS n FROM budget_key'));
    expect(rows('SELECT held AS n FROM budget_state')).toBe(rows('SELECT count(*) AS n FROM budget_hold'));
  });

  it('live beside the limits in one file', () => {
    const file = join(room, 'both.db');
    const limits = sqliteLimits(openFile(file));
    const budgets = sqliteBudgets(openFile(file));
    reserved(budgets, [refund('5')]);
    expect(limits.take([{ key: KEY, max: 1, windowMs: 1000 }], 0).ok).toBe(true);
    expect(sqliteBudgets(openFile(file)).spent(KEY, 0)).toBe('5');
  });

  it('deny with CG_STATE_UNAVAILABLE when another process holds the file, and work again afterwards', () => {
    const file = join(room, 'locked.db');
    const database = openFile(file);
    database.exec('PRAGMA busy_timeout = 1');
    const budgets = sqliteBudgets(database);
    const token = reserved(budgets, [refund('5')]);
    const other = openFile(file);
    other.exec('BEGIN IMMEDIATE');
    const unavailable = expect.objectContaining({ code: 'CG_STATE_UNAVAILABLE' });
    expect(() => budgets.reserve([refund('5')], 0, TTL)).toThrow(unavailable);
    expect(() => budgets.commit(token)).toThrow(unavailable);
    expect(() => budgets.release(token)).toThrow(unavailable);
    other.exec('ROLLBACK');
    budgets.release(token);
    expect(budgets.spent(KEY, 0)).toBe('0');
  });

  it.each([
    ['a table is gone', 'DROP TABLE budget_hold'],
    ['the state is gone', 'DELETE FROM budget_state'],
    ['an amount is no amount', "UPDATE budget_key SET used = '-5'"],
    ['an amount is no text', "UPDATE budget_key SET used = x'00'"],
  ])('deny with CG_STATE_UNAVAILABLE when %s', (_what, sql) => {
    const database = openFile();
    const budgets = sqliteBudgets(database);
    reserved(budgets, [refund('5')]);
    database.exec(sql);
    const unavailable = expect.objectContaining({ code: 'CG_STATE_UNAVAILABLE' });
    expect(() => budgets.reserve([refund('5')], 0, TTL)).toThrow(unavailable);
  });

  it('do not touch the tables of a newer Callgate, nor a file that is no database', () => {
    const database = openFile();
    sqliteBudgets(database);
    database.exec('UPDATE budget_state SET version = 2');
    expect(() => sqliteBudgets(database)).toThrow(/version 2/);
    const file = join(room, 'corrupt.db');
    writeFileSync(file, 'this is not a database, whatever its name says '.repeat(100));
    expect(() => sqliteBudgets(new DatabaseSync(file) as unknown as Database)).toThrow(
      expect.objectContaining({ code: 'CG_STATE_UNAVAILABLE' }),
    );
  });
});
