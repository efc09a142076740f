/** One event that was sent, or is to be. */
interface Kept {
  readonly stream: number;
  readonly sequence: number;
  readonly frame: Uint8Array;
}

/**
 * The last events of one session, bounded by number and by bytes; the oldest go first. An id says its stream and its place
 * in it, so that what is replayed is of that stream alone; the store is of one session, so that it is of no other client.
 */
export class EventStore {
  readonly #mostEvents: number;
  readonly #mostBytes: () => number;
  #events: Kept[] = [];
  /** Of `#events`, so many at the front have gone already. */
  #gone = 0;
  #bytes = 0;

  constructor(mostEvents: number, mostBytes: () => number) {
    this.#mostEvents = mostEvents;
    this.#mostBytes = mostBytes;
  }

  keep(stream: number, sequence: number, frame: Uint8Array): void {
    this.#events.push({ stream, sequence, frame });
    this.#bytes += frame.length;
    const mostBytes = this.#mostBytes();
    while (
      this.#events.length - this.#gone > this.#mostEvents ||
      (this.#bytes > mostBytes && this.#gone < this.#events.length)
    ) {
      this.#bytes -= this.#events[this.#gone]!.frame.length;
      this.#gone++;
    }
    if (this.#gone > 64 && this.#gone * 2 > this.#events.length) {
      this.#events = this.#events.slice(this.#gone);
      this.#gone = 0;
    }
  }

  /** What a stream had after a place in it, oldest first. */
  after(stream: number, sequence: number): Uint8Array[] {
    const frames: Uint8Array[] = [];
    for (let i = this.#gone; i < this.#events.length; i++) {
      const event = this.#events[i]!;
      if (event.stream === stream && event.sequence > sequence) frames.push(event.frame);
    }
    return frames;
  }

  clear(): void {
    this.#events = [];
    this.#gone = 0;
    this.#bytes = 0;
  }
}

/** The id of an event. */
export function eventId(stream: number, sequence: number): string {
  return `${stream.toString(36)}-${sequence.toString(36)}`;
}

/** The stream and the place an id says; undefined when we made no such id. */
export function parseEventId(id: string): { readonly stream: number; readonly sequence: number } | undefined {
  const [first = '', second = '', ...rest] = id.split('-');
  if (rest.length > 0 || first === '' || second === '' || id.length > 32) return undefined;
  const stream = Number.parseInt(first, 36);
  const sequence = Number.parseInt(second, 36);
  return eventId(stream, sequence) === id ? { stream, sequence } : undefined;
}
