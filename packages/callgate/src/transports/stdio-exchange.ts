import type { Readable, Writable } from 'node:stream';
import type { Era, Exchange, ClientEnd } from '../bridge/exchange.ts';
import { LineFramer } from '../protocol/frame.ts';
import { readMessage } from '../protocol/message.ts';
import { oneLine } from '../protocol/one-line.ts';
import { errorAnswer } from '../protocol/refusal.ts';
import { Scanner } from '../protocol/scan.ts';
import { INVALID_REQUEST } from '../protocol/codes.ts';
import { salvageOversize } from '../protocol/salvage.ts';
import { Outlet } from './outlet.ts';

export interface StdioExchangeOptions {
  readonly input: Readable;
  readonly output: Writable;
  /** Opens what the client talks to, once its first message has told its era. */
  open(era: Era, end: ClientEnd): Exchange;
  readonly maxMessageBytes: number;
  readonly messageLimits: { readonly depth: number; readonly keys: number };
}

/** How long a client that has ended its input is given to read the answers to what it asked. */
const DRAIN_MS = 5000;

/**
 * A client on our stdin and stdout whose server is no process of ours (a URL), or many servers. Resolves when either side is
 * done, with how the server's side ended if it was that; never rejects.
 */
export async function runStdioExchange(options: StdioExchangeOptions): Promise<string | undefined> {
  const { input, output, maxMessageBytes } = options;
  const outlet = new Outlet(output, () => input.resume());
  const scanner = new Scanner(options.messageLimits);
  let exchange: Exchange | undefined;
  let awaited = 0;
  let over: (how: string | undefined) => void = () => undefined;
  const ended = new Promise<string | undefined>((resolve) => (over = resolve));
  const end: ClientEnd = {
    message(line, answers) {
      if (answers !== undefined) awaited--;
      const single = oneLine(line, 0, line.length);
      outlet.line(single, 0, single.length);
      outlet.release();
      if (outlet.isFull) input.pause();
    },
    ended: (how) => over(how),
  };
  const framer = new LineFramer(maxMessageBytes);
  const sink = {
    line(bytes: Uint8Array, start: number, stop: number) {
      const message = readMessage(scanner, bytes, start, stop);
      if (!('refused' in message) && message.kind === 'request') awaited++;
      exchange ??= options.open(
        'refused' in message || message.protocolVersion === undefined ? 'legacy' : 'modern',
        end,
      );
      exchange.receive(bytes, start, stop);
    },
    oversize(head: Uint8Array, tail: Uint8Array, length: number) {
      const text = `Callgate refused the message: it has ${length} bytes, more than limits.messageBytes allows.`;
      outlet.whole(errorAnswer(salvageOversize(head, tail).idText, INVALID_REQUEST, text, { reason: 'too_large' }));
      outlet.release();
    },
  };
  input.on('data', (chunk: Buffer) => framer.push(chunk, sink));
  const clientEnded = new Promise<void>((resolve) => {
    for (const event of ['end', 'error', 'close']) input.once(event, () => resolve());
    for (const event of ['error', 'close']) output.once(event, () => resolve());
  });
  void clientEnded.then(async () => {
    framer.end(sink);
    const until = Date.now() + DRAIN_MS;
    while (awaited > 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
    over(undefined);
  });
  const how = await ended;
  await exchange?.close();
  await outlet.flushed();
  return how;
}
