import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bench, realServer } from './peers/gate.ts';
import { serve } from './peers/serve.ts';

const POLICY = `version: 1
default: deny
rules:
  - { id: no-env, match: { tool: get-env }, effect: deny, reason: The environment is private. }
  - { id: all, match: { method: "*" }, effect: allow }
`;

const serverOf = ([command, ...args]: readonly string[]) => ({ command, args });

let bench: Bench;
beforeEach(() => (bench = new Bench(POLICY)));
afterEach(() => bench.remove());

const configure = (servers: object): void =>
  writeFileSync(bench.path('callgate.yaml'), JSON.stringify({ policy: './policy.yaml', servers }));
const servers = (...args: readonly string[]) =>
  bench.callgate('servers', ...args, '--config', bench.path('callgate.yaml'));

describe('callgate servers', () => {
  it('list shows the servers as they are written, and no secret', async () => {
    configure({
      files: serverOf(['npx', '-y', 'files-server']),
      hub: { url: 'https://hub.example/mcp', headers: { Authorization: 'Bearer ${HOME}' } },
    });
    const { code, stdout } = await servers('list');
    expect(code).toBe(0);
    expect(stdout).toMatch(/files +command +npx -y files-server +file/);
    expect(stdout).toMatch(/hub +url +https:\/\/hub.example\/mcp +file/);
    expect(stdout).not.toContain('Bearer');
  });

  it('test says which servers answer, their era and their tools', async () => {
    const behind = await serve(bench, '--auth', 'anonymous', '--', ...realServer('memory'));
    try {
      configure({
        everything: serverOf(realServer('everything')),
        dead: serverOf([process.execPath, '-e', 'process.exit(3)']),
        away: { url: 'http://127.0.0.1:9/mcp' },
        private: { url: 'https://10.0.0.1/mcp' },
        hub: { url: behind.url },
      });
      const { code, stdout } = await servers('test', '--json');
      expect(code).toBe(1);
      const { servers: tested } = JSON.parse(stdout) as { servers: { server: string }[] };
      expect(Object.fromEntries(tested.map((one) => [one.server, one]))).toMatchObject({
        everything: { ok: true, era: 'legacy', tools: expect.any(Number) as number },
        hub: { ok: true, tools: 9 },
        dead: { ok: false, error: expect.stringContaining('ended with exit code 3') as string },
        away: { ok: false, error: expect.stringContaining('could not be reached') as string },
        private: { ok: false, error: expect.stringContaining('may not be dialled') as string },
      });
    } finally {
      await behind.stop();
    }
  });

  it('call runs one tool through the whole gate', async () => {
    configure({ everything: serverOf(realServer('everything')) });
    const passed = await servers('call', 'everything', 'echo', '--args', '{"message":"hi"}');
    expect([passed.code, passed.stdout]).toEqual([0, 'Echo: hi\n']);
    const refused = await servers('call', 'everything', 'get-env');
    expect(refused.code).toBe(1);
    expect(refused.stdout).toContain('The environment is private.');
    expect(
      (await bench.logs()).filter(({ method }) => method === 'tools/call').map(({ matchedRule }) => matchedRule),
    ).toEqual(['all', 'no-env']);
  });

  it.each([
    [['call', 'nobody', 'echo'], 'There is no server "nobody" in the config.'],
    [['call', 'everything'], 'takes a server and a tool'],
    [['call', 'everything', 'echo', '--args', '[1]'], '--args is no object.'],
    [['tset'], 'Did you mean "test"?'],
  ])('%j is a clear error', async (args, message) => {
    configure({ everything: serverOf(realServer('everything')) });
    const { code, stderr } = await servers(...args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

describe('callgate run without a command', () => {
  it('puts the only server of the config behind the gate', async () => {
    configure({ everything: serverOf(realServer('everything')) });
    const client = await bench.connect([...gate(), '--config', bench.path('callgate.yaml')]);
    expect(JSON.stringify(await client.request('tools/list', {}))).toContain('"echo"');
    await bench.disconnect();
  });

  it('makes many servers one', async () => {
    configure({ everything: serverOf(realServer('everything')), memory: serverOf(realServer('memory')) });
    const client = await bench.connect([...gate(), '--config', bench.path('callgate.yaml')]);
    const listed = JSON.stringify(await client.request('tools/list', {}));
    expect(listed).toContain('"everything__echo"');
    expect(listed).toContain('"memory__read_graph"');
    expect(listed).not.toContain('get-env');
    await bench.disconnect();
  });

  it('gives a client its own ids back, whatever it calls them', async () => {
    configure({ everything: serverOf(realServer('everything')), memory: serverOf(realServer('memory')) });
    const client = await bench.connect([...gate(), '--config', bench.path('callgate.yaml')]);
    for (const id of [2 ** 52, 'a "b"', '1', 1]) {
      const params = { name: 'everything__echo', arguments: { message: `for ${id}` } };
      client.send(JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params }));
      expect(JSON.stringify(await client.until(() => client.answerTo(id)))).toContain('Echo: for ');
    }
    await bench.disconnect();
  });

  it('records what is no message, also before anything else was said', async () => {
    configure({ everything: serverOf(realServer('everything')), memory: serverOf(realServer('memory')) });
    const client = bench.open([...gate(), '--config', bench.path('callgate.yaml')]);
    client.send('{"jsonrpc":"2.0","id":7,"id":7,"method":"tools/list"}');
    await client.until(() => client.lines.length > 0);
    await client.initialize();
    client.send('{"jsonrpc":"2.0","id":8,"method":"tools/list","method":"ping"}');
    await client.until(() => client.lines.length > 2);
    await bench.disconnect();
    const refused = (await bench.logs()).filter(({ method }) => method === '(malformed)');
    expect(refused.map(({ matchedRule }) => matchedRule)).toEqual(['protocol:duplicate_key', 'protocol:duplicate_key']);
  });

  it('closes its log when its client ends it by a signal', async () => {
    configure({ everything: serverOf(realServer('everything')), memory: serverOf(realServer('memory')) });
    const client = await bench.connect([...gate(), '--config', bench.path('callgate.yaml')]);
    await client.call('everything__echo', { message: 'hi' });
    client.process.kill('SIGTERM');
    expect((await client.ended).code).toBe(143);
    const [call] = await bench.logs('--tool', 'echo');
    expect(call?.status).toBe('ok');
  });

  it('reaches a server by its URL', async () => {
    const behind = await serve(bench, '--auth', 'anonymous', '--', ...realServer('everything'));
    try {
      configure({ hub: { url: behind.url } });
      const client = await bench.connect([...gate(), '--config', bench.path('callgate.yaml')]);
      expect(JSON.stringify(await client.call('echo', { message: 'far' }))).toContain('Echo: far');
      await bench.disconnect();
    } finally {
      await behind.stop();
    }
  });
});

const gate = (): string[] => bench.gated([]).slice(0, -1);
