import type { Direction } from '../../model/call.ts';
import type { AlertSeverity, BudgetKey, Effect, RateKey } from '../../model/decision.ts';
import type { Json } from '../../model/json.ts';
import type { Numeric } from '../condition/numbers.ts';
import type { Weekday } from '../condition/time.ts';

/** A policy file, version 1, as its reader hands it on (schema.ts has the shape and its documentation). */
export interface PolicyDoc {
  readonly version: number;
  readonly name?: string;
  readonly description?: string;
  readonly combine?: Combine;
  readonly mode?: 'enforce' | 'shadow';
  readonly extends?: IncludeDoc;
  readonly imports?: readonly IncludeDoc[];
  readonly roles?: Readonly<Record<string, RoleDoc>>;
  readonly default?: 'deny' | 'allow' | 'ask';
  readonly rules: readonly RuleDoc[];
}

/** Which of the matching rules of a document decides. */
export type Combine = 'first' | 'priority' | 'deny-overrides';
/** Another file, with the hash it must have. */
export type IncludeDoc = string | { readonly file: string; readonly sha256?: string };
export interface RoleDoc {
  readonly includes?: readonly string[];
  readonly members?: readonly string[];
}
export interface ScheduleDoc {
  readonly days?: readonly Weekday[];
  readonly from?: string;
  readonly to?: string;
  readonly timeZone: string;
}

export type Literal = string | Numeric | boolean | null;
export type NameDoc = string | { readonly regex: string };
export type OneOrMany<T> = T | readonly T[];

export interface MatchDoc {
  readonly server?: OneOrMany<NameDoc>;
  readonly tool?: OneOrMany<NameDoc>;
  readonly prompt?: OneOrMany<NameDoc>;
  readonly resource?: OneOrMany<NameDoc>;
  readonly method?: OneOrMany<NameDoc>;
  readonly direction?: OneOrMany<Direction>;
  readonly roles?: OneOrMany<NameDoc>;
  readonly annotations?: Readonly<Record<string, boolean>>;
}

export interface OperatorDoc {
  readonly equals?: Literal;
  readonly notEquals?: Literal;
  readonly in?: readonly Literal[];
  readonly notIn?: readonly Literal[];
  readonly startsWith?: string;
  readonly endsWith?: string;
  readonly contains?: string;
  readonly regex?: string;
  readonly glob?: string;
  readonly lt?: Numeric;
  readonly le?: Numeric;
  readonly gt?: Numeric;
  readonly ge?: Numeric;
  readonly exists?: boolean;
  readonly not?: MatcherDoc;
  readonly under?: OneOrMany<string>;
  readonly host?: OneOrMany<string>;
  readonly cidr?: OneOrMany<string>;
  readonly shell?: TypedDoc;
  readonly sql?: TypedDoc;
  readonly any?: MatcherDoc;
  readonly all?: MatcherDoc;
  readonly anyOf?: readonly OperatorDoc[];
  readonly allOf?: readonly OperatorDoc[];
}
/** What a typed operator wants of a text: facts to be so or not so, names to be among these. */
export type TypedDoc = Readonly<Record<string, boolean | OneOrMany<string>>>;
export type MatcherDoc = Literal | OperatorDoc;

export interface RedactDoc {
  readonly classes?: readonly string[];
  readonly fields?: readonly string[];
  readonly pattern?: string;
  readonly replacement?: string;
  readonly on?: 'args' | 'result' | 'both';
}
export interface RateDoc {
  readonly max: number;
  readonly per: string | number;
  readonly key?: OneOrMany<RateKey>;
  readonly burst?: number;
}
export interface BudgetDoc {
  readonly key?: OneOrMany<BudgetKey>;
  readonly amount: string | Numeric;
  readonly max: Numeric;
}
export interface ClampDoc {
  readonly min?: Numeric;
  readonly max?: Numeric;
}
export interface ObligationDoc {
  readonly redact?: RedactDoc;
  readonly rate?: RateDoc;
  readonly budget?: BudgetDoc;
  readonly set?: Readonly<Record<string, Json>>;
  readonly clamp?: Readonly<Record<string, ClampDoc>>;
  readonly sandbox?: { readonly profile: string };
  readonly label?: { readonly add: readonly string[] };
  readonly log?: { readonly message?: string };
  readonly alert?: { readonly severity: AlertSeverity; readonly message?: string };
}

/** A condition: a text of the CEL subset, or the same as a map. */
export type WhenDoc = string | WhenMap;
export interface WhenMap {
  readonly all?: readonly WhenDoc[];
  readonly any?: readonly WhenDoc[];
  readonly not?: WhenDoc;
  readonly field?: string;
  readonly op?: string;
  readonly value?: Literal | readonly Literal[] | TypedDoc;
}

export interface RuleDoc {
  readonly id: string;
  readonly description?: string;
  readonly match: MatchDoc;
  readonly args?: Readonly<Record<string, MatcherDoc>>;
  readonly when?: WhenDoc;
  readonly effect?: Effect;
  readonly reason?: string;
  readonly obligations?: readonly ObligationDoc[];
  readonly tags?: readonly string[];
  readonly onError?: 'deny' | 'ask';
  /** With `effect: defer`: a duration, or seconds. */
  readonly retryAfter?: string | number;
  readonly priority?: number;
  readonly schedule?: ScheduleDoc;
}

/** Where a node of the document stands: keys and indices from the root. */
export type NodePath = readonly (string | number)[];
