import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ClientEnd, Exchange } from '../exchange.ts';
import { mergeServers } from './merge.ts';
import { sha256, type Wire } from './testing.ts';

const directory = mkdtempSync(join(tmpdir(), 'callgate-merge-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  memory: [bin('memory')],
  filesystem: [bin('filesystem'), directory],
  everything: [bin('everything'), 'stdio'],
};

function bin(name: string): string {
  const manifest = createRequire(import.meta.url).resolve(`@modelcontextprotocol/server-${name}/package.json`);
  return join(dirname(manifest), 'dist', 'index.js');
}

/** A conversation with a process, without a judge. */
function open(server: string, end: ClientEnd): Exchange {
  const env = { ...process.env, MEMORY_FILE_PATH: join(directory, 'memory.json') };
  const child = spawn(process.execPath, [...ARGUMENTS[server]!], { stdio: ['pipe', 'pipe', 'ignore'], env });
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines.filter((one) => one !== '')) {
      const message = JSON.parse(line) as Wire;
      end.message(Buffer.from(line), message.method === undefined ? message.id : undefined, undefined);
    }
  });
  const over = new Promise<void>((resolve) => {
    child.on('exit', (code) => {
      end.ended(`ended with exit code ${String(code)}`);
      resolve();
    });
  });
  return {
    receive: (bytes, start, stop) => void child.stdin.write(`${Buffer.from(bytes.subarray(start, stop)).toString()}\n`),
    malformed: () => undefined,
    isFull: false,
    close: () => {
      child.kill();
      return over;
    },
  };
}

describe('three servers of npm under one endpoint', () => {
  it('are listed, called, read and asked as one', { timeout: 60_000 }, async () => {
    const waiting = new Map<number, (answer: Wire) => void>();
    const merge = mergeServers({
      era: 'legacy',
      servers: Object.keys(ARGUMENTS).map((name) => ({ name })),
      open,
      naming: 'always',
      serverInfo: { name: 'callgate', version: '0.0.0' },
      timeouts: { connectMs: 30_000 },
      end: {
        message: (line, answers) => {
          const message = JSON.parse(Buffer.from(line).toString()) as Wire;
          if (answers !== undefined) waiting.get(answers as number)?.(message);
          else if (message.method === 'roots/list') send({ jsonrpc: '2.0', id: message.id!, result: { roots: [] } });
        },
        ended: () => undefined,
      },
      clock: {
        now: () => Date.now(),
        after: (ms, run) => {
          const timer = setTimeout(run, ms).unref();
          return () => clearTimeout(timer);
        },
      },
      log: { info: () => undefined, warn: () => undefined },
      sha256,
    });
    const send = (message: Wire): void => {
      const bytes = Buffer.from(JSON.stringify(message));
      merge.receive(bytes, 0, bytes.length);
    };
    let last = 0;
    const ask = (method: string, params: NonNullable<Wire['params']> = {}): Promise<Wire> => {
      const id = ++last;
      return new Promise((resolve) => {
        waiting.set(id, resolve);
        send({ jsonrpc: '2.0', id, method, params });
      });
    };

    const clientInfo = { name: 'test', version: '1' };
    const hello = await ask('initialize', { protocolVersion: '2025-06-18', capabilities: { roots: {} }, clientInfo });
    expect(hello.result).toMatchObject({ protocolVersion: '2025-06-18', serverInfo: { name: 'callgate' } });
    expect(hello.result!.instructions).toContain('# Server "everything"');
    send({ jsonrpc: '2.0', method: 'notifications/initialized' });

    const names = (await ask('tools/list')).result!.tools!.map(({ name }) => name!);
    expect(new Set(names).size).toBe(names.length);
    for (const server of Object.keys(ARGUMENTS)) {
      expect(names.filter((name) => name.startsWith(`${server}__`)).length).toBeGreaterThan(5);
    }
    const echo = await ask('tools/call', { name: 'everything__echo', arguments: { message: 'hi' } });
    expect(echo.result!.content![0]!.text).toContain('hi');
    const listing = await ask('tools/call', { name: 'filesystem__list_allowed_directories', arguments: {} });
    expect(listing.result!.content![0]!.text).toContain('callgate-merge-');
    const graph = await ask('tools/call', { name: 'memory__read_graph', arguments: {} });
    expect(graph.result).toBeDefined();
    const { resources } = (await ask('resources/list')).result!;
    const read = await ask('resources/read', { uri: resources![0]!.uri! });
    expect(read.result).toBeDefined();
    const prompts = (await ask('prompts/list')).result!['prompts'] as readonly { readonly name: string }[];
    expect(prompts.every(({ name }) => name.startsWith('everything__'))).toBe(true);
    expect(merge.servers().map(({ state }) => state)).toEqual(['ready', 'ready', 'ready']);
    await merge.close();
  });
});
