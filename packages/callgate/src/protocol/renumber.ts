import { cancelLine } from './lines.ts';
import { numberMember } from './members.ts';
import type { Message } from './message.ts';
import { readMessage } from './message.ts';
import type { Tape } from './nodes.ts';
import { SUBSCRIPTION_ID } from './meta-keys.ts';
import { NUMBER, STRING } from './nodes.ts';
import type { Scanner } from './scan.ts';
import { encodeUtf8 } from './splice.ts';
import { member, numberAt, stringAt } from './tape.ts';

// Clients choose their ids, and two of them choose the same. What goes on carries a number of ours instead, which no
// other request of the conversation has; what comes back carries the client's own id again, byte for byte.

/** Where new bytes come from: the host's pool is faster than a new array each. */
export type Allocate = (length: number) => Uint8Array;

/** What of a request was replaced, as JSON text. */
export interface Original {
  readonly id: Uint8Array;
  readonly token: Uint8Array | undefined;
}

/** A message for the client, in its own words; `about` is the number of the request it belongs to, when it says so. */
export interface Restored {
  readonly line: Uint8Array;
  readonly about: number | undefined;
  /** The server wants an answer to it. */
  readonly asks: boolean;
}

const AT_HEAD = encodeUtf8('{"jsonrpc":"2.0","id":');
const FIRST = encodeUtf8('{"id":');
const AT_TAIL = encodeUtf8(',"id":');
const RESULTS = ['{"result":', '{"jsonrpc":"2.0","result":'].map((text) => encodeUtf8(text));
const RESULT_NEXT = encodeUtf8(',"result":');
const COMMA = 0x2c;
const BRACE = 0x7d;

/**
 * The id and the progress token of a request, as they came.
 * @param tape holds the message
 * @param message a request
 */
export function originalOf(tape: Tape, message: Message): Original {
  const token = message.progressToken === undefined ? -1 : tokenNode(tape, message);
  return {
    id: copyOf(tape.bytes, message.idStart, message.idEnd),
    token: token < 0 ? undefined : copyOf(tape.bytes, tape.starts[token]!, tape.ends[token]!),
  };
}

/**
 * A request under a number of ours, which is its progress token too if it has one.
 * @param tape holds the message
 * @param message a request
 * @param start first byte of it
 * @param end one past its last byte
 * @param number the id from now on
 */
export function numbered(
  tape: Tape,
  message: Message,
  start: number,
  end: number,
  number: number,
  allocate: Allocate = plain,
): Uint8Array {
  const text = digits(number);
  const id: Span = { start: message.idStart, end: message.idEnd };
  const token = message.progressToken === undefined ? -1 : tokenNode(tape, message);
  const other = token < 0 ? undefined : spanOf(tape, token);
  return replaced(tape.bytes, start, end, id, other, text, allocate);
}

/**
 * A `notifications/cancelled` of the client, about the number of the request it means.
 * @param tape holds the message
 * @param message the notification; its `cancelled` is set
 */
export function cancelOf(tape: Tape, message: Message, start: number, end: number, number: number): Uint8Array {
  const node = member(tape, message.params, 'requestId');
  return replaced(tape.bytes, start, end, spanOf(tape, node), undefined, digits(number), plain);
}

/** Says that the client no longer waits for a request. */
export function cancelling(number: number): Uint8Array {
  return cancelLine(number, 'The client hung up.');
}

/**
 * An answer under the client's own id.
 * @param scanner used only when the id stands in no usual place
 * @param line the answer, strictly valid: one that the gate has read
 * @param number the id it carries
 * @param original what the request said
 * @param listens whether it closes a `subscriptions/listen`, whose result names its id once more
 * @returns undefined when it is no answer under that number
 */
export function restoreAnswer(
  scanner: Scanner,
  line: Uint8Array,
  number: number,
  original: Original,
  listens = false,
  allocate: Allocate = plain,
): Uint8Array | undefined {
  if (!listens) {
    const text = digits(number);
    const at = idPlace(line, text);
    const span = { start: at, end: at + text.length };
    if (at >= 0) return replaced(line, 0, line.length, span, undefined, original.id, allocate);
  }
  const message = readMessage(scanner, line, 0, line.length);
  if ('refused' in message || message.id !== number || message.method !== undefined) return undefined;
  const id: Span = { start: message.idStart, end: message.idEnd };
  const node = listens ? member(scanner, member(scanner, message.result, '_meta'), SUBSCRIPTION_ID) : -1;
  const named = numberOf(scanner, node) === number ? spanOf(scanner, node) : undefined;
  return replaced(line, 0, line.length, id, named, original.id, allocate);
}

/**
 * The code of an answer that is an error; 0 for a result.
 * @param scanner used only when the answer does not begin like a result
 * @param line the answer, strictly valid
 */
export function errorCode(scanner: Scanner, line: Uint8Array): number {
  if (RESULTS.some((head) => begins(line, head, 0))) return 0;
  if (begins(line, AT_HEAD, 0)) {
    const comma = line.indexOf(COMMA, AT_HEAD.length);
    // A comma may stand inside an id that is text; then what follows it is hardly this, and is no result if it is.
    if (comma > 0 && line[AT_HEAD.length] !== 0x22 && begins(line, RESULT_NEXT, comma)) return 0;
  }
  const message = readMessage(scanner, line, 0, line.length);
  if ('refused' in message || message.error < 0) return 0;
  return numberMember(scanner, message.error, 'code') ?? 0;
}

/**
 * A request or notification of the server in the words of the client: its progress token and the id of its subscription.
 * @param scanner its tape is used
 * @param line the message, strictly valid
 * @param originals the open requests by their numbers
 * @returns undefined for progress that nobody asked for any more
 */
export function restoreNote(
  scanner: Scanner,
  line: Uint8Array,
  originals: (number: number) => Original | undefined,
): Restored | undefined {
  const message = readMessage(scanner, line, 0, line.length);
  if ('refused' in message || message.method === undefined) return undefined;
  if (message.kind === 'request') return { line, about: undefined, asks: true };
  const isProgress = message.method === 'notifications/progress';
  const node = isProgress
    ? member(scanner, message.params, 'progressToken')
    : member(scanner, member(scanner, message.params, '_meta'), SUBSCRIPTION_ID);
  const number = numberOf(scanner, node);
  const original = number === undefined ? undefined : originals(number);
  const text = isProgress ? original?.token : original?.id;
  if (text === undefined) return isProgress ? undefined : { line, about: undefined, asks: false };
  const restored = replaced(line, 0, line.length, spanOf(scanner, node), undefined, text, plain);
  return { line: restored, about: number, asks: false };
}

/**
 * Where the id of an answer stands, if in one of the places where it cannot be anything else: first, after the version, or
 * last. (A comma, a key and a number directly before the last brace are members of the message: a quote inside a text would
 * have a backslash before it.)
 */
function idPlace(line: Uint8Array, text: Uint8Array): number {
  for (const head of [AT_HEAD, FIRST]) {
    if (!begins(line, head, 0) || !begins(line, text, head.length)) continue;
    const next = line[head.length + text.length];
    if (next === COMMA || next === BRACE) return head.length;
  }
  const at = line.length - 1 - text.length;
  const key = at - AT_TAIL.length;
  if (key > 0 && line[line.length - 1] === BRACE && begins(line, text, at) && begins(line, AT_TAIL, key)) return at;
  return -1;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** A copy of a message in which one span, or two, say something else. */
function replaced(
  bytes: Uint8Array,
  start: number,
  end: number,
  one: Span,
  two: Span | undefined,
  text: Uint8Array,
  allocate: Allocate,
): Uint8Array {
  const first = two !== undefined && two.start < one.start ? two : one;
  const last = first === one ? two : one;
  const removed = first.end - first.start + (last === undefined ? 0 : last.end - last.start);
  const out = allocate(end - start - removed + text.length * (last === undefined ? 1 : 2));
  let to = copy(bytes, start, first.start, out, 0);
  to = copy(text, 0, text.length, out, to);
  if (last === undefined) {
    copy(bytes, first.end, end, out, to);
    return out;
  }
  to = copy(bytes, first.end, last.start, out, to);
  to = copy(text, 0, text.length, out, to);
  copy(bytes, last.end, end, out, to);
  return out;
}

/** Below this many bytes a loop beats a view of them. */
const SHORT = 128;

function copy(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
  if (end - start > SHORT) to.set(from.subarray(start, end), at);
  else for (let i = start; i < end; i++) to[at + i - start] = from[i]!;
  return at + end - start;
}

function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const out = new Uint8Array(end - start);
  copy(bytes, start, end, out, 0);
  return out;
}

function plain(length: number): Uint8Array {
  return new Uint8Array(length);
}

/** A whole number in decimal. */
function digits(number: number): Uint8Array {
  const text = String(number);
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out;
}

function spanOf(tape: Tape, node: number): Span {
  return { start: tape.starts[node]!, end: tape.ends[node]! };
}

function begins(line: Uint8Array, text: Uint8Array, at: number): boolean {
  if (line.length < at + text.length) return false;
  for (let i = 0; i < text.length; i++) if (line[at + i] !== text[i]) return false;
  return true;
}

function tokenNode(tape: Tape, message: Message): number {
  return member(tape, member(tape, message.params, '_meta'), 'progressToken');
}

/** One of our numbers; some peers turn an id into text. */
function numberOf(tape: Tape, node: number): number | undefined {
  if (node < 0) return undefined;
  if (tape.kinds[node] === NUMBER) {
    const value = numberAt(tape, node);
    return typeof value === 'number' ? value : undefined;
  }
  if (tape.kinds[node] !== STRING) return undefined;
  const value = Number(stringAt(tape, node));
  return Number.isSafeInteger(value) && value > 0 ? value : undefined;
}
