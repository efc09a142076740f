import { INVALID_PARAMS, RESOURCE_NOT_FOUND } from '../../protocol/codes.ts';
import { OBJECT, STRING, type Tape } from '../../protocol/nodes.ts';
import type { Message } from '../../protocol/message.ts';
import { splice, type Edit } from '../../protocol/splice.ts';
import { member, textIs } from '../../protocol/tape.ts';
import { encodeUtf8 } from '../../protocol/text.ts';
import type { Id } from '../../protocol/correlate.ts';
import { SERVER_INFO } from '../../protocol/meta-keys.ts';
import { inOrder, memberEdits, replace, strippedMeta } from '../../protocol/edits.ts';
import { idText } from '../../protocol/lines.ts';
import { numberMember, textMember } from '../../protocol/members.ts';
import { CACHEABLE, MAY_ASK, PER_HOP } from './words.ts';

// One message from one era into the other. Each takes what was just read, and gives a buffer of its own; every byte that
// the other era does not say differently stays as it was.

const OF_A_RETRY: ReadonlySet<string> = new Set(['inputResponses', 'requestState']);
const NONE: ReadonlySet<string> = new Set();
const COMPLETE = encodeUtf8('complete');

/** A modern request as a legacy server wants it: without what is said of one hop, and of rounds. */
export function legacyRequest(tape: Tape, message: Message, start: number, end: number): Uint8Array {
  const { params, method } = message;
  if (params < 0) return splice(tape.bytes, start, end, []);
  const drop = MAY_ASK.has(method!) ? OF_A_RETRY : NONE;
  return splice(tape.bytes, start, end, strippedMeta(tape, params, PER_HOP, drop));
}

/**
 * A legacy answer as a modern client wants it.
 * @param method of the request
 * @param id when the client knows the request by another one
 */
export function modernAnswer(
  tape: Tape,
  message: Message,
  start: number,
  end: number,
  method: string,
  id: Id | undefined,
): Uint8Array {
  const edits = message.kind === 'result' ? completed(tape, message.result, method) : modernError(tape, message.error);
  if (id !== undefined) edits.push({ start: message.idStart, end: message.idEnd, text: encodeUtf8(idText(id)) });
  return splice(tape.bytes, start, end, inOrder(edits));
}

function completed(tape: Tape, result: number, method: string): Edit[] {
  if (tape.kinds[result] !== OBJECT) return [];
  const edits: Edit[] = [];
  const add: string[] = [];
  const type = member(tape, result, 'resultType');
  if (type < 0) add.push('"resultType":"complete"');
  // A server of sessions has no other kinds of results: to say `input_required` here would be to ask past the bridge.
  else if (tape.kinds[type] !== STRING || !textIs(tape, type, COMPLETE)) edits.push(replace(tape, type, '"complete"'));
  if (CACHEABLE.has(method)) {
    if (member(tape, result, 'ttlMs') < 0) add.push('"ttlMs":0');
    if (member(tape, result, 'cacheScope') < 0) add.push('"cacheScope":"private"');
  }
  return [...edits, ...memberEdits(tape, result, NONE, add)];
}

function modernError(tape: Tape, error: number): Edit[] {
  const isNotFound = numberMember(tape, error, 'code') === RESOURCE_NOT_FOUND;
  return isNotFound ? [replace(tape, member(tape, error, 'code'), String(INVALID_PARAMS))] : [];
}

/**
 * A modern answer as a legacy client wants it.
 * @param method of the request
 * @param id when the client knows the request by another one
 */
export function legacyAnswer(
  tape: Tape,
  message: Message,
  start: number,
  end: number,
  method: string,
  id: Id | undefined,
): Uint8Array {
  const edits = message.kind === 'result' ? stripped(tape, message.result, method) : legacyError(tape, message, method);
  if (id !== undefined) edits.push({ start: message.idStart, end: message.idEnd, text: encodeUtf8(idText(id)) });
  return splice(tape.bytes, start, end, inOrder(edits));
}

const OF_RESULTS: ReadonlySet<string> = new Set(['resultType']);
const OF_CACHEABLE: ReadonlySet<string> = new Set(['resultType', 'ttlMs', 'cacheScope']);
const META_OF_RESULTS: ReadonlySet<string> = new Set([SERVER_INFO]);

function stripped(tape: Tape, result: number, method: string): Edit[] {
  if (tape.kinds[result] !== OBJECT) return [];
  return strippedMeta(tape, result, META_OF_RESULTS, CACHEABLE.has(method) ? OF_CACHEABLE : OF_RESULTS);
}

function legacyError(tape: Tape, { error }: Message, method: string): Edit[] {
  const node = member(tape, error, 'code');
  const code = numberMember(tape, error, 'code');
  if (code === undefined) return [];
  if (isModernCode(code)) return [replace(tape, node, String(INVALID_PARAMS))];
  const isNotFound = code === INVALID_PARAMS && method === 'resources/read' && namesResource(tape, error);
  return isNotFound ? [replace(tape, node, String(RESOURCE_NOT_FOUND))] : [];
}

/** Codes that came with 2026-07-28: what a client did not declare, or says in other words in its headers. */
export function isModernCode(code: number): boolean {
  return code <= -32020 && code >= -32029;
}

/** -32602 of a resource that is not there has its URI in `data` (SEP-2164). */
function namesResource(tape: Tape, error: number): boolean {
  return textMember(tape, member(tape, error, 'data'), 'uri') !== undefined;
}
