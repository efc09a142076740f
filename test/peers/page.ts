import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The root of the repository. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A fenced block of a Markdown page. */
export interface Block {
  readonly language: string;
  readonly text: string;
}

/** A file of the repository as text. */
export const pageText = (path: string): string => readFileSync(`${ROOT}/${path}`, 'utf8');

/** The fenced blocks of a page, in order. */
export function blocksOf(page: string): Block[] {
  const parts = page.split('\n```');
  return parts
    .filter((_, index) => index % 2 === 1)
    .map((part) => ({
      language: part.slice(0, part.indexOf('\n')),
      text: `${part.slice(part.indexOf('\n') + 1)}\n`,
    }));
}

/** The block that holds `mark`; one must. */
export function blockWith(page: string, mark: string): string {
  const [block, ...more] = blocksOf(page).filter(({ text }) => text.includes(mark));
  if (block === undefined || more.length > 0) throw new Error(`${more.length + (block ? 1 : 0)} blocks hold ${mark}`);
  return block.text;
}

/**
 * The sentences of a page: what stands outside code blocks and headings, paragraphs joined, emphasis and the addresses of
 * links taken off, cut behind a full stop, question or exclamation mark that a space follows.
 */
export function sentencesOf(page: string): string[] {
  const prose = page
    .split('\n```')
    .filter((_, index) => index % 2 === 0)
    .map((part, index) => (index === 0 ? part : part.slice(part.indexOf('\n') + 1)))
    .join('\n\n');
  return prose
    .split(/\n\s*\n/)
    .filter((paragraph) => !paragraph.trimStart().startsWith('#'))
    .flatMap((paragraph) => plain(paragraph).split(/(?<=[.!?]) /))
    .map((sentence) => sentence.trim())
    .filter((sentence) => sentence !== '');
}

function plain(markdown: string): string {
  return markdown
    .replaceAll(/\s+/g, ' ')
    .replaceAll('**', '')
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1');
}

/** Where the links of a page lead, without anchors. */
export function linksOf(page: string): string[] {
  return [...page.matchAll(/\]\(([^)#]+)[^)]*\)/g)].map((match) => match[1] ?? '');
}
