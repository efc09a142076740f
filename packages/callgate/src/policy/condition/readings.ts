/**
 * What texts were read as, for a reader that costs more than a look-up. Within a decision every text is read once, however
 * many rules ask; short ones are kept for later decisions.
 */
export interface Readings<T> {
  read(text: string): T;
  /** Ends a decision: what only it could ask for again is dropped. */
  forget(): void;
  /** For tests: how many are kept between decisions. */
  size(): number;
}

const MOST_KEPT = 256;
const LONGEST_KEPT = 4_096;
/** Most texts of one decision; beyond that they are read again. */
const MOST_OPEN = 64;

/** Opens an empty memory over a reader, which must be pure. */
export function openReadings<T>(read: (text: string) => T): Readings<T> {
  const kept = new Map<string, T>();
  const open = new Map<string, T>();
  return {
    read(text) {
      const isShort = text.length <= LONGEST_KEPT;
      const known = (isShort ? kept : open).get(text);
      if (known !== undefined) return known;
      const fresh = read(text);
      if (!isShort) {
        if (open.size < MOST_OPEN) open.set(text, fresh);
        return fresh;
      }
      // The oldest goes first: a map keeps the order in which keys were put in.
      if (kept.size >= MOST_KEPT) kept.delete(kept.keys().next().value as string);
      kept.set(text, fresh);
      return fresh;
    },
    forget() {
      if (open.size > 0) open.clear();
    },
    size: () => kept.size,
  };
}
