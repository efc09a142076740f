import { Judge, type JudgeOptions } from '../gate/judge.ts';
import { SERVER_ENDED } from '../protocol/codes.ts';
import type { Id } from '../protocol/correlate.ts';
import type { Refusal } from '../protocol/message.ts';
import { encodeUtf8 } from '../protocol/text.ts';
import type { Link, OpenLink } from '../upstreams/link.ts';
import type { Books, Due, Settled } from './books.ts';
import type { Deadlines, Timed } from './deadlines.ts';
import type { ClientEnd, Exchange } from './exchange.ts';

export interface ConversationOptions extends Omit<JudgeOptions, 'toServer' | 'toClient'> {
  readonly end: ClientEnd;
  /** Opens the link to the server, in the era of the client. */
  readonly open: OpenLink;
  readonly books: Books;
  readonly deadlines: Deadlines;
  /** A request that the server has not answered by then is given up. */
  readonly timeoutMs: number;
}

/** A line that was judged and waits for its evidence. */
interface Line {
  readonly bytes: Uint8Array;
  readonly answers: Id | undefined;
}

/**
 * One client and one server, with the judge between them. What the client sends leaves after its evidence is written, at
 * the end of the turn (see Books); what the server sends leaves at once.
 */
export class Conversation implements Exchange, Due, Timed {
  readonly #judge: Judge;
  readonly #link: Link;
  readonly #end: ClientEnd;
  readonly #books: Books;
  readonly #deadlines: Deadlines;
  readonly #timeoutMs: number;
  readonly #mono: () => number;
  #calls: Uint8Array[] = [];
  /** What the judge itself answered to the client. */
  #replies: Line[] = [];
  /** While a message of the server is judged: the request it came with. */
  #about: Id | undefined;
  #fromServer = false;
  #isOver = false;
  /** Turns whose evidence is being written. */
  #settling = 0;
  /** How it ended, while refusals wait for their evidence: they leave before the client hears of the end. */
  #how: string | undefined;

  constructor(options: ConversationOptions) {
    const { end, open, books, deadlines, timeoutMs, ...judging } = options;
    this.#end = end;
    this.#books = books;
    this.#deadlines = deadlines;
    this.#timeoutMs = timeoutMs;
    this.#mono = () => options.mono();
    this.#judge = new Judge({
      ...judging,
      isFull: () => this.#link.isFull,
      toServer: {
        line: (bytes, start, stop) => this.#toServer(bytes.subarray(start, stop)),
        whole: (line) => this.#toServer(withoutNewline(line)),
      },
      toClient: {
        line: (bytes, start, stop, answers) => this.#toClient(bytes.subarray(start, stop), answers),
        whole: (line, answers) => this.#toClient(withoutNewline(line), answers),
      },
    });
    this.#link = open({
      message: (bytes, start, stop, about) => this.#judged(about, () => this.#judge.line('server', bytes, start, stop)),
      oversize: (head, tail, length, about) =>
        this.#judged(about, () => this.#judge.oversize('server', head, tail, length)),
      failed: (id, failure) => this.#judged(undefined, () => this.#judge.failed(id, failure)),
      refuses: (bytes, start, stop) => this.#refuses(bytes, start, stop),
      drained: () => undefined,
      ended: (how) => {
        this.#over(how, false);
        // Nothing of it may stay behind: what a link holds besides its server ends here.
        queueMicrotask(() => void this.#link.close());
      },
    });
    if (!this.#isOver) deadlines.add(this);
  }

  receive(bytes: Uint8Array, start: number, end: number): void {
    this.#judge.line('client', bytes, start, end);
    this.#books.add(this);
  }

  giveUpOverdue(): void {
    for (const id of this.#judge.overdue(this.#mono() - this.#timeoutMs * 1000)) {
      const cancel = cancelled(id);
      this.#link.send(cancel, 0, cancel.length);
      const why = `did not answer within ${this.#timeoutMs / 1000} s`;
      this.#judged(undefined, () => this.#judge.failed(id, { code: SERVER_ENDED, why, kind: 'transport' }));
    }
  }

  malformed(refusal: Refusal): void {
    this.#judge.malformed('client', refusal);
    this.#books.outcome();
  }

  get isFull(): boolean {
    return this.#link.isFull || this.#books.isFull;
  }

  async close(): Promise<void> {
    this.#over('was left by its client', true);
    await this.#link.close();
  }

  /** What is judged while this is on its way to the disk is no part of it, and waits for its own turn. */
  settle(): Settled {
    const calls = this.#calls;
    const replies = this.#replies;
    this.#calls = [];
    this.#replies = [];
    this.#settling++;
    const takeBack = this.#judge.settle();
    return {
      release: () => this.#release(calls, replies),
      takeBack: (cause) => {
        const later = this.#replies;
        this.#replies = replies;
        takeBack(cause);
        this.#replies = later;
        this.#release([], replies);
      },
    };
  }

  #release(calls: readonly Uint8Array[], replies: readonly Line[]): void {
    this.#settling--;
    for (const line of calls) this.#link.send(line, 0, line.length);
    for (const { bytes, answers } of replies) this.#end.message(bytes, answers, answers);
    if (this.#how !== undefined && !this.#hasReplies) this.#tellEnd(this.#how);
  }

  /** Whether something that the judge itself has answered has not left yet. */
  get #hasReplies(): boolean {
    return this.#replies.length > 0 || this.#settling > 0;
  }

  #refuses(bytes: Uint8Array, start: number, end: number) {
    const refused = this.#judge.refusesAsk(bytes, start, end);
    if (refused !== undefined) this.#books.outcome();
    return refused;
  }

  #toServer(line: Uint8Array): void {
    if (this.#fromServer) this.#link.send(line, 0, line.length);
    else this.#calls.push(line);
  }

  #toClient(bytes: Uint8Array, answers: Id | undefined): void {
    if (this.#fromServer) this.#end.message(bytes, answers, answers ?? this.#about);
    else this.#replies.push({ bytes, answers });
  }

  /** Runs the judge on something of the server. */
  #judged(about: Id | undefined, judge: () => void): void {
    this.#about = about;
    this.#fromServer = true;
    try {
      judge();
    } finally {
      this.#fromServer = false;
      this.#about = undefined;
    }
    this.#books.outcome();
  }

  #over(how: string, isAsked: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#deadlines.remove(this);
    this.#judged(undefined, () => {
      this.#judge.serverEnded(how, isAsked);
      this.#judge.close();
    });
    if (this.#hasReplies && !isAsked) this.#how = how;
    else this.#tellEnd(how);
  }

  #tellEnd(how: string): void {
    this.#how = undefined;
    this.#end.ended(how);
  }
}

function withoutNewline(line: Uint8Array): Uint8Array {
  return line.at(-1) === 10 ? line.subarray(0, -1) : line;
}

/** The gate's own word to a server that a request is given up. */
function cancelled(id: Id): Uint8Array {
  const params = { requestId: id, reason: 'It was not answered in time.' };
  return encodeUtf8(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params }));
}
