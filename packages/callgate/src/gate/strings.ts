import { KEY, type Scanner } from '../protocol/scan.ts';
import { stringAt, walkStrings } from '../protocol/tape.ts';

/** A string of a message, with the name of the nearest member that holds it. */
export interface PlacedString {
  readonly pointer: string;
  readonly key?: string;
  readonly text: string;
}

/** All strings below a node, keys included, in the order they are written. */
export function stringsOf(tape: Scanner, node: number): PlacedString[] {
  const found: PlacedString[] = [];
  walkStrings(tape, node, (at, pointer, key) => {
    const text = stringAt(tape, at);
    const isNamed = key >= 0 && tape.kinds[at] !== KEY;
    found.push(isNamed ? { pointer: pointer(), key: stringAt(tape, key), text } : { pointer: pointer(), text });
  });
  return found;
}
