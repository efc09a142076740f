import {
  INVALID_PARAMS,
  METHOD_NOT_FOUND,
  MISSING_CAPABILITY,
  URL_ELICITATION_REQUIRED,
} from '../../protocol/codes.ts';
import type { Id } from '../../protocol/correlate.ts';
import { readMessage, type Message } from '../../protocol/message.ts';
import { Scanner } from '../../protocol/scan.ts';
import { salvageId } from '../../protocol/salvage.ts';
import { MODERN_REVISION } from '../../protocol/revisions.ts';
import { cancelLine, errorLine, resultLine } from '../../protocol/lines.ts';
import { numberMember, textMember } from '../../protocol/members.ts';
import type { Link, LinkEvents, LinkFailure } from '../../upstreams/link.ts';
import type { Call } from './call.ts';
import type { ClientCapabilities } from './capabilities.ts';
import { EnvelopeReader } from './envelope.ts';
import { TOO_LONG, UNREADABLE } from './failures.ts';
import { LegacySession, type SessionEvents } from './legacy-session.ts';
import { Listens } from './listens.ts';
import { Parking } from './parking.ts';
import { MODERN_LIMITS, type AsModernOptions } from './modern-options.ts';
import { SessionPool } from './pool.ts';
import { discoverResult } from './server-self.ts';
import { ServerNotes } from './server-notes.ts';
import { Teller } from './teller.ts';
import { legacyRequest, modernAnswer } from './translate.ts';
import { ASKS, LOG_LEVELS, MAY_ASK } from './words.ts';

/** Methods of the eras with sessions, and of tasks, which mean something else there. */
const REMOVED: ReadonlySet<string> = new Set([
  'initialize',
  'ping',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
  'tasks/get',
  'tasks/list',
  'tasks/result',
  'tasks/cancel',
  'tasks/update',
]);
const SWEEP_MS = 1000;

/**
 * A server of the revisions with sessions, as a client of 2026-07-28 sees servers: no sessions, capabilities with each
 * request, questions inside results. Belongs to one principal.
 */
export function asModern(options: AsModernOptions, events: LinkEvents): Link {
  return new AsModern(options, events);
}

class AsModern implements Link, SessionEvents {
  readonly #o: AsModernOptions;
  readonly #teller: Teller;
  readonly #scanner: Scanner;
  readonly #envelopes = new EnvelopeReader();
  readonly #pool: SessionPool;
  readonly #parking: Parking;
  readonly #listens: Listens;
  readonly #notes: ServerNotes;
  /** By the id of the client's open request. */
  readonly #calls = new Map<Id, Call>();
  readonly #prefix: string;
  readonly #events: LinkEvents;
  #sessions = 0;
  #sweeping: (() => void) | undefined;
  #isClosed = false;

  constructor(options: AsModernOptions, events: LinkEvents) {
    this.#o = options;
    this.#events = events;
    const limits = { ...MODERN_LIMITS, ...options.limits };
    this.#teller = new Teller(events);
    this.#scanner = new Scanner(options.scan);
    this.#prefix = `callgate-${Buffer.from(options.random(6)).toString('base64url')}`;
    const now = () => options.clock.now();
    this.#pool = new SessionPool(limits, now, (capabilities) => this.#openSession(capabilities));
    const { server, principal, seal, random, clock, lot } = options;
    this.#parking = new Parking({
      server,
      principal,
      seal,
      random,
      clock,
      limits,
      lot,
      teller: this.#teller,
      calls: this.#calls,
      scanner: this.#scanner,
      released: () => this.#pool.serve(),
      deliver: (call, client) => this.#deliver(call, client),
    });
    const listens = (this.#listens = new Listens(limits, this.#teller, clock));
    this.#notes = new ServerNotes({ tape: this.#scanner, teller: this.#teller, listens, parking: this.#parking });
  }

  get isFull(): boolean {
    if (this.#pool.isBusy) return true;
    for (const session of this.#pool.sessions) if (session.isFull) return true;
    return false;
  }

  send(bytes: Uint8Array, start: number, end: number): void {
    if (this.#isClosed) return;
    this.#teller.during(() => this.#receive(bytes, start, end));
    this.#scanner.rest();
    this.#keepSweeping();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#sweeping?.();
    this.#teller.close();
    this.#parking.close();
    await this.#pool.close();
  }

  #receive(bytes: Uint8Array, start: number, end: number): void {
    const message = readMessage(this.#scanner, bytes, start, end);
    if ('refused' in message) {
      const id = message.idText === undefined ? undefined : (JSON.parse(message.idText) as Id);
      if (id !== undefined) this.#teller.message(errorLine(id, message.code, message.message), id);
    } else if (message.kind === 'request') this.#request(message, start, end);
    else if (message.cancelled !== undefined && message.method === 'notifications/cancelled') {
      this.#cancel(message.cancelled, bytes, start, end);
    }
    // A modern client has no other notifications, and nothing to answer.
  }

  #request(message: Message, start: number, end: number): void {
    const id = message.id as Id;
    const method = message.method as string;
    if (REMOVED.has(method)) return this.#refuse(id, METHOD_NOT_FOUND, `${method} is no method of ${MODERN_REVISION}.`);
    const envelope = this.#envelopes.read(this.#scanner, message);
    if ('code' in envelope) return this.#refuse(id, envelope.code, envelope.message, envelope.data);
    // A task of a session could be asked for, and never be asked about.
    if (message.isTask) return this.#refuse(id, INVALID_PARAMS, 'The server has no tasks of this revision.');
    if (method === 'server/discover') return this.#discover(id, envelope.capabilities);
    if (method === 'subscriptions/listen') return this.#listen(id, message, envelope.capabilities);
    // A state is never passed over in silence, whatever the client declares this time.
    if (MAY_ASK.has(method) && this.#parking.retry(this.#scanner, message)) return;
    const mayAsk = MAY_ASK.has(method) && envelope.capabilities.mayBeAsked;
    const line = legacyRequest(this.#scanner, message, start, end);
    this.#pool.use(
      id,
      envelope.capabilities,
      mayAsk && !this.#o.correlates,
      (session) => this.#start(session, callOf(message, session, mayAsk ? line : undefined, envelope.logLevel), line),
      (failure) => this.#teller.failed(id, failure),
    );
  }

  #discover(id: Id, capabilities: ClientCapabilities): void {
    const fail = (failure: LinkFailure): void => this.#teller.failed(id, failure);
    const answer = (session: LegacySession): void => {
      session.pins++;
      session.whenReady(
        () => {
          session.pins--;
          this.#teller.message(resultLine(id, discoverResult(session.self!)), id);
        },
        (failure) => {
          session.pins--;
          fail(failure);
        },
      );
    };
    this.#pool.use(id, capabilities, false, answer, fail);
  }

  #listen(id: Id, message: Message, capabilities: ClientCapabilities): void {
    const wanted = this.#listens.read(this.#scanner, message);
    if (typeof wanted === 'string') return this.#refuse(id, INVALID_PARAMS, wanted);
    const fail = (failure: LinkFailure): void => this.#teller.failed(id, failure);
    this.#pool.use(id, capabilities, false, (session) => this.#listens.open(id, wanted, session), fail);
  }

  #start(session: LegacySession, call: Call, line: Uint8Array): void {
    if (call.logLevel !== undefined) session.wantLog(LOG_LEVELS[call.logLevel]!);
    this.#calls.set(call.client as Id, call);
    session.calls.set(call.id, call);
    if (call.token !== undefined) session.tokens.set(call.token, call);
    if (call.line !== undefined && !this.#o.correlates) session.lease = call;
    session.send(line);
    this.#parking.claimHeld(call);
  }

  #cancel(id: Id, bytes: Uint8Array, start: number, end: number): void {
    const call = this.#calls.get(id);
    if (call === undefined) return void (this.#pool.forget(id) || this.#listens.close(id));
    this.#calls.delete(id);
    const line = call.id === id ? bytes.slice(start, end) : cancelLine(call.id, 'The client cancelled the call.');
    call.session.send(line);
    this.#parking.abandon(call);
  }

  message(session: LegacySession, message: Message, bytes: Uint8Array, start: number, end: number, about?: Id): void {
    switch (message.kind) {
      case 'request':
        return this.#asked(session, message, about);
      case 'notification':
        return this.#notes.told(session, message, start, end, this.#callOf(session, about));
      default:
        return this.#answered(session, message, bytes, start, end);
    }
  }

  #answered(session: LegacySession, message: Message, bytes: Uint8Array, start: number, end: number): void {
    const call = message.id === undefined ? undefined : session.calls.get(message.id);
    if (call === undefined) return this.#late(session, message.id);
    const { client } = call;
    if (client === undefined) {
      call.kept = { line: bytes.slice(start, end) };
      return this.#parking.finish(call);
    }
    if (message.kind === 'error' && numberMember(this.#scanner, message.error, 'code') === URL_ELICITATION_REQUIRED) {
      if (this.#parking.pagesFirst(this.#scanner, call, message)) return;
    }
    const line = this.#answerOf(call, client, message, start, end);
    this.#calls.delete(client);
    this.#parking.finish(call);
    this.#teller.message(line, client);
  }

  /** Gives a client that came back what the server has said meanwhile. */
  #deliver(call: Call, client: Id): void {
    const { kept } = call;
    this.#calls.delete(client);
    if (kept === undefined) return;
    if ('failure' in kept) return this.#teller.failed(client, kept.failure);
    const { line } = kept;
    const message = readMessage(this.#scanner, line, 0, line.length);
    if ('refused' in message) return this.#teller.failed(client, UNREADABLE);
    this.#teller.message(this.#answerOf(call, client, message, 0, line.length), client);
  }

  /** The tape holds the server's answer. */
  #answerOf(call: Call, client: Id, message: Message, start: number, end: number): Uint8Array {
    if (message.kind === 'error' && call.missing !== undefined) {
      // What the server could not do without: a modern server says so (MissingRequiredClientCapability).
      const said = textMember(this.#scanner, message.error, 'message')?.slice(0, 500) ?? '';
      const data = { requiredCapabilities: call.missing };
      return errorLine(client, MISSING_CAPABILITY, `The client lacks a capability that this needs. ${said}`, data);
    }
    const id = call.id === client ? undefined : client;
    return modernAnswer(this.#scanner, message, start, end, call.method, id);
  }

  #asked(session: LegacySession, message: Message, about: Id | undefined): void {
    const id = message.id as Id;
    const method = message.method as string;
    if (method === 'ping') return session.send(resultLine(id, '{}'));
    if (!ASKS.has(method)) return session.send(errorLine(id, METHOD_NOT_FOUND, `${method} is not offered here.`));
    const { bytes, starts, ends } = this.#scanner;
    // Refused inside the answer of a call, it would take the call with it.
    const refused = this.#events.refuses?.(bytes, starts[0]!, ends[0]!);
    if (refused !== undefined) return session.send(errorLine(id, refused.code, refused.text));
    this.#parking.asked(this.#scanner, session, message, this.#callOf(session, about), !this.#o.correlates);
  }

  /** The call that something of a server belongs to, as far as that is certain. */
  #callOf(session: LegacySession, about: Id | undefined): Call | undefined {
    if (about !== undefined) return session.calls.get(about);
    if (!this.#o.correlates && session.lease !== undefined) return session.lease;
    if (session.calls.size !== 1) return undefined;
    for (const call of session.calls.values()) return call;
    return undefined;
  }

  unreadable(session: LegacySession, id: Id | undefined, bytes: Uint8Array, start: number, end: number): void {
    const call = id === undefined ? undefined : session.calls.get(id);
    // What answers nobody, or the request that the client knows by this id, is judged and recorded as what it is.
    const passes = call === undefined || call.client === call.id;
    if (call !== undefined) this.#fail(call, UNREADABLE, !passes);
    if (passes) this.#teller.span(bytes, start, end, call?.id);
  }

  oversize(session: LegacySession, head: Uint8Array, tail: Uint8Array, length: number, about: Id | undefined): void {
    const text = salvageId(head, 0, head.length) ?? salvageId(tail, 0, tail.length);
    const call = text === undefined ? undefined : session.calls.get(JSON.parse(text) as Id);
    const passes = call === undefined || call.client === call.id;
    if (call !== undefined) this.#fail(call, TOO_LONG, !passes);
    if (passes) this.#teller.oversize(head, tail, length, call?.id ?? this.#callOf(session, about)?.client);
  }

  failed(session: LegacySession, id: Id, failure: LinkFailure): void {
    const call = session.calls.get(id);
    if (call === undefined) this.#late(session, id);
    else this.#fail(call, failure);
  }

  drained(): void {
    if (!this.isFull) this.#teller.drained();
  }

  over(session: LegacySession, failure: LinkFailure): void {
    for (const call of session.calls.values()) this.#fail(call, failure);
    this.#listens.lost(session);
    this.#pool.remove(session);
  }

  /** A call will have no answer. @param tell false when the client hears of it otherwise */
  #fail(call: Call, failure: LinkFailure, tell = true): void {
    const { client } = call;
    if (client === undefined) call.kept = { failure };
    else this.#calls.delete(client);
    this.#parking.finish(call);
    if (client !== undefined && tell) this.#teller.failed(client, failure);
  }

  /** An answer to what nobody waits for: with it, the session may be free again. */
  #late(session: LegacySession, id: Id | undefined): void {
    if (id === undefined || session.drains !== id) return;
    session.drains = session.drainingUntil = undefined;
    this.#pool.serve();
  }

  #openSession(capabilities: ClientCapabilities): LegacySession {
    const { openLegacy, client, clock } = this.#o;
    const prefix = `${this.#prefix}-${++this.#sessions}-`;
    const own = { open: openLegacy, capabilities, client, prefix, scanner: this.#scanner };
    return new LegacySession({ ...own, now: () => clock.now() }, this);
  }

  #refuse(id: Id, code: number, message: string, data?: unknown): void {
    this.#teller.message(errorLine(id, code, message, data), id);
  }

  /** One timer, while there is anything that may get old. */
  #keepSweeping(): void {
    if (this.#sweeping !== undefined || this.#isClosed) return;
    this.#sweeping = this.#o.clock.after(SWEEP_MS, () => {
      this.#sweeping = undefined;
      this.#parking.sweep();
      for (const session of this.#pool.sessions) this.#parking.sweepHeld(session);
      this.#listens.sweep();
      if (this.#pool.isCrowded) this.#parking.makeWay();
      this.#pool.sweep();
      if (!this.#pool.isEmpty || !this.#parking.isEmpty) this.#keepSweeping();
    });
  }
}

function callOf(
  message: Message,
  session: LegacySession,
  line: Uint8Array | undefined,
  logLevel: number | undefined,
): Call {
  const id = message.id as Id;
  return {
    id,
    client: id,
    method: message.method as string,
    session,
    line,
    digest: undefined,
    token: message.progressToken,
    clientToken: message.progressToken,
    logLevel,
    asks: new Map(),
    keys: 0,
    missing: undefined,
    parked: undefined,
    kept: undefined,
    collecting: undefined,
    isAgain: false,
  };
}
