import type { Decision, RateObligation, RedactObligation } from '../model/decision.ts';
import { messageOf } from '../model/error.ts';
import type { CompiledPolicy } from '../policy/index.ts';
import type { Message } from '../protocol/message.ts';
import type { Edit } from '../protocol/splice.ts';
import { judgedPart } from './calls.ts';
import { resolvePaths } from './facts.ts';
import type { LiveCall } from './live-call.ts';
import { rateKey, redact, redactionsOn, untrustedHit } from './obligations.ts';
import type { Session } from './session.ts';
import { stringsOf } from './strings.ts';

/** What was decided about a request or notification, before it is worded. */
export interface Verdict {
  readonly decision: Decision;
  readonly edits: readonly Edit[];
  readonly redactResult: readonly RedactObligation[] | undefined;
  readonly spent: Spent | undefined;
}

/** A limit that is used up: the rule that sets it, and when there is room again. */
export interface Spent {
  readonly rule: string;
  readonly retryAfterMs: number;
}

/** Floor, then policy, then limits, then redaction. Whatever goes wrong on the way is a denial (or the logged fail-open). */
export function verdictOn(session: Session, call: LiveCall, message: Message, bytes: Uint8Array): Verdict {
  const floor = floorHit(session, call, message, bytes);
  if (floor !== undefined) return decided(floor);

  const judged = decide(session, session.options.policy(), call);
  if (judged.effect !== 'allow' || judged.obligations.length === 0) return decided(judged);

  const { decision, spent } = takeRates(session, call, judged);
  if (decision.effect !== 'allow') return decided(decision);

  const redactResult = redactionsOn('result', decision, undefined);
  const redactArgs = redactionsOn('args', decision, undefined);
  if (spent !== undefined || redactArgs === undefined || message.params < 0) {
    return { decision, edits: NONE, redactResult, spent };
  }
  const node = judgedPart(message);
  const hit = untrustedHit(session.tape, node, redactArgs, message);
  if (hit !== undefined) return decided(hit);
  const redacted = redact(session.tape, node, redactArgs, message);
  if ('effect' in redacted) return decided(redacted);
  return { decision, edits: redacted, redactResult, spent: undefined };
}

function decided(decision: Decision): Verdict {
  return { decision, edits: NONE, redactResult: undefined, spent: undefined };
}

function floorHit(session: Session, call: LiveCall, message: Message, bytes: Uint8Array): Decision | undefined {
  if (call.direction !== 'call' || message.params < 0) return undefined;
  const { tape } = session;
  const { floor } = session.options;
  if (!floor.mayTouch(bytes, tape.starts[message.params] as number, tape.ends[message.params] as number)) {
    return undefined;
  }
  const hit = floor.judge(stringsOf(tape, message.params));
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

/** Counts the call on the limits that its decision names. */
export function takeRates(
  session: Session,
  call: LiveCall,
  decision: Decision,
): { readonly decision: Decision; readonly spent: Spent | undefined } {
  const rates = decision.obligations.filter((o): o is RateObligation => o.kind === 'rate');
  if (rates.length === 0) return { decision, spent: undefined };
  const wanted = rates.map((rate) => ({ key: rateKey(rate, call), max: rate.max, windowMs: rate.windowMs }));
  try {
    const taken = session.options.limits().take(wanted, session.options.now());
    if (taken.ok) return { decision, spent: undefined };
    const { rule } = rates[taken.index] as RateObligation;
    return { decision, spent: { rule, retryAfterMs: taken.retryAfterMs } };
  } catch (error) {
    // Only the limit could not be told: what else the policy asks for is still done.
    return { decision: { ...engineFault(session, error), obligations: decision.obligations }, spent: undefined };
  }
}

function engineFault({ options }: Session, error: unknown): Decision {
  const why = messageOf(error);
  if (options.pass.unjudged) {
    options.warn(`fail: open let a message pass that could not be judged: ${why}`);
    return { effect: 'allow', rule: 'fail-open', reason: why, obligations: NONE, indeterminate: why };
  }
  return { ...denial('engine-fault', `It could not be judged: ${why}`), indeterminate: why };
}

/** A denial of Callgate's own, by a rule of no policy. */
export function denial(rule: string, reason: string): Decision {
  return { effect: 'deny', rule, reason, obligations: NONE };
}

const NONE: readonly never[] = [];
