import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { acceptRollback } from './accept.ts';
import { signingKeyFile, readMark } from './mark.ts';
import { verifyDirectory } from './node-log.ts';
import { sealNow } from './seal.ts';
import { testHome, writeCalls, type TestHome } from './testing.ts';

describe('a log that is behind its high-water mark', () => {
  let t: TestHome;
  let earlier = '';
  beforeEach(async () => {
    t = testHome();
    earlier = join(t.home, 'earlier');
    const evidence = t.open();
    writeCalls(evidence, 20);
    await sealNow(t.home);
    cpSync(t.place.dir, earlier, { recursive: true });
    writeCalls(evidence, 20, 20);
    await evidence.close();
    await sealNow(t.home);
  });
  afterEach(() => t.remove());

  const restoreEarlier = (): void => {
    rmSync(t.place.dir, { recursive: true });
    renameSync(earlier, t.place.dir);
  };

  it.each([
    ['put back from an earlier copy', restoreEarlier],
    ['deleted', () => rmSync(t.place.dir, { recursive: true })],
    [
      'deleted with its mark, its key left',
      () => {
        rmSync(t.place.dir, { recursive: true });
        unlinkSync(t.place.markFile);
      },
    ],
    ['without its checkpoint', () => unlinkSync(join(t.place.dir, 'checkpoint'))],
    [
      'begun anew under another name',
      () => {
        const other = testHome();
        cpSync(t.place.dir, join(t.home, 'old'), { recursive: true });
        writeFileSync(
          join(t.place.dir, 'checkpoint'),
          readFileSync(join(t.place.dir, 'checkpoint'), 'utf8').replaceAll('callgate.local/', 'callgate.local/0'),
        );
        other.remove();
      },
    ],
    [
      'of another root at the mark',
      () => {
        const mark = JSON.parse(readFileSync(t.place.markFile, 'utf8')) as object;
        writeFileSync(t.place.markFile, JSON.stringify({ ...mark, root: `${'A'.repeat(43)}=` }));
      },
    ],
    ['beside a mark that cannot be read', () => writeFileSync(t.place.markFile, '{')],
  ])('is refused when it was %s: opening, sealing and verifying', async (_, change) => {
    change();
    expect(() => t.open()).toThrow(expect.objectContaining({ code: 'CG_EVIDENCE_ROLLBACK' }) as Error);
    await expect(sealNow(t.home)).rejects.toMatchObject({ code: 'CG_EVIDENCE_ROLLBACK' });
    const verified = await verifyDirectory({ dir: t.place.dir, place: t.place }).catch(
      (error: { code: string }) => error,
    );
    expect(verified).not.toMatchObject({ ok: true });
  });

  it('goes on after the rollback was accepted, and says what was given up', async () => {
    const lost = readMark(t.place.markFile);
    const kept = readFileSync(join(t.place.dir, 'checkpoint'), 'utf8');
    restoreEarlier();
    await expect(acceptRollback(t.place, 1)).rejects.toMatchObject({ code: 'CG_EVIDENCE_ACCEPT' });
    const { size } = await acceptRollback(t.place, lost?.size ?? -1);
    expect(await verifyDirectory({ dir: t.place.dir, place: t.place })).toMatchObject({
      ok: true,
      size,
      types: { gap: 1 },
    });
    const text = readdirSync(join(t.place.dir, 'tile/entries/000.p')).map((name) =>
      readFileSync(join(t.place.dir, 'tile/entries/000.p', name), 'utf8'),
    );
    expect(text.join('')).toContain(`"root":"${lost?.root}","size":${lost?.size}`);
    expect(await verifyDirectory({ dir: t.place.dir, place: t.place, against: kept })).toMatchObject({ ok: false });
    await expect(acceptRollback(t.place, 0)).rejects.toMatchObject({ code: 'CG_EVIDENCE_NO_ROLLBACK' });
  });

  it('begins a new log under a new name when the old one is gone for good', async () => {
    const lost = readMark(t.place.markFile);
    rmSync(t.place.dir, { recursive: true });
    const { origin } = await acceptRollback(t.place, lost?.size ?? -1);
    expect(origin).not.toBe(lost?.origin);
    expect(await verifyDirectory({ dir: t.place.dir, place: t.place })).toMatchObject({ ok: true, size: 1 });
    expect(readdirSync(t.place.keysDir).some((name) => name.endsWith('.retired'))).toBe(true);
  });

  it('does not accept a log that does not verify', async () => {
    restoreEarlier();
    const bundle = join(
      t.place.dir,
      'tile/entries/000.p',
      readdirSync(join(t.place.dir, 'tile/entries/000.p'))[0] ?? '',
    );
    writeFileSync(bundle, readFileSync(bundle, 'latin1').replace('deny', 'dery'), 'latin1');
    await expect(acceptRollback(t.place, readMark(t.place.markFile)?.size ?? -1)).rejects.toMatchObject({
      code: 'CG_EVIDENCE_ACCEPT',
    });
  });
});

describe('a seal that a crash cut short', () => {
  let t: TestHome;
  beforeEach(() => {
    t = testHome();
  });
  afterEach(() => t.remove());

  it.each([
    ['before the key had its name', (): void => unlinkKey(t)],
    [
      'before the first checkpoint',
      (): void => {
        unlinkKey(t);
        unlinkSync(join(t.place.dir, 'checkpoint'));
      },
    ],
    ['before the mark was first made', (): void => unlinkSync(t.place.markFile)],
  ])('begins the log again %s', async (_, change) => {
    const evidence = t.open();
    await sealNow(t.home);
    change();
    writeCalls(evidence, 3);
    await evidence.close();
    const { size } = await sealNow(t.home);
    expect(size).toBe(5);
    expect(await verifyDirectory({ dir: t.place.dir, place: t.place })).toMatchObject({ ok: true, size });
  });

  it.each(['checkpoint', 'mark', 'both'])('publishes what was committed when it died before the %s', async (what) => {
    const evidence = t.open();
    writeCalls(evidence, 5);
    await sealNow(t.home);
    const checkpoint = readFileSync(join(t.place.dir, 'checkpoint'));
    const mark = readFileSync(t.place.markFile);
    writeCalls(evidence, 5, 5);
    await evidence.close();
    const head = await sealNow(t.home);
    if (what !== 'mark') writeFileSync(join(t.place.dir, 'checkpoint'), checkpoint);
    writeFileSync(t.place.markFile, mark);
    expect(await sealNow(t.home)).toEqual(head);
    expect(await verifyDirectory({ dir: t.place.dir, place: t.place })).toMatchObject({ ok: true, size: head.size });
  });

  it('writes over what an uncommitted seal left, and seals the same', async () => {
    const evidence = t.open();
    writeCalls(evidence, 300);
    await evidence.close();
    const copy = testHome();
    cpSync(t.home, copy.home, { recursive: true });
    mkdirSync(join(t.place.dir, 'tile/entries'), { recursive: true });
    mkdirSync(join(t.place.dir, 'vault'), { recursive: true });
    writeFileSync(join(t.place.dir, 'tile/entries/000'), 'half of something');
    writeFileSync(join(t.place.dir, 'vault/2026-03-01.vlt'), 'half of something');
    expect(await sealNow(t.home)).toEqual(await sealNow(copy.home).then((head) => head));
    expect(await verifyDirectory({ dir: t.place.dir, place: t.place })).toMatchObject({ ok: true });
    copy.remove();
  });

  it('does not go on without the key of a log that has records', async () => {
    const evidence = t.open();
    writeCalls(evidence, 5);
    await sealNow(t.home);
    unlinkSync(signingKeyFile(t.place));
    writeCalls(evidence, 5);
    await expect(sealNow(t.home)).rejects.toMatchObject({ code: 'CG_EVIDENCE_DAMAGED' });
    await evidence.close();
    expect(existsSync(join(t.place.dir, 'checkpoint'))).toBe(true);
  });
});

function unlinkKey(t: TestHome): void {
  unlinkSync(signingKeyFile(t.place));
  unlinkSync(t.place.markFile);
}
