import type { BudgetObligation, Decision, Effect, Obligation } from '../model/decision.ts';
import { messageOf } from '../model/error.ts';
import type { CompiledPolicy } from '../policy/index.ts';
import { ReplayCall, type Recorded } from '../policy/tools/replay.ts';
import { Scanner } from '../protocol/scan.ts';
import { memoryBudgets } from '../state/budgets.ts';
import { memoryLimits } from '../state/limits.ts';
import { OwnMemory } from './memory.ts';
import { keyParts, type Counted } from './rates.ts';
import { clampEdits, setEdits, Unchangeable, type Place } from './rewrite.ts';

/** What another policy says about a recorded call. */
export type Replayed =
  | { readonly kind: 'judged'; readonly effect: Effect; readonly rule: string; readonly reason: string }
  /** No policy is asked about it: the floor, an open circuit, a limit of the settings, or what never became a call. */
  | { readonly kind: 'fixed' }
  /** The policy looks at what the evidence does not hold. */
  | { readonly kind: 'unknown'; readonly why: readonly string[] };

/** What a replay is opened with. */
export interface ReplayOptions {
  /** Directory that relative paths start from. */
  readonly cwd: string;
  /** Whether what sessions did before their first record is known: the log was read from its beginning. */
  readonly isWhole: boolean;
  trustsAnnotations(server: string): boolean;
}

/** Judges recorded calls, oldest first, with the state that they would have left behind. */
export interface Replay {
  judge(recorded: Recorded): Replayed;
  close(): void;
}

const FIXED = ['floor:', 'protocol:', 'breaker:', 'settings:'];
const DAY_MS = 86_400_000;

/**
 * Opens a replay under a policy: recorded clock, rates and budgets of its own, labels of the policy, history from the calls
 * that were allowed when they were recorded. Compile the policy without real paths: paths are compared by their letters.
 */
export function openReplay(policy: CompiledPolicy, options: ReplayOptions): Replay {
  const limits = memoryLimits();
  const budgets = memoryBudgets();
  const sessions = new Map<string, Session>();
  const labelsByResults = policy.rules.some(
    ({ target, obligations }) =>
      obligations.some(({ kind }) => kind === 'label') &&
      (target.directions.has('result') || target.directions.has('answer')),
  );

  const decide = (recorded: Recorded, session: Session): Replayed => {
    const { memory } = session;
    const call = new ReplayCall(recorded, {
      cwd: options.cwd,
      trustsAnnotations: options.trustsAnnotations(recorded.server),
      labels: labelsByResults || !session.isWhole ? undefined : memory.labels,
      history: (glob, windowMs) => (session.isWhole ? memory.count(glob, windowMs) : undefined),
    });
    const first = policy.decide(call);
    if (call.lacking.size > 0) return unknown(call);
    let decision = first.effect === 'allow' ? charged(first, call, recorded) : first;
    if (call.lacking.size > 0) return unknown(call);
    const labels = decision.obligations.flatMap((duty) => (duty.kind === 'label' ? duty.labels : []));
    if (decision.effect === 'allow' && !memory.keep(labels, undefined))
      decision = refused('labels', 'the session has as many labels as it can have');
    const { effect, rule, reason } = decision;
    return { kind: 'judged', effect, rule, reason };
  };

  /** Duties in the order of the gate: what cannot be done, rates, changes of the arguments, budgets. */
  const charged = (decision: Decision, call: ReplayCall, recorded: Recorded): Decision => {
    const { obligations } = decision;
    const sandbox = obligations.find(({ kind }) => kind === 'sandbox');
    if (sandbox !== undefined) return refused(sandbox.rule, 'it may only run in a sandbox');
    const rates = obligations.flatMap((duty) => (duty.kind === 'rate' ? [duty] : []));
    if (rates.length > 0) {
      const taken = limits.take(
        rates.map(({ key, rule, max, windowMs, burst }) => ({
          key: JSON.stringify([rule, windowMs, ...keyParts(key, rule, call as Counted)]),
          max,
          windowMs,
          ...(burst === undefined ? {} : { burst }),
        })),
        recorded.time,
      );
      if (!taken.ok) return refused(rates[taken.index]?.rule ?? decision.rule, 'the limit of a rule is spent');
    }
    const unchangeable = changes(obligations, recorded);
    if (unchangeable !== undefined) return unchangeable;
    const duties = obligations.filter((duty): duty is BudgetObligation => duty.kind === 'budget');
    return duties.length === 0 ? decision : spent(decision, duties, call, recorded);
  };

  const spent = (
    decision: Decision,
    duties: readonly BudgetObligation[],
    call: ReplayCall,
    recorded: Recorded,
  ): Decision => {
    const wanted: { key: string; max: string; amount: string }[] = [];
    for (const duty of duties) {
      const { key, rule, series, max } = duty;
      const asked = duty.amount(call);
      if (typeof asked !== 'string') return refused(rule, `what it spends cannot be told: ${asked.unsure}`);
      wanted.push({ key: JSON.stringify([rule, series, ...keyParts(key, rule, call)]), max, amount: asked });
    }
    const reserved = budgets.reserve(wanted, recorded.time, DAY_MS);
    if (!reserved.ok) return refused(duties[reserved.index]?.rule ?? decision.rule, 'a budget is spent');
    // How it ended was recorded: a failure gives back at once, all else is spent.
    if (recorded.status === 'tool_error' || recorded.status === 'error') budgets.release(reserved.token);
    else budgets.commit(reserved.token);
    return decision;
  };

  return {
    judge(recorded) {
      if (FIXED.some((start) => recorded.rule.startsWith(start)) || recorded.method === '(malformed)')
        return { kind: 'fixed' };
      const session = sessionOf(sessions, recorded, options.isWhole);
      session.clock.time = recorded.time;
      session.clock.mono = recorded.mono;
      let replayed: Replayed;
      try {
        replayed = decide(recorded, session);
      } catch (error) {
        // As the gate: what cannot be decided is denied.
        replayed = { kind: 'judged', effect: 'deny', rule: 'engine-fault', reason: messageOf(error) };
      }
      const { direction, tool, effect } = recorded;
      if (direction === 'call' && tool !== undefined && effect === 'allow') session.memory.keep([], tool);
      return replayed;
    },
    close() {
      limits.close();
      budgets.close();
    },
  };
}

interface Session {
  readonly clock: { time: number; mono: number };
  readonly memory: OwnMemory;
  readonly isWhole: boolean;
}

function sessionOf(sessions: Map<string, Session>, { session: id, server }: Recorded, isWhole: boolean): Session {
  const key = JSON.stringify([id, server]);
  const known = sessions.get(key);
  if (known !== undefined) return known;
  const clock = { time: 0, mono: 0 };
  const memory = new OwnMemory({ now: () => clock.time, mono: () => clock.mono }, id);
  const fresh = { clock, memory, isWhole };
  sessions.set(key, fresh);
  return fresh;
}

function unknown({ lacking }: ReplayCall): Replayed {
  return { kind: 'unknown', why: [...lacking] };
}

function refused(rule: string, reason: string): Decision {
  return { effect: 'deny', rule, reason, obligations: [] };
}

const scanner = new Scanner({ depth: 1000 });
const NOTHING = new TextEncoder().encode('{}');

/** A denial when `set` or `clamp` cannot be carried out on the recorded arguments. */
function changes(obligations: readonly Obligation[], { args = NOTHING }: Recorded): Decision | undefined {
  const sets = obligations.flatMap((duty) => (duty.kind === 'set' ? [duty] : []));
  const clamps = obligations.flatMap((duty) => (duty.kind === 'clamp' ? [duty] : []));
  if (sets.length + clamps.length === 0 || scanner.scan(args) !== undefined) return undefined;
  const place: Place = { node: 0, holder: -1, name: 'arguments' };
  try {
    if (sets.length > 0) setEdits(scanner, place, sets);
    if (clamps.length > 0) clampEdits(scanner, place, clamps);
    return undefined;
  } catch (error) {
    if (error instanceof Unchangeable) return refused(error.rule, `its arguments cannot be changed: ${error.message}`);
    throw error;
  }
}
