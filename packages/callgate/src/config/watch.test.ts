import { appendFileSync, mkdtempSync, mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { watchFiles } from './watch.ts';
import type { FileWatch } from './watch.ts';

let base: string;
let watch: FileWatch | undefined;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'callgate-watch-'));
});
afterEach(() => {
  watch?.close();
  rmSync(base, { recursive: true, force: true });
});

describe('a watched file', () => {
  it.each<[string, (file: string) => void]>([
    ['written in place', (file) => writeFileSync(file, 'new')],
    ['appended to', (file) => appendFileSync(file, 'x')],
    ['replaced by rename', (file) => (writeFileSync(`${file}.new`, 'new'), renameSync(`${file}.new`, file))],
    ['removed', (file) => rmSync(file)],
    ['replaced with its old times', (file) => (writeFileSync(file, 'new'), utimesSync(file, 1, 1))],
  ])('is reported when it is %s, each time', async (_how, change) => {
    const file = join(base, 'f');
    const seen = vi.fn<(changed: readonly string[]) => void>();
    for (const round of [1, 2]) {
      writeFileSync(file, `old${round}`);
      watch = watchFiles([file, join(base, 'other')], seen);
      change(file);
      await vi.waitFor(() => expect(seen).toHaveBeenCalledTimes(round), { timeout: 10_000 });
      expect(seen).toHaveBeenLastCalledWith([file]);
      watch.close();
    }
  });

  it('is reported when it appears, in a directory that appears too', async () => {
    const file = join(base, 'later', 'f');
    const seen = vi.fn<(changed: readonly string[]) => void>();
    watch = watchFiles([file], seen);
    mkdirSync(join(base, 'later'));
    writeFileSync(file, 'x');
    await vi.waitFor(() => expect(seen).toHaveBeenCalledWith([file]), { timeout: 10_000 });
  });

  it('that is only polled is reported', async () => {
    const file = join(base, 'f');
    const seen = vi.fn<(changed: readonly string[]) => void>();
    watch = watchFiles([], seen, [file]);
    writeFileSync(file, 'x');
    await vi.waitFor(() => expect(seen).toHaveBeenCalledWith([file]), { timeout: 10_000 });
  });

  it('is not reported when it is touched or written with the same content', async () => {
    const [file, other] = [join(base, 'f'), join(base, 'g')];
    writeFileSync(file, 'same');
    const seen = vi.fn<(changed: readonly string[]) => void>();
    watch = watchFiles([file, other], seen);
    writeFileSync(file, 'same');
    utimesSync(file, 1, 1);
    writeFileSync(other, 'x');
    await vi.waitFor(() => expect(seen).toHaveBeenCalled(), { timeout: 10_000 });
    expect(seen.mock.calls.flat(2)).not.toContain(file);
  });

  it('is not reported after close', async () => {
    const file = join(base, 'f');
    const [seen, sentinel] = [
      vi.fn<(changed: readonly string[]) => void>(),
      vi.fn<(changed: readonly string[]) => void>(),
    ];
    watchFiles([file], seen).close();
    watch = watchFiles([file], sentinel);
    writeFileSync(file, 'x');
    await vi.waitFor(() => expect(sentinel).toHaveBeenCalled(), { timeout: 10_000 });
    expect(seen).not.toHaveBeenCalled();
  });
});
