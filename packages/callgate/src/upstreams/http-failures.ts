import { MALFORMED_ANSWER, SERVER_ENDED } from '../protocol/codes.ts';
import type { LinkFailure } from './link.ts';

// Every text continues the sentence `The server "x" …`. None shows a body, a header or a URL: those may hold secrets, or
// be written to be read by a model.

/** What an error of the connection means. `hasBegun`: the answer had begun. */
export function connectionFailure(error: unknown, hasBegun: boolean): LinkFailure {
  return { code: SERVER_ENDED, why: wordsOf(error, hasBegun), kind: 'transport' };
}

/** What an answer means by its status alone. */
export function statusFailure(status: number, retryAfterMs: number | undefined): LinkFailure {
  const later = retryAfterMs === undefined ? {} : { retryAfterMs };
  const failure = (why: string, kind: LinkFailure['kind']): LinkFailure => {
    return { code: SERVER_ENDED, why: `${why} (HTTP ${status})`, kind, ...later };
  };
  if (status === 401 || status === 403) return failure('refused the credential that Callgate presents', 'refused');
  if (status >= 300 && status < 400) return failure('answered with a redirect, which is not followed', 'refused');
  if (status === 404 || status === 405) return failure('has no such place to talk to', 'refused');
  if (status === 429) return failure('was asked too often', 'refused');
  if (status === 503) return failure('is not available', 'transport');
  if (status >= 500) return failure('failed', 'transport');
  if (status >= 400) return failure('refused the request', 'refused');
  return failure('took the request and gave no answer', 'transport');
}

/** An answer came, and is none that can be used. */
export function unusable(why: string): LinkFailure {
  return { code: MALFORMED_ANSWER, why, kind: 'transport' };
}

/** It will not come any more. */
export function unanswered(why: string): LinkFailure {
  return { code: SERVER_ENDED, why, kind: 'transport' };
}

const codeOf = (error: unknown): string => {
  const code = error !== null && typeof error === 'object' && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^[A-Z0-9_]{2,60}$/.test(code) ? code : '';
};

/** Errors of a connection that was lost, on which a question that changes nothing may be asked again. */
export function isLost(error: unknown): boolean {
  return ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes(codeOf(error));
}

function wordsOf(error: unknown, hasBegun: boolean): string {
  const code = codeOf(error);
  switch (code) {
    case 'DIAL_REFUSED':
      return `may not be dialled: ${(error as Error).message}`;
    case 'ECONNREFUSED':
      return 'could not be reached: connection refused';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_NODATA':
      return 'could not be reached: its name has no address';
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return 'could not be reached in time';
    case 'UND_ERR_HEADERS_TIMEOUT':
      return 'did not begin to answer in time';
    case 'UND_ERR_BODY_TIMEOUT':
      return 'fell silent in the middle of its answer';
    case 'UND_ERR_SOCKET':
    case 'ECONNRESET':
    case 'EPIPE':
      return hasBegun ? 'broke off in the middle of its answer' : 'closed the connection before it answered';
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
      return 'sent an answer of another length than it said';
    case 'UND_ERR_HEADERS_OVERFLOW':
      return 'answered with headers that are too long';
    case 'EPROTO':
      return 'could not be reached: TLS failed';
    default:
  }
  if (error instanceof Error && error.name === 'HTTPParserError') return 'answered with broken HTTP';
  if (/CERT|SELF_SIGNED|VERIFY|TLS|SSL/.test(code)) return `has a certificate that is not trusted (${code})`;
  return code === '' ? 'could not be reached' : `could not be reached (${code})`;
}
