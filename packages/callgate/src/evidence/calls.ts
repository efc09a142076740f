import type { Leaf } from './entries.ts';

/** Which calls to show. Names are exact, or hold `*` for any run of characters. */
export interface CallFilter {
  readonly tool?: string;
  readonly server?: string;
  readonly rule?: string;
  readonly decision?: string;
  readonly status?: string;
  /** Milliseconds since the epoch. */
  readonly since?: number;
  readonly until?: number;
  readonly limit: number;
}

/** One decided call and what became of it. */
export interface LoggedCall {
  readonly index: number;
  readonly id: string;
  readonly time: number;
  readonly server: string;
  readonly method: string;
  readonly tool: string | undefined;
  readonly target: string | undefined;
  readonly direction: string;
  readonly decision: string;
  readonly rule: string;
  readonly reason: string | undefined;
  readonly who: string;
  readonly truncated: number | undefined;
  /** Undefined while the call runs. */
  readonly status: string | undefined;
  readonly us: number | undefined;
  /** Values that were masked in the answer. */
  readonly redactions: number;
}

/** The call that a decision leaf tells of; undefined for every other leaf. */
export function callOf(index: number, leaf: Leaf): LoggedCall | undefined {
  if (leaf.type !== 'decision') return undefined;
  const { call, policy, who } = leaf;
  return {
    index,
    id: leaf.id ?? '',
    time: Date.parse(leaf.time ?? '') || 0,
    server: call?.['server'] ?? '',
    method: call?.['method'] ?? '',
    tool: call?.['tool'],
    target: call?.['target'],
    direction: call?.['direction'] ?? '',
    decision: policy?.effect ?? '',
    rule: policy?.rule ?? '',
    reason: policy?.reason,
    who: who?.agent ?? who?.id ?? '',
    truncated: leaf.args?.truncated,
    status: undefined,
    us: undefined,
    redactions: 0,
  };
}

/** Process and sequence of the decision that an outcome leaf settles, as its id. */
export function settledBy(leaf: Leaf): string | undefined {
  if (leaf.type !== 'outcome' || leaf.refs?.decision === undefined) return undefined;
  return `${(leaf.id ?? '').split('-', 1)[0]}-${leaf.refs.decision}`;
}

/** A call with its outcome put in. */
export function settled(call: LoggedCall, outcome: Leaf): LoggedCall {
  return {
    ...call,
    status: outcome.result?.status,
    us: outcome.us?.total,
    redactions: outcome.result?.redactions ?? 0,
    reason: call.reason ?? outcome.result?.reason,
  };
}

export function matches(call: LoggedCall, filter: CallFilter): boolean {
  return (
    matchesName(filter.tool, call.tool ?? '') &&
    matchesName(filter.server, call.server) &&
    matchesName(filter.rule, call.rule) &&
    (filter.decision === undefined || call.decision === filter.decision) &&
    (filter.status === undefined || call.status === filter.status) &&
    (filter.since === undefined || call.time >= filter.since) &&
    (filter.until === undefined || call.time <= filter.until)
  );
}

/** Exact, or with `*` for any run of characters. Two pointers, never a pattern engine: names come from strangers. */
export function matchesName(pattern: string | undefined, name: string): boolean {
  if (pattern === undefined || pattern === name) return true;
  let p = 0;
  let n = 0;
  let star = -1;
  let restart = 0;
  while (n < name.length) {
    if (pattern[p] === '*') {
      star = p++;
      restart = n;
    } else if (p < pattern.length && pattern[p] === name[n]) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++restart;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
