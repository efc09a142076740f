import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { type Bench, CLI } from './gate.ts';

/** A gate that serves over HTTP. */
export interface Served {
  /** `http://127.0.0.1:<port>/mcp` */
  readonly url: string;
  readonly origin: string;
  readonly process: ChildProcess;
  /** What it has written to stderr so far. */
  stderr(): string;
  /** Ends it and waits. @returns its exit code */
  stop(): Promise<number | null>;
}

/** Starts `callgate serve` in a bench, on a free port, and waits until it listens. */
export async function serve(bench: Bench, ...args: readonly string[]): Promise<Served> {
  const child = spawn(
    process.execPath,
    [CLI, 'serve', '--policy', bench.policy, '--home', bench.home, '--port', '0', ...args],
    { env: bench.env, cwd: bench.dir, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const url = await new Promise<string>((resolve, reject) => {
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
      const found = /https?:\/\/\S+\/mcp\n/.exec(stdout);
      if (found !== null) resolve(found[0].trim());
    });
    child.once('exit', (code) => reject(new Error(`serve ended with ${code}: ${stderr}`)));
  });
  return {
    url,
    origin: new URL(url).origin,
    process: child,
    stderr: () => stderr,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
      return child.exitCode;
    },
  };
}

/** The bearer key that the gate made at its first start. */
export const keyOf = (bench: Bench): string => readFileSync(join(bench.home, 'keys', 'serve.key'), 'utf8').trim();

/** An SDK client of a gate, in either era. It answers elicitation with `{ name: 'Ada' }` and sampling with `sampled`. */
export async function sdkClient(
  url: string,
  era: 'legacy' | 'modern',
  headers: Readonly<Record<string, string>> = {},
): Promise<Client> {
  const client = new Client(
    { name: `client-${era}`, version: '1' },
    {
      capabilities: { sampling: {}, elicitation: { form: {} }, roots: {} },
      ...(era === 'modern' ? { versionNegotiation: { mode: { pin: '2026-07-28' } } } : {}),
    },
  );
  client.setRequestHandler('sampling/createMessage', async () => ({
    role: 'assistant',
    model: 'fixed',
    stopReason: 'endTurn',
    content: { type: 'text', text: 'sampled' },
  }));
  client.setRequestHandler('elicitation/create', async () => ({
    action: 'accept',
    content: { name: 'Ada', check: true },
  }));
  client.setRequestHandler('roots/list', async () => ({ roots: [{ uri: 'file:///tmp', name: 'tmp' }] }));
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  return client;
}

/** Posts one message as it is. */
export async function post(
  url: string,
  body: string | object,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly headers: Headers; readonly text: string }> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify({ jsonrpc: '2.0', ...body }),
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}
