import { nearest } from '../policy/issue.ts';

/** ` Did you mean "x"?` or nothing, to be put behind a sentence. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const guess = nearest(word.slice(0, 64), known);
  return guess === undefined ? '' : ` Did you mean "${guess}"?`;
}
