import type { Direction } from '../model/call.ts';
import type { Effect, RateKey } from '../model/decision.ts';
import type { Numeric } from './numbers.ts';

/** A policy file, version 1, as its reader hands it on (schema.ts has the shape and its documentation). */
export interface PolicyDoc {
  readonly version: number;
  readonly name?: string;
  readonly default?: 'deny' | 'allow' | 'ask';
  readonly rules: readonly RuleDoc[];
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
  readonly any?: MatcherDoc;
  readonly all?: MatcherDoc;
  readonly anyOf?: readonly OperatorDoc[];
  readonly allOf?: readonly OperatorDoc[];
}
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
}
export interface ObligationDoc {
  readonly redact?: RedactDoc;
  readonly rate?: RateDoc;
}

export interface RuleDoc {
  readonly id: string;
  readonly description?: string;
  readonly match: MatchDoc;
  readonly args?: Readonly<Record<string, MatcherDoc>>;
  readonly when?: string;
  readonly effect?: Effect;
  readonly reason?: string;
  readonly obligations?: readonly ObligationDoc[];
  readonly tags?: readonly string[];
  readonly onError?: 'deny' | 'ask';
}

/** Where a node of the document stands: keys and indices from the root. */
export type NodePath = readonly (string | number)[];
