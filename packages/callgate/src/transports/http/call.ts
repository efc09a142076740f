import type { ServerResponse } from 'node:http';
import type { Exchange } from '../../bridge/exchange.ts';
import { INTERNAL_ERROR, SERVER_ENDED, TOO_MANY_IN_FLIGHT } from '../../protocol/codes.ts';
import type { Id } from '../../protocol/correlate.ts';
import type { Message } from '../../protocol/message.ts';
import { errorAnswer } from '../../protocol/refusal.ts';
import { numbered, type Original, originalOf } from '../../protocol/renumber.ts';
import type { Scanner } from '../../protocol/scan.ts';
import { decodeUtf8 } from '../../protocol/splice.ts';
import type { Admission, Ticket, Usage } from './admission.ts';
import { EventStream } from './event-stream.ts';
import type { HttpLimits } from './options.ts';
import { type Reply, sendJson, sendRefusal } from './reply.ts';

const LEAST_BYTES = 64 << 10;

/** What one of many may hold, so that all of them together stay within bounds. */
export function shareOf({ limits }: DoorContext, most: number, of: number): number {
  return Math.min(most, Math.max(LEAST_BYTES, limits.sharedBytes / Math.max(1, of)));
}

export function pooled(length: number): Uint8Array {
  return Buffer.allocUnsafe(length);
}

/** What the parts of one front door share. */
export interface DoorContext {
  readonly limits: HttpLimits;
  readonly admission: Admission;
  /** Reads what servers say; another than the one that reads clients, which may be in use meanwhile. */
  readonly scanner: Scanner;
  /** Requests that have no answer and no stream yet, oldest first. */
  readonly waiting: Set<Call>;
  readonly streams: Set<EventStream>;
  /** Closing exchanges that are waited for at the end. */
  readonly closing: Set<Promise<void>>;
  mono(): number;
  warn(message: string): void;
}

/** One open request of a client. */
export interface Call {
  readonly client: Client;
  /** What it is called beyond the door. */
  readonly number: number;
  readonly id: Id;
  readonly method: string;
  readonly original: Original;
  readonly ticket: Ticket;
  readonly since: number;
  /** Undefined once the client has hung up. */
  reply: Reply | undefined;
  /** Once something came before the answer. */
  stream: EventStream | undefined;
  /** Of the last event of its stream. */
  sequence: number;
}

/**
 * What a client has to do with a server, of which several requests may be open: gives them numbers, and gives answers their
 * ids back.
 */
export abstract class Client {
  readonly context: DoorContext;
  readonly usage: Usage;
  readonly server: string | undefined;
  readonly calls = new Map<number, Call>();
  /** Set right after it was opened. */
  exchange: Exchange | undefined;
  hasEnded = false;
  lastUsed: number;
  #lastNumber = 0;

  constructor(context: DoorContext, usage: Usage, server: string | undefined) {
    this.context = context;
    this.usage = usage;
    this.server = server;
    this.lastUsed = context.mono();
  }

  /** Opens a request and sends it on; the scanner holds it. */
  begin(reply: Reply | undefined, ticket: Ticket, tape: Scanner, message: Message, start: number, end: number): Call {
    const call: Call = {
      client: this,
      number: ++this.#lastNumber,
      id: message.id as Id,
      method: message.method as string,
      original: originalOf(tape, message),
      ticket,
      since: this.context.mono(),
      reply,
      stream: undefined,
      sequence: 0,
    };
    this.lastUsed = call.since;
    ticket.isAnswered = false;
    this.calls.set(call.number, call);
    if (reply !== undefined) this.context.waiting.add(call);
    const bytes = numbered(tape, message, start, end, call.number, pooled);
    this.exchange?.receive(bytes, 0, bytes.length);
    return call;
  }

  /** Nothing else will come of a request. */
  finish(call: Call): void {
    this.lastUsed = this.context.mono();
    this.calls.delete(call.number);
    this.context.waiting.delete(call);
    call.ticket.isAnswered = true;
    this.context.admission.settle(call.ticket);
  }

  /** The exchange has ended by itself, or is ended with this. Open requests are answered. */
  ended(how: string): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    for (const call of this.calls.values()) {
      const line = errorAnswer(decodeUtf8(call.original.id), SERVER_ENDED, `The server ${how}.`);
      this.answered(call, line.subarray(0, -1), SERVER_ENDED);
    }
    this.gone();
  }

  /** Ends the conversation. */
  close(): void {
    this.ended('was closed');
    const closing = Promise.resolve(this.exchange?.close()).catch((error: unknown) => {
      this.context.warn(`A conversation did not close: ${String(error)}`);
    });
    this.context.closing.add(closing);
    void closing.finally(() => this.context.closing.delete(closing));
  }

  /** Ends the stream of a request with its answer, if there is room for what its client may not read. */
  protected endStream(call: Call, stream: EventStream, frame: Uint8Array): void {
    stream.end(this.context.admission.keep(call.ticket, frame.length) ? frame : undefined);
  }

  /** Answers a request with one JSON text, as `endStream` does. */
  protected sendAnswer(call: Call, reply: Reply, status: number, line: Uint8Array, fields?: readonly string[]): void {
    if (this.context.admission.keep(call.ticket, line.length)) return sendJson(reply, status, line, fields);
    const message = 'The answer was dropped: too much that was answered has not been read.';
    sendRefusal(reply, { status: 503, code: TOO_MANY_IN_FLIGHT, message, idText: decodeUtf8(call.original.id) });
  }

  /** An answer that does not carry the number it was said to: a defect of ours, which no client may hang on. */
  protected unreadable(call: Call): void {
    this.context.warn('An answer did not carry the id it was said to; its client was given an error.');
    const line = errorAnswer(
      decodeUtf8(call.original.id),
      INTERNAL_ERROR,
      'The answer of the server could not be read.',
    );
    this.answered(call, line.subarray(0, -1), INTERNAL_ERROR);
  }

  /** Begins the event stream of a request, whose response has no head yet. */
  openStream(reply: ServerResponse, fields: readonly string[]): EventStream {
    const { context } = this;
    const { bufferedBytes } = context.limits;
    const stream = new EventStream(
      reply,
      () => shareOf(context, bufferedBytes, context.streams.size),
      context.mono(),
      fields,
    );
    context.streams.add(stream);
    reply.once('close', () => context.streams.delete(stream));
    return stream;
  }

  /** A request waits for long: shows its client that it is not forgotten. */
  abstract linger(call: Call): void;
  /** The client has hung up on a request. */
  abstract hungUp(call: Call): void;
  /** The answer to a request, under the client's id. */
  protected abstract answered(call: Call, line: Uint8Array, code: number): void;
  /** Lets go of what is not a request. */
  protected abstract gone(): void;
}
