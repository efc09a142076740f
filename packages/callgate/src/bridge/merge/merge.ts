import { messageOf } from '../../model/error.ts';
import { INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, RESOURCE_NOT_FOUND } from '../../protocol/codes.ts';
import type { Id } from '../../protocol/correlate.ts';
import { readMessage, type Message, type Refusal } from '../../protocol/message.ts';
import { methodKind } from '../../protocol/methods.ts';
import { MODERN_REVISION } from '../../protocol/revisions.ts';
import { NULL, Scanner } from '../../protocol/scan.ts';
import { decodeUtf8 } from '../../protocol/splice.ts';
import { member as memberOf } from '../../protocol/tape.ts';
import { errorLine, notificationLine, resultLine } from '../../protocol/lines.ts';
import { textMember } from '../../protocol/members.ts';
import { Directory } from './directory.ts';
import { discoverResult, helloUnder, initializeResult } from './handshake.ts';
import { Inbound } from './inbound.ts';
import { KINDS, kindOf, PROMPTS, TASKS, TOOLS, type ListKind } from './kinds.ts';
import { Listens, type ListensHost } from './listens.ts';
import { Lists } from './lists.ts';
import { Member } from './member.ts';
import type { Owned } from './names.ts';
import { CONNECT_MS, DEFAULT_LIMITS } from './options.ts';
import type { MergedExchange, MergeLimits, MergeOptions, MemberHealth } from './options.ts';
import { Owners } from './owners.ts';
import { Requests, type Held } from './requests.ts';
import { Standing } from './standing.ts';
import { envelopeOf } from './wire.ts';

/** Ids of our own requests: no front door counts that far. */
const FIRST_ID = 2 ** 52;

/**
 * One client's exchange with many servers under one endpoint. It is a front only: whatever goes to a server goes through the
 * exchange with that server, where policy judges it under the server's own names. It opens conversations when they are needed,
 * and again after a pause when they ended.
 * @param options see MergeOptions
 */
export function mergeServers(options: MergeOptions): MergedExchange {
  return new Merge(options);
}

class Merge implements MergedExchange, ListensHost {
  readonly options: MergeOptions;
  readonly tape: Scanner;
  readonly members: readonly Member[];
  readonly directory: Directory;
  readonly limits: MergeLimits;
  readonly connectMs: number;
  initialized: Uint8Array | undefined;
  readonly #lists: Lists;
  readonly #owners: Owners;
  readonly #standing: Standing;
  readonly #listens: Listens;
  readonly #requests: Requests;
  readonly #inbound: Inbound;
  /** Lists that changed in this turn. */
  readonly #changes = new Set<string>();
  /** `initialize` of the client under another id. */
  #hello: ((id: number) => Uint8Array) | undefined;
  #greeted = false;
  #ids = FIRST_ID;
  #isClosed = false;

  constructor(options: MergeOptions) {
    this.options = options;
    this.tape = options.scanner ?? new Scanner(options.messageLimits);
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.connectMs = options.timeouts?.connectMs ?? CONNECT_MS;
    const { naming: mode, separator, sha256 } = options;
    this.directory = new Directory(options.servers, {
      mode,
      sha256,
      ...(separator === undefined ? {} : { separator }),
    });
    this.members = options.servers.map(({ name }, index) => new Member(index, name, this));
    this.#lists = new Lists(this);
    this.#owners = new Owners(this, this.#lists);
    this.#standing = new Standing(this);
    this.#requests = new Requests(options, this.members, this.connectMs, this.limits.open, (method, owned) =>
      this.#standing.subscribed(method, owned),
    );
    const tell = (line: Uint8Array, about: Id | undefined): void => this.#tell(line, about);
    this.#listens = new Listens(this, (id, line) => this.#requests.reply(id, line), tell);
    this.#inbound = new Inbound(this, this.#requests, this.#listens, tell, (member, notification) => {
      if (options.era === 'legacy') return this.changed(notification, member);
      // It comes under a subscription, or nobody has asked for it.
      this.#lists.forget(member, notification);
      this.#owners.outdate(notification);
    });
  }

  receive(bytes: Uint8Array, start: number, end: number): void {
    if (this.#isClosed) return;
    const message = readMessage(this.tape, bytes, start, end);
    if ('refused' in message) return this.options.log.warn(`A message of the client is dropped: ${message.message}`);
    try {
      if (message.kind === 'request') this.#request(message, bytes, start, end);
      else if (message.kind === 'notification') this.#notification(message, bytes.subarray(start, end));
      else this.#inbound.answered(message);
    } catch (error) {
      if (message.kind === 'request') this.#requests.failed(message.id as Id, error);
      else this.options.log.warn(`A message of the client failed: ${messageOf(error)}`);
    }
  }

  malformed(refusal: Refusal): void {
    this.members.find(({ exchange }) => exchange !== undefined)?.exchange?.malformed(refusal);
  }

  /** Full when every server is: a full one alone refuses what is its own. */
  get isFull(): boolean {
    const live = this.members.filter(({ isReady }) => isReady);
    return this.#requests.isFull || (live.length > 0 && live.every(({ isFull }) => isFull));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#requests.close();
    await Promise.allSettled(this.members.map((member) => member.close()));
  }

  servers(): readonly MemberHealth[] {
    return this.members.map((member) => member.health());
  }

  // What the members need.

  nextId(): number {
    return this.#ids++;
  }

  hello(id: number): Uint8Array | undefined {
    return this.#hello?.(id);
  }

  ready(member: Member): void {
    this.#standing.restore(member);
    this.#listens.joined(member);
    // Whoever had its lists without this server reads them again.
    if (this.#greeted) for (const kind of KINDS) if (member.has(kind.capability) === true) this.#changed(kind.changed);
  }

  ended(member: Member, how: string): void {
    if (this.#isClosed) return;
    this.#lists.forget(member);
    this.#requests.ended(member, how);
    this.#inbound.ended(member);
  }

  isOwn(kind: ListKind, server: number, name: string): boolean {
    return kind !== TASKS || this.#inbound.tasks.claim(name, server);
  }

  changed(notification: string, by?: Member): void {
    if (by !== undefined) this.#lists.forget(by, notification);
    this.#changed(notification);
  }

  told(member: Member, line: Uint8Array, answers: Id | undefined, about: Id | undefined): void {
    if (this.#isClosed) return;
    try {
      if (answers === undefined) this.#inbound.told(member, line, about);
      else this.#inbound.answer(member, answers, line, about);
    } catch (error) {
      if (answers !== undefined) this.#requests.failed(answers, error);
      else this.options.log.warn(`A message of the server "${member.name}" failed: ${messageOf(error)}`);
    }
  }

  // What the client sends.

  #request(message: Message, bytes: Uint8Array, start: number, end: number): void {
    const id = message.id as Id;
    const method = message.method as string;
    const open = this.#requests.begin(id, method);
    if (open === undefined) return;
    if (this.options.era === 'legacy' && this.#hello === undefined && !BEFORE_HELLO.includes(method)) {
      return this.#requests.later(id, errorLine(id, INVALID_REQUEST, 'The session begins with "initialize".'));
    }
    if (this.#isOfOtherEra(method)) return this.#unknownMethod(id, method);
    const kind = kindOf.get(method);
    if (kind !== undefined) return this.#list(kind, message, id);
    const held = (node: number): Held => ({
      id,
      method,
      bytes,
      start,
      end,
      at: node < 0 ? NOWHERE : { start: this.tape.starts[node]!, end: this.tape.ends[node]! },
    });
    const { params } = message;
    switch (method) {
      case 'initialize':
        return this.#initialize(message);
      case 'server/discover':
        return this.#requests.work(id, this.#discover(id, this.#envelope(message)));
      case 'ping':
        return this.#requests.later(id, resultLine(id, '{}'));
      case 'tools/call':
        return this.#toNamed(TOOLS, message.name!, held(memberOf(this.tape, params, 'name')));
      case 'prompts/get':
        return this.#toNamed(PROMPTS, message.name!, held(memberOf(this.tape, params, 'name')));
      case 'completion/complete':
        return this.#complete(params, held);
      case 'resources/read':
      case 'resources/subscribe':
      case 'resources/unsubscribe':
        return this.#toUri(message.uri!, held(memberOf(this.tape, params, 'uri')));
      case 'subscriptions/listen':
        return this.#listens.open(id, params, this.#envelope(message), open);
      case 'logging/setLevel':
        return this.#setLevel(id, params);
      case 'tasks/get':
      case 'tasks/result':
      case 'tasks/cancel':
      case 'tasks/update':
        return this.#toTask(textMember(this.tape, params, 'taskId'), held(-1));
      default:
        return this.#vendor(held(-1));
    }
  }

  #notification(message: Message, line: Uint8Array): void {
    switch (message.method) {
      case 'notifications/initialized':
        this.initialized = line;
        for (const member of this.members) member.sayInitialized();
        this.#greeted = true;
        return;
      case 'notifications/cancelled':
        return message.cancelled === undefined ? undefined : this.#requests.cancel(message.cancelled, line);
      case 'notifications/progress':
        return this.#inbound.progress(message);
      case 'notifications/roots/list_changed':
        for (const member of this.members) if (member.isReady) member.send(line);
        return;
      case 'notifications/tasks/status':
        return this.#inbound.clientTask(message, line);
      default:
        // It is not known whom it is for, and no other server should hear it.
        if (this.members.length === 1) this.members[0]!.send(line);
    }
  }

  #initialize(message: Message): void {
    const id = message.id as Id;
    if (this.#hello !== undefined) {
      return this.#requests.later(id, errorLine(id, INVALID_REQUEST, 'The session is initialized already.'));
    }
    const wanted = textMember(this.tape, message.params, 'protocolVersion');
    this.#hello = helloUnder(this.tape, message.params);
    this.#requests.work(id, this.#greet(id, wanted));
  }

  async #greet(id: Id, wanted: string | undefined): Promise<Uint8Array> {
    await Promise.all(this.members.map((member) => member.whenReady(this.connectMs)));
    return resultLine(id, initializeResult(this.options, this.members, this.directory.prefixes, wanted));
  }

  async #discover(id: Id, envelope: string | undefined): Promise<Uint8Array> {
    await this.#owners.learn(envelope);
    return resultLine(id, discoverResult(this.options, this.members, this.directory.prefixes));
  }

  #list(kind: ListKind, message: Message, id: Id): void {
    const node = memberOf(this.tape, message.params, 'cursor');
    const cursor = textMember(this.tape, message.params, 'cursor');
    const envelope = this.#envelope(message);
    if (cursor !== undefined && cursor !== '') {
      const rest = this.#lists.rest(kind, cursor, id);
      const text = 'The cursor is not known, or no longer: read the list from its beginning.';
      return this.#requests.later(id, rest ?? errorLine(id, INVALID_PARAMS, text));
    }
    if (node >= 0 && cursor === undefined && this.tape.kinds[node] !== NULL) {
      return this.#requests.later(id, errorLine(id, INVALID_PARAMS, '"params.cursor" must be a string.'));
    }
    this.#requests.work(
      id,
      this.#lists.merged(kind, id, envelope).then((line) => {
        this.#owners.listed(kind);
        return line;
      }),
    );
  }

  /** The call of a tool or prompt goes to whoever has it, under its own name. */
  #toNamed(kind: typeof TOOLS, exposed: string, held: Held): void {
    const known = this.directory.ownerOfName(kind, exposed, false);
    if (known !== undefined) return this.#requests.forward(known, held);
    this.#requests.find(held, async () => {
      const found = await this.#owners.ofName(kind, exposed, this.#envelopeOf(held));
      const what = kind === TOOLS ? 'tool' : 'prompt';
      return found ?? errorLine(held.id, INVALID_PARAMS, `Unknown ${what}: ${JSON.stringify(exposed.slice(0, 200))}`);
    });
  }

  #toUri(uri: string, held: Held): void {
    const known = this.directory.ownerOfUri(uri);
    if (known !== undefined) return this.#requests.forward(known, held);
    this.#requests.find(
      held,
      async () => (await this.#owners.ofUris([uri], this.#envelopeOf(held)))[0] ?? this.#noSuchResource(held.id, uri),
    );
  }

  ownersOf(uris: readonly string[], envelope: string | undefined): Promise<readonly (Owned | undefined)[]> {
    return this.#owners.ofUris(uris, envelope);
  }

  #complete(params: number, held: (node: number) => Held): void {
    const { tape } = this;
    const ref = memberOf(tape, params, 'ref');
    const [name, uri] = [textMember(tape, ref, 'name'), textMember(tape, ref, 'uri')];
    if (textMember(tape, ref, 'type') === 'ref/prompt' && name !== undefined) {
      return this.#toNamed(PROMPTS, name, held(memberOf(tape, ref, 'name')));
    }
    if (uri !== undefined) return this.#toUri(uri, held(memberOf(tape, ref, 'uri')));
    const { id } = held(-1);
    this.#requests.later(id, errorLine(id, INVALID_PARAMS, '"params.ref" must name a prompt or a resource.'));
  }

  #setLevel(id: Id, params: number): void {
    const node = memberOf(this.tape, params, 'level');
    const level = node < 0 ? undefined : decodeUtf8(this.tape.bytes, this.tape.starts[node], this.tape.ends[node]);
    if (level === undefined)
      return this.#requests.later(id, errorLine(id, INVALID_PARAMS, '"params.level" is missing.'));
    this.#requests.work(
      id,
      this.#standing
        .setLevel(level)
        .then((refusal) => (refusal === undefined ? resultLine(id, '{}') : errorLine(id, INVALID_PARAMS, refusal))),
    );
  }

  #toTask(taskId: string | undefined, held: Held): void {
    const owner = taskId === undefined ? undefined : this.#inbound.tasks.ownerOf(taskId);
    if (owner !== undefined) return this.#requests.send(this.members[owner]!, held);
    const able = this.members.filter((member) => member.hasTasks);
    if (taskId !== undefined && able.length === 1) return this.#requests.send(able[0]!, held);
    this.#requests.later(held.id, errorLine(held.id, INVALID_PARAMS, 'Unknown task: no server has named it here.'));
  }

  #vendor(held: Held): void {
    if (this.members.length === 1) return this.#requests.send(this.members[0]!, held);
    this.#unknownMethod(held.id, held.method);
  }

  #unknownMethod(id: Id, method: string): void {
    const text = `Method not found: ${JSON.stringify(method.slice(0, 200))} is for no one of the servers behind this endpoint`;
    this.#requests.later(id, errorLine(id, METHOD_NOT_FOUND, text));
  }

  #isOfOtherEra(method: string): boolean {
    const revisions = methodKind(method, 'client')?.revisions;
    if (revisions === undefined) return false;
    return this.options.era === 'modern'
      ? !revisions.includes(MODERN_REVISION)
      : revisions.every((one) => one === MODERN_REVISION);
  }

  /** The client is told once of what changed in a turn, however many servers say so. */
  #changed(notification: string | undefined): void {
    if (notification === undefined || this.#isClosed) return;
    this.#owners.outdate(notification);
    if (this.#changes.size === 0) {
      this.options.clock.after(0, () => {
        const changes = [...this.#changes];
        this.#changes.clear();
        if (this.#isClosed) return;
        for (const method of changes) {
          if (this.options.era === 'modern') this.#listens.changed(method);
          else if (this.#greeted) this.#tell(notificationLine(method), undefined);
        }
      });
    }
    this.#changes.add(notification);
  }

  #tell(line: Uint8Array, about: Id | undefined): void {
    if (!this.#isClosed) this.options.end.message(line, undefined, about);
  }

  #noSuchResource(id: Id, uri: string): Uint8Array {
    const code = this.options.era === 'modern' ? INVALID_PARAMS : RESOURCE_NOT_FOUND;
    return errorLine(id, code, `Resource not found: ${JSON.stringify(uri.slice(0, 200))}`, { uri: uri.slice(0, 2048) });
  }

  #envelopeOf({ bytes, start, end }: Held): string | undefined {
    const message = readMessage(this.tape, bytes, start, end);
    return 'refused' in message ? undefined : this.#envelope(message);
  }

  /** `_meta` of a modern request says who asks, with what; legacy sessions have said that before. */
  #envelope(message: Message): string | undefined {
    return this.options.era === 'modern' ? envelopeOf(this.tape, message.params) : undefined;
  }
}

const BEFORE_HELLO: readonly string[] = ['initialize', 'ping', 'server/discover'];
const NOWHERE = { start: 0, end: 0 };
