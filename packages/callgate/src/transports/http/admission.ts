import type { Principal } from '../../model/principal.ts';
import type { HttpLimits } from './options.ts';

/** What one principal has going at the door. */
export interface Visitor {
  readonly key: string;
  requests: number;
  sessions: number;
  streams: number;
  /** Bytes of the bodies of its requests. */
  uploading: number;
  /** Bytes of its answers that it has not read. */
  unread: number;
  /** Conversations of modern requests, by server. */
  shares: number;
}

/** Why there is no room: this principal's share is used up, or everything is. */
export type NoRoom = 'principal' | 'all';

/** One request's place; given back once, when it was answered and its response has left. */
export interface Ticket {
  readonly visitor: Visitor;
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
  readonly #visitors = new Map<string, Visitor>();
  #requests = 0;
  #sessions = 0;
  #uploading = 0;
  #unread = 0;

  constructor(limits: HttpLimits) {
    this.#limits = limits;
  }

  /** Principals that have something going. */
  get visitors(): number {
    return this.#visitors.size;
  }

  get sessions(): number {
    return this.#sessions;
  }

  visitorOf(principal: Principal): Visitor {
    const key = keyOf(principal);
    const known = this.#visitors.get(key);
    if (known !== undefined) return known;
    const visitor: Visitor = { key, requests: 0, sessions: 0, streams: 0, uploading: 0, unread: 0, shares: 0 };
    this.#visitors.set(key, visitor);
    return visitor;
  }

  enter(visitor: Visitor): Ticket | NoRoom {
    if (this.#requests >= this.#limits.inFlight) return this.#without(visitor, 'all');
    if (visitor.requests >= this.#limits.inFlightPerPrincipal) return 'principal';
    this.#requests++;
    visitor.requests++;
    return { visitor, kind: 'request', held: 0, unread: 0, isAnswered: true, isClosed: false };
  }

  /** The request is a stream that stays open. Changes nothing when there is no room for it. */
  asStream(ticket: Ticket): NoRoom | undefined {
    const { visitor } = ticket;
    if (visitor.streams >= this.#limits.streamsPerPrincipal) return 'principal';
    if (ticket.kind === 'request') {
      this.#requests--;
      visitor.requests--;
    }
    ticket.kind = 'stream';
    visitor.streams++;
    return undefined;
  }

  /** Makes room for so many bytes more of a request's body; false when there is none. */
  hold(ticket: Ticket, bytes: number): boolean {
    const { visitor } = ticket;
    const most = this.#limits.uploadBytes;
    if (this.#uploading + bytes > most || visitor.uploading + bytes > most / 2) return false;
    this.#uploading += bytes;
    visitor.uploading += bytes;
    ticket.held += bytes;
    return true;
  }

  /** Makes room for an answer that its client may never read; false when there is none. */
  keep(ticket: Ticket, bytes: number): boolean {
    const { visitor } = ticket;
    const most = this.#limits.unreadBytes;
    if (this.#unread + bytes > most || visitor.unread + bytes > most / 2) return false;
    this.#unread += bytes;
    visitor.unread += bytes;
    ticket.unread += bytes;
    return true;
  }

  /** Gives the place back if nothing of the request is left: what it says (its id, what is sent again) is held until it is answered. */
  settle(ticket: Ticket): void {
    if (!ticket.isAnswered || !ticket.isClosed || ticket.kind === 'none') return;
    this.#uploading -= ticket.held;
    ticket.visitor.uploading -= ticket.held;
    this.#unread -= ticket.unread;
    ticket.visitor.unread -= ticket.unread;
    ticket.held = ticket.unread = 0;
    if (ticket.kind === 'request') {
      this.#requests--;
      ticket.visitor.requests--;
    } else ticket.visitor.streams--;
    ticket.kind = 'none';
    this.forget(ticket.visitor);
  }

  openSession(visitor: Visitor): NoRoom | undefined {
    if (this.#sessions >= this.#limits.sessions) return 'all';
    if (visitor.sessions >= this.#limits.sessionsPerPrincipal) return 'principal';
    this.#sessions++;
    visitor.sessions++;
    return undefined;
  }

  closeSession(visitor: Visitor): void {
    this.#sessions--;
    visitor.sessions--;
    this.forget(visitor);
  }

  /** Lets go of a principal who has nothing going. */
  forget(visitor: Visitor): void {
    if (visitor.requests === 0 && visitor.sessions === 0 && visitor.streams === 0 && visitor.shares === 0) {
      if (this.#visitors.get(visitor.key) === visitor) this.#visitors.delete(visitor.key);
    }
  }

  #without(visitor: Visitor, why: NoRoom): NoRoom {
    this.forget(visitor);
    return why;
  }
}
