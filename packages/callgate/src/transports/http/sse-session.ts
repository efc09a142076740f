import type { ClientEnd } from '../../bridge/exchange.ts';
import type { Id } from '../../protocol/correlate.ts';
import { restoreAnswer, restoreNote } from '../../protocol/renumber.ts';
import type { Usage } from './admission.ts';
import { type Call, type DoorContext, pooled } from './call.ts';
import { type EventStream, frameOf } from './event-stream.ts';
import type { Reply } from './reply.ts';
import { SessionClient } from './session-client.ts';

/** A session over HTTP+SSE (2024-11-05): one stream for everything the server says, which is the session. */
export class SseSession extends SessionClient implements ClientEnd {
  readonly #gone: () => void;
  #stream: EventStream | undefined;

  constructor(context: DoorContext, usage: Usage, server: string | undefined, gone: () => void) {
    super(context, usage, server);
    this.#gone = gone;
  }

  /**
   * Begins the stream, and tells the client where to post.
   * @param endpoint a path of this door
   */
  start(reply: Reply, endpoint: string): void {
    this.#stream = this.openStream(reply, reply.extra);
    this.#stream.send(Buffer.from(`event: endpoint\ndata: ${endpoint}\n\n`), this.context.mono());
  }

  message(line: Uint8Array, answers: Id | undefined): void {
    const { scanner } = this.context;
    if (answers === undefined) {
      const note = restoreNote(scanner, line, (number) => this.calls.get(number)?.original);
      if (note !== undefined) this.#send(note.line);
      return;
    }
    const call = this.calls.get(answers as number);
    if (call === undefined) return;
    const restored = restoreAnswer(scanner, line, call.number, call.original, false, pooled);
    if (restored === undefined) this.unreadable(call);
    else this.answered(call, restored);
  }

  linger(): void {
    // Its requests have had their response, and the stream its keep-alives.
  }

  hungUp(): void {
    // The session ends with its stream.
  }

  protected override answered(call: Call, line: Uint8Array): void {
    this.#send(line);
    this.finish(call);
  }

  protected override gone(): void {
    this.#stream?.end();
    this.#gone();
  }

  #send(line: Uint8Array): void {
    this.#stream?.send(frameOf(line, undefined), this.context.mono());
  }
}
