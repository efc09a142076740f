import type { ClientEnd } from '../../bridge/exchange.ts';
import {
  HEADER_MISMATCH,
  INVALID_REQUEST,
  METHOD_NOT_FOUND,
  MISSING_CAPABILITY,
  PARSE_ERROR,
  UNSUPPORTED_VERSION,
} from '../../protocol/codes.ts';
import type { Id } from '../../protocol/correlate.ts';
import { cancelling, errorCode, restoreAnswer, restoreNote } from '../../protocol/renumber.ts';
import { type Call, Client, type DoorContext, pooled } from './call.ts';
import type { Usage } from './admission.ts';
import { frameOf } from './event-stream.ts';
import { ParamHeaders } from './param-headers.ts';

/**
 * All that one principal has to do with one server since 2026-07-28, where there are no sessions: clients of one principal
 * share it, and only the requests tell them apart. A client that hangs up has cancelled.
 */
export class ModernClient extends Client implements ClientEnd {
  readonly paramHeaders = new ParamHeaders();
  readonly #gone: () => void;

  constructor(context: DoorContext, usage: Usage, server: string | undefined, gone: () => void) {
    super(context, usage, server);
    this.#gone = gone;
  }

  message(line: Uint8Array, answers: Id | undefined, about: Id | undefined): void {
    const { scanner } = this.context;
    if (answers !== undefined) {
      const call = this.calls.get(answers as number);
      if (call === undefined) return;
      const code = errorCode(scanner, line);
      if (call.method === 'tools/list') this.paramHeaders.learn(scanner, line);
      const restored = restoreAnswer(
        scanner,
        line,
        call.number,
        call.original,
        call.method === 'subscriptions/listen',
        pooled,
      );
      if (restored === undefined) this.unreadable(call);
      else this.answered(call, restored, code);
      return;
    }
    const note = restoreNote(scanner, line, (number) => this.calls.get(number)?.original);
    // Servers of this era ask inside results; a request on its own has no way to be answered.
    if (note === undefined || note.asks) return;
    const call = this.calls.get((about ?? note.about) as number);
    if (call !== undefined) this.#event(call, note.line);
  }

  linger(call: Call): void {
    this.#streamOf(call)?.begin();
  }

  hungUp(call: Call): void {
    call.reply = undefined;
    this.finish(call);
    const cancelled = cancelling(call.number);
    if (!this.hasEnded) this.exchange?.receive(cancelled, 0, cancelled.length);
  }

  protected override answered(call: Call, line: Uint8Array, code: number): void {
    const { reply, stream } = call;
    call.reply = undefined;
    if (stream !== undefined) this.endStream(call, stream, frameOf(line, undefined));
    else if (reply !== undefined) this.sendAnswer(call, reply, statusOf(code), line);
    this.finish(call);
  }

  protected override gone(): void {
    this.#gone();
  }

  #event(call: Call, line: Uint8Array): void {
    this.#streamOf(call)?.send(frameOf(line, undefined), this.context.mono());
  }

  #streamOf(call: Call): Call['stream'] {
    if (call.stream !== undefined || call.reply === undefined) return call.stream;
    this.context.waiting.delete(call);
    call.stream = this.openStream(call.reply, call.reply.extra);
    return call.stream;
  }
}

/** The status that an answer has when it comes first. What a server says of a call's parameters is no fault of HTTP. */
function statusOf(code: number): number {
  switch (code) {
    case 0:
      return 200;
    case METHOD_NOT_FOUND:
      return 404;
    case PARSE_ERROR:
    case INVALID_REQUEST:
    case HEADER_MISMATCH:
    case MISSING_CAPABILITY:
    case UNSUPPORTED_VERSION:
      return 400;
    default:
      return 200;
  }
}
