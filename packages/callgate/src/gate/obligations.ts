import { messageOf } from '../model/error.ts';
import type { Decision, RedactObligation } from '../model/decision.ts';
import type { Message } from '../protocol/message.ts';
import type { Scanner } from '../protocol/scan.ts';
import type { Edit } from '../protocol/splice.ts';
import { besides, namesSecret } from './besides.ts';
import { redactEdits, type Redaction } from './redact.ts';

/** The redactions of a decision that concern one side, after those that are due already. */
export function redactionsOn(
  side: 'args' | 'result',
  decision: Decision,
  before: readonly RedactObligation[] | undefined,
): readonly RedactObligation[] | undefined {
  if (decision.obligations.length === 0) return before;
  const found = decision.obligations.filter(
    (duty): duty is RedactObligation => duty.kind === 'redact' && (duty.on === side || duty.on === 'both'),
  );
  return found.length === 0 ? before : [...(before ?? []), ...found];
}

/**
 * The edits that redactions ask for below a node and beside it; a denial when they cannot be made: a redaction is never
 * skipped.
 */
export function redact(
  tape: Scanner,
  node: number,
  redactions: readonly RedactObligation[],
  message: Message,
): readonly Edit[] | Decision {
  try {
    const others = besides(tape, message);
    if (others.length > 0 && namesSecret(tape, others, redactions)) return nameHit('the message');
    if (others.length === 0) {
      const { edits, keyHit } = node < 0 ? NOTHING : redactEdits(tape, node, redactions);
      return keyHit === undefined ? edits : nameHit(keyHit === '' ? '/' : keyHit);
    }
    // Fields are named from the arguments or the result; what stands beside them has none.
    const unnamed = redactions.map((duty) => ({ ...duty, fields: [] }));
    const edits: Edit[] = [];
    for (const at of [...(node < 0 ? [] : [node]), ...others]) {
      const redacted = redactEdits(tape, at, at === node ? redactions : unnamed);
      if (redacted.keyHit !== undefined) return nameHit(redacted.keyHit === '' ? '/' : redacted.keyHit);
      for (const edit of redacted.edits) edits.push(edit);
    }
    return edits.toSorted((a, b) => a.start - b.start);
  } catch (error) {
    return denial(`What has to be redacted could not be: ${messageOf(error)}`);
  }
}

const NOTHING: Redaction = { edits: [] };

/** A denial when a redaction of files that nobody trusted would change what a call says. */
export function untrustedHit(
  tape: Scanner,
  node: number,
  redactions: readonly RedactObligation[],
  message: Message,
): Decision | undefined {
  const foreign = redactions.filter(({ untrusted }) => untrusted === true);
  const [first] = foreign;
  if (first === undefined) return undefined;
  const edits = redact(tape, node, foreign, message);
  if ('effect' in edits) return edits;
  if (edits.length === 0) return undefined;
  const reason = 'A policy file of the project, which nobody has trusted, wants to redact what this call says.';
  return { effect: 'deny', rule: first.rule, reason, obligations: [] };
}

function nameHit(where: string): Decision {
  return denial(
    `The name of a member of ${where} holds what has to be redacted, and names cannot be rewritten safely.`,
  );
}

function denial(reason: string): Decision {
  return { effect: 'deny', rule: 'redact', reason, obligations: [] };
}
