import { createHash } from 'node:crypto';
import type { BudgetKey, BudgetObligation, Decision } from '../model/decision.ts';
import { messageOf } from '../model/error.ts';
import type { OutcomeRecord } from '../model/record.ts';
import { parseAmount } from '../state/budget-amount.ts';
import type { Budget } from '../state/budgets.ts';
import type { Message } from '../protocol/message.ts';
import { STRING, type Tape } from '../protocol/nodes.ts';
import { member, stringAt } from '../protocol/tape.ts';
import { besidesOf, denial, engineFault } from './faults.ts';
import type { LiveCall } from './live-call.ts';
import { keyParts } from './rates.ts';
import type { Open, Session } from './session.ts';

/** What becomes of a reservation when nobody settles it: after this time it is spent. */
const HELD_MS = 86_400_000;
/** A spent key is kept longer than its period; those of sessions, which have no end that others see, for a season. */
const LIFETIMES: Readonly<Partial<Record<BudgetKey, number>>> = {
  hour: 2 * 3_600_000,
  day: 2 * 86_400_000,
  month: 62 * 86_400_000,
  session: 92 * 86_400_000,
};
/** Calls that wait for answers of the client; of one more the amount is spent. */
const MOST_WAITING = 1000;

/** What a call has set aside, until its outcome is known. */
export interface Charge {
  readonly token: string;
  readonly parts: readonly Part[];
}

/** What a call takes from one budget. */
interface Part {
  /** The same for every call that this budget of this rule counts, whatever its period. */
  readonly name: string;
  readonly duty: BudgetObligation;
  readonly budget: Budget;
}

export type Charged = { readonly decision: Decision; readonly charge: Charge | undefined };

/**
 * Sets aside what a call spends, in all budgets that its decision names or in none.
 * @param leaving the call as it leaves, when its arguments are edited: what costs more of the two is spent
 */
export function charge(
  session: Session,
  call: LiveCall,
  message: Message,
  decision: Decision,
  leaving?: () => LiveCall | undefined,
): Charged {
  const duties = decision.obligations.filter((o): o is BudgetObligation => o.kind === 'budget');
  if (duties.length === 0) return { decision, charge: undefined };
  const refused = (rule: string, reason: string): Decision => ({
    ...denial(rule, reason),
    ...besidesOf(decision),
  });
  try {
    const edited = leaving?.();
    const wanted: Part[] = [];
    for (const duty of duties) {
      const amount = amountOf(duty, call, edited);
      if (typeof amount !== 'string') {
        const reason = `What it spends of the budget cannot be told: ${amount.unsure}.`;
        return { decision: { ...refused(duty.rule, reason), indeterminate: amount.unsure }, charge: undefined };
      }
      wanted.push(partOf(duty, amount, call));
    }
    const reserved = reserve(session, call.time, wanted, retryOf(session.tape, message));
    if (reserved.ok) return { decision, charge: reserved.charge };
    const { duty, budget, left } = reserved;
    const reason = `Of the budget of ${duty.max} (${duty.key.join(', ')}) ${left} is left, and this takes ${budget.amount}.`;
    return { decision: refused(duty.rule, reason), charge: undefined };
  } catch (error) {
    return { decision: { ...engineFault(session, error), ...besidesOf(decision) }, charge: undefined };
  }
}

function amountOf(duty: BudgetObligation, call: LiveCall, edited: LiveCall | undefined): string | { unsure: string } {
  const judged = duty.amount(call);
  if (edited === undefined || typeof judged !== 'string') return judged;
  const leaving = duty.amount(edited);
  return typeof leaving === 'string' ? larger(judged, leaving) : leaving;
}

function partOf(duty: BudgetObligation, amount: string, call: LiveCall): Part {
  // Names are the peers' to choose: quoted, none can pass for two.
  const key = JSON.stringify([duty.rule, duty.series, ...keyParts(duty.key, duty.rule, call)]);
  const lifetimes = duty.key.flatMap((part) => LIFETIMES[part] ?? []);
  const lifetime = lifetimes.length === 0 ? {} : { lifetimeMs: Math.min(...lifetimes) };
  const name = JSON.stringify([duty.rule, duty.series, duty.key]);
  return { name, duty, budget: { key, max: duty.max, amount, ...lifetime } };
}

type Reserved = { readonly ok: true; readonly charge: Charge } | (Part & { readonly ok: false; readonly left: string });

/**
 * A retry is the same call: what its first round has set aside is its own, and with its state it takes no less, for the
 * server may go by what it was told first. When the retry does not fit, what was set aside stays so.
 */
function reserve(
  { options, waiting }: Session,
  now: number,
  wanted: readonly Part[],
  retry: Retry | undefined,
): Reserved {
  const budgets = options.budgets();
  const take = (parts: readonly Part[]) =>
    budgets.reserve(
      parts.map(({ budget }) => budget),
      now,
      HELD_MS,
    );
  const before = waiting.take(retry?.key);
  if (before !== undefined) budgets.release(before.token);
  const said = retry?.hasState === true ? (before?.parts ?? waiting.saidBefore(retry.key)) : undefined;
  const parts = said === undefined ? wanted : noLess(wanted, said);
  const reserved = take(parts);
  if (reserved.ok) {
    // Only states that a server gave: others would push those out.
    if (retry !== undefined && said !== undefined) waiting.remember(retry.key, parts);
    return { ok: true, charge: { token: reserved.token, parts } };
  }
  if (before !== undefined && retry !== undefined) {
    const again = take(before.parts);
    if (again.ok) waiting.put(retry.key, { ...before, token: again.token });
    if (said !== undefined) waiting.remember(retry.key, said);
  }
  return { ok: false, left: reserved.left, ...(parts[reserved.index] as Part) };
}

/** What is wanted, and at least what was said before: of the same budget the larger amount, of another one all of it. */
function noLess(wanted: readonly Part[], before: readonly Part[]): readonly Part[] {
  const known = new Map(before.map((part) => [part.name, part]));
  const raised = wanted.map((part) => {
    const other = known.get(part.name);
    known.delete(part.name);
    if (other === undefined) return part;
    return { ...part, budget: { ...part.budget, amount: larger(part.budget.amount, other.budget.amount) } };
  });
  return [...raised, ...known.values()];
}

function larger(a: string, b: string): string {
  return parseAmount(a) < parseAmount(b) ? b : a;
}

/**
 * Settles what a call was charged by the answer to it: a failure gives it back. An answer that asks the client for more
 * is no outcome: the amount waits for the retry.
 */
export function settleByAnswer(session: Session, open: Open, message: Message, status: OutcomeRecord['status']): void {
  if (open.charge === undefined) return;
  const { tape } = session;
  if (asksForMore(tape, message.result)) {
    if (session.waiting.put(stateOf(tape, open.name ?? open.uri, message.result).key, open.charge)) return;
    return spend(session, open);
  }
  if (status === 'ok') spend(session, open);
  else giveBack(session, open);
}

/** The call succeeded, or nobody knows: the amount is spent. */
export function spend({ options }: Session, { charge: held }: { readonly charge: Charge | undefined }): void {
  if (held !== undefined) settled(options, () => options.budgets().commit(held.token));
}

/** The call failed or never went: the amount may be spent by others. */
export function giveBack({ options }: Session, { charge: held }: { readonly charge: Charge | undefined }): void {
  if (held !== undefined) settled(options, () => options.budgets().release(held.token));
}

/** What is not settled is spent, so that a fault here never makes room. */
function settled(options: Session['options'], work: () => void): void {
  try {
    work();
  } catch (error) {
    options.warn(`What a call had set aside of a budget stays spent: ${messageOf(error)}`);
  }
}

/** Amounts of calls that wait for their retry, by what the retry will show. */
export class Waiting {
  readonly #held = new Map<string, Charge[]>();
  /** What was said with a state that has been used, the latest last. */
  readonly #said = new Map<string, readonly Part[]>();
  #size = 0;

  /** @returns false when it cannot be kept */
  put(key: string, charge: Charge): boolean {
    if (this.#size >= MOST_WAITING) return false;
    this.#size++;
    const held = this.#held.get(key);
    if (held === undefined) this.#held.set(key, [charge]);
    else held.push(charge);
    return true;
  }

  take(key: string | undefined): Charge | undefined {
    const held = key === undefined ? undefined : this.#held.get(key);
    const charge = held?.shift();
    if (charge === undefined) return undefined;
    this.#size--;
    if (held?.length === 0) this.#held.delete(key as string);
    return charge;
  }

  /** A state may come again: what was said with it holds then, too. */
  remember(key: string, parts: readonly Part[]): void {
    this.#said.delete(key);
    this.#said.set(key, parts);
    if (this.#said.size <= MOST_WAITING) return;
    for (const oldest of this.#said.keys()) {
      this.#said.delete(oldest);
      break;
    }
  }

  saidBefore(key: string): readonly Part[] | undefined {
    return this.#said.get(key);
  }
}

function asksForMore(tape: Tape, result: number): boolean {
  if (result < 0) return false;
  const type = member(tape, result, 'resultType');
  return (
    (type >= 0 && tape.kinds[type] === STRING && stringAt(tape, type) === 'input_required') ||
    member(tape, result, 'inputRequests') >= 0
  );
}

/** What a retry is told by. */
interface Retry {
  readonly key: string;
  readonly hasState: boolean;
}

/** Of a request that is a retry; undefined for any other. */
function retryOf(tape: Tape, { name, uri, params }: Message): Retry | undefined {
  if (params < 0) return undefined;
  const isRetry = member(tape, params, 'inputResponses') >= 0 || member(tape, params, 'requestState') >= 0;
  return isRetry ? stateOf(tape, name ?? uri, params) : undefined;
}

/** `requestState` comes back as it went out; a server that gives none has its retries told by the name alone. */
function stateOf(tape: Tape, name: string | undefined, holder: number): Retry {
  const node = member(tape, holder, 'requestState');
  const state = node >= 0 && tape.kinds[node] === STRING ? stringAt(tape, node) : '';
  const key = createHash('sha256')
    .update(JSON.stringify([name, state]))
    .digest('base64url');
  return { key, hasState: state !== '' };
}
