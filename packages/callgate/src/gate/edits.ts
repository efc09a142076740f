import type { ClampObligation, Decision, Obligation, SetObligation } from '../model/decision.ts';
import { readMessage, type Message } from '../protocol/message.ts';
import type { Scanner } from '../protocol/scan.ts';
import { splice, type Edit } from '../protocol/splice.ts';
import { member } from '../protocol/tape.ts';
import { callOf, judgedPart } from './calls.ts';
import { denial } from './faults.ts';
import { redact, redactionsOn, untrustedHit } from './obligations.ts';
import type { LiveCall } from './live-call.ts';
import { clampEdits, setEdits, Unchangeable, type Place } from './rewrite.ts';
import type { Session } from './session.ts';

/** One change of the arguments; a denial when it cannot be made. */
type Step = (tape: Scanner, message: Message) => readonly Edit[] | Decision;

/**
 * The edits that a decision asks for in a request or notification: `set`, then `clamp`, then `redact`, each on what the one
 * before has left. A denial when one cannot be made: none is ever skipped.
 */
export function argumentEdits(session: Session, message: Message, decision: Decision): readonly Edit[] | Decision {
  const steps = stepsOf(decision);
  let tape = session.tape;
  let current = message;
  let line: Uint8Array | undefined;
  for (const [index, step] of steps.entries()) {
    const edits = step(tape, current);
    if ('effect' in edits) return edits;
    if (edits.length === 0) continue;
    const isLast = index === steps.length - 1;
    if (isLast && line === undefined) return edits;
    line = splice(tape.bytes, tape.starts[0]!, tape.ends[0]!, edits);
    if (isLast) break;
    const read = readMessage(session.spare, line, 0, line.length);
    if ('refused' in read) return denial('set', `What the arguments become cannot be read: ${read.message}`);
    tape = session.spare;
    current = read;
  }
  if (line === undefined) return NONE;
  return [{ start: session.tape.starts[0]!, end: session.tape.ends[0]!, text: line }];
}

/**
 * The call as it leaves with these edits; undefined when there are none.
 * @throws when what it becomes cannot be read
 */
export function callAsEdited(session: Session, call: LiveCall, edits: readonly Edit[]): LiveCall | undefined {
  if (edits.length === 0) return undefined;
  const { tape, spare } = session;
  const line = splice(tape.bytes, tape.starts[0]!, tape.ends[0]!, edits);
  const read = readMessage(spare, line, 0, line.length);
  if ('refused' in read) throw new Error(`what its arguments become cannot be read: ${read.message}`);
  return callOf({ ...session, tape: spare }, call.direction === 'call' ? 'client' : 'server', read);
}

/** Those of files that nobody trusts come after the others, and may change nothing. */
function stepsOf(decision: Decision): readonly Step[] {
  const steps: Step[] = [];
  for (const untrusted of [undefined, true] as const) {
    const sets = decision.obligations.filter((duty): duty is SetObligation => duty.kind === 'set');
    const clamps = decision.obligations.filter((duty): duty is ClampObligation => duty.kind === 'clamp');
    steps.push(
      ...changing(
        sets.filter((duty) => duty.untrusted === untrusted),
        setEdits,
      ),
    );
    steps.push(
      ...changing(
        clamps.filter((duty) => duty.untrusted === untrusted),
        clampEdits,
      ),
    );
  }
  const redactions = redactionsOn('args', decision, undefined);
  if (redactions === undefined) return steps;
  steps.push((tape, message) => {
    if (message.params < 0) return NONE;
    const node = judgedPart(message);
    return untrustedHit(tape, node, redactions, message) ?? redact(tape, node, redactions, message);
  });
  return steps;
}

function changing<T extends SetObligation | ClampObligation>(
  duties: readonly T[],
  editsOf: (tape: Scanner, place: Place, duties: readonly T[]) => readonly Edit[],
): Step[] {
  const [first] = duties;
  if (first === undefined) return [];
  return [
    (tape, message) => {
      try {
        const edits = editsOf(tape, placeOf(tape, message), duties);
        return edits.length > 0 && first.untrusted === true ? foreign(first) : edits;
      } catch (error) {
        if (!(error instanceof Unchangeable)) throw error;
        return denial(error.rule, `Its arguments cannot be changed as they have to be: ${error.message}.`);
      }
    },
  ];
}

function foreign({ rule }: Obligation): Decision {
  return denial(rule, 'A policy file of the project, which nobody has trusted, wants to change what this call says.');
}

/** Of the call of a tool or prompt the arguments, of anything else the params. */
function placeOf(tape: Scanner, message: Message): Place {
  if (message.name === undefined) return { node: message.params, holder: 0, name: 'params' };
  const written = member(tape, message.params, 'arguments');
  return { node: message.args >= 0 ? message.args : written, holder: message.params, name: 'arguments' };
}

const NONE: readonly Edit[] = [];
