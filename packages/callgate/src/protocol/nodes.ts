/** Kinds of tape nodes. */
export const NULL = 0;
export const FALSE = 1;
export const TRUE = 2;
export const NUMBER = 3;
export const STRING = 4;
export const KEY = 5;
export const ARRAY = 6;
export const OBJECT = 7;

/** Flag of a STRING or KEY whose text has escapes. */
export const ESCAPED = 1;

/**
 * One scanned value as flat arrays in preorder; node 0 is the value itself. A KEY is followed by its value. The arrays
 * may be replaced by the next scan: read them from here each time.
 */
export class Tape {
  bytes: Uint8Array = new Uint8Array(0);
  count = 0;
  kinds = new Uint8Array(512);
  /** ESCAPED or 0. */
  flags = new Uint8Array(512);
  /** First byte of the token; strings with their quotes, containers with their brackets. */
  starts = new Int32Array(512);
  /** One past the last byte of the token. */
  ends = new Int32Array(512);
  /** The node after the subtree. A KEY is a leaf, so that its next is its value. */
  nexts = new Int32Array(512);

  /** Makes the arrays this long, keeping what they hold. */
  resize(length: number): void {
    const kept = Math.min(length, this.kinds.length);
    const bytes = (old: Uint8Array): Uint8Array<ArrayBuffer> => {
      const room = new Uint8Array(length);
      room.set(old.subarray(0, kept));
      return room;
    };
    const words = (old: Int32Array): Int32Array<ArrayBuffer> => {
      const room = new Int32Array(length);
      room.set(old.subarray(0, kept));
      return room;
    };
    this.kinds = bytes(this.kinds);
    this.flags = bytes(this.flags);
    this.starts = words(this.starts);
    this.ends = words(this.ends);
    this.nexts = words(this.nexts);
  }
}
