import type { Scanner } from '../../protocol/scan.ts';
import { readMessage, type Message, type Refusal } from '../../protocol/message.ts';
import { type Tape } from '../../protocol/nodes.ts';
import type { Id } from '../../protocol/correlate.ts';
import { salvageId } from '../../protocol/salvage.ts';
import { quoted } from '../../protocol/splice.ts';
import { SERVER_ENDED } from '../../protocol/codes.ts';
import { LEGACY_REVISIONS, NEWEST_LEGACY } from '../../protocol/revisions.ts';
import { notificationLine, requestLine } from '../../protocol/lines.ts';
import { textMember } from '../../protocol/members.ts';
import type { Link, LinkFailure, OpenLink } from '../../upstreams/link.ts';
import type { ClientCapabilities } from './capabilities.ts';
import type { Ask, Call } from './call.ts';
import { selfOf, type ServerSelf } from './server-self.ts';

/** What a session with a legacy server tells; the scanner's tape holds the message meanwhile. */
export interface SessionEvents {
  message(session: LegacySession, message: Message, bytes: Uint8Array, start: number, end: number, about?: Id): void;
  /** Bytes that are no message. @param id of the request that they seem to answer */
  unreadable(session: LegacySession, id: Id | undefined, bytes: Uint8Array, start: number, end: number): void;
  oversize(session: LegacySession, head: Uint8Array, tail: Uint8Array, length: number, about: Id | undefined): void;
  failed(session: LegacySession, id: Id, failure: LinkFailure): void;
  drained(): void;
  /** Nothing else comes; what was open will not be answered. */
  over(session: LegacySession, failure: LinkFailure): void;
}

export interface SessionOptions {
  readonly open: OpenLink;
  readonly capabilities: ClientCapabilities;
  readonly client: { readonly name: string; readonly version: string };
  readonly scanner: Scanner;
  /** Begins every id of our own requests, so that no client's id is one. */
  readonly prefix: string;
  readonly now: () => number;
}

/** What waits for the server to be ready. */
const MOST_WAITING_BYTES = 64 << 20;

/** How one of our own requests ended; the tape holds the answer. */
export type OwnAnswer = (message: Message | LinkFailure) => void;

/** One session with a server of the revisions that have them: opened, initialized, and then used. */
export class LegacySession {
  readonly capabilities: ClientCapabilities;
  /** Calls that the server has and did not answer, by the id it knows. */
  readonly calls = new Map<Id, Call>();
  /** The same by the progress token it knows. */
  readonly tokens = new Map<Id, Call>();
  /** Requests of the server that belong to no call yet. */
  readonly held: Ask[] = [];
  /** The one call that may be asked for something. */
  lease: Call | undefined;
  /** The call of a lease that its client left, and until when nobody else gets the session. */
  drains: Id | undefined;
  drainingUntil: number | undefined;
  /** How many count on it besides calls. */
  pins = 0;
  lastUsed: number;
  self: ServerSelf | undefined;

  readonly #o: SessionOptions;
  readonly #events: SessionEvents;
  readonly #link: Link;
  readonly #own = new Map<Id, OwnAnswer>();
  readonly #openedAt: number;
  #waiting: Uint8Array[] | undefined = [];
  #waitingBytes = 0;
  #whenReady: { readonly run: () => void; readonly failed: (failure: LinkFailure) => void }[] = [];
  #ids = 0;
  #logLevel: string | undefined;
  #isOver = false;

  constructor(options: SessionOptions, events: SessionEvents) {
    this.#o = options;
    this.#events = events;
    this.capabilities = options.capabilities;
    this.lastUsed = this.#openedAt = options.now();
    this.#link = options.open({
      message: (bytes, start, end, about) => {
        this.#message(bytes, start, end, about);
        this.#o.scanner.rest();
      },
      oversize: (head, tail, length, about) => this.#oversize(head, tail, length, about),
      failed: (id, failure) => this.#failed(id, failure),
      drained: () => events.drained(),
      ended: (how) => this.#end({ code: SERVER_ENDED, why: how, kind: 'transport' }),
    });
    this.#initialize();
  }

  get isFull(): boolean {
    return this.#link.isFull || this.#waitingBytes >= MOST_WAITING_BYTES;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get isReady(): boolean {
    return this.self !== undefined;
  }

  /** Nobody waits for anything of it. */
  get isIdle(): boolean {
    return this.calls.size === 0 && this.lease === undefined && this.pins === 0 && this.drainingUntil === undefined;
  }

  /** How long it has been asked to begin. */
  startingFor(now: number): number {
    return this.isReady ? 0 : now - this.#openedAt;
  }

  /** Sends a message once the server is ready. */
  send(line: Uint8Array): void {
    this.lastUsed = this.#o.now();
    if (this.#isOver) return;
    if (this.#waiting === undefined) return this.#link.send(line, 0, line.length);
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
  }

  /** Sends a request of our own. */
  ask(method: string, params: string | undefined, answered: OwnAnswer): void {
    const id = this.#ownId(answered);
    this.send(requestLine(id, method, params));
  }

  /** Runs once the server is ready, before what waits for that is sent; or when it will not be. */
  whenReady(run: () => void, failed: (failure: LinkFailure) => void): void {
    if (this.isReady) run();
    else this.#whenReady.push({ run, failed });
  }

  /** A server has one level for the whole session: that of who asked last. */
  wantLog(level: string): void {
    if (this.#logLevel === level) return;
    this.#logLevel = level;
    const set = (): void => {
      if (this.self?.has.logging) this.ask('logging/setLevel', `{"level":"${level}"}`, () => undefined);
    };
    this.whenReady(set, () => undefined);
  }

  /** Ends it for a reason of ours: what is open fails. */
  end(failure: LinkFailure): void {
    void this.#link.close();
    this.#end(failure);
  }

  /** Ends it; nobody is told. */
  async close(): Promise<void> {
    this.#isOver = true;
    await this.#link.close();
  }

  #initialize(): void {
    const id = this.#ownId((answer) => this.#initialized(answer));
    const { name, version } = this.#o.client;
    const info = `{"name":${quoted(name)},"version":${quoted(version)}}`;
    const params = `{"protocolVersion":"${NEWEST_LEGACY}","capabilities":${this.capabilities.text},"clientInfo":${info}}`;
    const line = requestLine(id, 'initialize', params);
    this.#link.send(line, 0, line.length);
  }

  #initialized(answer: Message | LinkFailure): void {
    if ('why' in answer) return this.end(answer);
    const { scanner } = this.#o;
    if (answer.kind !== 'result') return this.end(refused(`would not be initialized${saidBy(scanner, answer)}`));
    const version = textMember(scanner, answer.result, 'protocolVersion');
    if (version === undefined || !LEGACY_REVISIONS.includes(version)) {
      return this.end(refused('answered initialize with no revision of the protocol that Callgate knows'));
    }
    this.self = selfOf(scanner, answer.result);
    const ready = notificationLine('notifications/initialized');
    this.#link.send(ready, 0, ready.length);
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    this.#waitingBytes = 0;
    const whenReady = this.#whenReady;
    this.#whenReady = [];
    for (const { run } of whenReady) run();
    for (const line of waiting) this.#link.send(line, 0, line.length);
  }

  #message(bytes: Uint8Array, start: number, end: number, about: Id | undefined): void {
    if (this.#isOver) return;
    const message = readMessage(this.#o.scanner, bytes, start, end);
    if ('refused' in message) return this.#unreadable(message, bytes, start, end);
    const isAnswer = message.kind === 'result' || message.kind === 'error';
    const own = isAnswer && message.id !== undefined ? this.#takeOwn(message.id) : undefined;
    if (own !== undefined) own(message);
    else this.#events.message(this, message, bytes, start, end, about);
  }

  #unreadable(refusal: Refusal, bytes: Uint8Array, start: number, end: number): void {
    const id = refusal.idText === undefined ? undefined : (JSON.parse(refusal.idText) as Id);
    const own = id === undefined ? undefined : this.#takeOwn(id);
    if (own === undefined) this.#events.unreadable(this, id, bytes, start, end);
    else own(refused(`gave an answer that cannot be read: ${refusal.message}`));
  }

  #oversize(head: Uint8Array, tail: Uint8Array, length: number, about: Id | undefined): void {
    if (this.#isOver) return;
    const text = salvageId(head, 0, head.length) ?? salvageId(tail, 0, tail.length);
    const own = text === undefined ? undefined : this.#takeOwn(JSON.parse(text) as Id);
    if (own === undefined) this.#events.oversize(this, head, tail, length, about);
    else own(refused(`gave an answer of ${length} bytes, which is too long`));
  }

  #failed(id: Id, failure: LinkFailure): void {
    const own = this.#takeOwn(id);
    if (own === undefined) this.#events.failed(this, id, failure);
    else own(failure);
  }

  #end(failure: LinkFailure): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#waiting = [];
    const whenReady = this.#whenReady;
    this.#whenReady = [];
    for (const { failed } of whenReady) failed(failure);
    const own = [...this.#own.values()];
    this.#own.clear();
    for (const answered of own) answered(failure);
    this.#events.over(this, failure);
  }

  #ownId(answered: OwnAnswer): Id {
    const id = `${this.#o.prefix}${++this.#ids}`;
    this.#own.set(id, answered);
    return id;
  }

  #takeOwn(id: Id): OwnAnswer | undefined {
    const own = this.#own.get(id);
    if (own !== undefined) this.#own.delete(id);
    return own;
  }
}

function refused(why: string): LinkFailure {
  return { code: SERVER_ENDED, why, kind: 'refused' };
}

function saidBy(tape: Tape, message: Message): string {
  const said = textMember(tape, message.error, 'message');
  return said === undefined ? '' : `: ${said.slice(0, 200)}`;
}
