import type { Principal } from '../model/principal.ts';

/** A finding as it stands in a record. */
export interface RecordedFinding {
  readonly rule: string;
  readonly class: string;
  readonly pointer: string;
  readonly start: number;
  readonly end: number;
  readonly confidence: number;
}

type Text = string | null;

/** The array that `encodeRecord` writes for a decision, field by field. */
export type DecisionTuple = readonly [
  'd',
  time: number,
  mono: number,
  server: string,
  transport: string,
  principal: Principal,
  client: Text,
  policy: string,
  protocol: Text,
  direction: string,
  method: string,
  tool: Text,
  target: Text,
  rpcId: Text,
  rule: string,
  effect: string,
  reason: Text,
  indeterminate: Text,
  obligations: readonly string[] | null,
  findings: readonly RecordedFinding[] | null,
  labels: readonly string[] | null,
  argsTruncated: number | null,
];

export type OutcomeTuple = readonly [
  'o',
  time: number,
  mono: number,
  decision: number,
  status: string,
  us: number,
  bytes: number,
  rule: Text,
  reason: Text,
  redactions: number | null,
];

export type EventTuple = readonly [
  'e',
  time: number,
  mono: number,
  type: string,
  detail: Readonly<Record<string, string | number | boolean>>,
];

export type RecordTuple = DecisionTuple | OutcomeTuple | EventTuple;

/** Reads the text of one write-ahead record. It is ours and authenticated, so its shape is trusted. */
export function decodeRecord(text: string): RecordTuple {
  return JSON.parse(text) as RecordTuple;
}
