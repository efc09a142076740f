import type { Id } from '../protocol/correlate.ts';
import type { Refusal } from '../protocol/message.ts';

/**
 * One client's side of what it has to do with a server, or with many under one name: what a front door talks to. Ids of the
 * client's requests are numbers that the front door gave out, each once.
 */
export interface Exchange {
  /**
   * Takes one message of the client, which must be readable. What comes of it is told to the client's end, later. A client
   * that hangs up on a request where that means to cancel it is said so by a `notifications/cancelled`.
   */
  receive(bytes: Uint8Array, start: number, end: number): void;
  /** Records bytes that are no message; the front door answers them. */
  malformed(refusal: Refusal): void;
  /** True while more is unwise: the front door answers with a "retry after". */
  readonly isFull: boolean;
  /** The client is gone for good. Resolves when what ran for it has ended. */
  close(): Promise<void>;
}

/** Where the client of an exchange hears of it. */
export interface ClientEnd {
  /**
   * One message for the client, without a newline; it may leave at once.
   * @param answers the client's request that it answers, or undefined for a request or notification of the server
   * @param about the client's request on whose stream it came, as far as that is known
   */
  message(line: Uint8Array, answers: Id | undefined, about: Id | undefined): void;
  /** The exchange is over and takes nothing more: the session is ended. @param how `ended with exit code 1` */
  ended(how: string): void;
}

/** The protocol a client speaks: revisions with `initialize` and sessions, or 2026-07-28 and later. */
export type Era = 'legacy' | 'modern';
