import { CLIENT_CAPABILITIES, CLIENT_INFO, PROTOCOL_VERSION } from '../protocol/meta-keys.ts';
import { KEY, type Scanner } from '../protocol/scan.ts';
import { encodeUtf8 } from '../protocol/splice.ts';
import { member, members, stringAt, textIs, walkStrings, type Holder } from '../protocol/tape.ts';

/** A string of a message, with the name of the nearest member that holds it. */
export interface PlacedString {
  readonly text: string;
  readonly key: string | undefined;
  /** The list or object it stands in. */
  readonly holder: Holder | undefined;
}

/** Keys that every request of 2026-07-28 has in its `_meta` (basic/index, "_meta"). They look like paths. */
const ENVELOPE = [PROTOCOL_VERSION, CLIENT_INFO, CLIENT_CAPABILITIES].map((key) => encodeUtf8(key));

/** The keys of the envelope that stand directly in the `_meta` of these params: the protocol's own words, not an agent's. */
export function envelopeKeys(tape: Scanner, params: number): readonly number[] {
  const found: number[] = [];
  const meta = member(tape, params, '_meta');
  for (const key of members(tape, meta)) if (ENVELOPE.some((name) => textIs(tape, key, name))) found.push(key);
  return found;
}

/** All strings below a node, keys included, in the order they are written; `except` some. */
export function stringsOf(tape: Scanner, node: number, except: readonly number[] = []): PlacedString[] {
  const found: PlacedString[] = [];
  walkStrings(tape, node, (at, _pointer, key, holder) => {
    if (except.includes(at)) return;
    const isNamed = key >= 0 && tape.kinds[at] !== KEY;
    found.push({ text: stringAt(tape, at), key: isNamed ? stringAt(tape, key) : undefined, holder });
  });
  return found;
}
