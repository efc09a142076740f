import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ALLOW_ALL, Bench, type LogRecord, peer, sleep, within } from './peers/gate.ts';
import { RawClient } from './peers/raw-client.ts';

const KILLS = process.env['CALLGATE_LONG'] ? 200 : 10;
const ECHO = [process.execPath, peer('echo-server.mjs')];

let bench: Bench;
let open: RawClient[];
beforeEach(() => {
  bench = new Bench();
  open = [];
});
afterEach(async () => {
  for (const client of open) client.process.kill('SIGKILL');
  await Promise.all(open.map(async (client) => client.ended));
  bench.remove();
});

async function start(command: readonly string[] = bench.gated(ECHO)): Promise<RawClient> {
  const client = new RawClient(command, { env: bench.env });
  open.push(client);
  await client.initialize();
  return client;
}

const callsOf = (logs: readonly LogRecord[], tool: string): LogRecord[] =>
  logs.filter((entry) => entry.toolName === tool);

/** Waits until `count` calls of `tool` are in the log; gives the log. */
async function logsWith(count: number, tool = 'echo'): Promise<LogRecord[]> {
  let logs: LogRecord[] = [];
  await within(10_000, async () => callsOf((logs = await bench.logs()), tool).length >= count);
  return logs;
}

describe('each call', () => {
  it('is one record with its decision and its outcome', async () => {
    const client = await start();
    await client.request('tools/call', { name: 'echo', arguments: { message: 'one' } }, 'first');
    await client.request('tools/call', { name: 'fail', arguments: {} }, 'second');
    await client.close();
    const logs = await logsWith(1);
    expect(callsOf(logs, 'echo')).toEqual([
      expect.objectContaining({ decision: 'allow', matchedRule: 'all', method: 'tools/call', status: 'ok' }),
    ]);
    expect(callsOf(logs, 'fail')).toEqual([expect.objectContaining({ decision: 'allow', status: 'tool_error' })]);
    expect((await bench.callgate('audit', 'verify')).code).toBe(0);
  });

  it('is in the log before its answer is, even if nobody ever answers', async () => {
    const client = await start();
    client.send(
      '{"jsonrpc":"2.0","id":"open","method":"tools/call","params":{"name":"late","arguments":{"ms":60000}}}',
    );
    await client.call('echo', { message: 'marker' });
    client.process.kill('SIGKILL');
    await client.ended;
    expect(callsOf(await logsWith(1, 'late'), 'late')).toHaveLength(1);
  });

  it('that is denied is a record too', async () => {
    writeFileSync(
      bench.policy,
      ALLOW_ALL.replace('rules:\n', 'rules:\n  - { id: no, match: { tool: fork }, effect: deny, reason: never }\n'),
    );
    const client = await start();
    await client.call('fork');
    await client.close();
    expect(callsOf(await logsWith(1, 'fork'), 'fork')).toEqual([
      expect.objectContaining({ decision: 'deny', matchedRule: 'no', reason: 'never' }),
    ]);
  });
});

it('keeps a secret nowhere in the home in clear', async () => {
  const canary = ['ghp', 'aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xYzA1b'].join('_');
  const plain = 'canary-of-plain-text-5519';
  const client = await start();
  await client.call('give', { value: `token ${canary}`, password: plain, text: plain });
  client.send(
    `{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/call","params":{"name":"echo","arguments":{"message":"${canary} ${plain}"}}}`,
  );
  await client.close();
  await logsWith(1, 'give');
  await bench.callgate('audit', 'verify');
  const holding = readdirSync(bench.home, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => {
      const bytes = readFileSync(file);
      return [canary, plain].some(
        (text) =>
          bytes.includes(text) ||
          bytes.includes(Buffer.from(text).toString('base64').slice(2, -4)) ||
          bytes.includes(Buffer.from(text).toString('hex')),
      );
    });
  expect(holding).toEqual([]);
});

it('keeps the keys and the log to their owner', async () => {
  const client = await start();
  await client.call('echo', { message: 'x' });
  await client.close();
  expect(existsSync(bench.home)).toBe(true);
  const loose = execFileSync('find', [bench.home, '-perm', '/077', '-not', '-type', 'l']).toString();
  expect(loose).toBe('');
});

describe('kill -9 at random moments', () => {
  /** Calls as fast as it can until it is killed; gives the ids of the answered ones. */
  async function untilKilled(run: string, ms: number): Promise<string[]> {
    const client = await start();
    let next = 0;
    const keepInFlight = (): void => {
      for (const end = client.lines.length + 16; next < end; next++) {
        client.send(
          `{"jsonrpc":"2.0","id":"${run}-${next}","method":"tools/call","params":{"name":"echo","arguments":{"message":"${run}-${next}"}}}`,
        );
      }
    };
    keepInFlight();
    client.process.stdout?.on('data', keepInFlight);
    await sleep(ms);
    client.process.kill('SIGKILL');
    await client.ended;
    return client.lines
      .map((line) => line.message?.id)
      .filter((id): id is string => typeof id === 'string' && id.startsWith(`${run}-`));
  }

  it.each([
    ['one gate', 1],
    ['two gates', 2],
  ])(
    'of %s: every answered call is in the log, and the log verifies',
    async (_what, gates) => {
      const answered: string[] = [];
      for (let run = 0; run < KILLS; run++) {
        const delays = Array.from({ length: gates }, () => Math.random() * 120);
        const lists = await Promise.all(delays.map(async (ms, gate) => untilKilled(`k${run}.${gate}`, ms)));
        answered.push(...lists.flat());
      }
      expect(answered.length).toBeGreaterThan(KILLS);
      let missing: string[] = answered;
      await within(20_000, async () => {
        const logged = new Set((await bench.logs('--tool', 'echo')).map((entry) => entry.arguments?.['message']));
        missing = answered.filter((id) => !logged.has(id));
        return missing.length === 0;
      });
      expect(missing).toEqual([]);
      const { code, stderr, stdout } = await bench.callgate('audit', 'verify');
      expect(`${stdout}${stderr}`.length).toBeGreaterThan(0);
      expect(code, stdout + stderr).toBe(0);
    },
    KILLS * 2000 + 60_000,
  );
});
