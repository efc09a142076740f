import { messageOf } from '../model/error.ts';
import type { OutcomeRecord } from '../model/record.ts';
import { EVIDENCE_UNAVAILABLE, MALFORMED_ANSWER, SERVER_ENDED, TOO_MANY_IN_FLIGHT } from '../protocol/codes.ts';
import type { Id } from '../protocol/correlate.ts';
import { readMessage, type Message, type Refusal } from '../protocol/message.ts';
import { methodKind, type Sender } from '../protocol/methods.ts';
import { errorAnswer, unanswered } from '../protocol/refusal.ts';
import { Returns } from '../protocol/returns.ts';
import { splice, type Edit } from '../protocol/splice.ts';
import { readAnnotations } from './annotations.ts';
import { judgeAnswer, statusOf } from './answers.ts';
import { entered, noted, notedAnswer, notedEnd } from './breaker.ts';
import { callOf } from './calls.ts';
import { giveBack, settleByAnswer, spend } from './charges.ts';
import { carryOut, isTold } from './duties.ts';
import { isStop, judgeAsk, type Stop } from './inside.ts';
import { filterList, mergeEdits } from './lists.ts';
import type { LiveCall } from './live-call.ts';
import { idTextOf, notJudged, parseId, splitByReturn, tooLarge, wrongForm } from './malformed.ts';
import type { LinkFailure } from '../upstreams/link.ts';
import { refusalBytes, type Refused, refusedByBreaker, refusedByPolicy, refusedByRate } from './refuse.ts';
import { evidenceFault, newSession } from './session.ts';
import type { JudgeOptions, Open, Outbox, Session } from './session.ts';
import { verdictOn, type Verdict } from './verdict.ts';

export type { JudgeOptions } from './session.ts';

/**
 * The one place that knows the order: scan, floor, policy, limits, redaction, evidence, forward; then the answer's way
 * back. It performs no I/O of its own: what it judged goes to the outboxes, what it decided to the evidence, and the
 * transport flushes the evidence before it lets the outboxes leave.
 */
export class Judge {
  readonly #o: JudgeOptions;
  readonly #session: Session;
  readonly #returns = new Returns();
  /** Ids let through since the books were last closed (see settle). */
  #uncommitted: (string | number)[] = [];

  constructor(options: JudgeOptions) {
    this.#o = options;
    this.#session = newSession(options);
  }

  /** Judges one line. A fault of ours refuses that line and harms no other. */
  line(from: Sender, bytes: Uint8Array, start: number, end: number): void {
    try {
      this.#judge(from, bytes, start, end);
    } catch (error) {
      this.#o.warn(`A message could not be judged and was refused: ${messageOf(error)}`);
      this.#refuseMalformed(from, notJudged(bytes, start, end));
    } finally {
      this.#session.tape.rest();
      this.#session.spare.rest();
    }
  }

  /** A line longer than the limit, of which only the two ends were kept. */
  oversize(from: Sender, head: Uint8Array, tail: Uint8Array, length: number): void {
    this.#refuseMalformed(from, tooLarge(head, tail, length));
  }

  /**
   * Closes the books on what was judged since the last time. Returns how to take it back, for when its evidence cannot
   * be written: those calls are answered, not forwarded.
   */
  settle(): (cause: unknown) => void {
    if (this.#uncommitted.length === 0) return NOTHING_TO_TAKE_BACK;
    const ids = this.#uncommitted;
    this.#uncommitted = [];
    return (cause) => {
      const why = messageOf(cause);
      for (const id of ids) {
        const open = this.#session.open.client.take(id);
        if (open === undefined) continue;
        const text = `Callgate refused the call: its evidence could not be written. ${why}`;
        this.#reply('client', errorAnswer(open.idText, EVIDENCE_UNAVAILABLE, text), id);
        giveBack(this.#session, open);
        noted(this.#session, open, 'nothing');
        this.#outcome(open, 'denied', 0);
      }
    };
  }

  /**
   * The server has ended: every open request of the client is answered.
   * @param isAsked it was told to end, because its client is gone
   */
  serverEnded(how: string, isAsked = false): void {
    const lost = this.#session.open.client.drain();
    if (isAsked) for (const open of lost) noted(this.#session, open, 'nothing');
    else notedEnd(this.#session, lost);
    for (const open of lost) {
      this.#lost(open, SERVER_ENDED, `The server "${this.#o.server}" ${unanswered(how)}.`);
    }
  }

  /** One request of the client will have no answer: it is given an error in its place. */
  failed(id: Id, failure: LinkFailure): void {
    const open = this.#session.open.client.take(id);
    if (open === undefined) return;
    noted(this.#session, open, failure.kind === 'transport' ? 'lost' : 'nothing');
    this.#lost(open, failure.code, `The server "${this.#o.server}" ${failure.why}.`, failure.retryAfterMs);
  }

  /**
   * Judges a request of the server that would reach its client as a question inside an answer. What passes is judged again
   * there, with all that it costs.
   * @returns how it is refused; undefined when it may be asked
   */
  refusesAsk(bytes: Uint8Array, start: number, end: number): Pick<Refused, 'code' | 'text'> | undefined {
    try {
      return judgeAsk(this.#session, bytes, start, end);
    } catch (error) {
      const why = messageOf(error);
      this.#o.warn(why);
      return { code: EVIDENCE_UNAVAILABLE, text: `Callgate refused the request: ${why}` };
    }
  }

  /** Requests of the client that were let through before this time (of the monotonic clock), and have no answer yet. */
  overdue(before: number): readonly Id[] {
    const ids: Id[] = [];
    for (const [id, { since, method }] of this.#session.open.client.entries()) {
      if (since >= before) break;
      if (method !== 'subscriptions/listen') ids.push(id);
    }
    return ids;
  }

  #lost(open: Open, code: number, text: string, retryAfterMs?: number): void {
    spend(this.#session, open);
    this.#outcome(open, 'lost', 0);
    const record = this.#o.evidence.idOf(open.sequence);
    const data = { record, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
    this.#reply('client', errorAnswer(open.idText, code, text, data), parseId(open.idText));
  }

  /** Records bytes that never became a message; whoever framed them answers them. */
  malformed(from: Sender, refusal: Refusal): void {
    this.#malformed(from, refusal.reason, refusal.message);
  }

  /** Requests of the client that await an answer; a subscription, which awaits none, is not counted. */
  get awaited(): number {
    let count = 0;
    for (const open of this.#session.open.client.values()) if (open.method !== 'subscriptions/listen') count++;
    return count;
  }

  /** The session is over: what was only counted is recorded. */
  close(): void {
    this.#unlessFull(() => this.#session.record.close());
  }

  #judge(from: Sender, bytes: Uint8Array, start: number, end: number): void {
    this.#o.paths.forget();
    for (const told of this.#session.lists.changedBy(this.#o.policy())) this.#reply('client', told);
    const message = readMessage(this.#session.tape, bytes, start, end);
    if ('refused' in message) return this.#refuseMalformed(from, message);
    if (this.#returns.within(bytes, start, end)) return this.#refuseMalformed(from, splitByReturn(message, bytes));
    if (message.kind === 'request' || message.kind === 'notification') this.#ask(from, message, bytes, start, end);
    else this.#answer(from, message, bytes, start, end);
  }

  /** A request or notification: decided, recorded, forwarded or refused. */
  #ask(from: Sender, message: Message, bytes: Uint8Array, start: number, end: number): void {
    const malformed = wrongForm(this.#session, from, message, bytes);
    if (malformed !== undefined) return this.#refuseMalformed(from, malformed);

    const call = callOf(this.#session, from, message);
    const verdict = verdictOn(this.#session, call, message, bytes);
    try {
      this.#conclude(from, message, bytes, start, end, call, verdict);
    } catch (error) {
      // It does not go: what it was to spend is given back.
      giveBack(this.#session, verdict);
      throw error;
    }
  }

  /** What was decided is recorded and done. */
  #conclude(
    from: Sender,
    message: Message,
    bytes: Uint8Array,
    start: number,
    end: number,
    call: LiveCall,
    verdict: Verdict,
  ): void {
    const { tape, record } = this.#session;
    const { decision, edits, spent } = verdict;
    const isRefused = decision.effect !== 'allow' || spent !== undefined;
    const isRequest = message.kind === 'request';
    const isCounted = !isRequest && methodKind(call.method, from)?.counted === true;
    if (!isRefused && isCounted && !isTold(decision)) {
      record.passed();
      if (decision.obligations.length > 0) carryOut(this.#session, call, decision, true);
      spend(this.#session, verdict);
      this.#noteNotification(from, message);
      return this.#forward(from, bytes, start, end, edits);
    }

    const particulars = spent !== undefined ? LIMITED : edits.length > 0 ? EDITED : undefined;
    const sequence = record.decision(call, message, bytes, tape, decision, particulars);
    if (decision.obligations.length > 0) carryOut(this.#session, call, decision, !isRefused);
    if (isRefused) return this.#refuse(from, message, bytes, call, verdict, sequence);
    if (from === 'server') {
      const why = evidenceFault(this.#session);
      if (why !== undefined) {
        giveBack(this.#session, verdict);
        return this.#refuseUnrecorded(message, bytes, why);
      }
    }

    if (from === 'client') entered(this.#session, call);
    if (isRequest) this.#await(from, message, bytes, sequence, verdict);
    else {
      this.#noteNotification(from, message);
      spend(this.#session, verdict);
    }
    if (from === 'client' && call.method === 'initialize') record.introduce(tape, message.params);
    this.#forward(from, bytes, start, end, edits);
  }

  /** An answer: matched to its request, judged by the rules on results, recorded, forwarded. */
  #answer(from: Sender, message: Message, bytes: Uint8Array, start: number, end: number): void {
    const asker = otherThan(from);
    const open = message.id === undefined ? undefined : this.#session.open[asker].take(message.id);
    if (open === undefined)
      return this.#malformed(from, 'unmatched_answer', 'An answer that no open request awaits was dropped.');
    try {
      this.#answerTo(open, from, message, bytes, start, end);
    } catch (error) {
      // The request is closed by now: whoever made it must hear something.
      this.#o.warn(`An answer could not be judged and was refused: ${messageOf(error)}`);
      const text = 'Callgate refused the answer: it could not be judged.';
      this.#reply(asker, errorAnswer(open.idText, MALFORMED_ANSWER, text, { reason: 'fault' }), message.id);
    }
  }

  #answerTo(open: Open, from: Sender, message: Message, bytes: Uint8Array, start: number, end: number): void {
    const { tape, record, annotations, lists } = this.#session;
    const status = statusOf(tape, open, message);
    if (from === 'server') notedAnswer(this.#session, open, message, status);
    if (open.charge !== undefined) settleByAnswer(this.#session, open, message, status);
    const edits = judgeAnswer(this.#session, from, open, message, bytes);
    if (isStop(edits)) return this.#refuseAnswer(from, open, edits, message, bytes);

    if (from !== 'server') return this.#forward(from, bytes, start, end, edits, message.id);

    if (open.method === 'tools/list' && this.#o.trustAnnotations) readAnnotations(tape, message.result, annotations);
    if (open.method === 'initialize') {
      record.agreed(tape, message.result);
      lists.declared(tape, message.result);
    }
    const list = filterList(this.#session, open, message.result);
    this.#outcome(open, status, end - start, edits.length, list.hidden);
    this.#forward(from, bytes, start, end, mergeEdits(edits, list.edits), message.id);
  }

  #await(from: Sender, message: Message, bytes: Uint8Array, sequence: number, verdict: Verdict): void {
    const { redactResult, charge } = verdict;
    const { open, tape, tasks } = this.#session;
    const id = message.id as string | number;
    const method = message.method as string;
    open[from].add(id, {
      sequence,
      method,
      name: message.name,
      uri: message.uri,
      modern: message.protocolVersion !== undefined,
      idText: idTextOf(message, bytes),
      since: this.#o.mono(),
      redactResult,
      charge,
      task: from === 'client' ? tasks.askedFor(tape, method, message.params) : undefined,
    });
    if (from === 'client') this.#uncommitted.push(id);
  }

  /** `notifications/cancelled` ends the request it names, if its sender made it: a late answer is then dropped, and its id stays taken. */
  #noteNotification(from: Sender, message: Message): void {
    if (message.cancelled === undefined) return;
    const open = this.#session.open[from].retire(message.cancelled);
    if (open === undefined) return;
    spend(this.#session, open);
    if (from === 'client') {
      noted(this.#session, open, 'nothing');
      this.#outcome(open, 'cancelled', 0);
    }
  }

  #refuse(from: Sender, message: Message, bytes: Uint8Array, call: LiveCall, verdict: Verdict, sequence: number): void {
    if (message.kind !== 'request') return;
    const { decision, spent, isHeld = false } = verdict;
    const what = call.tool === undefined ? `"${call.method}"` : `the call of "${call.tool}"`;
    const record = this.#o.evidence.idOf(sequence);
    const refused =
      spent !== undefined
        ? refusedByRate(what, spent.rule, spent.retryAfterMs, record)
        : isHeld
          ? refusedByBreaker(what, decision, record)
          : refusedByPolicy(what, decision, record);
    const form = {
      toolCall: call.tool !== undefined,
      modern: message.protocolVersion !== undefined,
      asError: this.#o.refusal === 'error',
    };
    this.#reply(from, refusalBytes(idTextOf(message, bytes), refused, form), message.id);
  }

  /** A request of the server whose evidence could not be written. */
  #refuseUnrecorded(message: Message, bytes: Uint8Array, why: string): void {
    if (message.kind !== 'request') return;
    const text = `Callgate refused the request: ${why}`;
    this.#reply('server', errorAnswer(idTextOf(message, bytes), EVIDENCE_UNAVAILABLE, text), message.id);
  }

  /** An answer that may not pass: the asker gets a refusal in its place. */
  #refuseAnswer(from: Sender, open: Open, stop: Stop, message: Message, bytes: Uint8Array): void {
    if (stop === 'unrecorded') {
      const text = 'Callgate refused what the server asks for: its evidence could not be written.';
      return this.#reply('client', errorAnswer(open.idText, EVIDENCE_UNAVAILABLE, text), message.id);
    }
    const { call, decision } = stop;
    const { record, tape } = this.#session;
    const sequence = record.decision(call, message, bytes, tape, decision);
    if (decision.obligations.length > 0) carryOut(this.#session, call, decision, false);
    if (from === 'server') this.#outcome(open, 'denied', 0);
    const what = open.name === undefined ? `the answer to "${open.method}"` : `the result of "${open.name}"`;
    const refused = refusedByPolicy(what, decision, this.#o.evidence.idOf(sequence));
    const form = {
      toolCall: from === 'server' && open.method === 'tools/call',
      modern: open.modern,
      asError: this.#o.refusal === 'error',
    };
    this.#reply(otherThan(from), refusalBytes(open.idText, refused, form), message.id);
  }

  /** Bytes that never became a message. An answer is refused to whoever awaits it, all else to whoever sent it. */
  #refuseMalformed(from: Sender, refusal: Refusal): void {
    const { reason } = refusal;
    this.#malformed(from, reason, refusal.message);
    const { open: opened } = this.#session;
    const id = parseId(refusal.idText);
    if (refusal.form === 'response' || (refusal.form !== 'request' && from === 'server')) {
      const asker = otherThan(from);
      const open = id === undefined ? undefined : opened[asker].take(id);
      if (open === undefined) return;
      spend(this.#session, open);
      if (asker === 'client') {
        noted(this.#session, open, 'nothing');
        this.#outcome(open, 'malformed', 0);
      }
      const text = `Callgate refused the answer: ${refusal.message}`;
      return this.#reply(asker, errorAnswer(open.idText, MALFORMED_ANSWER, text, { reason }), id);
    }
    // An error under the id of a request that is still open would be taken for its answer.
    const clash = id !== undefined && opened[from].isTaken(id);
    const text = `Callgate refused the message: ${refusal.message}`;
    this.#reply(
      from,
      errorAnswer(clash ? undefined : refusal.idText, refusal.code, text, {
        reason,
        ...(refusal.code === TOO_MANY_IN_FLIGHT ? { retryAfterMs: BUSY_RETRY_AFTER_MS } : {}),
      }),
      clash ? undefined : id,
    );
  }

  #malformed(from: Sender, reason: string, message: string): void {
    this.#unlessFull(() => this.#session.record.malformed(from, reason, message));
  }

  /** For records of what does not go anyway: that evidence takes no more must not keep the refusal from its sender. */
  #unlessFull(append: () => void): void {
    try {
      append();
    } catch (error) {
      this.#o.warn(messageOf(error));
    }
  }

  #outcome(open: Open, status: OutcomeRecord['status'], bytes: number, redactions = 0, hidden = 0): void {
    try {
      this.#o.evidence.append({
        type: 'outcome',
        time: this.#o.now(),
        mono: this.#o.mono(),
        decision: open.sequence,
        status,
        us: Math.round(this.#o.mono() - open.since),
        bytes,
        ...(redactions > 0 ? { redactions } : {}),
        ...(hidden > 0 ? { reason: `${hidden} of the list hidden` } : {}),
      });
    } catch (error) {
      // The call is done and its decision recorded: its answer must not be lost with the outcome.
      this.#o.warn(messageOf(error));
    }
  }

  #forward(from: Sender, bytes: Uint8Array, start: number, end: number, edits: readonly Edit[], answers?: Id): void {
    const box = this.#boxOf(otherThan(from));
    if (edits.length === 0) return box.line(bytes, start, end, answers);
    const line = splice(bytes, start, end, edits);
    box.line(line, 0, line.length, answers);
  }

  #reply(to: Sender, line: Uint8Array, answers?: Id): void {
    this.#boxOf(to).whole(line, answers);
  }

  #boxOf(side: Sender): Outbox {
    return side === 'client' ? this.#o.toClient : this.#o.toServer;
  }
}

function otherThan(side: Sender): Sender {
  return side === 'client' ? 'server' : 'client';
}

const BUSY_RETRY_AFTER_MS = 1000;
const LIMITED = { limited: true } as const;
const EDITED = { edited: true } as const;
const NOTHING_TO_TAKE_BACK = (): void => undefined;
