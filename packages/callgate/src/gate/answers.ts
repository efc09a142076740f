import type { Decision } from '../model/decision.ts';
import type { OutcomeRecord } from '../model/record.ts';
import type { Message } from '../protocol/message.ts';
import type { Sender } from '../protocol/methods.ts';
import { TRUE, type Scanner } from '../protocol/scan.ts';
import type { Edit } from '../protocol/splice.ts';
import { member } from '../protocol/tape.ts';
import { answerOf } from './calls.ts';
import { isStop, judgeInside, type Stop } from './inside.ts';
import { barred, carryOut, isTold, remember } from './duties.ts';
import { besidesOf } from './faults.ts';
import { redact, redactionsOn } from './obligations.ts';
import type { LiveCall } from './live-call.ts';
import type { Open, Session } from './session.ts';
import { decide } from './verdict.ts';

/**
 * Judges an answer: by the rules on results, by what it carries inside, then redaction.
 * @returns the edits it passes with, or what stops it
 */
export function judgeAnswer(
  session: Session,
  from: Sender,
  open: Open,
  message: Message,
  bytes: Uint8Array,
): readonly Edit[] | Stop {
  const { options, tape } = session;
  const policy = options.policy();
  const body = message.result >= 0 ? message.result : message.error;
  const tool = open.method === 'tools/call' ? open.name : undefined;
  let redactions = open.redactResult;
  let due: { readonly call: LiveCall; readonly decision: Decision } | undefined;
  if (policy.needsResult(options.server, open.method, tool) || from === 'client') {
    const call = answerOf(session, from, open, body, message);
    const decision = decide(session, policy, call);
    if (decision.effect !== 'allow') return { call, decision };
    const { obligations } = decision;
    if (obligations.length > 0) {
      const bar = barred(decision);
      if (bar !== undefined) return { call, decision: { ...bar, ...besidesOf(decision) } };
      due = { call, decision };
    }
    redactions = redactionsOn('result', decision, redactions);
    if (from === 'client') session.record.decision(call, message, bytes, tape, decision);
  }
  if (from === 'server') {
    const within = judgeInside(session, policy, open, message, bytes, redactions);
    if (isStop(within)) return within;
    redactions = within;
  }
  const redacted = redactions === undefined ? NO_EDITS : redact(tape, body, redactions, message);
  if ('effect' in redacted) return { call: answerOf(session, from, open, body), decision: redacted };
  if (due !== undefined) {
    const unkept = remember(session, due.call, due.decision);
    if (unkept !== undefined && unkept.effect !== 'allow') return { call: due.call, decision: unkept };
    if (from === 'server' && isTold(due.decision))
      session.record.decision(due.call, message, bytes, tape, due.decision, { bare: true });
    carryOut(session, due.call, due.decision, true);
  }
  return redacted;
}

/** How a request ended, as its answer says. */
export function statusOf(tape: Scanner, open: Open, message: Message): OutcomeRecord['status'] {
  if (message.result < 0) return 'error';
  if (open.method !== 'tools/call') return 'ok';
  const flag = member(tape, message.result, 'isError');
  return flag >= 0 && tape.kinds[flag] === TRUE ? 'tool_error' : 'ok';
}

const NO_EDITS: readonly Edit[] = [];
