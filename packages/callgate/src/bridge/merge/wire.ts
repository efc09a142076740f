import type { Json, JsonObject } from '../../model/json.ts';
import { ExactNumber } from '../../model/json.ts';
import type { Id } from '../../protocol/correlate.ts';
import { readMessage } from '../../protocol/message.ts';
import { OBJECT, type Tape } from '../../protocol/nodes.ts';
import type { Scanner } from '../../protocol/scan.ts';
import { quoted, splice } from '../../protocol/splice.ts';
import { member } from '../../protocol/tape.ts';
import { decodeUtf8 } from '../../protocol/text.ts';
import { edited, memberEdits, replace } from '../../protocol/edits.ts';
import { idText } from '../../protocol/lines.ts';

/** Params out of JSON texts; those that are undefined are left out. */
export function paramsText(parts: Readonly<Record<string, string | undefined>>): string {
  const written = Object.entries(parts).filter(([, text]) => text !== undefined);
  return `{${written.map(([key, text]) => `${quoted(key)}:${text}`).join(',')}}`;
}

/** The `_meta` of a request as JSON text, for requests made because of it: without the progress token, which is its own. */
export function envelopeOf(tape: Tape, params: number): string | undefined {
  const meta = member(tape, params, '_meta');
  if (meta < 0 || tape.kinds[meta] !== OBJECT) return undefined;
  const edits = memberEdits(tape, meta, PROGRESS_TOKEN);
  return decodeUtf8(splice(tape.bytes, tape.starts[meta]!, tape.ends[meta]!, edits));
}

/** An answer under another id. The tape is used to read it. */
export function underId(tape: Scanner, line: Uint8Array, id: Id): Uint8Array {
  readMessage(tape, line, 0, line.length);
  return edited(tape, [replace(tape, member(tape, 0, 'id'), idText(id))]);
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

export const PROGRESS_TOKEN: ReadonlySet<string> = new Set(['progressToken']);
