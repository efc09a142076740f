import { messageOf, type Place } from '../../model/error.ts';
import type { Issue } from '../document/issue.ts';

/**
 * What became of one construct of the source. `same`: it means here what it meant there. `translated`: written otherwise,
 * never weaker; `why` says where it is stricter. `refused`: not carried; what stands in its place asks or denies.
 */
export type Fate = 'same' | 'translated' | 'refused';

/** One line of the report. */
export interface Remark {
  readonly fate: Fate;
  readonly file: string;
  readonly line: number;
  readonly construct: string;
  readonly why: string;
  /** Id of the rule it became part of. */
  readonly rule?: string;
}

/** How many constructs had each fate. */
export type Counts = Readonly<Record<Fate, number>>;

/** Collects what an import says and what is wrong with the source, and gives out ids. */
export interface Draft {
  readonly issues: readonly Issue[];
  readonly remarks: readonly Remark[];
  /** Adds a line to the report. */
  say(fate: Fate, place: Place, construct: string, why: string, rule?: string): void;
  /** Adds an issue: nothing will be imported. */
  fail(place: Place, code: string, message: string, remedy?: string): void;
  /** An id that the language allows and no other rule has; `isOurs` where the source has none, so that nothing is changed. */
  id(wanted: string, place: Place, isOurs?: boolean): string;
}

const RESERVED = new Set(['default']);
const MAX_REMARKS = 20_000;

/** Opens an empty draft. */
export function openDraft(): Draft {
  const issues: Issue[] = [];
  const remarks: Remark[] = [];
  const taken = new Set<string>();
  /** Where to go on counting for an id, so that many equal ones stay quick. */
  const next = new Map<string, number>();
  const draft: Draft = {
    issues,
    remarks,
    say(fate, place, construct, why, rule) {
      if (remarks.length >= MAX_REMARKS) return;
      const base = { fate, file: place.file, line: place.line, construct, why };
      remarks.push(rule === undefined ? base : { ...base, rule });
    },
    fail(place, code, message, remedy) {
      if (issues.length >= 200) return;
      const base = { code, message, ...place, place };
      issues.push(remedy === undefined ? base : { ...base, remedy });
    },
    id(wanted, place, isOurs = false) {
      const base = slug(wanted);
      let id = base;
      let n = next.get(base) ?? 2;
      for (; taken.has(id) || RESERVED.has(id); n++) id = `${base}-${n}`;
      next.set(base, n);
      taken.add(id);
      if (id !== wanted && !isOurs)
        draft.say('translated', place, `id "${shorten(wanted)}"`, `is written ${id} here`, id);
      return id;
    },
  };
  return draft;
}

/** How many remarks there are of each fate. */
export function countFates(remarks: readonly Remark[]): Counts {
  const count = (fate: Fate): number => remarks.filter((remark) => remark.fate === fate).length;
  return { same: count('same'), translated: count('translated'), refused: count('refused') };
}

/** Reports a pattern of the source that RE2 does not have the means for. */
export function failPattern(
  draft: Draft,
  place: Place,
  source: string,
  cause: unknown,
  remedy = 'rewrite it without that',
): void {
  const message = `the pattern ${shorten(source)} cannot be carried: ${messageOf(cause)}`;
  draft.fail(place, 'CG_POLICY_IMPORT_REGEX', message, remedy);
}

function slug(wanted: string): string {
  const plain = wanted
    .slice(0, 90)
    .replaceAll(/[^A-Za-z0-9._/-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '');
  return plain === '' ? 'rule' : plain;
}

/** A foreign text, short enough for a message. */
export function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
