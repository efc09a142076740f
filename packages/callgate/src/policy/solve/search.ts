import type { Call } from '../../model/call.ts';
import type { Effect } from '../../model/decision.ts';
import type { Json } from '../../model/json.ts';
import type { CompiledPolicy } from '../compile-documents.ts';
import type { FieldPath } from '../condition/field.ts';
import type { CompiledRule } from '../rule.ts';
import { contextsOf } from './contexts.ts';
import type { Expand } from './hints.ts';
import { type Deadline, OutOfTime } from './regular.ts';
import {
  type Answer,
  ask,
  type CallContext,
  callWith,
  type Option,
  type Problem,
  problemsOf,
  type Variable,
} from './problem.ts';

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
  /** Whether calls with these outcomes are looked for. */
  /** False only where no call of these names can have such outcomes, whatever it says. */
  readonly mayFit?: (problem: Problem) => boolean;
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

/**
 * Looks for calls that policies decide in a wanted way. Calls are sorted into kinds that no atom tells apart, over-approximating
 * those atoms that cannot be worked out; each kind that fits is tried as a concrete call in the real engine.
 */
export function search(request: Search): Found {
  const witnesses = new Map<string, Witness>();
  const why = new Set<string>();
  const found = (): Found => ({ witnesses: [...witnesses.values()], isComplete: why.size === 0, why: [...why] });
  const until = request.now() + request.withinMs;
  const deadline: Deadline = () => {
    if (request.now() > until) throw new OutOfTime('out of time');
  };
  try {
    const rules = request.policies.flatMap((policy) => policy.rules);
    const contexts = contextsOf(rules, request.goal);
    for (const problem of problemsOf(request.policies, request.goal, request.expand, deadline)) {
      // Names alone rule the goal out: what their arguments could be does not matter.
      const byNames = ask(request.goal?.tree, problem, new Map());
      const isRuledOut = byNames === false || byNames === 'error';
      const isHopeless = request.mayFit?.(problem) === false;
      const isTold = isRuledOut ? problem.rulesOutAll : isHopeless ? problem.namesAreComplete : problem.isComplete;
      if (!isTold) why.add('some patterns could not be worked out');
      if (isRuledOut || isHopeless) continue;
      for (const leaf of leavesOf(problem, request, new Map(), deadline)) {
        const key = JSON.stringify(leaf.outcomes);
        if (witnesses.has(key)) continue;
        const witness = realised(problem, leaf, contexts, request, deadline);
        const isMeant = witness !== undefined && JSON.stringify(witness.outcomes) === key;
        if (!isMeant) why.add('a kind of call that might fit could not be tried');
        if (witness !== undefined) witnesses.set(JSON.stringify(witness.outcomes), witness);
        if (witnesses.size >= request.most) {
          why.add('enough was found');
          return found();
        }
      }
    }
  } catch (error) {
    if (!(error instanceof OutOfTime)) throw error;
    why.add(error.message);
  }
  return found();
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

function* branches(
  variable: Variable,
  problem: Problem,
  request: Search,
  chosen: ReadonlyMap<string, Option>,
  deadline: Deadline,
): Generator<Leaf> {
  for (const option of variable.options)
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
  contexts: readonly CallContext[],
  request: Search,
  deadline: Deadline,
): Witness | undefined {
  const meant = JSON.stringify(outcomes);
  let other: Witness | undefined;
  const axes: (readonly [FieldPath, readonly (Json | undefined)[]])[] = [];
  for (const variable of problem.variables) {
    const option = chosen.get(variable.id);
    if (option !== undefined && option.values.length > 0) axes.push([fieldOf(variable.id), option.values]);
  }
  for (const [id, values] of problem.loose) axes.push([fieldOf(id), values]);
  let tries = 0;
  for (const fields of choicesOf(axes)) {
    for (const context of contexts) {
      if (++tries > MOST_TRIES) return other;
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

function fieldOf(id: string): FieldPath {
  return JSON.parse(id) as FieldPath;
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
