import { INVALID_PARAMS, METHOD_NOT_FOUND } from '../../protocol/codes.ts';
import type { Id } from '../../protocol/correlate.ts';
import type { Message } from '../../protocol/message.ts';
import { STRING, type Tape } from '../../protocol/nodes.ts';
import { quoted, splice } from '../../protocol/splice.ts';
import { elements, jsonAt, member, stringAt } from '../../protocol/tape.ts';
import { SUBSCRIPTION_ID } from '../../protocol/meta-keys.ts';
import { strippedMeta } from '../../protocol/edits.ts';
import { errorLine, resultLine } from '../../protocol/lines.ts';
import type { Clock } from '../clock.ts';
import type { OwnAnswer } from './legacy-session.ts';
import type { ServerSelf } from './server-self.ts';
import type { Teller } from './teller.ts';

export interface UpstreamListenOptions {
  readonly limits: { readonly subscriptions: number };
  readonly clock: Clock;
  readonly teller: Teller;
  /** Sends a `subscriptions/listen`. @returns its id */
  ask(params: string, answered: OwnAnswer): Id;
  cancel(id: Id): void;
  /** What the server says to end a listen that was cancelled is of no interest. */
  forget(id: Id): void;
  /** The members of `_meta`. */
  envelope(): string;
}

interface Listen {
  readonly id: Id;
  readonly uris: ReadonlySet<string>;
  readonly since: number;
}

/** Unanswered `resources/subscribe` of the client. */
interface Waiter {
  readonly id: Id;
  readonly uri: string;
}

const CHANGES: ReadonlySet<string> = new Set([
  'notifications/tools/list_changed',
  'notifications/prompts/list_changed',
  'notifications/resources/list_changed',
  'notifications/resources/updated',
]);
const ANSWER_MS = 10_000;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

/**
 * The one listen that a legacy client's subscriptions, and what it is told unasked, are made of. When they change, the
 * next listen is acknowledged before the last one goes, so that nothing falls between them.
 */
export class UpstreamListen {
  readonly #o: UpstreamListenOptions;
  #kinds: readonly string[] = [];
  readonly #uris = new Set<string>();
  #self: ServerSelf | undefined;
  #current: Listen | undefined;
  #next: Listen | undefined;
  #isStale = false;
  #waiters: Waiter[] = [];
  #retryAt: number | undefined;
  #pauseMs = FIRST_PAUSE_MS;

  constructor(options: UpstreamListenOptions) {
    this.#o = options;
  }

  /** Nothing is expected to happen by itself. */
  get isSettled(): boolean {
    return this.#next === undefined && this.#retryAt === undefined;
  }

  /** The client is ready to be told of changes. */
  begin(self: ServerSelf | undefined): void {
    if (self === undefined || this.#self !== undefined) return;
    this.#self = self;
    const { has } = self;
    this.#kinds = [
      ...(has.toolsChange ? ['toolsListChanged'] : []),
      ...(has.promptsChange ? ['promptsListChanged'] : []),
      ...(has.resourcesChange ? ['resourcesListChanged'] : []),
    ];
    if (this.#kinds.length > 0) this.#refresh();
  }

  subscribe(id: Id, uri: string): void {
    if (this.#self?.has.subscribe === false)
      return this.#refuse(id, METHOD_NOT_FOUND, 'The server has no subscriptions.');
    if (!this.#uris.has(uri) && this.#uris.size >= this.#o.limits.subscriptions) {
      return this.#refuse(id, INVALID_PARAMS, 'The client has too many subscriptions.');
    }
    if (this.#current?.uris.has(uri)) {
      this.#uris.add(uri);
      return this.#reply(id);
    }
    if (this.#waiters.length >= this.#o.limits.subscriptions) {
      return this.#refuse(id, INVALID_PARAMS, 'The client has too many subscriptions.');
    }
    this.#uris.add(uri);
    this.#waiters.push({ id, uri });
    this.#refresh();
  }

  unsubscribe(id: Id, uri: string): void {
    if (this.#uris.delete(uri)) this.#refresh();
    this.#reply(id);
  }

  /**
   * A notification of the server; the tape holds it.
   * @returns true when it is dealt with
   */
  told(tape: Tape, message: Message, start: number, end: number): boolean {
    const isAcknowledgement = message.method === 'notifications/subscriptions/acknowledged';
    if (!isAcknowledgement && !CHANGES.has(message.method as string)) return false;
    const id = subscriptionOf(tape, message.params);
    if (isAcknowledgement) {
      if (this.#next !== undefined && id === this.#next.id)
        this.#acknowledged(this.#next, grantedIn(tape, message.params));
      return true;
    }
    // What belongs to no listen that stands was asked for by nobody.
    if (this.#current === undefined || id !== this.#current.id) return true;
    if (message.uri !== undefined && !this.#isWanted(message.uri)) return true;
    const line = splice(tape.bytes, start, end, strippedMeta(tape, message.params, META));
    this.#o.teller.message(line, undefined);
    return true;
  }

  /** Tries again what ended, and gives up on what is not acknowledged. */
  sweep(): void {
    const now = this.#o.clock.now();
    if (this.#next !== undefined && this.#next.since + ANSWER_MS <= now) {
      this.#o.cancel(this.#next.id);
      this.#o.forget(this.#next.id);
      this.#lost(this.#next, 'The server did not agree to it in time.');
    }
    if (this.#retryAt === undefined || this.#retryAt > now) return;
    this.#retryAt = undefined;
    this.#refresh();
  }

  #refresh(): void {
    if (this.#next !== undefined) {
      this.#isStale = true;
      return;
    }
    this.#isStale = false;
    if (this.#kinds.length === 0 && this.#uris.size === 0) return this.#leave();
    const wanted = this.#kinds.map((kind) => `"${kind}":true`);
    if (this.#uris.size > 0) wanted.push(`"resourceSubscriptions":[${[...this.#uris].map(quoted).join(',')}]`);
    const params = `{"notifications":{${wanted.join(',')}},"_meta":{${this.#o.envelope()}}}`;
    const id = this.#o.ask(params, (answer) => {
      const why = 'why' in answer ? `The server ${answer.why}.` : 'The server ended it.';
      if (this.#next?.id === id) this.#lost(this.#next, why);
      else if (this.#current?.id === id) this.#ended();
    });
    this.#next = { id, uris: new Set(), since: this.#o.clock.now() };
  }

  #acknowledged(next: Listen, uris: ReadonlySet<string>): void {
    this.#next = undefined;
    this.#leave();
    this.#current = { ...next, uris };
    this.#pauseMs = FIRST_PAUSE_MS;
    const waiters = this.#waiters;
    // Who asked after this listen was sent waits for the next one.
    this.#waiters = this.#isStale ? waiters.filter(({ uri }) => this.#uris.has(uri) && !uris.has(uri)) : [];
    for (const waiter of waiters) {
      if (uris.has(waiter.uri)) this.#reply(waiter.id);
      else if (!this.#waiters.includes(waiter)) this.#denied(waiter, 'The server does not agree to it.');
    }
    if (this.#isStale) this.#refresh();
  }

  /** A listen ended before it was acknowledged. */
  #lost(next: Listen, why: string): void {
    if (this.#next !== next) return;
    this.#next = undefined;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) this.#denied(waiter, why);
    if (this.#current === undefined) this.#retryLater();
  }

  #ended(): void {
    this.#current = undefined;
    if (this.#next === undefined) this.#retryLater();
  }

  #retryLater(): void {
    if (this.#kinds.length === 0 && this.#uris.size === 0) return;
    this.#retryAt = this.#o.clock.now() + this.#pauseMs;
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
  }

  #leave(): void {
    const last = this.#current;
    this.#current = undefined;
    if (last === undefined) return;
    this.#o.cancel(last.id);
    this.#o.forget(last.id);
  }

  #isWanted(uri: string): boolean {
    if (this.#uris.has(uri)) return true;
    for (const whole of this.#uris) if (uri.startsWith(whole.endsWith('/') ? whole : `${whole}/`)) return true;
    return false;
  }

  #denied({ id, uri }: Waiter, why: string): void {
    this.#uris.delete(uri);
    this.#refuse(id, INVALID_PARAMS, why);
  }

  #reply(id: Id): void {
    this.#o.teller.message(resultLine(id, '{}'), id);
  }

  #refuse(id: Id, code: number, message: string): void {
    this.#o.teller.message(errorLine(id, code, message), id);
  }
}

const META: ReadonlySet<string> = new Set([SUBSCRIPTION_ID]);

function subscriptionOf(tape: Tape, params: number): unknown {
  const node = member(tape, member(tape, params, '_meta'), SUBSCRIPTION_ID);
  return node < 0 ? undefined : jsonAt(tape, node);
}

function grantedIn(tape: Tape, params: number): ReadonlySet<string> {
  const list = member(tape, member(tape, params, 'notifications'), 'resourceSubscriptions');
  return new Set(
    [...elements(tape, list)].filter((node) => tape.kinds[node] === STRING).map((node) => stringAt(tape, node)),
  );
}
