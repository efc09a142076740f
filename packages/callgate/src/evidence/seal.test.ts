import { cpSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import canonicalizeModule from 'canonicalize';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EvidenceRecord } from '../model/record.ts';
import { sealNow } from './seal.ts';
import { decisionRecord, testHome, writeCalls, type TestHome } from './testing.ts';
import { verifyDirectory } from './node-log.ts';
import { openVault, walkVault } from './vault.ts';

const canonicalize = canonicalizeModule as unknown as (value: unknown) => string;

/** Every leaf of a log, from its entry bundles. */
export function leavesOf(dir: string, size: number): Record<string, unknown>[] {
  const leaves: Record<string, unknown>[] = [];
  for (let start = 0; start < size; start += 256) {
    const name = `tile/entries/${String(start / 256).padStart(3, '0')}`;
    const width = Math.min(256, size - start);
    const bytes = readFileSync(join(dir, width === 256 ? name : `${name}.p/${width}`));
    for (let at = 0; at < bytes.length; at += 2 + bytes.readUInt16BE(at)) {
      const text = bytes.toString('utf8', at + 2, at + 2 + bytes.readUInt16BE(at));
      expect(canonicalize(JSON.parse(text))).toBe(text);
      leaves.push(JSON.parse(text) as Record<string, unknown>);
    }
  }
  return leaves;
}

describe('sealing', () => {
  let t: TestHome;
  beforeEach(() => {
    t = testHome();
  });
  afterEach(() => t.remove());

  it('puts every flushed record into the log, in order, and verifies', async () => {
    const evidence = t.open();
    writeCalls(evidence, 200);
    const head = await sealNow(t.home);
    const leaves = leavesOf(t.place.dir, head.size);
    expect(leaves.map((leaf) => leaf['seq'])).toEqual(leaves.map((_, n) => n));
    expect(leaves[0]).toMatchObject({
      type: 'decision',
      id: evidence.idOf(0),
      policy: { effect: 'deny', rule: 'no-writes' },
    });
    expect(await verifyDirectory({ dir: t.place.dir, place: t.place })).toMatchObject({
      ok: true,
      size: head.size,
      root: head.root,
    });
    await evidence.close();
  });

  it('goes on where it stood, and a second seal of nothing changes nothing', async () => {
    const evidence = t.open();
    for (let round = 0; round < 5; round++) {
      writeCalls(evidence, 100, round * 100);
      const head = await sealNow(t.place);
      expect(await sealNow(t.place)).toEqual(head);
    }
    await evidence.close();
    const head = await sealNow(t.place);
    expect(readdirSync(join(t.place.dir, 'wal'))).toEqual([]);
    expect(await verifyDirectory({ dir: t.place.dir, place: t.place })).toMatchObject({
      ok: true,
      size: head.size,
      problems: [],
    });
    expect(existsSync(join(t.place.dir, 'tile/entries/000.p'))).toBe(false);
  });

  it('gives the same root from a copy of the same write-ahead files', async () => {
    const one = t.open();
    const two = t.open();
    for (let round = 0; round < 20; round++) {
      writeCalls(one, 3, round);
      writeCalls(two, 2, round);
    }
    await one.close();
    await two.close();
    const copy = testHome();
    cpSync(t.home, copy.home, { recursive: true });
    const head = await sealNow(t.home);
    expect(await sealNow(copy.home)).toEqual(head);
    copy.remove();
  });

  it('merges the processes of a home by time', async () => {
    const one = t.open();
    const two = t.open();
    one.append(decisionRecord(1));
    one.append(decisionRecord(4));
    two.append(decisionRecord(2));
    two.append(decisionRecord(5));
    one.flush();
    two.flush();
    const { size } = await sealNow(t.home);
    expect(leavesOf(t.place.dir, size).map((leaf) => leaf['mono'])).toEqual([10, 20, 40, 50]);
    await one.close();
    await two.close();
  });

  it('never writes a published file again', async () => {
    const evidence = t.open();
    const times = new Map<string, bigint>();
    for (let round = 0; round < 12; round++) {
      writeCalls(evidence, 60, round * 60);
      await sealNow(t.home);
      for (const file of allFiles(join(t.place.dir, 'tile'))) {
        const { mtimeNs } = statSync(file, { bigint: true });
        expect([file, times.get(file) ?? mtimeNs]).toEqual([file, mtimeNs]);
        times.set(file, mtimeNs);
      }
    }
    expect([...times.keys()].some((file) => file.includes('tile/1/000.p/3'))).toBe(true);
    await evidence.close();
  });

  it('ends also while a gate goes on writing', async () => {
    const evidence = t.open();
    let n = 0;
    const writing = setInterval(() => writeCalls(evidence, 20, (n += 20)), 0);
    for (let round = 0; round < 5; round++) {
      writeCalls(evidence, 1, 1);
      expect((await sealNow(t.home)).size).toBeGreaterThan(round);
    }
    clearInterval(writing);
    await evidence.close();
  });

  it('rotates segments and destroys those that are sealed', async () => {
    const evidence = t.open({ rotateBytes: 2000 });
    writeCalls(evidence, 50);
    expect(readdirSync(join(t.place.dir, 'wal')).length).toBeGreaterThan(5);
    const { size } = await sealNow(t.home);
    expect(readdirSync(join(t.place.dir, 'wal'))).toHaveLength(1);
    expect(leavesOf(t.place.dir, size).filter((leaf) => leaf['type'] === 'recovery')).toEqual([]);
    await evidence.close();
  });

  it('keeps arguments out of the leaves and opens them from the vault, until the day key is gone', async () => {
    const evidence = t.open();
    evidence.append(decisionRecord(1, { args: Buffer.from('{"note":"canary-7261","big":12345678901234567890}') }));
    await evidence.close();
    const { size } = await sealNow(t.home);
    const everything = allFiles(t.home)
      .map((file) => readFileSync(file, 'latin1'))
      .join('\n');
    expect(everything).not.toContain('canary-7261');
    const [leaf] = leavesOf(t.place.dir, size);
    const [place] = [...walkVault(t.place.dir, '2026-03-01')];
    const record = openVault(t.place.dir, t.place.keysDir, '2026-03-01', place?.offset ?? -1, 0);
    expect(record?.args.toString()).toContain('canary-7261');
    const salt = hmac(record?.recordKey ?? Buffer.alloc(0), '/big').subarray(0, 16);
    const committed = createHash('sha256')
      .update('ev1')
      .update(salt)
      .update('12345678901234567890')
      .digest('base64url');
    expect(leaf).toMatchObject({ args: { fields: { '/big': committed } } });
    writeFileSync(join(t.place.keysDir, 'vault', '2026-03-01.key'), Buffer.alloc(32));
    expect(openVault(t.place.dir, t.place.keysDir, '2026-03-01', place?.offset ?? -1, 0)).toBeUndefined();
    expect(await verifyDirectory({ dir: t.place.dir, place: t.place })).toMatchObject({ ok: true });
  });

  it.each([
    ['empty arguments', { args: Buffer.from('{}') }],
    ['arguments that are no JSON', { args: Buffer.from('{"a":'), argsTruncated: 9000 }],
    ['a hostile tool name', { tool: `\u202e"},"v":2\\\u0000${'\u{1f600}'.repeat(300)}` }],
    ['a lone surrogate', { tool: 'a\ud800b', target: '\udfff'.repeat(300) }],
    [
      'huge everything',
      {
        reason: 'r'.repeat(100_000),
        labels: Array.from({ length: 500 }, (_, n) => `l${n}${'\u0001'.repeat(300)}`),
        findings: Array.from({ length: 99 }, () => ({
          rule: 'x',
          class: 'secret',
          pointer: '/'.repeat(999),
          start: 0,
          end: 1,
          confidence: 0.7,
        })),
        args: Buffer.from(JSON.stringify(Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`k${n}~/`, n])))),
      },
    ],
    ['numbers that are none', { time: Number.NaN, mono: Infinity, argsTruncated: -0 }],
    [
      'every field',
      {
        target: 'file:///a',
        client: 'c/1',
        protocol: '2025-06-18',
        indeterminate: 'missing /a',
        obligations: ['redact:x'],
        labels: ['secret'],
        principal: { id: 'p', agent: 'a', user: 'u', roles: ['r'], chain: ['c'], assurance: 'pop' as const },
      },
    ],
  ])('makes a leaf that verifies and stays small from %s', async (_, more) => {
    const evidence = t.open();
    evidence.append(decisionRecord(1, more));
    evidence.append({
      type: 'outcome',
      time: 2,
      mono: 3,
      decision: 0,
      status: 'tool_error',
      us: 1.5,
      bytes: 9,
      rule: 'x',
      reason: 'y'.repeat(999),
      redactions: 2,
    });
    evidence.append({
      type: 'session',
      time: 2,
      mono: 3,
      detail: { b: 'x'.repeat(9999), a: 1, 'z/~': true },
    } satisfies EvidenceRecord);
    await evidence.close();
    const { size } = await sealNow(t.home);
    const report = await verifyDirectory({ dir: t.place.dir, place: t.place });
    expect(report.problems).toEqual([]);
    for (const leaf of leavesOf(t.place.dir, size))
      expect(Buffer.byteLength(canonicalize(leaf))).toBeLessThanOrEqual(8192);
  });

  it('keeps keys and segments for this user alone', async () => {
    const evidence = t.open();
    writeCalls(evidence, 3);
    await sealNow(t.home);
    for (const file of allFiles(t.home)) expect([file, statSync(file).mode & 0o077]).toEqual([file, 0]);
    await evidence.close();
  });
});

function allFiles(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

function hmac(key: Buffer, message: string): Buffer {
  const pad = (byte: number): Buffer => Buffer.concat([key, Buffer.alloc(32)]).map((b) => b ^ byte) as Buffer;
  const inner = createHash('sha256').update(pad(0x36)).update(message).digest();
  return createHash('sha256').update(pad(0x5c)).update(inner).digest();
}
