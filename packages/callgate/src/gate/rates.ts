import type { BudgetKey, Decision, RateObligation } from '../model/decision.ts';
import { besidesOf, engineFault } from './faults.ts';
import type { LiveCall } from './live-call.ts';
import type { Session } from './session.ts';

/** A limit that is used up: the rule that sets it, and when there is room again. */
export interface Spent {
  readonly rule: string;
  readonly retryAfterMs: number;
}

/** What of a call says which counters it is counted on. */
export type Counted = Pick<LiveCall, 'server' | 'method' | 'tool' | 'prompt' | 'principal' | 'session' | 'time'>;

/** Counts the call on all limits that its decision and the settings (`standing`) name, or on none when one of them is used up. */
export function takeRates(
  session: Session,
  call: LiveCall,
  decision: Decision,
  standing: readonly RateObligation[] = [],
): { readonly decision: Decision; readonly spent: Spent | undefined } {
  const rates = [...decision.obligations.filter((o): o is RateObligation => o.kind === 'rate'), ...standing];
  if (rates.length === 0) return { decision, spent: undefined };
  const wanted = rates.map((rate) => {
    const { max, windowMs, burst } = rate;
    return { key: rateKey(rate, call), max, windowMs, ...(burst === undefined ? {} : { burst }) };
  });
  try {
    const taken = session.options.limits().take(wanted, session.options.now());
    if (taken.ok) return { decision, spent: undefined };
    const { rule } = rates[taken.index] as RateObligation;
    const isStanding = taken.index >= rates.length - standing.length;
    return {
      decision: isStanding ? { ...decision, rule } : decision,
      spent: { rule, retryAfterMs: taken.retryAfterMs },
    };
  } catch (error) {
    // Only the limit could not be told: what else the policy asks for is still done.
    return { decision: { ...engineFault(session, error), ...besidesOf(decision) }, spent: undefined };
  }
}

/** The counter of the home that a rate counts this call on. */
function rateKey(rate: RateObligation, call: LiveCall): string {
  // Names are the peers' to choose: quoted, none can pass for two.
  return JSON.stringify([rate.rule, rate.windowMs, ...keyParts(rate.key, rate.rule, call)]);
}

/** What a call is counted under; a user who is not known shares one counter with all who are not. */
export function keyParts(key: readonly BudgetKey[], rule: string, call: Counted): string[] {
  return key.map((part) => {
    switch (part) {
      case 'rule':
        return `rule=${rule}`;
      case 'tool':
        return `tool=${call.server}/${call.tool ?? call.prompt ?? call.method}`;
      case 'server':
        return `server=${call.server}`;
      case 'principal':
        return `principal=${call.principal.id}`;
      case 'user':
        return call.principal.user === undefined ? 'user' : `user=${call.principal.user}`;
      case 'session':
        return `session=${call.session}`;
      case 'global':
        return 'global';
      case 'hour':
      case 'day':
      case 'month':
        return `${part}=${periodOf(part, call.time)}`;
    }
  });
}

const LENGTH = { month: 7, day: 10, hour: 13 } as const;

/** The beginning of an ISO date: `2026-11`, `2026-11-21`, `2026-11-21T09`, in UTC. */
function periodOf(part: keyof typeof LENGTH, time: number): string {
  return new Date(time).toISOString().slice(0, LENGTH[part]);
}
