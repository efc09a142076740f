import { readMessage } from '../protocol/message.ts';
import { type AnswerTaker, HttpAnswer, type Trouble } from './http-answer.ts';
import { tape } from './http-calls.ts';
import { type HeaderList, tokenOf } from './http-headers.ts';
import type { Wire } from './http-wire.ts';
import type { LinkEvents } from './link.ts';

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;
const SHORTEST_WAIT_MS = 50;

/** How long to wait before a stream is taken up again: what the server asked for, else longer each time. */
export function waitBefore(attempt: number, retryMs: number | undefined): number {
  const wanted = Math.max(retryMs ?? FIRST_WAIT_MS, SHORTEST_WAIT_MS);
  return Math.min(wanted * 2 ** Math.min(attempt, 10), LONGEST_WAIT_MS);
}

/** The stream on which a server of a session says what belongs to no request (up to 2025-11-25: GET). */
export class StandingStream implements AnswerTaker<undefined> {
  /** Answers, which have no place here. */
  dropped = 0;
  readonly #wire: Wire;
  readonly #events: LinkEvents;
  readonly #headers: () => HeaderList;
  readonly #lost: () => void;
  #wasGiven = false;
  #answer: HttpAnswer<undefined> | undefined;
  #lastId: string | undefined;
  #attempt = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /**
   * @param headers of the session, asked for each time
   * @param lost called when the server no longer knows the session of a stream that it had given
   */
  constructor(wire: Wire, events: LinkEvents, headers: () => HeaderList, lost: () => void) {
    this.#wire = wire;
    this.#events = events;
    this.#headers = headers;
    this.#lost = lost;
  }

  open(): void {
    if (this.#isClosed || this.#answer !== undefined) return;
    const headers = this.#headers();
    if (this.#lastId !== undefined) headers.push('last-event-id', this.#lastId);
    this.#answer = new HttpAnswer<undefined>('stream', this.#wire.limits.messageBytes, this, undefined);
    this.#wire.begin('GET', headers, null, this.#answer, { idleMs: 0 });
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#answer?.stop();
  }

  message(answer: HttpAnswer<undefined>, bytes: Uint8Array, start: number, end: number): void {
    this.#attempt = 0;
    this.#note(answer);
    const message = readMessage(tape, bytes, start, end);
    // An answer has no place here: it could be put in the place of another call's.
    if (!('refused' in message) && (message.kind === 'result' || message.kind === 'error')) this.dropped++;
    else this.#events.message(bytes, start, end, undefined);
  }

  oversize(_answer: HttpAnswer<undefined>, head: Uint8Array, length: number): void {
    this.#events.oversize(head, new Uint8Array(0), length, undefined);
  }

  done(answer: HttpAnswer<undefined>, trouble: Trouble | undefined): void {
    this.#answer = undefined;
    if (this.#isClosed) return;
    this.#wasGiven ||= answer.isStream;
    if (answer.status === 404 && this.#wasGiven) return this.#lost();
    if (answer.status === 405 || (!this.#wasGiven && hasNone(answer))) return;
    this.#note(answer);
    const wait = trouble?.failure.retryAfterMs ?? waitBefore(this.#attempt++, answer.retryMs);
    this.#timer = setTimeout(() => this.open(), wait).unref();
  }

  #note(answer: HttpAnswer<undefined>): void {
    this.#lastId = tokenOf(answer.lastId) ?? this.#lastId;
  }
}

/** What was never given, and is refused for no passing reason, is not there. */
const hasNone = ({ status, isStream }: HttpAnswer<undefined>) =>
  status !== 0 && !isStream && status < 500 && status !== 408 && status !== 429;
