import { messageOf } from '../../model/error.ts';
import {
  INVALID_PARAMS,
  INVALID_REQUEST,
  MALFORMED_ANSWER,
  SERVER_ENDED,
  TOO_MANY_IN_FLIGHT,
} from '../../protocol/codes.ts';
import type { Id } from '../../protocol/correlate.ts';
import { readMessage, type Message, type Refusal } from '../../protocol/message.ts';
import { OBJECT, Scanner } from '../../protocol/scan.ts';
import { decodeUtf8, encodeUtf8, quoteJson, splice, type Edit } from '../../protocol/splice.ts';
import { member as memberOf, stringAt } from '../../protocol/tape.ts';
import { Asks } from './asks.ts';
import { Directory } from './directory.ts';
import { discoverResult, initializeResult } from './handshake.ts';
import { KINDS, PROMPTS, RESOURCES, TASKS, TEMPLATES, TOOLS, kindOf, type ListKind } from './kinds.ts';
import { Listens, type ListensHost } from './listens.ts';
import { Lists } from './lists.ts';
import { Member, type Trouble } from './member.ts';
import type { Owned } from './names.ts';
import {
  CONNECT_MS,
  DEFAULT_LIMITS,
  type MergedExchange,
  type MergeLimits,
  type MergeOptions,
  type ServerHealth,
} from './options.ts';
import { TaskOwners } from './tasks.ts';
import {
  edited,
  envelopeOf,
  errorLine,
  idText,
  notificationLine,
  removal,
  replacement,
  resultLine,
  textAt,
} from './wire.ts';

/** A request of the client that awaits its answer. */
interface Open {
  readonly method: string;
  /** Whose conversation it went to; undefined while that is found out, or when the merge answers it. */
  member?: Member;
  generation?: number;
  /** Ends what the merge does for it. */
  cancel?: () => void;
}

/** A message of the client that is kept until it is known whose it is, and where the name stands in it. */
interface Held {
  readonly id: Id;
  readonly method: string;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** The bytes that hold the name or URI. */
  readonly at: { readonly start: number; readonly end: number };
}

const METHOD_NOT_FOUND = -32601;
const INTERNAL_ERROR = -32603;
const RESOURCE_NOT_FOUND = -32002;
/** Ids of our own requests: no front door counts that far. */
const FIRST_ID = 2 ** 52;
/** A name that nobody has is not looked for again so soon. */
const LISTED_GOOD_MS = 2000;

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
  readonly #listens: Listens;
  readonly #asks = new Asks();
  readonly #tasks = new TaskOwners();
  /** Tasks that the client carries out for servers. */
  readonly #clientTasks = new TaskOwners();
  readonly #open = new Map<Id, Open>();
  readonly #listedAt = new Map<ListKind, number>();
  /** Lists that changed in this turn. */
  readonly #changes = new Set<string>();
  #hello: { readonly bytes: Uint8Array; readonly idStart: number; readonly idEnd: number } | undefined;
  #greeted = false;
  #level: string | undefined;
  #ids = FIRST_ID;
  #isClosed = false;

  constructor(options: MergeOptions) {
    this.options = options;
    this.tape = new Scanner(options.messageLimits);
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
    this.#listens = new Listens(
      this,
      (id, line) => this.#reply(id, line),
      (line, about) => this.#tell(line, about),
    );
  }

  receive(bytes: Uint8Array, start: number, end: number): void {
    if (this.#isClosed) return;
    const message = readMessage(this.tape, bytes, start, end);
    if ('refused' in message) return this.options.log.warn(`A message of the client is dropped: ${message.message}`);
    try {
      if (message.kind === 'request') this.#request(message, bytes, start, end);
      else if (message.kind === 'notification') this.#notification(message, bytes.subarray(start, end));
      else this.#answer(message);
    } catch (error) {
      this.options.log.warn(`A message of the client failed: ${messageOf(error)}`);
      if (message.kind === 'request') this.#fault(message.id as Id);
    }
  }

  malformed(refusal: Refusal): void {
    this.members.find(({ exchange }) => exchange !== undefined)?.exchange?.malformed(refusal);
  }

  /** Full when every server is: a full one alone refuses what is its own. */
  get isFull(): boolean {
    const live = this.members.filter(({ isReady }) => isReady);
    return this.#open.size >= this.limits.open || (live.length > 0 && live.every(({ isFull }) => isFull));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { cancel } of this.#open.values()) cancel?.();
    this.#open.clear();
    await Promise.allSettled(this.members.map((member) => member.close()));
  }

  servers(): readonly ServerHealth[] {
    return this.members.map((member) => member.health());
  }

  // What the members need.

  nextId(): number {
    return this.#ids++;
  }

  hello(id: number): Uint8Array | undefined {
    if (this.#hello === undefined) return undefined;
    const { bytes, idStart, idEnd } = this.#hello;
    return splice(bytes, 0, bytes.length, [{ start: idStart, end: idEnd, text: encodeUtf8(String(id)) }]);
  }

  ready(member: Member): void {
    if (this.#level !== undefined && member.has('logging') === true) {
      void member.ask('logging/setLevel', { level: this.#level }, undefined);
    }
    this.#listens.joined(member);
    // Whoever had its lists without this server reads them again.
    if (this.#greeted) for (const kind of KINDS) if (member.has(kind.capability) === true) this.#changed(kind.changed);
  }

  ended(member: Member, how: string): void {
    if (this.#isClosed) return;
    this.#lists.forget(member);
    const trouble = member.trouble();
    for (const [id, open] of this.#open) {
      if (open.member !== member) continue;
      // The judge answered them before; this is for those it never saw.
      this.#reply(id, this.#troubleLine(id, member, { ...trouble, why: `${how} before it answered` }));
    }
    for (const line of this.#asks.ended(member)) this.#tell(line, undefined);
  }

  isOwn(kind: ListKind, server: number, name: string): boolean {
    return kind !== TASKS || this.#tasks.claim(name, server);
  }

  changed(notification: string): void {
    this.#changed(notification);
  }

  told(member: Member, line: Uint8Array, answers: Id | undefined, about: Id | undefined): void {
    if (this.#isClosed) return;
    try {
      if (answers === undefined) return this.#fromServer(member, line, about);
      const open = this.#open.get(answers);
      if (open?.member !== member || open.generation !== member.generation) return;
      this.#open.delete(answers);
      this.options.end.message(this.#claimed(member, open, line, answers), answers, about);
    } catch (error) {
      this.options.log.warn(`A message of the server "${member.name}" failed: ${messageOf(error)}`);
      if (answers !== undefined) this.#fault(answers);
    }
  }

  // What the client sends.

  #request(message: Message, bytes: Uint8Array, start: number, end: number): void {
    const id = message.id as Id;
    const method = message.method as string;
    if (this.#open.has(id)) return this.options.log.warn('A request under the id of an open one is dropped.');
    if (this.#open.size >= this.limits.open) {
      const text = 'Too many requests are open; try again when some are answered.';
      return this.#later(id, errorLine(id, TOO_MANY_IN_FLIGHT, text));
    }
    const open: Open = { method };
    this.#open.set(id, open);
    if (this.options.era === 'legacy' && this.#hello === undefined && !BEFORE_HELLO.includes(method)) {
      return this.#later(id, errorLine(id, INVALID_REQUEST, 'The session begins with "initialize".'));
    }
    const kind = kindOf.get(method);
    if (kind !== undefined) return this.#list(kind, message, id);
    if (this.#isOfOtherEra(method)) return this.#unknownMethod(id, method);
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
        return this.#initialize(message, bytes, start, end);
      case 'server/discover':
        return this.#work(id, this.#discover(id, this.#envelope(message)));
      case 'ping':
        return this.#later(id, resultLine(id, '{}'));
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
        return this.#toTask(textAt(this.tape, params, 'taskId'), held(-1));
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
        return this.#cancel(message.cancelled, line);
      case 'notifications/progress': {
        const found = this.#asks.progress(this.tape, message);
        return found?.member.send(found.line);
      }
      case 'notifications/roots/list_changed':
        for (const member of this.members) if (member.isReady) member.send(line);
        return;
      case 'notifications/tasks/status': {
        const owner = this.#clientTasks.ownerOf(textAt(this.tape, message.params, 'taskId') ?? '');
        return owner === undefined ? undefined : this.members[owner]!.send(line);
      }
      default:
        // It is not known whom it is for, and no other server should hear it.
        if (this.members.length === 1) this.members[0]!.send(line);
    }
  }

  /** An answer of the client to a request of a server. */
  #answer(message: Message): void {
    const found = this.#asks.inward(this.tape, message);
    if (found === undefined) return;
    const taskId = message.isTask
      ? textAt(this.tape, memberOf(this.tape, message.result, 'task'), 'taskId')
      : undefined;
    if (taskId !== undefined) this.#clientTasks.claim(taskId, found.member.index);
    found.member.send(found.line);
  }

  #cancel(id: Id | undefined, line: Uint8Array): void {
    const open = id === undefined ? undefined : this.#open.get(id);
    if (id === undefined || open === undefined) return;
    this.#open.delete(id);
    open.cancel?.();
    if (open.member !== undefined && open.generation === open.member.generation) open.member.send(line);
  }

  #initialize(message: Message, bytes: Uint8Array, start: number, end: number): void {
    const id = message.id as Id;
    if (this.#hello !== undefined) {
      return this.#later(id, errorLine(id, INVALID_REQUEST, 'The session is initialized already.'));
    }
    const { tape } = this;
    const wanted = textAt(tape, message.params, 'protocolVersion');
    const token = removal(tape, memberOf(tape, message.params, '_meta'), 'progressToken');
    const line = splice(bytes, start, end, token === undefined ? [] : [token]);
    readMessage(tape, line, 0, line.length);
    const node = memberOf(tape, 0, 'id');
    this.#hello = { bytes: line, idStart: tape.starts[node]!, idEnd: tape.ends[node]! };
    this.#work(id, this.#greet(id, wanted));
  }

  async #greet(id: Id, wanted: string | undefined): Promise<Uint8Array> {
    await Promise.all(this.members.map((member) => member.whenReady(this.connectMs)));
    return resultLine(id, initializeResult(this.options, this.members, this.directory.prefixes, wanted));
  }

  async #discover(id: Id, envelope: string | undefined): Promise<Uint8Array> {
    await this.#learn(envelope);
    return resultLine(id, discoverResult(this.options, this.members, this.directory.prefixes));
  }

  /** Asks what they are those servers of 2026-07-28 that have not said it. */
  async #learn(envelope: string | undefined): Promise<void> {
    if (this.options.era === 'legacy') {
      await Promise.all(this.members.map((member) => member.whenReady(this.connectMs)));
      return;
    }
    await Promise.all(
      this.members.map(async (member) => {
        if ((await member.whenReady(this.connectMs)) !== undefined || member.capabilities !== undefined) return;
        const reply = await member.ask('server/discover', {}, envelope, this.connectMs);
        if ('trouble' in reply) return;
        const read = readMessage(this.tape, reply.line, 0, reply.line.length);
        if (!('refused' in read) && read.kind === 'result') member.learn(this.tape, read.result);
      }),
    );
  }

  #list(kind: ListKind, message: Message, id: Id): void {
    if (kind === TASKS && this.options.era === 'modern') return this.#unknownMethod(id, kind.method);
    const node = memberOf(this.tape, message.params, 'cursor');
    const cursor = textAt(this.tape, message.params, 'cursor');
    const envelope = this.#envelope(message);
    if (cursor !== undefined && cursor !== '') {
      const rest = this.#lists.rest(kind, cursor, id);
      const text = 'The cursor is not known, or no longer: read the list from its beginning.';
      return this.#later(id, rest ?? errorLine(id, INVALID_PARAMS, text));
    }
    if (
      node >= 0 &&
      cursor === undefined &&
      decodeUtf8(this.tape.bytes, this.tape.starts[node], this.tape.ends[node]) !== 'null'
    ) {
      return this.#later(id, errorLine(id, INVALID_PARAMS, '"params.cursor" must be a string.'));
    }
    this.#work(
      id,
      this.#lists.merged(kind, id, envelope).then((line) => {
        this.#listedAt.set(kind, this.options.clock.now());
        return line;
      }),
    );
  }

  /** The call of a tool or prompt goes to whoever has it, under its own name. */
  #toNamed(kind: typeof TOOLS, exposed: string, held: Held): void {
    const known = this.directory.ownerOfName(kind, exposed, false);
    if (known !== undefined) return this.#forward(known, held);
    this.#find(held, async () => {
      await this.#readAgain([kind], this.#envelopeOf(held));
      const found = this.directory.ownerOfName(kind, exposed, true);
      const what = kind === TOOLS ? 'tool' : 'prompt';
      return found ?? errorLine(held.id, INVALID_PARAMS, `Unknown ${what}: ${JSON.stringify(exposed.slice(0, 200))}`);
    });
  }

  #toUri(uri: string, held: Held): void {
    const known = this.directory.ownerOfUri(uri);
    if (known !== undefined) return this.#forward(known, held);
    this.#find(
      held,
      async () => (await this.ownerOfUri(uri, this.#envelopeOf(held))) ?? this.#noSuchResource(held.id, uri),
    );
  }

  /** Whose URI it is, after the lists have been read, or that of the one server that has any. */
  async ownerOfUri(uri: string, envelope: string | undefined): Promise<Owned | undefined> {
    const known = this.directory.ownerOfUri(uri);
    if (known !== undefined) return known;
    await this.#readAgain([RESOURCES, TEMPLATES], envelope);
    const found = this.directory.ownerOfUri(uri);
    if (found !== undefined) return found;
    await this.#learn(envelope);
    const able = this.members.filter((member) => member.has('resources') === true);
    return able.length === 1 ? { server: able[0]!.index, name: uri } : undefined;
  }

  #complete(params: number, held: (node: number) => Held): void {
    const { tape } = this;
    const ref = memberOf(tape, params, 'ref');
    const [name, uri] = [textAt(tape, ref, 'name'), textAt(tape, ref, 'uri')];
    if (textAt(tape, ref, 'type') === 'ref/prompt' && name !== undefined) {
      return this.#toNamed(PROMPTS, name, held(memberOf(tape, ref, 'name')));
    }
    if (uri !== undefined) return this.#toUri(uri, held(memberOf(tape, ref, 'uri')));
    const { id } = held(-1);
    this.#later(id, errorLine(id, INVALID_PARAMS, '"params.ref" must name a prompt or a resource.'));
  }

  #setLevel(id: Id, params: number): void {
    const node = memberOf(this.tape, params, 'level');
    const level = node < 0 ? undefined : decodeUtf8(this.tape.bytes, this.tape.starts[node], this.tape.ends[node]);
    if (level === undefined) return this.#later(id, errorLine(id, INVALID_PARAMS, '"params.level" is missing.'));
    const able = this.members.filter((member) => member.isReady && member.has('logging') === true);
    const said = able.map((member) => member.ask('logging/setLevel', { level }, undefined, this.connectMs));
    this.#work(
      id,
      Promise.all(said).then((replies) => {
        let refusal: string | undefined;
        for (const reply of replies) {
          if ('trouble' in reply) continue;
          const read = readMessage(this.tape, reply.line, 0, reply.line.length);
          if ('refused' in read) continue;
          if (read.kind === 'result') {
            this.#level = level;
            return resultLine(id, '{}');
          }
          refusal ??= textAt(this.tape, read.error, 'message');
        }
        if (refusal !== undefined) return errorLine(id, INVALID_PARAMS, refusal);
        this.#level = level;
        return resultLine(id, '{}');
      }),
    );
  }

  #toTask(taskId: string | undefined, held: Held): void {
    const owner = taskId === undefined ? undefined : this.#tasks.ownerOf(taskId);
    if (owner !== undefined) return this.#send(this.members[owner]!, held, []);
    const able = this.members.filter((member) => member.has('tasks') === true);
    if (taskId !== undefined && able.length === 1) return this.#send(able[0]!, held, []);
    this.#later(held.id, errorLine(held.id, INVALID_PARAMS, 'Unknown task: no server has named it here.'));
  }

  #vendor(held: Held): void {
    if (this.members.length === 1) return this.#send(this.members[0]!, held, []);
    this.#unknownMethod(held.id, held.method);
  }

  #unknownMethod(id: Id, method: string): void {
    const text = `Method not found: ${JSON.stringify(method.slice(0, 200))} is for no one of the servers behind this endpoint`;
    this.#later(id, errorLine(id, METHOD_NOT_FOUND, text));
  }

  #isOfOtherEra(method: string): boolean {
    const only = this.options.era === 'modern' ? ONLY_LEGACY : ONLY_MODERN;
    return only.includes(method);
  }

  // Ways to a server.

  /** Sends a request to whoever has what it names, with the name that it has there. */
  #forward({ server, name }: Owned, held: Held): void {
    const text = quoteJson(name);
    const { start, end } = held.at;
    const isSame = text.length === end - start && text.every((byte, i) => byte === held.bytes[start + i]);
    this.#send(this.members[server]!, held, isSame ? [] : [{ start, end, text }]);
  }

  #send(member: Member, held: Held, edits: readonly Edit[]): void {
    if (!member.isReady) {
      return this.#find(held, async () => {
        const trouble = await member.whenReady(this.connectMs);
        if (trouble !== undefined) return this.#troubleLine(held.id, member, trouble);
        return { member, edits };
      });
    }
    const open = this.#open.get(held.id);
    if (open === undefined) return;
    if (member.isFull) {
      const text = `The server "${member.name}" takes no more now; try again shortly.`;
      return this.#later(
        held.id,
        errorLine(held.id, TOO_MANY_IN_FLIGHT, text, { server: member.name, retryAfterMs: 1000 }),
      );
    }
    open.member = member;
    open.generation = member.generation;
    const { bytes, start, end } = held;
    member.send(edits.length === 0 ? bytes.subarray(start, end) : splice(bytes, start, end, edits));
  }

  /** Finds out where a request goes, and sends it there unless it was cancelled; an answer in its place is given. */
  #find(
    held: Held,
    where: () => Promise<Owned | { readonly member: Member; readonly edits: readonly Edit[] } | Uint8Array>,
  ): void {
    const open = this.#open.get(held.id);
    where().then(
      (found) => {
        if (this.#isClosed || this.#open.get(held.id) !== open) return;
        if (found instanceof Uint8Array) this.#reply(held.id, found);
        else if ('member' in found) this.#send(found.member, held, found.edits);
        else this.#forward(found, held);
      },
      (error: unknown) => this.#failed(held.id, error),
    );
  }

  /** Answers a request when the work for it is done. */
  #work(id: Id, work: Promise<Uint8Array>): void {
    const open = this.#open.get(id);
    work.then(
      (line) => {
        if (this.#open.get(id) === open) this.#reply(id, line);
      },
      (error: unknown) => this.#failed(id, error),
    );
  }

  async #readAgain(kinds: readonly ListKind[], envelope: string | undefined): Promise<void> {
    const now = this.options.clock.now();
    const due = kinds.filter((kind) => now - (this.#listedAt.get(kind) ?? -Infinity) >= LISTED_GOOD_MS);
    for (const kind of due) this.#listedAt.set(kind, now);
    await Promise.all(due.map((kind) => this.#lists.read(kind, envelope)));
  }

  // What servers send.

  #fromServer(member: Member, line: Uint8Array, stream: Id | undefined): void {
    const { tape } = this;
    // The client knows of no stream but those of its own requests.
    const about = stream !== undefined && this.#open.get(stream)?.member === member ? stream : undefined;
    const message = readMessage(tape, line, 0, line.length);
    if ('refused' in message)
      return this.options.log.warn(`A message of the server "${member.name}" is dropped: ${message.message}`);
    if (message.kind === 'request') return this.#ofServer(member, message, about);
    if (message.kind !== 'notification') return;
    if (this.#listens.told(member, message, stream)) return;
    switch (message.method) {
      case 'notifications/tools/list_changed':
      case 'notifications/prompts/list_changed':
      case 'notifications/resources/list_changed':
        this.#forget(member, message.method);
        // In the modern era it comes under a subscription, or nobody has asked for it.
        if (this.options.era === 'legacy') this.#changed(message.method);
        return;
      case 'notifications/cancelled': {
        const told = this.#asks.cancelled(member, tape, message);
        return told === undefined ? undefined : this.#tell(told, about);
      }
      case 'notifications/resources/updated': {
        const node = memberOf(tape, message.params, 'uri');
        const uri = this.directory.uriOf(member.index, message.uri ?? '');
        return this.#tell(uri === message.uri ? line : edited(tape, [replacement(tape, node, idText(uri))]), about);
      }
      case 'notifications/tasks/status':
      case 'notifications/tasks': {
        const taskId = textAt(tape, message.params, 'taskId');
        if (taskId === undefined || this.#tasks.claim(taskId, member.index)) this.#tell(line, about);
        return;
      }
      default:
        this.#tell(line, about);
    }
  }

  #ofServer(member: Member, message: Message, about: Id | undefined): void {
    const line = this.#asks.outward(member, this.tape, message);
    if (line !== undefined) return this.#tell(line, about);
    const id = message.id as Id;
    member.send(errorLine(id, TOO_MANY_IN_FLIGHT, 'Too many requests to the client are open.'));
  }

  #forget(member: Member, notification: string): void {
    this.#lists.forget(member, notification);
    for (const kind of KINDS) if (kind.changed === notification) this.#listedAt.delete(kind);
  }

  /** Notes whose task a result has begun. One that another server has already is refused: what is sent to it would go there. */
  #claimed(member: Member, open: Open, line: Uint8Array, id: Id): Uint8Array {
    if (open.method !== 'tools/call' && open.method !== 'tasks/list') return line;
    if (!mayHoldTask(line)) return line;
    const message = readMessage(this.tape, line, 0, line.length);
    if ('refused' in message || !message.isTask) return line;
    const task = memberOf(this.tape, message.result, 'task');
    const holder = task >= 0 && this.tape.kinds[task] === OBJECT ? task : message.result;
    const node = memberOf(this.tape, holder, 'taskId');
    if (node < 0) return line;
    if (this.#tasks.claim(stringAt(this.tape, node), member.index)) return line;
    const text = `The server "${member.name}" named a task that another server has.`;
    return errorLine(id, MALFORMED_ANSWER, text);
  }

  /** The client is told once of what changed in a turn, however many servers say so. */
  #changed(notification: string | undefined): void {
    if (notification === undefined || this.#isClosed) return;
    for (const kind of KINDS) if (kind.changed === notification) this.#listedAt.delete(kind);
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

  // What the client hears.

  #tell(line: Uint8Array, about: Id | undefined): void {
    if (!this.#isClosed) this.options.end.message(line, undefined, about);
  }

  #reply(id: Id, line: Uint8Array): void {
    if (!this.#open.delete(id) || this.#isClosed) return;
    this.options.end.message(line, id, undefined);
  }

  /** Answers after the turn in which the request came. */
  #later(id: Id, line: Uint8Array): void {
    this.#work(id, Promise.resolve(line));
  }

  #fault(id: Id): void {
    this.#open.set(id, { method: '' });
    this.#later(id, errorLine(id, INTERNAL_ERROR, 'Callgate could not handle the request; its log says why.'));
  }

  #failed(id: Id, error: unknown): void {
    if (!this.#open.has(id)) return;
    this.options.log.warn(`A request of the client failed: ${messageOf(error)}`);
    this.#fault(id);
  }

  #troubleLine(id: Id, { name }: Member, { why, retryAfterMs }: Trouble): Uint8Array {
    const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
    const text = `The server "${name}" ${why}. Try again in ${seconds} s.`;
    return errorLine(id, SERVER_ENDED, text, { server: name, retryAfterMs: Math.ceil(retryAfterMs) });
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
const ONLY_LEGACY: readonly string[] = [
  'initialize',
  'ping',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
  'tasks/result',
];
const ONLY_MODERN: readonly string[] = ['server/discover', 'subscriptions/listen', 'tasks/update'];
const NOWHERE = { start: 0, end: 0 };

/** A cheap look before the result is read: one that spells the word with escapes is none of a server that means well. */
function mayHoldTask(line: Uint8Array): boolean {
  return Buffer.from(line.buffer, line.byteOffset, line.byteLength).includes('"taskId"');
}
