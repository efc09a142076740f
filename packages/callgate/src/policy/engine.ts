import { messageOf } from '../model/error.ts';
import type { Call, Direction } from '../model/call.ts';
import type { Decision, Effect, Obligation } from '../model/decision.ts';
import type { FieldPath } from './condition/field.ts';
import { openPlanCache } from './plan-cache.ts';
import { openPossibleUnder } from './condition/prefixes.ts';
import type { CompiledRule } from './rule.ts';
import type { Combine } from './document/document-types.ts';
import { type Possible, possibleEffects, type Static, staticCall } from './visible.ts';
import { matchesNames, mayMatch, type Named, type Target } from './target.ts';
import { Unsure } from './condition/truth.ts';

/** A layer that has nothing to say on a call, but may still add obligations. */
export interface Abstention {
  readonly effect: 'abstain';
  readonly obligations: readonly Obligation[];
}
export type Verdict = Decision | Abstention;

/** The rules that can match one kind of message, with all that does not depend on its arguments worked out. */
export interface Plan {
  /** The verdict, when no condition is left to ask. */
  readonly constant: Verdict | undefined;
  /** In the order they are asked: the first that matches decides. */
  readonly deciding: readonly Candidate[];
  /** Where every rule that matches counts: up to where in `deciding` rules have obligations that join a decision. */
  readonly joining: number;
  /** Where every rule that matches counts: those of the base layer, asked when none of `deciding` matches. */
  readonly below: readonly Candidate[];
  /** Rules without an effect that have a condition. */
  readonly adding: readonly Candidate[];
  readonly fallback: Verdict;
  readonly paths: readonly FieldPath[];
}

export interface Candidate {
  readonly rule: CompiledRule;
  readonly condition: CompiledRule['condition'];
  /** Allow: an error in the condition does not match. */
  readonly permissive: boolean;
  readonly decision: Decision;
}

/**
 * Judges messages by a list of rules. Which of those that match decides is the mode's: the first, or the most restrictive.
 * Rules without an effect add their obligations.
 */
export interface Engine {
  readonly judge: (call: Call) => Verdict;
  /** Every effect that a call of these names and this principal can come to, whatever else it says. */
  readonly possible: (known: Static) => Possible;
  /** The same for all resources whose URI begins with a text. */
  readonly possibleUnder: (known: Static, prefix: string) => Possible;
  readonly pathsNeeded: (named: Named) => readonly FieldPath[];
  /** Whether some rule that `wanted` picks could match such a message. */
  concerns(
    direction: Direction,
    server: string,
    method: string,
    tool: string | undefined,
    wanted: (rule: CompiledRule) => boolean,
  ): boolean;
  /** For tests: how many plans are kept. */
  readonly planCount: () => number;
}

/** Names longer than this are refused unread; URIs may be longer. */
const MAX_NAME = 4_096;
const MAX_URI = 65_536;
const OPEN_URI: ReadonlySet<string> = new Set(['uri']);
const EMPTY: readonly never[] = Object.freeze([]);
const SEVERITY: Readonly<Record<Effect | 'abstain', number>> = { abstain: -1, allow: 0, defer: 1, ask: 2, deny: 3 };

/** How restrictive an effect is: deny > ask > defer > allow > abstain. */
export function severity(effect: Effect | 'abstain'): number {
  return SEVERITY[effect];
}

/** What an engine judges by. */
export interface EngineRules {
  /** In the order they are asked. */
  readonly written: readonly CompiledRule[];
  /** Asked after them, the first that matches decides. */
  readonly base: readonly CompiledRule[];
  readonly combine: Combine;
}

/**
 * Opens an engine over rules. `fallback` gives the verdict when none decides; it is asked once for each kind of message, so
 * it may use names only.
 */
export function openEngine({ written, base, combine }: EngineRules, fallback: (named: Named) => Verdict): Engine {
  const rules = [...written, ...base];
  const index = indexRules(rules);
  const isBase = new Set(base);
  const build = (candidates: readonly CompiledRule[], named: Named): Plan =>
    combine === 'deny-overrides'
      ? overridingPlan(candidates, isBase, fallback(named))
      : buildPlan(candidates, fallback(named));
  const cache = openPlanCache<Plan>(index.names);
  const forgets = [...new Set(rules.map((rule) => rule.forget))];
  const planOf = (named: Named): Plan => {
    const hit = cache.get(named);
    if (hit !== undefined) return hit;
    const plan = isOversized(named) ? oversizedPlan() : build(index.candidates(named), named);
    cache.set(named, plan);
    return plan;
  };
  const possibleUnder = openPossibleUnder(rules, (concerned, known) => {
    try {
      return possibleEffects(build(concerned, known), staticCall(known, OPEN_URI));
    } finally {
      for (const forget of forgets) forget();
    }
  });
  return {
    judge(call) {
      const plan = planOf(call);
      if (plan.constant !== undefined) return plan.constant;
      try {
        return evaluate(plan, call);
      } catch (cause) {
        return faulty(cause);
      } finally {
        for (const forget of forgets) forget();
      }
    },
    possible(known) {
      try {
        return possibleEffects(planOf(known), staticCall(known));
      } finally {
        for (const forget of forgets) forget();
      }
    },
    possibleUnder,
    pathsNeeded: (named) => planOf(named).paths,
    concerns: (direction, server, method, tool, wanted) =>
      rules.some((rule) => wanted(rule) && mayMatch(rule.target, direction, server, method, tool)),
    planCount: cache.size,
  };
}

function evaluate(plan: Plan, call: Call): Verdict {
  const verdict = plan.joining > 0 ? united(plan, call) : firstOf(plan, call);
  return plan.adding.length === 0 ? verdict : withAdded(plan.adding, call, verdict);
}

function firstOf(plan: Plan, call: Call): Verdict {
  return firstMatch(plan.deciding, call) ?? firstMatch(plan.below, call) ?? plan.fallback;
}

function firstMatch(candidates: readonly Candidate[], call: Call): Decision | undefined {
  for (const candidate of candidates) {
    const truth = candidate.condition === undefined ? true : candidate.condition(call);
    if (truth === true) return candidate.decision;
    if (truth !== false && !candidate.permissive) return indeterminate(candidate, truth, candidate.decision.effect);
  }
  return undefined;
}

/** The first match, with the obligations of every other rule that matches, or whose condition cannot be told. */
function united(plan: Plan, call: Call): Verdict {
  const { deciding, joining } = plan;
  let verdict: Verdict | undefined;
  const joined: Obligation[] = [];
  for (let position = 0; position < deciding.length; position++) {
    if (verdict !== undefined && position >= joining) break;
    const candidate = deciding[position] as Candidate;
    const { rule, condition, permissive } = candidate;
    if (verdict !== undefined && rule.obligations.length === 0) continue;
    const truth = condition === undefined ? true : condition(call);
    if (truth === false) continue;
    if (verdict !== undefined || (truth !== true && permissive)) joined.push(...rule.obligations);
    else if (truth === true) verdict = candidate.decision;
    else verdict = indeterminate(candidate, truth, candidate.decision.effect);
  }
  verdict ??= firstMatch(plan.below, call) ?? plan.fallback;
  return joined.length === 0 ? verdict : { ...verdict, obligations: [...verdict.obligations, ...joined] };
}

/** Obligations of rules without an effect; one whose condition cannot be told refuses the call, for it might be due. */
function withAdded(adding: readonly Candidate[], call: Call, first: Verdict): Verdict {
  let verdict = first;
  let obligations: Obligation[] | undefined;
  for (const candidate of adding) {
    const truth = candidate.condition === undefined ? true : candidate.condition(call);
    if (truth === false) continue;
    if (truth === true) {
      obligations ??= [...verdict.obligations];
      obligations.push(...candidate.rule.obligations);
    } else if (SEVERITY[candidate.rule.onError] > SEVERITY[verdict.effect]) {
      verdict = indeterminate(candidate, truth, candidate.rule.onError, verdict.obligations);
    }
  }
  return obligations === undefined ? verdict : { ...verdict, obligations };
}

function indeterminate(
  candidate: Candidate,
  unsure: Unsure,
  effect: Effect,
  obligations = candidate.decision.obligations,
): Decision {
  return {
    effect,
    rule: candidate.rule.name,
    reason: `indeterminate: ${unsure.cause}; ${candidate.rule.reason}`,
    obligations,
    indeterminate: unsure.cause,
    ...retryAfter(candidate.rule),
  };
}

function faulty(cause: unknown): Decision {
  const why = messageOf(cause);
  return {
    effect: 'deny',
    rule: 'engine-fault',
    reason: `the policy could not be evaluated: ${why}`,
    obligations: EMPTY,
    indeterminate: why,
  };
}

function buildPlan(rules: readonly CompiledRule[], fallback: Verdict): Plan {
  const { fixed, adding, last } = addingParts(rules, fallback);
  const deciding: Candidate[] = [];
  for (const rule of rules) {
    if (rule.effect === undefined) continue;
    deciding.push(candidateOf(rule, fixed));
    if (rule.condition === undefined) break;
  }
  const first = deciding[0];
  const isConstant = adding.length === 0 && (first === undefined || first.condition === undefined);
  return {
    constant: isConstant ? (first?.decision ?? last) : undefined,
    deciding,
    joining: 0,
    below: EMPTY,
    adding,
    fallback: last,
    paths: pathsOf(rules),
  };
}

/**
 * The plan where the most restrictive of all rules that match decides: they are asked in that order, in the file's among
 * equals. Behind one that always matches only obligations are left to add.
 */
function overridingPlan(rules: readonly CompiledRule[], isBase: ReadonlySet<CompiledRule>, fallback: Verdict): Plan {
  const { fixed, adding, last } = addingParts(rules, fallback);
  const strictestFirst = rules
    .filter((rule) => rule.effect !== undefined && !isBase.has(rule))
    .toSorted((a, b) => SEVERITY[b.effect as Effect] - SEVERITY[a.effect as Effect]);
  const certain = strictestFirst.findIndex((rule) => rule.condition === undefined);
  const deciding = strictestFirst
    .filter((rule, position) => certain < 0 || position <= certain || rule.obligations.length > 0)
    .map((rule) => candidateOf(rule, fixed));
  const below = rules
    .filter((rule) => rule.effect !== undefined && isBase.has(rule))
    .map((rule) => candidateOf(rule, fixed));
  const joining = deciding.findLastIndex(({ rule }) => rule.obligations.length > 0) + 1;
  const first = deciding[0] ?? below[0];
  const isConstant = adding.length === 0 && joining === 0 && (first === undefined || first.condition === undefined);
  return {
    constant: isConstant ? (first?.decision ?? last) : undefined,
    deciding,
    joining,
    below,
    adding,
    fallback: last,
    paths: pathsOf(rules),
  };
}

/** What rules without an effect come to: those that always add, those that are asked, and the fallback with the former. */
function addingParts(
  rules: readonly CompiledRule[],
  fallback: Verdict,
): { readonly fixed: readonly CompiledRule[]; readonly adding: readonly Candidate[]; readonly last: Verdict } {
  const effectless = rules.filter((rule) => rule.effect === undefined);
  const fixed = effectless.filter((rule) => rule.condition === undefined);
  const adding = effectless.filter((rule) => rule.condition !== undefined).map((rule) => candidateOf(rule, []));
  const added = fixed.flatMap((rule) => rule.obligations);
  const last = added.length === 0 ? fallback : { ...fallback, obligations: [...fallback.obligations, ...added] };
  return { fixed, adding, last };
}

/** The decision of a rule, with the obligations of those that join it without a condition. */
function candidateOf(rule: CompiledRule, joining: readonly CompiledRule[]): Candidate {
  const obligations = [...rule.obligations, ...joining.flatMap((other) => other.obligations)];
  return {
    rule,
    condition: rule.condition,
    permissive: rule.effect === 'allow',
    decision: {
      effect: rule.effect ?? rule.onError,
      rule: rule.name,
      reason: rule.reason,
      obligations: obligations.length === 0 ? EMPTY : obligations,
      ...retryAfter(rule),
    },
  };
}

function retryAfter({ retryAfterMs }: CompiledRule): { readonly retryAfterMs?: number } {
  return retryAfterMs === undefined ? {} : { retryAfterMs };
}

function pathsOf(rules: readonly CompiledRule[]): readonly FieldPath[] {
  const paths = new Map<string, FieldPath>();
  for (const rule of rules) for (const path of rule.paths) paths.set(JSON.stringify(path), path);
  return paths.size === 0 ? EMPTY : [...paths.values()];
}

function isOversized(named: Named): boolean {
  const { server, method, tool = '', prompt = '', uri = '' } = named;
  return Math.max(server.length, method.length, tool.length, prompt.length) > MAX_NAME || uri.length > MAX_URI;
}

function oversizedPlan(): Plan {
  const constant: Decision = {
    effect: 'deny',
    rule: 'base:oversized-name',
    reason: 'a name in the message is too long to be judged',
    obligations: EMPTY,
  };
  return { constant, deciding: EMPTY, joining: 0, below: EMPTY, adding: EMPTY, fallback: constant, paths: EMPTY };
}

interface RuleIndex {
  /** Distinct names the policy itself spells out: they are kept beside what strangers send. */
  readonly names: number;
  candidates(named: Named): readonly CompiledRule[];
}

/** Rules by exact tool and by exact method; the rest stays in one ordered list. */
function indexRules(rules: readonly CompiledRule[]): RuleIndex {
  const byTool = new Map<string, number[]>();
  const byMethod = new Map<string, number[]>();
  const others: number[] = [];
  for (const [position, { target }] of rules.entries()) {
    if (target.tool !== undefined && target.tool.patterns.length === 0) put(byTool, target.tool.exact, position);
    else if (isByMethod(target)) put(byMethod, target.method?.exact ?? [], position);
    else others.push(position);
  }
  return {
    names: byTool.size + byMethod.size,
    candidates(named) {
      const tools = named.tool === undefined ? EMPTY : (byTool.get(named.tool) ?? EMPTY);
      const unnamed =
        named.tool === undefined && named.method === 'tools/call' ? [...new Set([...byTool.values()].flat())] : EMPTY;
      const positions = [
        ...new Set([...tools, ...unnamed, ...(byMethod.get(named.method) ?? EMPTY), ...others]),
      ].toSorted((a, b) => a - b);
      const out: CompiledRule[] = [];
      for (const position of positions) {
        const rule = rules[position] as CompiledRule;
        if (matchesNames(rule.target, named, rule.effect === 'allow')) out.push(rule);
      }
      return out;
    },
  };
}

function isByMethod(target: Target): boolean {
  const { method, tool, prompt, resource, annotations } = target;
  return (
    method !== undefined &&
    method.patterns.length === 0 &&
    tool === undefined &&
    prompt === undefined &&
    resource === undefined &&
    annotations === undefined
  );
}

function put(map: Map<string, number[]>, keys: Iterable<string>, position: number): void {
  for (const key of keys) {
    const list = map.get(key);
    if (list === undefined) map.set(key, [position]);
    else list.push(position);
  }
}
