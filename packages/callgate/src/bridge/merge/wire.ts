import type { Json, JsonObject } from '../../model/json.ts';
import { ExactNumber } from '../../model/json.ts';
import type { Id } from '../../protocol/correlate.ts';
import { readMessage } from '../../protocol/message.ts';
import { errorAnswer } from '../../protocol/refusal.ts';
import { NUMBER, OBJECT, STRING, type Tape } from '../../protocol/nodes.ts';
import type { Scanner } from '../../protocol/scan.ts';
import { encodeUtf8, quoted, splice, type Edit } from '../../protocol/splice.ts';
import { member, members, numberAt, stringAt, textIs } from '../../protocol/tape.ts';
import { decodeUtf8 } from '../../protocol/text.ts';

/** A request as bytes. @param params JSON text of its params */
export function requestLine(id: Id, method: string, params?: string): Uint8Array {
  const rest = params === undefined ? '' : `,"params":${params}`;
  return encodeUtf8(`{"jsonrpc":"2.0","id":${idText(id)},"method":${quoted(method)}${rest}}`);
}

/** A notification as bytes. @param params JSON text of its params */
export function notificationLine(method: string, params?: string): Uint8Array {
  const rest = params === undefined ? '' : `,"params":${params}`;
  return encodeUtf8(`{"jsonrpc":"2.0","method":${quoted(method)}${rest}}`);
}

/** An answer as bytes. @param result JSON text */
export function resultLine(id: Id, result: string): Uint8Array {
  return encodeUtf8(`{"jsonrpc":"2.0","id":${idText(id)},"result":${result}}`);
}

/** An error as bytes, without a newline. */
export function errorLine(id: Id, code: number, message: string, data?: object): Uint8Array {
  const line = errorAnswer(idText(id), code, message, data);
  return line.subarray(0, line.length - 1);
}

export function idText(id: Id): string {
  return typeof id === 'number' ? String(id) : quoted(id);
}

/** Params out of JSON texts; those that are undefined are left out. */
export function paramsText(parts: Readonly<Record<string, string | undefined>>): string {
  const written = Object.entries(parts).filter(([, text]) => text !== undefined);
  return `{${written.map(([key, text]) => `${quoted(key)}:${text}`).join(',')}}`;
}

/** The `_meta` of a request as JSON text, for requests made because of it: without the progress token, which is its own. */
export function envelopeOf(tape: Tape, params: number): string | undefined {
  const meta = member(tape, params, '_meta');
  if (meta < 0 || tape.kinds[meta] !== OBJECT) return undefined;
  const edit = removal(tape, meta, 'progressToken');
  const line = splice(tape.bytes, tape.starts[meta]!, tape.ends[meta]!, edit === undefined ? [] : [edit]);
  return decodeUtf8(line);
}

/** Takes a member out of an object, with one comma. Undefined when it is not there. */
export function removal(tape: Tape, object: number, name: string): Edit | undefined {
  const wanted = encodeUtf8(name);
  const keys = [...members(tape, object)];
  const at = keys.findIndex((key) => textIs(tape, key, wanted));
  const key = keys[at];
  if (key === undefined) return undefined;
  const before = keys[at - 1];
  const after = keys[at + 1];
  if (before !== undefined) return { start: tape.ends[before + 1]!, end: tape.ends[key + 1]!, text: NOTHING };
  return {
    start: tape.starts[key]!,
    end: after === undefined ? tape.ends[key + 1]! : tape.starts[after]!,
    text: NOTHING,
  };
}

/** Puts text in the place of a value. */
export function replacement(tape: Tape, node: number, text: string): Edit {
  return { start: tape.starts[node]!, end: tape.ends[node]!, text: encodeUtf8(text) };
}

/** A copy of the message on the tape with these edits, in any order. */
export function edited(tape: Tape, edits: readonly Edit[]): Uint8Array {
  return splice(
    tape.bytes,
    tape.starts[0]!,
    tape.ends[0]!,
    edits.toSorted((a, b) => a.start - b.start),
  );
}

/** An answer under another id. The tape is used to read it. */
export function underId(tape: Scanner, line: Uint8Array, id: Id): Uint8Array {
  readMessage(tape, line, 0, line.length);
  return edited(tape, [replacement(tape, member(tape, 0, 'id'), idText(id))]);
}

/** Text of a string member; undefined when there is none. */
export function textAt(tape: Tape, object: number, name: string): string | undefined {
  const node = member(tape, object, name);
  return node >= 0 && tape.kinds[node] === STRING ? stringAt(tape, node) : undefined;
}

/** An id that a node holds: a string, or a safe integer. */
export function idAt(tape: Tape, node: number): Id | undefined {
  if (node < 0) return undefined;
  if (tape.kinds[node] === STRING) return stringAt(tape, node);
  if (tape.kinds[node] !== NUMBER) return undefined;
  const value = numberAt(tape, node);
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined;
}

/** JSON as text, numbers as they were written. */
export function jsonText(json: Json): string {
  if (json instanceof ExactNumber) return json.text;
  if (typeof json === 'string') return quoted(json);
  if (json === null || typeof json !== 'object') return String(json);
  if (Array.isArray(json)) return `[${(json as readonly Json[]).map(jsonText).join(',')}]`;
  const object = json as JsonObject;
  return `{${Object.keys(object)
    .map((key) => `${quoted(key)}:${jsonText(object[key]!)}`)
    .join(',')}}`;
}

const NOTHING = new Uint8Array(0);
