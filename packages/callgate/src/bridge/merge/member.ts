import type { JsonObject } from '../../model/json.ts';
import { messageOf } from '../../model/error.ts';
import type { Id } from '../../protocol/correlate.ts';
import { readMessage } from '../../protocol/message.ts';
import { TASKS_EXTENSION } from '../../protocol/meta-keys.ts';
import { MODERN_REVISION, REVISIONS } from '../../protocol/revisions.ts';
import { OBJECT, type Scanner } from '../../protocol/scan.ts';
import { jsonAt, member } from '../../protocol/tape.ts';
import { cancelLine, requestLine } from '../../protocol/lines.ts';
import { textMember } from '../../protocol/members.ts';
import type { Exchange } from '../exchange.ts';
import type { MergeOptions, MemberHealth } from './options.ts';
import { paramsText } from './wire.ts';

/** Why a server cannot be asked now. */
export interface Trouble {
  /** Continues `The server "x" …`. */
  readonly why: string;
  readonly retryAfterMs: number;
}

/** What comes of a request that the merge made. */
export type Reply = { readonly line: Uint8Array } | { readonly trouble: Trouble };

/** What the members of a merge share. */
export interface Household {
  readonly options: MergeOptions;
  readonly tape: Scanner;
  /** Of requests that the merge makes itself; never given out twice. */
  nextId(): number;
  /** `initialize` of a legacy client under another id. */
  hello(id: number): Uint8Array | undefined;
  /** `notifications/initialized` of a legacy client, once it came. */
  readonly initialized: Uint8Array | undefined;
  /** A message that answers no request of the merge itself. */
  told(member: Member, line: Uint8Array, answers: Id | undefined, about: Id | undefined): void;
  ready(member: Member): void;
  ended(member: Member, how: string): void;
}

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
/** A conversation that lasted this long was no failure. */
const LASTING_MS = 30_000;
/** How long an answer to a request of the merge itself is worth anything. */
const LATE_MS = 120_000;

/** One server of a merge: its conversations, one after the other. */
export class Member {
  readonly index: number;
  readonly name: string;
  readonly #home: Household;
  #exchange: Exchange | undefined;
  /** Of the conversation in hand, among all of this member. */
  generation = 0;
  state: MemberHealth['state'] = 'idle';
  capabilities: JsonObject | undefined;
  instructions: string | undefined;
  revision: string | undefined;
  error: string | undefined;
  #saidInitialized = false;
  #asks = new Map<Id, (reply: Reply) => void>();
  #waiting: (() => void)[] = [];
  #failures = 0;
  #retryAt = 0;
  #begunAt = 0;
  #isClosed = false;

  constructor(index: number, name: string, home: Household) {
    this.index = index;
    this.name = name;
    this.#home = home;
  }

  /** Begins a conversation, unless there is one or it is too early to try again. */
  begin(): void {
    const { options } = this.#home;
    if (this.#isClosed || this.state === 'connecting' || this.state === 'ready') return;
    if (this.state === 'ended' && options.clock.now() < this.#retryAt) return;
    this.state = 'connecting';
    this.error = undefined;
    this.#saidInitialized = false;
    this.#begunAt = options.clock.now();
    const generation = ++this.generation;
    const isCurrent = (): boolean => generation === this.generation;
    try {
      const exchange = options.open(this.name, {
        message: (line, answers, about) => {
          if (isCurrent()) this.#heard(line, answers, about);
        },
        ended: (how) => {
          if (isCurrent()) this.#over(how);
        },
      });
      // It may be over by now.
      if (this.state !== 'connecting') return leave(exchange);
      this.#exchange = exchange;
    } catch (error) {
      return this.#over(`could not be reached: ${messageOf(error)}`);
    }
    if (options.era === 'modern') return this.#ready();
    this.#initialize(isCurrent).catch((error: unknown) => this.#giveUp(`would not begin: ${messageOf(error)}`));
  }

  /**
   * Waits until the server can be asked.
   * @param ms how long at most
   * @param from since when that counts: a list waits no longer because it is the second one
   */
  async whenReady(ms: number, from: 'begun' | 'now' = 'begun'): Promise<Trouble | undefined> {
    this.begin();
    const { clock } = this.#home.options;
    const left = from === 'now' ? ms : this.#begunAt + ms - clock.now();
    if (this.state === 'connecting' && left > 0) {
      await new Promise<void>((resolve) => {
        const stop = clock.after(left, resolve);
        this.#waiting.push(() => {
          stop();
          resolve();
        });
      });
    }
    return this.state === 'ready' ? undefined : this.trouble();
  }

  trouble(): Trouble {
    if (this.state === 'connecting') return { why: 'has not come up yet', retryAfterMs: FIRST_PAUSE_MS };
    const wait = Math.max(0, this.#retryAt - this.#home.options.clock.now());
    return { why: this.error ?? 'is not there', retryAfterMs: Math.max(wait, 100) };
  }

  get isReady(): boolean {
    return this.state === 'ready';
  }

  get isFull(): boolean {
    return this.#exchange?.isFull ?? false;
  }

  get exchange(): Exchange | undefined {
    return this.#exchange;
  }

  /** Sends what the client sends. */
  send(line: Uint8Array): void {
    try {
      this.#exchange?.receive(line, 0, line.length);
    } catch (error) {
      this.#giveUp(`could not be told something: ${messageOf(error)}`);
    }
  }

  /**
   * Asks the server on behalf of the merge.
   * @param params JSON texts of the params
   * @param envelope `_meta` of the client's request that it is for
   */
  ask(
    method: string,
    params: Readonly<Record<string, string | undefined>>,
    envelope: string | undefined,
    ms: number = LATE_MS,
  ): Promise<Reply> {
    const id = this.#home.nextId();
    const all = { ...params, _meta: envelope };
    const hasAny = Object.values(all).some((text) => text !== undefined);
    return this.askLine(id, requestLine(id, method, hasAny ? paramsText(all) : undefined), ms);
  }

  /** As `ask`, with the request as it is to be sent. @param ms undefined: as long as it takes */
  askLine(id: number, line: Uint8Array, ms: number | undefined): Promise<Reply> {
    return new Promise((resolve) => {
      if (this.#exchange === undefined) return resolve({ trouble: this.trouble() });
      const { clock } = this.#home.options;
      const stop =
        ms === undefined
          ? undefined
          : clock.after(ms, () => {
              if (!this.#asks.delete(id)) return;
              this.cancel(id);
              resolve({ trouble: { why: 'did not answer in time', retryAfterMs: FIRST_PAUSE_MS } });
            });
      this.#asks.set(id, (reply) => {
        stop?.();
        resolve(reply);
      });
      this.send(line);
    });
  }

  /** Tells the server that a request of the merge is of no use any more. */
  cancel(id: number): void {
    this.send(cancelLine(id));
  }

  /** Stops waiting for a request of the merge, and tells the server. */
  forgo(id: number): void {
    if (this.#asks.delete(id)) this.cancel(id);
  }

  /** A legacy client said that it is initialized: so it is to every server that has greeted it. */
  sayInitialized(): void {
    const { initialized } = this.#home;
    if (this.state !== 'ready' || this.#saidInitialized || initialized === undefined) return;
    this.#saidInitialized = true;
    this.send(initialized);
  }

  /** Reads what the server says of itself in the result on the tape. */
  learn(tape: Scanner, result: number): void {
    const capabilities = member(tape, result, 'capabilities');
    const isSaid = capabilities >= 0 && tape.kinds[capabilities] === OBJECT;
    this.capabilities = isSaid ? (jsonAt(tape, capabilities) as JsonObject) : {};
    this.instructions = textMember(tape, result, 'instructions');
    this.revision = textMember(tape, result, 'protocolVersion') ?? MODERN_REVISION;
  }

  /** Whether it has said that it has something; undefined before it spoke of itself. */
  has(capability: string): boolean | undefined {
    return this.capabilities === undefined ? undefined : Object.hasOwn(this.capabilities, capability);
  }

  /** Whether it has said that it keeps tasks, in either era. */
  get hasTasks(): boolean {
    const extensions = this.capabilities?.['extensions'];
    const isExtended =
      typeof extensions === 'object' && extensions !== null && Object.hasOwn(extensions, TASKS_EXTENSION);
    return isExtended || this.has('tasks') === true;
  }

  health(): MemberHealth {
    return {
      name: this.name,
      state: this.state,
      ...(this.revision === undefined ? {} : { revision: this.revision }),
      ...(this.error === undefined ? {} : { error: this.error }),
    };
  }

  async close(): Promise<void> {
    const exchange = this.#exchange;
    this.#isClosed = true;
    this.generation++;
    this.#exchange = undefined;
    this.state = 'ended';
    this.#settle({ why: 'was left by its client', retryAfterMs: 0 });
    await exchange?.close();
  }

  async #initialize(isCurrent: () => boolean): Promise<void> {
    const id = this.#home.nextId();
    const hello = this.#home.hello(id);
    if (hello === undefined) return this.#giveUp('was not begun: its client has not said "initialize"');
    const reply = await this.askLine(id, hello, LATE_MS);
    if (!isCurrent() || this.state !== 'connecting') return;
    if ('trouble' in reply) return this.#giveUp(reply.trouble.why);
    const { tape } = this.#home;
    const message = readMessage(tape, reply.line, 0, reply.line.length);
    if ('refused' in message) return this.#giveUp('gave an answer that cannot be read');
    if (message.kind !== 'result') {
      return this.#giveUp(whyNotBegun(this.name, textMember(tape, message.error, 'message')));
    }
    const revision = textMember(tape, message.result, 'protocolVersion');
    if (revision === undefined || !REVISIONS.includes(revision)) {
      return this.#giveUp('speaks a revision of the protocol that Callgate does not know');
    }
    this.learn(tape, message.result);
    this.#ready();
  }

  #ready(): void {
    this.state = 'ready';
    this.sayInitialized();
    this.#home.ready(this);
    this.#wake();
  }

  #heard(line: Uint8Array, answers: Id | undefined, about: Id | undefined): void {
    const ask = answers === undefined ? undefined : this.#asks.get(answers);
    if (answers === undefined || ask === undefined) return this.#home.told(this, line, answers, about);
    this.#asks.delete(answers);
    ask({ line });
  }

  /** The conversation is of no use: it is left. */
  #giveUp(why: string): void {
    const exchange = this.#exchange;
    this.generation++;
    this.#over(why);
    if (exchange !== undefined) leave(exchange);
  }

  #over(how: string): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.#exchange = undefined;
    this.error = how;
    this.capabilities = undefined;
    const now = this.#home.options.clock.now();
    if (now - this.#begunAt > LASTING_MS) this.#failures = 0;
    this.#retryAt = now + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.#failures++, 10));
    this.#home.options.log.warn(`The server "${this.name}" ${how}.`);
    this.#settle(this.trouble());
    this.#home.ended(this, how);
  }

  #settle(trouble: Trouble): void {
    const asks = [...this.#asks.values()];
    this.#asks.clear();
    for (const ask of asks) ask({ trouble });
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

/** Nobody waits for its end, which must not become a fault of the process either. */
/** Where the server was not reached, the judge has answered in its place with a sentence of its own. */
function whyNotBegun(name: string, said = 'it gave no reason'): string {
  const start = `The server "${name}" `;
  return said.startsWith(start) ? said.slice(start.length).replace(/\.$/, '') : `would not begin: ${said}`;
}

function leave(exchange: Exchange): void {
  exchange.close().catch(() => undefined);
}
