/** Takes what a framer finds. */
export interface LineSink {
  /** A line, without its end. The bytes stay valid after the call: they are never written again. */
  line(bytes: Uint8Array, start: number, end: number): void;
  /** A line longer than the limit: its first 8 KB, the last 8 KB of the rest, and how many bytes it had. */
  oversize(head: Uint8Array, tail: Uint8Array, length: number): void;
}

const KEPT = 8192;
/** Pieces smaller than this are copied together: a peer that sends byte by byte must not cost an object for each. */
const SMALL = 16_384;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

/**
 * Cuts a stream into lines (LF or CRLF). Lines inside one chunk are handed on without a copy; blank ones are skipped.
 * Memory is bounded by the limit, whatever arrives.
 */
export class LineFramer {
  readonly #limit: number;
  /** The line that has begun and not ended. */
  #parts: Uint8Array[] = [];
  #length = 0;
  /** Where small pieces are gathered: `#small` up to `#used`, of which `#from` on belongs to the open line. */
  #small = new Uint8Array(0);
  #from = 0;
  #used = 0;
  /** Set while a line is over the limit. */
  #head: Uint8Array | undefined;
  #tail = new Uint8Array(0);
  #tailLength = 0;

  /** @param maxBytes longest line, without its end */
  constructor(maxBytes: number) {
    this.#limit = maxBytes;
  }

  /**
   * Takes the next bytes.
   * @param chunk must not be changed afterwards
   * @param sink gets every line that ends in it
   */
  push(chunk: Uint8Array, sink: LineSink): void {
    let from = 0;
    for (;;) {
      const newline = chunk.indexOf(NEWLINE, from);
      if (newline < 0) break;
      if (this.#length === 0) this.#whole(chunk, from, newline, sink);
      else {
        this.#append(chunk, from, newline);
        this.#finish(sink);
      }
      from = newline + 1;
    }
    if (from < chunk.length) this.#append(chunk, from, chunk.length);
  }

  /** The stream ended: hands on a last line that had no end. */
  end(sink: LineSink): void {
    if (this.#length > 0) this.#finish(sink);
  }

  #whole(chunk: Uint8Array, start: number, newline: number, sink: LineSink): void {
    const end = newline > start && chunk[newline - 1] === RETURN ? newline - 1 : newline;
    if (end - start <= this.#limit) {
      if (!isBlank(chunk, start, end)) sink.line(chunk, start, end);
      return;
    }
    const rest = Math.min(start + KEPT, end);
    sink.oversize(chunk.slice(start, rest), chunk.slice(Math.max(rest, end - KEPT), end), end - start);
  }

  #append(chunk: Uint8Array, from: number, to: number): void {
    const length = to - from;
    if (length === 0) return;
    this.#length += length;
    // One byte more may be the return of a line that just fits.
    if (this.#length > this.#limit + 1) return this.#overflow(chunk, from, to);
    if (length >= SMALL) {
      this.#seal();
      this.#parts.push(chunk.subarray(from, to));
      return;
    }
    if (this.#used + length > this.#small.length) {
      this.#seal();
      this.#small = new Uint8Array(SMALL);
      this.#from = this.#used = 0;
    }
    this.#small.set(chunk.subarray(from, to), this.#used);
    this.#used += length;
  }

  /** Moves gathered small pieces to the parts. */
  #seal(): void {
    if (this.#used > this.#from) this.#parts.push(this.#small.subarray(this.#from, this.#used));
    this.#from = this.#used;
  }

  #finish(sink: LineSink): void {
    const length = this.#length;
    this.#length = 0;
    if (this.#head !== undefined) return this.#finishOversize(sink, length);
    this.#seal();
    const line = joined(this.#parts);
    this.#parts = [];
    this.#whole(line, 0, length, sink);
  }

  #overflow(chunk: Uint8Array, from: number, to: number): void {
    if (this.#head === undefined) {
      this.#seal();
      const before = joined(this.#parts);
      this.#parts = [];
      this.#small = new Uint8Array(0);
      this.#from = this.#used = 0;
      const missing = Math.max(0, KEPT - before.length);
      const cut = Math.min(from + missing, to);
      this.#head = joined([before.slice(0, KEPT), chunk.subarray(from, cut)]);
      this.#tail = new Uint8Array(4 * KEPT);
      this.#tailLength = 0;
      this.#keepTail(before, Math.min(KEPT, before.length), before.length);
      this.#keepTail(chunk, cut, to);
      return;
    }
    const cut = Math.min(from + Math.max(0, KEPT - this.#head.length), to);
    if (cut > from) this.#head = joined([this.#head, chunk.subarray(from, cut)]);
    this.#keepTail(chunk, cut, to);
  }

  /** Keeps the last bytes; one more than asked for, which may be a return. */
  #keepTail(bytes: Uint8Array, from: number, to: number): void {
    const piece = bytes.subarray(Math.max(from, to - KEPT - 1), to);
    if (this.#tailLength + piece.length > this.#tail.length) {
      const keep = Math.min(this.#tailLength, KEPT + 1);
      this.#tail.copyWithin(0, this.#tailLength - keep, this.#tailLength);
      this.#tailLength = keep;
    }
    this.#tail.set(piece, this.#tailLength);
    this.#tailLength += piece.length;
  }

  #finishOversize(sink: LineSink, length: number): void {
    let head = this.#head!;
    let tail = this.#tail.subarray(0, this.#tailLength);
    this.#head = undefined;
    this.#tail = new Uint8Array(0);
    this.#tailLength = 0;
    let stripped = 0;
    if (tail.length > 0 && tail[tail.length - 1] === RETURN) {
      tail = tail.subarray(0, -1);
      stripped = 1;
    } else if (tail.length === 0 && head[head.length - 1] === RETURN) {
      head = head.subarray(0, -1);
      stripped = 1;
    }
    sink.oversize(head, tail.slice(Math.max(0, tail.length - KEPT)), length - stripped);
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function isBlank(bytes: Uint8Array, start: number, end: number): boolean {
  let i = start;
  while (i < end && (bytes[i] === 0x20 || bytes[i] === 0x09 || bytes[i] === RETURN)) i++;
  return i === end;
}
