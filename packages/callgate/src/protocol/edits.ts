import { OBJECT, type Tape } from './nodes.ts';
import { splice, type Edit } from './splice.ts';
import { member, members, stringAt } from './tape.ts';
import { encodeUtf8 } from './text.ts';

const NOTHING = new Uint8Array(0);

/** Bytes of a node, as they were written. */
export function rawAt(tape: Tape, node: number): Uint8Array {
  return tape.bytes.subarray(tape.starts[node], tape.ends[node]);
}

/** Another value in place of a node. @param text JSON */
export function replace(tape: Tape, node: number, text: string | Uint8Array): Edit {
  const bytes = typeof text === 'string' ? encodeUtf8(text) : text;
  return { start: tape.starts[node]!, end: tape.ends[node]!, text: bytes };
}

/**
 * Takes members out of an object and puts others at its end, commas included.
 * @param object an OBJECT
 * @param drop decoded keys
 * @param add members as JSON text, `"key":value`
 * @returns edits in order, all inside the object
 */
export function memberEdits(
  tape: Tape,
  object: number,
  drop: ReadonlySet<string>,
  add: readonly string[] = [],
): Edit[] {
  const edits: Edit[] = [];
  const end = tape.ends[object]! - 1;
  let kept = 0;
  /** Where the value before ends. */
  let before = -1;
  const keys = drop.size === 0 ? [] : [...members(tape, object)];
  for (const [index, key] of keys.entries()) {
    const stop = tape.ends[key + 1]!;
    if (!drop.has(stringAt(tape, key))) kept++;
    else if (kept > 0) edits.push({ start: before, end: stop, text: NOTHING });
    else {
      const next = keys[index + 1];
      edits.push({ start: tape.starts[key]!, end: next === undefined ? stop : tape.starts[next]!, text: NOTHING });
    }
    before = stop;
  }
  if (add.length > 0) {
    const isEmpty = drop.size === 0 ? tape.nexts[object] === object + 1 : kept === 0;
    edits.push({ start: end, end, text: encodeUtf8(`${isEmpty ? '' : ','}${add.join(',')}`) });
  }
  return edits;
}

/** A copy of the whole message on the tape with these edits, in any order. */
export function edited(tape: Tape, edits: Edit[]): Uint8Array {
  return splice(tape.bytes, tape.starts[0]!, tape.ends[0]!, inOrder(edits));
}

/** Edits in the order that `splice` wants. */
export function inOrder(edits: Edit[]): Edit[] {
  return edits.length < 2 ? edits : edits.sort((a, b) => a.start - b.start || a.end - b.end);
}

/**
 * Takes keys out of an object's `_meta`, and `_meta` itself when nothing is left in it; with it, other members.
 * @param object an OBJECT: params, or a result
 * @param metaKeys of `_meta`
 * @param drop of the object itself
 * @param add to the object itself
 */
export function strippedMeta(
  tape: Tape,
  object: number,
  metaKeys: ReadonlySet<string>,
  drop: ReadonlySet<string> = NONE,
  add: readonly string[] = [],
): Edit[] {
  const meta = member(tape, object, '_meta');
  if (meta < 0 || tape.kinds[meta] !== OBJECT) return memberEdits(tape, object, drop, add);
  const keys = [...members(tape, meta)].map((key) => stringAt(tape, key));
  const gone = keys.filter((key) => metaKeys.has(key)).length;
  if (gone === 0) return memberEdits(tape, object, drop, add);
  if (gone === keys.length) return memberEdits(tape, object, new Set([...drop, '_meta']), add);
  return inOrder([...memberEdits(tape, object, drop, add), ...memberEdits(tape, meta, metaKeys)]);
}

const NONE: ReadonlySet<string> = new Set();

/**
 * Puts keys into `_meta`, made where there is none.
 * @param object the params of a message, or -1: then they are made too
 * @param drop keys of `_meta` that go first
 * @param add its new members as JSON text
 */
export function withMeta(tape: Tape, object: number, drop: ReadonlySet<string>, add: readonly string[]): Edit[] {
  const text = `"_meta":{${add.join(',')}}`;
  if (object < 0) return memberEdits(tape, 0, NONE, [`"params":{${text}}`]);
  const meta = member(tape, object, '_meta');
  if (meta < 0) return memberEdits(tape, object, NONE, [text]);
  if (tape.kinds[meta] !== OBJECT) return [replace(tape, meta, `{${add.join(',')}}`)];
  return memberEdits(tape, meta, drop, add);
}
