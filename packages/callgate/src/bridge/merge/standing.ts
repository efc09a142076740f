import { readMessage } from '../../protocol/message.ts';
import { quoted } from '../../protocol/splice.ts';
import { textMember } from '../../protocol/members.ts';
import type { ListsHost } from './lists.ts';
import type { Member } from './member.ts';
import type { Owned } from './names.ts';

const MOST_SUBSCRIPTIONS = 1000;

/** What a legacy client has asked for once and that stands: its log level, and the resources it is to be told of. */
export class Standing {
  readonly #host: ListsHost;
  /** JSON text. */
  #level: string | undefined;
  readonly #subscriptions = new Map<string, Owned>();

  constructor(host: ListsHost) {
    this.#host = host;
  }

  /**
   * Sets the level of every server that logs.
   * @param level JSON text
   * @returns why none would have it
   */
  async setLevel(level: string): Promise<string | undefined> {
    const { members, connectMs, tape } = this.#host;
    const able = members.filter((member) => member.isReady && member.has('logging') === true);
    const replies = await Promise.all(
      able.map((member) => member.ask('logging/setLevel', { level }, undefined, connectMs)),
    );
    let refusal: string | undefined;
    for (const reply of replies) {
      if ('trouble' in reply) continue;
      const read = readMessage(tape, reply.line, 0, reply.line.length);
      if ('refused' in read) continue;
      if (read.kind === 'error') refusal ??= textMember(tape, read.error, 'message') ?? 'The level was refused.';
      else {
        refusal = undefined;
        break;
      }
    }
    if (refusal === undefined) this.#level = level;
    return refusal;
  }

  /** A subscription or its end went to a server. */
  subscribed(method: string, owned: Owned): void {
    const key = `${owned.server} ${owned.name}`;
    if (method === 'resources/unsubscribe') this.#subscriptions.delete(key);
    else if (method === 'resources/subscribe' && this.#subscriptions.size < MOST_SUBSCRIPTIONS) {
      this.#subscriptions.set(key, owned);
    }
  }

  /** A server has come, or come again: it is told what stands. */
  restore(member: Member): void {
    if (this.#level !== undefined && member.has('logging') === true) {
      void member.ask('logging/setLevel', { level: this.#level }, undefined);
    }
    if (member.generation === 1) return;
    for (const { server, name } of this.#subscriptions.values()) {
      if (server === member.index) void member.ask('resources/subscribe', { uri: quoted(name) }, undefined);
    }
  }
}
