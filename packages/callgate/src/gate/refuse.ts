import type { Decision } from '../model/decision.ts';
import { CIRCUIT_OPEN, DEFERRED, DENIED, NEEDS_APPROVAL, RATE_LIMITED } from '../protocol/codes.ts';
import { errorAnswer, toolRefusal } from '../protocol/refusal.ts';

/** Why a call did not go: what the model that made it, and the person behind it, will read. */
export interface Refused {
  readonly code: number;
  readonly text: string;
  readonly rule: string;
  readonly record: string;
  readonly retryAfterMs?: number;
}

/** Says why the policy refused, and what would be allowed. Names the rule, never other rules and never a secret. */
export function refusedByPolicy(what: string, decision: Decision, record: string): Refused {
  const why = decision.reason ? ` ${sentence(decision.reason)}` : '';
  const rule = decision.rule;
  switch (decision.effect) {
    case 'ask':
      return {
        code: NEEDS_APPROVAL,
        rule,
        record,
        text:
          `Callgate held back ${what}: rule "${rule}" wants a person to approve it, and no approver is set up.${why} ` +
          `To let it pass, the operator changes rule "${rule}" to allow it. Do not retry unchanged.`,
      };
    case 'defer': {
      const { retryAfterMs = USUAL_RETRY_AFTER_MS } = decision;
      const text = `Callgate deferred ${what} (rule "${rule}").${why} Try again in ${secondsOf(retryAfterMs)} s.`;
      return { code: DEFERRED, rule, record, retryAfterMs, text };
    }
    default:
      return {
        code: DENIED,
        rule,
        record,
        text: `Callgate denied ${what} (rule "${rule}").${why} Do not retry unchanged; choose another way or ask the user.`,
      };
  }
}

/** Says that a limit is spent and when to try again. */
export function refusedByRate(what: string, rule: string, retryAfterMs: number, record: string): Refused {
  return {
    code: RATE_LIMITED,
    rule,
    record,
    retryAfterMs,
    text: `Callgate refused ${what}: the limit of ${rule.startsWith('settings:') ? '' : 'rule '}"${rule}" is spent. Try again in ${secondsOf(retryAfterMs)} s.`,
  };
}

/** Says that a server, or a tool, is given a rest, and when to try again. */
export function refusedByBreaker(what: string, decision: Decision, record: string): Refused {
  const { rule, reason, retryAfterMs = USUAL_RETRY_AFTER_MS } = decision;
  const text = `Callgate held back ${what} (rule "${rule}"). ${sentence(reason)} Try again in ${secondsOf(retryAfterMs)} s.`;
  return { code: CIRCUIT_OPEN, rule, record, retryAfterMs, text };
}

/**
 * The refusal as bytes. A refused tool call answers a result with `isError`, so that the model reads the reason,
 * unless the operator chose protocol errors; everything else answers an error.
 */
export function refusalBytes(
  idText: string,
  refused: Refused,
  form: { readonly toolCall: boolean; readonly modern: boolean; readonly asError: boolean },
): Uint8Array {
  const text = `${refused.text} [record ${refused.record}]`;
  if (form.toolCall && !form.asError) return toolRefusal(idText, text, form.modern);
  return errorAnswer(idText, refused.code, text, {
    rule: refused.rule,
    record: refused.record,
    ...(refused.retryAfterMs === undefined ? {} : { retryAfterMs: Math.ceil(refused.retryAfterMs) }),
  });
}

const USUAL_RETRY_AFTER_MS = 60_000;

function secondsOf(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}

function sentence(text: string): string {
  const trimmed = text.trim();
  return /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}
