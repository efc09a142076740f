import { ExactNumber, type Json } from '../../../model/json.ts';
import type { Numeric } from '../../condition/numbers.ts';

/** A value that stands in arguments and holds no others. */
export type Scalar = string | Numeric | boolean | null;

/** A field of one call's arguments, and what stood in it. */
export interface Leaf {
  /** Keys from the top; an array on the way is walked and has none. */
  readonly path: readonly string[];
  /** `list`: an array of such values. `within`: in an object that is an element of an array. */
  readonly kind: 'value' | 'list' | 'within';
  readonly values: readonly Scalar[];
}

/** How the arguments of a call are built: calls of one shape share a rule. */
export interface Shape {
  readonly key: string;
  readonly leaves: readonly Leaf[];
  /** Conditions that leave no room for members that were not seen. */
  readonly sizes: readonly string[];
}

const MOST_LEAVES = 64;
/** Names that stand in expressions and fields without a second reading. */
const NAME = /^[\p{L}\p{N}_ @#:+/.-]{1,100}$/u;
const INDEX = /^(?:0|[1-9][0-9]{0,8})$/;
const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;
const WORDS = new Set(['in', 'true', 'false', 'null', 'has', 'size', 'args']);

/**
 * Takes arguments apart into fields.
 * @returns undefined when a policy could not tell them from others: arrays in arrays, elements of different kinds, odd names
 */
export function shapeOf(args: Json): Shape | undefined {
  if (!isObject(args)) return undefined;
  const leaves: Leaf[] = [];
  const sizes: string[] = [];
  const parts: string[] = [];
  return takeObject(args, [], leaves, sizes, parts) && leaves.length <= MOST_LEAVES
    ? { key: parts.join(' '), leaves, sizes }
    : undefined;
}

type Members = { readonly [key: string]: Json };

function takeObject(
  object: Members,
  path: readonly string[],
  leaves: Leaf[],
  sizes: string[],
  parts: string[],
): boolean {
  const keys = Object.keys(object).toSorted();
  // A list has a size, too, but no members.
  const [first] = keys;
  const isObjectText = first === undefined ? '' : `has(${celPath([...path, first])}) && `;
  sizes.push(`${isObjectText}size(${celPath(path)}) == ${keys.length}`);
  parts.push(`${JSON.stringify(path)}:${keys.length}`);
  if (path.length > 8 || keys.length > MOST_LEAVES) return false;
  for (const key of keys) {
    if (!isUsable(key, path.length === 0)) return false;
    const value = object[key] as Json;
    const at = [...path, key];
    if (isObject(value)) {
      if (!takeObject(value, at, leaves, sizes, parts)) return false;
    } else if (Array.isArray(value)) {
      if (!takeList(value as readonly Json[], at, leaves, sizes, parts)) return false;
    } else {
      leaves.push({ path: at, kind: 'value', values: [value as Scalar] });
      parts.push(`${JSON.stringify(at)}:${typeof value === 'string' ? 'text' : kindOf(value as Scalar)}`);
    }
  }
  return true;
}

function takeList(
  list: readonly Json[],
  path: readonly string[],
  leaves: Leaf[],
  sizes: string[],
  parts: string[],
): boolean {
  if (list.every((item) => !isObject(item) && !Array.isArray(item))) {
    leaves.push({ path, kind: 'list', values: list as readonly Scalar[] });
    parts.push(`${JSON.stringify(path)}:list`);
    return true;
  }
  // Objects in an array: each with the same members, which hold plain values.
  const first = list[0] as Json;
  if (!list.every(isObject) || !isObject(first)) return false;
  const keys = Object.keys(first).toSorted();
  if (keys.length === 0) return false;
  const member = celPath([keys[0] as string]).slice('args'.length);
  sizes.push(`${celPath(path)}.all(x, has(x${member}) && size(x) == ${keys.length})`);
  parts.push(`${JSON.stringify(path)}:objects`);
  for (const key of keys) {
    if (!isUsable(key, false) || INDEX.test(key)) return false;
    const values = list.map((item) => (Object.hasOwn(item, key) ? item[key] : undefined));
    if (values.some((value) => value === undefined || isObject(value) || Array.isArray(value))) return false;
    leaves.push({ path: [...path, key], kind: 'within', values: values as Scalar[] });
    parts.push(`${JSON.stringify([...path, key])}:within`);
  }
  return list.every((item) => Object.keys(item).length === keys.length);
}

/** The type of a value, where rules of one field must not mix. */
function kindOf(value: Scalar): string {
  return value === null ? 'null' : typeof value === 'boolean' ? 'truth' : 'number';
}

function isUsable(key: string, isTop: boolean): boolean {
  return NAME.test(key) && key.trim() === key && !(isTop && key === 'anyString');
}

/** `args.a["b c"]`, as conditions write it. */
export function celPath(path: readonly string[]): string {
  return path.reduce(
    (text, key) => (IDENTIFIER.test(key) && !WORDS.has(key) ? `${text}.${key}` : `${text}["${key}"]`),
    'args',
  );
}

/** `a.b\.c`, as `args` writes it. */
export function fieldText(path: readonly string[]): string {
  return path.map((key) => key.replaceAll('.', '\\.')).join('.');
}

function isObject(value: Json | undefined): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber);
}
