/** The most bytes of one frame before and after both sides have proven themselves. */
export const MOST_BEFORE_PROOF = 1024;
export const MOST_AFTER_PROOF = 8 << 20;

/** What a peer may send: JSON behind its length (32 bits, big-endian). */
export function frameOf(value: unknown): Buffer {
  const text = JSON.stringify(value);
  const frame = Buffer.allocUnsafe(4 + Buffer.byteLength(text));
  frame.writeUInt32BE(frame.length - 4, 0);
  frame.write(text, 4);
  return frame;
}

/**
 * Puts frames together again. What is no frame throws; the connection is then of no use any more.
 * Chunks are joined once a frame is whole: many small ones cost no more than a large one.
 */
export class FrameReader {
  most = MOST_BEFORE_PROOF;
  #chunks: Buffer[] = [];
  #size = 0;
  /** Of the frame in hand, with its head; 4 while that is not whole. */
  #wanted = 4;

  /** Whether a frame has begun and is not whole. */
  get isWithin(): boolean {
    return this.#size > 0;
  }

  /**
   * @returns the objects that are whole now, in order, one at a time: `most` may be changed in between
   * @throws Error when a frame is too large, is no JSON, or no object
   */
  *push(chunk: Buffer): Generator<Readonly<Record<string, unknown>>> {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    while (this.#size >= this.#wanted) {
      const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks, this.#size);
      this.#chunks = [all];
      if (this.#wanted === 4) {
        const length = all.readUInt32BE(0);
        if (length === 0 || length > this.most) throw new Error(`a frame of ${length} bytes`);
        this.#wanted = 4 + length;
        continue;
      }
      const text = all.toString('utf8', 4, this.#wanted);
      const rest = all.subarray(this.#wanted);
      this.#chunks = rest.length === 0 ? [] : [rest];
      this.#size = rest.length;
      this.#wanted = 4;
      yield objectOf(text);
    }
  }
}

function objectOf(text: string): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('a frame that is no object');
  return value as Record<string, unknown>;
}
