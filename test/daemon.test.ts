import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Bench, CLI, isAlive, within } from './peers/gate.ts';
import { type RawClient, textOf } from './peers/raw-client.ts';
import { keyOf, sdkClient, serve } from './peers/serve.ts';

let bench: Bench;
afterEach(async () => {
  await bench.callgate('daemon', '--stop');
  await bench.close();
});

interface Status {
  readonly running: boolean;
  readonly pid?: number;
  readonly clients?: number;
  readonly sealing?: boolean;
}

async function status(): Promise<Status> {
  return JSON.parse((await bench.callgate('daemon', '--status', '--json')).stdout) as Status;
}

/** Processes that are the daemon of this home. */
function daemons(): number[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,args=']).toString().split('\n');
  return lines
    .filter((line) => line.includes(`daemon --foreground --home ${bench.home}`))
    .map((line) => parseInt(line, 10));
}

/** What server A has shown keeps calls from server B. */
const POLICY = `version: 1
rules:
  - { id: taints, match: { server: a, tool: give }, effect: allow, obligations: [{ label: { add: [secret] } }] }
  - { id: no-way-out, match: { server: b }, when: "'secret' in labels", effect: deny }
  - { id: not-often, match: { server: b }, when: "count('echo', '10m') >= 3", effect: deny }
  - { id: all, match: { method: "*" }, effect: allow }
`;

/** Connects to a gate of its own in front of the echo server under this name. */
async function gate(name: string, env: Record<string, string> = {}): Promise<RawClient> {
  return bench.connect(bench.gated(bench.echo(), { name }), { env: { ...bench.env, ...env } });
}

async function isDenied(client: RawClient, tool = 'echo'): Promise<string | undefined> {
  const answer = await client.call(tool, { message: 'x', value: 'x' });
  return answer.result?.isError === true ? /rule "([^"]*)"/.exec(textOf(answer))?.[1] : undefined;
}

describe('two gates that one agent has started', () => {
  it('share labels: what one server has shown keeps calls from the other', async () => {
    bench = new Bench(POLICY);
    const [a, b] = await Promise.all([gate('a'), gate('b')]);
    expect(await isDenied(b)).toBeUndefined();
    expect(await isDenied(a, 'give')).toBeUndefined();
    expect(await isDenied(b)).toBe('no-way-out');
  });

  it('share the history of calls', async () => {
    bench = new Bench(POLICY);
    const [a, b] = await Promise.all([gate('a'), gate('b')]);
    for (let n = 0; n < 3; n++) await isDenied(a);
    expect(await isDenied(b)).toBe('not-often');
  });

  it('still share them when the gate that gave a label was killed, and with a gate that is started later', async () => {
    bench = new Bench(POLICY);
    expect(await isDenied(await gate('a'), 'give')).toBeUndefined();
    await bench.kill();
    expect(await isDenied(await gate('b'))).toBe('no-way-out');
  });

  it('belong to the conversation that CALLGATE_SESSION names, and to no other', async () => {
    bench = new Bench(POLICY);
    const [one, same, other] = await Promise.all([
      gate('a', { CALLGATE_SESSION: 'one' }),
      gate('b', { CALLGATE_SESSION: 'one' }),
      gate('b', { CALLGATE_SESSION: 'two' }),
    ]);
    expect(await isDenied(one, 'give')).toBeUndefined();
    expect(await isDenied(same)).toBe('no-way-out');
    expect(await isDenied(other)).toBeUndefined();
  });

  it('are started through shells of their own, and are one all the same', async () => {
    bench = new Bench(POLICY);
    const inShell = async (name: string) => {
      const line = bench.gated(bench.echo(), { name }).map((word) => `'${word}'`);
      // The second command keeps the shell from replacing itself with the first.
      return bench.connect(['sh', '-c', `${line.join(' ')}; exit $?`]);
    };
    const [a, b] = [await inShell('a'), await inShell('b')];
    expect(await isDenied(a, 'give')).toBeUndefined();
    expect(await isDenied(b)).toBe('no-way-out');
  });
});

describe('clients over HTTP', () => {
  it('of one principal have one session: a new one of the protocol sheds no label', async () => {
    bench = new Bench(`version: 1
rules:
  - { id: taints, match: { tool: give }, effect: allow, obligations: [{ label: { add: [secret] } }] }
  - { id: no-way-out, match: { tool: echo }, when: "'secret' in labels", effect: deny }
  - { id: all, match: { method: "*" }, effect: allow }
`);
    const gated = await serve(bench, '--', ...bench.echo());
    const connect = async () => sdkClient(gated.url, 'legacy', { Authorization: `Bearer ${keyOf(bench)}` });
    const echo = async (client: Awaited<ReturnType<typeof connect>>) =>
      (await client.callTool({ name: 'echo', arguments: { message: 'x' } })).isError === true;
    const [one, two] = [await connect(), await connect()];
    expect([await echo(one), await echo(two)]).toEqual([false, false]);
    await one.callTool({ name: 'give', arguments: { value: 'x' } });
    const three = await connect();
    expect([await echo(one), await echo(two), await echo(three)]).toEqual([true, true, true]);
    await Promise.all([one, two, three].map(async (client) => client.close()));
    await gated.stop();
    const again = await serve(bench, '--', ...bench.echo());
    const late = await sdkClient(again.url, 'legacy', { Authorization: `Bearer ${keyOf(bench)}` });
    expect(await echo(late)).toBe(true);
    await late.close();
    await again.stop();
  });
});

describe('callgate daemon', () => {
  it('starts one, says so, and ends it', async () => {
    bench = new Bench();
    expect((await bench.callgate('daemon', '--status')).code).toBe(1);
    const started = await bench.callgate('daemon');
    expect(started.stdout).toMatch(/^The daemon runs as process \d+\.\n$/);
    const { running, pid = 0, sealing } = await status();
    expect([running, sealing, isAlive(pid)]).toEqual([true, true, true]);
    expect((await bench.callgate('daemon', '--status')).stdout).toContain(`process ${pid}`);
    expect((await bench.callgate('daemon', '--stop')).stdout).toBe('The daemon has ended.\n');
    expect(await within(5000, () => !isAlive(pid))).toBe(true);
    expect(readdirSync(bench.path('home/run'))).toEqual(['daemon.log']);
    expect((await bench.callgate('daemon', '--stop')).stdout).toBe('No daemon runs for this home.\n');
  });

  it('of which ten are started at once is one', async () => {
    bench = new Bench();
    const all = await Promise.all(Array.from({ length: 10 }, async () => bench.callgate('daemon')));
    expect(all.map(({ code, stderr }) => `${code}${stderr}`)).toEqual(all.map(() => '0'));
    expect(all.filter(({ stdout }) => stdout.includes('runs as process'))).toHaveLength(1);
    expect(daemons()).toHaveLength(1);
  }, 60_000);

  it('that was killed is replaced, lock and socket alike', async () => {
    bench = new Bench();
    await bench.callgate('daemon');
    const { pid = 0 } = await status();
    process.kill(pid, 'SIGKILL');
    expect(await within(5000, () => !isAlive(pid))).toBe(true);
    expect(existsSync(bench.path('home/run/daemon.sock'))).toBe(true);
    expect(await status()).toEqual({ running: false });
    expect((await bench.callgate('daemon')).code).toBe(0);
    expect((await status()).pid).not.toBe(pid);
  });

  it('is refused a second time in the foreground, and a directory that others may enter', async () => {
    bench = new Bench();
    await bench.callgate('daemon');
    const second = await bench.callgate('daemon', '--foreground');
    expect([second.code, second.stderr]).toEqual([1, expect.stringContaining('CG_DAEMON_RUNNING')]);
    await bench.callgate('daemon', '--stop');
    chmodSync(bench.path('home/run'), 0o755);
    const open = await bench.callgate('daemon');
    expect([open.code, open.stderr]).toEqual([3, expect.stringContaining('chmod 700')]);
    chmodSync(bench.path('home/run'), 0o700);
  });

  it('is not harmed by strangers: garbage, a huge frame, drops, another key', async () => {
    bench = new Bench();
    await bench.callgate('daemon');
    const { pid } = await status();
    const path = bench.path('home/run/daemon.sock');
    const peers = ['\0\0\0\u0001{', '\u007f\u007f\u007f\u007f', 'GET / HTTP/1.1\r\n\r\n', '\0'].map(
      async (text) =>
        new Promise<void>((resolve) => {
          const socket = connect(path, () => socket.write(text));
          socket.on('error', () => undefined);
          socket.resume().on('close', () => resolve());
        }),
    );
    await Promise.all(peers);
    const key = readFileSync(bench.path('home/keys/daemon.key'));
    writeFileSync(bench.path('home/keys/daemon.key'), Buffer.alloc(32, 1));
    const stranger = await bench.callgate('daemon', '--stop');
    expect([stranger.code, stranger.stderr]).toEqual([1, expect.stringContaining('CG_DAEMON_STRANGER')]);
    writeFileSync(bench.path('home/keys/daemon.key'), key);
    expect((await status()).pid).toBe(pid);
  });

  it('seals what gates write that need not', async () => {
    bench = new Bench();
    await bench.callgate('daemon');
    const client = await bench.connect(bench.gated(bench.echo()));
    await client.call('echo', { message: 'x' });
    const checkpoint = bench.path('home/evidence/checkpoint');
    expect(await within(10_000, () => existsSync(checkpoint))).toBe(true);
    await bench.disconnect();
    expect((await bench.callgate('audit', 'verify')).code).toBe(0);
  });

  it('that is killed takes nothing with it: gates go on, and share their labels', async () => {
    bench = new Bench(POLICY);
    await bench.callgate('daemon');
    const [a, b] = await Promise.all([gate('a'), gate('b')]);
    expect(await isDenied(a, 'give')).toBeUndefined();
    process.kill((await status()).pid ?? 0, 'SIGKILL');
    expect(await isDenied(b)).toBe('no-way-out');
    rmSync(bench.path('home/run'), { recursive: true });
    expect(await isDenied(await gate('b'))).toBe('no-way-out');
    await bench.disconnect();
    expect((await bench.callgate('audit', 'verify')).code).toBe(0);
  });

  it('is callgate serve while that runs, which ends it', async () => {
    bench = new Bench();
    const gated = await serve(bench, '--', ...bench.echo());
    expect(await status()).toMatchObject({ running: true, pid: gated.process.pid, sealing: false });
    const refused = await bench.callgate('daemon', '--stop');
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('CG_DAEMON_REFUSED')]);
    expect(await gated.stop()).toBe(0);
    expect(await status()).toEqual({ running: false });
  });

  it('is out of reach of agents, also where its socket does not lie in the home', async () => {
    bench = new Bench();
    const home = bench.path(`home-${'x'.repeat(100)}`);
    const env = { ...bench.env, CALLGATE_HOME: home };
    const run = (...args: string[]): string =>
      execFileSync(process.execPath, [CLI, 'daemon', ...args], { env }).toString();
    run();
    const at = /listens at (\S+)\.\n/.exec(readFileSync(`${home}/run/daemon.log`, 'utf8'))?.[1] ?? '';
    try {
      const command = bench.gated(bench.echo()).map((word) => (word === bench.home ? home : word));
      const client = await bench.connect(command, { env });
      expect(at).toMatch(/^\/tmp\/callgate-/);
      for (const path of [at, `${at}/../x`, '/tmp/callgate-*/daemon.sock', `${home}/run`])
        expect(textOf(await client.call('echo', { path }))).toContain('floor:home');
      expect((await client.call('echo', { message: 'x', path: '/tmp/other' })).result?.isError).not.toBe(true);
    } finally {
      run('--stop');
      if (at.startsWith('/tmp/callgate-')) rmdirSync(dirname(at));
    }
  });
});
