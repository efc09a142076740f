import { decodeUtf8 } from './text.ts';

/** Takes what a stream of events holds. */
export interface EventSink {
  /**
   * An event. Its data, when it was one line that came in one piece, is a slice of the bytes that were pushed; the bytes
   * stay valid after the call.
   * @param type empty for an event that named none, which means `message`
   * @param id the last id of the stream; empty when there was none
   */
  event(type: string, id: string, bytes: Uint8Array, start: number, end: number): void;
  /** An event with more data than the limit: its first bytes, and how many there were. */
  oversize(head: Uint8Array, length: number): void;
}

const KEPT = 8192;
const LONGEST_NAME = 1024;
/** What a line may have beside its value. */
const FIELD_ROOM = 16;
const RETURN = 0x0d;
const NEWLINE = 0x0a;
const COLON = 0x3a;
const NOTHING = new Uint8Array(0);

/**
 * Reads a stream of server-sent events (HTML standard, "Interpreting an event stream") from chunks of bytes. Linear, and
 * its memory is bounded by the limit, whatever arrives. What was not ended by a blank line is no event.
 */
export class EventStream {
  readonly #limit: number;
  /** A line that has begun and not ended. */
  readonly #line = new Gathered();
  /** Bytes of that line that were not kept, because it is longer than any line of use. */
  #dropped = 0;
  #data: { bytes: Uint8Array; start: number; end: number } | undefined;
  /** Holds the data once it has more than one line. */
  readonly #lines = new Gathered();
  #size = 0;
  #type = '';
  #id = '';
  #retryMs: number | undefined;
  #isFirst = true;
  #afterReturn = false;
  #stopped = false;

  /** @param maxBytes most data of one event */
  constructor(maxBytes: number) {
    this.#limit = maxBytes;
  }

  /** The last `id` of the stream, empty when there was none: what a reader that comes back names. */
  get lastId(): string {
    return this.#id;
  }

  /** How long the server wants a reader to wait before it comes back. */
  get retryMs(): number | undefined {
    return this.#retryMs;
  }

  /** Bytes of the event and the line that have begun and not ended. */
  get open(): number {
    return this.#size + this.#line.length + this.#dropped;
  }

  /** Nothing more is handed on, not even of the chunk in hand. */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * Takes the next bytes.
   * @param chunk must not be changed afterwards
   * @param sink gets every event that ends in it
   */
  push(chunk: Uint8Array, sink: EventSink): void {
    let from = 0;
    if (this.#afterReturn && chunk.length > 0) {
      this.#afterReturn = false;
      if (chunk[0] === NEWLINE) from = 1;
    }
    let newline = chunk.indexOf(NEWLINE, from);
    let carriage = chunk.indexOf(RETURN, from);
    while (!this.#stopped && (newline >= 0 || carriage >= 0)) {
      const isReturn = carriage >= 0 && (newline < 0 || carriage < newline);
      const end = isReturn ? carriage : newline;
      this.#endLine(chunk, from, end, sink);
      from = end + 1;
      if (isReturn) {
        if (from === chunk.length) this.#afterReturn = true;
        else if (chunk[from] === NEWLINE) from++;
        carriage = chunk.indexOf(RETURN, from);
      }
      // Each is looked for again only when it was passed, so that a chunk is read a fixed number of times.
      if (newline >= 0 && newline < from) newline = chunk.indexOf(NEWLINE, from);
    }
    if (!this.#stopped && from < chunk.length) this.#keep(chunk, from, chunk.length);
  }

  #keep(chunk: Uint8Array, from: number, to: number): void {
    const room = this.#limit + FIELD_ROOM - this.#line.length;
    const fits = Math.max(0, Math.min(to - from, room));
    this.#line.add(chunk, from, from + fits);
    this.#dropped += to - from - fits;
  }

  #endLine(chunk: Uint8Array, from: number, end: number, sink: EventSink): void {
    const line = this.#line;
    if (line.length === 0 && this.#dropped === 0) return this.#read(chunk, from, end, 0, sink);
    this.#keep(chunk, from, end);
    const { length } = line;
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#read(line.take(), 0, length, dropped, sink);
  }

  /** One line; `dropped` bytes of it were not kept. */
  #read(bytes: Uint8Array, start: number, end: number, dropped: number, sink: EventSink): void {
    let from = start;
    if (this.#isFirst) {
      this.#isFirst = false;
      if (end - from >= 3 && bytes[from] === 0xef && bytes[from + 1] === 0xbb && bytes[from + 2] === 0xbf) from += 3;
    }
    if (from === end) return this.#dispatch(sink);
    // No field has a longer name than five letters: what has no colon behind those is none.
    let colon = from;
    while (colon < end && bytes[colon] !== COLON && colon - from < 6) colon++;
    if (colon - from === 6) return;
    if (colon - from === 4 && isData(bytes, from)) this.#addData(bytes, valueStart(bytes, colon, end), end, dropped);
    else this.#field(bytes, from, colon, end);
  }

  #addData(bytes: Uint8Array, start: number, end: number, dropped: number): void {
    const isFirst = this.#data === undefined && this.#lines.length === 0 && this.#size === 0;
    if (isFirst && dropped === 0 && end - start <= this.#limit) {
      this.#data = { bytes, start, end };
      this.#size = end - start + 1;
      return;
    }
    const first = this.#data;
    if (first !== undefined) {
      this.#data = undefined;
      this.#addLine(first.bytes, first.start, first.end);
    }
    this.#addLine(bytes, start, end);
    this.#size += end - start + dropped + 1;
  }

  /** Lines after the first are copied behind one another; what is over the limit is only counted. */
  #addLine(bytes: Uint8Array, start: number, end: number): void {
    const room = this.#limit + 1 - this.#lines.length;
    if (room <= 0) return;
    this.#lines.add(bytes, start, Math.min(end, start + room));
    this.#lines.add(LINE_END, 0, 1);
  }

  #field(bytes: Uint8Array, start: number, colon: number, end: number): void {
    if (colon === start) return; // a comment
    const name = decodeUtf8(bytes, start, colon);
    if (name !== 'event' && name !== 'id' && name !== 'retry') return;
    const from = valueStart(bytes, colon, end);
    const value = decodeUtf8(bytes, from, Math.min(end, from + LONGEST_NAME));
    if (name === 'event') this.#type = value;
    else if (name === 'retry') {
      if (/^\d{1,9}$/.test(value)) this.#retryMs = Number(value);
    } else if (end - from > LONGEST_NAME) this.#id = '';
    else if (!value.includes('\0')) this.#id = value;
  }

  #dispatch(sink: EventSink): void {
    const type = this.#type;
    this.#type = '';
    if (this.#size === 0) return;
    const length = this.#size - 1;
    this.#size = 0;
    const data = this.#data;
    this.#data = undefined;
    if (data !== undefined) return sink.event(type, this.#id, data.bytes, data.start, data.end);
    const gathered = this.#lines.take();
    if (length > this.#limit) sink.oversize(gathered.slice(0, Math.min(KEPT, length)), length);
    else sink.event(type, this.#id, gathered, 0, length);
  }
}

const LINE_END = Uint8Array.of(NEWLINE);

const isData = (bytes: Uint8Array, at: number): boolean =>
  bytes[at] === 0x64 && bytes[at + 1] === 0x61 && bytes[at + 2] === 0x74 && bytes[at + 3] === 0x61;

/** Where the value of a field begins: behind its colon and one space. */
const valueStart = (bytes: Uint8Array, colon: number, end: number): number =>
  Math.min(end, colon + (colon + 1 < end && bytes[colon + 1] === 0x20 ? 2 : 1));

/** Bytes that come in pieces, copied behind one another; twice the room each time, so that small pieces cost little. */
class Gathered {
  #bytes: Uint8Array = NOTHING;
  length = 0;

  add(bytes: Uint8Array, start: number, end: number): void {
    const length = this.length + end - start;
    if (length > this.#bytes.length) {
      const wider = new Uint8Array(Math.max(256, 2 * length));
      wider.set(this.#bytes.subarray(0, this.length));
      this.#bytes = wider;
    }
    this.#bytes.set(bytes.subarray(start, end), this.length);
    this.length = length;
  }

  /** Gives them away: they are never written again. */
  take(): Uint8Array {
    const bytes = this.#bytes;
    this.#bytes = NOTHING;
    this.length = 0;
    return bytes;
  }
}
