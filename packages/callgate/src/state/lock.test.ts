import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { rolldown } from 'rolldown';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { livenessOf, thisHolder } from './holder.ts';
import { acquireLock, describeHolder, releaseThread } from './lock.ts';

const CONTENDERS = process.env['CALLGATE_LONG'] === '1' ? 50 : 16;

describe('acquireLock', () => {
  let dir = '';
  let path = '';
  let script = '';
  beforeAll(async () => {
    const out = mkdtempSync(join(tmpdir(), 'cg-lock-child-'));
    const build = await rolldown({ input: join(import.meta.dirname, 'lock.child.ts'), platform: 'node' });
    await build.write({ dir: out, format: 'esm', entryFileNames: 'child.mjs' });
    script = join(out, 'child.mjs');
  });
  afterAll(() => rmSync(dirname(script), { recursive: true, force: true }));
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'cg-lock-'));
    path = join(dir, 'x.lock');
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  function start(...args: string[]): { kill(): Promise<void>; line(): Promise<string>; ended: Promise<string[]> } {
    const child = spawn(process.execPath, [script, path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines: string[] = [];
    const reader = createInterface({ input: child.stdout });
    reader.on('line', (line) => lines.push(line));
    const ended = new Promise<string[]>((resolve) => child.once('close', () => resolve(lines)));
    return {
      ended,
      kill: async () => {
        child.kill('SIGKILL');
        await ended;
      },
      line: async () => {
        while (lines.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
        return lines[0] ?? '';
      },
    };
  }

  it('lets one in, and the next when it is released', () => {
    const lock = acquireLock(path);
    expect(lock).toBeDefined();
    expect(acquireLock(path)).toBeUndefined();
    expect(describeHolder(path)).toBe(`process ${process.pid}`);
    lock?.release();
    lock?.release();
    const next = acquireLock(path);
    expect(next).toBeDefined();
    next?.release();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('respects a living holder and takes over from a killed one', async () => {
    const holder = start('hold');
    expect(await holder.line()).toBe('held');
    expect(acquireLock(path)).toBeUndefined();
    await holder.kill();
    const lock = acquireLock(path);
    expect(lock).toBeDefined();
    lock?.release();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('does not take a reused pid for the holder', () => {
    claim({ ...thisHolder(), start: '1' });
    expect(acquireLock(path)).toBeDefined();
  });

  it('takes over after a reboot of this host', () => {
    claim({ ...thisHolder(), boot: 'earlier' });
    expect(acquireLock(path)).toBeDefined();
  });

  it.each([
    ['another host', { boot: 'other', host: 'other' }],
    ['another container', { ns: 'pid:[1]' }],
  ])('counts a holder of %s as alive and says so', (_, other) => {
    claim({ ...thisHolder(), ...other });
    expect(acquireLock(path)).toBeUndefined();
    expect(describeHolder(path)).toContain('another host or container');
  });

  it('counts an unreadable claim as alive, unless it is older than this boot', () => {
    writeFileSync(path, '');
    expect(acquireLock(path)).toBeUndefined();
    utimesSync(path, new Date(0), new Date(0));
    expect(acquireLock(path)).toBeDefined();
  });

  it('gets past a contender that was killed in the middle of a takeover', () => {
    const dead = { ...thisHolder(), start: '1' };
    claim(dead, path, 'a'.repeat(24));
    claim(dead, `${path}.${'a'.repeat(24)}.takeover`, 'b'.repeat(24));
    claim(dead, `${path}.${'c'.repeat(24)}.tmp`, 'c'.repeat(24));
    const lock = acquireLock(path);
    expect(lock).toBeDefined();
    lock?.release();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('frees what a dead thread of this process held, and nothing else', () => {
    acquireLock(path);
    releaseThread(path, 999);
    expect(existsSync(path)).toBe(true);
    releaseThread(path, (JSON.parse(readFileSync(path, 'utf8')) as { thread: number }).thread);
    expect(existsSync(path)).toBe(false);
  });

  it('knows the living from the dead', async () => {
    expect(livenessOf(thisHolder())).toBe('alive');
    expect(livenessOf({ ...thisHolder(), pid: 2 ** 22 + 1 })).toBe('dead');
  });

  it(`never lets two of ${CONTENDERS} processes in at once, while some of them are killed`, async () => {
    // The witness file of a killed holder is removed here: only overlaps of the living count.
    const contenders = Array.from({ length: CONTENDERS }, () => start('8'));
    for (const victim of contenders.slice(0, 5)) {
      await new Promise((resolve) => setTimeout(resolve, 40));
      await victim.kill();
      const lock = await waitForLock(path);
      rmSync(`${path}-inside`, { force: true });
      lock.release();
    }
    const said = await Promise.all(contenders.map((contender) => contender.ended));
    expect(said.slice(5).filter((lines) => lines.at(-1) !== 'done')).toEqual([]);
  }, 120_000);

  it(`never lets two of ${CONTENDERS} living processes in at once`, async () => {
    const contenders = Array.from({ length: CONTENDERS }, () => start('8'));
    const said = await Promise.all(contenders.map((contender) => contender.ended));
    expect(said.flat().filter((line) => line !== 'done')).toEqual([]);
    expect(readdirSync(dir)).toEqual([]);
  }, 120_000);

  function claim(holder: object, file = path, nonce = 'd'.repeat(24)): void {
    writeFileSync(file, JSON.stringify({ ...holder, thread: 0, nonce }));
  }
});

async function waitForLock(path: string): Promise<{ release(): void }> {
  for (;;) {
    const lock = acquireLock(path);
    if (lock !== undefined) return lock;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
