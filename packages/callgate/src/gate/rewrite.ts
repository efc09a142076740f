import type { ClampObligation, SetObligation } from '../model/decision.ts';
import { ExactNumber, type Json } from '../model/json.ts';
import { compareNumbers, type Numeric } from '../policy/condition/numbers.ts';
import { ARRAY, NULL, NUMBER, OBJECT, type Tape } from '../protocol/nodes.ts';
import { encodeUtf8, quoted, type Edit } from '../protocol/splice.ts';
import { elements, member, numberAt } from '../protocol/tape.ts';

/** Why arguments cannot be changed as a rule wants it; whoever asks for it denies the call. */
export class Unchangeable extends Error {
  readonly rule: string;
  constructor(rule: string, message: string) {
    super(message);
    this.rule = rule;
  }
}

/** Where arguments stand, or would stand: a value, or a member that is missing. */
export interface Place {
  readonly node: number;
  /** The object that would hold them, and under which name, where `node` is -1. */
  readonly holder: number;
  readonly name: string;
}

/** What is to stand at one place: a value, or members and elements of what is there. */
interface Wanted {
  value: { readonly rule: string; readonly text: string } | undefined;
  readonly inner: Map<string, Wanted>;
  /** The first rule that wants it. */
  readonly rule: string;
}

/**
 * Says which bytes to replace or insert so that the arguments hold the values that `set` names. What is there stays as it
 * came; objects that are missing on the way are made.
 * @throws Unchangeable when two rules want different values, or something on the way is no object
 */
export function setEdits(tape: Tape, place: Place, duties: readonly SetObligation[]): readonly Edit[] {
  const root = wantedOf(duties);
  const [first] = duties;
  if (root === undefined || first === undefined) return [];
  const edits: Edit[] = [];
  // `"arguments": null` is none.
  if (place.node >= 0 && tape.kinds[place.node] === NULL) edits.push(replacing(tape, place.node, textOf(root, '')));
  else if (place.node >= 0) setBelow(tape, place.node, root, '', edits);
  else if (place.holder >= 0) edits.push(inserting(tape, place.holder, [memberText(place.name, textOf(root, ''))]));
  else throw new Unchangeable(first.rule, 'the message has no place for arguments');
  return edits.toSorted((a, b) => a.start - b.start || a.end - b.end);
}

/**
 * Says which numbers of the arguments to replace so that all stand between the bounds that `clamp` names.
 * @throws Unchangeable when a field is no number, or no number fits the bounds of all rules
 */
export function clampEdits(tape: Tape, place: Place, duties: readonly ClampObligation[]): readonly Edit[] {
  const bounds = new Map<number, { min?: Numeric; max?: Numeric }>();
  for (const { rule, fields } of duties) {
    for (const { path, min, max } of fields) {
      const node = place.node < 0 || tape.kinds[place.node] === NULL ? -1 : nodeAt(tape, place.node, path, rule);
      if (node < 0) continue;
      if (tape.kinds[node] !== NUMBER) throw new Unchangeable(rule, `${path.join('.')} is no number`);
      const bound = bounds.get(node) ?? {};
      if (min !== undefined && (bound.min === undefined || order(min, bound.min, rule) > 0)) bound.min = min;
      if (max !== undefined && (bound.max === undefined || order(max, bound.max, rule) < 0)) bound.max = max;
      if (bound.min !== undefined && bound.max !== undefined && order(bound.min, bound.max, rule) > 0)
        throw new Unchangeable(rule, `rules hold ${path.join('.')} between bounds that no number fits`);
      bounds.set(node, bound);
    }
  }
  const edits: Edit[] = [];
  const rule = duties[0]?.rule ?? '';
  for (const [node, { min, max }] of bounds) {
    const value = numberAt(tape, node);
    if (min !== undefined && order(value, min, rule) < 0) edits.push(replacing(tape, node, jsonText(min)));
    else if (max !== undefined && order(value, max, rule) > 0) edits.push(replacing(tape, node, jsonText(max)));
  }
  return edits.toSorted((a, b) => a.start - b.start);
}

function wantedOf(duties: readonly SetObligation[]): Wanted | undefined {
  let root: Wanted | undefined;
  for (const { rule, values } of duties) {
    for (const { path, value } of values) {
      root ??= { value: undefined, inner: new Map(), rule };
      want(root, path, { rule, text: jsonText(value) });
    }
  }
  return root;
}

function want(root: Wanted, path: readonly string[], value: { readonly rule: string; readonly text: string }): void {
  let at = root;
  for (const key of path) {
    if (at.value !== undefined) throw differ(at.value.rule, value.rule, path);
    let next = at.inner.get(key);
    if (next === undefined) at.inner.set(key, (next = { value: undefined, inner: new Map(), rule: value.rule }));
    at = next;
  }
  if (at.inner.size > 0 || (at.value !== undefined && at.value.text !== value.text))
    throw differ(at.value?.rule ?? at.rule, value.rule, path);
  at.value = value;
}

function differ(one: string, other: string, path: readonly string[]): Unchangeable {
  return new Unchangeable(one, `rules "${one}" and "${other}" set ${path.join('.')} differently`);
}

function setBelow(tape: Tape, node: number, wanted: Wanted, where: string, edits: Edit[]): void {
  if (wanted.value !== undefined) {
    const edit = replacing(tape, node, wanted.value.text);
    if (!isThere(tape, node, edit.text)) edits.push(edit);
    return;
  }
  if (tape.kinds[node] === OBJECT) {
    const missing: string[] = [];
    for (const [key, inner] of wanted.inner) {
      const at = member(tape, node, key);
      if (at < 0) missing.push(memberText(key, textOf(inner, joinPath(where, key))));
      else setBelow(tape, at, inner, joinPath(where, key), edits);
    }
    if (missing.length > 0) edits.push(inserting(tape, node, missing));
    return;
  }
  for (const [key, inner] of wanted.inner) {
    const at = elementAt(tape, node, key);
    if (at < 0) throw new Unchangeable(inner.rule, `${where || 'the arguments'} has no place for "${key}"`);
    setBelow(tape, at, inner, joinPath(where, key), edits);
  }
}

/** The text of what is made anew. */
function textOf(wanted: Wanted, where: string): string {
  if (wanted.value !== undefined) return wanted.value.text;
  const members = [...wanted.inner].map(([key, inner]) => {
    const path = joinPath(where, key);
    // Nobody can tell an object with a key of digits from a list that is not there.
    if (where !== '' && isIndex(key))
      throw new Unchangeable(inner.rule, `${path} is an element of a list that is missing`);
    return memberText(key, textOf(inner, path));
  });
  return `{${members.join(',')}}`;
}

/** The node of a field; -1 when it is missing. */
function nodeAt(tape: Tape, root: number, path: readonly string[], rule: string): number {
  let node = root;
  for (const [depth, key] of path.entries()) {
    if (tape.kinds[node] === OBJECT) node = member(tape, node, key);
    else if (tape.kinds[node] === ARRAY && isIndex(key)) node = elementAt(tape, node, key);
    else throw new Unchangeable(rule, `${path.slice(0, depth).join('.')} is nothing that holds "${key}"`);
    if (node < 0) return -1;
  }
  return node;
}

function elementAt(tape: Tape, node: number, key: string): number {
  if (tape.kinds[node] !== ARRAY || !isIndex(key)) return -1;
  let index = 0;
  for (const element of elements(tape, node)) if (index++ === Number(key)) return element;
  return -1;
}

function replacing(tape: Tape, node: number, text: string): Edit {
  return { start: tape.starts[node]!, end: tape.ends[node]!, text: encodeUtf8(text) };
}

/** Puts members behind the last one of an object. */
function inserting(tape: Tape, object: number, members: readonly string[]): Edit {
  let last = -1;
  for (let key = object + 1; key < tape.nexts[object]!; key = tape.nexts[key + 1]!) last = key + 1;
  const at = last < 0 ? tape.starts[object]! + 1 : tape.ends[last]!;
  return { start: at, end: at, text: encodeUtf8(`${last < 0 ? '' : ','}${members.join(',')}`) };
}

function memberText(key: string, text: string): string {
  return `${quoted(key)}:${text}`;
}

function isThere(tape: Tape, node: number, text: Uint8Array): boolean {
  const start = tape.starts[node]!;
  return tape.ends[node]! - start === text.length && text.every((byte, index) => tape.bytes[start + index] === byte);
}

function order(a: Numeric, b: Numeric, rule: string): number {
  const compared = compareNumbers(a, b);
  if (typeof compared === 'number') return compared;
  throw new Unchangeable(rule, `a number cannot be held between bounds: ${compared.cause}`);
}

function jsonText(value: Json): string {
  if (typeof value === 'string') return quoted(value);
  if (value instanceof ExactNumber) return value.text;
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(jsonText).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, item]) => memberText(key, jsonText(item)))
    .join(',')}}`;
}

function joinPath(where: string, key: string): string {
  return where === '' ? key : `${where}.${key}`;
}

function isIndex(key: string): boolean {
  return /^(?:0|[1-9][0-9]{0,8})$/.test(key);
}
