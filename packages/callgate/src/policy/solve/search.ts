import type { Call } from '../../model/call.ts';
import type { Effect } from '../../model/decision.ts';
import type { Json } from '../../model/json.ts';
import type { CompiledPolicy } from '../compile-documents.ts';
import type { NodePath } from '../document/document-types.ts';
import type { FieldPath } from '../condition/field.ts';
import type { CompiledRule } from '../rule.ts';
import { type Gap, gapOf } from './gaps.ts';
import type { Expand } from './hints.ts';
import { ask, openProblems, type Problem } from './problem.ts';
import { type Deadline, OutOfTime, TooLarge } from './regular.ts';
import type { RootsOf } from './fields.ts';
import { type Answer, type CallContext, callWith } from './trial.ts';
import { type Option, shapesAgree, type Variable } from './variable.ts';

/** What a policy says of a kind of call. */
export interface Outcome {
  readonly effect: Effect;
  /** The deciding rule; `default` when none decides. */
  readonly rule: string;
}

/** A concrete call, decided by the real engine. */
export interface Witness {
  readonly call: Call;
  readonly args: Json;
  readonly outcomes: readonly Outcome[];
}

export interface Search {
  readonly policies: readonly CompiledPolicy[];
  /** A rule whose condition must hold; undefined for any call. */
  readonly goal?: CompiledRule;
  readonly expand: Expand;
  /** Where a root of `under` is; without it nothing is proven of `under`. */
  readonly rootsOf?: RootsOf;
  /** `file:line` of a place, for what is told of it. */
  readonly placeOf?: ((file: string, path: NodePath) => string | undefined) | undefined;
  /** The only effect that is looked for, in one policy. */
  readonly towards?: Effect;
  /** Whether calls with these outcomes are looked for. */
  readonly wanted: (outcomes: readonly Outcome[]) => boolean;
  /** Milliseconds on any clock. */
  readonly now: () => number;
  readonly withinMs: number;
  /** Stop after so many witnesses with outcomes of their own. */
  readonly most: number;
}

export interface Found {
  readonly witnesses: readonly Witness[];
  /**
   * Whether there is nothing else: every kind of call was looked at, and each that could have fitted has a witness or does
   * not exist. Only then is the absence of a witness a proof.
   */
  readonly isComplete: boolean;
  readonly why: readonly string[];
}

const MOST_TRIES = 400;
/** Tries for what was judged by the real operators already: what is left open is little. */
const MOST_JUDGED_TRIES = 60;
/** Steps and tries for one name. */
const MOST_JUDGED_STEPS = 40_000;
/** As much of the time goes to calls that are worth trying first. */
const SHARE_OF_LIKELY = 0.5;
const MOST_GAPS = 6;
/** So many kinds of calls with the same outcomes that did not come about are enough: nothing is proven any more. */
const MOST_FAILED = 12;

/**
 * Looks for calls that policies decide in a wanted way: first on examples taken from what the rules say themselves, then on
 * all. Then calls are sorted into kinds that no atom tells apart, over-approximating those atoms that cannot be worked out;
 * each kind that fits is tried as a concrete call. A witness is always decided by the real engine.
 */
export function search(request: Search): Found {
  const witnesses = new Map<string, Witness>();
  const gaps = new Map<string, Gap>();
  const addGap = (gap: Gap): void => void gaps.set(JSON.stringify(gap), gap);
  const isEnough = (): boolean => witnesses.size >= request.most;
  const started = request.now();
  const deadlineAt = (share: number): Deadline => {
    const until = started + request.withinMs * share;
    return () => {
      if (request.now() > until) throw new OutOfTime('out of time');
    };
  };
  const problems = openProblems(request);
  const add = (witness: Witness): void => void witnesses.set(JSON.stringify(witness.outcomes), witness);
  try {
    tryLikely(problems.likely(deadlineAt(SHARE_OF_LIKELY)), request, witnesses, add, deadlineAt(SHARE_OF_LIKELY));
  } catch (error) {
    if (!(error instanceof OutOfTime) && !(error instanceof TooLarge)) throw error;
  }
  const deadline = deadlineAt(1);
  let at: Problem | undefined;
  const failed = new Map<string, number>();
  try {
    if (!isEnough())
      for (const problem of problems.all(deadlineAt(SHARE_OF_ALL), addGap)) {
        at = problem;
        problem.gaps.forEach(addGap);
        for (const leaf of leavesOf(problem, request, new Map(), deadline)) {
          const key = JSON.stringify(leaf.outcomes);
          if (witnesses.has(key) || (failed.get(key) ?? 0) >= MOST_FAILED) continue;
          const witness = realised(problem, leaf, request, MOST_TRIES, deadline);
          const isMeant = witness !== undefined && JSON.stringify(witness.outcomes) === key;
          if (!isMeant) {
            failed.set(key, (failed.get(key) ?? 0) + 1);
            addGap(untried(leaf, problem));
          }
          if (witness !== undefined) add(witness);
          if (isEnough()) break;
        }
        if (isEnough()) break;
      }
  } catch (error) {
    if (!(error instanceof OutOfTime)) throw error;
    const where =
      at === undefined ? '' : ` at calls of ${at.named.tool ?? at.named.prompt ?? at.named.uri ?? at.named.server}`;
    addGap({ text: `${error.message}${where}` });
  }
  if (isEnough()) addGap({ text: 'enough was found' });
  const why = [...gaps.values()].map((gap) => shownGap(gap, request));
  const shown = why.length > MOST_GAPS ? [...why.slice(0, MOST_GAPS), `and ${why.length - MOST_GAPS} more`] : why;
  return { witnesses: [...witnesses.values()], isComplete: gaps.size === 0, why: shown };
}

/** Time for the names of calls, and for sorting what they say. */
const SHARE_OF_ALL = 0.9;

/** Tries calls that examples alone make likely; what does not come about says nothing. */
function tryLikely(
  problems: Iterable<Problem>,
  request: Search,
  known: ReadonlyMap<string, Witness>,
  add: (witness: Witness) => void,
  deadline: Deadline,
): void {
  for (const problem of problems) {
    let left = MOST_JUDGED_STEPS;
    const limited: Deadline = () => {
      deadline();
      if (left-- <= 0) throw new TooLarge('enough of these names');
    };
    try {
      tryFew(problem, request, known, add, deadline);
      if (known.size >= request.most) return;
      for (const leaf of leavesOf(problem, request, new Map(), limited)) {
        if (known.has(JSON.stringify(leaf.outcomes))) continue;
        const witness = realised(problem, leaf, request, MOST_JUDGED_TRIES, limited);
        if (witness !== undefined) add(witness);
        if (known.size >= request.most) return;
      }
    } catch (error) {
      if (!(error instanceof TooLarge)) throw error;
    }
  }
}

/** Tries calls of few fields, in the plainest context: one field, then two. */
function tryFew(
  problem: Problem,
  request: Search,
  known: ReadonlyMap<string, Witness>,
  add: (witness: Witness) => void,
  deadline: Deadline,
): void {
  const [context] = problem.contexts;
  if (context === undefined) return;
  const axes = problem.variables
    .filter(({ id }) => id.startsWith('['))
    .map(({ id, options }) => {
      const values = options.flatMap((option) => option.values.slice(0, 1)).filter((value) => value !== undefined);
      return [JSON.parse(id) as FieldPath, [undefined, ...values]] as const;
    });
  let left = MOST_OF_FEW;
  for (const fields of choicesOf(axes)) {
    deadline();
    if (left-- <= 0) return;
    const witness = witnessOf(callWith(problem.named, fields, context), request);
    if (witness === undefined || known.has(JSON.stringify(witness.outcomes))) continue;
    add(smaller(witness, fields, context, problem, request));
    if (known.size >= request.most) return;
  }
}

const MOST_OF_FEW = 1_200;

/** What of a kind of call that fits is not worked out. */
function untried({ chosen }: Leaf, problem: Problem): Gap {
  const open = problem.variables.filter((variable) => variable.open !== undefined && chosen.has(variable.id));
  const first = open.find(({ open: of }) => of?.rule.file !== 'goal') ?? open[0];
  if (first?.open === undefined)
    return {
      text: 'a kind of call that might fit could not be tried: its path may lie behind a link of the file system',
    };
  return gapOf('is not worked out, only tried with examples', first.open.rule, first.open.atom);
}

function shownGap({ text, file, path }: Gap, { placeOf }: Search): string {
  const place = file === undefined || path === undefined || file === 'goal' ? undefined : placeOf?.(file, path);
  return place === undefined ? text : `${place}: ${text}`;
}

interface Leaf {
  readonly chosen: ReadonlyMap<string, Option>;
  readonly outcomes: readonly Outcome[];
}

/** Every choice that fits, asking only for what has to be known. */
function* leavesOf(
  problem: Problem,
  request: Search,
  chosen: ReadonlyMap<string, Option>,
  deadline: Deadline,
): Generator<Leaf> {
  deadline();
  const goal = ask(request.goal?.tree, problem, chosen);
  if (typeof goal === 'object') return yield* branches(goal, problem, request, chosen, deadline);
  if (goal !== true) return;
  const touched = touches(problem, chosen);
  if (typeof touched === 'object') return yield* branches(touched, problem, request, chosen, deadline);
  if (!touched) return;
  const outcomes: Outcome[] = [];
  for (const [index, rules] of problem.rules.entries()) {
    const outcome = outcomeOf(
      rules,
      (rule) => ask(rule.tree, problem, chosen),
      request.policies[index] as CompiledPolicy,
    );
    if ('options' in outcome) return yield* branches(outcome, problem, request, chosen, deadline);
    outcomes.push(outcome);
  }
  if (request.wanted(outcomes)) yield { chosen, outcomes };
}

/** Whether a rule that changed may decide; where none matches, both policies have the same rules left. */
function touches({ changed, ...problem }: Problem, chosen: ReadonlyMap<string, Option>): boolean | Variable {
  let open: Variable | undefined;
  for (const rule of changed ?? []) {
    const said = ask(rule.tree, problem, chosen);
    if (said === true || said === 'error') return true;
    if (typeof said === 'object') open ??= said;
  }
  return open ?? changed === undefined;
}

function* branches(
  variable: Variable,
  problem: Problem,
  request: Search,
  chosen: ReadonlyMap<string, Option>,
  deadline: Deadline,
): Generator<Leaf> {
  const mates = problem.mates.get(variable.id) ?? [];
  for (const option of variable.options)
    if (mates.every((mate) => shapesAgree(chosen.get(mate)?.shape, option.shape)))
      yield* leavesOf(problem, request, new Map(chosen).set(variable.id, option), deadline);
}

/** As the engine decides (policy/engine.ts), on answers instead of a call. */
function outcomeOf(
  rules: readonly CompiledRule[],
  answerOf: (rule: CompiledRule) => Answer | Variable,
  policy: CompiledPolicy,
): Outcome | Variable {
  let decided: Outcome = { effect: policy.defaultEffect, rule: 'default' };
  for (const rule of rules) {
    if (rule.effect === undefined) continue;
    const answered = answerOf(rule);
    if (typeof answered === 'object') return answered;
    if (answered === true || (answered === 'error' && rule.effect !== 'allow')) {
      decided = { effect: rule.effect, rule: rule.name };
      break;
    }
  }
  for (const rule of rules) {
    if (rule.effect !== undefined || rule.condition === undefined) continue;
    const answered = answerOf(rule);
    if (typeof answered === 'object') return answered;
    const refuses =
      answered === 'error' &&
      (rule.onError === 'deny' ? decided.effect !== 'deny' : /allow|defer/.test(decided.effect));
    if (refuses) decided = { effect: rule.onError, rule: rule.name };
  }
  return decided;
}

/** A concrete call of a kind; where none of those tried has its outcomes, another that fits. */
function realised(
  problem: Problem,
  { chosen, outcomes }: Leaf,
  request: Search,
  most: number,
  deadline: Deadline,
): Witness | undefined {
  const meant = JSON.stringify(outcomes);
  let other: Witness | undefined;
  const values = new Map<string, (Json | undefined)[]>();
  let contexts = problem.contexts;
  for (const variable of problem.variables) {
    const option = chosen.get(variable.id);
    if (option?.contexts !== undefined) contexts = option.contexts;
    if (option === undefined || option.values.length === 0) continue;
    const id = variable.field ?? variable.id;
    values.set(id, [...(values.get(id) ?? []), ...option.values]);
  }
  for (const [id, of] of problem.loose) values.set(id, [...of]);
  const axes = [...values].map(([id, of]) => [JSON.parse(id) as FieldPath, of] as const);
  let tries = 0;
  for (const fields of choicesOf(axes)) {
    for (const context of contexts) {
      if (++tries > most) return other;
      deadline();
      const witness = witnessOf(callWith(problem.named, fields, context), request);
      if (witness === undefined) continue;
      const isMeant = JSON.stringify(witness.outcomes) === meant;
      // One is enough, of whatever kind.
      if (isMeant || request.most === 1) return smaller(witness, fields, context, problem, request);
      other ??= witness;
    }
  }
  return other;
}

/** Without the fields that do not matter. */
function smaller(
  witness: Witness,
  fields: readonly (readonly [FieldPath, Json | undefined])[],
  context: CallContext,
  { named }: Problem,
  request: Search,
): Witness {
  let least = witness;
  let kept = fields;
  for (const field of fields) {
    const fewer = kept.filter((one) => one !== field);
    const found = witnessOf(callWith(named, fewer, context), request);
    if (found === undefined || JSON.stringify(found.outcomes) !== JSON.stringify(witness.outcomes)) continue;
    least = found;
    kept = fewer;
  }
  return least;
}

/** The call as a witness, if the real engine agrees. */
function witnessOf(call: Call, { policies, goal, wanted }: Search): Witness | undefined {
  if (goal?.condition !== undefined) {
    const holds = goal.condition(call) === true;
    goal.forget();
    if (!holds) return undefined;
  }
  const outcomes = policies.map((policy): Outcome => {
    const { effect, rule } = policy.decide(call);
    return { effect, rule };
  });
  return wanted(outcomes) ? { call, args: call.args() ?? null, outcomes } : undefined;
}

/** Every choice of one value on each axis: first those that differ in one from the first choice, so that few tries go far. */
function* choicesOf(
  axes: readonly (readonly [FieldPath, readonly (Json | undefined)[]])[],
): Generator<(readonly [FieldPath, Json | undefined])[]> {
  const first = axes.map(([field, values]) => [field, values[0]] as const);
  yield [...first];
  for (const [index, [field, values]] of axes.entries())
    for (const value of values.slice(1)) yield first.map((one, at) => (at === index ? ([field, value] as const) : one));
  for (const [a, [fieldA, valuesA]] of axes.entries())
    for (const [b, [fieldB, valuesB]] of axes.entries()) {
      if (b <= a) continue;
      for (const valueA of valuesA.slice(1))
        for (const valueB of valuesB.slice(1))
          yield first.map((one, at) =>
            at === a ? ([fieldA, valueA] as const) : at === b ? ([fieldB, valueB] as const) : one,
          );
    }
}
