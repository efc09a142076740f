import { CallgateError } from '../model/error.ts';

/** The one error the caller denies on when what a home shares cannot be told. @param why ends the sentence. */
export function unavailable(what: 'limits' | 'budgets', why: string, cause?: unknown): CallgateError {
  const calls = what === 'limits' ? 'a rate limit' : 'a budget';
  return new CallgateError('CG_STATE_UNAVAILABLE', `The shared ${what} cannot be used: ${why}.`, {
    remedy: `Calls with ${calls} are refused until this is mended; \`callgate doctor\` shows the state of the home.`,
    cause,
  });
}
