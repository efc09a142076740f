import type { ClientEnd, Exchange } from '../bridge/exchange.ts';
import { CallgateError } from '../model/error.ts';
import { METHOD_NOT_FOUND, SERVER_ENDED } from '../protocol/codes.ts';
import { NEWEST_LEGACY } from '../protocol/revisions.ts';
import { VERSION } from './version.ts';

/** What a server answered. */
export type Answered =
  | { readonly result: { readonly [key: string]: unknown } }
  | { readonly error: { readonly code: number; readonly message: string; readonly data?: unknown } };

/** A client of ours on an exchange, for commands that ask a server something themselves. It grants the server nothing. */
export class ExchangeClient {
  readonly #exchange: Exchange;
  readonly #waiting = new Map<number, (answer: Answered) => void>();
  readonly #timeoutMs: number;
  #ids = 0;
  #ended: string | undefined;

  constructor(open: (end: ClientEnd) => Exchange, timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#exchange = open({
      message: (line, answers) => this.#heard(line, answers),
      ended: (how) => this.#over(how),
    });
  }

  /** Begins the session. @returns what the server said of itself */
  async initialize(): Promise<Answered> {
    const clientInfo = { name: 'callgate', version: VERSION };
    const answer = await this.request('initialize', { protocolVersion: NEWEST_LEGACY, capabilities: {}, clientInfo });
    if ('result' in answer) this.#send({ method: 'notifications/initialized' });
    return answer;
  }

  /** @throws CallgateError CG_UPSTREAM_SILENT when no answer comes in time, CG_UPSTREAM_ENDED when the server ends first */
  request(method: string, params: object): Promise<Answered> {
    if (this.#ended !== undefined) return Promise.reject(ended(this.#ended));
    const id = ++this.#ids;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(silent(method, this.#timeoutMs));
      }, this.#timeoutMs);
      this.#waiting.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      this.#send({ id, method, params });
    });
  }

  close(): Promise<void> {
    return this.#exchange.close();
  }

  #send(message: object): void {
    const bytes = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }));
    this.#exchange.receive(bytes, 0, bytes.length);
  }

  #heard(line: Uint8Array, answers: string | number | undefined): void {
    const message = JSON.parse(Buffer.from(line).toString()) as Answered & { id?: string | number; method?: string };
    if (answers === undefined) {
      if (message.method !== undefined && message.id !== undefined) this.#refuse(message.id);
      return;
    }
    const waiting = this.#waiting.get(Number(answers));
    this.#waiting.delete(Number(answers));
    waiting?.(message);
  }

  /** What a server asks of its client: nobody is here to answer it. */
  #refuse(id: string | number): void {
    this.#send({ id, error: { code: METHOD_NOT_FOUND, message: 'This client answers no questions.' } });
  }

  #over(how: string): void {
    this.#ended = how;
    for (const waiting of this.#waiting.values())
      waiting({ error: { code: SERVER_ENDED, message: `The server ${how}.` } });
    this.#waiting.clear();
  }
}

function silent(method: string, timeoutMs: number): CallgateError {
  const message = `The server did not answer ${method} within ${timeoutMs / 1000} s.`;
  return new CallgateError('CG_UPSTREAM_SILENT', message, {
    remedy: 'Give it longer with --timeout, or look at its log.',
  });
}

function ended(how: string): CallgateError {
  return new CallgateError('CG_UPSTREAM_ENDED', `The server ${how}.`, { remedy: 'Run it once without Callgate.' });
}
