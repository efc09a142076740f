import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Pace } from './pace.ts';

const MiB = 1 << 20;

describe('when to seal', () => {
  let dir: string;
  const write = (name: string, bytes: number) => appendFileSync(join(dir, name), Buffer.alloc(bytes));
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'callgate-pace-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('never, while nobody writes', () => {
    expect(new Pace(join(dir, 'not-there')).look(0)).toBe('nothing');
    expect(new Pace(dir).look(0)).toBe('nothing');
  });

  it('at once, what was there before', () => {
    write('a.wal', 20 * MiB);
    expect(new Pace(dir).look(0)).toBe('now');
  });

  it('at once while calls trickle, and again only when there is more', () => {
    const pace = new Pace(dir);
    pace.look(0);
    write('a.wal', MiB / 2);
    expect(pace.look(250)).toBe('now');
    expect(pace.look(500)).toBe('now');
    pace.drained();
    expect(pace.look(750)).toBe('nothing');
    write('b.wal', 1);
    expect(pace.look(1000)).toBe('now');
  });

  it('after a burst, or when too much waits', () => {
    const pace = new Pace(dir);
    pace.look(0);
    write('a.wal', 2 * MiB);
    write('b.wal', 2 * MiB);
    expect(pace.look(250)).toBe('later');
    expect(pace.look(500)).toBe('now');
    for (let at = 1; at <= 15; at++) {
      truncateSync(join(dir, 'a.wal'), 0);
      pace.look(500 + 250 * (2 * at - 1));
      truncateSync(join(dir, 'a.wal'), 8 * MiB);
      expect(pace.look(500 + 500 * at)).toBe('later');
    }
    writeFileSync(join(dir, 'c.wal'), Buffer.alloc(5 * MiB));
    expect(pace.look(8250)).toBe('now');
  });
});
