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

/** At most `max` calls in `windowMs`, counted per value of `key`. */
export interface RateObligation {
  readonly kind: 'rate';
  readonly rule: string;
  readonly key: readonly RateKey[];
  readonly max: number;
  readonly windowMs: number;
}

export type RateKey = 'rule' | 'tool' | 'server' | 'principal' | 'global';

export type Obligation = RedactObligation | RateObligation;

/** What the policy says about one call. */
export interface Decision {
  readonly effect: Effect;
  /** Id of the deciding rule; `default`, `base:<id>` or `floor:<id>` for the built-in ones. */
  readonly rule: string;
  readonly reason: string;
  readonly obligations: readonly Obligation[];
  /** Why a condition could not be told (missing field, wrong type ...); set when the rule matched because of it. */
  readonly indeterminate?: string;
}
