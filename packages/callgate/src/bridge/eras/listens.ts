import { TOO_MANY_IN_FLIGHT } from '../../protocol/codes.ts';
import type { Id } from '../../protocol/correlate.ts';
import type { Message } from '../../protocol/message.ts';
import { ARRAY, FALSE, OBJECT, STRING, TRUE, type Tape } from '../../protocol/nodes.ts';
import { quoted, splice } from '../../protocol/splice.ts';
import { elements, member, stringAt } from '../../protocol/tape.ts';
import { SUBSCRIPTION_ID } from '../../protocol/meta-keys.ts';
import { withMeta } from '../../protocol/edits.ts';
import { idText, notificationLine, resultLine } from '../../protocol/lines.ts';
import type { LinkFailure } from '../../upstreams/link.ts';
import type { Clock } from '../clock.ts';
import type { LegacySession } from './legacy-session.ts';
import type { Teller } from './teller.ts';

/** Kinds of changes a client may listen to, and what tells of them. */
const KINDS = {
  toolsListChanged: { method: 'notifications/tools/list_changed', has: 'toolsChange' },
  promptsListChanged: { method: 'notifications/prompts/list_changed', has: 'promptsChange' },
  resourcesListChanged: { method: 'notifications/resources/list_changed', has: 'resourcesChange' },
} as const;
type Kind = keyof typeof KINDS;
const NAMES = Object.keys(KINDS) as Kind[];
const UPDATED = 'notifications/resources/updated';

/** What a client wants to hear of. */
export interface Wanted {
  readonly kinds: readonly Kind[];
  readonly uris: readonly string[];
}

interface Listen {
  readonly id: Id;
  readonly session: LegacySession;
  kinds: readonly Kind[];
  /** What the server agreed to tell of. */
  readonly uris: Set<string>;
  /** Subscriptions that the server has not answered. */
  readonly waiting: Set<string>;
  /** It is acknowledged with what there is by then. */
  readonly until: number;
  isAcknowledged: boolean;
}

/** What one session is subscribed to, and for whom. */
interface Subscription {
  readonly listens: Set<Listen>;
  isGranted: boolean;
}

const ANSWER_MS = 5000;

/** Listens of modern clients, made of what a legacy server tells unasked and of subscriptions. */
export class Listens {
  readonly #limits: { readonly listens: number; readonly subscriptions: number };
  readonly #teller: Teller;
  readonly #clock: Clock;
  readonly #listens = new Map<Id, Listen>();
  readonly #subscriptions = new Map<LegacySession, Map<string, Subscription>>();

  constructor(limits: { readonly listens: number; readonly subscriptions: number }, teller: Teller, clock: Clock) {
    this.#limits = limits;
    this.#teller = teller;
    this.#clock = clock;
  }

  get isEmpty(): boolean {
    return this.#listens.size === 0;
  }

  /** @returns what is wrong with the request, as a sentence */
  read(tape: Tape, message: Message): Wanted | string {
    const wanted = member(tape, message.params, 'notifications');
    if (wanted < 0 || tape.kinds[wanted] !== OBJECT) return '"params.notifications" must be an object.';
    const kinds: Kind[] = [];
    for (const kind of NAMES) {
      const node = member(tape, wanted, kind);
      if (node >= 0 && tape.kinds[node] !== TRUE && tape.kinds[node] !== FALSE)
        return `"${kind}" must be true or false.`;
      if (node >= 0 && tape.kinds[node] === TRUE) kinds.push(kind);
    }
    const list = member(tape, wanted, 'resourceSubscriptions');
    if (list >= 0 && tape.kinds[list] !== ARRAY) return '"resourceSubscriptions" must be a list of URIs.';
    const uris = new Set<string>();
    for (const node of elements(tape, list)) {
      if (tape.kinds[node] !== STRING) return '"resourceSubscriptions" must be a list of URIs.';
      uris.add(stringAt(tape, node));
      if (uris.size > this.#limits.subscriptions)
        return `At most ${this.#limits.subscriptions} URIs can be listened to.`;
    }
    return { kinds, uris: [...uris] };
  }

  open(id: Id, wanted: Wanted, session: LegacySession): void {
    if (this.#listens.size >= this.#limits.listens || this.#count() + wanted.uris.length > this.#limits.subscriptions) {
      return this.#teller.failed(id, FULL);
    }
    const waiting = new Set<string>();
    const until = this.#clock.now() + ANSWER_MS;
    const listen: Listen = { id, session, kinds: [], uris: new Set(), waiting, until, isAcknowledged: false };
    this.#listens.set(id, listen);
    session.pins++;
    session.whenReady(
      () => this.#begin(listen, wanted),
      (failure) => {
        if (this.#remove(listen)) this.#teller.failed(id, failure);
      },
    );
  }

  /** The client wants no more. @returns false when no listen has this id */
  close(id: Id): boolean {
    const listen = this.#listens.get(id);
    if (listen === undefined) return false;
    this.#end(listen);
    return true;
  }

  /** A server tells of a change. The tape holds the notification. */
  changed(tape: Tape, session: LegacySession, message: Message, start: number, end: number): void {
    const ids: Id[] = [];
    for (const listen of this.#listens.values()) if (hears(listen, session, message)) ids.push(listen.id);
    const lines = ids.map((id) => {
      const edits = withMeta(tape, message.params, META, [`${quoted(SUBSCRIPTION_ID)}:${idText(id)}`]);
      return splice(tape.bytes, start, end, edits);
    });
    for (const [index, id] of ids.entries()) this.#teller.message(lines[index]!, id);
  }

  /** A session has ended: who listened to it may listen anew. */
  lost(session: LegacySession): void {
    for (const listen of this.#listens.values()) if (listen.session === session) this.#end(listen);
    this.#subscriptions.delete(session);
  }

  /** Acknowledges what waited long enough for the server. */
  sweep(): void {
    const now = this.#clock.now();
    for (const listen of this.#listens.values()) {
      if (!listen.isAcknowledged && listen.session.isReady && listen.until <= now) this.#acknowledge(listen);
    }
  }

  #begin(listen: Listen, wanted: Wanted): void {
    if (!this.#listens.has(listen.id)) return;
    const has = listen.session.self!.has;
    listen.kinds = wanted.kinds.filter((kind) => has[KINDS[kind].has]);
    if (has.subscribe) for (const uri of wanted.uris) this.#subscribe(listen, uri);
    if (listen.waiting.size === 0) this.#acknowledge(listen);
  }

  #subscribe(listen: Listen, uri: string): void {
    const { session } = listen;
    const ofSession = this.#subscriptions.get(session) ?? new Map<string, Subscription>();
    this.#subscriptions.set(session, ofSession);
    const known = ofSession.get(uri);
    if (known !== undefined) {
      known.listens.add(listen);
      if (known.isGranted) listen.uris.add(uri);
      else listen.waiting.add(uri);
      return;
    }
    const subscription: Subscription = { listens: new Set([listen]), isGranted: false };
    ofSession.set(uri, subscription);
    listen.waiting.add(uri);
    session.ask('resources/subscribe', `{"uri":${quoted(uri)}}`, (answer) => {
      const isGranted = !('why' in answer) && answer.kind === 'result';
      subscription.isGranted = isGranted;
      if (!isGranted && ofSession.get(uri) === subscription) ofSession.delete(uri);
      for (const waiting of subscription.listens) this.#answered(waiting, uri, isGranted);
    });
  }

  #answered(listen: Listen, uri: string, isGranted: boolean): void {
    listen.waiting.delete(uri);
    if (isGranted && !listen.isAcknowledged) listen.uris.add(uri);
    if (listen.waiting.size === 0 && !listen.isAcknowledged && this.#listens.has(listen.id)) this.#acknowledge(listen);
  }

  #acknowledge(listen: Listen): void {
    listen.isAcknowledged = true;
    const granted = listen.kinds.map((kind) => `"${kind}":true`);
    if (listen.uris.size > 0) granted.push(`"resourceSubscriptions":[${[...listen.uris].map(quoted).join(',')}]`);
    const meta = `{${quoted(SUBSCRIPTION_ID)}:${idText(listen.id)}}`;
    const params = `{"notifications":{${granted.join(',')}},"_meta":${meta}}`;
    this.#teller.message(notificationLine('notifications/subscriptions/acknowledged', params), listen.id);
    if (granted.length === 0) this.#end(listen);
  }

  #end(listen: Listen): void {
    if (!this.#remove(listen)) return;
    const meta = `{${quoted(SUBSCRIPTION_ID)}:${idText(listen.id)}}`;
    this.#teller.message(resultLine(listen.id, `{"resultType":"complete","_meta":${meta}}`), listen.id);
  }

  #remove(listen: Listen): boolean {
    if (!this.#listens.delete(listen.id)) return false;
    const { session } = listen;
    session.pins--;
    const ofSession = this.#subscriptions.get(session);
    for (const [uri, subscription] of ofSession ?? []) {
      if (!subscription.listens.delete(listen) || subscription.listens.size > 0) continue;
      ofSession!.delete(uri);
      if (!session.isOver) session.ask('resources/unsubscribe', `{"uri":${quoted(uri)}}`, () => undefined);
    }
    return true;
  }

  #count(): number {
    let count = 0;
    for (const ofSession of this.#subscriptions.values()) count += ofSession.size;
    return count;
  }
}

const FULL: LinkFailure = {
  code: TOO_MANY_IN_FLIGHT,
  why: 'is listened to as much as is allowed',
  kind: 'refused',
};
const META: ReadonlySet<string> = new Set([SUBSCRIPTION_ID]);

function hears(listen: Listen, session: LegacySession, message: Message): boolean {
  if (!listen.isAcknowledged) return false;
  if (message.method === UPDATED) {
    return listen.session === session && message.uri !== undefined && covers(listen.uris, message.uri);
  }
  const isAlike = listen.session.capabilities.text === session.capabilities.text;
  return isAlike && listen.kinds.some((kind) => KINDS[kind].method === message.method);
}

/** A server may tell of a part of what was subscribed to. */
function covers(uris: ReadonlySet<string>, uri: string): boolean {
  if (uris.has(uri)) return true;
  for (const whole of uris) if (uri.startsWith(whole.endsWith('/') ? whole : `${whole}/`)) return true;
  return false;
}
