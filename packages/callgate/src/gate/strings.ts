import { KEY, type Scanner } from '../protocol/scan.ts';
import { stringAt, walkStrings } from '../protocol/tape.ts';

/** A string of a message, with the name of the member that holds it. */
export interface PlacedString {
  readonly pointer: string;
  readonly key?: string;
  readonly text: string;
}

/** All strings below a node, keys included. */
export function stringsOf(tape: Scanner, node: number): PlacedString[] {
  const found: PlacedString[] = [];
  walkStrings(tape, node, (at, pointer) => {
    const where = pointer();
    const text = stringAt(tape, at);
    found.push(tape.kinds[at] === KEY ? { pointer: where, text } : { pointer: where, key: lastSegment(where), text });
  });
  return found;
}

/** The nearest member name in a JSON pointer; array positions are passed over. */
function lastSegment(pointer: string): string {
  const parts = pointer.split('/');
  while (parts.length > 1 && /^\d+$/.test(parts.at(-1) as string)) parts.pop();
  return (parts.at(-1) ?? '').replaceAll('~1', '/').replaceAll('~0', '~');
}
