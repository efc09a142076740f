import { type ChildProcess, spawn } from 'node:child_process';

export interface Message {
  readonly jsonrpc?: string;
  readonly id?: string | number | null;
  readonly method?: string;
  readonly params?: { readonly [key: string]: unknown };
  readonly result?: ToolResult;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

/** The members of any result that the tests look at. */
export interface ToolResult {
  readonly content?: readonly { readonly type: string; readonly text?: string }[];
  readonly structuredContent?: { readonly [key: string]: unknown };
  readonly isError?: boolean;
  readonly tools?: readonly { readonly name: string }[];
  readonly resultType?: string;
  readonly requestState?: string;
}

export interface Line {
  readonly text: string;
  /** Undefined when the line is not JSON. */
  readonly message: Message | undefined;
}

export interface OpenOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Answers requests of the server; undefined leaves them open. */
  readonly onRequest?: (request: Message) => Partial<Message> | undefined;
  readonly timeoutMs?: number;
}

/** A client of a stdio server that knows bytes and lines, and no SDK. */
export class RawClient {
  readonly process: ChildProcess;
  readonly lines: Line[] = [];
  stderr = '';
  /** Exit code and signal, once the process has ended and its output is read. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  #isEnded = false;
  #rest: Buffer[] = [];
  #waiters = new Set<() => void>();
  #nextId = 0;
  #timeoutMs: number;

  constructor(command: readonly string[], options: OpenOptions = {}) {
    this.#timeoutMs = options.timeoutMs ?? 15_000;
    const [file = '', ...args] = command;
    this.process = spawn(file, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.ended = new Promise((resolve) => {
      this.process.once('close', (code, signal) => {
        this.#isEnded = true;
        resolve({ code, signal });
        this.#wake();
      });
      this.process.once('error', (error) => {
        this.stderr += String(error);
        this.#isEnded = true;
        resolve({ code: null, signal: null });
        this.#wake();
      });
    });
    this.process.stdin?.on('error', () => {});
    this.process.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
      this.#wake();
    });
    this.process.stdout?.on('data', (chunk: Buffer) => this.#onBytes(chunk, options.onRequest));
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Writes one line as it is. */
  send(line: string | Uint8Array): void {
    this.process.stdin?.write(typeof line === 'string' ? `${line}\n` : Buffer.concat([line, Buffer.from('\n')]));
  }

  /** Waits until `find` gives something; undefined when the time is over or the process has ended without it. */
  async until<T>(find: () => T | undefined | false, timeoutMs = this.#timeoutMs): Promise<T | undefined> {
    return new Promise((resolve) => {
      const finish = (found: T | undefined): void => {
        clearTimeout(timer);
        this.#waiters.delete(check);
        resolve(found);
      };
      const check = (): void => {
        const found = find();
        if (found !== undefined && found !== false) finish(found);
        else if (this.#isEnded) finish(undefined);
      };
      const timer = setTimeout(() => finish(undefined), timeoutMs);
      this.#waiters.add(check);
      check();
    });
  }

  /** The answer to `id`, if it is there. */
  answerTo(id: string | number, from = 0): Line | undefined {
    return this.lines.slice(from).find((line) => line.message?.method === undefined && line.message?.id === id);
  }

  /** Sends a request and waits for its answer. Throws when none comes. */
  async request(method: string, params?: object, id: string | number = `r-${++this.#nextId}`): Promise<Message> {
    const from = this.lines.length;
    this.send(JSON.stringify({ jsonrpc: '2.0', id, method, ...(params && { params }) }));
    const line = await this.until(() => this.answerTo(id, from));
    if (line?.message === undefined)
      throw new Error(`no answer to ${method} ${id}; ended: ${this.#isEnded}; stderr: ${this.stderr.slice(-2000)}`);
    return line.message;
  }

  async call(name: string, args: object = {}): Promise<Message> {
    return this.request('tools/call', { name, arguments: args });
  }

  notify(method: string, params?: object): void {
    this.send(JSON.stringify({ jsonrpc: '2.0', method, ...(params && { params }) }));
  }

  async initialize(protocolVersion = '2025-11-25', capabilities: object = {}): Promise<Message> {
    const answer = await this.request('initialize', {
      protocolVersion,
      capabilities,
      clientInfo: { name: 'raw', version: '1' },
    });
    this.notify('notifications/initialized');
    return answer;
  }

  /** Closes the input and waits for the end; kills what does not end by itself. */
  async close(): Promise<void> {
    this.process.stdin?.end();
    const timer = setTimeout(() => this.process.kill('SIGKILL'), 5000);
    await this.ended;
    clearTimeout(timer);
  }

  #wake(): void {
    for (const check of this.#waiters) check();
  }

  #onBytes(chunk: Buffer, onRequest: OpenOptions['onRequest']): void {
    let start = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, start)) {
      const text = Buffer.concat([...this.#rest, chunk.subarray(start, at)]).toString('utf8');
      this.#rest = [];
      start = at + 1;
      this.#onLine(text, onRequest);
    }
    if (start < chunk.length) this.#rest.push(chunk.subarray(start));
    this.#wake();
  }

  #onLine(text: string, onRequest: OpenOptions['onRequest']): void {
    const message = parse(text);
    this.lines.push({ text, message });
    if (message?.method === undefined || message.id === undefined) return;
    const answer = onRequest?.(message);
    if (answer !== undefined) this.send(JSON.stringify({ jsonrpc: '2.0', id: message.id, ...answer }));
  }
}

function parse(text: string): Message | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The text of the first content item. */
export const textOf = (message: Message): string => message.result?.content?.[0]?.text ?? '';
