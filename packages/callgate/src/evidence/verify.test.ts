import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeSigningKey, signCheckpoint } from './note.ts';
import { verifyDirectory, directoryReader, nodeTools } from './node-log.ts';
import { sealNow } from './seal.ts';
import { testHome, writeCalls, type TestHome } from './testing.ts';
import { TreeEdge, leafHashInto, tilePath } from './tree.ts';
import { verifyLog } from './verify.ts';

const SAMPLE = process.env['CALLGATE_LONG'] === '1' ? 7 : 1499;

describe('verifyLog', () => {
  let t: TestHome;
  let kept = '';
  let vkey = '';
  let size = 0;
  const scratch = mkdtempSync(join(tmpdir(), 'cg-tamper-'));
  const dir = join(scratch, 'log');

  beforeAll(async () => {
    t = testHome();
    const evidence = t.open();
    writeCalls(evidence, 30);
    await sealNow(t.home);
    kept = readFileSync(join(t.place.dir, 'checkpoint'), 'utf8');
    writeCalls(evidence, 180, 30);
    await evidence.close();
    size = (await sealNow(t.home)).size;
    vkey = readFileSync(join(t.place.dir, 'log.vkey'), 'utf8');
    expect(size).toBeGreaterThan(300);
  });
  afterAll(() => {
    t.remove();
    rmSync(scratch, { recursive: true, force: true });
  });

  /** A fresh copy of the log, changed. */
  function tampered(change: (dir: string) => void): typeof dir {
    rmSync(dir, { recursive: true, force: true });
    cpSync(t.place.dir, dir, { recursive: true });
    change(dir);
    return dir;
  }
  const verify = (more: { against?: string } = {}) => verifyDirectory({ dir, vkey, ...more });

  it('accepts the log as it is, also against a checkpoint kept earlier', async () => {
    tampered(() => {});
    expect(await verify({ against: kept })).toMatchObject({ ok: true, size, problems: [] });
  });

  it(`finds a flip of any byte (every ${SAMPLE}th) of checkpoint, entries and tiles`, async () => {
    const edge = [`tile/entries/001.p/${size - 256}`, `tile/0/001.p/${size - 256}`, 'tile/1/000.p/1'];
    const files = ['checkpoint', 'tile/entries/000', 'tile/0/000', ...edge];
    const missed: string[] = [];
    tampered(() => {});
    for (const file of files) {
      const bytes = readFileSync(join(dir, file));
      for (let at = 0; at < bytes.length; at += file === 'checkpoint' ? 7 : SAMPLE) {
        const flipped = Buffer.from(bytes);
        flipped.writeUInt8((bytes[at] ?? 0) ^ (1 << (at % 8)), at);
        const reader = { read: (path: string) => (path === file ? flipped : directoryReader(dir).read(path)) };
        const report = await verifyLog({ reader, tools: nodeTools, vkey });
        if (report.ok) missed.push(`${file}@${at}`);
      }
    }
    expect(missed).toEqual([]);
  }, 600_000);

  it('finds a missing file of any kind', async () => {
    for (const file of filesOf(t.place.dir).filter((name) => name.startsWith('tile/') || name === 'checkpoint')) {
      // Partial tiles of earlier sizes serve those who kept an earlier checkpoint.
      if (file.includes('.p/') && !file.endsWith(`.p/${size - 256}`) && file !== 'tile/1/000.p/1') continue;
      tampered((copy) => unlinkSync(join(copy, file)));
      expect([file, (await verify()).ok]).toEqual([file, false]);
    }
  });

  it.each([
    ['a dropped record', (leaves: Buffer[]) => leaves.splice(17, 1)],
    ['two records swapped', (leaves: Buffer[]) => leaves.splice(17, 2, leaves[18]!, leaves[17]!)],
    ['a record doubled', (leaves: Buffer[]) => leaves.splice(17, 0, leaves[17]!)],
    ['a forged record put in', (leaves: Buffer[]) => leaves.splice(17, 0, Buffer.from('{"v":1}'))],
    [
      'a verdict changed',
      (leaves: Buffer[]) => leaves.splice(0, 1, Buffer.from(String(leaves[0]).replace('deny', 'allow'))),
    ],
    [
      'an unknown field',
      (leaves: Buffer[]) => leaves.splice(0, 1, Buffer.from(String(leaves[0]).replace('"v":1', '"v":1,"x":2'))),
    ],
  ])('finds %s, with tiles left, re-hashed, and signed by another key', async (_, change) => {
    const leaves = readLeaves(t.place.dir, size);
    change(leaves);
    tampered((copy) => writeEntries(copy, leaves));
    expect((await verify()).ok).toBe(false);
    const root = writeTiles(dir, leaves);
    const body = readFileSync(join(dir, 'checkpoint'), 'utf8').split('\n');
    writeFileSync(
      join(dir, 'checkpoint'),
      [body[0], leaves.length, root.toString('base64'), ...body.slice(3)].join('\n'),
    );
    expect((await verify()).ok).toBe(false);
    const { privateKey } = generateKeyPairSync('ed25519');
    const { key } = makeSigningKey();
    writeFileSync(
      join(dir, 'checkpoint'),
      signCheckpoint({ ...key, origin: body[0] ?? '', secret: privateKey }, leaves.length, root),
    );
    expect((await verify()).ok).toBe(false);
  });

  it('finds order and form at fault even when the log itself signs them', async () => {
    const key = makeSigningKey().key;
    const leaves = readLeaves(t.place.dir, size);
    for (const change of [
      (all: Buffer[]) => all.splice(17, 1),
      (all: Buffer[]) => all.splice(17, 2, all[18]!, all[17]!),
      (all: Buffer[]) => all.splice(0, 1, Buffer.from(String(all[0]).replace('"v":1', '"v":1,"x":2'))),
      (all: Buffer[]) => all.splice(0, 1, Buffer.from(String(all[0]).replace('"v":1', '"v": 1'))),
    ]) {
      const changed = [...leaves];
      change(changed);
      tampered((copy) => {
        writeEntries(copy, changed);
        writeFileSync(join(copy, 'checkpoint'), signCheckpoint(key, changed.length, writeTiles(copy, changed)));
      });
      const report = await verifyDirectory({ dir, vkey: key.vkey });
      expect(report.ok).toBe(false);
    }
  });

  it('finds a log that was cut at any record and signed again, against a kept checkpoint', async () => {
    const { key } = makeSigningKey();
    const leaves = readLeaves(t.place.dir, size);
    tampered(() => {});
    const whole = signCheckpoint(key, size, writeTiles(dir, leaves));
    for (let cut = 0; cut < size; cut += cut < 4 || cut > size - 4 ? 1 : SAMPLE) {
      tampered((copy) => {
        writeEntries(copy, leaves.slice(0, cut));
        writeFileSync(join(copy, 'checkpoint'), signCheckpoint(key, cut, writeTiles(copy, leaves.slice(0, cut))));
      });
      // Without a kept checkpoint a cut that the key signed is a log like any other: the format cannot show it.
      expect([cut, (await verifyDirectory({ dir, vkey: key.vkey })).ok]).toEqual([cut, true]);
      expect([cut, (await verifyDirectory({ dir, vkey: key.vkey, against: whole })).ok]).toEqual([cut, false]);
    }
  });

  it.each([
    [
      'another root at the kept size',
      (text: string) => text.replace(/\n[A-Za-z0-9+/]{43}=\n/, `\n${'A'.repeat(43)}=\n`),
    ],
    ['no checkpoint', () => 'hello'],
    ['an empty file', () => ''],
  ])('refuses %s as the kept checkpoint', async (_, change) => {
    tampered(() => {});
    expect((await verify({ against: change(kept) })).ok).toBe(false);
  });

  it('refuses an emptied log, and a key that is none', async () => {
    tampered((copy) => writeFileSync(join(copy, 'checkpoint'), ''));
    expect((await verify()).ok).toBe(false);
    tampered(() => {});
    for (const wrong of ['', 'x', vkey.replace(/\+[0-9a-f]{8}\+/, '+00000000+'), makeSigningKey().key.vkey])
      expect((await verifyDirectory({ dir, vkey: wrong })).ok).toBe(false);
  });
});

function readLeaves(dir: string, size: number): Buffer[] {
  const leaves: Buffer[] = [];
  for (let start = 0; start < size; start += 256) {
    const bytes = readFileSync(join(dir, tilePath('entries', start / 256, Math.min(256, size - start))));
    for (let at = 0; at < bytes.length; at += 2 + bytes.readUInt16BE(at))
      leaves.push(Buffer.from(bytes.subarray(at + 2, at + 2 + bytes.readUInt16BE(at))));
  }
  return leaves;
}

function writeEntries(dir: string, leaves: readonly Buffer[]): void {
  for (let start = 0; start < leaves.length; start += 256) {
    const bundle = leaves.slice(start, start + 256);
    const parts = bundle.flatMap((leaf) => [Buffer.of(leaf.length >> 8, leaf.length & 255), leaf]);
    writeAt(dir, tilePath('entries', start / 256, bundle.length), Buffer.concat(parts));
  }
}

function writeTiles(dir: string, leaves: readonly Buffer[]): Buffer {
  const edge = new TreeEdge();
  const room = Buffer.alloc(32);
  for (const leaf of leaves) {
    leafHashInto(leaf, room, 0);
    edge.push(room, 0);
  }
  for (const tile of [...edge.takeFull(), ...edge.partial()])
    writeAt(dir, tilePath(tile.level, tile.index, tile.width), tile.hashes);
  return edge.root();
}

function writeAt(dir: string, path: string, bytes: Buffer): void {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), bytes);
}

function filesOf(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath ?? entry.path, entry.name)));
}
