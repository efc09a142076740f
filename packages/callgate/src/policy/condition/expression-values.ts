import type { Json } from '../../model/json.ts';
import { isObject, typeName } from './field.ts';
import { calculate, compareNumbers, isNumeric } from './numbers.ts';
import { type Truth, Unsure } from './truth.ts';

/** What an expression yields. */
export type Value = Json | Unsure;

/** Longest list that `in` searches. */
const MAX_LIST = 10_000;

/** `+`, `-`, `*`: exact, numbers only. */
export function arithmetic(op: '+' | '-' | '*', a: Value, b: Value): Value {
  if (a instanceof Unsure) return a;
  if (b instanceof Unsure) return b;
  if (!isNumeric(a) || !isNumeric(b))
    return new Unsure(`"${op}" needs numbers, found ${typeName(isNumeric(a) ? b : a)}`);
  return calculate(op, a, b);
}

/** `<` and its kin: numbers exactly, texts by code unit, nothing else. */
export function ordered(a: Value, b: Value, holds: (order: number) => boolean): Truth {
  if (a instanceof Unsure) return a;
  if (b instanceof Unsure) return b;
  if (typeof a === 'string' && typeof b === 'string') return holds(a < b ? -1 : a > b ? 1 : 0);
  if (!isNumeric(a) || !isNumeric(b)) return new Unsure(`${typeName(a)} and ${typeName(b)} have no order`);
  const order = compareNumbers(a, b);
  return order instanceof Unsure ? order : holds(order);
}

/** `==`: values of different types are an error, not unequal; null is comparable with everything. */
export function isEqual(a: Value, b: Value): Truth {
  if (a instanceof Unsure) return a;
  if (b instanceof Unsure) return b;
  if (a === null || b === null) return a === b;
  if (isNumeric(a) && isNumeric(b)) {
    const order = compareNumbers(a, b);
    return order instanceof Unsure ? order : order === 0;
  }
  if (Array.isArray(a) && Array.isArray(b)) return equalLists(a as readonly Json[], b as readonly Json[]);
  if (typeof a !== typeof b || typeof a === 'object')
    return new Unsure(`${typeName(a)} is compared with ${typeName(b)}`);
  return a === b;
}

function equalLists(a: readonly Json[], b: readonly Json[]): Truth {
  if (a.length !== b.length) return false;
  let unsure: Unsure | undefined;
  for (const [index, element] of a.entries()) {
    const truth = isEqual(element, b[index] as Json);
    if (truth === false) return false;
    if (truth !== true) unsure ??= truth;
  }
  return unsure ?? true;
}

/** Element of a list, or key of an object. An element of a type the list does not have is an error, not "absent". */
export function isIn(a: Value, b: Value): Truth {
  if (a instanceof Unsure) return a;
  if (b instanceof Unsure) return b;
  if (isObject(b)) return typeof a === 'string' ? Object.hasOwn(b, a) : new Unsure(`a key is ${typeName(a)}, not text`);
  if (!Array.isArray(b)) return new Unsure(`"in" needs a list, found ${typeName(b)}`);
  if (b.length > MAX_LIST) return new Unsure(`a list has more than ${MAX_LIST} elements`);
  let comparable = b.length === 0;
  let unsure: Unsure | undefined;
  for (const element of b as readonly Json[]) {
    const truth = isEqual(a, element);
    if (truth === true) return true;
    if (truth === false) comparable = true;
    else unsure ??= truth;
  }
  return comparable ? false : (unsure ?? false);
}

/** `size`: characters of a text, elements of a list, keys of an object. */
export function sizeOf(value: Value): Value {
  if (value instanceof Unsure) return value;
  if (typeof value === 'string') {
    let count = 0;
    for (const _ of value) count++;
    return count;
  }
  if (Array.isArray(value)) return value.length;
  return isObject(value) ? Object.keys(value).length : new Unsure(`size() of ${typeName(value)}`);
}
