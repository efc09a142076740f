import { CallgateError } from '../model/error.ts';

/** What the gates of a home share. */
export type Shared = 'limits' | 'budgets' | 'sessions';

const CALLS: Readonly<Record<Shared, string>> = {
  limits: 'a rate limit',
  budgets: 'a budget',
  sessions: 'labels or a history',
};

/** The one error the caller denies on when what a home shares cannot be told. @param why ends the sentence. */
export function unavailable(what: Shared, why: string, cause?: unknown): CallgateError {
  const calls = CALLS[what];
  return new CallgateError('CG_STATE_UNAVAILABLE', `The shared ${what} cannot be used: ${why}.`, {
    remedy: `Calls with ${calls} are refused until this is mended; \`callgate doctor\` shows the state of the home.`,
    cause,
  });
}
