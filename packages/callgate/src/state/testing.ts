import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { afterAll } from 'vitest';
import type { Database } from './database.ts';

/** For tests: a directory of their own, gone when they are done. */
export const room = mkdtempSync(join(tmpdir(), 'callgate-state-'));
afterAll(() => rmSync(room, { recursive: true, force: true }));

let files = 0;

/** A file of the room that is not there yet. */
export function freshFile(): string {
  return join(room, `state-${files++}.db`);
}

/** Opens a database as the gates of a home share it, but for waiting on the disk. */
export function openFile(file = freshFile()): Database {
  const database = new DatabaseSync(file) as unknown as Database;
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA busy_timeout = 5000;');
  return database;
}
