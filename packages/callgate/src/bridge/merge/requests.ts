import { messageOf } from '../../model/error.ts';
import { INTERNAL_ERROR, SERVER_ENDED, TOO_MANY_IN_FLIGHT } from '../../protocol/codes.ts';
import type { Id } from '../../protocol/correlate.ts';
import { quoteJson, splice, type Edit } from '../../protocol/splice.ts';
import { errorLine } from '../../protocol/lines.ts';
import { unanswered } from '../../protocol/refusal.ts';
import type { Member, Trouble } from './member.ts';
import type { Owned } from './names.ts';
import type { MergeOptions } from './options.ts';

/** A request of the client that awaits its answer. */
export interface Open {
  readonly method: string;
  /** Whose conversation it went to; undefined while that is found out, or when the merge answers it. */
  member?: Member;
  generation?: number;
  /** Ends what the merge does for it. */
  cancel?: () => void;
}

/** A request of the client that is kept until it is known whose it is, and where the name stands in it. */
export interface Held {
  readonly id: Id;
  readonly method: string;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** The bytes that hold the name or URI. */
  readonly at: { readonly start: number; readonly end: number };
}

/** Where a request goes, with which edits. */
interface Way {
  readonly member: Member;
  readonly edits: readonly Edit[];
}

/** The requests of the client: each goes to one server at most, and is answered once. */
export class Requests {
  readonly #options: MergeOptions;
  readonly #members: readonly Member[];
  readonly #connectMs: number;
  readonly #most: number;
  readonly #forwarded: (method: string, owned: Owned) => void;
  readonly #open = new Map<Id, Open>();
  #isClosed = false;

  constructor(
    options: MergeOptions,
    members: readonly Member[],
    connectMs: number,
    most: number,
    forwarded: (method: string, owned: Owned) => void,
  ) {
    this.#options = options;
    this.#members = members;
    this.#connectMs = connectMs;
    this.#most = most;
    this.#forwarded = forwarded;
  }

  get isFull(): boolean {
    return this.#open.size >= this.#most;
  }

  /** Takes in a request. @returns undefined when it is answered, or cannot be */
  begin(id: Id, method: string): Open | undefined {
    if (this.#open.has(id)) {
      this.#options.log.warn('A request under the id of an open one is dropped.');
      return undefined;
    }
    const open: Open = { method };
    const isTooMany = this.isFull;
    this.#open.set(id, open);
    if (!isTooMany) return open;
    this.later(id, errorLine(id, TOO_MANY_IN_FLIGHT, 'Too many requests are open; try again when some are answered.'));
    return undefined;
  }

  /** Sends a request to whoever has what it names, with the name that it has there. */
  forward(owned: Owned, held: Held): void {
    const { server, name } = owned;
    this.#forwarded(held.method, owned);
    const text = quoteJson(name);
    const { start, end } = held.at;
    const isSame = text.length === end - start && text.every((byte, i) => byte === held.bytes[start + i]);
    this.send(this.#members[server]!, held, isSame ? [] : [{ start, end, text }]);
  }

  /** Sends a request to a server, which is begun first where that is due. */
  send(member: Member, held: Held, edits: readonly Edit[] = []): void {
    if (!member.isReady) {
      return this.find(held, async () => {
        const trouble = await member.whenReady(this.#connectMs, 'now');
        return trouble === undefined ? { member, edits } : troubleLine(held.id, member, trouble);
      });
    }
    const open = this.#open.get(held.id);
    if (open === undefined) return;
    if (member.isFull) {
      const text = `The server "${member.name}" takes no more now; try again shortly.`;
      const about = { server: member.name, retryAfterMs: 1000 };
      return this.later(held.id, errorLine(held.id, TOO_MANY_IN_FLIGHT, text, about));
    }
    open.member = member;
    open.generation = member.generation;
    const { bytes, start, end } = held;
    member.send(edits.length === 0 ? bytes.subarray(start, end) : splice(bytes, start, end, edits));
  }

  /** Finds out where a request goes, and sends it there unless it was cancelled; or gives the answer that is in its place. */
  find(held: Held, where: () => Promise<Owned | Way | Uint8Array>): void {
    const open = this.#open.get(held.id);
    where().then(
      (found) => {
        if (this.#isClosed || open === undefined || this.#open.get(held.id) !== open) return;
        if (found instanceof Uint8Array) this.reply(held.id, found);
        else if ('member' in found) this.send(found.member, held, found.edits);
        else this.forward(found, held);
      },
      (error: unknown) => this.failed(held.id, error),
    );
  }

  /** Answers a request when the work for it is done. */
  work(id: Id, work: Promise<Uint8Array>): void {
    const open = this.#open.get(id);
    work.then(
      (line) => {
        if (open !== undefined && this.#open.get(id) === open) this.reply(id, line);
      },
      (error: unknown) => this.failed(id, error),
    );
  }

  /** Answers after the turn in which the request came. */
  later(id: Id, line: Uint8Array): void {
    this.work(id, Promise.resolve(line));
  }

  reply(id: Id, line: Uint8Array): void {
    if (this.#open.delete(id) && !this.#isClosed) this.#options.end.message(line, id, undefined);
  }

  /** As `reply`, for what a server answered. @param about the request on whose stream it came */
  answered(id: Id, line: Uint8Array, about: Id | undefined): void {
    if (this.#open.delete(id) && !this.#isClosed) this.#options.end.message(line, id, about);
  }

  /** A fault of ours: whoever asked must hear something. */
  failed(id: Id, error: unknown): void {
    if (!this.#open.has(id)) return;
    this.#options.log.warn(`A request of the client failed: ${messageOf(error)}`);
    this.#open.set(id, { method: '' });
    this.later(id, errorLine(id, INTERNAL_ERROR, 'Callgate could not handle the request; its log says why.'));
  }

  /** The open request that a server may answer: one that went to it, in the conversation in hand. */
  ofServer(member: Member, id: Id): Open | undefined {
    const open = this.#open.get(id);
    return open?.member === member && open.generation === member.generation ? open : undefined;
  }

  /** The client no longer wants an answer. @param line its notification, for the server that has the request */
  cancel(id: Id, line: Uint8Array): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    this.#open.delete(id);
    open.cancel?.();
    if (open.member !== undefined && open.generation === open.member.generation) open.member.send(line);
  }

  /** Answers what a server has left open; the judge answers what it has seen before. */
  ended(member: Member, how: string): void {
    const trouble = { ...member.trouble(), why: unanswered(how) };
    for (const [id, open] of this.#open) {
      if (open.member === member) this.reply(id, troubleLine(id, member, trouble));
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const { cancel } of this.#open.values()) cancel?.();
    this.#open.clear();
  }
}

function troubleLine(id: Id, { name }: Member, { why, retryAfterMs }: Trouble): Uint8Array {
  const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
  const text = `The server "${name}" ${why}. Try again in ${seconds} s.`;
  return errorLine(id, SERVER_ENDED, text, { server: name, retryAfterMs: Math.ceil(retryAfterMs) });
}
