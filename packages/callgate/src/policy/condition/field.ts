import { ExactNumber, type Json } from '../../model/json.ts';
import { allTrue, anyTrue, type Truth, Unsure } from './truth.ts';

/** A field of the arguments, key by key; digits index an array, anything else on an array walks its elements. */
export type FieldPath = readonly string[];

/** Judges a value; undefined is "the field is missing". */
export type ValueTest = (value: Json | undefined) => Truth;

/** Most nodes that a search through all strings visits, and most text it sees. */
const MAX_NODES = 100_000;
const MAX_TEXT = 4_194_304;

/**
 * Splits `a.b.0.c` at its dots; `\.` is a dot inside a key.
 * @throws SyntaxError for an empty segment
 */
export function parseField(text: string): FieldPath {
  const path: string[] = [];
  let segment = '';
  for (let i = 0; i < text.length; i++) {
    const char = text[i] as string;
    if (char === '\\' && (text[i + 1] === '.' || text[i + 1] === '\\')) {
      segment += text[++i] as string;
    } else if (char === '.') {
      path.push(segment);
      segment = '';
    } else {
      segment += char;
    }
  }
  path.push(segment);
  if (path.includes('')) throw new SyntaxError('a field is written a.b.0.c, with a name between the dots');
  return path;
}

/**
 * Applies `test` to the value of a field. Where an array stands on the way, `all` says whether every element must pass
 * (for allow) or one is enough (for everything else); an empty one counts as missing.
 */
export function testField(root: Json | undefined, path: FieldPath, all: boolean, test: ValueTest): Truth {
  return step(root, path, 0, all, test);
}

function step(value: Json | undefined, path: FieldPath, at: number, all: boolean, test: ValueTest): Truth {
  const segment = path[at];
  if (segment === undefined) return test(value);
  if (Array.isArray(value)) {
    const elements = value as readonly Json[];
    if (isIndex(segment)) return step(elements[Number(segment)], path, at + 1, all, test);
    if (elements.length === 0) return test(undefined);
    return quantify(elements, all, (element) => step(element, path, at, all, test));
  }
  if (isObject(value) && Object.hasOwn(value, segment)) return step(value[segment], path, at + 1, all, test);
  return test(undefined);
}

/** The value of a field as it stands, arrays not walked; undefined when it is not there. */
export function valueAt(root: Json | undefined, path: FieldPath): Json | undefined {
  let value = root;
  for (const segment of path) {
    if (Array.isArray(value) && isIndex(segment)) value = (value as readonly Json[])[Number(segment)];
    else if (isObject(value) && Object.hasOwn(value, segment)) value = value[segment];
    else return undefined;
  }
  return value;
}

/** Kleene "all" or "any" over elements. */
export function quantify(elements: readonly Json[], all: boolean, test: (element: Json) => Truth): Truth {
  return all ? allTrue(elements, test) : anyTrue(elements, test);
}

/**
 * All leaf strings and all keys below a value, with `scalars` also numbers, truth values and null as they are written; or why
 * there are too many to look at.
 */
export function allStrings(root: Json | undefined, scalars = false): readonly string[] | Unsure {
  if (typeof root === 'string') return [root];
  const found: string[] = [];
  const open: Json[] = root === undefined ? [] : [root];
  let nodes = 0;
  let units = 0;
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (++nodes > MAX_NODES) return new Unsure('too many values to search');
    if (typeof value === 'string') {
      found.push(value);
      units += value.length;
    } else if (Array.isArray(value)) {
      for (const element of value as readonly Json[]) open.push(element);
    } else if (isObject(value)) {
      for (const key of Object.keys(value)) {
        found.push(key);
        units += key.length;
        open.push(value[key] as Json);
      }
    } else if (scalars) {
      found.push(value instanceof ExactNumber ? value.text : JSON.stringify(value));
      units += found.at(-1)?.length ?? 0;
    }
    if (units > MAX_TEXT || open.length > MAX_NODES) return new Unsure('too much text to search');
  }
  return found;
}

/** Whether a value is a JSON object. */
export function isObject(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber);
}

/** The word for a value's type in a cause. */
export function typeName(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (typeof value === 'string') return 'text';
  if (typeof value === 'boolean') return 'true or false';
  if (typeof value === 'number' || value instanceof ExactNumber) return 'a number';
  return Array.isArray(value) ? 'a list' : 'an object';
}

function isIndex(segment: string): boolean {
  return /^(?:0|[1-9][0-9]{0,8})$/.test(segment);
}
