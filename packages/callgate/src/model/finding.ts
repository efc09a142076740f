import type { Direction } from './call.ts';

/** Something inspection saw in one string. Offsets are UTF-16 units of the original string. */
export interface Finding {
  readonly ruleId: string;
  readonly class: string;
  readonly start: number;
  readonly end: number;
  readonly confidence: number;
}

/** A finding placed in a message. */
export interface PlacedFinding extends Finding {
  readonly direction: Direction;
  /** JSON pointer of the string; keys count as strings (`.../~key`). */
  readonly pointer: string;
}
