import { createHash } from 'node:crypto';
import type { BudgetKey, BudgetObligation, Decision } from '../model/decision.ts';
import { messageOf } from '../model/error.ts';
import type { OutcomeRecord } from '../model/record.ts';
import type { Budget } from '../state/budgets.ts';
import type { Message } from '../protocol/message.ts';
import { STRING, type Tape } from '../protocol/nodes.ts';
import { member, stringAt } from '../protocol/tape.ts';
import { denial, engineFault } from './faults.ts';
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

export type Charged = { readonly decision: Decision; readonly charge: string | undefined };

/**
 * Sets aside what a call spends, in all budgets that its decision names or in none. The token it leaves stands for the
 * amount until the call's outcome is known.
 */
export function charge(session: Session, call: LiveCall, message: Message, decision: Decision): Charged {
  const duties = decision.obligations.filter((o): o is BudgetObligation => o.kind === 'budget');
  if (duties.length === 0) return { decision, charge: undefined };
  const refused = (rule: string, reason: string): Decision => ({
    ...denial(rule, reason),
    obligations: decision.obligations,
  });
  try {
    const wanted: Budget[] = [];
    for (const duty of duties) {
      const amount = duty.amount(call);
      if (typeof amount !== 'string') {
        const reason = `What it spends of the budget cannot be told: ${amount.unsure}.`;
        return { decision: { ...refused(duty.rule, reason), indeterminate: amount.unsure }, charge: undefined };
      }
      wanted.push(budgetOf(duty, amount, call));
    }
    const budgets = session.options.budgets();
    // A retry is the same call: what its first round set aside is its own.
    const before = session.waiting.take(waitingKey(session.tape, message));
    if (before !== undefined) budgets.release(before);
    const reserved = budgets.reserve(wanted, call.time, HELD_MS);
    if (reserved.ok) return { decision, charge: reserved.token };
    const duty = duties[reserved.index] as BudgetObligation;
    const { amount } = wanted[reserved.index] as Budget;
    const reason = `Of the budget of ${duty.max} (${duty.key.join(', ')}) ${reserved.left} is left, and this takes ${amount}.`;
    return { decision: refused(duty.rule, reason), charge: undefined };
  } catch (error) {
    return { decision: { ...engineFault(session, error), obligations: decision.obligations }, charge: undefined };
  }
}

function budgetOf(duty: BudgetObligation, amount: string, call: LiveCall): Budget {
  // Names are the peers' to choose: quoted, none can pass for two.
  const key = JSON.stringify([duty.rule, duty.series, ...keyParts(duty.key, duty.rule, call)]);
  const lifetimes = duty.key.flatMap((part) => LIFETIMES[part] ?? []);
  return { key, max: duty.max, amount, ...(lifetimes.length === 0 ? {} : { lifetimeMs: Math.min(...lifetimes) }) };
}

/**
 * Settles what a call was charged by the answer to it: a failure gives it back. An answer that asks the client for more
 * is no outcome: the amount waits for the retry.
 */
export function settleByAnswer(session: Session, open: Open, message: Message, status: OutcomeRecord['status']): void {
  if (open.charge === undefined) return;
  const { tape } = session;
  if (asksForMore(tape, message.result)) {
    if (session.waiting.put(stateKey(tape, open.name ?? open.uri, message.result), open.charge)) return;
    return spend(session, open);
  }
  if (status === 'ok') spend(session, open);
  else giveBack(session, open);
}

/** The call succeeded, or nobody knows: the amount is spent. */
export function spend({ options }: Session, { charge: token }: { readonly charge: string | undefined }): void {
  if (token !== undefined) settled(options, () => options.budgets().commit(token));
}

/** The call failed or never went: the amount may be spent by others. */
export function giveBack({ options }: Session, { charge: token }: { readonly charge: string | undefined }): void {
  if (token !== undefined) settled(options, () => options.budgets().release(token));
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
  readonly #tokens = new Map<string, string[]>();
  #size = 0;

  /** @returns false when it cannot be kept */
  put(key: string, token: string): boolean {
    if (this.#size >= MOST_WAITING) return false;
    this.#size++;
    const tokens = this.#tokens.get(key);
    if (tokens === undefined) this.#tokens.set(key, [token]);
    else tokens.push(token);
    return true;
  }

  take(key: string | undefined): string | undefined {
    const tokens = key === undefined ? undefined : this.#tokens.get(key);
    const token = tokens?.shift();
    if (token === undefined) return undefined;
    this.#size--;
    if (tokens?.length === 0) this.#tokens.delete(key as string);
    return token;
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

/** Of a request that is a retry; undefined for any other. */
function waitingKey(tape: Tape, { name, uri, params }: Message): string | undefined {
  if (params < 0) return undefined;
  const isRetry = member(tape, params, 'inputResponses') >= 0 || member(tape, params, 'requestState') >= 0;
  return isRetry ? stateKey(tape, name ?? uri, params) : undefined;
}

/** `requestState` comes back as it went out; a server that gives none has its retries told by the name alone. */
function stateKey(tape: Tape, name: string | undefined, holder: number): string {
  const node = member(tape, holder, 'requestState');
  const state = node >= 0 && tape.kinds[node] === STRING ? stringAt(tape, node) : '';
  return createHash('sha256')
    .update(JSON.stringify([name, state]))
    .digest('base64url');
}
