import { createHash } from 'node:crypto';
import { canonicalise } from '../../evidence/canonical.ts';
import { INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, MISSING_CAPABILITY } from '../../protocol/codes.ts';
import type { Id } from '../../protocol/correlate.ts';
import { readMessage, type Message } from '../../protocol/message.ts';
import { OBJECT, STRING, type Tape } from '../../protocol/nodes.ts';
import type { Scanner } from '../../protocol/scan.ts';
import { quoted, splice } from '../../protocol/splice.ts';
import { elements, member } from '../../protocol/tape.ts';
import { decodeUtf8 } from '../../protocol/text.ts';
import { rawAt, strippedMeta } from '../../protocol/edits.ts';
import { bytesOf, cancelLine, errorLine, resultLine } from '../../protocol/lines.ts';
import { textMember } from '../../protocol/members.ts';
import type { Ask, Call } from './call.ts';
import { lacking } from './capabilities.ts';
import type { Clock } from '../clock.ts';
import type { LegacySession } from './legacy-session.ts';
import { lotOf, type Lot } from './lot.ts';
import type { Seal } from './seal.ts';
import type { Teller } from './teller.ts';

export interface ParkingOptions {
  readonly server: string;
  readonly principal: string;
  readonly seal: Seal;
  readonly random: (bytes: number) => Uint8Array;
  readonly clock: Clock;
  readonly lot: Lot | undefined;
  readonly limits: {
    readonly parked: number;
    readonly parkedMs: number;
    readonly collectMs: number;
    readonly asks: number;
    readonly drainMs: number;
  };
  readonly teller: Teller;
  readonly scanner: Scanner;
  /** Calls with an open request of the client, by its id. */
  readonly calls: Map<Id, Call>;
  /** A session has no call any more. */
  released(): void;
  /** Answers the open request with what the server said while nobody was there. */
  deliver(call: Call, client: Id): void;
}

/** What a `requestState` holds, sealed. */
interface State {
  readonly park: string;
  readonly until: number;
  readonly digest: string;
  readonly server: string;
  readonly principal: string;
}

const MOST_USED = 4096;
/** Room for all principals of a process that was given none. */
const EVERYBODY = lotOf(1024);

/**
 * Calls that a legacy server stopped to ask the client something. The client gets the questions as the result of its
 * request, with a sealed state; it comes back with both, and the call goes on where it stood. Each state is good for one
 * return, of the same principal, with the same call.
 */
export class Parking {
  readonly #o: ParkingOptions;
  readonly #lot: Lot;
  readonly #parked = new Map<string, Call>();
  /** States that have been used, until they would have run out. */
  readonly #used = new Map<string, number>();

  constructor(options: ParkingOptions) {
    this.#o = options;
    this.#lot = options.lot ?? EVERYBODY;
  }

  get isEmpty(): boolean {
    return this.#parked.size === 0;
  }

  /** A server asks something. @param call it belongs to, where that is certain */
  asked(tape: Tape, session: LegacySession, message: Message, call: Call | undefined, mayHold: boolean): void {
    const id = message.id as Id;
    const method = message.method as string;
    const missing = lacking(session.capabilities, method, tape, message.params);
    if (missing !== undefined) {
      if (call !== undefined) call.missing = { ...call.missing, ...missing };
      return session.send(errorLine(id, METHOD_NOT_FOUND, 'The client does not have the capability for this.'));
    }
    const embedded = embeddedOf(tape, method, message.params);
    const ask: Ask = { id, method, embedded, since: this.#o.clock.now(), wasSent: false };
    if (call !== undefined && mayBeParked(call)) this.#add(call, ask);
    else if (mayHold && session.held.length < this.#o.limits.asks) session.held.push(ask);
    else refuse(session, ask, 'No call is open that could ask the client.');
  }

  /** What a server asked between calls goes to the first client that can be asked. */
  claimHeld(call: Call): void {
    if (call.session.lease !== call) return;
    for (const ask of call.session.held.splice(0)) this.#add(call, ask);
  }

  /** A server does not want to know any more. */
  withdrawn(session: LegacySession, id: Id): void {
    const at = session.held.findIndex((ask) => ask.id === id);
    if (at >= 0) return void session.held.splice(at, 1);
    for (const { asks } of session.calls.values()) {
      for (const [key, ask] of asks) if (ask.id === id) asks.delete(key);
    }
  }

  /**
   * A request that may be the return of a parked call. The tape holds it.
   * @returns true when it is dealt with; false when it is a call of its own
   */
  retry(tape: Tape, message: Message): boolean {
    const { params } = message;
    const id = message.id as Id;
    const node = member(tape, params, 'requestState');
    const responses = member(tape, params, 'inputResponses');
    if (responses >= 0 && tape.kinds[responses] !== OBJECT) return this.#refuse(id, 'responses_invalid');
    // Answers without a state belong to no call that stands: the questions are asked anew.
    if (node < 0) return false;
    const found = this.#verified(textMember(tape, params, 'requestState'), digestOf(tape, message));
    if (typeof found === 'string') return this.#refuse(id, found);
    const { call } = found;
    const answers: (readonly [key: string, ask: Ask, response: Uint8Array])[] = [];
    for (const [key, ask] of call.asks) {
      const response = ask.wasSent ? member(tape, responses, key) : -1;
      if (response < 0) continue;
      if (tape.kinds[response] !== OBJECT) return this.#refuse(id, 'responses_invalid');
      answers.push([key, ask, rawAt(tape, response).slice()]);
    }
    const isDeclined = call.isAgain && answers.some(([key]) => !isAccepted(tape, member(tape, responses, key)));
    this.#consume(found.state);
    if (isDeclined) {
      this.#o.teller.message(errorLine(id, INTERNAL_ERROR, 'What the server needs was not accepted.'), id);
      return true;
    }
    for (const [key] of answers) call.asks.delete(key);
    if (call.isAgain && call.asks.size === 0) return false;
    this.#resume(call, id, message.progressToken);
    for (const [, ask, response] of answers) call.session.send(resultLine(ask.id, response));
    if (call.kept !== undefined) this.#o.deliver(call, id);
    else if (call.asks.size > 0) this.#park(call);
    return true;
  }

  /**
   * The server will not go on before the client has visited some pages (-32042 of 2025-11-25). The tape holds its answer.
   * @returns false when there are none: then the error is the answer
   */
  pagesFirst(tape: Tape, call: Call, message: Message): boolean {
    const client = call.client as Id;
    const pages = member(tape, member(tape, message.error, 'data'), 'elicitations');
    const urls = [...elements(tape, pages)].filter((page) => textMember(tape, page, 'url') !== undefined);
    if (!mayBeParked(call) || urls.length === 0 || urls.length > this.#o.limits.asks) return false;
    if (!call.session.capabilities.url) {
      const data = { requiredCapabilities: { elicitation: { url: {} } } };
      const line = errorLine(client, MISSING_CAPABILITY, 'The client cannot open the pages this needs.', data);
      this.#o.calls.delete(client);
      this.finish(call);
      this.#o.teller.message(line, client);
      return true;
    }
    const asks = urls.map((page) => embeddedOf(tape, 'elicitation/create', page));
    this.finish(call);
    call.isAgain = true;
    for (const embedded of asks) {
      const ask: Ask = { id: 0, method: 'elicitation/create', embedded, since: this.#o.clock.now(), wasSent: false };
      call.asks.set(`elicitation-${++call.keys}`, ask);
    }
    this.#park(call);
    return true;
  }

  /** The server is through with a call: its session is free. */
  finish(call: Call): void {
    const { session } = call;
    this.#forget(call);
    if (session.lease !== call) return;
    session.lease = undefined;
    this.#o.released();
  }

  /** Nobody waits for a call any more, and the server was told so. */
  abandon(call: Call): void {
    const { session } = call;
    this.#forget(call);
    if (session.lease !== call) return;
    session.lease = undefined;
    // Its questions could be taken for another call's: nobody else gets the session before its answer came.
    session.drains = call.id;
    session.drainingUntil = this.#o.clock.now() + this.#o.limits.drainMs;
  }

  /** Ends what waited too long. */
  sweep(): void {
    const now = this.#o.clock.now();
    for (const [park, call] of this.#parked) {
      if (call.parked!.until <= now) this.#giveUp(park, call, 'The client did not come back in time.');
    }
    for (const [park, until] of this.#used) if (until <= now) this.#used.delete(park);
  }

  /** Other calls wait for a session: the call that has been parked longest with one is given up. */
  makeWay(): void {
    for (const [park, call] of this.#parked) {
      if (call.session.lease === call && call.kept === undefined) {
        return this.#giveUp(park, call, 'Other calls of the client needed its session.');
      }
    }
  }

  /** Questions that no call came for in time are answered with an error. */
  sweepHeld(session: LegacySession): void {
    const until = this.#o.clock.now() - this.#o.limits.parkedMs;
    while (session.held.length > 0 && session.held[0]!.since <= until) {
      refuse(session, session.held.shift()!, 'No client could be asked in time.');
    }
  }

  close(): void {
    for (const park of this.#parked.keys()) this.#leave(park);
  }

  #add(call: Call, ask: Ask): void {
    if (call.asks.size >= this.#o.limits.asks) return refuse(call.session, ask, 'Too much is asked at a time.');
    call.asks.set(`${ask.method.slice(0, ask.method.indexOf('/'))}-${++call.keys}`, ask);
    if (call.client === undefined || call.collecting !== undefined) return;
    call.collecting = this.#o.clock.after(this.#o.limits.collectMs, () => {
      call.collecting = undefined;
      this.#park(call);
    });
  }

  #park(call: Call): void {
    const { client, asks } = call;
    if (client === undefined || asks.size === 0) return;
    const { limits, clock, random, server, principal, seal, teller } = this.#o;
    if (this.#parked.size >= limits.parked || !this.#lot.take()) {
      const all = [...asks.values()];
      asks.clear();
      if (call.isAgain) return this.#noRoom(client);
      for (const ask of all) refuse(call.session, ask, 'Too many calls wait for their clients.');
      return;
    }
    const park = Buffer.from(random(16)).toString('base64url');
    const until = clock.now() + limits.parkedMs;
    const state: State = { park, until, digest: this.#digestOf(call), server, principal };
    const requests = [...asks].flatMap(([key, ask], index) => {
      ask.wasSent = true;
      return [`${index === 0 ? '' : ','}${quoted(key)}:`, ask.embedded];
    });
    const sealed = quoted(seal.seal(JSON.stringify(state)));
    const result = bytesOf(
      '{"resultType":"input_required","inputRequests":{',
      ...requests,
      `},"requestState":${sealed}}`,
    );
    this.#o.calls.delete(client);
    call.client = call.clientToken = undefined;
    call.parked = { park, until };
    this.#parked.set(park, call);
    teller.message(resultLine(client, result), client);
  }

  #digestOf(call: Call): string {
    if (call.digest !== undefined) return call.digest;
    const line = call.line as Uint8Array;
    // It was read before, when it came.
    call.digest = digestOf(this.#o.scanner, readMessage(this.#o.scanner, line, 0, line.length) as Message);
    call.line = undefined;
    return call.digest;
  }

  #noRoom(client: Id): void {
    this.#o.calls.delete(client);
    this.#o.teller.message(errorLine(client, INTERNAL_ERROR, 'Too many calls wait for their clients.'), client);
  }

  /** @returns the call, or why there is none */
  #verified(sealed: string | undefined, digest: string): { call: Call; state: State } | Reason {
    const text = sealed === undefined ? undefined : this.#o.seal.open(sealed);
    if (text === undefined) return 'state_altered';
    const state = JSON.parse(text) as State;
    if (state.principal !== this.#o.principal || state.server !== this.#o.server) return 'state_foreign';
    if (this.#used.has(state.park)) return 'state_used';
    if (state.until <= this.#o.clock.now()) return 'state_expired';
    if (state.digest !== digest) return 'state_mismatch';
    const call = this.#parked.get(state.park);
    return call === undefined ? 'state_unknown' : { call, state };
  }

  #consume({ park, until }: State): void {
    this.#leave(park);
    this.#used.set(park, until);
    if (this.#used.size <= MOST_USED) return;
    for (const oldest of this.#used.keys()) {
      this.#used.delete(oldest);
      break;
    }
  }

  #giveUp(park: string, call: Call, why: string): void {
    this.#leave(park);
    if (call.kept !== undefined || call.isAgain) return;
    call.session.send(cancelLine(call.id, why));
    this.abandon(call);
  }

  #leave(park: string): void {
    const call = this.#parked.get(park);
    if (call === undefined) return;
    this.#parked.delete(park);
    call.parked = undefined;
    this.#lot.give();
  }

  #resume(call: Call, client: Id, token: Id | undefined): void {
    call.client = client;
    call.clientToken = token;
    this.#o.calls.set(client, call);
  }

  /** The server knows the call no more, or is to forget it. */
  #forget(call: Call): void {
    const { session } = call;
    session.calls.delete(call.id);
    if (call.token !== undefined && session.tokens.get(call.token) === call) session.tokens.delete(call.token);
    call.collecting?.();
    call.collecting = undefined;
    for (const ask of call.asks.values()) refuse(session, ask, 'The call it was asked for is over.');
    call.asks.clear();
  }

  #refuse(id: Id, reason: Reason): true {
    this.#o.teller.message(errorLine(id, INVALID_PARAMS, REASONS[reason], { reason }), id);
    return true;
  }
}

/** Method, name and arguments, however they are written. */
function digestOf(tape: Tape, { method, name, uri, args }: Message): string {
  const text = args < 0 ? '' : decodeUtf8(rawAt(tape, args));
  const whole = text === '' ? '' : (canonicalise(text)?.whole ?? text);
  return createHash('sha256')
    .update(JSON.stringify([method, name ?? uri, whole]))
    .digest('base64url');
}

function mayBeParked({ line, digest }: Call): boolean {
  return line !== undefined || digest !== undefined;
}

type Reason = keyof typeof REASONS;

const REASONS = {
  state_altered: 'The requestState is not one that was given out here. Send the call again without it.',
  state_foreign: 'The requestState was given to somebody else. Send the call again without it.',
  state_used: 'The requestState has been used. Send the call again without it.',
  state_expired: 'The requestState has run out. Send the call again without it.',
  state_mismatch: 'The requestState belongs to another call: method, name and arguments must be repeated as they were.',
  state_unknown: 'No call waits here for this requestState. Send the call again without it.',
  responses_invalid: '"inputResponses" must be an object of objects.',
} as const;

function refuse(session: LegacySession, ask: Ask, why: string): void {
  session.send(errorLine(ask.id, INTERNAL_ERROR, why));
}

const OF_SESSIONS: ReadonlySet<string> = new Set(['task', 'elicitationId']);
const META_OF_SESSIONS: ReadonlySet<string> = new Set(['progressToken']);

/** A server's request as it travels inside a result. */
function embeddedOf(tape: Tape, method: string, params: number): Uint8Array {
  const head = `{"method":${quoted(method)}`;
  if (params < 0) return bytesOf(`${head}}`);
  const edits = strippedMeta(tape, params, META_OF_SESSIONS, OF_SESSIONS);
  return bytesOf(`${head},"params":`, splice(tape.bytes, tape.starts[params]!, tape.ends[params]!, edits), '}');
}

function isAccepted(tape: Tape, response: number): boolean {
  const action = member(tape, response, 'action');
  return action >= 0 && tape.kinds[action] === STRING && textMember(tape, response, 'action') === 'accept';
}
