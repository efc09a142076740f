import { clauseOf } from '../model/error.ts';
import { LineFramer } from '../protocol/frame.ts';
import { oneLine } from '../protocol/one-line.ts';
import type { Link, LinkEvents } from './link.ts';
import { describeEnd, type ProcessUpstream } from './process.ts';

export interface StdioLinkOptions {
  /** Starts the process. */
  start(): Promise<ProcessUpstream>;
  readonly maxMessageBytes: number;
}

/** What may wait for a process that is still starting, or reads too slowly. */
const MOST_WAITING_BYTES = 16 << 20;

/** A link to a process of its own, which lives as long as the link: one message a line. */
export function stdioLink(options: StdioLinkOptions, events: LinkEvents): Link {
  return new StdioLink(options, events);
}

class StdioLink implements Link {
  readonly #events: LinkEvents;
  readonly #starting: Promise<ProcessUpstream | undefined>;
  #upstream: ProcessUpstream | undefined;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #isClosed = false;

  constructor(options: StdioLinkOptions, events: LinkEvents) {
    this.#events = events;
    this.#starting = options.start().then(
      (upstream) => this.#started(upstream, options.maxMessageBytes),
      (error: unknown) => {
        this.#over(`could not be started: ${clauseOf(error)}`);
        return undefined;
      },
    );
  }

  get isFull(): boolean {
    const { stdin } = this.#upstream ?? {};
    return (stdin === undefined ? this.#waitingBytes : stdin.writableLength) >= MOST_WAITING_BYTES;
  }

  send(bytes: Uint8Array, start: number, end: number): void {
    if (this.#isClosed) return;
    const line = oneLine(bytes, start, end);
    if (this.#upstream === undefined) {
      this.#waiting.push(line);
      this.#waitingBytes += line.length;
    } else write(this.#upstream, line);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#waiting = [];
    const upstream = await this.#starting;
    await upstream?.stop();
  }

  #started(upstream: ProcessUpstream, maxMessageBytes: number): ProcessUpstream {
    this.#upstream = upstream;
    if (this.#isClosed) return upstream;
    const framer = new LineFramer(maxMessageBytes);
    const sink = {
      line: (bytes: Uint8Array, start: number, end: number) =>
        this.#tell(() => this.#events.message(bytes, start, end, undefined)),
      oversize: (head: Uint8Array, tail: Uint8Array, length: number) =>
        this.#tell(() => this.#events.oversize(head, tail, length, undefined)),
    };
    upstream.stdout.on('data', (chunk: Buffer) => framer.push(chunk, sink));
    upstream.stdin.on('drain', () => this.#tell(() => this.#events.drained()));
    void upstream.ended.then((end) => {
      framer.end(sink);
      this.#over(describeEnd(end));
    });
    for (const line of this.#waiting) write(upstream, line);
    this.#waiting = [];
    return upstream;
  }

  #over(how: string): void {
    this.#tell(() => {
      this.#isClosed = true;
      this.#events.ended(how);
    });
  }

  #tell(what: () => void): void {
    if (!this.#isClosed) what();
  }
}

function write(upstream: ProcessUpstream, line: Uint8Array): void {
  const { stdin } = upstream;
  stdin.cork();
  stdin.write(line);
  stdin.write('\n');
  process.nextTick(() => stdin.uncork());
}
