import { readMessage, type Message } from '../protocol/message.ts';
import { STRING } from '../protocol/scan.ts';
import { member, stringAt } from '../protocol/tape.ts';
import { type AnswerTaker, HttpAnswer, type Trouble } from './http-answer.ts';
import { type Call, callOf, Calls, tape } from './http-calls.ts';
import { type HeaderList, tokenOf } from './http-headers.ts';
import { StandingStream, waitBefore } from './http-standing.ts';
import type { Wire } from './http-wire.ts';
import type { Link, LinkEvents } from './link.ts';

/** Notifications and answers at the server at once, and those that wait while the session is being made. */
const MOST_ASIDE = 1024;
/** Times a stream is taken up again without anything new on it. */
const MOST_RESUMED = 5;
/** After a cancellation the server may still want to end the stream in its own way. */
const CANCEL_GRACE_MS = 5000;

/** Where the stream of a call broke off. */
interface Place {
  readonly lastId: string;
  readonly retryMs: number | undefined;
  readonly attempt: number;
  readonly timer: NodeJS.Timeout;
}

/** Speaks the revisions with sessions, 2025-03-26 to 2025-11-25. */
export class LegacyLink implements Link, AnswerTaker<Uint8Array> {
  readonly #wire: Wire;
  readonly #events: LinkEvents;
  readonly #calls: Calls;
  readonly #standing: StandingStream;
  readonly #aside = new Set<HttpAnswer<Uint8Array>>();
  /** What is no request waits while the session is being made. */
  #held: Uint8Array[] | undefined;
  readonly #resumed = new Map<Call, Place>();
  /** `initialize`, while it is at the server; then the body of `notifications/initialized`. */
  #opening: Call | undefined;
  #initialized: Uint8Array | undefined;
  #session: string | undefined;
  #version: string | undefined;
  #isOver = false;

  constructor(wire: Wire, events: LinkEvents) {
    this.#wire = wire;
    this.#events = events;
    this.#calls = new Calls(wire, events, {
      ready: (call) => this.#ready(call),
      answered: (call, message, answer) => this.#answered(call, message, answer),
      unfinished: (call, answer) => this.#unfinished(call, answer),
      closed: (call) => this.#closed(call),
      isFinal: (call, status) => this.#isLost(call, status),
    });
    const headers = (): HeaderList => this.#sessionHeaders(wire.streamHeaders());
    this.#standing = new StandingStream(wire, events, headers, () => this.#lost(404));
  }

  get isFull(): boolean {
    return this.#calls.isFull;
  }

  send(bytes: Uint8Array, start: number, end: number): void {
    if (this.#isOver) return;
    const message = readMessage(tape, bytes, start, end);
    if ('refused' in message) return this.#calls.unreadable(message);
    const body = bytes.subarray(start, end);
    if (message.kind === 'request') {
      const call = callOf(message, body);
      if (call.method !== 'initialize') return this.#calls.open(call);
      this.#hold();
      this.#opening = call;
      return this.#calls.start(call);
    }
    // What the server was never asked need not be cancelled.
    if (message.cancelled !== undefined && !this.#calls.forget(message.cancelled, CANCEL_GRACE_MS)) return;
    const isInitialized = message.method === 'notifications/initialized';
    if (this.#held === undefined) this.#sendAside(body, isInitialized);
    else if (this.#held.length < MOST_ASIDE) this.#held.push(body);
    if (isInitialized) this.#hold();
  }

  async close(): Promise<void> {
    if (this.#isOver) return;
    this.#end();
    if (this.#session === undefined) return;
    const headers = this.#sessionHeaders(this.#wire.streamHeaders());
    this.#session = undefined;
    await this.#sayGoodbye(headers);
  }

  message(): void {}

  oversize(): void {}

  /** A notification or an answer was taken, or not. */
  done(answer: HttpAnswer<Uint8Array>, trouble: Trouble | undefined): void {
    this.#aside.delete(answer);
    if (this.#isOver) return;
    if (answer.status === 404 && this.#session !== undefined) return this.#lost(404);
    if (answer.subject !== this.#initialized) return;
    this.#initialized = undefined;
    this.#release();
    if (trouble === undefined) this.#standing.open();
  }

  #sendAside(body: Uint8Array, isInitialized: boolean): void {
    if (this.#aside.size >= MOST_ASIDE) return;
    if (isInitialized) this.#initialized = body;
    const answer = new HttpAnswer<Uint8Array>('nothing', this.#wire.limits.messageBytes, this, body);
    this.#aside.add(answer);
    this.#wire.begin('POST', this.#sessionHeaders(this.#wire.postHeaders()), body, answer);
  }

  /** Nothing overtakes the handshake. */
  #hold(): void {
    this.#held ??= [];
    this.#calls.hold(true);
  }

  #release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const body of held) this.send(body, 0, body.length);
    if (this.#held === undefined) this.#calls.hold(false);
  }

  #ready(call: Call): void {
    const headers = this.#wire.postHeaders();
    call.headers = call.method === 'initialize' ? headers : this.#sessionHeaders(headers);
    this.#calls.dispatch(call);
  }

  #sessionHeaders(headers: HeaderList): HeaderList {
    if (this.#session !== undefined) headers.push('mcp-session-id', this.#session);
    if (this.#version !== undefined) headers.push('mcp-protocol-version', this.#version);
    return headers;
  }

  #answered(call: Call, message: Message, answer: HttpAnswer<Call>): void {
    if (call.method !== 'initialize' || message.result < 0) return;
    this.#session = tokenOf(answer.sessionId);
    const version = member(tape, message.result, 'protocolVersion');
    this.#version = version >= 0 && tape.kinds[version] === STRING ? tokenOf(stringAt(tape, version)) : undefined;
  }

  #closed(call: Call): void {
    const place = this.#resumed.get(call);
    if (place !== undefined) {
      clearTimeout(place.timer);
      this.#resumed.delete(call);
    }
    if (call !== this.#opening) return;
    this.#opening = undefined;
    queueMicrotask(() => this.#release());
  }

  #unfinished(call: Call, answer: HttpAnswer<Call>): boolean {
    const { status } = answer;
    // Many servers say 400 to a session they have forgotten; were it kept, none of its calls would be answered any more.
    const isForgotten = status === 400 && this.#session !== undefined && call.method !== 'initialize';
    if (!isForgotten && !this.#isLost(call, status)) return this.#resume(call, answer);
    this.#lost(status);
    return true;
  }

  #isLost(call: Call, status: number): boolean {
    return status === 404 && this.#session !== undefined && call.method !== 'initialize';
  }

  /** A stream that had ids is taken up again where it broke off; since 2025-11-25 servers end streams on purpose. */
  #resume(call: Call, answer: HttpAnswer<Call>): boolean {
    const known = this.#resumed.get(call);
    const lastId = tokenOf(answer.lastId) ?? known?.lastId;
    const isStream = answer.isStream || (known !== undefined && answer.status === 0);
    if (lastId === undefined || !isStream) return false;
    const attempt = lastId === known?.lastId ? known.attempt + 1 : 0;
    if (attempt >= MOST_RESUMED) return false;
    const retryMs = answer.retryMs ?? known?.retryMs;
    const follow = (): void => {
      const headers = this.#sessionHeaders(this.#wire.streamHeaders());
      headers.push('last-event-id', lastId);
      this.#calls.follow(call, headers);
    };
    const timer = setTimeout(follow, waitBefore(attempt, retryMs)).unref();
    this.#resumed.set(call, { lastId, retryMs, attempt, timer });
    return true;
  }

  /** The server knows the session no more: a new one begins with `initialize`, which is not the link's to send. */
  #lost(status: number): void {
    this.#end();
    this.#session = undefined;
    queueMicrotask(() => this.#events.ended(`no longer knows the session (HTTP ${status})`));
  }

  #end(): void {
    this.#isOver = true;
    this.#calls.close();
    this.#standing.close();
    for (const answer of this.#aside) answer.stop();
    for (const { timer } of this.#resumed.values()) clearTimeout(timer);
    this.#resumed.clear();
  }

  /** Best effort: a server may not let sessions be ended, or not be there any more. */
  #sayGoodbye(headers: HeaderList): Promise<void> {
    return new Promise((resolve) => {
      const ended = (): void => {
        clearTimeout(timer);
        answer.stop();
        resolve();
      };
      const timer = setTimeout(ended, this.#wire.timeouts.closeMs);
      const taker = { message: () => undefined, oversize: () => undefined, done: ended };
      const answer = new HttpAnswer<undefined>('nothing', 0, taker, undefined);
      this.#wire.begin('DELETE', headers, null, answer);
    });
  }
}
