import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Bench, CLI, received } from './peers/gate.ts';
import { type RawClient, textOf } from './peers/raw-client.ts';
import { serve } from './peers/serve.ts';

let bench: Bench;
afterEach(async () => {
  await bench.close();
});

const POLICY = `version: 1
rules:
  - { id: taints, match: { tool: give }, effect: allow, obligations: [{ label: { add: [secret] } }] }
  - { id: no-way-out, match: { server: b, tool: echo }, when: "'secret' in labels", effect: deny }
  - { id: not-often, match: { server: c, tool: echo }, when: "count('echo', '10m') >= 3", effect: deny }
  - { id: all, match: { method: "*" }, effect: allow }
`;

async function gate(name: string, env: Record<string, string> = {}): Promise<RawClient> {
  return bench.connect(bench.gated(bench.echo(), { name }), { env: { ...bench.env, ...env } });
}

async function said(client: RawClient, tool = 'echo'): Promise<string> {
  return textOf(await client.call(tool, { message: 'x', value: 'x' }));
}

describe('what a home remembers of a session', () => {
  it('is not outrun by calls that are sent at once', async () => {
    bench = new Bench(POLICY);
    const c = await gate('c');
    const answers = await Promise.all(Array.from({ length: 20 }, async () => said(c)));
    expect(answers.filter((text) => !text.includes('not-often'))).toHaveLength(3);
  });

  it.each<[string, (file: string) => void]>([
    ['overwritten', (file) => writeFileSync(file, 'x'.repeat(8192))],
    ['replaced by a directory', (file) => (rmSync(file), mkdirSync(file))],
  ])('is no clean slate when its file was %s', async (_how, harm) => {
    bench = new Bench(POLICY);
    await said(await gate('a'), 'give');
    await bench.disconnect();
    const state = bench.path('home/state');
    for (const name of readdirSync(state)) if (name.startsWith('state.db-')) rmSync(join(state, name));
    harm(join(state, 'state.db'));
    const b = bench.open(bench.gated(bench.echo(), { name: 'b' }));
    const answer = await b.initialize().then(
      async () => said(b),
      (error: unknown) => String(error),
    );
    expect(answer).toMatch(/CG_STATE_|cannot be used/);
    expect(received(bench.path('seen')).some((line) => line.includes('"name":"echo"'))).toBe(false);
  });

  it('is one for servers that one gate merges and for those behind gates of their own', async () => {
    bench = new Bench(POLICY);
    const [command, ...args] = bench.echo();
    const server = JSON.stringify({ command, args });
    writeFileSync(bench.path('both.yaml'), `servers: { a: ${server}, b: ${server} }\n`);
    const flags = ['run', '--config', bench.path('both.yaml'), '--policy', bench.policy, '--home', bench.home];
    const merged = await bench.connect([process.execPath, CLI, ...flags]);
    const b = await gate('b');
    expect(await said(b)).not.toContain('no-way-out');
    expect(await said(merged, 'a__give')).not.toContain('denied');
    expect(await said(merged, 'b__echo')).toContain('no-way-out');
    expect(await said(b)).toContain('no-way-out');
  });

  it('survives the end of a gate by kill -9, with what its write-ahead log holds', async () => {
    bench = new Bench(POLICY);
    const a = await gate('a');
    await said(a, 'give');
    await bench.kill();
    expect(await said(await gate('b'))).toContain('no-way-out');
  });
});

describe('evidence that lies outside the home', () => {
  it('is out of reach of agents as the home is', async () => {
    bench = new Bench();
    mkdirSync(bench.path('log'));
    const command = bench.gated(bench.echo());
    const env = { ...bench.env, CALLGATE_EVIDENCE__DIR: bench.path('log') };
    const client = await bench.connect(command, { env });
    for (const path of [bench.path('log/checkpoint'), 'log/wal', './log'])
      expect(textOf(await client.call('echo', { path }))).toContain('floor:home');
    expect(textOf(await client.call('echo', { message: 'x', path: bench.path('other') }))).not.toContain('floor');
  });
});

describe('whoever sits at the socket of the daemon', () => {
  it('is neither believed nor waited for, and keeps no gate from its work', async () => {
    bench = new Bench();
    await bench.callgate('daemon');
    await bench.callgate('daemon', '--stop');
    const path = bench.path('home/run/daemon.sock');
    const heard: string[] = [];
    const impostor = createServer((socket) => {
      socket.on('error', () => undefined);
      const hello = JSON.stringify({ protocol: 1, nonce: 'A'.repeat(43) });
      const head = Buffer.alloc(4);
      head.writeUInt32BE(hello.length);
      socket.write(Buffer.concat([head, Buffer.from(hello)]));
      socket.on('data', (chunk) => {
        heard.push(chunk.toString('latin1'));
        // Says back what it was told: the proof of the client.
        socket.write(chunk);
      });
    });
    await new Promise<void>((resolve) => impostor.listen(path, resolve));
    try {
      for (const way of ['--stop', '--status']) {
        const { code, stderr } = await bench.callgate('daemon', way);
        expect([code, stderr]).toEqual([1, expect.stringContaining('CG_DAEMON_STRANGER')]);
      }
      expect(heard.join('')).not.toMatch(/"ask"/);
      const client = await bench.connect(bench.gated(bench.echo()));
      expect(await said(client)).toContain('x');
      // One that begins has the lock, and takes the place.
      const gated = await serve(bench, '--', ...bench.echo());
      const { stdout } = await bench.callgate('daemon', '--status', '--json');
      expect(JSON.parse(stdout)).toMatchObject({ running: true, pid: gated.process.pid });
      await gated.stop();
    } finally {
      impostor.close();
    }
  });
});

describe('what the settings hold of servers', () => {
  it('is listed without what stands there as a secret', async () => {
    bench = new Bench();
    const file = bench.path('servers.yaml');
    writeFileSync(
      file,
      `servers:
  a: { command: x, args: [--token, hunter22, "--password=hunter22"], env: { E: hunter22 } }
  b: { url: "https://b.example/?api_key=hunter22", headers: { X-Any: hunter22 } }
`,
    );
    for (const command of [
      ['servers', 'list'],
      ['servers', 'list', '--json'],
      ['doctor', '--config-show'],
    ]) {
      const { stdout } = await bench.callgate(...command, '--config', file);
      expect(stdout).toContain('https://b.example/');
      expect(stdout).not.toContain('hunter22');
    }
  });
});
