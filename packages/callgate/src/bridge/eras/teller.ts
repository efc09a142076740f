import type { Id } from '../../protocol/correlate.ts';
import type { LinkEvents, LinkFailure } from '../../upstreams/link.ts';

/**
 * Tells the events of a link in order, and never during its `send`: what an adapter answers itself waits for the end of
 * the running turn.
 */
export class Teller {
  readonly #events: LinkEvents;
  #waiting: (() => void)[] = [];
  #sending = 0;
  #isScheduled = false;
  #isOver = false;

  constructor(events: LinkEvents) {
    this.#events = events;
  }

  /** Runs a `send`; what is told during it waits. */
  during(send: () => void): void {
    this.#sending++;
    try {
      send();
    } finally {
      this.#sending--;
    }
  }

  message(line: Uint8Array, about: Id | undefined): void {
    this.#tell(() => this.#events.message(line, 0, line.length, about));
  }

  /** A part of a buffer that stays as it is. */
  span(bytes: Uint8Array, start: number, end: number, about: Id | undefined): void {
    this.#tell(() => this.#events.message(bytes, start, end, about));
  }

  oversize(head: Uint8Array, tail: Uint8Array, length: number, about: Id | undefined): void {
    this.#tell(() => this.#events.oversize(head, tail, length, about));
  }

  failed(id: Id, failure: LinkFailure): void {
    this.#tell(() => this.#events.failed(id, failure));
  }

  drained(): void {
    this.#tell(() => this.#events.drained());
  }

  ended(how: string): void {
    this.#tell(() => this.#events.ended(how));
  }

  /** Tells nothing more. */
  close(): void {
    this.#isOver = true;
    this.#waiting = [];
  }

  #tell(event: () => void): void {
    if (this.#isOver) return;
    if (this.#sending === 0 && this.#waiting.length === 0) return event();
    this.#waiting.push(event);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.#empty());
  }

  #empty(): void {
    this.#isScheduled = false;
    while (this.#waiting.length > 0) {
      try {
        this.#waiting[0]!();
      } finally {
        this.#waiting.shift();
        // For when it threw: what comes after it is told all the same.
        if (this.#waiting.length > 0) this.#schedule();
      }
    }
  }
}
