import { SERVER_ENDED, TOO_MANY_IN_FLIGHT } from '../protocol/codes.ts';
import type { Id } from '../protocol/correlate.ts';
import { readMessage, type Message, type Refusal } from '../protocol/message.ts';
import { Scanner } from '../protocol/scan.ts';
import { type AnswerTaker, HttpAnswer, type Trouble } from './http-answer.ts';
import { unanswered, unusable } from './http-failures.ts';
import type { HeaderList } from './http-headers.ts';
import type { Wire } from './http-wire.ts';
import type { LinkEvents, LinkFailure } from './link.ts';

/**
 * Holds the one message in hand: no link reads while another does, and none keeps a node. The judge has the limits that
 * operators set; what it let pass must be readable here.
 */
export const tape = new Scanner({ depth: 1000, keys: 10_000_000 });

/** A request, from `send` until nothing of it is left. */
export interface Call {
  readonly id: Id;
  readonly method: string;
  readonly body: Uint8Array;
  /** Empty until its turn comes. */
  headers: HeaderList;
  /** Its stream stays open: `subscriptions/listen`. */
  readonly isLong: boolean;
  /** Changes nothing: may be asked once more when the connection was lost. */
  readonly isSafe: boolean;
  isRepeated: boolean;
  isAnswered: boolean;
  /** When it is given up, by the monotonic clock; 0 is never. */
  deadline: number;
  answer: HttpAnswer<Call> | undefined;
  /** What came in place of an answer. */
  nonsense: string | undefined;
  /** Takes the answer to a request that the link itself made; no one else hears of it. */
  readonly own: ((answer: Message | undefined) => void) | undefined;
}

/** What is special about an era. */
export interface EraOfCalls {
  /** Its turn has come: it gets its headers and is dispatched. */
  ready(call: Call): void;
  /** An answer is about to be handed on; its nodes are on the tape. */
  answered(call: Call, message: Message, answer: HttpAnswer<Call>): void;
  /** An exchange ended without an answer. @returns true when that is not the end of the call */
  unfinished(call: Call, answer: HttpAnswer<Call>): boolean;
  /** A call is over, however it ended. */
  closed(call: Call): void;
  /** Whether a status means more than a body can say. */
  isFinal(call: Call, status: number): boolean;
}

const SAFE = new Set(
  'initialize server/discover ping tools/list prompts/list resources/list resources/templates/list'.split(' '),
);
const SWEEP_MS = 500;
/** What the link asks for itself must not keep a call waiting for longer. */
const OWN_MS = 15_000;
/** A stream has this long after its answer to end by itself, so that its connection can serve the next request. */
const AFTERGLOW_MS = 1000;

/** A request as it was sent. */
export function callOf(message: Message, body: Uint8Array, own?: Call['own']): Call {
  const method = message.method!;
  return {
    id: message.id!,
    method,
    body,
    headers: [],
    isLong: method === 'subscriptions/listen',
    isSafe: SAFE.has(method),
    isRepeated: false,
    isAnswered: false,
    deadline: 0,
    answer: undefined,
    nonsense: undefined,
    own,
  };
}

/** The requests of one link: which are open, whose turn it is, and what the server says to each. */
export class Calls implements AnswerTaker<Call> {
  /** Messages that were no answer to what they came for. */
  dropped = 0;
  readonly #wire: Wire;
  readonly #events: LinkEvents;
  readonly #era: EraOfCalls;
  readonly #open = new Map<Id, Call>();
  readonly #waiting = new Map<Id, Call>();
  /** Streams that have nothing more to say, and when they are cut. */
  readonly #ending = new Map<HttpAnswer<Call>, number>();
  #long = 0;
  #isHeld = false;
  #wasFull = false;
  #isClosed = false;
  #sweep: NodeJS.Timeout | undefined;

  constructor(wire: Wire, events: LinkEvents, era: EraOfCalls) {
    this.#wire = wire;
    this.#events = events;
    this.#era = era;
  }

  get isFull(): boolean {
    const isFull = this.#waiting.size >= Math.max(1, this.#wire.limits.queued >> 2);
    this.#wasFull ||= isFull;
    return isFull;
  }

  /** Takes a request: it is dispatched, or waits for its turn. */
  open(call: Call): void {
    const { limits } = this.#wire;
    if (this.#isClosed || this.#open.has(call.id) || this.#waiting.has(call.id)) return;
    if (call.isLong) {
      if (this.#long >= limits.listens) return this.#fail(call, tooMany('subscriptions'));
      this.#long++;
      return this.#start(call);
    }
    if (!this.#isHeld && this.#waiting.size === 0 && this.#hasRoom()) return this.#start(call);
    if (this.#waiting.size >= limits.queued) return this.#fail(call, tooMany('requests'));
    this.#waiting.set(call.id, call);
  }

  /** What cannot be read cannot be sent; the judge let nothing like it pass. */
  unreadable({ idText }: Refusal): void {
    const id: unknown = idText === undefined ? undefined : JSON.parse(idText);
    if (typeof id !== 'string' && typeof id !== 'number') return;
    const failure: LinkFailure = {
      code: SERVER_ENDED,
      why: 'was not asked: the request cannot be read',
      kind: 'refused',
    };
    queueMicrotask(() => this.#isClosed || this.#events.failed(id, failure));
  }

  /** A request of the link's own, or one that must not wait. */
  start(call: Call): void {
    if (!this.#isClosed) this.#start(call);
  }

  /** Lets requests wait, or go again. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    if (!isHeld) this.#pump();
  }

  /** Sends a call, with its headers, over a connection of its own. */
  dispatch(call: Call): void {
    if (this.#isClosed || !this.#isOpen(call)) return;
    call.answer = new HttpAnswer<Call>('message', this.#wire.limits.messageBytes, this, call);
    this.#wire.begin('POST', call.headers, call.body, call.answer, call.isLong ? FOR_EVER : undefined);
  }

  /** The stream of a call is taken up again by another exchange. */
  follow(call: Call, headers: HeaderList): void {
    if (this.#isClosed || !this.#isOpen(call)) return;
    call.answer = new HttpAnswer<Call>('stream', this.#wire.limits.messageBytes, this, call);
    this.#wire.begin('GET', headers, null, call.answer);
  }

  /**
   * Nobody wants the answer any more: nothing more is told of the call.
   * @param graceMs how long its exchange may go on
   * @returns whether the server was asked it
   */
  forget(id: Id, graceMs: number): boolean {
    if (this.#waiting.delete(id)) {
      this.#tellDrained();
      return false;
    }
    const call = this.#open.get(id);
    if (call === undefined) return false;
    this.#close(call);
    if (graceMs === 0) call.answer?.stop();
    else if (call.answer !== undefined) this.#ending.set(call.answer, performance.now() + graceMs);
    this.#pump();
    return true;
  }

  /** Ends everything; nothing more is told. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#sweep);
    for (const call of this.#open.values()) call.answer?.stop();
    for (const answer of this.#ending.keys()) answer.stop();
    this.#open.clear();
    this.#waiting.clear();
    this.#ending.clear();
  }

  message(answer: HttpAnswer<Call>, bytes: Uint8Array, start: number, end: number): void {
    const call = answer.subject;
    if (!this.#isOpen(call)) return void this.dropped++;
    const isRefusal = answer.status >= 300;
    if (isRefusal && this.#era.isFinal(call, answer.status)) return;
    const message = readMessage(tape, bytes, start, end);
    if ('refused' in message) {
      call.nonsense = 'sent something that is no message';
      if (!isRefusal && call.own === undefined) this.#events.message(bytes, start, end, call.id);
      return;
    }
    if (message.kind === 'result' || message.kind === 'error') {
      if (message.id !== call.id || (isRefusal && message.kind === 'result')) {
        call.nonsense = 'sent an answer to another request';
        this.dropped++;
      } else this.#answered(call, answer, message, bytes, start, end);
    } else if (isRefusal || call.own !== undefined) this.dropped++;
    else this.#events.message(bytes, start, end, call.id);
  }

  oversize(answer: HttpAnswer<Call>, head: Uint8Array, length: number): void {
    const call = answer.subject;
    call.nonsense = `sent a message of ${length} bytes, which is more than may be`;
    if (this.#isOpen(call) && call.own === undefined) this.#events.oversize(head, NOTHING, length, call.id);
  }

  done(answer: HttpAnswer<Call>, trouble: Trouble | undefined): void {
    const call = answer.subject;
    this.#ending.delete(answer);
    if (call.answer !== answer || !this.#isOpen(call) || this.#isClosed) return;
    if (trouble?.wasLost === true && !call.isRepeated && (call.isSafe || !trouble.wasSent)) {
      call.isRepeated = true;
      return queueMicrotask(() => this.dispatch(call));
    }
    if (this.#era.unfinished(call, answer)) return;
    this.end(call, trouble?.failure ?? failureOf(call));
  }

  /** Gives a call up. */
  end(call: Call, failure: LinkFailure): void {
    if (!this.#isOpen(call)) return;
    this.#close(call);
    this.#fail(call, failure);
    this.#pump();
  }

  #answered(
    call: Call,
    answer: HttpAnswer<Call>,
    message: Message,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    call.isAnswered = true;
    this.#close(call);
    if (answer.isStream) this.#ending.set(answer, performance.now() + AFTERGLOW_MS);
    if (call.own === undefined) {
      this.#era.answered(call, message, answer);
      this.#events.message(bytes, start, end, call.id);
    } else call.own(message);
    this.#pump();
  }

  #start(call: Call): void {
    this.#open.set(call.id, call);
    const { callMs } = this.#wire.timeouts;
    const most = call.own === undefined ? callMs : Math.min(callMs || OWN_MS, OWN_MS);
    if (most > 0 && !call.isLong) call.deadline = performance.now() + most;
    this.#sweep ??= setInterval(() => this.#tidy(), Math.min(SWEEP_MS, (callMs || SWEEP_MS) / 4)).unref();
    this.#era.ready(call);
  }

  #isOpen(call: Call): boolean {
    return this.#open.get(call.id) === call;
  }

  #hasRoom(): boolean {
    return this.#open.size - this.#long < this.#wire.limits.inFlight;
  }

  #close(call: Call): void {
    this.#open.delete(call.id);
    if (call.isLong) this.#long--;
    this.#era.closed(call);
  }

  #pump(): void {
    for (const [id, call] of this.#waiting) {
      if (this.#isHeld || !this.#hasRoom()) break;
      this.#waiting.delete(id);
      this.#start(call);
    }
    this.#tellDrained();
  }

  #tellDrained(): void {
    if (!this.#wasFull || this.#waiting.size > 0) return;
    this.#wasFull = false;
    queueMicrotask(() => this.#isClosed || this.#events.drained());
  }

  /** Later, since it may have happened while the request was being sent. */
  #fail(call: Call, failure: LinkFailure): void {
    if (call.own !== undefined) return queueMicrotask(() => call.own!(undefined));
    queueMicrotask(() => this.#isClosed || this.#events.failed(call.id, failure));
  }

  #tidy(): void {
    const now = performance.now();
    if (this.#open.size === 0 && this.#ending.size === 0) {
      clearInterval(this.#sweep);
      this.#sweep = undefined;
    }
    for (const call of this.#open.values()) {
      if (call.deadline === 0 || call.deadline > now) continue;
      call.answer?.stop();
      this.end(call, unanswered('did not answer in time'));
    }
    for (const [answer, until] of this.#ending) {
      if (until > now) continue;
      this.#ending.delete(answer);
      answer.stop();
    }
  }
}

const FOR_EVER = { idleMs: 0 };
const NOTHING = new Uint8Array(0);

const failureOf = (call: Call): LinkFailure =>
  call.nonsense === undefined ? unanswered('ended its answer before it had answered') : unusable(call.nonsense);

const tooMany = (what: string): LinkFailure => {
  return { code: TOO_MANY_IN_FLIGHT, why: `has too many ${what} open already`, kind: 'refused', retryAfterMs: 1000 };
};
