import type { RateObligation } from '../model/decision.ts';
import type { LiveCall } from './live-call.ts';
import type { Session } from './session.ts';

/** Limits of the settings that hold for every call, whatever the policy says; 0: none. */
export interface AdmissionLimits {
  readonly perMinute: number;
  readonly toolPerMinute: number;
  readonly principalPerMinute: number;
}

const MINUTE_MS = 60_000;
const OPERATIONS = new Set(['resources/read', 'prompts/get', 'completion/complete']);

/** Whether the limits of the settings are there for it: it makes a server do something. */
export function isOperation(call: { readonly method: string; readonly direction?: string }): boolean {
  const { method, direction } = call;
  return (method === 'tools/call' || OPERATIONS.has(method)) && (direction === undefined || direction === 'call');
}

/**
 * The limits of the settings in the form of a policy's, under the names of the settings as rules; they count with the limits of the home,
 * in every process of it.
 */
export function standingRates(limits: AdmissionLimits): readonly RateObligation[] {
  const rates: RateObligation[] = [];
  const add = (rule: string, key: RateObligation['key'], max: number): void => {
    if (max > 0) rates.push({ kind: 'rate', rule, key, max, windowMs: MINUTE_MS });
  };
  add('settings:limits.perMinute', ['global'], limits.perMinute);
  add('settings:limits.principalPerMinute', ['principal'], limits.principalPerMinute);
  add('settings:limits.toolPerMinute', ['tool'], limits.toolPerMinute);
  return rates;
}

/** The limits of the settings that a call is counted on. */
export function standingOn({ options }: Session, call: LiveCall): readonly RateObligation[] {
  const { standing = NONE } = options;
  return standing.length > 0 && isOperation(call) ? standing : NONE;
}

const NONE: readonly RateObligation[] = [];
