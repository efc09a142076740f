import { MALFORMED_ANSWER, TOO_MANY_IN_FLIGHT } from '../../protocol/codes.ts';
import type { Id } from '../../protocol/correlate.ts';
import { readMessage, type Message } from '../../protocol/message.ts';
import { OBJECT } from '../../protocol/scan.ts';
import { member as memberOf } from '../../protocol/tape.ts';
import { edited, replace } from '../../protocol/edits.ts';
import { errorLine, idText } from '../../protocol/lines.ts';
import { textMember } from '../../protocol/members.ts';
import { Asks } from './asks.ts';
import type { Listens } from './listens.ts';
import type { ListsHost } from './lists.ts';
import type { Member } from './member.ts';
import type { Requests } from './requests.ts';
import { TaskOwners } from './tasks.ts';

/** What servers say, and what the client answers to it. */
export class Inbound {
  readonly #host: ListsHost;
  readonly #requests: Requests;
  readonly #listens: Listens;
  readonly #tell: (line: Uint8Array, about: Id | undefined) => void;
  readonly #listChanged: (member: Member, notification: string) => void;
  readonly #asks = new Asks();
  /** Tasks that servers carry out for the client. */
  readonly tasks = new TaskOwners();
  /** Tasks that the client carries out for servers. */
  readonly #clientTasks = new TaskOwners();

  constructor(
    host: ListsHost,
    requests: Requests,
    listens: Listens,
    tell: (line: Uint8Array, about: Id | undefined) => void,
    listChanged: (member: Member, notification: string) => void,
  ) {
    this.#host = host;
    this.#requests = requests;
    this.#listens = listens;
    this.#tell = tell;
    this.#listChanged = listChanged;
  }

  /** The answer of a server to a request of the client, as it came; nobody else's is heard. */
  answer(member: Member, id: Id, line: Uint8Array, about: Id | undefined): void {
    const open = this.#requests.ofServer(member, id);
    if (open === undefined) return;
    const isTaken = open.method === 'tools/call' && mayHoldTask(line) && !this.#claims(member, line);
    if (!isTaken) return this.#requests.answered(id, line, about);
    const text = `The server "${member.name}" named a task that another server has.`;
    this.#requests.reply(id, errorLine(id, MALFORMED_ANSWER, text));
  }

  /** A request or notification of a server. @param stream the request on whose stream it came */
  told(member: Member, line: Uint8Array, stream: Id | undefined): void {
    const { tape, options, directory } = this.#host;
    const message = readMessage(tape, line, 0, line.length);
    if ('refused' in message) {
      return options.log.warn(`A message of the server "${member.name}" is dropped: ${message.message}`);
    }
    // The client knows of no stream but those of its own requests.
    const isOfClient = stream !== undefined && this.#requests.ofServer(member, stream) !== undefined;
    const about = isOfClient ? stream : undefined;
    if (message.kind === 'request') return this.#asked(member, message, about);
    if (message.kind !== 'notification' || this.#listens.told(member, message, stream)) return;
    switch (message.method) {
      case 'notifications/tools/list_changed':
      case 'notifications/prompts/list_changed':
      case 'notifications/resources/list_changed':
        return this.#listChanged(member, message.method);
      case 'notifications/cancelled': {
        const told = this.#asks.cancelled(member, tape, message);
        return told === undefined ? undefined : this.#tell(told, about);
      }
      case 'notifications/resources/updated': {
        const uri = directory.uriOf(member.index, message.uri!);
        const node = memberOf(tape, message.params, 'uri');
        return this.#tell(uri === message.uri ? line : edited(tape, [replace(tape, node, idText(uri))]), about);
      }
      case 'notifications/tasks/status':
      case 'notifications/tasks': {
        const taskId = textMember(tape, message.params, 'taskId');
        if (taskId === undefined || this.tasks.claim(taskId, member.index)) this.#tell(line, about);
        return;
      }
      default:
        this.#tell(line, about);
    }
  }

  /** An answer of the client to a request of a server. */
  answered(message: Message): void {
    const { tape } = this.#host;
    const found = this.#asks.inward(tape, message);
    if (found === undefined) return;
    const taskId = message.isTask ? textMember(tape, memberOf(tape, message.result, 'task'), 'taskId') : undefined;
    if (taskId !== undefined) this.#clientTasks.claim(taskId, found.member.index);
    found.member.send(found.line);
  }

  /** Progress of the client on a request of a server. */
  progress(message: Message): void {
    const found = this.#asks.progress(this.#host.tape, message);
    found?.member.send(found.line);
  }

  /** The client tells of a task that it carries out. */
  clientTask(message: Message, line: Uint8Array): void {
    const owner = this.#clientTasks.ownerOf(textMember(this.#host.tape, message.params, 'taskId') ?? '');
    if (owner !== undefined) this.#host.members[owner]!.send(line);
  }

  /** The client need not answer what this server asked. */
  ended(member: Member): void {
    for (const line of this.#asks.ended(member)) this.#tell(line, undefined);
  }

  #asked(member: Member, message: Message, about: Id | undefined): void {
    const line = this.#asks.outward(member, this.#host.tape, message);
    if (line !== undefined) return this.#tell(line, about);
    member.send(errorLine(message.id as Id, TOO_MANY_IN_FLIGHT, 'Too many requests to the client are open.'));
  }

  /** Notes whose task a result has begun. @returns false when another server has it: what is sent to it would go there */
  #claims(member: Member, line: Uint8Array): boolean {
    const { tape } = this.#host;
    const message = readMessage(tape, line, 0, line.length);
    if ('refused' in message || !message.isTask) return true;
    const task = memberOf(tape, message.result, 'task');
    const taskId = textMember(tape, task >= 0 && tape.kinds[task] === OBJECT ? task : message.result, 'taskId');
    return taskId === undefined || this.tasks.claim(taskId, member.index);
  }
}

/** A cheap look before a result is read: a server that spells the word with escapes has its own tasks not found, no more. */
function mayHoldTask(line: Uint8Array): boolean {
  return Buffer.from(line.buffer, line.byteOffset, line.byteLength).includes('"taskId"');
}
