import { request as httpRequest } from 'node:http';
import type { ClientEnd, Exchange } from '../../bridge/exchange.ts';
import type { Principal } from '../../model/principal.ts';
import { type FrontDoor, type HttpOptions, type Opening, serveHttp } from './front-door.ts';

/** A server in memory; what it does follows from the method. */
export interface FakeExchange extends Exchange {
  readonly opening: Opening;
  readonly end: ClientEnd;
  /** What it was sent, oldest first. */
  readonly received: string[];
  readonly malformedReasons: string[];
  isFull: boolean;
  closed: boolean;
  say(message: object, about?: number): void;
}

export const MODERN_META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

function bytes(message: object | string): Uint8Array {
  return Buffer.from(typeof message === 'string' ? message : JSON.stringify(message));
}

function fakeExchange(opening: Opening): FakeExchange {
  const { end } = opening;
  const exchange: FakeExchange = {
    opening,
    end,
    received: [],
    malformedReasons: [],
    isFull: false,
    closed: false,
    receive(buffer, start, stop) {
      const text = Buffer.from(buffer.subarray(start, stop)).toString();
      exchange.received.push(text);
      const message = JSON.parse(text) as { id?: number; method?: string; params?: Record<string, unknown> };
      if (message.id !== undefined && message.method !== undefined) {
        const { id, method, params } = message;
        setImmediate(() => answer(exchange, id, method, params ?? {}));
      }
    },
    malformed: (refusal) => void exchange.malformedReasons.push(refusal.reason),
    async close() {
      exchange.closed = true;
    },
    say: (message, about) => end.message(bytes(message), undefined, about),
  };
  return exchange;
}

function answer(exchange: FakeExchange, id: number, method: string, params: Record<string, unknown>): void {
  const { end } = exchange;
  const result = (value: object): void => end.message(bytes({ jsonrpc: '2.0', id, result: value }), id, id);
  const error = (code: number): void =>
    end.message(bytes({ jsonrpc: '2.0', id, error: { code, message: 'no' } }), id, id);
  const meta = params['_meta'] as { progressToken?: number } | undefined;
  switch (params['name'] ?? method) {
    case 'initialize':
      if (params['protocolVersion'] === 'refuse-me') return error(-32602);
      return result({
        protocolVersion: params['protocolVersion'],
        capabilities: {},
        serverInfo: { name: 'f', version: '1' },
      });
    case 'progress':
      end.message(
        bytes({
          jsonrpc: '2.0',
          method: 'notifications/progress',
          params: { progressToken: meta?.progressToken, progress: 1 },
        }),
        undefined,
        undefined,
      );
      return result({ done: true });
    case 'ask':
      end.message(bytes({ jsonrpc: '2.0', id: 'q1', method: 'roots/list' }), undefined, id);
      return;
    case 'never':
      return;
    case 'late':
      setTimeout(() => result({ late: true }), 50);
      return;
    case 'tools/list':
      return result({
        tools: [
          {
            name: 'find',
            inputSchema: {
              type: 'object',
              properties: {
                region: { type: 'string', 'x-mcp-header': 'Region' },
                page: { type: 'integer', 'x-mcp-header': 'Page' },
              },
            },
          },
        ],
      });
    case 'unknown/method':
      return error(-32601);
    case 'bad':
      return error(-32021);
    case 'subscriptions/listen':
      end.message(
        bytes({
          jsonrpc: '2.0',
          method: 'notifications/subscriptions/acknowledged',
          params: { _meta: { 'io.modelcontextprotocol/subscriptionId': id } },
        }),
        undefined,
        id,
      );
      return;
    default:
      return result({ echo: params, server: exchange.opening.server ?? null });
  }
}

export function principalNamed(id: string): Principal {
  return { id, roles: [], chain: [], assurance: 'bearer' };
}

export interface TestDoor {
  readonly door: FrontDoor;
  readonly exchanges: FakeExchange[];
  readonly warned: string[];
  readonly clock: { now: number };
}

/** A door over fakes: `Bearer alice` and `Bearer bob` are let in; a server `none` is not there. */
export async function testDoor(over: Partial<HttpOptions> = {}): Promise<TestDoor> {
  const exchanges: FakeExchange[] = [];
  const warned: string[] = [];
  const clock = { now: 0 };
  const people = new Map(['alice', 'bob'].map((name) => [`Bearer ${name}`, principalNamed(name)]));
  const door = await serveHttp({
    host: '127.0.0.1',
    port: 0,
    authenticate: ({ authorization }) =>
      people.get(authorization ?? '') ?? {
        status: 401,
        challenge: 'Bearer realm="callgate"',
        message: 'A key is wanted.',
      },
    open(opening) {
      if (opening.server === 'none') return undefined;
      const exchange = fakeExchange(opening);
      exchanges.push(exchange);
      return exchange;
    },
    health: () => ({ live: true, ready: true, servers: { up: 1, total: 1 } }),
    mono: () => clock.now,
    warn: (message) => void warned.push(message),
    ...over,
  });
  return { door, exchanges, warned, clock };
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly json: { id?: unknown; result?: Record<string, unknown>; error?: { code: number; data?: object } };
}

export const BOTH = 'application/json, text/event-stream';

export interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: object | string | Buffer;
  readonly as?: string;
}

function headersOf({ as = 'alice', headers = {}, body }: Sent): Record<string, string> {
  const all: Record<string, string | undefined> = {
    authorization: `Bearer ${as}`,
    accept: BOTH,
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...headers,
  };
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

function bodyOf({ body }: Sent): string | Buffer | undefined {
  return body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
}

/** Sends a request and reads the whole answer. */
export function send({ door }: TestDoor, sent: Sent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      `${door.url}${sent.path ?? '/mcp'}`,
      { method: sent.method ?? 'POST', headers: headersOf(sent) },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const isJson = response.headers['content-type'] === 'application/json';
          const json = (isJson && text !== '' ? JSON.parse(text) : {}) as Answer['json'];
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
        });
      },
    );
    request.on('error', reject);
    request.end(bodyOf(sent));
  });
}

export interface OpenStream {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** What came so far. */
  text(): string;
  /** Resolves once the text holds this. */
  until(part: string): Promise<string>;
  readonly ended: Promise<void>;
  hangUp(): void;
}

/** Sends a request and leaves the answer open. */
export function open({ door }: TestDoor, sent: Sent): Promise<OpenStream> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      `${door.url}${sent.path ?? '/mcp'}`,
      { method: sent.method ?? 'POST', headers: headersOf(sent) },
      (response) => {
        let text = '';
        let check = (): void => undefined;
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
          check();
        });
        const ended = new Promise<void>((done) => {
          response.on('close', () => {
            check();
            done();
          });
        });
        response.on('error', () => undefined);
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: () => text,
          until: (part) =>
            new Promise((found, lost) => {
              check = () => {
                if (text.includes(part)) found(text);
                else if (response.closed) lost(new Error(`ended without ${part}: ${text}`));
              };
              check();
            }),
          ended,
          hangUp: () => request.destroy(),
        });
      },
    );
    request.on('error', reject);
    request.end(bodyOf(sent));
  });
}

/** A modern request, with its headers. */
export function modern(method: string, params: Record<string, unknown> = {}, id: string | number = 1): Sent {
  const name = params['name'] ?? params['uri'];
  const { _meta, ...rest } = params;
  return {
    headers: {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
    },
    body: {
      jsonrpc: '2.0',
      id,
      method,
      params: { ...rest, _meta: { ...MODERN_META, ...(_meta as object | undefined) } },
    },
  };
}

export function call(id: string | number, method: string, params: object = {}): object {
  return { jsonrpc: '2.0', id, method, params };
}

/** Opens a legacy session and returns its id. */
export async function initialize(at: TestDoor, as = 'alice', revision = '2025-11-25', path = '/mcp'): Promise<string> {
  const answer = await send(at, {
    as,
    path,
    body: call(0, 'initialize', { protocolVersion: revision, capabilities: {} }),
  });
  return answer.headers['mcp-session-id'] as string;
}

/** Waits until something holds. */
export async function eventually(holds: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 400; turn++) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`never: ${what}`);
}
