import { CallgateError } from '../model/error.ts';
import { encodeUtf8 } from './text.ts';

export { decodeUtf8, encodeUtf8 } from './text.ts';

/** Bytes `start` to `end` of a buffer become `text`. Offsets are those of the tape. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: Uint8Array;
}

/**
 * Copies a message with some spans replaced; every other byte stays as it came.
 * @param bytes the buffer
 * @param start first byte of the message
 * @param end one past its last byte
 * @param edits in order, not overlapping, inside the message
 * @returns a new buffer that holds the edited message alone
 * @throws CallgateError CG_PROTOCOL_SPLICE when the edits are not so
 */
export function splice(bytes: Uint8Array, start: number, end: number, edits: readonly Edit[]): Uint8Array {
  let length = end - start;
  let last = start;
  for (const edit of edits) {
    if (edit.start < last || edit.end < edit.start || edit.end > end) throw misplaced(edit);
    last = edit.end;
    length += edit.text.length - (edit.end - edit.start);
  }
  const out = new Uint8Array(length);
  let to = 0;
  let from = start;
  for (const edit of edits) {
    out.set(bytes.subarray(from, edit.start), to);
    to += edit.start - from;
    out.set(edit.text, to);
    to += edit.text.length;
    from = edit.end;
  }
  out.set(bytes.subarray(from, end), to);
  return out;
}

/**
 * Text as a JSON string, with its quotes. Lone surrogates, which would make the message ambiguous, become U+FFFD.
 * @param text any string
 * @returns UTF-8
 */
export function quoteJson(text: string): Uint8Array {
  return encodeUtf8(quoted(text));
}

/** As `quoteJson`, as text. */
export function quoted(text: string): string {
  const json = JSON.stringify(text);
  // JSON.stringify writes `\ud…` for lone surrogates only.
  return json.includes('\\ud') ? JSON.stringify(wellFormed(text)) : json;
}

function wellFormed(text: string): string {
  let whole = '';
  // A string's iterator yields whole pairs, and halves alone.
  for (const character of text) whole += /^[\ud800-\udfff]$/.test(character) ? '\ufffd' : character;
  return whole;
}

function misplaced(edit: Edit): CallgateError {
  return new CallgateError(
    'CG_PROTOCOL_SPLICE',
    `An edit of bytes ${edit.start} to ${edit.end} overlaps another one or lies outside the message.`,
    { remedy: 'This is a defect of Callgate; please report it with the policy in use.' },
  );
}
