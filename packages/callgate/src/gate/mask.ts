import type { PlacedFinding } from '../model/finding.ts';
import { findSecrets } from '../inspect/message-secrets.ts';
import { KEY, STRING, type Tape } from '../protocol/nodes.ts';
import { encodeUtf8, quoteJson, splice, type Edit } from '../protocol/splice.ts';
import { stringAt, walkStrings } from '../protocol/tape.ts';

/** A copy of arguments that may be kept. */
export interface Masked {
  /** JSON text, UTF-8. Shares memory with the message when nothing had to change. */
  readonly bytes: Uint8Array;
  /** What was masked, over the whole text, also where the copy is cut. Direction `call`; the caller knows better. */
  readonly findings: readonly PlacedFinding[];
  /** Bytes of the original that the copy lacks because of its size; 0 when it is whole. */
  readonly truncated: number;
}

/** In a copy that is too long, strings are cut to this many UTF-16 units. */
const KEPT_OF_LONG = 1024;

/**
 * Masks secrets in the JSON below a node and bounds its length.
 * @param tape what was scanned
 * @param node the value to keep a copy of
 * @param maxBytes most bytes of the copy; at least 64
 */
export function maskArguments(tape: Tape, node: number, maxBytes: number): Masked {
  const start = tape.starts[node]!;
  const end = tape.ends[node]!;
  const masks = new Map<number, { readonly text: string; readonly findings: readonly PlacedFinding[] }>();
  let maskedKeys = 0;
  findSecrets(tape, node, (at, text, found) => {
    let masked = '';
    let from = 0;
    for (const finding of found) {
      masked += `${text.slice(from, finding.start)}[secret:${finding.ruleId}]`;
      from = finding.end;
    }
    masked += text.slice(from);
    // Two masked names of one object must stay two names.
    if (tape.kinds[at] === KEY && maskedKeys++ > 0) masked += `~${maskedKeys}`;
    const placed = found.map((finding): PlacedFinding => ({ ...finding, direction: 'call', pointer: '' }));
    masks.set(at, { text: masked, findings: placed });
  });
  const findings = masks.size === 0 ? [] : place(tape, node, masks);
  if (masks.size === 0 && end - start <= maxBytes)
    return { bytes: tape.bytes.subarray(start, end), findings, truncated: 0 };

  const edits = [...masks].map(([at, mask]): Edit => replace(tape, at, mask.text));
  const whole = splice(tape.bytes, start, end, edits);
  if (whole.length <= maxBytes) return { bytes: whole, findings, truncated: 0 };
  const short = splice(
    tape.bytes,
    start,
    end,
    shorten(tape, node, (at) => masks.get(at)?.text),
  );
  const bytes = short.length <= maxBytes ? short : encodeUtf8(`{"_truncated":true,"bytes":${end - start}}`);
  return { bytes, findings, truncated: Math.max(1, end - start - bytes.length) };
}

function place(
  tape: Tape,
  node: number,
  masks: ReadonlyMap<number, { readonly findings: readonly PlacedFinding[] }>,
): PlacedFinding[] {
  const placed: PlacedFinding[] = [];
  walkStrings(tape, node, (at, pointer) => {
    const mask = masks.get(at);
    if (mask === undefined) return;
    const where = pointer();
    for (const finding of mask.findings) placed.push({ ...finding, pointer: where });
  });
  return placed;
}

/** Masks as before, and cuts long values. Names stay whole, so that none becomes another. */
function shorten(tape: Tape, node: number, maskedText: (at: number) => string | undefined): Edit[] {
  const edits: Edit[] = [];
  for (let at = node; at < tape.nexts[node]!; at++) {
    if (tape.kinds[at] !== STRING && tape.kinds[at] !== KEY) continue;
    const masked = maskedText(at);
    const isLong = tape.kinds[at] === STRING && tape.ends[at]! - tape.starts[at]! > KEPT_OF_LONG;
    if (masked === undefined && !isLong) continue;
    const text = masked ?? stringAt(tape, at);
    edits.push(replace(tape, at, isLong ? cut(text) : text));
  }
  return edits;
}

function cut(text: string): string {
  if (text.length <= KEPT_OF_LONG) return text;
  const last = text.charCodeAt(KEPT_OF_LONG - 1);
  const kept = last >= 0xd800 && last < 0xdc00 ? KEPT_OF_LONG - 1 : KEPT_OF_LONG;
  return `${text.slice(0, kept)}… [${text.length - kept} more]`;
}

function replace(tape: Tape, at: number, text: string): Edit {
  return { start: tape.starts[at]!, end: tape.ends[at]!, text: quoteJson(text) };
}
