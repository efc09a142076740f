import { messageOf } from '../../model/error.ts';
import { METHOD_NOT_FOUND } from '../../protocol/codes.ts';
import type { Id } from '../../protocol/correlate.ts';
import { readMessage } from '../../protocol/message.ts';
import { ARRAY, OBJECT, STRING, type Scanner } from '../../protocol/scan.ts';
import { encodeUtf8, quoteJson, quoted } from '../../protocol/splice.ts';
import { elements, member as memberOf, stringAt } from '../../protocol/tape.ts';
import { idText } from '../../protocol/lines.ts';
import { numberMember, textMember } from '../../protocol/members.ts';
import type { Directory } from './directory.ts';
import type { ListKind } from './kinds.ts';
import type { Household, Member, Trouble } from './member.ts';
import type { MergeLimits } from './options.ts';
import { underId } from './wire.ts';

/** One entry of a list, where it stands in the page that it came in. */
interface Entry {
  readonly line: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly nameStart: number;
  readonly nameEnd: number;
  readonly name: string;
}

/** The whole list of one server. */
interface Listing {
  readonly entries: readonly Entry[];
  readonly ttlMs: number;
  readonly isPublic: boolean;
}

type Outcome =
  | { readonly listing: Listing }
  | { readonly trouble: Trouble }
  | { readonly refusal: Uint8Array; readonly said: string | undefined }
  | 'late';

/** What is left of a list that was too much for one page. */
interface Rest {
  readonly kind: ListKind;
  readonly pieces: readonly Uint8Array[];
  readonly from: number;
  readonly tail: string;
}

const MOST_RESTS = 8;
/** Of one list of one server, kept while the list is made. */
const MOST_BYTES = 32 << 20;
const LONGEST_CURSOR = 65_536;
/** How long the list of a server that is too slow to be waited for stands in for the next one. */
const LATE_GOOD_MS = 600_000;

export interface ListsHost extends Household {
  readonly members: readonly Member[];
  readonly directory: Directory;
  readonly limits: MergeLimits;
  readonly connectMs: number;
  /** Whether what a server lists is its own; what another one has is not shown. */
  isOwn(kind: ListKind, server: number, name: string): boolean;
  /** The client should read this list again. @param by the server that says so, of which nothing kept is good any more */
  changed(notification: string, by?: Member): void;
}

/** Makes one list out of those of all servers. */
export class Lists {
  readonly #host: ListsHost;
  /** Lists that are still being read, though nobody waits for them any more. */
  readonly #running = new Map<string, Promise<Outcome>>();
  readonly #late = new Map<string, { readonly listing: Listing; readonly at: number }>();
  readonly #rests = new Map<string, Rest>();
  #cursors = 0;

  constructor(host: ListsHost) {
    this.#host = host;
  }

  /**
   * The answer to a list request: entries in the order of the config, each as its server wrote it but for its name.
   * @param envelope `_meta` of the request
   */
  async merged(kind: ListKind, id: Id, envelope: string | undefined): Promise<Uint8Array> {
    const { members, directory, options, tape } = this.#host;
    const outcomes = await this.read(kind, envelope);
    const listings = outcomes.map((outcome) => (isListing(outcome) ? outcome.listing : undefined));
    if (listings.every((listing) => listing === undefined)) {
      const refusal = outcomes.find((outcome) => typeof outcome === 'object' && 'refusal' in outcome);
      if (refusal !== undefined) return underId(tape, refusal.refusal, id);
    }
    const exposed = directory.show(kind);
    const pieces: Uint8Array[] = [];
    for (const [server, listing] of listings.entries()) {
      for (const entry of listing?.entries ?? []) {
        const name = kind.key === 'taskId' ? entry.name : exposed.of[server]!.get(entry.name);
        if (name !== undefined && this.#host.isOwn(kind, server, entry.name)) pieces.push(renamed(entry, name));
      }
    }
    const isWhole = listings.length === members.length && listings.every((listing) => listing !== undefined);
    return this.#page({ kind, pieces, from: 0, tail: options.era === 'modern' ? tailOf(listings, isWhole) : '' }, id);
  }

  /** What comes after a page. Undefined when the cursor is none of ours. */
  rest(kind: ListKind, cursor: string, id: Id): Uint8Array | undefined {
    const rest = this.#rests.get(cursor);
    return rest === undefined || rest.kind !== kind ? undefined : this.#page(rest, id);
  }

  /** Reads a list of all servers, or of some, and takes in what there is. None is waited for longer than another. */
  async read(
    kind: ListKind,
    envelope: string | undefined,
    of: readonly Member[] = this.#host.members,
  ): Promise<readonly Outcome[]> {
    const { directory, log } = { directory: this.#host.directory, log: this.#host.options.log };
    const outcomes = await Promise.all(of.map((member) => this.#readInTime(member, kind, envelope)));
    for (const [i, outcome] of outcomes.entries()) {
      const member = of[i]!;
      if (isListing(outcome)) directory.note(kind, member.index, namesOf(outcome.listing));
      else if (outcome === 'late')
        log.info(`${kind.method}: the server "${member.name}" is left out until it answers.`);
      else if ('refusal' in outcome)
        log.warn(`The server "${member.name}" is left out of ${kind.method}: ${outcome.said ?? 'it was refused.'}`);
    }
    return outcomes;
  }

  /** What was read of a server is not to be shown again. */
  forget(member: Member, notification?: string): void {
    for (const key of this.#late.keys()) {
      if (key.startsWith(`${member.index} `) && (notification === undefined || key.endsWith(` ${notification}`))) {
        this.#late.delete(key);
      }
    }
  }

  async #readInTime(member: Member, kind: ListKind, envelope: string | undefined): Promise<Outcome> {
    const { options, connectMs, directory } = this.#host;
    const key = `${member.index} ${kind.method} ${kind.changed ?? ''}`;
    const reading = this.#running.get(key) ?? this.#read(member, kind, envelope).catch(unread);
    let isLate = false;
    const inTime = new Promise<Outcome>((resolve) => {
      const stop = options.clock.after(connectMs, () => {
        isLate = true;
        resolve('late');
      });
      void reading.then((outcome) => {
        stop();
        resolve(outcome);
      });
    });
    const outcome = await inTime;
    if (!isLate) return outcome;
    if (!this.#running.has(key)) {
      this.#running.set(key, reading);
      void reading.then((late) => {
        this.#running.delete(key);
        if (!isListing(late)) return;
        this.#late.set(key, { listing: late.listing, at: options.clock.now() });
        if (directory.note(kind, member.index, namesOf(late.listing)) && kind.changed !== undefined) {
          this.#host.changed(kind.changed);
        }
      });
    }
    const kept = this.#late.get(key);
    return kept !== undefined && options.clock.now() - kept.at < LATE_GOOD_MS ? { listing: kept.listing } : 'late';
  }

  /** All pages of one list of one server. */
  async #read(member: Member, kind: ListKind, envelope: string | undefined): Promise<Outcome> {
    const { limits, connectMs, tape, options } = this.#host;
    const trouble = await member.whenReady(connectMs);
    if (trouble !== undefined) return { trouble };
    if (member.has(kind.capability) === false) return { listing: NO_LISTING };
    const entries: Entry[] = [];
    const names = new Set<string>();
    const cursors = new Set<string>();
    let cursor: string | undefined;
    let ttlMs = Number.MAX_SAFE_INTEGER;
    let isPublic = true;
    let bytes = 0;
    for (let page = 0; ; page++) {
      const params = { cursor: cursor === undefined ? undefined : quoted(cursor) };
      const reply = await member.ask(kind.method, params, envelope);
      if ('trouble' in reply) return reply;
      const message = readMessage(tape, reply.line, 0, reply.line.length);
      if ('refused' in message) return { trouble: { why: 'gave a list that cannot be read', retryAfterMs: 1000 } };
      if (message.kind === 'error') {
        const isNone = numberMember(tape, message.error, 'code') === METHOD_NOT_FOUND;
        return isNone
          ? { listing: NO_LISTING }
          : { refusal: reply.line, said: textMember(tape, message.error, 'message') };
      }
      const dropped = collect(tape, reply.line, message.result, kind, entries, names, limits.entries);
      if (dropped > 0)
        options.log.warn(`${kind.method}: ${dropped} entries of the server "${member.name}" are dropped.`);
      ttlMs = Math.min(ttlMs, ttlOf(tape, message.result));
      isPublic &&= textMember(tape, message.result, 'cacheScope') === 'public';
      cursor = textMember(tape, message.result, 'nextCursor');
      if (cursor === undefined) break;
      bytes += reply.line.length;
      const isTooMuch = bytes > MOST_BYTES || cursor.length > LONGEST_CURSOR || entries.length >= limits.entries;
      if (isTooMuch || cursors.has(cursor) || page + 1 >= limits.pages) {
        options.log.warn(`${kind.method}: the list of the server "${member.name}" is cut: it goes on too long.`);
        break;
      }
      cursors.add(cursor);
    }
    return { listing: { entries, ttlMs, isPublic } };
  }

  #page({ kind, pieces, from, tail }: Rest, id: Id): Uint8Array {
    const { pageBytes } = this.#host.limits;
    let to = from;
    for (let bytes = 0; to < pieces.length; to++) {
      bytes += pieces[to]!.length + 1;
      if (bytes > pageBytes && to > from) break;
    }
    let next = '';
    if (to < pieces.length) {
      const cursor = `callgate-${++this.#cursors}`;
      this.#rests.set(cursor, { kind, pieces, from: to, tail });
      if (this.#rests.size > MOST_RESTS) this.#rests.delete(this.#rests.keys().next().value as string);
      next = `,"nextCursor":${quoted(cursor)}`;
    }
    const head = encodeUtf8(`{"jsonrpc":"2.0","id":${idText(id)},"result":{${quoted(kind.entries)}:[`);
    return joined(head, pieces.slice(from, to), encodeUtf8(`]${next}${tail}}}`));
  }
}

const NO_LISTING: Listing = { entries: [], ttlMs: Number.MAX_SAFE_INTEGER, isPublic: true };

function isListing(outcome: Outcome): outcome is { readonly listing: Listing } {
  return typeof outcome === 'object' && 'listing' in outcome;
}

function namesOf({ entries }: Listing): readonly string[] {
  return entries.map(({ name }) => name);
}

function unread(error: unknown): Outcome {
  return { trouble: { why: `gave a list that cannot be read: ${messageOf(error)}`, retryAfterMs: 1000 } };
}

/** Adds the entries of a page that have a name of their own. @returns how many have none, or are too many */
function collect(
  tape: Scanner,
  line: Uint8Array,
  result: number,
  kind: ListKind,
  entries: Entry[],
  names: Set<string>,
  most: number,
): number {
  const list = memberOf(tape, result, kind.entries);
  if (list < 0 || tape.kinds[list] !== ARRAY) return 0;
  let dropped = 0;
  for (const node of elements(tape, list)) {
    const at = tape.kinds[node] === OBJECT ? memberOf(tape, node, kind.key) : -1;
    const name = at >= 0 && tape.kinds[at] === STRING ? stringAt(tape, at) : '';
    if (name === '' || names.has(name) || entries.length >= most) {
      dropped++;
      continue;
    }
    names.add(name);
    const [start, end] = [tape.starts[node]!, tape.ends[node]!];
    entries.push({ line, start, end, nameStart: tape.starts[at]!, nameEnd: tape.ends[at]!, name });
  }
  return dropped;
}

function renamed({ line, start, end, nameStart, nameEnd, name }: Entry, exposed: string): Uint8Array {
  if (exposed === name) return line.subarray(start, end);
  const text = quoteJson(exposed);
  const out = new Uint8Array(end - start - (nameEnd - nameStart) + text.length);
  out.set(line.subarray(start, nameStart));
  out.set(text, nameStart - start);
  out.set(line.subarray(nameEnd, end), nameStart - start + text.length);
  return out;
}

/** A list that lacks a server is nobody else's, and good for no time at all. */
function tailOf(listings: readonly (Listing | undefined)[], isWhole: boolean): string {
  const ttl = Math.min(...listings.map((listing) => listing?.ttlMs ?? 0));
  const ttlMs = isWhole && ttl < Number.MAX_SAFE_INTEGER ? ttl : 0;
  const scope = isWhole && listings.every((listing) => listing?.isPublic === true) ? 'public' : 'private';
  return `,"resultType":"complete","ttlMs":${ttlMs},"cacheScope":"${scope}"`;
}

function ttlOf(tape: Scanner, result: number): number {
  return Math.max(0, numberMember(tape, result, 'ttlMs') ?? 0);
}

function joined(head: Uint8Array, pieces: readonly Uint8Array[], tail: Uint8Array): Uint8Array {
  const commas = Math.max(0, pieces.length - 1);
  const length = pieces.reduce((sum, piece) => sum + piece.length, head.length + tail.length + commas);
  const out = new Uint8Array(length);
  out.set(head);
  let at = head.length;
  for (const [i, piece] of pieces.entries()) {
    if (i > 0) out[at++] = 0x2c;
    out.set(piece, at);
    at += piece.length;
  }
  out.set(tail, at);
  return out;
}
