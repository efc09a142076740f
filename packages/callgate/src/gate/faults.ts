import type { Decision } from '../model/decision.ts';
import { messageOf } from '../model/error.ts';
import type { Session } from './session.ts';

/** A denial of Callgate's own. */
export function denial(rule: string, reason: string): Decision {
  return { effect: 'deny', rule, reason, obligations: NONE };
}

/** What is decided when it cannot be told: a denial, or the operator's logged `fail: open`. */
export function engineFault({ options }: Session, error: unknown): Decision {
  const why = messageOf(error);
  if (options.pass.unjudged) {
    options.warn(`fail: open let a message pass that could not be judged: ${why}`);
    return { effect: 'allow', rule: 'fail-open', reason: why, obligations: NONE, indeterminate: why };
  }
  return { ...denial('engine-fault', `It could not be judged: ${why}`), indeterminate: why };
}

/** What the record of a decision tells besides, whatever becomes of the call. */
export function besidesOf({ obligations, shadow }: Decision): Pick<Decision, 'obligations' | 'shadow'> {
  return { obligations, ...(shadow === undefined ? {} : { shadow }) };
}

const NONE: readonly never[] = [];
