import { SERVER_ENDED, TOO_MANY_IN_FLIGHT } from '../../protocol/codes.ts';
import type { Id } from '../../protocol/correlate.ts';
import type { LinkFailure } from '../../upstreams/link.ts';
import type { ClientCapabilities } from './capabilities.ts';
import type { LegacySession } from './legacy-session.ts';

export interface PoolLimits {
  /** Sessions at a time. */
  readonly sessions: number;
  /** Calls that wait for a session of their own. */
  readonly queue: number;
  readonly queueMs: number;
  readonly idleMs: number;
  /** How long a server may take to be ready. */
  readonly startMs: number;
}

/** A call that waits for a session. */
interface Waiter {
  readonly client: Id;
  readonly capabilities: ClientCapabilities;
  readonly isLease: boolean;
  readonly until: number;
  readonly start: (session: LegacySession) => void;
  readonly fail: (failure: LinkFailure) => void;
}

const PATIENCE_MS = 3000;

/** Sessions with one legacy server, on behalf of one principal: one or more for each set of client capabilities. */
export class SessionPool {
  readonly #limits: PoolLimits;
  readonly #open: (capabilities: ClientCapabilities) => LegacySession;
  readonly #now: () => number;
  readonly #sessions = new Set<LegacySession>();
  #waiters: Waiter[] = [];

  constructor(limits: PoolLimits, now: () => number, open: (capabilities: ClientCapabilities) => LegacySession) {
    this.#limits = limits;
    this.#now = now;
    this.#open = open;
  }

  get sessions(): ReadonlySet<LegacySession> {
    return this.#sessions;
  }

  get isBusy(): boolean {
    return this.#waiters.length >= this.#limits.queue;
  }

  /** A call has waited so long for a session that one held for a client who may never come back is better used. */
  get isCrowded(): boolean {
    const [first] = this.#waiters;
    return first !== undefined && first.until - this.#limits.queueMs + PATIENCE_MS <= this.#now();
  }

  get isEmpty(): boolean {
    return this.#sessions.size === 0 && this.#waiters.length === 0;
  }

  /**
   * Finds or opens a session and runs `start` with it, at once or when one is free.
   * @param isLease nobody else's call may be asked for anything on it meanwhile
   */
  use(
    client: Id,
    capabilities: ClientCapabilities,
    isLease: boolean,
    start: (session: LegacySession) => void,
    fail: (failure: LinkFailure) => void,
  ): void {
    const session = this.#find(capabilities, isLease);
    if (session !== undefined) return start(session);
    if (this.#waiters.length >= this.#limits.queue) return fail(BUSY);
    this.#waiters.push({ client, capabilities, isLease, until: this.#now() + this.#limits.queueMs, start, fail });
  }

  /** The client gave up on a call that has not begun. */
  forget(client: Id): boolean {
    const before = this.#waiters.length;
    this.#waiters = this.#waiters.filter((waiter) => waiter.client !== client);
    return this.#waiters.length < before;
  }

  /** Something is free, or gone: who waits for it goes on. */
  serve(): void {
    const waiters = this.#waiters;
    if (waiters.length === 0) return;
    this.#waiters = [];
    const still: Waiter[] = [];
    for (const waiter of waiters) {
      const session = this.#find(waiter.capabilities, waiter.isLease);
      if (session === undefined) still.push(waiter);
      else waiter.start(session);
    }
    this.#waiters = [...still, ...this.#waiters];
  }

  /** A session has ended. */
  remove(session: LegacySession): void {
    this.#sessions.delete(session);
    this.serve();
  }

  /** Ends what nobody used for a while, what does not get ready, and waiting that takes too long. */
  sweep(): void {
    const now = this.#now();
    for (const session of this.#sessions) {
      if (session.drainingUntil !== undefined && session.drainingUntil <= now) this.#drop(session);
      else if (session.startingFor(now) > this.#limits.startMs) session.end(SLOW_START);
      else if (session.isIdle && now - session.lastUsed > this.#limits.idleMs) this.#drop(session);
    }
    const late = this.#waiters.filter((waiter) => waiter.until <= now);
    this.#waiters = this.#waiters.filter((waiter) => waiter.until > now);
    for (const waiter of late) waiter.fail(BUSY);
    this.serve();
  }

  async close(): Promise<void> {
    this.#waiters = [];
    const sessions = [...this.#sessions];
    this.#sessions.clear();
    await Promise.all(sessions.map((session) => session.close()));
  }

  #find(capabilities: ClientCapabilities, isLease: boolean): LegacySession | undefined {
    for (const session of this.#sessions) {
      if (session.capabilities.text !== capabilities.text || session.isOver) continue;
      if (session.drainingUntil === undefined && (!isLease || session.lease === undefined)) return session;
    }
    if (this.#sessions.size >= this.#limits.sessions && !this.#makeRoom()) return undefined;
    const session = this.#open(capabilities);
    this.#sessions.add(session);
    return session;
  }

  /** Ends the session that was idle longest, for one with other capabilities. */
  #makeRoom(): boolean {
    let oldest: LegacySession | undefined;
    for (const session of this.#sessions) {
      if (session.isIdle && (oldest === undefined || session.lastUsed < oldest.lastUsed)) oldest = session;
    }
    if (oldest !== undefined) this.#drop(oldest);
    return oldest !== undefined;
  }

  #drop(session: LegacySession): void {
    this.#sessions.delete(session);
    session.end(DROPPED);
  }
}

const BUSY: LinkFailure = {
  code: TOO_MANY_IN_FLIGHT,
  why: 'has no session free for another call',
  kind: 'refused',
  retryAfterMs: 1000,
};
const SLOW_START: LinkFailure = { code: SERVER_ENDED, why: 'did not get ready in time', kind: 'transport' };
const DROPPED: LinkFailure = { code: SERVER_ENDED, why: 'was let go of', kind: 'refused' };
