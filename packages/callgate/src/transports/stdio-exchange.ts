import type { Readable, Writable } from 'node:stream';
import type { ClientEnd, Era, Exchange } from '../bridge/exchange.ts';
import { tooLarge } from '../gate/malformed.ts';
import { INTERNAL_ERROR, INVALID_REQUEST, TOO_MANY_IN_FLIGHT } from '../protocol/codes.ts';
import type { Id } from '../protocol/correlate.ts';
import { LineFramer } from '../protocol/frame.ts';
import { readMessage, type Message, type Refusal } from '../protocol/message.ts';
import { oneLine } from '../protocol/one-line.ts';
import { errorAnswer } from '../protocol/refusal.ts';
import { cancelOf, numbered, type Original, originalOf, restoreAnswer, restoreNote } from '../protocol/renumber.ts';
import { Scanner } from '../protocol/scan.ts';
import { decodeUtf8 } from '../protocol/splice.ts';
import { Outlet } from './outlet.ts';

export interface StdioExchangeOptions {
  readonly input: Readable;
  readonly output: Writable;
  /** Opens what the client talks to, once its first message has told its era. */
  open(era: Era, end: ClientEnd): Exchange;
  /** Records bytes that are no message, of a client that has said nothing yet. */
  malformed(refusal: Refusal): void;
  readonly maxMessageBytes: number;
  readonly messageLimits: { readonly depth: number; readonly keys: number };
  /** Ends the conversation. */
  readonly signal: AbortSignal;
}

/** How long a client that has ended its input is given to read the answers to what it asked. */
const DRAIN_MS = 5000;

/**
 * A client on our stdin and stdout whose server is no process of ours (a URL), or many servers. Resolves when either side is
 * done, with how the server's side ended if it was that; never rejects.
 */
export async function runStdioExchange(options: StdioExchangeOptions): Promise<string | undefined> {
  const { input, output, signal } = options;
  const client = new StdioClient(options);
  const framer = new LineFramer(options.maxMessageBytes);
  input.on('data', (chunk: Buffer) => framer.push(chunk, client));
  const clientEnded = new Promise<void>((resolve) => {
    for (const event of ['end', 'error', 'close']) input.once(event, () => resolve());
    for (const event of ['error', 'close']) output.once(event, () => resolve());
  });
  const drained = clientEnded.then(async () => {
    framer.end(client);
    const until = Date.now() + DRAIN_MS;
    while (client.isAwaiting && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
  });
  const told = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const how = await Promise.race([client.over, drained, told]);
  await client.close();
  return typeof how === 'string' ? how : undefined;
}

/** A request that the client awaits. */
interface Open {
  readonly id: Id;
  readonly original: Original;
  readonly isListen: boolean;
}

/** The client's side: its requests go on under numbers of ours, as an exchange wants them, and come back under its own ids. */
class StdioClient implements ClientEnd {
  /** Resolves with how the server's side ended. */
  readonly over: Promise<string>;
  readonly #o: StdioExchangeOptions;
  readonly #outlet: Outlet;
  readonly #scanner: Scanner;
  readonly #open = new Map<number, Open>();
  readonly #numbers = new Map<Id, number>();
  #exchange: Exchange | undefined;
  #last = 0;
  #tellOver: (how: string) => void = () => undefined;

  constructor(options: StdioExchangeOptions) {
    this.#o = options;
    this.#outlet = new Outlet(options.output, () => options.input.resume());
    this.#scanner = new Scanner(options.messageLimits);
    this.over = new Promise((resolve) => (this.#tellOver = resolve));
  }

  /** Whether an answer is due; a subscription awaits none. */
  get isAwaiting(): boolean {
    for (const { isListen } of this.#open.values()) if (!isListen) return true;
    return false;
  }

  async close(): Promise<void> {
    await this.#exchange?.close();
    await this.#outlet.flushed();
  }

  line(bytes: Uint8Array, start: number, end: number): void {
    const message = readMessage(this.#scanner, bytes, start, end);
    if ('refused' in message) return this.#refuse(message);
    this.#exchange ??= this.#o.open(message.protocolVersion === undefined ? 'legacy' : 'modern', this);
    if (message.kind === 'request') return this.#ask(message, bytes, start, end);
    if (message.cancelled === undefined) return this.#exchange.receive(bytes, start, end);
    const number = this.#numbers.get(message.cancelled);
    // Its answer has left already, or it never was.
    if (number === undefined) return;
    const cancel = cancelOf(this.#scanner, message, start, end, number);
    this.#exchange.receive(cancel, 0, cancel.length);
  }

  oversize(head: Uint8Array, tail: Uint8Array, length: number): void {
    this.#refuse(tooLarge(head, tail, length));
  }

  message(line: Uint8Array, answers: Id | undefined): void {
    if (answers === undefined) {
      const note = restoreNote(this.#scanner, line, (number) => this.#open.get(number)?.original);
      if (note !== undefined) this.#send(note.line);
      return;
    }
    const open = this.#open.get(answers as number);
    if (open === undefined) return;
    this.#open.delete(answers as number);
    this.#numbers.delete(open.id);
    const restored = restoreAnswer(this.#scanner, line, answers as number, open.original, open.isListen);
    const idText = decodeUtf8(open.original.id);
    this.#send(restored ?? errorAnswer(idText, INTERNAL_ERROR, 'The answer could not be given the id of its request.'));
  }

  ended(how: string): void {
    this.#tellOver(how);
  }

  #ask(message: Message, bytes: Uint8Array, start: number, end: number): void {
    const id = message.id as Id;
    const idText = decodeUtf8(bytes, message.idStart, message.idEnd);
    if (this.#numbers.has(id)) {
      const why = `The id ${idText} belongs to a request that is still open.`;
      // Under that id the refusal would be taken for the answer to the first.
      const refusal = { refused: true, code: INVALID_REQUEST, reason: 'id_in_use', message: why, offset: 0 } as const;
      return this.#refuse({ ...refusal, idText: undefined });
    }
    if (this.#exchange?.isFull === true) {
      const text = 'Callgate refused the request: too much is waiting for the server.';
      return this.#send(errorAnswer(idText, TOO_MANY_IN_FLIGHT, text, { retryAfterMs: 1000 }));
    }
    const number = ++this.#last;
    const isListen = message.method === 'subscriptions/listen';
    this.#open.set(number, { id, original: originalOf(this.#scanner, message), isListen });
    this.#numbers.set(id, number);
    const line = numbered(this.#scanner, message, start, end, number);
    this.#exchange?.receive(line, 0, line.length);
  }

  /** What is no message for anybody is recorded and answered here. */
  #refuse(refusal: Refusal): void {
    if (this.#exchange === undefined) this.#o.malformed(refusal);
    else this.#exchange.malformed(refusal);
    const { idText, code, message, reason } = refusal;
    this.#send(errorAnswer(idText, code, `Callgate refused the message: ${message}`, { reason }));
  }

  #send(message: Uint8Array): void {
    const end = message.at(-1) === 10 ? message.length - 1 : message.length;
    const line = oneLine(message, 0, end);
    this.#outlet.line(line, 0, line.length);
    this.#outlet.release();
    if (this.#outlet.isFull) this.#o.input.pause();
  }
}
