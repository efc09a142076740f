import type { Id } from '../../protocol/correlate.ts';
import type { Message } from '../../protocol/message.ts';
import type { Tape } from '../../protocol/nodes.ts';
import { member as memberOf } from '../../protocol/tape.ts';
import type { Edit } from '../../protocol/splice.ts';
import { edited, replace } from '../../protocol/edits.ts';
import { cancelLine, idText } from '../../protocol/lines.ts';
import { idAt } from '../../protocol/members.ts';
import type { Member } from './member.ts';

/** A request of a server that the client has not answered. */
interface Asked {
  readonly member: Member;
  readonly generation: number;
  readonly idText: string;
  readonly token: string | undefined;
}

const MOST = 10_000;

/**
 * Requests that servers make of the client: each server numbers its own, so that the client sees them as
 * `<server>.<conversation>:<id>`. Only an answer to one that is open goes to its server.
 */
export class Asks {
  readonly #open = new Map<string, Asked>();
  /** Progress tokens of those, as the client knows them. */
  readonly #tokens = new Map<string, { readonly member: Member; readonly generation: number; readonly text: string }>();

  /** A request as the client is to see it; undefined when too many are open, or it is open already. */
  outward(member: Member, tape: Tape, message: Message): Uint8Array | undefined {
    const own = idText(message.id as Id);
    const id = named(member, own);
    if (this.#open.size >= MOST || this.#open.has(id)) return undefined;
    const edits: Edit[] = [replace(tape, memberOf(tape, 0, 'id'), idText(id))];
    const { generation } = member;
    let token: string | undefined;
    if (message.progressToken !== undefined) {
      const text = idText(message.progressToken);
      token = named(member, text);
      this.#tokens.set(token, { member, generation, text });
      const node = memberOf(tape, memberOf(tape, message.params, '_meta'), 'progressToken');
      edits.push(replace(tape, node, idText(token)));
    }
    this.#open.set(id, { member, generation, idText: own, token });
    return edited(tape, edits);
  }

  /** The client's answer as its server is to see it. Undefined when nobody awaits it. */
  inward(tape: Tape, message: Message): { readonly member: Member; readonly line: Uint8Array } | undefined {
    const asked = typeof message.id === 'string' ? this.#take(message.id) : undefined;
    if (asked === undefined || asked.member.generation !== asked.generation) return undefined;
    const line = edited(tape, [replace(tape, memberOf(tape, 0, 'id'), asked.idText)]);
    return { member: asked.member, line };
  }

  /** Progress of the client on a server's request, as that server is to see it. */
  progress(tape: Tape, message: Message): { readonly member: Member; readonly line: Uint8Array } | undefined {
    const token = typeof message.progressToken === 'string' ? this.#tokens.get(message.progressToken) : undefined;
    if (token === undefined || token.member.generation !== token.generation) return undefined;
    const node = memberOf(tape, message.params, 'progressToken');
    return { member: token.member, line: edited(tape, [replace(tape, node, token.text)]) };
  }

  /** A server takes a request back. Undefined when it is not open. */
  cancelled(member: Member, tape: Tape, message: Message): Uint8Array | undefined {
    const node = memberOf(tape, message.params, 'requestId');
    const own = idAt(tape, node);
    const id = own === undefined ? undefined : named(member, idText(own));
    if (id === undefined || this.#take(id) === undefined) return undefined;
    return edited(tape, [replace(tape, node, idText(id))]);
  }

  /** Nobody awaits what this server asked for any more: what the client is to be told. */
  ended(member: Member): readonly Uint8Array[] {
    const told: Uint8Array[] = [];
    for (const [id, asked] of this.#open) {
      if (asked.member !== member) continue;
      this.#take(id);
      told.push(cancelLine(id));
    }
    return told;
  }

  #take(id: string): Asked | undefined {
    const asked = this.#open.get(id);
    if (asked === undefined) return undefined;
    this.#open.delete(id);
    if (asked.token !== undefined) this.#tokens.delete(asked.token);
    return asked;
  }
}

function named({ index, generation }: Member, text: string): string {
  return `${index}.${generation}:${text}`;
}
