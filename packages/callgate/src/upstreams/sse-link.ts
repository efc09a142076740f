import type { HttpTarget } from '../net/index.ts';
import { TOO_MANY_IN_FLIGHT } from '../protocol/codes.ts';
import type { Id } from '../protocol/correlate.ts';
import { readMessage } from '../protocol/message.ts';
import { decodeUtf8 } from '../protocol/text.ts';
import { type AnswerTaker, HttpAnswer, type Trouble } from './http-answer.ts';
import { tape } from './http-calls.ts';
import { statusFailure, unanswered } from './http-failures.ts';
import { type HttpLinkOptions, readHeaders } from './http-options.ts';
import { openWire, type Wire } from './http-wire.ts';
import type { Link, LinkEvents, LinkFailure } from './link.ts';

const LONGEST_ENDPOINT = 4096;
const SWEEP_MS = 500;
const LONGEST_WAIT_FOR_ENDPOINT_MS = 30_000;

/**
 * A conversation over HTTP+SSE, the transport of 2024-11-05: one stream on which everything comes, and a place to post to,
 * which the stream names first. It must be of the same origin. When the stream ends, so does the conversation.
 * @param target the address of the stream
 * @throws CallgateError CG_UPSTREAM_HEADER for headers that cannot be sent; nothing later
 */
export function sseLink(target: HttpTarget, options: Omit<HttpLinkOptions, 'era'>, events: LinkEvents): Link {
  if (typeof options.headers === 'object') readHeaders(options.headers);
  return new SseLink(target, openWire(target, { ...options, era: 'legacy' }), events);
}

/** What a POST was for: the id of a request, or nothing that awaits an answer. */
type Posted = Id | undefined;

class SseLink implements Link, AnswerTaker<Posted> {
  readonly #target: HttpTarget;
  readonly #wire: Wire;
  readonly #events: LinkEvents;
  readonly #stream: HttpAnswer<Posted>;
  readonly #posts = new Set<HttpAnswer<Posted>>();
  /** Requests that await their answer on the stream, and when they are given up. */
  readonly #open = new Map<Id, number>();
  #endpoint: string | undefined;
  readonly #begun = performance.now();
  #waiting: (readonly [body: Uint8Array, id: Posted])[] = [];
  #wasFull = false;
  #isOver = false;
  readonly #sweep: NodeJS.Timeout;

  constructor(target: HttpTarget, wire: Wire, events: LinkEvents) {
    this.#target = target;
    this.#wire = wire;
    this.#events = events;
    const { callMs, firstByteMs } = wire.timeouts;
    this.#sweep = setInterval(() => this.#tidy(), Math.min(SWEEP_MS, (callMs || SWEEP_MS) / 4)).unref();
    this.#stream = new HttpAnswer<Posted>('stream', wire.limits.messageBytes, this, undefined);
    wire.begin('GET', wire.streamHeaders(), null, this.#stream, { idleMs: 0, firstByteMs });
  }

  get isFull(): boolean {
    const isFull = this.#open.size >= this.#wire.limits.inFlight;
    this.#wasFull ||= isFull;
    return isFull;
  }

  send(bytes: Uint8Array, start: number, end: number): void {
    if (this.#isOver) return;
    const message = readMessage(tape, bytes, start, end);
    if ('refused' in message) return;
    const { limits, timeouts } = this.#wire;
    const id = message.kind === 'request' ? message.id : undefined;
    const isTooMany = this.#open.size >= limits.inFlight + limits.queued || this.#posts.size >= 2 * limits.queued;
    if (id !== undefined) {
      if (isTooMany) return this.#fail(id, TOO_MANY);
      this.#open.set(id, timeouts.callMs > 0 ? performance.now() + timeouts.callMs : Infinity);
    } else if (isTooMany) return;
    if (message.cancelled !== undefined) this.#close(message.cancelled);
    const body = bytes.subarray(start, end);
    if (this.#endpoint !== undefined) this.#post(body, id);
    else if (this.#waiting.length < limits.queued) this.#waiting.push([body, id]);
    else if (id !== undefined && this.#open.delete(id)) this.#fail(id, TOO_MANY);
  }

  close(): Promise<void> {
    this.#end();
    return Promise.resolve();
  }

  /** On the stream: where to post to. */
  event(_answer: HttpAnswer<Posted>, type: string, bytes: Uint8Array, start: number, end: number): void {
    if (type !== 'endpoint' || this.#endpoint !== undefined) return;
    const endpoint = end - start > LONGEST_ENDPOINT ? undefined : this.#pathOf(decodeUtf8(bytes, start, end));
    if (endpoint === undefined) return this.#over('named a place to post to that is not its own');
    this.#endpoint = endpoint;
    for (const [body, id] of this.#waiting.splice(0)) this.#post(body, id);
  }

  message(answer: HttpAnswer<Posted>, bytes: Uint8Array, start: number, end: number): void {
    if (answer !== this.#stream || this.#isOver) return;
    const message = readMessage(tape, bytes, start, end);
    if (!('refused' in message) && (message.kind === 'result' || message.kind === 'error')) {
      // An answer to nothing that is open was cancelled, or is made up.
      if (message.id === undefined || !this.#close(message.id)) return;
    }
    this.#events.message(bytes, start, end, undefined);
  }

  oversize(answer: HttpAnswer<Posted>, head: Uint8Array, length: number): void {
    if (answer === this.#stream) this.#events.oversize(head, new Uint8Array(0), length, undefined);
  }

  done(answer: HttpAnswer<Posted>, trouble: Trouble | undefined): void {
    if (answer === this.#stream) return this.#over(trouble?.failure.why ?? 'closed its stream of events');
    this.#posts.delete(answer);
    const id = answer.subject;
    if (trouble === undefined || this.#isOver) return;
    if (id !== undefined && this.#close(id)) this.#fail(id, trouble.failure);
    else if (answer.status === 404) this.#over(statusFailure(404, undefined).why);
  }

  #post(body: Uint8Array, id: Posted): void {
    const answer = new HttpAnswer<Posted>('nothing', this.#wire.limits.messageBytes, this, id);
    this.#posts.add(answer);
    this.#wire.begin('POST', this.#wire.postHeaders(), body, answer, { path: this.#endpoint! });
  }

  /** The path of an endpoint of the same origin. */
  #pathOf(text: string): string | undefined {
    const { origin, path } = this.#target;
    if (!URL.canParse(text, origin + path)) return undefined;
    const url = new URL(text, origin + path);
    return url.origin === origin && url.username === '' && url.password === '' ? url.pathname + url.search : undefined;
  }

  #close(id: Id): boolean {
    const wasOpen = this.#open.delete(id);
    if (wasOpen && this.#wasFull && this.#open.size < this.#wire.limits.inFlight) {
      this.#wasFull = false;
      queueMicrotask(() => this.#isOver || this.#events.drained());
    }
    return wasOpen;
  }

  #fail(id: Id, failure: LinkFailure): void {
    queueMicrotask(() => this.#isOver || this.#events.failed(id, failure));
  }

  #over(how: string): void {
    if (this.#isOver) return;
    this.#end();
    queueMicrotask(() => this.#events.ended(how));
  }

  #end(): void {
    this.#isOver = true;
    clearInterval(this.#sweep);
    this.#stream.stop();
    for (const post of this.#posts) post.stop();
    this.#posts.clear();
    this.#open.clear();
    this.#waiting = [];
  }

  #tidy(): void {
    const now = performance.now();
    if (this.#endpoint === undefined && now - this.#begun > LONGEST_WAIT_FOR_ENDPOINT_MS) {
      return this.#over('named no place to post to in time');
    }
    for (const [id, until] of this.#open) {
      if (until <= now && this.#close(id)) this.#fail(id, unanswered('did not answer in time'));
    }
  }
}

const TOO_MANY: LinkFailure = {
  code: TOO_MANY_IN_FLIGHT,
  why: 'has too many requests open already',
  kind: 'refused',
  retryAfterMs: 1000,
};
