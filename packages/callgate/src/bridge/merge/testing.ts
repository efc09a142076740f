import { createHash } from 'node:crypto';
import type { Id } from '../../protocol/correlate.ts';
import type { ClientEnd, Era, Exchange } from '../exchange.ts';
import { mergeServers } from './merge.ts';
import type { NamedServer } from './names.ts';
import type { MergedExchange, MergeOptions } from './options.ts';
import { ManualClock, settled } from '../testing.ts';

export { settled } from '../testing.ts';

/** A message, as far as tests look into it. */
export interface Wire {
  readonly jsonrpc?: string;
  readonly id?: Id;
  readonly method?: string;
  readonly params?: Fields;
  readonly result?: Fields;
  readonly error?: Fields;
}

export interface Fields {
  readonly name?: string;
  readonly uri?: string;
  readonly taskId?: string;
  readonly requestId?: Id;
  readonly progressToken?: Id;
  readonly cursor?: string;
  readonly nextCursor?: string;
  readonly protocolVersion?: string;
  readonly instructions?: string;
  readonly message?: string;
  readonly notifications?: Fields;
  readonly capabilities?: unknown;
  readonly tools?: readonly Fields[];
  readonly resources?: readonly Fields[];
  readonly content?: readonly { readonly type: string; readonly text: string }[];
  readonly _meta?: Fields;
  readonly [key: string]: unknown;
}

/** What a scripted server does with a request: its answer, or `nothing` for none yet; undefined for what others do. */
export type Answering = (
  request: Wire,
  server: ScriptedServer,
) => Pick<Wire, 'result' | 'error'> | 'nothing' | undefined;

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** A server in memory: what it heard, and what it says. */
export class ScriptedServer {
  readonly name: string;
  readonly heard: Wire[] = [];
  end: ClientEnd | undefined;
  isFull = false;
  isClosed = false;
  opened = 0;
  malformed = 0;
  readonly #answering: Answering;

  constructor(name: string, answering: Answering) {
    this.name = name;
    this.#answering = answering;
  }

  open(end: ClientEnd): Exchange {
    this.end = end;
    this.opened++;
    const isFull = (): boolean => this.isFull;
    return {
      receive: (bytes, start, stop) => {
        const message = JSON.parse(Buffer.from(bytes.subarray(start, stop)).toString()) as Wire;
        this.heard.push(message);
        const { id } = message;
        if (id === undefined || message.method === undefined) return;
        const answer = this.#answering(message, this);
        if (answer !== undefined && answer !== 'nothing')
          queueMicrotask(() => this.say({ jsonrpc: '2.0', id, ...answer }));
      },
      malformed: () => void this.malformed++,
      get isFull() {
        return isFull();
      },
      close: () => {
        this.isClosed = true;
        return Promise.resolve();
      },
    };
  }

  say(message: Wire | string, about?: Id): void {
    const text = typeof message === 'string' ? message : JSON.stringify(message);
    const wire = JSON.parse(text) as Wire;
    const answers = wire.method === undefined ? (wire.id as Id) : undefined;
    this.end?.message(Buffer.from(text), answers, about);
  }

  asked(method: string): Wire[] {
    return this.heard.filter((message) => message.method === method);
  }
}

/** A client of many servers. */
export class Client {
  readonly heard: Wire[] = [];
  readonly lines: string[] = [];
  readonly abouts: (Id | undefined)[] = [];
  readonly logged: string[] = [];
  readonly clock = new ManualClock();
  readonly merge: MergedExchange;
  readonly #era: Era;
  #id = 0;

  constructor(era: Era, servers: readonly ScriptedServer[], over: Partial<MergeOptions> = {}) {
    this.#era = era;
    this.merge = mergeServers({
      era,
      end: {
        message: (line, answers, about) => {
          const text = Buffer.from(line).toString();
          const wire = JSON.parse(text) as Wire;
          if (answers !== undefined && wire.id !== answers)
            throw new Error(`${text} does not answer ${String(answers)}`);
          this.lines.push(text);
          this.heard.push(wire);
          this.abouts.push(about);
        },
        ended: () => undefined,
      },
      servers: servers.map(({ name }): NamedServer => ({ name })),
      open: (name, end) => servers.find((server) => server.name === name)!.open(end),
      naming: 'always',
      serverInfo: { name: 'callgate', version: '0.0.0' },
      timeouts: { connectMs: 1000 },
      clock: this.clock,
      log: { info: (text) => void this.logged.push(text), warn: (text) => void this.logged.push(text) },
      sha256,
      ...over,
    });
  }

  send(message: Wire | string): void {
    const bytes = Buffer.from(typeof message === 'string' ? message : JSON.stringify(message));
    this.merge.receive(bytes, 0, bytes.length);
  }

  /** Sends a request, without waiting. @returns its id */
  begin(method: string, params: Fields = {}): number {
    const id = ++this.#id;
    this.send({ jsonrpc: '2.0', id, method, params: this.#era === 'modern' ? { ...params, _meta: META } : params });
    return id;
  }

  async ask(method: string, params: Fields = {}): Promise<Wire> {
    const id = this.begin(method, params);
    await settled();
    return this.answerTo(id);
  }

  answerTo(id: Id): Wire {
    const answers = this.heard.filter((message) => message.id === id && message.method === undefined);
    if (answers.length !== 1) throw new Error(`${answers.length} answers to ${String(id)}`);
    return answers[0]!;
  }

  notify(method: string, params: Fields = {}): void {
    this.send({ jsonrpc: '2.0', method, params });
  }

  told(method: string): Wire[] {
    return this.heard.filter((message) => message.method === method);
  }

  /** Says hello, as a legacy client does. */
  async hello(): Promise<Wire> {
    const answer = await this.ask('initialize', {
      protocolVersion: '2025-11-25',
      capabilities: { roots: {} },
      clientInfo: { name: 'c', version: '1' },
    });
    this.notify('notifications/initialized');
    await settled();
    return answer;
  }
}

export const META: Fields = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

/** A server with these tools, that answers a call with what it was called. */
export function serverOf(name: string, tools: readonly string[], more: Answering = () => undefined): ScriptedServer {
  return new ScriptedServer(name, (request, server): ReturnType<Answering> => {
    const said = more(request, server);
    if (said !== undefined) return said;
    const { method, params } = request;
    switch (method) {
      case 'initialize':
        return {
          result: {
            protocolVersion: params?.protocolVersion ?? '',
            capabilities: { tools: { listChanged: true } },
            serverInfo: { name, version: '1' },
            instructions: `Use ${name}.`,
          },
        };
      case 'server/discover':
        return { result: { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} } } };
      case 'tools/list':
        return { result: { tools: tools.map((tool) => ({ name: tool, inputSchema: { type: 'object' } })) } };
      case 'tools/call':
        return { result: { content: [{ type: 'text', text: `${name}:${params?.name ?? ''}` }] } };
      default:
        return { error: { code: -32601, message: 'Method not found' } };
    }
  });
}
