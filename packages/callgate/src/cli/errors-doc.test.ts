import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const src = fileURLToPath(new URL('..', import.meta.url));

/** Codes in the program: quoted, or at the end of a printed line. A prefix such as CG_USAGE_ is none. */
function codesInSource(): string[] {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' });
  const texts = files
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => readFileSync(join(src, name), 'utf8'));
  return sortedSet(texts.flatMap((text) => text.match(/\bCG_[A-Z0-9]+(?:_[A-Z0-9]+)*\b(?!_|\*)/g) ?? []));
}

const sortedSet = (codes: readonly string[]) => [...new Set(codes)].toSorted();

it('docs/errors.md has one line for each error code of the program, and no other', () => {
  const doc = readFileSync(join(src, '../../../docs/errors.md'), 'utf8');
  const lines = doc.split('\n').filter((line) => line.startsWith('| `CG_'));
  const cells = lines.map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()));
  expect(cells.map((row) => row[1]?.replaceAll('`', ''))).toEqual(codesInSource());
  for (const row of cells) {
    expect(row, row[1]).toHaveLength(5);
    expect(row[2], row[1]).toMatch(/\w.*\.$/);
    expect(row[3], row[1]).toMatch(/\w.*\.$/);
  }
});
