import type { AlertObligation, Decision, LogObligation } from '../model/decision.ts';
import { besidesOf, denial, engineFault } from './faults.ts';
import type { LiveCall } from './live-call.ts';
import { recordable } from './recordable.ts';
import type { Session } from './session.ts';

/** A denial when a decision wants what nobody here can do: what it asks for is never skipped. */
export function barred({ obligations }: Decision): Decision | undefined {
  for (const duty of obligations) {
    if (duty.kind === 'sandbox') {
      const reason = `It may only run in a sandbox (profile "${duty.profile}"), and this version of Callgate has none.`;
      return denial(duty.rule, reason);
    }
  }
  return undefined;
}

/**
 * Keeps what a message that passes leaves behind in its session: labels, and that a tool may be called.
 * @returns what is decided instead when it cannot be kept; undefined when it is
 */
export function remember(session: Session, call: LiveCall, decision: Decision): Decision | undefined {
  const { obligations } = decision;
  const labels = obligations.flatMap((duty) => (duty.kind === 'label' ? duty.labels : NONE));
  const tool = call.direction === 'call' ? call.tool : undefined;
  if (labels.length === 0 && tool === undefined) return undefined;
  try {
    // Its record has the labels that it was judged with.
    if (labels.length > 0) void call.labels;
    if (session.memory.keep(labels, tool)) return undefined;
    const reason = 'The session has as many labels as it can have, and this would add one.';
    return { ...denial('labels', reason), ...besidesOf(decision) };
  } catch (error) {
    return { ...engineFault(session, error), ...besidesOf(decision) };
  }
}

/** Whether a decision says something that its record must name, also where records are spared. */
export function isTold({ obligations }: Decision): boolean {
  return obligations.some(({ kind }) => kind === 'log' || kind === 'alert');
}

/** Does what is left to do once it is decided, and recorded, whether a message passes. */
export function carryOut(session: Session, call: LiveCall, decision: Decision, passes: boolean): void {
  for (const duty of decision.obligations) {
    if (duty.kind === 'log') session.options.info?.(told(duty, call, passes));
    else if (duty.kind === 'alert') session.options.warn(`Alert (${duty.severity}): ${told(duty, call, passes)}`);
  }
}

function told({ rule, message }: LogObligation | AlertObligation, call: LiveCall, passes: boolean): string {
  const name = call.tool ?? call.prompt ?? call.uri;
  const target = name === undefined ? '' : ` "${recordable(name)}"`;
  const what = `${recordable(call.method)}${target} (${call.direction}) on server "${call.server}"`;
  return `Rule "${rule}" matched ${what}, which ${passes ? 'passes' : 'is refused'}.${message === undefined ? '' : ` ${message}`}`;
}

const NONE: readonly never[] = [];
