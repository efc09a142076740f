import type { Id } from './correlate.ts';
import { NUMBER, STRING, type Tape } from './nodes.ts';
import { member, numberAt, stringAt } from './tape.ts';

/** The text of a member that is a string; undefined when there is none. */
export function textMember(tape: Tape, object: number, name: string): string | undefined {
  const node = member(tape, object, name);
  return node >= 0 && tape.kinds[node] === STRING ? stringAt(tape, node) : undefined;
}

/** The value of a member that is a number which JavaScript holds exactly; undefined when there is none. */
export function numberMember(tape: Tape, object: number, name: string): number | undefined {
  const node = member(tape, object, name);
  const value = node >= 0 && tape.kinds[node] === NUMBER ? numberAt(tape, node) : undefined;
  return typeof value === 'number' ? value : undefined;
}

/** The id that a node holds, a string or a safe integer; undefined when it holds none. */
export function idAt(tape: Tape, node: number): Id | undefined {
  if (node < 0) return undefined;
  if (tape.kinds[node] === STRING) return stringAt(tape, node);
  if (tape.kinds[node] !== NUMBER) return undefined;
  const value = numberAt(tape, node);
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined;
}
