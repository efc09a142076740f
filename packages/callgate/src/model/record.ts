import type { Principal } from './principal.ts';

/** What the gate hands to the evidence log when it has decided. Strings are short; `args` is masked JSON text. */
export interface DecisionRecord {
  readonly type: 'decision';
  /** Milliseconds since the epoch, and a monotonic clock in microseconds. */
  readonly time: number;
  readonly mono: number;
  readonly direction: 'call' | 'result' | 'request' | 'answer';
  readonly server: string;
  /** `(malformed)` for what never became a call. */
  readonly method: string;
  readonly tool?: string;
  readonly target?: string;
  readonly rpcId?: string;
  readonly protocol?: string;
  readonly transport: string;
  readonly principal: Principal;
  readonly client?: string;
  readonly policy: string;
  readonly rule: string;
  readonly effect: string;
  readonly reason?: string;
  readonly indeterminate?: string;
  readonly obligations?: readonly string[];
  readonly findings?: readonly {
    readonly rule: string;
    readonly class: string;
    readonly pointer: string;
    readonly start: number;
    readonly end: number;
    readonly confidence: number;
  }[];
  readonly labels?: readonly string[];
  /** Masked JSON text of the arguments, UTF-8. Encrypted before disk. */
  readonly args?: Uint8Array;
  readonly argsTruncated?: number;
}

/** What became of a forwarded call. `decision` is the sequence that `append` returned for it. */
export interface OutcomeRecord {
  readonly type: 'outcome';
  readonly time: number;
  readonly mono: number;
  readonly decision: number;
  readonly status: 'ok' | 'tool_error' | 'error' | 'cancelled' | 'lost' | 'denied' | 'malformed';
  readonly us: number;
  readonly bytes: number;
  readonly rule?: string;
  readonly reason?: string;
  readonly redactions?: number;
}

/** Anything else worth a leaf: policy changes, starts and stops, floods counted together, circuits that open and close. */
export interface EventRecord {
  readonly type: 'policy_change' | 'session' | 'flood' | 'gap' | 'trust_change' | 'breaker';
  readonly time: number;
  readonly mono: number;
  readonly detail: { readonly [key: string]: string | number | boolean };
}

export type EvidenceRecord = DecisionRecord | OutcomeRecord | EventRecord;
