import type { ClientEnd } from '../../bridge/exchange.ts';
import type { Id } from '../../protocol/correlate.ts';
import { textMember } from '../../protocol/members.ts';
import { readMessage } from '../../protocol/message.ts';
import { errorCode, restoreAnswer, restoreNote } from '../../protocol/renumber.ts';
import type { Usage } from './admission.ts';
import { type Call, type DoorContext, pooled, shareOf } from './call.ts';
import { eventId, EventStore, parseEventId } from './event-store.ts';
import { type EventStream, frameOf, primingFrame } from './event-stream.ts';
import type { Reply } from './reply.ts';
import { SessionClient } from './session-client.ts';

/** The stream that is nobody's answer. */
const STANDALONE = 0;
/** From here on an event without a message is understood. */
const PRIMED_SINCE = '2025-11-25';

/**
 * One session of a client before 2026-07-28. Its streams can be taken up again: what was sent on them is kept for a while.
 * A client that hangs up has not cancelled.
 */
export class LegacySession extends SessionClient implements ClientEnd {
  readonly id: string;
  readonly #kept: EventStore;
  readonly #gone: (session: LegacySession) => void;
  #standalone: EventStream | undefined;
  /** Last event of the standalone stream that was made, and that was sent. */
  #made = 0;
  #sent = 0;
  /** What was agreed on. */
  revision: string | undefined;

  constructor(
    context: DoorContext,
    usage: Usage,
    server: string | undefined,
    id: string,
    gone: (session: LegacySession) => void,
  ) {
    super(context, usage, server);
    this.id = id;
    this.#gone = gone;
    const { keptEvents, keptBytes } = context.limits;
    this.#kept = new EventStore(keptEvents, () => shareOf(context, keptBytes, context.admission.sessions));
  }

  /** Whether it may be ended for nobody uses it. */
  isIdle(since: number): boolean {
    if (this.lastUsed >= since || this.#standalone?.isOpen === true) return false;
    // A request that nobody waits for keeps no session alive.
    for (const call of this.calls.values()) if (call.reply !== undefined) return false;
    return true;
  }

  message(line: Uint8Array, answers: Id | undefined, about: Id | undefined): void {
    const { scanner } = this.context;
    if (answers !== undefined) {
      const call = this.calls.get(answers as number);
      if (call === undefined) return;
      const code = call.method === 'initialize' ? errorCode(scanner, line) : 0;
      if (call.method === 'initialize') this.#agree(line);
      const restored = restoreAnswer(scanner, line, call.number, call.original, false, pooled);
      if (restored === undefined) this.unreadable(call);
      else this.answered(call, restored, code);
      return;
    }
    const note = restoreNote(scanner, line, (number) => this.calls.get(number)?.original);
    if (note === undefined) return;
    const call = this.calls.get((about ?? note.about) as number) ?? this.#newestWithout();
    if (call === undefined || !this.#event(call, note.line)) this.#standaloneEvent(note.line);
  }

  linger(call: Call): void {
    this.#streamOf(call)?.begin();
  }

  hungUp(call: Call): void {
    call.reply = undefined;
    this.context.waiting.delete(call);
    // Nobody knows the id of the session it would have opened.
    if (call.method === 'initialize' && call.stream === undefined) this.close();
  }

  /** Takes a GET for what is nobody's answer, or, with the id of an event, for what came after it. */
  attach(reply: Reply, lastEventId: string | undefined): 'attached' | 'taken' | 'unknown' {
    this.lastUsed = this.context.mono();
    const place = lastEventId === undefined ? { stream: STANDALONE, sequence: this.#sent } : parseEventId(lastEventId);
    if (place === undefined) return 'unknown';
    if (place.stream !== STANDALONE) return this.#resume(reply, place.stream, place.sequence);
    if (place.sequence > this.#made) return 'unknown';
    if (this.#standalone?.isOpen === true) {
      if (lastEventId === undefined) return 'taken';
      // Who knows the last event is the reader, and has lost the connection before we noticed.
      this.#standalone.end();
    }
    this.#standalone = this.openStream(reply, reply.extra);
    this.#replay(this.#standalone, STANDALONE, place.sequence);
    this.#sent = this.#made;
    return 'attached';
  }

  protected override answered(call: Call, line: Uint8Array, code: number): void {
    const { reply, stream } = call;
    call.reply = undefined;
    if (stream !== undefined) this.endStream(call, stream, this.#frame(call, line));
    else if (reply !== undefined) {
      const isOpened = call.method === 'initialize' && code === 0 && !this.hasEnded;
      this.sendAnswer(call, reply, 200, line, isOpened ? ['Mcp-Session-Id', this.id] : undefined);
    }
    this.finish(call);
    if (call.method === 'initialize' && code !== 0) this.close();
  }

  protected override gone(): void {
    this.#standalone?.end();
    this.#standalone = undefined;
    this.#kept.clear();
    this.#gone(this);
  }

  /** An event on the stream of a request; false when it can have none. */
  #event(call: Call, line: Uint8Array): boolean {
    const stream = this.#streamOf(call);
    if (stream === undefined) return false;
    stream.send(this.#frame(call, line), this.context.mono());
    return true;
  }

  #standaloneEvent(line: Uint8Array): void {
    const frame = frameOf(line, eventId(STANDALONE, ++this.#made));
    this.#kept.keep(STANDALONE, this.#made, frame);
    if (this.#standalone?.isOpen !== true) return;
    this.#standalone.send(frame, this.context.mono());
    this.#sent = this.#made;
  }

  /** The newest request that has a client, when there is no standalone stream to be had. */
  #newestWithout(): Call | undefined {
    if (this.#standalone?.isOpen === true) return undefined;
    let newest: Call | undefined;
    for (const call of this.calls.values()) if (call.reply !== undefined && call.method !== 'initialize') newest = call;
    return newest;
  }

  #frame(call: Call, line: Uint8Array): Buffer {
    const frame = frameOf(line, eventId(call.number, ++call.sequence));
    this.#kept.keep(call.number, call.sequence, frame);
    return frame;
  }

  #streamOf(call: Call): EventStream | undefined {
    if (call.stream !== undefined || call.reply === undefined) return call.stream;
    this.context.waiting.delete(call);
    const { extra } = call.reply;
    const fields = call.method === 'initialize' ? ['Mcp-Session-Id', this.id, ...extra] : extra;
    call.stream = this.openStream(call.reply, fields);
    this.#prime(call.stream, call.number, call.sequence);
    return call.stream;
  }

  #prime(stream: EventStream, number: number, sequence: number): void {
    if (this.revision === undefined || this.revision < PRIMED_SINCE) return;
    stream.send(primingFrame(eventId(number, sequence), this.context.limits.retryMs), this.context.mono());
  }

  #resume(reply: Reply, number: number, sequence: number): 'attached' | 'taken' | 'unknown' {
    const call = this.calls.get(number);
    if (call !== undefined && call.stream === undefined) return 'unknown';
    if (call === undefined && this.#kept.after(number, -1).length === 0) return 'unknown';
    if (call?.stream?.isOpen === true) call.stream.end();
    const stream = this.openStream(reply, reply.extra);
    this.#replay(stream, number, sequence);
    if (call === undefined) stream.end();
    else call.stream = stream;
    return 'attached';
  }

  #replay(stream: EventStream, number: number, sequence: number): void {
    this.#prime(stream, number, sequence);
    for (const frame of this.#kept.after(number, sequence)) stream.send(frame, this.context.mono());
    stream.begin();
  }

  #agree(line: Uint8Array): void {
    const { scanner } = this.context;
    const message = readMessage(scanner, line, 0, line.length);
    if ('refused' in message) return;
    this.revision = textMember(scanner, message.result, 'protocolVersion') ?? this.revision;
  }
}
