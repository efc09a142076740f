const RETURN = 0x0d;

/**
 * Finds carriage returns inside lines. They are white space to JSON and the end of a line to peers that read text with any
 * line ending (Python's text mode does): to those, `{"x":\r{...}\r}` holds a message of its own that nobody has judged.
 */
export class Returns {
  #bytes: Uint8Array | undefined;
  #from = 0;
  #next = 0;

  /** Whether one stands in `[start, end)`. Lines of one buffer are asked in order; the buffer is read once for all. */
  within(bytes: Uint8Array, start: number, end: number): boolean {
    if (bytes !== this.#bytes || start < this.#from || (this.#next >= 0 && this.#next < start)) {
      this.#bytes = bytes;
      this.#from = start;
      this.#next = bytes.indexOf(RETURN, start);
    }
    return this.#next >= 0 && this.#next < end;
  }
}
