import { messageOf } from '../../model/error.ts';
import type { Id } from '../../protocol/correlate.ts';
import { INVALID_PARAMS, TOO_MANY_IN_FLIGHT } from '../../protocol/codes.ts';
import { readMessage, type Message } from '../../protocol/message.ts';
import { SUBSCRIPTION_ID } from '../../protocol/meta-keys.ts';
import { ARRAY, OBJECT, STRING, TRUE } from '../../protocol/scan.ts';
import { quoted, type Edit } from '../../protocol/splice.ts';
import { elements, member as memberOf, stringAt } from '../../protocol/tape.ts';
import { edited, replace } from '../../protocol/edits.ts';
import { errorLine, idText, notificationLine, requestLine, resultLine } from '../../protocol/lines.ts';
import { idAt } from '../../protocol/members.ts';
import type { ListsHost } from './lists.ts';
import type { Member, Reply } from './member.ts';
import type { Owned } from './names.ts';
import { paramsText, underId } from './wire.ts';

/** What a client listens for. */
const FLAGS = [
  ['toolsListChanged', 'notifications/tools/list_changed', 'tools'],
  ['promptsListChanged', 'notifications/prompts/list_changed', 'prompts'],
  ['resourcesListChanged', 'notifications/resources/list_changed', 'resources'],
] as const;
const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';
const UPDATED = 'notifications/resources/updated';
const MOST_URIS = 1000;
const MOST_HELD = 1000;
/** After which a server that was lost is asked again; one that ended is asked when it is there again. */
const AGAIN_MS = 5000;

/** The part of a listen that one server serves. */
interface Leg {
  readonly listen: Listen;
  readonly member: Member;
  readonly generation: number;
  readonly id: number;
  isAcked: boolean;
}

interface Listen {
  readonly id: Id;
  readonly envelope: string | undefined;
  /** Notifications of lists that the client wants. */
  readonly methods: readonly string[];
  readonly uris: readonly string[];
  /** Whose the URIs are. */
  readonly owners: Map<string, Owned>;
  readonly legs: Map<Member, Leg>;
  /** URIs, as the client wrote them, that a server said it tells of. */
  readonly honoured: Set<string>;
  isAcked: boolean;
  /** Why a server would not: the client's answer when none will. */
  refusal: Uint8Array | undefined;
  /** What came before the client was told that it listens. */
  held: Uint8Array[];
  settled(): void;
}

export interface ListensHost extends ListsHost {
  /** Whose each URI is; of one that is nobody's, undefined. */
  ownersOf(uris: readonly string[], envelope: string | undefined): Promise<readonly (Owned | undefined)[]>;
}

/** `subscriptions/listen` of a client: one stream to it, out of one of each server that has to do with it. */
export class Listens {
  readonly #host: ListensHost;
  readonly #reply: (id: Id, line: Uint8Array) => void;
  readonly #tell: (line: Uint8Array, about: Id) => void;
  readonly #open = new Map<Id, Listen>();
  readonly #legs = new Map<Id, Leg>();

  constructor(
    host: ListensHost,
    reply: (id: Id, line: Uint8Array) => void,
    tell: (line: Uint8Array, about: Id) => void,
  ) {
    this.#host = host;
    this.#reply = reply;
    this.#tell = tell;
  }

  /**
   * Begins to listen. The params are those on the tape.
   * @param request is given how to end it
   */
  open(id: Id, params: number, envelope: string | undefined, request: { cancel?: () => void }): void {
    const { tape, limits } = this.#host;
    const wanted = memberOf(tape, params, 'notifications');
    const list = memberOf(tape, wanted, 'resourceSubscriptions');
    const nodes = list >= 0 && tape.kinds[list] === ARRAY ? [...elements(tape, list)] : [];
    const isWhole = wanted >= 0 && tape.kinds[wanted] === OBJECT && (list < 0 || tape.kinds[list] === ARRAY);
    if (!isWhole || nodes.length > MOST_URIS || nodes.some((node) => tape.kinds[node] !== STRING)) {
      return this.#refuse(id, INVALID_PARAMS, '"params.notifications" must say what to listen for.');
    }
    if (this.#open.size >= limits.listens) {
      return this.#refuse(id, TOO_MANY_IN_FLIGHT, `More than ${limits.listens} subscriptions are open.`);
    }
    const methods = FLAGS.filter(([flag]) => {
      const node = memberOf(tape, wanted, flag);
      return node >= 0 && tape.kinds[node] === TRUE;
    }).map(([, method]) => method);
    const listen: Listen = {
      id,
      envelope,
      methods,
      uris: [...new Set(nodes.map((node) => stringAt(tape, node)))],
      owners: new Map(),
      legs: new Map(),
      honoured: new Set(),
      isAcked: false,
      refusal: undefined,
      held: [],
      settled: () => undefined,
    };
    this.#open.set(id, listen);
    request.cancel = () => this.#end(listen, true);
    this.#begin(listen).catch((error: unknown) => this.#failed(listen, error));
  }

  /** A notification of a server. @returns false when it belongs to no subscription */
  told(member: Member, message: Message, about: Id | undefined): boolean {
    const { tape, directory } = this.#host;
    const node = memberOf(tape, memberOf(tape, message.params, '_meta'), SUBSCRIPTION_ID);
    const leg = this.#legs.get(idAt(tape, node) ?? about ?? -1);
    if (leg === undefined || leg.member !== member || leg.generation !== member.generation) return node >= 0;
    const { listen } = leg;
    if (message.method === ACKNOWLEDGED) {
      this.#acknowledged(leg, message.params);
      return true;
    }
    if (listen.methods.includes(message.method!)) {
      // Told once for all servers, at the end of the turn.
      this.#host.changed(message.method!, member);
      return true;
    }
    if (message.method !== UPDATED) return true;
    const uri = [...listen.owners].find(
      ([, owner]) => owner.server === member.index && owner.name === message.uri,
    )?.[0];
    // A server may tell of what is inside of what is listened to; one that was asked nothing tells nothing.
    if (![...listen.owners.values()].some((owner) => owner.server === member.index)) return true;
    const exposed = uri ?? directory.uriOf(member.index, message.uri ?? '');
    const edits: Edit[] = [replace(tape, memberOf(tape, message.params, 'uri'), quoted(exposed))];
    if (node >= 0) edits.push(replace(tape, node, idText(listen.id)));
    this.#pass(listen, edited(tape, edits));
    return true;
  }

  /** A list has changed: whoever listens for it is told. */
  changed(method: string): void {
    for (const listen of this.#open.values()) {
      if (listen.methods.includes(method)) this.#pass(listen, notificationLine(method, metaOf(listen.id)));
    }
  }

  /** A server is there again: it serves its part of what is open. */
  joined(member: Member): void {
    for (const listen of this.#open.values()) {
      if (listen.isAcked && !listen.legs.has(member)) this.#listen(listen, member);
    }
  }

  async #begin(listen: Listen): Promise<void> {
    const { members, connectMs, options, tape } = this.#host;
    try {
      const owners = await this.#host.ownersOf(listen.uris, listen.envelope);
      for (const [i, owner] of owners.entries()) if (owner !== undefined) listen.owners.set(listen.uris[i]!, owner);
      await Promise.all(members.map((member) => member.whenReady(connectMs)));
    } catch {
      // What is not known is not listened to.
    }
    if (!this.#open.has(listen.id)) return;
    for (const member of members) if (member.isReady) this.#listen(listen, member);
    await new Promise<void>((resolve) => {
      const stop = options.clock.after(connectMs, resolve);
      listen.settled = () => {
        if ([...listen.legs.values()].some(({ isAcked }) => !isAcked)) return;
        stop();
        resolve();
      };
      listen.settled();
    });
    const isRefused = listen.refusal !== undefined && listen.legs.size === 0;
    if (!isRefused || this.#open.get(listen.id) !== listen) return this.#acknowledge(listen);
    this.#end(listen, false);
    this.#reply(listen.id, underId(tape, listen.refusal!, listen.id));
  }

  /** Asks one server for its part, if it has any. */
  #listen(listen: Listen, member: Member): void {
    const flags = FLAGS.filter(
      ([, method, capability]) => listen.methods.includes(method) && member.has(capability) !== false,
    );
    const uris = [...listen.owners.values()].filter(({ server }) => server === member.index).map(({ name }) => name);
    if (flags.length === 0 && uris.length === 0) return;
    const id = this.#host.nextId();
    const leg: Leg = { listen, member, generation: member.generation, id, isAcked: false };
    listen.legs.set(member, leg);
    this.#legs.set(id, leg);
    const notifications = paramsText({
      ...Object.fromEntries(flags.map(([flag]) => [flag, 'true'])),
      resourceSubscriptions: uris.length === 0 ? undefined : JSON.stringify(uris),
    });
    const params = paramsText({ notifications, _meta: listen.envelope });
    member
      .askLine(id, requestLine(id, 'subscriptions/listen', params), undefined)
      .then((reply) => this.#left(leg, reply))
      .catch((error: unknown) => this.#failed(listen, error));
  }

  /** A server tells no more: it has ended its part, or it was lost and is asked again. */
  #left(leg: Leg, reply: Reply): void {
    const { listen, member } = leg;
    this.#legs.delete(leg.id);
    if (listen.legs.get(member) === leg) listen.legs.delete(member);
    if (this.#open.get(listen.id) !== listen) return;
    const { tape, options } = this.#host;
    const line = 'line' in reply ? reply.line : undefined;
    const read = line === undefined ? undefined : readMessage(tape, line, 0, line.length);
    const isResult = read !== undefined && !('refused' in read) && read.kind === 'result';
    if (read !== undefined && !('refused' in read) && !isResult) listen.refusal ??= line;
    listen.settled();
    if (isResult && listen.isAcked && listen.legs.size === 0) return this.#close(listen);
    if (isResult || !leg.isAcked) return;
    options.clock.after(AGAIN_MS, () => {
      const isWanted = this.#open.get(listen.id) === listen && !listen.legs.has(member);
      if (isWanted && member.isReady) this.#listen(listen, member);
    });
  }

  #acknowledged(leg: Leg, params: number): void {
    const { tape } = this.#host;
    const list = memberOf(tape, memberOf(tape, params, 'notifications'), 'resourceSubscriptions');
    if (list >= 0) {
      const agreed = new Set([...elements(tape, list)].map((node) => stringAt(tape, node)));
      for (const [uri, owner] of leg.listen.owners) {
        if (owner.server === leg.member.index && agreed.has(owner.name)) leg.listen.honoured.add(uri);
      }
    }
    leg.isAcked = true;
    leg.listen.settled();
  }

  /** The client is told what it will hear: of every list, for servers come and go, and of URIs that have a server. */
  #acknowledge(listen: Listen): void {
    if (this.#open.get(listen.id) !== listen) return;
    const flags = FLAGS.filter(([, method]) => listen.methods.includes(method)).map(([flag]) => [flag, 'true']);
    const honoured = listen.uris.filter((uri) => listen.honoured.has(uri));
    const notifications = paramsText({
      ...(Object.fromEntries(flags) as Record<string, string>),
      resourceSubscriptions: honoured.length === 0 ? undefined : JSON.stringify(honoured),
    });
    listen.isAcked = true;
    this.#tell(notificationLine(ACKNOWLEDGED, metaOf(listen.id, notifications)), listen.id);
    for (const line of listen.held) this.#tell(line, listen.id);
    listen.held = [];
  }

  #pass(listen: Listen, line: Uint8Array): void {
    if (listen.isAcked) this.#tell(line, listen.id);
    else if (listen.held.length < MOST_HELD) listen.held.push(line);
  }

  #close(listen: Listen): void {
    this.#end(listen, false);
    const meta = paramsText({ [SUBSCRIPTION_ID]: idText(listen.id) });
    this.#reply(listen.id, resultLine(listen.id, paramsText({ resultType: '"complete"', _meta: meta })));
  }

  #end(listen: Listen, isCancelled: boolean): void {
    this.#open.delete(listen.id);
    for (const { id, member, generation } of listen.legs.values()) {
      this.#legs.delete(id);
      if (isCancelled && member.generation === generation) member.forgo(id);
    }
    listen.legs.clear();
    listen.settled();
  }

  #failed(listen: Listen, error: unknown): void {
    this.#host.options.log.warn(`A subscription failed: ${messageOf(error)}`);
    if (this.#open.get(listen.id) === listen) this.#close(listen);
  }

  #refuse(id: Id, code: number, text: string): void {
    queueMicrotask(() => this.#reply(id, errorLine(id, code, text)));
  }
}

function metaOf(id: Id, notifications?: string): string {
  return paramsText({ notifications, _meta: paramsText({ [SUBSCRIPTION_ID]: idText(id) }) });
}
