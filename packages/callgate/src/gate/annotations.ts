import type { Annotations } from '../model/call.ts';
import { HINTS } from '../policy/document/annotations.ts';
import { FALSE, OBJECT, STRING, TRUE, type Scanner } from '../protocol/scan.ts';
import { elements, member, stringAt } from '../protocol/tape.ts';

const MOST_TOOLS = 10_000;

/**
 * Reads what a trusted server claims about its tools from a `tools/list` result into `known`.
 * A tool without annotations has the claims `{}`: known, and empty.
 */
export function readAnnotations(tape: Scanner, result: number, known: Map<string, Annotations>): void {
  const tools = result < 0 ? -1 : member(tape, result, 'tools');
  if (tools < 0) return;
  for (const tool of elements(tape, tools)) {
    if (tape.kinds[tool] !== OBJECT) continue;
    const name = member(tape, tool, 'name');
    if (name < 0 || tape.kinds[name] !== STRING) continue;
    if (known.size >= MOST_TOOLS) return;
    known.set(stringAt(tape, name), claims(tape, member(tape, tool, 'annotations')));
  }
}

function claims(tape: Scanner, node: number): Annotations {
  const read: { -readonly [K in keyof Annotations]: Annotations[K] } = {};
  if (node < 0 || tape.kinds[node] !== OBJECT) return read;
  for (const hint of HINTS) {
    const value = member(tape, node, hint);
    if (value < 0) continue;
    if (tape.kinds[value] === TRUE) read[hint] = true;
    else if (tape.kinds[value] === FALSE) read[hint] = false;
  }
  return read;
}
