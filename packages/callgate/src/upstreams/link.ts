import type { Id } from '../protocol/correlate.ts';

/** Why a request will have no answer of the server: what its client reads. */
export interface LinkFailure {
  /** A code of protocol/codes.ts. */
  readonly code: number;
  /** One sentence about the server: `could not be reached: connection refused`. */
  readonly why: string;
  /** `transport`: the server may be down; it counts against its health. `refused`: it answered, and would not do it. */
  readonly kind: 'transport' | 'refused';
  readonly retryAfterMs?: number;
}

/** What happens on a link; called by it, never during `send`. */
export interface LinkEvents {
  /**
   * One message of the server, without its newline. The bytes stay as they are.
   * @param about the request on whose stream it came, as far as the link can tell
   */
  message(bytes: Uint8Array, start: number, end: number, about: Id | undefined): void;
  /** A message longer than the limit, of which only the two ends were kept. */
  oversize(head: Uint8Array, tail: Uint8Array, length: number, about: Id | undefined): void;
  /** The request with this id will not be answered. */
  failed(id: Id, failure: LinkFailure): void;
  /**
   * Asked before a request of the server becomes a question inside an answer, where the eras differ.
   * @param bytes the request as the server wrote it
   * @returns why the server may not ask it; undefined when it may
   */
  refuses?(bytes: Uint8Array, start: number, end: number): { readonly code: number; readonly text: string } | undefined;
  /** The server takes more again. */
  drained(): void;
  /** The conversation is over: nothing else comes. @param how `ended with exit code 1` */
  ended(how: string): void;
}

/**
 * One conversation with one server, in one era of the protocol. Messages are whole JSON-RPC messages that were judged: a
 * link adds what its transport needs (frames, headers) and changes no byte of them. It never throws: what goes wrong is
 * told to the events.
 */
export interface Link {
  /** Sends one message. A link that is still connecting keeps it, up to a bound. */
  send(bytes: Uint8Array, start: number, end: number): void;
  /** True while the server reads too slowly: what is sent now is kept, and more is unwise. */
  readonly isFull: boolean;
  /** Ends the conversation, and whatever runs for it alone. Open requests are not told of. */
  close(): Promise<void>;
}

/** Begins a conversation at once; it may connect later. */
export type OpenLink = (events: LinkEvents) => Link;
