import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bench, isAlive, peer, SECRET, within } from './peers/gate.ts';
import { type RawClient, textOf } from './peers/raw-client.ts';

const STRIP = `version: 1
rules:
  - { id: strip, match: { direction: result }, obligations: [{ redact: { classes: [secret] } }] }
  - { id: no, match: { tool: fork }, effect: deny }
  - { id: all, match: { method: "*" }, effect: allow }
`;

let bench: Bench;
beforeEach(() => {
  bench = new Bench(STRIP);
});
afterEach(async () => bench.close());

const start = async (server: readonly string[]): Promise<RawClient> => bench.connect(bench.gated(server));
const script = (text: string): string[] => [process.execPath, '-e', text];

// What stands here is what docs/limits.md admits. A change that mends one of these turns its test, and its line there.
describe('not in this version:', () => {
  it('a secret that is encoded or split is not taken out', async () => {
    const client = await start([process.execPath, peer('echo-server.mjs')]);
    const base64 = Buffer.from(SECRET).toString('base64');
    const hex = Buffer.from(SECRET).toString('hex');
    const split = `${SECRET.slice(0, 8)} ${SECRET.slice(8)}`;
    for (const value of [base64, hex, split])
      expect(textOf(await client.call('give', { value }))).toBe(`it is ${value}`);
    expect(textOf(await client.call('give', { value: SECRET }))).toBe('it is [redacted]');
  });

  it('a notification is not redacted, and what the server writes to stderr is not looked at', async () => {
    const client = await start(
      script(`
        const say = (message) => console.log(JSON.stringify({ jsonrpc: '2.0', ...message }));
        process.stdin.setEncoding('utf8').on('data', (text) => {
          if (!text.includes('"initialize"')) return;
          const { id } = JSON.parse(text.split('\\n')[0]);
          say({ id, result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'x', version: '1' } } });
          say({ method: 'notifications/message', params: { level: 'info', data: '${SECRET}' } });
          console.error('${SECRET}');
        });`),
    );
    const note = await client.until(() => client.lines.find((line) => line.message?.method !== undefined));
    expect(note?.text).toContain(SECRET);
    expect(await client.until(() => client.stderr.includes(SECRET))).toBe(true);
  });

  it('what a tool says about itself is unread, and it is listed as the server words it', async () => {
    const client = await start([process.execPath, peer('echo-server.mjs')]);
    const { result } = await client.request('tools/list');
    expect(result?.tools?.map(({ name }) => name)).toContain('echo');
  });

  it.runIf(process.platform === 'linux')(
    'a process that leaves the group of the server outlives the gate',
    async () => {
      const client = await start(
        script(`
        const { spawn } = require('node:child_process');
        const { pid } = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
        process.stdin.setEncoding('utf8').on('data', (text) => {
          if (!text.includes('"initialize"')) return;
          const { id } = JSON.parse(text.split('\\n')[0]);
          const result = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: String(pid), version: '1' } };
          console.log(JSON.stringify({ jsonrpc: '2.0', id, result }));
        });`),
      );
      const initialized = client.lines.find((line) => line.message?.result !== undefined);
      const stray = Number(/"name":"(\d+)"/.exec(initialized?.text ?? '')?.[1]);
      client.process.kill('SIGKILL');
      await client.ended;
      try {
        expect(await within(2000, () => !isAlive(stray))).toBe(false);
      } finally {
        process.kill(stray, 'SIGKILL');
      }
    },
  );
});
