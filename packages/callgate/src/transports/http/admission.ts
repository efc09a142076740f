import type { Principal } from '../../model/principal.ts';
import type { HttpLimits } from './options.ts';

/** What one principal has going at the door. */
export interface Usage {
  readonly key: string;
  requests: number;
  sessions: number;
  streams: number;
  /** Bytes of the bodies of its requests. */
  uploading: number;
  /** Bytes of its answers that it has not read. */
  unread: number;
  /** Conversations of modern requests, by server. */
  conversations: number;
}

/** Why there is no room: this principal's share is used up, or everything is. */
export type NoRoom = 'principal' | 'all';

/** One request's place; given back once, when it was answered and its response has left. */
export interface Ticket {
  readonly usage: Usage;
  kind: 'request' | 'stream' | 'none';
  /** Bytes of its body, until it was answered. */
  held: number;
  /** Bytes of its answer, until that was read. */
  unread: number;
  isAnswered: boolean;
  isClosed: boolean;
}

const keys = new WeakMap<Principal, string>();

/** Everything that sets a principal apart: one whose roles have changed is another, and shares nothing with the first. */
export function keyOf(principal: Principal): string {
  const known = keys.get(principal);
  if (known !== undefined) return known;
  const { id, agent, user, roles, chain, assurance } = principal;
  const key = JSON.stringify([id, agent, user, roles, chain, assurance]);
  keys.set(principal, key);
  return key;
}

/** Counts what is going on, so that nobody takes more than a share. */
export class Admission {
  readonly #limits: HttpLimits;
  readonly #usages = new Map<string, Usage>();
  #requests = 0;
  #sessions = 0;
  #uploading = 0;
  #unread = 0;

  constructor(limits: HttpLimits) {
    this.#limits = limits;
  }

  /** Principals that have something going. */
  get principals(): number {
    return this.#usages.size;
  }

  get sessions(): number {
    return this.#sessions;
  }

  usageOf(principal: Principal): Usage {
    const key = keyOf(principal);
    const known = this.#usages.get(key);
    if (known !== undefined) return known;
    const usage: Usage = { key, requests: 0, sessions: 0, streams: 0, uploading: 0, unread: 0, conversations: 0 };
    this.#usages.set(key, usage);
    return usage;
  }

  enter(usage: Usage): Ticket | NoRoom {
    if (this.#requests >= this.#limits.inFlight) return this.#without(usage, 'all');
    if (usage.requests >= this.#limits.inFlightPerPrincipal) return 'principal';
    this.#requests++;
    usage.requests++;
    return { usage, kind: 'request', held: 0, unread: 0, isAnswered: true, isClosed: false };
  }

  /** The request is a stream that stays open. Changes nothing when there is no room for it. */
  asStream(ticket: Ticket): NoRoom | undefined {
    const { usage } = ticket;
    if (usage.streams >= this.#limits.streamsPerPrincipal) return 'principal';
    if (ticket.kind === 'request') {
      this.#requests--;
      usage.requests--;
    }
    ticket.kind = 'stream';
    usage.streams++;
    return undefined;
  }

  /** Makes room for so many bytes more of a request's body; false when there is none. */
  hold(ticket: Ticket, bytes: number): boolean {
    const { usage } = ticket;
    const most = this.#limits.uploadBytes;
    if (this.#uploading + bytes > most || usage.uploading + bytes > most / 2) return false;
    this.#uploading += bytes;
    usage.uploading += bytes;
    ticket.held += bytes;
    return true;
  }

  /** Makes room for an answer that its client may never read; false when there is none. */
  keep(ticket: Ticket, bytes: number): boolean {
    const { usage } = ticket;
    const most = this.#limits.unreadBytes;
    if (this.#unread + bytes > most || usage.unread + bytes > most / 2) return false;
    this.#unread += bytes;
    usage.unread += bytes;
    ticket.unread += bytes;
    return true;
  }

  /** Gives the place back if nothing of the request is left: what it says (its id, what is sent again) is held until it is answered. */
  settle(ticket: Ticket): void {
    if (!ticket.isAnswered || !ticket.isClosed || ticket.kind === 'none') return;
    this.#uploading -= ticket.held;
    ticket.usage.uploading -= ticket.held;
    this.#unread -= ticket.unread;
    ticket.usage.unread -= ticket.unread;
    ticket.held = ticket.unread = 0;
    if (ticket.kind === 'request') {
      this.#requests--;
      ticket.usage.requests--;
    } else ticket.usage.streams--;
    ticket.kind = 'none';
    this.forget(ticket.usage);
  }

  openSession(usage: Usage): NoRoom | undefined {
    if (this.#sessions >= this.#limits.sessions) return 'all';
    if (usage.sessions >= this.#limits.sessionsPerPrincipal) return 'principal';
    this.#sessions++;
    usage.sessions++;
    return undefined;
  }

  closeSession(usage: Usage): void {
    this.#sessions--;
    usage.sessions--;
    this.forget(usage);
  }

  /** Lets go of a principal who has nothing going. */
  forget(usage: Usage): void {
    if (usage.requests === 0 && usage.sessions === 0 && usage.streams === 0 && usage.conversations === 0) {
      if (this.#usages.get(usage.key) === usage) this.#usages.delete(usage.key);
    }
  }

  #without(usage: Usage, why: NoRoom): NoRoom {
    this.forget(usage);
    return why;
  }
}
