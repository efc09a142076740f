import { KEY, type Scanner } from '../protocol/scan.ts';
import { stringAt, walkStrings, type Holder } from '../protocol/tape.ts';

/** A string of a message, with the name of the nearest member that holds it. */
export interface PlacedString {
  readonly text: string;
  readonly key: string | undefined;
  /** The list or object it stands in. */
  readonly holder: Holder | undefined;
}

/** All strings below a node, keys included, in the order they are written. */
export function stringsOf(tape: Scanner, node: number): PlacedString[] {
  const found: PlacedString[] = [];
  walkStrings(tape, node, (at, _pointer, key, holder) => {
    const isNamed = key >= 0 && tape.kinds[at] !== KEY;
    found.push({ text: stringAt(tape, at), key: isNamed ? stringAt(tape, key) : undefined, holder });
  });
  return found;
}
