import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase } from './database.ts';

describe('openDatabase', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'cg-db-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('makes the file and its directory, in WAL mode with patience', async () => {
    const database = await openDatabase(join(dir, 'state', 'x.db'));
    expect(statSync(join(dir, 'state', 'x.db')).isFile()).toBe(true);
    expect(database.prepare('PRAGMA journal_mode').get()).toMatchObject({ journal_mode: 'wal' });
    expect(Object.values(database.prepare('PRAGMA busy_timeout').get() ?? {})).toEqual([5000]);
    database.close();
  });

  it('shares one file between two connections', async () => {
    const one = await openDatabase(join(dir, 'x.db'));
    const two = await openDatabase(join(dir, 'x.db'));
    one.exec('CREATE TABLE t (a)');
    one.prepare('INSERT INTO t VALUES (?)').run('x');
    expect(two.prepare('SELECT a FROM t').all()).toEqual([{ a: 'x' }]);
    one.close();
    two.close();
  });

  it('says which file cannot be opened', async () => {
    writeFileSync(join(dir, 'x.db'), 'this is no database at all, only some text of sufficient length');
    await expect(openDatabase(join(dir, 'x.db'))).rejects.toMatchObject({ code: 'CG_STATE_DATABASE' });
  });
});
