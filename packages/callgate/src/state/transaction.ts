import { CallgateError, messageOf } from '../model/error.ts';
import type { Database } from './database.ts';
import { unavailable, type Shared } from './unavailable.ts';

/**
 * Makes one immediate transaction of each work: all of it counts or nothing, and no other process of the home comes between.
 * @throws CallgateError CG_STATE_UNAVAILABLE for any fault
 */
export function openTransactions(what: Shared, database: Database): <T>(work: () => T) => T {
  const { begin, commit } = guarded(what, database, () => ({
    begin: database.prepare('BEGIN IMMEDIATE'),
    commit: database.prepare('COMMIT'),
  }));
  return (work) =>
    guarded(what, database, () => {
      begin.run();
      const result = work();
      commit.run();
      return result;
    });
}

/** Rolls back whatever `work` had begun and turns any fault into CG_STATE_UNAVAILABLE, on which the caller denies. */
export function guarded<T>(what: Shared, database: Database, work: () => T): T {
  try {
    return work();
  } catch (error) {
    try {
      database.exec('ROLLBACK');
    } catch {
      // Nothing was begun, or the file is beyond rolling back.
    }
    if (error instanceof CallgateError) throw error;
    throw unavailable(what, messageOf(error), error);
  }
}
