import {
  chmodSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmdirSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verifyDirectory } from './node-log.ts';
import { sealNow } from './seal.ts';
import { SegmentReader } from './segment-reader.ts';
import { asDeadProcess, decisionRecord, leafTexts, testHome, writeCalls, type TestHome } from './testing.ts';

describe('openEvidence', () => {
  let t: TestHome;
  beforeEach(() => {
    t = testHome();
  });
  afterEach(() => t.remove());

  const segments = (): string[] => readdirSync(join(t.place.dir, 'wal')).map((name) => join(t.place.dir, 'wal', name));

  it('numbers records from 0 and names them after the process', async () => {
    const evidence = t.open();
    expect([evidence.append(decisionRecord(1)), evidence.append(decisionRecord(2))]).toEqual([0, 1]);
    expect(evidence.idOf(1)).toMatch(/^[0-9a-hjkmnp-tv-z]{10}-1$/);
    await evidence.close();
  });

  it('hands nothing to the disk before flush, and everything with it, encrypted', async () => {
    const evidence = t.open();
    const [segment = ''] = segments();
    const before = readFileSync(segment).length;
    evidence.append(decisionRecord(1, { tool: 'canary_tool', args: Buffer.from('"canary-args"') }));
    expect(readFileSync(segment).length).toBe(before);
    evidence.flush();
    expect(readFileSync(segment).length).toBeGreaterThan(before);
    expect(readFileSync(segment, 'latin1')).not.toContain('canary');
    await evidence.close();
  });

  it('does not seal where another process has taken that on, and asks only once it is open', async () => {
    let asked = 0;
    const evidence = t.open({ sealing: true, sealedElsewhere: () => ++asked > 0 });
    expect(asked).toBe(0);
    evidence.append(decisionRecord(1));
    evidence.flush();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect([asked, readdirSync(t.place.dir)]).toEqual([1, ['wal']]);
    await evidence.close();
  });

  it('leaves no trace of a process that recorded nothing', async () => {
    await t.open().close();
    expect(segments()).toEqual([]);
  });

  it('syncs for all who wait at once', async () => {
    const evidence = t.open({ durability: 'strict' });
    const waits = Array.from({ length: 100 }, (_, n) => {
      evidence.append(decisionRecord(n));
      evidence.flush();
      return evidence.synced();
    });
    await Promise.all(waits);
    expect(new Set(waits).size).toBeLessThan(5);
    await evidence.close();
  });

  it('refuses calls when its file was removed, instead of recording into nothing', async () => {
    const evidence = t.open();
    writeCalls(evidence, 1);
    unlinkSync(segments()[0] ?? '');
    await expect(evidence.synced()).rejects.toMatchObject({ code: 'CG_EVIDENCE_WRITE' });
    evidence.append(decisionRecord(1));
    expect(() => evidence.flush()).toThrow(expect.objectContaining({ code: 'CG_EVIDENCE_WRITE' }) as Error);
    await evidence.close().catch(() => {});
  });

  it('refuses calls when its file was cut short, instead of recording into nothing', async () => {
    const evidence = t.open();
    writeCalls(evidence, 1);
    truncateSync(segments()[0] ?? '', 10);
    await expect(evidence.synced()).rejects.toMatchObject({ code: 'CG_EVIDENCE_WRITE' });
    await evidence.close().catch(() => {});
  });

  it('bounds what waits for a full disk, and says afterwards how many records are missing', async () => {
    let clock = 0;
    const evidence = t.open({ rotateBytes: 1, mono: () => clock });
    writeCalls(evidence, 1);
    rmSync(join(t.place.dir, 'wal'), { recursive: true });
    writeFileSync(join(t.place.dir, 'wal'), '');
    const args = Buffer.from(`"${'x'.repeat(1 << 20)}"`);
    let refused = 0;
    for (let n = 0; n < 20; n++) {
      try {
        evidence.append(decisionRecord(n, { args }));
        evidence.flush();
      } catch (error) {
        expect(error).toMatchObject({ code: 'CG_EVIDENCE_WRITE' });
        refused++;
      }
    }
    expect(refused).toBe(20);
    rmSync(join(t.place.dir, 'wal'));
    mkdirSync(join(t.place.dir, 'wal'));
    clock += 200_000;
    evidence.flush();
    await evidence.close();
    const { size } = await sealNow(t.home);
    const texts = leafTexts(t.place.dir, size);
    const gap = texts.find((text) => text.includes('"type":"gap"'));
    const { detail } = JSON.parse(gap ?? '{"detail":{}}') as { detail: { count?: number } };
    const kept = texts.filter((text) => text.includes('"type":"decision"')).length;
    expect(detail.count).toBeGreaterThan(0);
    expect(kept + (detail.count ?? 0)).toBe(20);
    expect(await verifyDirectory({ dir: t.place.dir, place: t.place })).toMatchObject({ ok: true });
  });

  it('throws when it cannot write, keeps the records, and writes them when it can again', async () => {
    let clock = 0;
    const evidence = t.open({ rotateBytes: 1, mono: () => clock });
    writeCalls(evidence, 2);
    evidence.append(decisionRecord(5));
    rmSync(join(t.place.dir, 'wal'), { recursive: true });
    writeFileSync(join(t.place.dir, 'wal'), '');
    expect(() => evidence.flush()).toThrow(expect.objectContaining({ code: 'CG_EVIDENCE_WRITE' }) as Error);
    rmSync(join(t.place.dir, 'wal'));
    mkdirSync(join(t.place.dir, 'wal'));
    expect(evidence.append(decisionRecord(6))).toBe(4);
    // Not asked again at once: a full disk would be written to at every call.
    expect(() => evidence.flush()).toThrow(expect.objectContaining({ code: 'CG_EVIDENCE_WRITE' }) as Error);
    clock += 200_000;
    evidence.flush();
    await evidence.close();
    const { size } = await sealNow(t.home);
    const texts = leafTexts(t.place.dir, size);
    expect(texts.filter((text) => text.includes('"type":"decision"'))).toHaveLength(2);
    expect(texts.some((text) => text.includes('"cause":"missing"'))).toBe(true);
    expect(await verifyDirectory({ dir: t.place.dir, place: t.place })).toMatchObject({ ok: true });
  });

  it('writes again after a file could not be begun', async () => {
    let clock = 0;
    const evidence = t.open({ rotateBytes: 1, mono: () => clock });
    writeCalls(evidence, 1);
    const [name = ''] = readdirSync(join(t.place.dir, 'wal'));
    const next = join(
      t.place.dir,
      'wal',
      name.replace(/-(\d+)\.wal$/, (_, index: string) => `-${Number(index) + 1}.wal`),
    );
    mkdirSync(next);
    evidence.append(decisionRecord(1));
    expect(() => evidence.flush()).toThrow(expect.objectContaining({ code: 'CG_EVIDENCE_WRITE' }) as Error);
    expect(readdirSync(join(t.place.dir, 'wal')).filter((one) => one.endsWith('.tmp'))).toEqual([]);
    rmdirSync(next);
    clock += 200_000;
    evidence.flush();
    await evidence.close();
  });

  it('refuses keys that others can read', async () => {
    await t.open().close();
    chmodSync(join(t.place.keysDir, 'evidence-wrap.key'), 0o644);
    expect(() => t.open()).toThrow(expect.objectContaining({ code: 'CG_EVIDENCE_KEY_OPEN' }) as Error);
  });

  it('seals beside the gate without being asked', async () => {
    const evidence = t.open({ sealing: true });
    writeCalls(evidence, 3);
    while (!readdirSync(t.place.dir).includes('checkpoint')) await new Promise((resolve) => setTimeout(resolve, 20));
    await evidence.close();
    expect((await sealNow(t.home)).size).toBe(5);
  });

  describe('of a process that died', () => {
    /** A segment of six records and no end, whose process is gone. Returns its bytes and where each frame ends. */
    function orphan(): { path: string; bytes: Buffer; ends: number[] } {
      const evidence = asDeadProcess(() => t.open());
      const [path = ''] = segments();
      const ends = [readFileSync(path).length];
      for (let n = 0; n < 6; n++) {
        evidence.append(decisionRecord(1));
        evidence.flush();
        ends.push(readFileSync(path).length);
      }
      return { path, bytes: readFileSync(path), ends };
    }

    it('keeps every whole frame however its file was cut, and says what was cut', async () => {
      const { path, bytes, ends } = orphan();
      const wrapKey = readFileSync(join(t.place.keysDir, 'evidence-wrap.key'));
      for (let cut = ends[0] ?? 0; cut <= bytes.length; cut += 13) {
        writeFileSync(path, bytes.subarray(0, cut));
        const reader = SegmentReader.open(path, wrapKey);
        if (typeof reader === 'string') throw new Error(reader);
        const whole = ends.filter((end) => end <= cut).length - 1;
        expect([cut, reader.read().length, reader.status]).toEqual([cut, whole, 'open']);
        expect(reader.unreadBytes()).toBe(cut - (ends[whole] ?? 0));
        reader.close();
      }
    });

    it('reads nothing at and behind a changed byte, a swapped or a dropped frame', () => {
      const { path, bytes, ends } = orphan();
      const wrapKey = readFileSync(join(t.place.keysDir, 'evidence-wrap.key'));
      const frame = (n: number): Buffer => bytes.subarray(ends[n], ends[n + 1]);
      const head = bytes.subarray(0, ends[0]);
      const flipped = Buffer.from(bytes);
      flipped.writeUInt8((flipped[(ends[2] ?? 0) + 9] ?? 0) ^ 1, (ends[2] ?? 0) + 9);
      for (const [change, whole] of [
        [flipped, 2],
        [Buffer.concat([head, frame(0), frame(2), frame(1), frame(3)]), 1],
        [Buffer.concat([head, frame(0), frame(2), frame(3)]), 1],
        [Buffer.concat([head, frame(0), frame(0), frame(1)]), 1],
      ] as const) {
        writeFileSync(path, change);
        const reader = SegmentReader.open(path, wrapKey);
        if (typeof reader === 'string') throw new Error(reader);
        expect([reader.read().length, reader.status]).toEqual([whole, 'damaged']);
        reader.close();
      }
      const header = Buffer.from(bytes);
      header.write(header.toString('latin1').includes('"index":0') ? '"index":1' : '', header.indexOf('"index":0'));
      writeFileSync(path, header);
      const reader = SegmentReader.open(path, wrapKey);
      expect(typeof reader === 'string' ? reader : [reader.read().length, reader.status]).toEqual([0, 'damaged']);
    });

    it.each([
      ['torn', (path: string, bytes: Buffer) => truncateSync(path, bytes.length - 5), 5],
      ['unclosed', () => {}, 6],
      [
        'damaged',
        (path: string, bytes: Buffer) => {
          const copy = Buffer.from(bytes);
          copy.writeUInt8((copy[bytes.length - 3] ?? 0) ^ 1, bytes.length - 3);
          writeFileSync(path, copy);
        },
        5,
      ],
    ])(
      'seals what is left of a %s segment, with a recovery and an unknown outcome for each open call',
      async (cause, change, whole) => {
        const { path, bytes } = orphan();
        change(path, bytes);
        const { size } = await sealNow(t.home);
        const texts = leafTexts(t.place.dir, size);
        expect(size).toBe(2 * whole + 1);
        expect(texts.filter((text) => text.includes('"status":"unknown"'))).toHaveLength(whole);
        expect(texts[whole]).toContain(`"cause":"${cause}"`);
        expect(await verifyDirectory({ dir: t.place.dir, place: t.place })).toMatchObject({
          ok: true,
          types: { recovery: 1 },
        });
        expect(segments().map((name) => name.endsWith('.damaged'))).toEqual(cause === 'damaged' ? [true] : []);
      },
    );
  });
});
