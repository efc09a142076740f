import type { Id } from '../../protocol/correlate.ts';
import type { Message } from '../../protocol/message.ts';
import type { Tape } from '../../protocol/nodes.ts';
import { splice } from '../../protocol/splice.ts';
import { member } from '../../protocol/tape.ts';
import { replace } from '../../protocol/edits.ts';
import { idText } from '../../protocol/lines.ts';
import { textMember } from '../../protocol/members.ts';
import type { Call } from './call.ts';
import type { LegacySession } from './legacy-session.ts';
import type { Listens } from './listens.ts';
import type { Parking } from './parking.ts';
import type { Teller } from './teller.ts';
import { LOG_LEVELS } from './words.ts';

export interface ServerNotesOptions {
  readonly tape: Tape;
  readonly teller: Teller;
  readonly listens: Listens;
  readonly parking: Parking;
}

/** What legacy servers tell, for the requests of modern clients that it belongs to; what belongs to none is dropped. */
export class ServerNotes {
  readonly #o: ServerNotesOptions;

  constructor(options: ServerNotesOptions) {
    this.#o = options;
  }

  /** The tape holds the notification. @param call it belongs to, where that is certain */
  told(session: LegacySession, message: Message, start: number, end: number, call: Call | undefined): void {
    const { tape, teller, listens, parking } = this.#o;
    switch (message.method) {
      case 'notifications/progress':
        return this.#progress(session, message, start, end);
      case 'notifications/message':
        return this.#log(message, start, end, call);
      case 'notifications/cancelled':
        return parking.withdrawn(session, message.cancelled as Id);
      case 'notifications/tools/list_changed':
      case 'notifications/prompts/list_changed':
      case 'notifications/resources/list_changed':
      case 'notifications/resources/updated':
        return listens.changed(tape, session, message, start, end);
      case 'notifications/elicitation/complete':
      case 'notifications/tasks/status':
        return undefined; // 2026-07-28 does not have them.
      default:
        return call?.client === undefined ? undefined : teller.span(tape.bytes, start, end, call.client);
    }
  }

  /** Only to a request that asked, from the level on that it asked for. */
  #log(message: Message, start: number, end: number, call: Call | undefined): void {
    const { tape, teller } = this.#o;
    if (call?.client === undefined || call.logLevel === undefined) return;
    const level = LOG_LEVELS.indexOf(textMember(tape, message.params, 'level') ?? '');
    if (level >= call.logLevel) teller.span(tape.bytes, start, end, call.client);
  }

  /** Under the token of the round that is open. */
  #progress(session: LegacySession, message: Message, start: number, end: number): void {
    const { tape, teller } = this.#o;
    const call = message.progressToken === undefined ? undefined : session.tokens.get(message.progressToken);
    if (call?.client === undefined || call.clientToken === undefined) return;
    if (call.clientToken === call.token) return teller.span(tape.bytes, start, end, call.client);
    const edit = replace(tape, member(tape, message.params, 'progressToken'), idText(call.clientToken));
    teller.message(splice(tape.bytes, start, end, [edit]), call.client);
  }
}
