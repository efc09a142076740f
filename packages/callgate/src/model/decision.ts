import type { Call } from './call.ts';
import type { ExactNumber, Json } from './json.ts';

export type Effect = 'allow' | 'deny' | 'ask' | 'defer';

/** Mask values: by inspection class, by field (JSON pointer with `*` segments), or by RE2 pattern. */
export interface RedactObligation {
  readonly kind: 'redact';
  readonly on: 'args' | 'result' | 'both';
  readonly classes: readonly string[];
  readonly fields: readonly (readonly string[])[];
  readonly pattern?: {
    readonly source: string;
    test(text: string): boolean;
    replace(text: string, by: string): string;
  };
  readonly replacement: string;
  readonly rule: string;
  /** Of files that nobody trusted: it must not change what a call says, so that arguments it hits are refused instead. */
  readonly untrusted?: true;
}

/**
 * At most `max` calls in `windowMs`, counted per value of `key`. With `burst` a bucket: `max` come back evenly over the
 * window, and at most `burst` may go at once.
 */
export interface RateObligation {
  readonly kind: 'rate';
  readonly rule: string;
  readonly key: readonly RateKey[];
  readonly max: number;
  readonly windowMs: number;
  readonly burst?: number;
}

export type RateKey = 'rule' | 'tool' | 'server' | 'principal' | 'user' | 'session' | 'global';

/** Amounts that calls spend add up to at most `max`, per value of `key`. */
export interface BudgetObligation {
  readonly kind: 'budget';
  readonly rule: string;
  readonly key: readonly BudgetKey[];
  /** Which of the rule's budgets with this key; 0 for the first. */
  readonly series: number;
  /** A decimal, as `amount` gives it. */
  readonly max: string;
  /** What this call spends: a decimal without exponent, at least 0; or why it cannot be told. */
  amount(call: Call): string | { readonly unsure: string };
}

export type BudgetKey = RateKey | 'hour' | 'day' | 'month';

/** Puts values into the arguments. */
export interface SetObligation {
  readonly kind: 'set';
  readonly rule: string;
  readonly values: readonly { readonly path: readonly string[]; readonly value: Json }[];
  /** Of files that nobody trusted: it must not change what a call says, so that a call it would change is refused. */
  readonly untrusted?: true;
}

/** Holds numbers of the arguments between bounds. A field that is missing is left alone. */
export interface ClampObligation {
  readonly kind: 'clamp';
  readonly rule: string;
  readonly fields: readonly {
    readonly path: readonly string[];
    readonly min?: number | ExactNumber;
    readonly max?: number | ExactNumber;
  }[];
  readonly untrusted?: true;
}

/** The call may only run confined. */
export interface SandboxObligation {
  readonly kind: 'sandbox';
  readonly rule: string;
  readonly profile: string;
}

/** When the message passes, the session has these labels from then on. */
export interface LabelObligation {
  readonly kind: 'label';
  readonly rule: string;
  readonly labels: readonly string[];
}

/** Is told on stderr, whatever the decision. */
export interface LogObligation {
  readonly kind: 'log';
  readonly rule: string;
  readonly message?: string;
}

/** As `log`, for somebody to act on. */
export interface AlertObligation {
  readonly kind: 'alert';
  readonly rule: string;
  readonly severity: AlertSeverity;
  readonly message?: string;
}

export type AlertSeverity = 'info' | 'low' | 'medium' | 'high' | 'critical';

export type Obligation =
  | RedactObligation
  | RateObligation
  | BudgetObligation
  | SetObligation
  | ClampObligation
  | SandboxObligation
  | LabelObligation
  | LogObligation
  | AlertObligation;

/** What the policy says about one call. */
export interface Decision {
  readonly effect: Effect;
  /** Id of the deciding rule; `default`, `base:<id>` or `floor:<id>` for the built-in ones. */
  readonly rule: string;
  readonly reason: string;
  readonly obligations: readonly Obligation[];
  /** Why a condition could not be told (missing field, wrong type ...); set when the rule matched because of it. */
  readonly indeterminate?: string;
  /** What policies in shadow mode would have decided. */
  readonly shadow?: readonly ShadowDecision[];
  /** With `defer`: when to try again. */
  readonly retryAfterMs?: number;
}

/** What a policy that does not apply would have decided. */
export interface ShadowDecision {
  readonly effect: Effect;
  readonly rule: string;
}
