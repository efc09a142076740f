import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT, blocksOf, linksOf, pageText, sentencesOf } from './peers/page.ts';

const claims = pageText('docs/claims.md');
const readme = pageText('README.md');

/** The rows of the table under a heading of docs/claims.md, as cells. */
function rowsUnder(heading: string): string[][] {
  const from = claims.indexOf(`\n## ${heading}\n`);
  const section = claims.slice(from + 4).split('\n## ')[0] ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
    .slice(1)
    .map((line) =>
      line
        .slice(1, line.lastIndexOf('|'))
        .split(' | ')
        .map((cell) => cell.trim()),
    );
}

const sentenceRows = rowsUnder('Sentences');
const blockRows = rowsUnder('Code blocks');
const others = claims
  .slice(claims.indexOf('\n## Sentences that claim nothing\n'))
  .split('\n')
  .filter((line) => line.startsWith('- '))
  .map((line) => line.slice(2));

const firstLine = (text: string): string => text.slice(0, text.indexOf('\n')).trim();

describe('docs/claims.md', () => {
  it('names every sentence of the README, each once, and no other', () => {
    expect([...sentenceRows.map(([claim]) => claim), ...others].sort()).toEqual(sentencesOf(readme).sort());
  });

  it('names every code block of the README by its first line, and no other', () => {
    expect(blockRows.map(([block]) => block?.slice(1, -1))).toEqual(
      blocksOf(readme).map(({ text }) => firstLine(text)),
    );
  });

  it.each([...sentenceRows, ...blockRows].map(([claim = '', tests = '']) => [claim, tests]))(
    'names tests that are there for: %s',
    (_claim, tests) => {
      const named = tests.split('<br>').map((one) => one.trim());
      expect(named.filter((one) => !isTest(one))).toEqual([]);
    },
  );
});

const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  'docs/claims.md',
  'docs/config.md',
  'docs/evidence.md',
  'docs/import.md',
  'docs/limits.md',
  'docs/policy.md',
  'docs/policy-operators.md',
  'docs/policy-questions.md',
  'policies/README.md',
];

it.each(PAGES)('the links of %s lead to files that are there', (page) => {
  const targets = linksOf(pageText(page)).filter((link) => !link.includes('://'));
  expect(targets.filter((link) => !existsSync(join(ROOT, page, '..', link)))).toEqual([]);
});

it.each(PAGES)('the anchors of %s lead to headings that are there', (page) => {
  const anchors = [...pageText(page).matchAll(/\]\((?!https?:)([^)#]*)#([^)]+)\)/g)];
  const isHeading = (path: string, anchor: string): boolean =>
    pageText(path === '' ? page : join(page, '..', path))
      .split('\n')
      .some((line) => /^#+ /.test(line) && anchorOf(line) === anchor);
  expect(anchors.filter(([, path = '', anchor = '']) => !isHeading(path, anchor)).map(([link]) => link)).toEqual([]);
});

/** What a heading is linked to by, as GitHub makes it: lower case, no punctuation, hyphens for spaces. */
const anchorOf = (heading: string): string =>
  heading
    .replace(/^#+ /, '')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

it('docs/limits.md names only tests that are there', () => {
  const named = [...pageText('docs/limits.md').matchAll(/`(?:test|packages)\/[^`]+\.test\.ts` › [^;)]+/g)];
  expect(named.length).toBeGreaterThan(0);
  expect(named.map(([one]) => one).filter((one) => !isTest(one))).toEqual([]);
});

/** Whether `` `file` › title `` is a test of that file: its title stands there as the first argument of a call. */
function isTest(named: string): boolean {
  const [file = '', title = ''] = named.split('` › ');
  const path = join(ROOT, file.slice(1));
  if (title === '' || !file.endsWith('.test.ts') || !existsSync(path)) return false;
  const source = pageText(file.slice(1));
  return ["'", '`', '"'].some((quote) => {
    const parts = source.split(`${quote}${title}${quote}`).slice(0, -1);
    return parts.some((before) => before.trimEnd().endsWith('('));
  });
}
