import { CallgateError, type Place } from '../model/error.ts';

/** One thing that is wrong with a policy text; line and column count from 1. */
export interface Issue {
  readonly code: string;
  readonly message: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The same place, as every error of the project carries it. */
  readonly place: Place;
  /** What to do about it. */
  readonly remedy?: string;
}

/** A policy that does not load; `issues` names everything that is wrong with it, not only the first. */
export class PolicyError extends CallgateError {
  readonly issues: readonly Issue[];
  constructor(issues: readonly Issue[]) {
    const first = issues[0];
    const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : '';
    super(
      first?.code ?? 'CG_POLICY_INVALID',
      `${first?.message ?? 'the policy does not load'}${more}`,
      first === undefined
        ? {}
        : {
            place: { file: first.file, line: first.line, column: first.column },
            ...(first.remedy === undefined ? {} : { remedy: first.remedy }),
          },
    );
    this.name = 'PolicyError';
    this.issues = issues;
  }
}

/** The word of `known` nearest to `word`, or undefined when none is near enough to be meant. */
export function nearest(word: string, known: Iterable<string>, most = 4): string | undefined {
  const typed = fold(word);
  const reach = Math.min(most, Math.max(1, Math.floor(typed.length / 3)));
  let best: string | undefined;
  let bestDistance = reach + 1;
  for (const candidate of known) {
    const target = fold(candidate);
    if (Math.abs(target.length - typed.length) >= bestDistance) continue;
    const distance = editDistance(typed, target);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `did you mean "x"?`, or the list of what is possible. */
export function suggest(word: string, known: readonly string[], alias?: string): string {
  const hit = alias ?? nearest(word, known);
  if (hit !== undefined) return `did you mean "${hit}"?`;
  return `known here: ${known.join(', ')}`;
}

function fold(word: string): string {
  return word.toLowerCase().replaceAll('_', '').replaceAll('-', '');
}

/** Damerau-Levenshtein with neighbouring swaps (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
