import { CallgateError, messageOf } from '../model/error.ts';
import { unavailable } from './unavailable.ts';

/** Rolls back whatever `work` had begun and turns any fault into CG_STATE_UNAVAILABLE, on which the caller denies. */
export function guarded<T>(what: 'limits' | 'budgets', database: { exec(sql: string): void }, work: () => T): T {
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
