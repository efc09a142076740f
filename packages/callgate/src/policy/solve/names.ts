import type { Combine } from '../document/document-types.ts';
import type { Effect } from '../../model/decision.ts';
import type { CompiledRule } from '../rule.ts';
import type { Names } from '../target.ts';
import { type Gap, gapOf, type NamedAtom } from './gaps.ts';
import { globLanguage } from './glob-language.ts';
import { languageOf } from './pattern-language.ts';
import { Unmodelled } from './pattern-parts.ts';
import { Algebra, type Deadline, exampleOf, OutOfTime, type Regular, TooLarge } from './regular.ts';
import { parted, type Region } from './regions.ts';

export type NameFact = 'server' | 'tool' | 'prompt' | 'resource';

/** What the names of one fact are sorted by. */
export interface NameQuestion {
  readonly fact: NameFact;
  /** Those that concern this kind of call. */
  readonly rules: readonly CompiledRule[];
  /** Atoms of the goal on this fact, and of the rules. */
  readonly goalAtoms: readonly NamedAtom[];
  readonly ruleAtoms: readonly NamedAtom[];
  /** Whether no call of a name fits the goal, as far as names tell. */
  readonly isRuledOut: (name: string) => boolean;
  /** Where calls of one effect are looked for in one policy. */
  readonly towards?: Towards | undefined;
  /** Where only calls that concern one of these rules can be of interest. */
  readonly only?: ReadonlySet<CompiledRule> | undefined;
  readonly deadline: Deadline;
}

export interface Towards {
  readonly effect: Effect;
  readonly isDefault: boolean;
  readonly combine: Combine;
}

/** Names, one of each kind; `gaps` says why a kind may have been overlooked. */
export interface NameKinds {
  readonly values: readonly string[];
  readonly gaps: readonly Gap[];
}

const MOST_KINDS = 256;
const SEVERITY: Readonly<Record<string, number>> = { deny: 3, ask: 2, defer: 1, allow: 0 };

type Group = { readonly names: Names; readonly rules: CompiledRule[] };

/**
 * Names that rules and goal tell apart, one of each kind that matters. Where one effect is looked for, rules of that effect
 * only help and the others only hinder: of two kinds of names that the same rules help, that which fewer hinder is enough.
 */
export function nameKinds(question: NameQuestion): NameKinds {
  const { fact, goalAtoms, ruleAtoms, towards } = question;
  const gaps: Gap[] = [];
  const algebra = new Algebra(question.deadline);
  let regions: readonly Region[] = [{ language: algebra.then(algebra.any, algebra.all), example: 'x' }];
  const split = (by: () => Regular, gap: () => Gap): boolean => {
    try {
      const next = parted(algebra, regions, by());
      if (next.length > MOST_KINDS) throw new TooLarge('too many kinds of names');
      regions = next;
      return true;
    } catch (error) {
      if (!(error instanceof Unmodelled) && !(error instanceof TooLarge)) throw error;
      gaps.push(gap());
      return false;
    }
  };
  const splitByAtoms = (atoms: readonly NamedAtom[]): void => {
    for (const { rule, atom, hint } of atoms) {
      const gap = (): Gap => gapOf('tells names apart in a way that is not worked out', rule, atom);
      if (!hint.isExact) gaps.push(gap());
      for (const make of hint.languages) split(() => make(algebra), gap);
      for (const text of hint.texts) split(() => algebra.text(text), gap);
    }
  };
  try {
    splitByAtoms(goalAtoms);
    if (gaps.length === 0) regions = regions.filter(({ example }) => !question.isRuledOut(example));
    const groups = groupsOf(question);
    if (question.only !== undefined) {
      const changed = groups.filter(({ rules }) => rules.some((rule) => question.only?.has(rule)));
      if (!split(() => algebra.or(...changed.map(({ names }) => languageOfNames(names, algebra))), groupGap(changed)))
        return { values: regions.map(({ example }) => example), gaps };
      regions = regions.filter(({ example }) => changed.some(({ names }) => names.test(example)));
    }
    splitByAtoms(ruleAtoms);
    const [full, hindering] = towards === undefined ? [groups, []] : sorted(groups, towards);
    for (const group of full) split(() => languageOfNames(group.names, algebra), groupGap([group]));
    if (towards === undefined || gaps.length > 0) return { values: regions.map(({ example }) => example), gaps };
    const values = regions.flatMap((region) => leastHindered(region, hindering, question, towards, algebra));
    if (values.length > MOST_KINDS) gaps.push({ text: `there are more than ${MOST_KINDS} kinds of ${fact} names` });
    return { values: values.slice(0, MOST_KINDS), gaps };
  } catch (error) {
    if (!(error instanceof OutOfTime) && !(error instanceof Unmodelled) && !(error instanceof TooLarge)) throw error;
    const cause = error instanceof OutOfTime ? 'too many to tell all apart in the time given' : error.message;
    return { values: regions.map(({ example }) => example), gaps: [...gaps, { text: `names of a ${fact}: ${cause}` }] };
  }
}

function groupGap(groups: readonly Group[]): () => Gap {
  const rule = groups[0]?.rules[0];
  return () => gapOf('tells too many kinds of names apart', rule);
}

/** Rules of the same names together; those that change no effect are of no matter. */
function groupsOf({ fact, rules }: NameQuestion): readonly Group[] {
  const groups = new Map<string, Group>();
  for (const rule of rules) {
    const names = rule.target[fact];
    if (names === undefined || (rule.effect === undefined && rule.condition === undefined)) continue;
    const key = JSON.stringify([[...names.exact], names.patterns.map(({ kind, source }) => [kind, source])]);
    const group = groups.get(key) ?? { names, rules: [] };
    group.rules.push(rule);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** Groups that help towards an effect, and those that only hinder it. */
function sorted(groups: readonly Group[], { effect }: Towards): readonly [readonly Group[], readonly Group[]] {
  const helps = ({ rules }: Group): boolean => rules.some((rule) => (rule.effect ?? rule.onError) === effect);
  return [groups.filter(helps), groups.filter((group) => !helps(group))];
}

/** Of the names of a region, those that as few rules as possible hinder; none where a rule surely stands in the way. */
function leastHindered(
  { language, example }: Region,
  hindering: readonly Group[],
  { fact, rules }: NameQuestion,
  towards: Towards,
  algebra: Algebra,
): readonly string[] {
  const helping = rules.filter(
    (rule) => (rule.effect ?? rule.onError) === towards.effect && rule.target[fact]?.test(example) !== false,
  );
  if (helping.length === 0 && !towards.isDefault) return [];
  const first = towards.isDefault ? -1 : Math.min(...helping.map((rule) => rules.indexOf(rule)));
  const isInTheWay = (rule: CompiledRule): boolean =>
    rule.effect !== undefined &&
    rule.condition === undefined &&
    (towards.combine === 'deny-overrides'
      ? (SEVERITY[rule.effect] ?? 0) > (SEVERITY[towards.effect] ?? 0)
      : rules.indexOf(rule) < first);
  const languages = new Map(hindering.map((group) => [group, languageOfNames(group.names, algebra)]));
  const blocking = hindering.filter((group) => group.rules.some(isInTheWay));
  const without = (of: Regular, groups: readonly Group[]): Regular =>
    algebra.and(of, algebra.not(algebra.or(...groups.map((group) => languages.get(group) as Regular))));
  const out: string[] = [];
  const walk = (of: Regular, rest: readonly Group[]): void => {
    if (out.length > MOST_KINDS) return;
    const clear = exampleOf(algebra, without(of, rest));
    if (clear !== undefined) return void out.push(clear);
    const avoidable = rest.filter((group) => exampleOf(algebra, without(of, [group])) !== undefined);
    const [group, ...others] = avoidable;
    if (group === undefined) {
      const any = exampleOf(algebra, of);
      if (any !== undefined) out.push(any);
    } else if (avoidable.length < rest.length) walk(of, avoidable);
    else {
      walk(without(of, [group]), others);
      walk(algebra.and(of, languages.get(group) as Regular), others);
    }
  };
  walk(
    without(language, blocking),
    hindering.filter((group) => !blocking.includes(group)),
  );
  return out;
}

/**
 * Names that are worth trying first: those that rules write out, and for each rule of interest one that as few others as
 * possible concern, alone and together with each other rule.
 */
export function* likelyNames(question: NameQuestion, isOfInterest: (rule: CompiledRule) => boolean): Generator<string> {
  const { goalAtoms, towards, isRuledOut } = question;
  const algebra = new Algebra(question.deadline);
  const languages = new Map<Group, Regular>();
  for (const group of groupsOf(question)) {
    const language = readOr(() => languageOfNames(group.names, algebra));
    if (language !== undefined) languages.set(group, language);
  }
  const known = [...languages.keys()];
  const wanted = known.filter(({ rules }) => rules.some(isOfInterest));
  const seen = new Set(['']);
  const fresh = (name: string | undefined): name is string => {
    if (name === undefined || seen.has(name)) return false;
    seen.add(name);
    return !isRuledOut(name);
  };
  const written = known.flatMap(({ names }) => [...names.exact]);
  const isWanted = (name: string): boolean => wanted.length === 0 || wanted.some(({ names }) => names.test(name));
  yield* [...goalAtoms.flatMap(({ hint }) => hint.texts), ...written.filter(isWanted)].filter(fresh);

  const nameOf = (inside: readonly Regular[], outside: readonly Group[]): string | undefined => {
    const rest = algebra.not(algebra.or(...outside.map((group) => languages.get(group) as Regular)));
    return readOr(() => exampleOf(algebra, algebra.and(...inside, rest), MOST_STATES));
  };
  const isPlain = ({ rules }: Group): boolean =>
    rules.some((rule) => rule.condition === undefined && rule.effect !== 'allow');
  const asked = goalAtoms.flatMap(({ hint }) => hint.languages.map((make) => readOr(() => make(algebra))));
  const goals = asked.filter((language) => language !== undefined);
  const any = algebra.then(algebra.any, algebra.all);
  // All that the goal asks at once, or one thing of it.
  for (const inside of goals.length > 1 ? [goals, ...goals.map((one) => [one])] : [goals]) {
    const clear = nameOf([any, ...inside], known);
    if (fresh(clear)) yield clear;
    for (const one of wanted) {
      for (const other of towards === undefined ? [undefined, ...known] : [undefined]) {
        if (other === one) continue;
        const both = other === undefined ? [one] : [one, other];
        const others = known.filter((group) => !both.includes(group));
        const here = [any, ...inside, ...both.map((group) => languages.get(group) as Regular)];
        const name = nameOf(here, others) ?? nameOf(here, others.filter(isPlain));
        if (fresh(name)) yield name;
      }
    }
  }
}

const MOST_STATES = 2_000;

/** Undefined for what is not modelled or too large. */
function readOr<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Unmodelled) && !(error instanceof TooLarge)) throw error;
    return undefined;
  }
}

/** A list means any of: one language, or n globs would make up to 2^n kinds of names. */
export function languageOfNames(names: Names, algebra: Algebra): Regular {
  return algebra.or(
    ...[...names.exact].map((exact) => algebra.text(exact)),
    ...names.patterns.map(({ kind, source }) =>
      kind === 'glob' ? globLanguage(source, algebra) : languageOf(source, algebra),
    ),
  );
}
