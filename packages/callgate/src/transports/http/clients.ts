import { randomBytes } from 'node:crypto';
import type { Principal } from '../../model/principal.ts';
import type { NoRoom, Usage } from './admission.ts';
import type { Client, DoorContext } from './call.ts';
import { LegacySession } from './legacy-session.ts';
import { ModernClient } from './modern-client.ts';
import type { HttpOptions } from './options.ts';
import { SseSession } from './sse-session.ts';

/** Whom something is opened for. */
interface For {
  readonly usage: Usage;
  readonly server: string | undefined;
  readonly principal: Principal;
}

/** The clients that have something going, each found by its own principal alone. */
export class Clients {
  readonly #context: DoorContext;
  readonly #open: HttpOptions['open'];
  readonly #sessions = new Map<string, LegacySession>();
  readonly #sseSessions = new Map<string, SseSession>();
  /** Modern conversations: by principal, then by server. */
  readonly #modern = new Map<string, Map<string | undefined, ModernClient>>();

  constructor(context: DoorContext, open: HttpOptions['open']) {
    this.#context = context;
    this.#open = open;
  }

  get sessions(): number {
    return this.#sessions.size + this.#sseSessions.size;
  }

  get conversations(): number {
    let count = 0;
    for (const byServer of this.#modern.values()) count += byServer.size;
    return count;
  }

  /** A session, if it is this principal's and this server's: another's is no other answer than none. */
  session(id: string | undefined, { usage, server }: Omit<For, 'principal'>): LegacySession | undefined {
    const session = id === undefined ? undefined : this.#sessions.get(id);
    return session?.usage === usage && session.server === server && !session.hasEnded ? session : undefined;
  }

  sseSession(id: string | null, usage: Usage): SseSession | undefined {
    const session = id === null ? undefined : this.#sseSessions.get(id);
    return session?.usage === usage ? session : undefined;
  }

  /** @returns undefined when there is no such server */
  openSession({ usage, server, principal }: For): LegacySession | NoRoom | undefined {
    const { admission } = this.#context;
    const noRoom = admission.openSession(usage);
    if (noRoom !== undefined) return noRoom;
    const id = newSessionId();
    const session = new LegacySession(this.#context, usage, server, id, () => {
      this.#sessions.delete(id);
      admission.closeSession(usage);
    });
    this.#openFor(session, principal);
    if (session.exchange === undefined || session.hasEnded) return undefined;
    this.#sessions.set(id, session);
    return session;
  }

  /** @returns undefined when there is no such server */
  openSse({ usage, server, principal }: For): { id: string; session: SseSession } | NoRoom | undefined {
    const { admission } = this.#context;
    const noRoom = admission.openSession(usage);
    if (noRoom !== undefined) return noRoom;
    const id = newSessionId();
    const session = new SseSession(this.#context, usage, server, () => {
      this.#sseSessions.delete(id);
      admission.closeSession(usage);
    });
    this.#openFor(session, principal);
    if (session.exchange === undefined || session.hasEnded) return undefined;
    this.#sseSessions.set(id, session);
    return { id, session };
  }

  /** What a principal has with a server since 2026-07-28, if anything. */
  modern({ usage, server }: Omit<For, 'principal'>): ModernClient | undefined {
    return this.#modern.get(usage.key)?.get(server);
  }

  /** @returns undefined when there is no such server */
  openModern({ usage, server, principal }: For): ModernClient | undefined {
    const client = new ModernClient(this.#context, usage, server, () => {
      const all = this.#modern.get(usage.key);
      if (all?.get(server) !== client) return;
      all.delete(server);
      if (all.size === 0) this.#modern.delete(usage.key);
      usage.conversations--;
      this.#context.admission.forget(usage);
    });
    const exchange = this.#open({ server, principal, era: 'modern', end: client, session: newName() });
    if (exchange === undefined || client.hasEnded) return undefined;
    client.exchange = exchange;
    usage.conversations++;
    const all = this.#modern.get(usage.key) ?? new Map<string | undefined, ModernClient>();
    this.#modern.set(usage.key, all);
    all.set(server, client);
    return client;
  }

  /** Ends what nobody has used since. A session over HTTP+SSE ends with its stream. */
  endIdle(since: number): void {
    for (const session of this.#sessions.values()) if (session.isIdle(since)) session.close();
    for (const byServer of this.#modern.values()) {
      for (const client of byServer.values()) if (client.lastUsed < since && client.calls.size === 0) client.close();
    }
  }

  close(): void {
    const modern = [...this.#modern.values()].flatMap((byServer) => [...byServer.values()]);
    const all: Client[] = [...this.#sessions.values(), ...this.#sseSessions.values(), ...modern];
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
