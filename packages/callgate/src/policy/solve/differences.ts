import type { CompiledPolicy } from '../compile-documents.ts';
import { type AnalysisOptions, asked } from './analysis.ts';
import { search, type Witness } from './search.ts';

/** Calls that two policies decide differently. */
export interface Differences {
  /** One for each pair of effects and deciding rules. */
  readonly witnesses: readonly Witness[];
  /** Whether there is certainly nothing else. */
  readonly isComplete: boolean;
  readonly why: readonly string[];
}

const MOST_CHANGES = 64;

/** Finds what changes from one policy to another: an example for each pair of rules that decide differently. */
export function differences(before: CompiledPolicy, after: CompiledPolicy, options: AnalysisOptions): Differences {
  if (before.hash === after.hash) return { witnesses: [], isComplete: true, why: [] };
  const found = search({
    ...asked(options),
    policies: [before, after],
    wanted: ([a, b]) => a?.effect !== b?.effect,
    most: MOST_CHANGES,
  });
  // Rules look at every spelling of a URI; the examples tried have one.
  const hasSpellings = [before, after].some(({ rules }) => rules.some(({ target }) => target.resource !== undefined));
  if (!hasSpellings) return found;
  return { ...found, isComplete: false, why: [...found.why, 'resources can be spelled in several ways'] };
}
