import { execFileSync } from 'node:child_process';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ALLOW_ALL, Bench, type LogRecord, peer, sleep, within } from './peers/gate.ts';
import { type RawClient } from './peers/raw-client.ts';

const KILLS = process.env['CALLGATE_LONG'] ? 200 : 10;
const ECHO = [process.execPath, peer('echo-server.mjs')];

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
});
afterEach(async () => {
  await bench.kill();
  bench.remove();
});

const start = async (command: readonly string[] = bench.gated(ECHO)): Promise<RawClient> => bench.connect(command);

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

describe('the log', () => {
  async function logOfCalls(): Promise<string> {
    const client = await start();
    for (let i = 0; i < 5; i++) await client.call('echo', { message: `call ${i}` });
    await client.close();
    expect((await bench.callgate('audit', 'verify')).code).toBe(0);
    return join(bench.home, 'evidence');
  }

  it('can be checked without Callgate, from its files and the key: RFC 6962 hashes, a signed note', async () => {
    const log = await logOfCalls();
    const read = (name: string): Buffer => readFileSync(join(log, name));
    const [body = '', signatures = ''] = read('checkpoint').toString().split('\n\n');
    const [origin, size, root] = body.split('\n');
    const [name, keyId, ...key] = read('log.vkey').toString().trim().split('+');
    expect(name).toBe(origin);

    const leaves = leavesOf(read(`tile/entries/000.p/${size}`));
    expect(leaves).toHaveLength(Number(size));
    expect(rootOf(leaves.map((leaf) => sha256(Buffer.from([0]), leaf))).toString('base64')).toBe(root);
    expect(leaves.map(String).filter((leaf) => leaf.includes('"effect":"allow"')).length).toBeGreaterThanOrEqual(5);
    expect(leaves.map(String).join('')).not.toContain('call 0');

    const typed = Buffer.from(key.join('+'), 'base64');
    expect(
      sha256(Buffer.from(`${name}\n`), typed)
        .subarray(0, 4)
        .toString('hex'),
    ).toBe(keyId);
    const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), typed.subarray(1)]);
    const signature = Buffer.from(signatures.trim().split(' ').at(-1) ?? '', 'base64');
    expect(signature.subarray(0, 4).toString('hex')).toBe(keyId);
    const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    expect(verify(null, Buffer.from(`${body}\n`), publicKey, signature.subarray(4))).toBe(true);
  });

  it('with a changed, a dropped, a moved or an added record does not verify', async () => {
    const log = await logOfCalls();
    const size = readFileSync(join(log, 'checkpoint'), 'utf8').split('\n')[1];
    const file = join(log, `tile/entries/000.p/${size}`);
    const whole = readFileSync(file);
    const leaves = leavesOf(whole);
    const [first = Buffer.alloc(0), second = Buffer.alloc(0), ...rest] = leaves;
    const changed = Buffer.from(String(second).replace('"allow"', '"deny"'));
    for (const forged of [
      [first, changed, ...rest],
      [first, ...rest],
      [second, first, ...rest],
      [first, ...leaves],
    ]) {
      writeFileSync(file, bundleOf(forged));
      const { code, stdout, stderr } = await bench.callgate('audit', 'verify');
      expect([code, stdout + stderr]).toEqual([1, expect.stringContaining('NOT verified')]);
    }
    writeFileSync(file, whole);
    expect((await bench.callgate('audit', 'verify')).code).toBe(0);
  });
});

const sha256 = (...parts: readonly Uint8Array[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();

/** The leaves of a tlog-tiles entry bundle: each behind its length, 16 bits big-endian. */
function leavesOf(bundle: Buffer): Buffer[] {
  const leaves: Buffer[] = [];
  for (let at = 0; at < bundle.length; at += 2 + bundle.readUInt16BE(at))
    leaves.push(bundle.subarray(at + 2, at + 2 + bundle.readUInt16BE(at)));
  return leaves;
}

function bundleOf(leaves: readonly Buffer[]): Buffer {
  return Buffer.concat(leaves.flatMap((leaf) => [Buffer.from([leaf.length >> 8, leaf.length & 255]), leaf]));
}

/** RFC 6962, 2.1: the left part is the largest power of two below the number of leaves. */
function rootOf(hashes: readonly Buffer[]): Buffer {
  const [only] = hashes;
  if (hashes.length <= 1) return only ?? sha256();
  const left = 2 ** Math.ceil(Math.log2(hashes.length) - 1);
  return sha256(Buffer.from([1]), rootOf(hashes.slice(0, left)), rootOf(hashes.slice(left)));
}
