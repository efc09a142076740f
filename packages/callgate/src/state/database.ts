import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { CallgateError, messageOf } from '../model/error.ts';

type Value = null | number | bigint | string | Uint8Array;

/** What both drivers give for a prepared statement (node:sqlite's StatementSync). */
export interface Statement {
  run(...values: Value[]): { changes: number | bigint; lastInsertRowid: number | bigint };
  get(...values: Value[]): Record<string, Value> | undefined;
  all(...values: Value[]): Record<string, Value>[];
}

/** What both drivers give for an open database (node:sqlite's DatabaseSync). */
export interface Database {
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

interface Driver {
  DatabaseSync: new (file: string) => Database;
}

const BUSY_MS = 5000;

/**
 * Opens (or makes) the SQLite database `file`: `node:sqlite` where this Node has it, else `@photostructure/sqlite`.
 * Many processes may have it open: WAL, and five seconds of patience with each other.
 * @throws CallgateError CG_STATE_NO_DATABASE when neither driver is there, CG_STATE_DATABASE when the file cannot be opened.
 */
export async function openDatabase(file: string): Promise<Database> {
  const { driver } = await loadDriver();
  let database: Database | undefined;
  try {
    if (file !== ':memory:') mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    database = new driver.DatabaseSync(file);
    database.exec(`PRAGMA busy_timeout = ${BUSY_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL`);
    return database;
  } catch (cause) {
    database?.close();
    const why = messageOf(cause);
    throw new CallgateError('CG_STATE_DATABASE', `The database ${file} cannot be opened: ${why}.`, {
      remedy: 'Mend the rights or the space of its directory; if the file is damaged, move it away.',
      cause,
    });
  }
}

interface Named {
  readonly name: string;
  readonly driver: Driver;
}

let loaded: Promise<Named> | undefined;

function loadDriver(): Promise<Named> {
  loaded ??= importDriver();
  return loaded;
}

/** Which SQLite this Node has; undefined when it has none. Nothing is opened. */
export async function databaseDriver(): Promise<string | undefined> {
  const driver = await loadDriver().catch(() => undefined);
  return driver?.name;
}

async function importDriver(): Promise<Named> {
  // Named at run time: the bundle holds neither, and a Node without the one must not fail on its name.
  for (const name of ['node:sqlite', '@photostructure/sqlite']) {
    const restore = muteExperimentalSqlite();
    try {
      return { name, driver: (await import(name)) as Driver };
    } catch {
      // The next one.
    } finally {
      restore();
    }
  }
  throw new CallgateError('CG_STATE_NO_DATABASE', 'No SQLite driver is here: this Node has no node:sqlite.', {
    remedy: 'Use Node 22.13 or later, or run: npm install @photostructure/sqlite (with -g where callgate is global)',
  });
}

/** Node 22 warns that its SQLite is experimental. That one warning says nothing to a user of Callgate; others pass. */
function muteExperimentalSqlite(): () => void {
  const emitWarning = process.emitWarning.bind(process) as (...all: unknown[]) => void;
  const original = Object.getOwnPropertyDescriptor(process, 'emitWarning');
  process.emitWarning = (warning: string | Error, ...rest: unknown[]) => {
    const text = typeof warning === 'string' ? warning : warning.message;
    const [kind] = rest;
    const type = typeof kind === 'object' && kind !== null ? (kind as { type?: unknown }).type : kind;
    if (type === 'ExperimentalWarning' && text.includes('SQLite')) return;
    emitWarning(warning, ...rest);
  };
  return () => {
    if (original !== undefined) Object.defineProperty(process, 'emitWarning', original);
  };
}
