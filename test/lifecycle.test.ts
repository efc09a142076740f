import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bench, isAlive, peer, sleep, within } from './peers/gate.ts';
import { type RawClient, textOf } from './peers/raw-client.ts';

const ECHO = [process.execPath, peer('echo-server.mjs')];

let bench: Bench;
let strays: number[];
beforeEach(() => {
  bench = new Bench();
  strays = [];
});
afterEach(async () => {
  await bench.kill();
  for (const pid of strays.filter(isAlive)) process.kill(pid, 'SIGKILL');
  bench.remove();
});

interface Facts {
  readonly pid: number;
  readonly cwd: string;
  readonly argv: readonly string[];
  readonly env: Record<string, string>;
}
const factsOf = async (client: RawClient): Promise<Facts> =>
  (await client.call('where')).result?.structuredContent as unknown as Facts;

describe('the server is started as if the gate were not there', () => {
  it('gets the environment less CALLGATE_*, the directory and the arguments', async () => {
    const server = [...ECHO, '--record', bench.path('r'), 'an argument', '--', '$HOME', ''];
    const env = { ...bench.env, CALLGATE_EVIDENCE__DURABILITY: 'batch', PLAIN: 'ä b', EMPTY: '' };
    const direct = await factsOf(await bench.connect(server, { cwd: bench.dir, env }));
    const gated = await factsOf(await bench.connect(bench.gated(server), { cwd: bench.dir, env }));
    const without = Object.fromEntries(Object.entries(direct.env).filter(([name]) => !name.startsWith('CALLGATE_')));
    expect(gated.env).toEqual(without);
    expect([gated.cwd, gated.argv]).toEqual([direct.cwd, direct.argv]);
  });

  it('gets no file descriptor that it would not have', async () => {
    const descriptors = async (command: readonly string[]): Promise<string[]> => {
      const { pid } = await factsOf(await bench.connect(command));
      return readdirSync(`/proc/${pid}/fd`).map(
        (fd) => `${fd} ${readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/\d+/g, '')}`,
      );
    };
    const [direct, gated] = [await descriptors(ECHO), await descriptors(bench.gated(ECHO))];
    const beyondStdio = (list: readonly string[]): string[] => list.filter((one) => !/^[012] /.test(one)).sort();
    expect(beyondStdio(gated)).toEqual(beyondStdio(direct));
  });

  it('gets signals that the gate gets, and its exit code is the exit code of the gate', async () => {
    const client = await bench.connect(bench.gated(ECHO));
    client.send('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"exit","arguments":{"code":7}}}');
    expect(await client.ended).toEqual({ code: 7, signal: null });
  });

  it('that cannot be started is an error with a reason and an exit code', async () => {
    const client = bench.open(bench.gated([bench.path('no-such-program')]));
    const { code } = await client.ended;
    expect(code).not.toBe(0);
    expect(client.stderr).toContain('no-such-program');
    expect(client.lines).toEqual([]);
  });
});

describe('nothing is left behind', () => {
  const ways: [string, (client: RawClient) => unknown][] = [
    ['SIGTERM', (client) => client.process.kill('SIGTERM')],
    ['SIGINT', (client) => client.process.kill('SIGINT')],
    ['SIGHUP', (client) => client.process.kill('SIGHUP')],
    ['end of input', (client) => client.process.stdin?.end()],
    ['kill -9', (client) => client.process.kill('SIGKILL')],
  ];
  it.each(ways)('by %s: the server and what it has started are gone', async (_way, end) => {
    const client = await bench.connect(bench.gated(ECHO));
    const { pid } = await factsOf(client);
    const grandchild = Number(textOf(await client.call('fork')));
    strays.push(pid, grandchild);
    expect([isAlive(pid), isAlive(grandchild)]).toEqual([true, true]);
    end(client);
    await within(2000, () => !isAlive(pid) && !isAlive(grandchild));
    expect([isAlive(pid), isAlive(grandchild)]).toEqual([false, false]);
    await client.ended;
  });

  it('when the server has stopped reading', async () => {
    const client = await bench.connect(bench.gated([...ECHO, '--deaf-after', '3']));
    const { pid } = await factsOf(client);
    client.process.stdin?.end();
    expect(await within(10_000, () => !isAlive(pid) && client.isEnded)).toBe(true);
  });

  it('when the server dies: every open request is answered with an error, and the gate ends', async () => {
    const client = await bench.connect(bench.gated(ECHO));
    const { pid } = await factsOf(client);
    const ids = ['a', 'b', 'c', 4];
    for (const id of ids)
      client.send(
        JSON.stringify({
          jsonrpc: '2.0',
          id,
          method: 'tools/call',
          params: { name: 'late', arguments: { ms: 60_000 } },
        }),
      );
    await client.call('echo', { message: 'after' });
    process.kill(pid, 'SIGKILL');
    const { code } = await client.ended;
    expect(code).not.toBe(0);
    expect(ids.map((id) => client.answerTo(id)?.message?.error?.message)).toEqual(
      ids.map(() => expect.stringMatching(/\w/)),
    );
  });
});

it.each([[['stdout']], [['stdout', 'stderr']]] as const)(
  'ends when its client is gone and %j is closed, and does not write on and on',
  async (closed) => {
    const client = await bench.connect(bench.gated(bench.echo()));
    for (const stream of closed) client.process[stream]?.destroy();
    client.process.stdin?.end();
    const end = await Promise.race([client.ended, new Promise((resolve) => setTimeout(resolve, 8000, 'still there'))]);
    expect(end).not.toBe('still there');
  },
);

it('writes nothing but JSON-RPC to stdout, whatever happens', async () => {
  const client = await bench.connect(bench.gated(ECHO, { policy: false }), {
    env: { ...bench.env, DEBUG: '*', NODE_OPTIONS: '--trace-warnings' },
  });
  await client.call('fail');
  client.send('garbage');
  await client.call('echo', { message: 'x' });
  await client.close();
  expect(client.lines.length).toBeGreaterThanOrEqual(4);
  expect(client.lines.filter((line) => line.message?.jsonrpc !== '2.0')).toEqual([]);
  expect(client.stderr).not.toBe('');
});

describe('back-pressure', () => {
  const CALLS = 5000;
  const SIZE = 40_000;
  /** Growth that a gate which holds 200 MB back cannot have, and a garbage collector may. */
  const FLAT_MB = 70;
  const rssMb = (pid: number): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1024;
  const gatePid = (client: RawClient): number => client.process.pid ?? 0;

  /** The most that the gate grows while the peer is stuck. */
  async function growth(client: RawClient, before: number): Promise<number> {
    let most = 0;
    for (let i = 0; i < 40; i++) {
      most = Math.max(most, rssMb(gatePid(client)) - before);
      await sleep(50);
    }
    return most;
  }

  it('holds the server back while the client does not read, then delivers everything', async () => {
    const client = await bench.connect(bench.gated(ECHO));
    for (let i = 0; i < 200; i++) await client.call('large', { bytes: SIZE });
    const before = rssMb(gatePid(client));
    client.process.stdout?.pause();
    const from = client.lines.length;
    for (let id = 0; id < CALLS; id++)
      client.send(
        `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"large","arguments":{"bytes":${SIZE}}}}`,
      );
    expect(await growth(client, before)).toBeLessThan(FLAT_MB);
    client.process.stdout?.resume();
    await client.until(() => client.lines.length - from >= CALLS, 25_000);
    const ids = new Set(client.lines.slice(from).map((line) => line.message?.id));
    expect(ids.size).toBe(CALLS);
  });

  it('holds the client back while the server does not read', async () => {
    const client = await bench.connect(bench.gated([...ECHO, '--deaf-after', '203']));
    for (let i = 0; i < 200; i++) await client.call('echo', { message: 'x'.repeat(SIZE) });
    const before = rssMb(gatePid(client));
    const message = 'x'.repeat(SIZE);
    for (let id = 0; id < CALLS; id++)
      client.send(
        `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"echo","arguments":{"message":"${message}"}}}`,
      );
    expect(await growth(client, before)).toBeLessThan(FLAT_MB);
    expect(client.isEnded).toBe(false);
  });
});
