import { readMessage } from '../../protocol/message.ts';
import { KINDS, RESOURCES, TEMPLATES, type ListKind } from './kinds.ts';
import type { Lists, ListsHost } from './lists.ts';
import type { Member } from './member.ts';
import type { Owned } from './names.ts';

/** A name that nobody has is not looked for again so soon. */
const LISTED_GOOD_MS = 2000;

/** Finds out whose something is, by reading the lists where they have not told yet. */
export class Owners {
  readonly #host: ListsHost;
  readonly #lists: Lists;
  readonly #learning = new Map<Member, Promise<void>>();
  readonly #listedAt = new Map<ListKind, number>();

  constructor(host: ListsHost, lists: Lists) {
    this.#host = host;
    this.#lists = lists;
  }

  /** A list has been read just now. */
  listed(kind: ListKind): void {
    this.#listedAt.set(kind, this.#host.options.clock.now());
  }

  /** A name that nobody had may be there now. */
  outdate(notification: string): void {
    for (const kind of KINDS) if (kind.changed === notification) this.#listedAt.delete(kind);
  }

  /** Whose tool or prompt it is. @param envelope `_meta` of the request that names it */
  async ofName(kind: ListKind, exposed: string, envelope: string | undefined): Promise<Owned | undefined> {
    await this.#read([kind], envelope);
    return this.#host.directory.ownerOfName(kind, exposed, true);
  }

  /** Whose URI each is; one that nobody lists is that of the one server that has resources. */
  async ofUris(uris: readonly string[], envelope: string | undefined): Promise<readonly (Owned | undefined)[]> {
    const { directory, members } = this.#host;
    const isMissing = (): boolean => uris.some((uri) => directory.ownerOfUri(uri) === undefined);
    if (isMissing()) await this.#read([RESOURCES, TEMPLATES], envelope);
    if (isMissing()) await this.learn(envelope);
    const able = members.filter((member) => member.has('resources') === true);
    const only = able.length === 1 ? able[0] : undefined;
    return uris.map(
      (uri) => directory.ownerOfUri(uri) ?? (only === undefined ? undefined : { server: only.index, name: uri }),
    );
  }

  /** Waits for every server, and asks those of 2026-07-28 what they are that have not said it. */
  async learn(envelope: string | undefined): Promise<void> {
    await Promise.all(
      this.#host.members.map((member) => {
        const learning = this.#learning.get(member) ?? this.#ask(member, envelope);
        this.#learning.set(member, learning);
        return learning.finally(() => this.#learning.delete(member));
      }),
    );
  }

  async #ask(member: Member, envelope: string | undefined): Promise<void> {
    const { connectMs, options, tape } = this.#host;
    const trouble = await member.whenReady(connectMs);
    if (trouble !== undefined || options.era === 'legacy' || member.capabilities !== undefined) return;
    const reply = await member.ask('server/discover', {}, envelope, connectMs);
    if ('trouble' in reply) return;
    const read = readMessage(tape, reply.line, 0, reply.line.length);
    if (!('refused' in read) && read.kind === 'result') member.learn(tape, read.result);
  }

  async #read(kinds: readonly ListKind[], envelope: string | undefined): Promise<void> {
    const now = this.#host.options.clock.now();
    const due = kinds.filter((kind) => now - (this.#listedAt.get(kind) ?? -Infinity) >= LISTED_GOOD_MS);
    for (const kind of due) this.#listedAt.set(kind, now);
    await Promise.all(due.map((kind) => this.#lists.read(kind, envelope)));
  }
}
