import { messageOf } from '../model/error.ts';
import type { Call, Direction } from '../model/call.ts';
import type { Decision, Effect, Obligation } from '../model/decision.ts';
import type { FieldPath } from './field.ts';
import { openPlanCache } from './plan-cache.ts';
import type { CompiledRule } from './rule.ts';
import { matchesNames, mayMatch, type Named, type Target } from './target.ts';
import { Unsure } from './truth.ts';

/** A layer that has nothing to say on a call, but may still add obligations. */
export interface Abstention {
  readonly effect: 'abstain';
  readonly obligations: readonly Obligation[];
}
export type Verdict = Decision | Abstention;

/** The rules that can match one kind of message, with all that does not depend on its arguments worked out. */
interface Plan {
  /** The verdict, when no condition is left to ask. */
  readonly constant: Verdict | undefined;
  readonly deciding: readonly Candidate[];
  /** Rules without an effect that have a condition. */
  readonly adding: readonly Candidate[];
  readonly fallback: Verdict;
  readonly paths: readonly FieldPath[];
}

interface Candidate {
  readonly rule: CompiledRule;
  readonly condition: CompiledRule['condition'];
  /** Allow: an error in the condition does not match. */
  readonly permissive: boolean;
  readonly decision: Decision;
}

/** Judges messages by a list of rules: the first that matches decides, rules without an effect add their obligations. */
export interface Engine {
  readonly judge: (call: Call) => Verdict;
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
const EMPTY: readonly never[] = Object.freeze([]);
const SEVERITY: Readonly<Record<Effect | 'abstain', number>> = { abstain: -1, allow: 0, defer: 1, ask: 2, deny: 3 };

/** How restrictive an effect is: deny > ask > defer > allow > abstain. */
export function severity(effect: Effect | 'abstain'): number {
  return SEVERITY[effect];
}

/**
 * Opens an engine over rules in order. `fallback` gives the verdict when none decides; it is asked once for each kind of
 * message, so it may use names only.
 */
export function openEngine(rules: readonly CompiledRule[], fallback: (named: Named) => Verdict): Engine {
  const index = indexRules(rules);
  const cache = openPlanCache<Plan>(index.names);
  const forgets = [...new Set(rules.map((rule) => rule.forget))];
  const planOf = (named: Named): Plan => {
    const hit = cache.get(named);
    if (hit !== undefined) return hit;
    const plan = isOversized(named) ? oversizedPlan() : buildPlan(index.candidates(named), named, fallback(named));
    cache.set(named, plan);
    return plan;
  };
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
    pathsNeeded: (named) => planOf(named).paths,
    concerns: (direction, server, method, tool, wanted) =>
      rules.some((rule) => wanted(rule) && mayMatch(rule.target, direction, server, method, tool)),
    planCount: cache.size,
  };
}

function evaluate(plan: Plan, call: Call): Verdict {
  let verdict = plan.fallback;
  for (const candidate of plan.deciding) {
    const truth = candidate.condition === undefined ? true : candidate.condition(call);
    if (truth === true) {
      verdict = candidate.decision;
      break;
    }
    if (truth !== false && !candidate.permissive) {
      verdict = indeterminate(candidate, truth, candidate.decision.effect);
      break;
    }
  }
  return plan.adding.length === 0 ? verdict : withAdded(plan.adding, call, verdict);
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

function buildPlan(rules: readonly CompiledRule[], named: Named, fallback: Verdict): Plan {
  const fixed = rules.filter((rule) => rule.effect === undefined && rule.condition === undefined);
  const adding = rules
    .filter((rule) => rule.effect === undefined && rule.condition !== undefined)
    .map((rule) => candidateOf(rule, []));
  const deciding: Candidate[] = [];
  for (const rule of rules) {
    if (rule.effect === undefined) continue;
    deciding.push(candidateOf(rule, fixed));
    if (rule.condition === undefined) break;
  }
  const added = fixed.flatMap((rule) => rule.obligations);
  const last: Verdict =
    added.length === 0 ? fallback : { ...fallback, obligations: [...fallback.obligations, ...added] };
  const first = deciding[0];
  const isConstant = adding.length === 0 && (first === undefined || first.condition === undefined);
  return {
    constant: isConstant ? (first?.decision ?? last) : undefined,
    deciding,
    adding,
    fallback: last,
    paths: pathsOf(rules),
  };
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
    },
  };
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
  return { constant, deciding: EMPTY, adding: EMPTY, fallback: constant, paths: EMPTY };
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
