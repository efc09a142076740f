import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type OpenOptions, RawClient } from './raw-client.ts';

/** The built program; the tests drive nothing else. */
export const CLI =
  process.env['GATE_UNDER_TEST'] ?? fileURLToPath(new URL('../../packages/callgate/dist/cli.js', import.meta.url));

export const peer = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Allows every message in every direction: a rule that names a method covers what the server asks, too. */
export const ALLOW_ALL = `version: 1
rules:
  - { id: all, match: { method: "*" }, effect: allow }
`;

/** A made-up key of a real shape, spelled so that no scanner takes this file for a leak. */
export const SECRET = ['AKIA', 'Q3EGRIGSHDX7KPZT'].join('');

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * A directory of its own for one test: home, policy and files, and the clients that are started in it.
 *
 *     const bench = new Bench('version: 1 ...');
 *     const client = await bench.connect(bench.gated(bench.echo()));
 *     expect(textOf(await client.call('echo', { message: 'x' }))).toBe('Echo: x');
 *     await bench.close();
 */
export class Bench {
  readonly dir = mkdtempSync(join(tmpdir(), 'callgate-test-'));
  readonly home = join(this.dir, 'home');
  readonly policy = join(this.dir, 'policy.yaml');
  #clients: RawClient[] = [];

  constructor(policy: string | undefined = ALLOW_ALL) {
    if (policy !== undefined) writeFileSync(this.policy, policy);
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  /** The command line of a gate in front of `server`. */
  gated(
    server: readonly string[],
    options: { policy?: boolean; name?: string; flags?: readonly string[] } = {},
  ): string[] {
    const policy = options.policy === false ? [] : ['--policy', this.policy];
    const name = options.name === undefined ? [] : ['--name', options.name];
    return [
      process.execPath,
      CLI,
      'run',
      ...policy,
      ...name,
      '--home',
      this.home,
      ...(options.flags ?? []),
      '--',
      ...server,
    ];
  }

  /** The command line of the echo server; `received(bench.path('seen'))` are the lines that arrive there. */
  echo(): string[] {
    return [process.execPath, peer('echo-server.mjs'), '--record', this.path('seen')];
  }

  /** Starts a client of a command line in this directory and environment; it has not said anything yet. */
  open(command: readonly string[], options: OpenOptions = {}): RawClient {
    const client = new RawClient(command, { env: this.env, cwd: this.dir, ...options });
    this.#clients.push(client);
    return client;
  }

  /** Starts a client and initializes it. */
  async connect(command: readonly string[], options: OpenOptions = {}): Promise<RawClient> {
    const client = this.open(command, options);
    await client.initialize();
    return client;
  }

  /** Closes the input of all clients and waits for their end; the files stay. */
  async disconnect(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map(async (client) => client.close()));
  }

  /** Kills all clients and waits for their end; the files stay. */
  async kill(): Promise<void> {
    for (const client of this.#clients) client.process.kill('SIGKILL');
    await Promise.all(this.#clients.splice(0).map(async (client) => client.ended));
  }

  /** Ends all clients and removes the directory. */
  async close(): Promise<void> {
    await this.disconnect();
    this.remove();
  }

  /** The environment of the tests less what is meant for a gate, and this home. */
  get env(): Record<string, string> {
    const others = Object.entries(process.env).filter(
      (one): one is [string, string] => one[1] !== undefined && !one[0].startsWith('CALLGATE_'),
    );
    return { ...Object.fromEntries(others), CALLGATE_HOME: this.home };
  }

  /** Runs another command of the program over this home. */
  async callgate(...args: readonly string[]): Promise<Finished> {
    return this.callgateIn(this.dir, ...args);
  }

  /** The same, in a directory. */
  async callgateIn(cwd: string, ...args: readonly string[]): Promise<Finished> {
    return new Promise((resolve) => {
      execFile(
        process.execPath,
        [CLI, ...args, '--home', this.home],
        { env: this.env, cwd, maxBuffer: 1 << 28 },
        (error, stdout, stderr) => {
          resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr });
        },
      );
    });
  }

  /** Every record of `callgate logs --json`, oldest first as printed. */
  async logs(...args: readonly string[]): Promise<LogRecord[]> {
    const { code, stdout, stderr } = await this.callgate('logs', '--json', '--limit', '1000000', ...args);
    if (code !== 0) throw new Error(`logs exited with ${code}: ${stderr}`);
    return stdout
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) => JSON.parse(line) as LogRecord);
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export interface LogRecord {
  readonly serverName?: string;
  readonly toolName?: string | null;
  readonly arguments?: { readonly [key: string]: unknown } | null;
  readonly decision?: string;
  readonly matchedRule?: string;
  readonly reason?: string | null;
  readonly status?: string | null;
  readonly method?: string;
  readonly direction?: string;
}

const require = createRequire(import.meta.url);

/** The command line of a reference server from npm: `everything`, `filesystem`, `memory` or `sequential-thinking`. */
export function realServer(name: string, ...args: readonly string[]): string[] {
  const dir = join(dirname(require.resolve('vitest/package.json')), '../@modelcontextprotocol', `server-${name}`);
  const { bin } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as { bin: Record<string, string> };
  return [process.execPath, join(dir, Object.values(bin)[0] ?? ''), ...args];
}

/** The lines that a fixture has received (`--record`), as text. */
export function received(record: string): string[] {
  let file: string;
  try {
    file = readFileSync(record, 'utf8');
  } catch {
    return [];
  }
  return file
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Buffer.from(line, 'base64').toString('latin1'));
}

/** Whether a process is there and not a zombie. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return false;
  }
}

export const sleep = async (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** Waits until `condition` holds; false when `ms` are over. */
export async function within(ms: number, condition: () => boolean | Promise<boolean>): Promise<boolean> {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(20)) if (await condition()) return true;
  return condition();
}
