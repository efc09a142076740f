import type { Evidence } from '../evidence/index.ts';
import type { Decision } from '../model/decision.ts';
import { messageOf } from '../model/error.ts';
import type { OutcomeRecord } from '../model/record.ts';
import { INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, RESOURCE_NOT_FOUND } from '../protocol/codes.ts';
import type { Message } from '../protocol/message.ts';
import { NUMBER, type Tape } from '../protocol/nodes.ts';
import { jsonAt, member } from '../protocol/tape.ts';
import type { BreakersOptions, Ending, Told } from '../state/breakers.ts';
import { isOperation } from './admission.ts';
import { besidesOf } from './faults.ts';
import type { LiveCall } from './live-call.ts';
import { recordable } from './recordable.ts';
import type { Open, Session } from './session.ts';

/** Steps told in one minute; more are only counted. */
const MOST_TOLD = 60;
const MINUTE_US = 60_000_000;

/** What refuses a call that the policy allows while a circuit is open; undefined when none is. Nothing is charged yet. */
export function heldBack(session: Session, call: LiveCall, judged: Decision): Decision | undefined {
  const { breaker, options } = session;
  if (breaker === undefined || !breaker.isAnyOpen || !isOperation(call)) return undefined;
  const shut = breaker.shut(call.tool, options.mono());
  if (shut === undefined) return undefined;
  return {
    effect: 'defer',
    rule: ruleOf(options.server, shut.tool),
    reason:
      shut.tool === undefined
        ? `The server "${options.server}" failed too often in a row.`
        : 'This tool failed too often in a row.',
    retryAfterMs: shut.waitUs / 1000,
    ...besidesOf(judged),
  };
}

/** A call is let through: where a circuit was open, it is the probe. */
export function entered({ breaker, options }: Session, call: LiveCall): void {
  if (breaker?.isAnyOpen === true && isOperation(call)) breaker.enter(call.tool, options.mono());
}

/** A call that was let through has ended. */
export function noted({ breaker, options }: Session, open: Open, ending: Ending): void {
  if (breaker !== undefined && isOperation(open)) breaker.ended(ending, toolOf(open), open.since, options.mono());
}

/** The server has answered a call. */
export function notedAnswer(session: Session, open: Open, message: Message, status: OutcomeRecord['status']): void {
  if (session.breaker?.learnsFromAnswers === true) noted(session, open, endingOf(session.tape, message, status));
}

/** The server has ended, and what was open with it. */
export function notedEnd({ breaker, options }: Session, lost: readonly Open[]): void {
  if (breaker === undefined) return;
  const calls = lost.filter(isOperation).map((open) => ({ tool: toolOf(open), since: open.since }));
  breaker.lostTogether(calls, options.mono());
}

/** Tells the steps of circuits to the log of evidence and to the operator: so many a minute, for a hostile client could make more. */
export function breakerListener(to: {
  readonly evidence: Evidence;
  now(): number;
  mono(): number;
  warn(message: string): void;
}): BreakersOptions['told'] {
  let minute = { since: Number.NEGATIVE_INFINITY, told: 0, untold: 0 };
  return (step) => {
    const mono = to.mono();
    const { untold } = minute;
    if (mono - minute.since > MINUTE_US) minute = { since: mono, told: 0, untold: 0 };
    if (++minute.told > MOST_TOLD) {
      minute.untold++;
      return;
    }
    const more = minute.told === 1 && untold > 0 ? { untold } : {};
    try {
      to.evidence.append({ type: 'breaker', time: to.now(), mono, detail: { ...detailOf(step), ...more } });
    } catch (error) {
      to.warn(messageOf(error));
    }
    to.warn(sentenceOf(step));
  };
}

function detailOf({ server, tool, from, to, cause, pauseUs }: Told) {
  return {
    rule: ruleOf(server, tool),
    from,
    to,
    ...(cause === undefined ? {} : { cause }),
    ...(pauseUs === undefined ? {} : { pauseMs: Math.round(pauseUs / 1000) }),
  };
}

function sentenceOf({ server, tool, to, cause, pauseUs = 0 }: Told): string {
  const what = tool === undefined ? `server "${server}"` : `"${recordable(tool)}" of server "${server}"`;
  if (to === 'closed') return `Calls of ${what} pass again: it answers.`;
  if (to === 'half-open') return `One call of ${what} passes as a probe.`;
  const why =
    cause === 'tool' ? 'its answers were errors' : cause === 'transport' ? 'it gave no answers' : 'a probe was lost';
  return `Calls of ${what} are refused for ${Math.ceil(pauseUs / 1_000_000)} s: ${why}.`;
}

/** What stands in records for the rule that refused. */
function ruleOf(server: string, tool: string | undefined): string {
  return tool === undefined ? `breaker:${server}` : `breaker:${server}/${recordable(tool)}`;
}

function toolOf({ method, name }: Open): string | undefined {
  return method === 'tools/call' ? name : undefined;
}

function endingOf(tape: Tape, message: Message, status: OutcomeRecord['status']): Ending {
  if (status === 'ok') return 'answered';
  if (message.result >= 0 || message.error < 0) return 'error';
  const node = member(tape, message.error, 'code');
  const code = node >= 0 && tape.kinds[node] === NUMBER ? jsonAt(tape, node) : undefined;
  return typeof code === 'number' && isClientsFault(code) ? 'fault' : 'error';
}

/**
 * Errors that say the request was wrong: of JSON-RPC 2.0 section 5.1 all but an internal error, of MCP what is not there, and
 * the range that MCP keeps for itself (-32020 to -32099: headers, capabilities, versions).
 */
function isClientsFault(code: number): boolean {
  if (code === PARSE_ERROR || (code <= INVALID_REQUEST && code >= INVALID_PARAMS)) return true;
  return code === RESOURCE_NOT_FOUND || (code <= -32020 && code >= -32099);
}
