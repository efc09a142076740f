import type { Decision, RedactObligation } from '../model/decision.ts';
import type { CompiledPolicy } from '../policy/index.ts';
import { readMessage, type Message } from '../protocol/message.ts';
import { answerOf, callOf, embeddedCallOf } from './calls.ts';
import { embeddedRequests, type EmbeddedRequest } from './embedded.ts';
import type { LiveCall } from './live-call.ts';
import { charge, spend } from './charges.ts';
import { barred, carryOut, isTold, remember } from './duties.ts';
import { besidesOf, denial } from './faults.ts';
import { redactionsOn } from './obligations.ts';
import { takeRates } from './rates.ts';
import { type Refused, refusedByPolicy } from './refuse.ts';
import { evidenceFault, type Open, type Session } from './session.ts';
import { resultOfTask, type TaskOrigin } from './tasks.ts';
import { decide } from './verdict.ts';

/** What does not let an answer pass: the call it was judged as, and the denial; or evidence that cannot be written. */
export type Stop = { readonly call: LiveCall; readonly decision: Decision } | 'unrecorded';

type Redactions = readonly RedactObligation[] | undefined;

/**
 * Judges what else an answer of the server carries: the result of a task, as its tool's, and requests to the client, as
 * requests.
 * @param due redactions that are due already
 * @returns all redactions that are due, or what stops the answer
 */
export function judgeInside(
  session: Session,
  policy: CompiledPolicy,
  open: Open,
  message: Message,
  bytes: Uint8Array,
  due: Redactions,
): Redactions | Stop {
  const { tape, tasks } = session;
  if (open.method === 'tools/call' && message.isTask && !tasks.started(tape, message.result, open)) {
    return { call: answerOf(session, 'server', open, message.result), decision: TOO_MANY_TASKS };
  }
  const afterTask = open.task === undefined ? due : judgeTask(session, policy, open, open.task, message, bytes, due);
  if (isStop(afterTask)) return afterTask;
  const asks = embeddedRequests(tape, message.result);
  return asks.length === 0 ? afterTask : judgeEmbedded(session, policy, asks, message, bytes, afterTask);
}

/**
 * Judges a request of the server that would reach its client as a question inside an answer. What passes is judged again
 * there, with all that it costs.
 * @returns how it is refused; undefined when it may be asked
 */
export function judgeAsk(session: Session, bytes: Uint8Array, start: number, end: number): Refused | undefined {
  const { tape, record, options } = session;
  const message = readMessage(tape, bytes, start, end);
  if ('refused' in message || message.method === undefined) return undefined;
  const call = callOf(session, 'server', message);
  const decision = decide(session, options.policy(), call);
  if (decision.effect === 'allow') return undefined;
  const sequence = record.decision(call, message, bytes, tape, decision);
  return refusedByPolicy(`"${message.method}"`, decision, options.evidence.idOf(sequence));
}

/** Whether judging an answer came to what stops it. */
export function isStop(judged: readonly unknown[] | undefined | Stop): judged is Stop {
  return judged === 'unrecorded' || (judged !== undefined && 'decision' in judged);
}

/** The result of a task comes under another method, and is judged as that of the tool which started the task. */
function judgeTask(
  session: Session,
  policy: CompiledPolicy,
  open: Open,
  { name, redactResult }: TaskOrigin,
  message: Message,
  bytes: Uint8Array,
  due: Redactions,
): Redactions | Stop {
  const redactions = redactResult === undefined ? due : [...(due ?? []), ...redactResult];
  const result = message.error >= 0 ? message.error : resultOfTask(session.tape, open.method, message.result);
  if (result < 0 || !policy.needsResult(session.options.server, 'tools/call', name)) return redactions;
  const call = answerOf(session, 'server', { ...open, method: 'tools/call', name }, result, message);
  const judged = decide(session, policy, call);
  const bar = judged.effect === 'allow' ? barred(judged) : undefined;
  const barredOr = bar === undefined ? judged : { ...bar, ...besidesOf(judged) };
  const decision = (barredOr.effect === 'allow' ? remember(session, call, barredOr) : undefined) ?? barredOr;
  if (decision.effect !== 'allow') return { call, decision };
  if (isTold(decision)) session.record.decision(call, message, bytes, session.tape, decision, { bare: true });
  carryOut(session, call, decision, true);
  return redactionsOn('result', decision, redactions);
}

/** Each is decided and recorded like a request of the server's own; what cannot be refused alone is refused with its answer. */
function judgeEmbedded(
  session: Session,
  policy: CompiledPolicy,
  asks: readonly EmbeddedRequest[],
  message: Message,
  bytes: Uint8Array,
  due: Redactions,
): Redactions | Stop {
  let redactions = due;
  for (const { method, params } of asks) {
    const call = embeddedCallOf(session, method ?? '(unreadable)', params);
    let decision = method === undefined ? UNREADABLE : decide(session, policy, call);
    const within = redactionsOn('args', decision, undefined);
    const { obligations } = decision;
    const kept = besidesOf(decision);
    if (within?.some(({ fields }) => fields.length > 0) === true) decision = UNREDACTABLE;
    if (obligations.some(({ kind }) => kind === 'set' || kind === 'clamp')) decision = UNCHANGEABLE;
    if (decision.effect === 'allow') decision = barred(decision) ?? decision;
    if (decision.effect === 'allow') {
      const counted = takeRates(session, call, decision);
      decision = counted.spent === undefined ? counted.decision : { ...SPENT, rule: counted.spent.rule };
    }
    if (decision.effect === 'allow') {
      const charged = charge(session, call, message, decision);
      decision = charged.decision;
      // Nobody answers it by itself: whether it came to anything is never known.
      spend(session, charged);
    }
    if (decision.effect === 'allow') decision = remember(session, call, decision) ?? decision;
    if (decision.effect !== 'allow') return { call, decision: { ...decision, ...kept } };
    if (within !== undefined) redactions = [...(redactions ?? []), ...within];
    session.record.decision(call, message, bytes, session.tape, decision);
    carryOut(session, call, decision, true);
  }
  return evidenceFault(session) === undefined ? redactions : 'unrecorded';
}

const TOO_MANY_TASKS = denial(
  'tasks',
  'it cannot be told whose the task is: too many were started, or another principal has it',
);
const UNREADABLE = denial('protocol:embedded_request', 'the server asks for something in a form that cannot be judged');
const UNREDACTABLE = denial('redact', 'fields of a request inside a result cannot be redacted');
const UNCHANGEABLE = denial('set', 'the arguments of a request inside a result cannot be changed');
const SPENT = denial('rate', 'the limit for what the server asks is spent');
