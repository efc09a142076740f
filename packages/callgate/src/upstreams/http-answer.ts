import { EventStream, type EventSink } from '../protocol/sse.ts';
import { connectionFailure, isLost, statusFailure, unusable } from './http-failures.ts';
import type { LinkFailure } from './link.ts';

/** What an exchange over HTTP comes to. */
export interface AnswerTaker<T> {
  /** One message: the whole body, or one event. */
  message(answer: HttpAnswer<T>, bytes: Uint8Array, start: number, end: number): void;
  /** A message over the limit, of which only the beginning was kept. */
  oversize(answer: HttpAnswer<T>, head: Uint8Array, length: number): void;
  /** Another event than a message (`endpoint` of 2024-11-05). */
  event?(answer: HttpAnswer<T>, type: string, bytes: Uint8Array, start: number, end: number): void;
  /** It is over; told once, unless it was stopped. @param trouble why what came is no answer */
  done(answer: HttpAnswer<T>, trouble: Trouble | undefined): void;
}

export interface Trouble {
  readonly failure: LinkFailure;
  /** The connection was lost before an answer began: what changes nothing may be asked again. */
  readonly wasLost: boolean;
  /** The server may have had the request. */
  readonly wasSent: boolean;
}

/** `message`: a request awaits its answer. `stream`: only events will do. `nothing`: the status says it all. */
export type Wanted = 'message' | 'stream' | 'nothing';

type Mode = 'body' | 'events' | 'skip';

/** Most bytes that are read only to have the connection for the next request. */
const SKIPPED = 65_536;
/** An event may be this many times the limit before the stream is cut. */
const PATIENCE = 8;
const LONGEST_WAIT_MS = 86_400_000;
const STOPPED = new Error('The exchange was stopped.');

/**
 * Reads one answer of an HTTP server, as undici hands it on (its older, leaner form of handler). What counts is the parsed
 * media type and the status; a body that may be a message is handed on as one, whatever the status.
 */
export class HttpAnswer<T> implements EventSink {
  status = 0;
  sessionId: string | undefined;
  retryAfterMs: number | undefined;
  readonly wanted: Wanted;
  /** What it answers; for its taker. */
  readonly subject: T;
  readonly #taker: AnswerTaker<T>;
  readonly #limit: number;
  #mode: Mode = 'skip';
  #trouble: LinkFailure | undefined;
  #stream: EventStream | undefined;
  #body: Uint8Array | undefined;
  #parts: Uint8Array[] | undefined;
  #size = 0;
  #abort: ((error: Error) => void) | undefined;
  #over = false;
  /** It was given to a connection: from here on the request may have had its effect. */
  #wasGiven = false;

  constructor(wanted: Wanted, limit: number, taker: AnswerTaker<T>, subject: T) {
    this.wanted = wanted;
    this.subject = subject;
    this.#limit = limit;
    this.#taker = taker;
  }

  /** The last id of its events; empty when it had none. */
  get lastId(): string {
    return this.#stream?.lastId ?? '';
  }

  get retryMs(): number | undefined {
    return this.#stream?.retryMs;
  }

  get isStream(): boolean {
    return this.#mode === 'events';
  }

  /** Cuts the exchange; nothing more is told. */
  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#release();
    this.#abort?.(STOPPED);
  }

  /** Cuts the exchange for a reason, which is told. */
  fail(failure: LinkFailure): void {
    if (this.#over) return;
    this.stop();
    this.#taker.done(this, { failure, wasLost: false, wasSent: true });
  }

  onConnect(abort: (error: Error) => void): void {
    this.#abort = abort;
    this.#wasGiven = true;
    if (this.#over) abort(STOPPED);
  }

  onHeaders(status: number, raw: readonly Buffer[]): boolean {
    if (status < 200 || this.#over) return true;
    this.status = status;
    this.#read(status, raw);
    return true;
  }

  onData(chunk: Buffer): boolean {
    if (this.#over) return true;
    if (this.#mode === 'events') {
      const stream = this.#stream!;
      stream.push(chunk, this);
      if (stream.open > PATIENCE * this.#limit) this.fail(unusable('sent an event that does not end'));
      return true;
    }
    this.#size += chunk.length;
    if (this.#mode === 'body') this.#collect(chunk);
    else if (this.#size > SKIPPED) this.#end();
    return true;
  }

  onComplete(): void {
    if (this.#mode === 'body' && !this.#over) this.#handOnBody();
    this.#end();
  }

  onError(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    const hasBegun = this.status !== 0;
    // A status that says it all says more than how the body broke.
    const failure = this.#trouble ?? connectionFailure(error, hasBegun);
    this.#release();
    this.#taker.done(this, { failure, wasLost: !hasBegun && isLost(error), wasSent: this.#wasGiven });
  }

  event(type: string, _id: string, bytes: Uint8Array, start: number, end: number): void {
    if (this.#over) return;
    // An event without data only says where the stream stands.
    if ((type === '' || type === 'message') && end > start) this.#taker.message(this, bytes, start, end);
    else if (end > start) this.#taker.event?.(this, type, bytes, start, end);
    if (this.#over) this.#stream?.stop();
  }

  oversize(head: Uint8Array, length: number): void {
    if (!this.#over) this.#taker.oversize(this, head, length);
  }

  #read(status: number, raw: readonly Buffer[]): void {
    let type = '';
    let encoding = '';
    let types = 0;
    for (let i = 0; i + 1 < raw.length; i += 2) {
      const name = raw[i]!;
      if (name.length < 11 || name.length > 16) continue;
      switch (name.toString('latin1').toLowerCase()) {
        case 'content-type':
          type = raw[i + 1]!.toString('latin1');
          types++;
          break;
        case 'content-encoding':
          encoding = raw[i + 1]!.toString('latin1').trim().toLowerCase();
          break;
        case 'mcp-session-id':
          this.sessionId = raw[i + 1]!.toString('latin1');
          break;
        case 'retry-after':
          this.retryAfterMs = waitOf(raw[i + 1]!.toString('latin1'));
          break;
        default:
      }
    }
    const media = types > 1 ? '' : mediaTypeOf(type);
    const isGood = status >= 200 && status < 300;
    if (this.wanted === 'nothing') {
      if (!isGood) this.#trouble = statusFailure(status, this.retryAfterMs);
      return;
    }
    if (!isGood || status === 202 || status === 204) this.#trouble = statusFailure(status, this.retryAfterMs);
    const mayHold = status !== 204 && status !== 401 && !(status >= 300 && status < 400);
    if (encoding !== '' && encoding !== 'identity' && isGood) {
      this.#trouble = unusable('sent a compressed answer, which was not asked for');
    } else if (media === 'text/event-stream' && isGood && mayHold) {
      this.#mode = 'events';
      this.#stream = new EventStream(this.#limit);
    } else if (media === 'application/json' && mayHold && encoding === '' && this.wanted === 'message')
      this.#mode = 'body';
    else if (isGood && this.#trouble === undefined) {
      const shown = NAMED.has(media) ? media : media === '' ? 'no one media type' : 'another media type';
      this.#trouble = unusable(`answered with ${shown} in place of a message (HTTP ${status})`);
    }
  }

  #collect(chunk: Buffer): void {
    if (this.#size > this.#limit) {
      const head = (this.#body ?? chunk).subarray(0, 8192);
      const trouble = this.#trouble ?? unusable(`sent an answer of more than ${this.#limit} bytes`);
      if (this.status < 300) this.#taker.oversize(this, head, this.#size);
      return this.fail(trouble);
    }
    if (this.#body === undefined) this.#body = chunk;
    else (this.#parts ??= [this.#body]).push(chunk);
  }

  #handOnBody(): void {
    const body = this.#parts === undefined ? this.#body : Buffer.concat(this.#parts, this.#size);
    if (body === undefined || body.length === 0) {
      this.#trouble ??= unusable(`answered with an empty body (HTTP ${this.status})`);
      return;
    }
    this.#taker.message(this, body, 0, body.length);
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    const failure = this.#trouble;
    if (this.#mode === 'skip' && this.#size > SKIPPED) this.#abort?.(STOPPED);
    this.#release();
    this.#taker.done(this, failure === undefined ? undefined : { failure, wasLost: false, wasSent: true });
  }

  /** Lets go of the body, not of what a stream knows of its place. */
  #release(): void {
    this.#body = this.#parts = undefined;
    this.#stream?.stop();
  }
}

/** Media types that may be named to a reader; the name of any other is a text of the server's choosing. */
const NAMED = new Set(
  (
    'text/html text/plain text/xml application/xml application/xhtml+xml application/octet-stream application/problem+json ' +
    'application/x-ndjson application/grpc application/javascript application/pdf application/json text/event-stream'
  ).split(' '),
);

/** The media type without its parameters; empty where there is none, or two. */
function mediaTypeOf(type: string): string {
  if (type === 'application/json' || type === 'text/event-stream') return type;
  const semicolon = type.indexOf(';');
  return (semicolon < 0 ? type : type.slice(0, semicolon)).trim().toLowerCase();
}

/** `Retry-After`, as seconds or as a date. */
function waitOf(text: string): number | undefined {
  const trimmed = text.trim();
  const ms = /^\d{1,9}$/.test(trimmed) ? Number(trimmed) * 1000 : Date.parse(trimmed) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), LONGEST_WAIT_MS) : undefined;
}
