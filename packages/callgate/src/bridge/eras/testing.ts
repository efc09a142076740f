import type { Id } from '../../protocol/correlate.ts';
import { CLIENT_CAPABILITIES, CLIENT_INFO, PROTOCOL_VERSION } from '../../protocol/meta-keys.ts';
import { MODERN_REVISION } from '../../protocol/revisions.ts';
import type { Link, LinkEvents, LinkFailure, OpenLink } from '../../upstreams/link.ts';
import { ManualClock } from '../testing.ts';
import { asModern } from './as-modern.ts';
import type { AsModernOptions } from './modern-options.ts';
import { sealOf } from './seal.ts';

export { ManualClock, settled } from '../testing.ts';

// Peers in memory, for tests: servers that say what a script says, clients that remember what they hear, a clock that
// stands still.

/** A message as a test looks at it. */
export interface Seen {
  readonly id?: Id;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: {
    readonly code: number;
    readonly message: string;
    readonly data?: Readonly<Record<string, unknown>>;
  };
}

/** What a scripted server does with a message; what it returns is said, later. */
export type Script = (message: Seen, peer: Peer) => object | string | undefined;

/** The server's end of a link. */
export class Peer {
  readonly sent: Seen[] = [];
  readonly raw: string[] = [];
  isClosed = false;
  isFull = false;
  readonly #events: LinkEvents;
  readonly #script: Script;

  constructor(events: LinkEvents, script: Script) {
    this.#events = events;
    this.#script = script;
  }

  /** The last request or notification with this method. */
  last(method: string): Seen | undefined {
    return this.sent.findLast((message) => message.method === method);
  }

  say(message: object | string, about?: Id): void {
    if (this.isClosed) return;
    const text = typeof message === 'string' ? message : JSON.stringify({ jsonrpc: '2.0', ...message });
    const bytes = Buffer.from(`  ${text}\n`);
    this.#events.message(bytes, 2, bytes.length - 1, about);
  }

  fail(id: Id, failure: LinkFailure): void {
    this.#events.failed(id, failure);
  }

  oversize(head: string, tail: string, length: number, about?: Id): void {
    this.#events.oversize(Buffer.from(head), Buffer.from(tail), length, about);
  }

  drain(): void {
    this.#events.drained();
  }

  end(how: string): void {
    this.isClosed = true;
    this.#events.ended(how);
  }

  get link(): Link {
    const isFull = (): boolean => this.isFull;
    return {
      send: (bytes, start, end) => this.#take(Buffer.from(bytes.subarray(start, end)).toString()),
      get isFull() {
        return isFull();
      },
      close: async () => void (this.isClosed = true),
    };
  }

  #take(text: string): void {
    this.raw.push(text);
    const message = JSON.parse(text) as Seen;
    this.sent.push(message);
    const answer = this.#script(message, this);
    if (answer === undefined) return;
    const about = message.method === undefined ? undefined : message.id;
    queueMicrotask(() => this.say(answer, about));
  }
}

/** A server of which each link is a peer of its own. */
export function scripted(script: Script): { readonly open: OpenLink; readonly peers: Peer[] } {
  const peers: Peer[] = [];
  return {
    peers,
    open: (events) => {
      const peer = new Peer(events, script);
      peers.push(peer);
      return peer.link;
    },
  };
}

/** A legacy server: begins as they do, and leaves the rest to `more`. */
export function legacyServer(more: Script = () => undefined, capabilities: object = LEGACY_CAPABILITIES) {
  return scripted((message, peer) => {
    if (message.method !== 'initialize') return more(message, peer);
    const serverInfo = { name: 'fx', version: '1' };
    const result = { protocolVersion: '2025-11-25', capabilities, serverInfo, instructions: 'Be kind.' };
    return { id: message.id, result };
  });
}

export const LEGACY_CAPABILITIES = {
  logging: {},
  tools: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  tasks: { list: {} },
};

/** Who hears what a link tells. */
export class Ear implements LinkEvents {
  readonly heard: Seen[] = [];
  readonly raw: string[] = [];
  readonly abouts: (Id | undefined)[] = [];
  readonly failures: (LinkFailure & { readonly id: Id })[] = [];
  readonly oversizes: number[] = [];
  readonly endings: string[] = [];
  drains = 0;
  /** Counts what was told while a `send` ran: there must be none. */
  early = 0;
  isSending = false;
  /** Answers what the server asks, if set. */
  onMessage: ((message: Seen) => unknown) | undefined;

  message(bytes: Uint8Array, start: number, end: number, about: Id | undefined): void {
    if (this.isSending) this.early++;
    const text = Buffer.from(bytes.subarray(start, end)).toString();
    this.raw.push(text);
    this.abouts.push(about);
    const message = JSON.parse(text) as Seen;
    this.heard.push(message);
    this.onMessage?.(message);
  }

  oversize(_head: Uint8Array, _tail: Uint8Array, length: number): void {
    this.oversizes.push(length);
  }

  failed(id: Id, failure: LinkFailure): void {
    if (this.isSending) this.early++;
    this.failures.push({ id, ...failure });
  }

  drained(): void {
    this.drains++;
  }

  ended(how: string): void {
    this.endings.push(how);
  }

  /** The answer to a request. */
  answer(id: Id): Seen | undefined {
    return this.heard.find((message) => message.id === id && message.method === undefined);
  }

  /** What came with this method. */
  told(method: string): Seen[] {
    return this.heard.filter((message) => message.method === method);
  }
}

/** A modern client in front of a legacy server, on a clock of its own. */
export function modernClientOf(server: ReturnType<typeof scripted>, over: Partial<AsModernOptions> = {}) {
  const clock = new ManualClock();
  const random = counting();
  const options: AsModernOptions = {
    server: 'fx',
    principal: 'os:me',
    openLegacy: server.open,
    correlates: false,
    seal: sealOf(new Uint8Array(32).fill(7), random),
    client: { name: 'callgate', version: '0' },
    clock,
    random,
    ...over,
  };
  return { ...clientOf((events) => asModern(options, events)), peers: server.peers, clock };
}

/** A client on a link. */
export function clientOf(link: (events: LinkEvents) => Link) {
  const ear = new Ear();
  const made = link(ear);
  return {
    ear,
    link: made,
    send: (message: object | string): void => {
      const text = typeof message === 'string' ? message : JSON.stringify({ jsonrpc: '2.0', ...message });
      const bytes = Buffer.from(`\n${text}\n`);
      ear.isSending = true;
      made.send(bytes, 1, bytes.length - 1);
      ear.isSending = false;
    },
  };
}

/** The envelope of a modern request. */
export function envelope(capabilities: object = {}, more: object = {}): { readonly _meta: object } {
  return {
    _meta: {
      [PROTOCOL_VERSION]: MODERN_REVISION,
      [CLIENT_INFO]: { name: 'test', version: '1' },
      [CLIENT_CAPABILITIES]: capabilities,
      ...more,
    },
  };
}

/** Not random, but never twice the same. */
export function counting(): (bytes: number) => Uint8Array {
  let count = 0;
  return (bytes) => {
    const made = Buffer.alloc(bytes);
    made.writeUInt32BE(++count, bytes - 4);
    return made;
  };
}
