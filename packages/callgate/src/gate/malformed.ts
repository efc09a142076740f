import { INTERNAL_ERROR, INVALID_REQUEST, METHOD_REFUSED, TOO_MANY_IN_FLIGHT } from '../protocol/codes.ts';
import type { Message, Refusal } from '../protocol/message.ts';
import { methodKind, type Sender } from '../protocol/methods.ts';
import { salvageId, salvageOversize } from '../protocol/salvage.ts';
import { decodeUtf8 } from '../protocol/splice.ts';
import type { Session } from './session.ts';

/** A line that a fault of ours kept from being judged. */
export function notJudged(bytes: Uint8Array, start: number, end: number): Refusal {
  const message = 'It could not be judged; the log of the gate says why.';
  return refusal(INTERNAL_ERROR, 'fault', message, salvageId(bytes, start, end));
}

/** A line longer than the limit, of which only the two ends were kept. */
export function tooLarge(head: Uint8Array, tail: Uint8Array, length: number): Refusal {
  const message = `The message has ${length} bytes, more than limits.messageBytes allows.`;
  return refusal(INVALID_REQUEST, 'too_large', message, salvageOversize(head, tail).idText);
}

/** A line that some peers read as several. */
export function splitByReturn(message: Message, bytes: Uint8Array): Refusal {
  const why = 'A carriage return stands inside the line; some peers would read what follows as another message.';
  return refusalOf(message, bytes, INVALID_REQUEST, 'carriage_return', why);
}

/** Why a request or notification cannot stand as it came, whatever the policy says of it; undefined when it can. */
export function wrongForm(session: Session, from: Sender, message: Message, bytes: Uint8Array): Refusal | undefined {
  const method = message.method as string;
  const kind = methodKind(method, from);
  if (kind !== undefined && kind.form !== message.kind) {
    const why = `"${method}" is a ${kind.form}, but came as a ${message.kind}.`;
    return refusalOf(message, bytes, INVALID_REQUEST, 'wrong_form', why);
  }
  if (from === 'server' && kind === undefined && methodKind(method, 'client') !== undefined) {
    const why = `"${method}" is the client's to send, not the server's.`;
    return refusalOf(message, bytes, METHOD_REFUSED, 'wrong_direction', why);
  }
  const open = session.open[from];
  const isFull = from === 'client' && session.options.isFull?.() === true;
  const tooSlow = (): Refusal => {
    const why = 'The server reads too slowly, and too much waits for it.';
    return refusalOf(message, bytes, TOO_MANY_IN_FLIGHT, 'server_too_slow', why);
  };
  if (message.kind !== 'request') {
    // What ends a request makes room.
    const frees = message.cancelled !== undefined && open.has(message.cancelled);
    return isFull && !frees ? tooSlow() : undefined;
  }
  if (open.isTaken(message.id as string | number)) {
    const why = `The id ${idTextOf(message, bytes)} belongs to a request that is still open or was cancelled.`;
    // An error under that id would be taken for the answer to the first request; and the late answer to a request that
    // was cancelled must not be judged as that to another.
    return { ...refusalOf(message, bytes, INVALID_REQUEST, 'id_in_use', why), idText: undefined };
  }
  const { inFlight } = session.options;
  if (open.size >= inFlight) {
    const why = `More than ${inFlight} requests are open.`;
    return refusalOf(message, bytes, TOO_MANY_IN_FLIGHT, 'too_many_in_flight', why);
  }
  return isFull ? tooSlow() : undefined;
}

function refusalOf(message: Message, bytes: Uint8Array, code: number, reason: string, why: string): Refusal {
  const idText = message.id === undefined ? undefined : idTextOf(message, bytes);
  const form = message.kind === 'result' || message.kind === 'error' ? 'response' : message.kind;
  return { ...refusal(code, reason, why, idText), form };
}

function refusal(code: number, reason: string, message: string, idText: string | undefined): Refusal {
  return { refused: true, code, reason, message, idText, offset: 0 };
}

/** The id of a message that has one, as it was written. */
export function idTextOf(message: Message, bytes: Uint8Array): string {
  return decodeUtf8(bytes, message.idStart, message.idEnd);
}

/** The id that a JSON text says, or undefined when it says none. */
export function parseId(idText: string | undefined): string | number | undefined {
  if (idText === undefined) return undefined;
  try {
    const id: unknown = JSON.parse(idText);
    return typeof id === 'string' || typeof id === 'number' ? id : undefined;
  } catch {
    return undefined;
  }
}
