/** Where in a file something is wrong; line and column count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/**
 * The one error class. `code` is stable and listed in docs/errors.md; the message says what happened,
 * `remedy` what to do.
 */
export class CallgateError extends Error {
  readonly code: string;
  readonly remedy: string | undefined;
  readonly place: Place | undefined;
  constructor(code: string, message: string, more: { remedy?: string; place?: Place; cause?: unknown } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = 'CallgateError';
    this.code = code;
    this.remedy = more.remedy;
    this.place = more.place;
  }
}

/** What whatever was thrown says. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The same as a clause of another sentence: without its full stop. */
export function clauseOf(thrown: unknown): string {
  return messageOf(thrown).replace(/\.$/, '');
}
