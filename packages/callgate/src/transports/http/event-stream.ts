import type { ServerResponse } from 'node:http';

/** RFC-free, but what nginx and its kin read: do not collect this. */
const HEAD = [
  'Content-Type',
  'text/event-stream',
  // Without no-transform, proxies that compress would hold events back.
  'Cache-Control',
  'no-cache, no-store, no-transform',
  'X-Accel-Buffering',
  'no',
  'X-Content-Type-Options',
  'nosniff',
] as const;

const CR = 13;
const LF = 10;
const KEEP_ALIVE = Buffer.from(': \n\n');

/**
 * A response that is an event stream (WHATWG HTML section 9.2). What its reader does not take is kept up to a bound; then
 * the connection is cut, since nobody else may pay for a slow reader.
 */
export class EventStream {
  readonly #response: ServerResponse;
  readonly #mostBuffered: () => number;
  /** When something was written last, on the door's clock. */
  lastWrite: number;

  /**
   * Begins the stream at once.
   * @param more further header fields, names and values in turn
   */
  constructor(response: ServerResponse, mostBuffered: () => number, now: number, more: readonly string[]) {
    this.#response = response;
    this.#mostBuffered = mostBuffered;
    this.lastWrite = now;
    response.writeHead(200, more.length === 0 ? (HEAD as unknown as string[]) : [...HEAD, ...more]);
  }

  /** False once the client has hung up or the stream has ended. */
  get isOpen(): boolean {
    return !this.#response.destroyed && !this.#response.writableEnded;
  }

  /** Sends the head now, where no event follows at once. */
  begin(): void {
    this.#response.flushHeaders();
  }

  /**
   * Sends one event whole.
   * @param frame from `frameOf`
   */
  send(frame: Uint8Array, now: number): void {
    if (!this.isOpen) return;
    if (this.#response.writableLength > this.#mostBuffered()) {
      this.#response.destroy();
      return;
    }
    this.lastWrite = now;
    this.#response.write(frame);
  }

  keepAlive(now: number): void {
    this.send(KEEP_ALIVE, now);
  }

  /** The last event, and the end. */
  end(frame?: Uint8Array): void {
    if (!this.isOpen) return;
    if (frame === undefined) this.#response.end();
    else this.#response.end(frame);
  }
}

/**
 * A message as one event. Line ends inside it, which JSON has only between its tokens, become spaces.
 * @param line the message; not changed
 * @param id of the event, or undefined when nothing is kept
 */
export function frameOf(line: Uint8Array, id: string | undefined): Buffer {
  const head = id === undefined ? 'data: ' : `id: ${id}\ndata: `;
  const frame = Buffer.allocUnsafe(head.length + line.length + 2);
  frame.write(head, 0, 'latin1');
  frame.set(line, head.length);
  blankLineEnds(frame, head.length, head.length + line.length);
  frame[frame.length - 2] = LF;
  frame[frame.length - 1] = LF;
  return frame;
}

/** Replaces line ends, which would end a line of a stream or of a server's input, by spaces. */
export function blankLineEnds(bytes: Buffer, start: number, end: number): void {
  for (const wanted of [LF, CR]) {
    for (let at = bytes.indexOf(wanted, start); at >= 0 && at < end; at = bytes.indexOf(wanted, at + 1))
      bytes[at] = 0x20;
  }
}

/** The first event of a stream that can be taken up again: an id, how soon to come back, and no message. */
export function primingFrame(id: string, retryMs: number): Buffer {
  return Buffer.from(`id: ${id}\nretry: ${retryMs}\ndata: \n\n`);
}
