import type { Call } from '../model/call.ts';
import type { Effect } from '../model/decision.ts';
import type { Plan } from './engine.ts';
import type { Named } from './target.ts';
import { Unsure } from './condition/truth.ts';

/** Effects that calls of one kind can come to; `abstain` where a layer may have nothing to say. */
export type Possible = ReadonlySet<Effect | 'abstain'>;

/** What is known of a call before there is one: its names, who would make it, and what the server claims about the tool. */
export type Static = Named & Pick<Call, 'principal' | 'annotations'>;

/** Thrown by a fact that is not there yet: the condition is neither true nor false nor an error, but open. */
const UNBOUND = new Error('a fact of a call was asked for before there is a call');
const STATIC: ReadonlySet<string> = new Set<keyof Call>([
  'direction',
  'server',
  'method',
  'tool',
  'prompt',
  'uri',
  'principal',
  'annotations',
]);

/**
 * A call of which only static facts are bound. Every other fact (arguments, time, labels, what the session did ...) is open,
 * also those that later versions add: what is shown must never depend on them.
 */
export function staticCall(known: Static, open: ReadonlySet<string> = new Set()): Call {
  return new Proxy(known as Call, {
    get(target, key) {
      if (typeof key === 'string' && STATIC.has(key) && !open.has(key)) return Reflect.get(target, key);
      throw UNBOUND;
    },
    has() {
      throw UNBOUND;
    },
  });
}

/** Every effect that calls like this one can come to: open conditions may hold or not. */
export function possibleEffects(plan: Plan, call: Call): Possible {
  const found = new Set<Effect | 'abstain'>();
  let isDecided = false;
  for (const { condition, permissive, decision } of [...plan.deciding, ...plan.below]) {
    const truth = condition === undefined ? true : ask(condition, call);
    if (truth === false || (truth instanceof Unsure && permissive)) continue;
    found.add(decision.effect);
    isDecided = truth !== undefined;
    if (isDecided) break;
  }
  if (!isDecided) found.add(plan.fallback.effect);
  const due = plan.adding.filter(({ condition }) => condition !== undefined && ask(condition, call) instanceof Unsure);
  return due.reduce((effects, { rule }) => strictestOf(effects, new Set([rule.onError])), found as Possible);
}

/** What two layers can come to together: of each pair the more restrictive effect. */
export function strictestOf(a: Possible, b: Possible): Possible {
  const found = new Set<Effect | 'abstain'>();
  for (const one of a) for (const other of b) found.add(RANK.indexOf(one) > RANK.indexOf(other) ? one : other);
  return found;
}

const RANK: readonly (Effect | 'abstain')[] = ['abstain', 'allow', 'defer', 'ask', 'deny'];

/** Whether nothing but refusal can come of it; where all layers abstain, a call is denied. */
export function isHopeless(possible: Possible): boolean {
  return [...possible].every((effect) => effect === 'deny' || effect === 'abstain');
}

/** A condition that depends on what is not known yet. */
export const OPEN = (): never => {
  throw UNBOUND;
};

/** Undefined when a fact that it needs is open. */
function ask(condition: (call: Call) => boolean | Unsure, call: Call): boolean | Unsure | undefined {
  try {
    return condition(call);
  } catch (error) {
    if (error === UNBOUND) return undefined;
    throw error;
  }
}
