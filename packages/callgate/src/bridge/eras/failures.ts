import { MALFORMED_ANSWER } from '../../protocol/codes.ts';
import type { LinkFailure } from '../../upstreams/link.ts';

/** Why a call has no answer although the server gave one. */
export const UNREADABLE = failure('gave an answer that cannot be read');
export const TOO_LONG = failure('gave an answer that is too long');
export const UNKNOWN_RESULT = failure('answered with a kind of result that nobody asked for');

function failure(why: string): LinkFailure {
  return { code: MALFORMED_ANSWER, why, kind: 'refused' };
}
