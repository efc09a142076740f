import type { Decision, RedactObligation } from '../model/decision.ts';
import type { CompiledPolicy } from '../policy/index.ts';
import type { Message } from '../protocol/message.ts';
import type { Edit } from '../protocol/splice.ts';
import { standingOn } from './admission.ts';
import { heldBack } from './breaker.ts';
import { charge, giveBack, type Charge } from './charges.ts';
import { barred, remember } from './duties.ts';
import { argumentEdits, callAsEdited } from './edits.ts';
import { resolvePaths } from './facts.ts';
import { besidesOf, denial, engineFault } from './faults.ts';
import type { LiveCall } from './live-call.ts';
import { redactionsOn } from './obligations.ts';
import { takeRates, type Spent } from './rates.ts';
import type { Session } from './session.ts';
import { envelopeKeys, stringsOf } from './strings.ts';

/** What was decided about a request or notification, before it is worded. */
export interface Verdict {
  readonly decision: Decision;
  readonly edits: readonly Edit[];
  readonly redactResult: readonly RedactObligation[] | undefined;
  readonly spent: Spent | undefined;
  /** A circuit is open: the decision says which, and until when. */
  readonly isHeld?: boolean;
  /** What it has set aside of budgets, until its outcome is known. */
  readonly charge: Charge | undefined;
}

/**
 * Floor, then policy, then circuit breakers, limits, changes of the arguments, and budgets; then what the session keeps of it. Whatever goes
 * wrong on the way is a denial (or the logged fail-open).
 */
export function verdictOn(session: Session, call: LiveCall, message: Message, bytes: Uint8Array): Verdict {
  const verdict = judged(session, call, message, bytes);
  if (verdict.decision.effect !== 'allow' || verdict.spent !== undefined) return verdict;
  const unkept = remember(session, call, verdict.decision);
  if (unkept === undefined) return verdict;
  if (unkept.effect === 'allow') return { ...verdict, decision: unkept };
  giveBack(session, verdict);
  return decided(unkept);
}

function judged(session: Session, call: LiveCall, message: Message, bytes: Uint8Array): Verdict {
  const floor = floorHit(session, call, message, bytes);
  if (floor !== undefined) return decided(floor);
  if (call.direction === 'call' && session.tasks.isForeign(session.tape, call.method, message.params)) {
    return decided(FOREIGN_TASK);
  }

  const first = decide(session, session.options.policy(), call);
  if (first.effect !== 'allow') return decided(first);
  const isFree = first.obligations.length === 0;
  const bar = isFree ? undefined : barred(first);
  if (bar !== undefined) return decided({ ...bar, ...besidesOf(first) });
  const resting = heldBack(session, call, first);
  if (resting !== undefined) return { ...decided(resting), isHeld: true };

  const standing = standingOn(session, call);
  if (isFree && standing.length === 0) return decided(first);
  const kept = besidesOf(first);
  const { decision: counted, spent } = takeRates(session, call, first, standing);
  if (counted.effect !== 'allow' || spent !== undefined) return { ...decided(counted), spent };

  const edits = argumentEdits(session, message, first);
  if ('effect' in edits) return decided({ ...edits, ...kept });
  const { decision, charge: held } = charge(session, call, message, counted, () => callAsEdited(session, call, edits));
  if (decision.effect !== 'allow') return decided(decision);
  return {
    decision,
    edits,
    redactResult: redactionsOn('result', decision, undefined),
    spent: undefined,
    charge: held,
  };
}

function decided(decision: Decision): Verdict {
  return { decision, edits: NONE, redactResult: undefined, spent: undefined, charge: undefined };
}

function floorHit(session: Session, call: LiveCall, message: Message, bytes: Uint8Array): Decision | undefined {
  if (call.direction !== 'call' || message.params < 0) return undefined;
  const { tape } = session;
  const { floor } = session.options;
  const { params } = message;
  const envelope = envelopeKeys(tape, params);
  let from = tape.starts[params] as number;
  let mayTouch = false;
  for (const key of envelope) {
    mayTouch ||= floor.mayTouch(bytes, from, tape.starts[key] as number);
    from = tape.ends[key] as number;
  }
  if (!mayTouch && !floor.mayTouch(bytes, from, tape.ends[params] as number)) return undefined;
  const hit = floor.judge(stringsOf(tape, params, envelope));
  return hit === undefined ? undefined : denial(hit.id, hit.reason);
}

/** Asks the policy, with the facts it needs. An engine that throws denies, unless the operator chose otherwise. */
export function decide(session: Session, policy: CompiledPolicy, call: LiveCall): Decision {
  try {
    const fields = policy.pathsNeeded(call);
    if (fields.length > 0) {
      const { paths, userHome } = session.options;
      call.paths = resolvePaths(call.args(), fields, paths.resolve, userHome);
    }
    return policy.decide(call);
  } catch (error) {
    return engineFault(session, error);
  }
}

const FOREIGN_TASK = denial('tasks', 'the task was started by another principal');
const NONE: readonly never[] = [];
