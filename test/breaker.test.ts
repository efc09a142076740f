import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bench, CLI, peer, sleep, within } from './peers/gate.ts';
import { type Message, textOf } from './peers/raw-client.ts';

const SERVER = peer('failing-server.mjs');
let bench: Bench;
const running: ChildProcess[] = [];

beforeEach(() => {
  bench = new Bench();
  mode('ok');
});
afterEach(async () => {
  await Promise.all(running.splice(0).map(ended));
  await bench.close();
});

const mode = (text: string) => writeFileSync(bench.path('mode'), text);
/** Calls that came to the server. */
const seen = (): number => {
  try {
    return readFileSync(bench.path('seen'), 'utf8').split('\n').length - 1;
  } catch {
    return 0;
  }
};
const failing = (): string[] => [process.execPath, SERVER, '--mode', bench.path('mode'), '--seen', bench.path('seen')];
const settings = (text: object): void => {
  const home = { version: 1, policy: bench.policy, ...text };
  writeFileSync(bench.path('gate.yaml'), JSON.stringify(home));
};
const waitOf = (text: string): number => Number(/Try again in (\d+) s\./.exec(text)?.[1] ?? Number.NaN);

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => {
    child.once('exit', resolve);
  });
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 4000);
  await gone;
  clearTimeout(timer);
}

interface Started {
  readonly child: ChildProcess;
  readonly first: string;
  readonly stderr: () => string;
}

/** Starts a program and waits for its first line. */
async function start(command: readonly string[]): Promise<Started> {
  const [file = '', ...args] = command;
  const child = spawn(file, args, { cwd: bench.dir, env: bench.env, stdio: ['ignore', 'pipe', 'pipe'] });
  running.push(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  if (!(await within(15_000, () => out.includes('\n')))) throw new Error(`nothing was said: ${err}`);
  return { child, first: out.split('\n')[0] ?? '', stderr: () => err };
}

/** `callgate serve` over the settings, and how a client of 2026-07-28 calls a tool there. */
async function serve(): Promise<Started & { call: (name?: string) => Promise<Message> }> {
  const flags = ['--config', bench.path('gate.yaml'), '--home', bench.home, '--port', '0', '--auth', 'anonymous'];
  const started = await start([process.execPath, CLI, 'serve', ...flags]);
  const url = /http:\S+/.exec(started.first)?.[0] ?? '';
  let id = 0;
  const call = async (name = 'work'): Promise<Message> => {
    const meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const body = { jsonrpc: '2.0', id: ++id, method: 'tools/call', params: { name, arguments: {}, _meta: meta } };
    const answer = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': name,
      },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    const line = text.startsWith('{') ? text : (/^data: (\{.*"id".*)$/m.exec(text)?.[1] ?? '{}');
    return JSON.parse(line) as Message;
  };
  return { ...started, call };
}

describe('a tool that only fails, where breaker.toolErrors is set', () => {
  it.each(['error', 'rpc'])('(%s) is given a rest, gets one probe, and comes back', async (how) => {
    settings({ breaker: { toolErrors: 3, pause: 1 } });
    const client = await bench.connect(
      bench.gated(failing(), { name: 'fx', flags: ['--config', bench.path('gate.yaml')] }),
    );
    mode(`work ${how}`);
    for (let at = 0; at < 3; at++) await client.call('work');
    const before = seen();
    const refused = await client.call('work');
    expect(refused.result?.isError).toBe(true);
    expect(textOf(refused)).toContain('Callgate held back the call of "work" (rule "breaker:fx/work")');
    expect(waitOf(textOf(refused))).toBeLessThanOrEqual(2);
    expect(seen()).toBe(before);
    expect(textOf(await client.call('other'))).toBe('done');

    mode('ok');
    await sleep(1300);
    expect(textOf(await client.call('work'))).toBe('done');
    expect(textOf(await client.call('work'))).toBe('done');
    expect(client.stderr).toContain('"work" of server "fx" are refused for');
    await bench.disconnect();
    const held = (await bench.logs()).filter(({ matchedRule }) => matchedRule === 'breaker:fx/work');
    expect(held).toMatchObject([{ decision: 'defer', toolName: 'work' }]);
    expect((await bench.callgate('audit', 'verify')).code).toBe(0);
  });

  it('is left alone by default, and when the client is at fault', async () => {
    const client = await bench.connect(bench.gated(failing(), { name: 'fx' }));
    mode('error');
    for (let at = 0; at < 20; at++) await client.call('work');
    mode('fault');
    for (let at = 0; at < 20; at++) await client.call('work');
    expect(seen()).toBe(40);
  });
});

describe('a server behind callgate serve', () => {
  const url = (port: string, more: object = {}) => ({
    hub: { url: `http://127.0.0.1:${port}/mcp`, era: 'modern', ...more },
  });

  it('that was killed is given a rest, and found again when it is back', async () => {
    const first = await start([...failing(), '--port', '0']);
    settings({ servers: url(first.first), breaker: { transportErrors: 3, pause: 1 } });
    const gate = await serve();
    expect(textOf(await gate.call())).toBe('done');
    await ended(first.child);
    for (let at = 0; at < 3; at++) expect((await gate.call()).error).toMatchObject({ code: -31004 });
    const refused = textOf(await gate.call('other'));
    expect(refused).toContain('(rule "breaker:hub")');
    expect(waitOf(refused)).toBeGreaterThan(0);
    await start([...failing(), '--port', first.first]);
    await sleep(1300);
    expect(textOf(await gate.call())).toBe('done');
    expect(textOf(await gate.call())).toBe('done');
    expect(gate.stderr()).toContain('Calls of server "hub" are refused for');
    expect(gate.stderr()).toContain('Calls of server "hub" pass again');
  });

  it.each([
    ['hangs', 'hang'],
    ['says that it is not available', '503'],
  ])('that %s is given a rest; a probe that fails opens it again, for longer', async (_what, how) => {
    const { first } = await start([...failing(), '--port', '0']);
    settings({ servers: url(first, { timeout: 1 }), breaker: { transportErrors: 2, pause: 1 } });
    const gate = await serve();
    mode(how);
    await Promise.all([gate.call(), gate.call()]);
    expect(textOf(await gate.call())).toContain('(rule "breaker:hub")');
    await sleep(1300);
    const before = seen();
    const [probe, ...others] = await Promise.all([gate.call(), gate.call(), gate.call('other')]);
    expect(seen() - before).toBe(1);
    expect(probe.error).toMatchObject({ code: -31004 });
    for (const other of others) expect(textOf(other)).toContain('Try again in');
    expect(waitOf(textOf(await gate.call()))).toBeGreaterThanOrEqual(2);
  });

  it('one tool that hangs while another answers is the only one that is refused', async () => {
    const { first } = await start([...failing(), '--port', '0']);
    settings({ servers: url(first, { timeout: 1 }), breaker: { transportErrors: 2, pause: 5 } });
    const gate = await serve();
    mode('ok\nwork hang');
    for (let at = 0; at < 2; at++) {
      await gate.call('work');
      expect(textOf(await gate.call('other'))).toBe('done');
    }
    expect(textOf(await gate.call('work'))).toContain('(rule "breaker:hub/work")');
    expect(textOf(await gate.call('other'))).toBe('done');
  });

  it('that is a command and ends on each call is given a rest, and comes back', async () => {
    const [command = '', ...args] = failing();
    settings({ servers: { fx: { command, args } }, breaker: { transportErrors: 2, pause: 2 } });
    const gate = await serve();
    expect(textOf(await gate.call())).toBe('done');
    mode('exit');
    const answers: Message[] = [];
    // Its supervisor makes it wait, too, between two starts.
    for (let at = 0; at < 20 && !textOf(answers.at(-1) ?? {}).includes('breaker:fx'); at++)
      answers.push(await gate.call());
    expect(textOf(answers.at(-1) ?? {})).toContain('(rule "breaker:fx")');
    mode('ok');
    const isBack = await within(15_000, async () => textOf(await gate.call()) === 'done');
    expect(isBack).toBe(true);
  });

  it('leaves each step in the evidence, which verifies', async () => {
    const { first } = await start([...failing(), '--port', '0']);
    settings({ servers: url(first), breaker: { transportErrors: 2, pause: 1 } });
    const gate = await serve();
    mode('503');
    for (let at = 0; at < 3; at++) await gate.call();
    mode('ok');
    await sleep(1300);
    await gate.call();
    await ended(gate.child);
    const { code, stdout } = await bench.callgate('audit', 'verify', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, types: { breaker: 3 } });
  });
});

describe('limits a minute of the settings', () => {
  it('hold without a policy, and over all gates of the home', async () => {
    writeFileSync(join(bench.dir, 'gate.yaml'), JSON.stringify({ version: 1, limits: { toolPerMinute: 3 } }));
    const flags = ['--config', bench.path('gate.yaml')];
    const open = async () => bench.connect(bench.gated(failing(), { policy: false, name: 'fx', flags }));
    const [one, two] = [await open(), await open()];
    expect(textOf(await one.call('work'))).toBe('done');
    expect(textOf(await two.call('work'))).toBe('done');
    expect(textOf(await one.call('work'))).toBe('done');
    const refused = textOf(await two.call('work'));
    expect(refused).toContain('the limit of "settings:limits.toolPerMinute" is spent');
    expect(waitOf(refused)).toBeGreaterThan(50);
    expect(textOf(await two.call('other'))).toBe('done');
    await bench.disconnect();
    const limited = (await bench.logs()).filter(({ matchedRule }) => matchedRule === 'settings:limits.toolPerMinute');
    expect(limited).toMatchObject([{ decision: 'deny', toolName: 'work' }]);
  });
});
