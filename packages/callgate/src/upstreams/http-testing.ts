import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { guardFor, guardedAgent, readTarget } from '../net/index.ts';
import { readMessage } from '../protocol/message.ts';
import { Scanner } from '../protocol/scan.ts';
import { decodeUtf8, encodeUtf8 } from '../protocol/text.ts';
import { httpLink, type HttpLinkOptions } from './http-link.ts';
import type { Link, LinkEvents, LinkFailure } from './link.ts';
import type { Id } from '../protocol/correlate.ts';

/** A request as a server of a test saw it. */
export interface SeenRequest {
  readonly method: string;
  readonly headers: IncomingMessage['headers'];
  readonly rawHeaders: readonly string[];
  readonly text: string;
  /** The body, parsed when it is JSON. */
  readonly body: { id?: Id; method?: string; params?: Record<string, unknown> };
}

export interface TestServer {
  readonly url: string;
  readonly seen: SeenRequest[];
  close(): Promise<void>;
}

/** An HTTP server on a free port of the loopback. */
export async function serve(
  handle: (request: SeenRequest, response: ServerResponse, raw: IncomingMessage) => void,
  /** In place of it: gets the request before its body. */
  early?: (raw: IncomingMessage, response: ServerResponse) => void,
): Promise<TestServer> {
  const seen: SeenRequest[] = [];
  const server: Server = createServer((raw, response) => {
    if (early !== undefined) return early(raw, response);
    const chunks: Buffer[] = [];
    raw.on('data', (chunk: Buffer) => chunks.push(chunk));
    raw.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8');
      const body = text.startsWith('{') ? (JSON.parse(text) as SeenRequest['body']) : {};
      const request = { method: raw.method ?? '', headers: raw.headers, rawHeaders: raw.rawHeaders, text, body };
      seen.push(request);
      handle(request, response, raw);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    seen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export type Told =
  | { readonly message: string; readonly about: Id | undefined }
  | { readonly failed: Id; readonly failure: LinkFailure }
  | { readonly oversize: number; readonly about: Id | undefined }
  | { readonly ended: string }
  | { readonly drained: true };

/** Events of a link, in order, and a way to wait for them. */
export class Ear implements LinkEvents {
  readonly told: Told[] = [];
  #wake: () => void = () => undefined;

  message(bytes: Uint8Array, start: number, end: number, about: Id | undefined): void {
    this.#add({ message: decodeUtf8(bytes, start, end), about });
  }
  oversize(_head: Uint8Array, _tail: Uint8Array, length: number, about: Id | undefined): void {
    this.#add({ oversize: length, about });
  }
  failed(id: Id, failure: LinkFailure): void {
    this.#add({ failed: id, failure });
  }
  drained(): void {
    this.#add({ drained: true });
  }
  ended(how: string): void {
    this.#add({ ended: how });
  }

  /** The next thing told that fits; fails after four seconds with what was told instead. */
  async next(fits: (told: Told) => boolean = () => true, withinMs = 4000): Promise<Told> {
    const until = Date.now() + withinMs;
    for (;;) {
      const at = this.told.findIndex(fits);
      if (at >= 0) return this.told.splice(at, 1)[0]!;
      const left = until - Date.now();
      if (left <= 0) throw new Error(`nothing fitting was told; there is ${JSON.stringify(this.told)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** The answer to a request, parsed; or the failure. */
  async answer(
    id: Id,
  ): Promise<{ result?: unknown; error?: { code: number; message: string }; failure?: LinkFailure }> {
    const isAnswer = (told: Told): boolean =>
      'failed' in told ? told.failed === id : 'message' in told && isAnswerTo(told.message, id);
    const told = await this.next(isAnswer);
    return 'failed' in told ? { failure: told.failure } : JSON.parse((told as { message: string }).message);
  }

  #add(told: Told): void {
    this.told.push(told);
    this.#wake();
  }
}

const scanner = new Scanner();

function isAnswerTo(text: string, id: Id): boolean {
  const bytes = encodeUtf8(text);
  const message = readMessage(scanner, bytes, 0, bytes.length);
  return !('refused' in message) && message.id === id && message.method === undefined;
}

/** A link to the server of a test, which is opened by its literal loopback host. */
export function linkTo(
  url: string,
  options: Partial<HttpLinkOptions> & Pick<HttpLinkOptions, 'era'>,
): { link: Link; ear: Ear; send: (message: object) => void; close: () => Promise<void> } {
  const target = readTarget(url);
  const agent = options.agent ?? guardedAgent({ guard: guardFor(target) });
  const ear = new Ear();
  const link = httpLink(target, { ...options, agent }, ear);
  return {
    link,
    ear,
    send: (message) => {
      const bytes = encodeUtf8(JSON.stringify({ jsonrpc: '2.0', ...message }));
      link.send(bytes, 0, bytes.length);
    },
    close: async () => {
      await link.close();
      await agent.destroy();
    },
  };
}

export const json = (
  response: ServerResponse,
  body: object,
  status = 200,
  headers: Record<string, string> = {},
): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
};

/** One event per message. */
export const events = (...messages: readonly object[]): string =>
  messages.map((message) => `event: message\ndata: ${JSON.stringify(message)}\n\n`).join('');

export const MODERN = {
  _meta: {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
  },
};
