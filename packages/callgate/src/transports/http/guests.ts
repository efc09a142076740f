import { randomBytes } from 'node:crypto';
import type { Principal } from '../../model/principal.ts';
import type { NoRoom, Visitor } from './admission.ts';
import type { Client, Hall } from './call.ts';
import { LegacySession } from './legacy-session.ts';
import { ModernClient } from './modern-client.ts';
import type { HttpOptions } from './options.ts';
import { SseSession } from './sse-session.ts';

/** Whom something is opened for. */
interface For {
  readonly visitor: Visitor;
  readonly server: string | undefined;
  readonly principal: Principal;
}

/** The clients that have something going, each found by its own principal alone. */
export class Guests {
  readonly #hall: Hall;
  readonly #open: HttpOptions['open'];
  readonly #sessions = new Map<string, LegacySession>();
  readonly #sseSessions = new Map<string, SseSession>();
  /** Modern conversations: by principal, then by server. */
  readonly #shares = new Map<string, Map<string | undefined, ModernClient>>();

  constructor(hall: Hall, open: HttpOptions['open']) {
    this.#hall = hall;
    this.#open = open;
  }

  get sessions(): number {
    return this.#sessions.size + this.#sseSessions.size;
  }

  get shares(): number {
    let count = 0;
    for (const byServer of this.#shares.values()) count += byServer.size;
    return count;
  }

  /** A session, if it is this principal's and this server's: another's is no other answer than none. */
  session(id: string | undefined, { visitor, server }: Omit<For, 'principal'>): LegacySession | undefined {
    const session = id === undefined ? undefined : this.#sessions.get(id);
    return session?.visitor === visitor && session.server === server && !session.hasEnded ? session : undefined;
  }

  sseSession(id: string | null, visitor: Visitor): SseSession | undefined {
    const session = id === null ? undefined : this.#sseSessions.get(id);
    return session?.visitor === visitor ? session : undefined;
  }

  /** @returns undefined when there is no such server */
  openSession({ visitor, server, principal }: For): LegacySession | NoRoom | undefined {
    const { admission } = this.#hall;
    const noRoom = admission.openSession(visitor);
    if (noRoom !== undefined) return noRoom;
    const id = newSessionId();
    const session = new LegacySession(this.#hall, visitor, server, id, () => {
      this.#sessions.delete(id);
      admission.closeSession(visitor);
    });
    this.#openFor(session, principal);
    if (session.exchange === undefined || session.hasEnded) return undefined;
    this.#sessions.set(id, session);
    return session;
  }

  /** @returns undefined when there is no such server */
  openSse({ visitor, server, principal }: For): { id: string; session: SseSession } | NoRoom | undefined {
    const { admission } = this.#hall;
    const noRoom = admission.openSession(visitor);
    if (noRoom !== undefined) return noRoom;
    const id = newSessionId();
    const session = new SseSession(this.#hall, visitor, server, () => {
      this.#sseSessions.delete(id);
      admission.closeSession(visitor);
    });
    this.#openFor(session, principal);
    if (session.exchange === undefined || session.hasEnded) return undefined;
    this.#sseSessions.set(id, session);
    return { id, session };
  }

  /** What a principal has with a server since 2026-07-28, if anything. */
  share({ visitor, server }: Omit<For, 'principal'>): ModernClient | undefined {
    return this.#shares.get(visitor.key)?.get(server);
  }

  /** @returns undefined when there is no such server */
  openShare({ visitor, server, principal }: For): ModernClient | undefined {
    const share = new ModernClient(this.#hall, visitor, server, () => {
      const all = this.#shares.get(visitor.key);
      if (all?.get(server) !== share) return;
      all.delete(server);
      if (all.size === 0) this.#shares.delete(visitor.key);
      visitor.shares--;
      this.#hall.admission.forget(visitor);
    });
    const exchange = this.#open({ server, principal, era: 'modern', end: share, session: newName() });
    if (exchange === undefined || share.hasEnded) return undefined;
    share.exchange = exchange;
    visitor.shares++;
    const all = this.#shares.get(visitor.key) ?? new Map<string | undefined, ModernClient>();
    this.#shares.set(visitor.key, all);
    all.set(server, share);
    return share;
  }

  /** Ends what nobody has used since. A session over HTTP+SSE ends with its stream. */
  endIdle(since: number): void {
    for (const session of this.#sessions.values()) if (session.isIdle(since)) session.close();
    for (const byServer of this.#shares.values()) {
      for (const share of byServer.values()) if (share.lastUsed < since && share.calls.size === 0) share.close();
    }
  }

  close(): void {
    const shares = [...this.#shares.values()].flatMap((byServer) => [...byServer.values()]);
    const all: Client[] = [...this.#sessions.values(), ...this.#sseSessions.values(), ...shares];
    for (const client of all) client.close();
  }

  /** Opens what a session talks to; ends the session when there is none. */
  #openFor(session: LegacySession | SseSession, principal: Principal): void {
    const { server } = session;
    try {
      session.exchange = this.#open({ server, principal, era: 'legacy', end: session, session: newName() });
    } finally {
      if (session.exchange === undefined) session.ended('is unknown');
    }
  }
}

/** Not to be guessed, and visible ASCII (2025-11-25, basic/transports, "Session management"). */
function newSessionId(): string {
  return randomBytes(24).toString('base64url');
}

/** Names a conversation in records. */
function newName(): string {
  return randomBytes(12).toString('base64url');
}
