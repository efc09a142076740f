import { INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, SERVER_ENDED } from '../../protocol/codes.ts';
import type { Id } from '../../protocol/correlate.ts';
import { readMessage, type Message } from '../../protocol/message.ts';
import { OBJECT, STRING } from '../../protocol/nodes.ts';
import { salvageId } from '../../protocol/salvage.ts';
import { Scanner } from '../../protocol/scan.ts';
import { quoted, splice } from '../../protocol/splice.ts';
import { elements, member, stringAt } from '../../protocol/tape.ts';
import { decodeUtf8 } from '../../protocol/text.ts';
import { CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, PROTOCOL_VERSION } from '../../protocol/meta-keys.ts';
import { LEGACY_REVISIONS, MODERN_REVISION, NEWEST_LEGACY } from '../../protocol/revisions.ts';
import { rawAt, withMeta } from '../../protocol/edits.ts';
import { cancelLine, errorLine, requestLine, resultLine } from '../../protocol/lines.ts';
import { numberMember, textMember } from '../../protocol/members.ts';
import type { Link, LinkEvents, LinkFailure } from '../../upstreams/link.ts';
import { CapabilityReader, capabilitiesOf, type ClientCapabilities } from './capabilities.ts';
import { TOO_LONG, UNKNOWN_RESULT, UNREADABLE } from './failures.ts';
import type { OwnAnswer } from './legacy-session.ts';
import { initializeResult, selfOf, type ServerSelf } from './server-self.ts';
import { LEGACY_LIMITS, type AsLegacyOptions } from './legacy-options.ts';
import { OF_ROUNDS, Rounds, type OpenCall } from './rounds.ts';
import { Teller } from './teller.ts';
import { isModernCode, legacyAnswer } from './translate.ts';
import { UpstreamListen } from './upstream-listen.ts';
import { LOG_LEVELS, MAY_ASK, PER_HOP } from './words.ts';

/** Methods of sessions that have no counterpart. */
const REMOVED: ReadonlySet<string> = new Set(['tasks/get', 'tasks/list', 'tasks/result', 'tasks/cancel']);
const MODERN_ONLY: ReadonlySet<string> = new Set(['server/discover', 'subscriptions/listen', 'tasks/update']);
const SWEEP_MS = 1000;

/**
 * A server of 2026-07-28, as a client of the revisions before sees servers: a session that begins with `initialize`,
 * questions as requests of the server. One client's session, on one link.
 */
export function asLegacy(options: AsLegacyOptions, events: LinkEvents): Link {
  return new AsLegacy(options, events);
}

class AsLegacy implements Link {
  readonly #o: AsLegacyOptions;
  readonly #teller: Teller;
  readonly #scanner: Scanner;
  readonly #capabilities = new CapabilityReader();
  readonly #rounds: Rounds;
  readonly #listen: UpstreamListen;
  readonly #link: Link;
  readonly #prefix: string;
  /** Open requests by the id the server knows, and by the client's. */
  readonly #upstream = new Map<Id, OpenCall>();
  readonly #calls = new Map<Id, OpenCall>();
  readonly #own = new Map<Id, OwnAnswer>();
  /** What each request carries in `_meta`, as JSON members. */
  #envelope: string[];
  #client: ClientCapabilities;
  #capabilitiesText = '{}';
  #infoText: string;
  #logLevel: string | undefined;
  #self: ServerSelf | undefined;
  #ids = 0;
  #sweeping: (() => void) | undefined;
  #isClosed = false;

  constructor(options: AsLegacyOptions, events: LinkEvents) {
    this.#o = options;
    this.#teller = new Teller(events);
    this.#scanner = new Scanner(options.scan);
    this.#prefix = `callgate-${Buffer.from(options.random(6)).toString('base64url')}-`;
    const { name, version } = options.client;
    this.#infoText = `{"name":${quoted(name)},"version":${quoted(version)}}`;
    this.#client = capabilitiesOf('{}')!;
    this.#envelope = this.#envelopeOf();
    const limits = { ...LEGACY_LIMITS, ...options.limits };
    const { clock, random } = options;
    this.#rounds = new Rounds({
      limits,
      clock,
      random,
      teller: this.#teller,
      scanner: this.#scanner,
      capabilities: () => this.#client,
      freshId: () => this.#freshId(),
      retry: (call, line) => this.#retry(call, line),
      over: (call) => this.#forget(call),
    });
    this.#listen = new UpstreamListen({
      limits,
      clock,
      teller: this.#teller,
      ask: (params, answered) => this.#ask('subscriptions/listen', params, answered),
      cancel: (id) => this.#sendWhole(cancelLine(id, 'Another listen has taken its place.')),
      forget: (id) => void this.#own.delete(id),
      envelope: () => this.#envelope.join(','),
    });
    this.#link = options.open({
      message: (bytes, start, end, about) => {
        this.#message(bytes, start, end, about);
        this.#scanner.rest();
      },
      oversize: (head, tail, length, about) => this.#oversize(head, tail, length, about),
      failed: (id, failure) => this.#failed(id, failure),
      drained: () => this.#teller.drained(),
      ended: (how) => this.#ended(how),
    });
  }

  get isFull(): boolean {
    return this.#link.isFull;
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
    await this.#link.close();
  }

  #receive(bytes: Uint8Array, start: number, end: number): void {
    const message = readMessage(this.#scanner, bytes, start, end);
    if ('refused' in message) {
      const id = message.idText === undefined ? undefined : (JSON.parse(message.idText) as Id);
      if (id !== undefined) this.#teller.message(errorLine(id, message.code, message.message), id);
      return;
    }
    switch (message.kind) {
      case 'request':
        return this.#request(message, bytes, start, end);
      case 'notification':
        return this.#notified(message, bytes, start, end);
      default:
        return this.#rounds.answered(message);
    }
  }

  #request(message: Message, bytes: Uint8Array, start: number, end: number): void {
    const id = message.id as Id;
    const method = message.method as string;
    switch (method) {
      case 'initialize':
        return this.#initialize(id, message);
      case 'ping':
        return this.#reply(id, '{}');
      case 'logging/setLevel':
        return this.#setLevel(id, message);
      case 'resources/subscribe':
        return this.#listen.subscribe(id, message.uri as string);
      case 'resources/unsubscribe':
        return this.#listen.unsubscribe(id, message.uri as string);
      default:
    }
    if (REMOVED.has(method) || MODERN_ONLY.has(method)) {
      return this.#refuse(id, METHOD_NOT_FOUND, `${method} is not offered here.`);
    }
    // Answers to questions that were not asked: no rule on what is asked and answered has seen them.
    if (MAY_ASK.has(method) && [...OF_ROUNDS].some((name) => member(this.#scanner, message.params, name) >= 0)) {
      return this.#refuse(id, INVALID_PARAMS, `Answers of ${MODERN_REVISION} are of no use in a session.`);
    }
    const edits = withMeta(this.#scanner, message.params, PER_HOP, this.#envelope);
    const line = splice(bytes, start, end, edits);
    const call = openCall(id, method);
    if (MAY_ASK.has(method)) call.line = line;
    this.#calls.set(id, call);
    this.#upstream.set(id, call);
    this.#sendWhole(line);
  }

  #notified(message: Message, bytes: Uint8Array, start: number, end: number): void {
    switch (message.method) {
      case 'notifications/initialized':
        return this.#listen.begin(this.#self);
      case 'notifications/cancelled':
        return this.#cancel(message.cancelled as Id, bytes, start, end);
      case 'notifications/roots/list_changed':
      case 'notifications/progress':
      case 'notifications/tasks/status':
        return undefined; // 2026-07-28 takes none of them from a client.
      default:
        return this.#link.send(bytes, start, end);
    }
  }

  /** What a server of sessions would answer is made of what this one says of itself. */
  #initialize(id: Id, message: Message): void {
    const { params } = message;
    const asked = textMember(this.#scanner, params, 'protocolVersion');
    const declared = member(this.#scanner, params, 'capabilities');
    const capabilities = this.#capabilities.read(this.#scanner, declared);
    if (capabilities === undefined) return this.#refuse(id, INVALID_PARAMS, '"params.capabilities" must be an object.');
    this.#client = capabilities;
    this.#capabilitiesText = capabilities.text;
    const info = member(this.#scanner, params, 'clientInfo');
    if (info >= 0 && this.#scanner.kinds[info] === OBJECT) this.#infoText = decodeUtf8(rawAt(this.#scanner, info));
    this.#envelope = this.#envelopeOf();
    const version = asked !== undefined && LEGACY_REVISIONS.includes(asked) ? asked : NEWEST_LEGACY;
    const call = openCall(id, 'initialize');
    this.#calls.set(id, call);
    call.upstream = this.#ask('server/discover', `{"_meta":{${this.#envelope.join(',')}}}`, (answer) => {
      if (this.#calls.delete(id)) this.#discovered(id, version, answer);
    });
  }

  #discovered(id: Id, version: string, answer: Message | LinkFailure): void {
    if ('why' in answer) return this.#teller.failed(id, answer);
    const tape = this.#scanner;
    if (answer.kind === 'error') {
      const code = numberMember(tape, answer.error, 'code') ?? INTERNAL_ERROR;
      const said = textMember(tape, answer.error, 'message') ?? '';
      return this.#refuse(id, isModernCode(code) ? INVALID_PARAMS : code, said);
    }
    const versions = [...elements(tape, member(tape, answer.result, 'supportedVersions'))];
    if (!versions.some((node) => tape.kinds[node] === STRING && stringAt(tape, node) === MODERN_REVISION)) {
      return this.#teller.failed(id, { code: SERVER_ENDED, why: `does not speak ${MODERN_REVISION}`, kind: 'refused' });
    }
    const self = (this.#self = selfOf(tape, answer.result));
    this.#teller.message(resultLine(id, initializeResult(self, version)), id);
  }

  #setLevel(id: Id, message: Message): void {
    const level = textMember(this.#scanner, message.params, 'level');
    if (level === undefined || !LOG_LEVELS.includes(level)) {
      return this.#refuse(id, INVALID_PARAMS, `"params.level" must be one of ${LOG_LEVELS.join(', ')}.`);
    }
    if (this.#self?.has.logging === false) return this.#refuse(id, METHOD_NOT_FOUND, 'The server tells no log.');
    this.#logLevel = level;
    this.#envelope = this.#envelopeOf();
    this.#reply(id, '{}');
  }

  #cancel(id: Id, bytes: Uint8Array, start: number, end: number): void {
    const call = this.#calls.get(id);
    if (call === undefined || call.method === 'initialize') return;
    const isAsking = call.questions !== undefined;
    this.#forget(call);
    // Between two rounds the server knows of nothing.
    if (isAsking) this.#rounds.callOff(call);
    else if (call.upstream === id) this.#link.send(bytes, start, end);
    else this.#sendWhole(cancelLine(call.upstream, 'The client cancelled the call.'));
  }

  #message(bytes: Uint8Array, start: number, end: number, about: Id | undefined): void {
    const message = readMessage(this.#scanner, bytes, start, end);
    if ('refused' in message) {
      const id = message.idText === undefined ? undefined : (JSON.parse(message.idText) as Id);
      return this.#unreadable(id, UNREADABLE, (call) => this.#teller.span(bytes, start, end, call?.client));
    }
    switch (message.kind) {
      case 'request': {
        // A server without sessions has no requests of its own; one that sends them is not led past the judge.
        const method = message.method as string;
        const line = errorLine(message.id as Id, METHOD_NOT_FOUND, `${method} is no request of a server.`);
        return this.#sendWhole(line);
      }
      case 'notification':
        return this.#told(message, bytes, start, end, about);
      default:
        return this.#answered(message, start, end);
    }
  }

  #told(message: Message, bytes: Uint8Array, start: number, end: number, about: Id | undefined): void {
    if (this.#listen.told(this.#scanner, message, start, end)) return;
    const call = about === undefined ? undefined : this.#upstream.get(about);
    this.#teller.span(bytes, start, end, call?.client);
  }

  #answered(message: Message, start: number, end: number): void {
    if (message.id === undefined) return;
    const own = this.#own.get(message.id);
    if (own !== undefined) {
      this.#own.delete(message.id);
      return own(message);
    }
    const call = this.#upstream.get(message.id);
    if (call === undefined) return;
    const tape = this.#scanner;
    const type = message.kind === 'result' ? textMember(tape, message.result, 'resultType') : undefined;
    if (type === 'input_required') {
      this.#upstream.delete(call.upstream);
      this.#rounds.begin(call, message.result);
      return this.#keepSweeping();
    }
    this.#forget(call);
    if (type !== undefined && type !== 'complete') return this.#teller.failed(call.client, UNKNOWN_RESULT);
    const id = call.upstream === call.client ? undefined : call.client;
    this.#teller.message(legacyAnswer(tape, message, start, end, call.method, id), call.client);
  }

  #oversize(head: Uint8Array, tail: Uint8Array, length: number, about: Id | undefined): void {
    const text = salvageId(head, 0, head.length) ?? salvageId(tail, 0, tail.length);
    const id = text === undefined ? undefined : (JSON.parse(text) as Id);
    const around = about === undefined ? undefined : this.#upstream.get(about)?.client;
    this.#unreadable(id, TOO_LONG, (call) => this.#teller.oversize(head, tail, length, call?.client ?? around));
  }

  /** What answers nobody, or the request that the client knows by this id, is judged and recorded as what it is. */
  #unreadable(id: Id | undefined, failure: LinkFailure, pass: (call: OpenCall | undefined) => void): void {
    if (id === undefined) return pass(undefined);
    const call = this.#upstream.get(id);
    if (call === undefined && !this.#own.has(id)) return pass(undefined);
    if (call === undefined || call.upstream !== call.client) return this.#failed(id, failure);
    this.#forget(call);
    pass(call);
  }

  #failed(id: Id, failure: LinkFailure): void {
    const own = this.#own.get(id);
    if (own !== undefined) {
      this.#own.delete(id);
      return own(failure);
    }
    const call = this.#upstream.get(id);
    if (call === undefined) return;
    this.#forget(call);
    this.#teller.failed(call.client, failure);
  }

  #ended(how: string): void {
    if (this.#isClosed) return;
    this.#sweeping?.();
    this.#isClosed = true;
    this.#teller.ended(how);
  }

  #retry(call: OpenCall, line: Uint8Array): void {
    this.#upstream.set(call.upstream, call);
    this.#sendWhole(line);
  }

  #forget(call: OpenCall): void {
    this.#calls.delete(call.client);
    this.#upstream.delete(call.upstream);
  }

  #ask(method: string, params: string, answered: OwnAnswer): Id {
    const id = this.#freshId();
    this.#own.set(id, answered);
    this.#sendWhole(requestLine(id, method, params));
    return id;
  }

  #freshId(): Id {
    return `${this.#prefix}${++this.#ids}`;
  }

  #envelopeOf(): string[] {
    return [
      `"${PROTOCOL_VERSION}":"${MODERN_REVISION}"`,
      `"${CLIENT_INFO}":${this.#infoText}`,
      `"${CLIENT_CAPABILITIES}":${this.#capabilitiesText}`,
      ...(this.#logLevel === undefined ? [] : [`"${LOG_LEVEL}":"${this.#logLevel}"`]),
    ];
  }

  #sendWhole(line: Uint8Array): void {
    this.#link.send(line, 0, line.length);
  }

  #reply(id: Id, result: string): void {
    this.#teller.message(resultLine(id, result), id);
  }

  #refuse(id: Id, code: number, message: string): void {
    this.#teller.message(errorLine(id, code, message), id);
  }

  /** One timer, while there is anything that may get old. */
  #keepSweeping(): void {
    if (this.#sweeping !== undefined || this.#isClosed) return;
    if (this.#rounds.isEmpty && this.#listen.isSettled) return;
    this.#sweeping = this.#o.clock.after(SWEEP_MS, () => {
      this.#sweeping = undefined;
      this.#rounds.sweep();
      this.#listen.sweep();
      this.#keepSweeping();
    });
  }
}

function openCall(id: Id, method: string): OpenCall {
  return { client: id, upstream: id, method, line: undefined, round: 0, questions: undefined };
}
