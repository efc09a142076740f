import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

/** What came back for one request. */
export interface DemoAnswer {
  readonly ok: boolean;
  readonly text: string;
}

/** A small MCP client over stdio, for the demo: one process, requests one after the other. */
export interface DemoClient {
  call(tool: string, args: object): Promise<DemoAnswer>;
  close(): Promise<void>;
}

const ANSWER_MS = 20_000;

/** Starts `command` and opens an MCP session with it. Rejects when the server does not answer. */
export async function openClient(
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): Promise<DemoClient> {
  const child = spawn(command[0] as string, command.slice(1), { env, cwd, stdio: ['pipe', 'pipe', 'pipe'] });
  const session = new Session(child);
  await session.request('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'callgate-demo', version: '1' },
  });
  session.notify('notifications/initialized');
  return {
    call: async (tool, args) => answerOf(await session.request('tools/call', { name: tool, arguments: args })),
    close: () => session.close(),
  };
}

interface Envelope {
  readonly id?: unknown;
  readonly method?: string;
  readonly result?: { readonly isError?: boolean; readonly content?: readonly { readonly text?: string }[] };
  readonly error?: { readonly message: string };
}

class Session {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<unknown, (message: Envelope) => void>();
  #next = 1;
  #stderr = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdin?.on('error', () => undefined);
    child.stderr?.on('data', (chunk: Buffer) => (this.#stderr = (this.#stderr + chunk.toString()).slice(-4000)));
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const message = JSON.parse(line) as Envelope;
      if (message.method !== undefined) return;
      this.#waiting.get(message.id)?.(message);
      this.#waiting.delete(message.id);
    });
  }

  request(method: string, params: object): Promise<Envelope> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no answer to ${method}: ${this.#stderr}`)), ANSWER_MS);
      this.#child.once('exit', () => reject(new Error(`the gate ended: ${this.#stderr}`)));
      this.#waiting.set(id, (message) => {
        clearTimeout(late);
        resolve(message);
      });
      this.#child.stdin?.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    });
  }

  notify(method: string): void {
    this.#child.stdin?.write(`${JSON.stringify({ jsonrpc: '2.0', method })}\n`);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#child.once('close', () => resolve());
      this.#child.stdin?.end();
    });
  }
}

function answerOf(message: Envelope): DemoAnswer {
  if (message.error !== undefined) return { ok: false, text: message.error.message };
  const text = (message.result?.content ?? []).map((item) => item.text ?? '').join(' ');
  return { ok: message.result?.isError !== true, text };
}
