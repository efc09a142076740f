import type { Literal } from '../document/document-types.ts';
import { compileGlob } from '../condition/glob.ts';
import { compareNumbers, isNumeric, type Numeric } from '../condition/numbers.ts';

/** What a condition says of one value, as far as the lint can compare it. */
export type Constraint =
  | { readonly kind: 'set' | 'notSet'; readonly values: readonly Literal[] }
  | { readonly kind: 'prefix' | 'suffix' | 'contains' | 'glob' | 'regex'; readonly text: string }
  | { readonly kind: 'range'; readonly low?: Bound; readonly high?: Bound }
  | { readonly kind: 'under'; readonly roots: readonly string[] }
  | { readonly kind: 'exists'; readonly wanted: boolean }
  /** Compared by its text only. */
  | { readonly kind: 'other' };

export interface Bound {
  readonly at: Numeric;
  /** The bound itself is outside. */
  readonly open: boolean;
}

/** Whether every value of which `inner` is true makes `outer` true. Conservative: a yes is certain. */
export function implies(inner: Constraint, outer: Constraint): boolean {
  if (outer.kind === 'exists') return outer.wanted ? isOfValue(inner) : isAbsence(inner);
  if (inner.kind === 'set') return inner.values.every((value) => holds(outer, value) === true);
  switch (outer.kind) {
    case 'prefix':
      return prefixOf(inner)?.startsWith(outer.text) === true;
    case 'suffix':
      return suffixOf(inner)?.endsWith(outer.text) === true;
    case 'contains':
      return (
        [prefixOf(inner), suffixOf(inner)].some((part) => part?.includes(outer.text)) ||
        (inner.kind === 'contains' && inner.text.includes(outer.text))
      );
    case 'glob': {
      if (inner.kind === 'glob' && inner.text === outer.text) return true;
      const glob = compileGlob(outer.text);
      return glob.isPrefix && isText(inner) && (prefixOf(inner) ?? '').startsWith(glob.prefix);
    }
    case 'regex':
      return inner.kind === 'regex' && inner.text === outer.text;
    case 'range':
      return inner.kind === 'range' && isWithin(inner, outer);
    case 'under':
      return (
        inner.kind === 'under' &&
        inner.roots.every((root) => outer.roots.some((wider) => root === wider || root.startsWith(withSlash(wider))))
      );
    case 'notSet':
      if (inner.kind === 'notSet')
        return outer.values.every((value) => inner.values.some((other) => same(value, other)));
      return outer.values.every((value) => typeName(value) === typeOf(inner) && holds(inner, value) === false);
    default:
      return false;
  }
}

/** Whether no value makes both true. Conservative: a yes is certain. */
export function contradict(a: Constraint, b: Constraint): boolean {
  if (a.kind === 'exists') return a.wanted ? isAbsence(b) : isOfValue(b);
  if (b.kind === 'exists') return contradict(b, a);
  if (a.kind === 'set') return a.values.every((value) => holds(b, value) === false);
  if (b.kind === 'set') return contradict(b, a);
  const [typeA, typeB] = [typeOf(a), typeOf(b)];
  if (typeA !== undefined && typeB !== undefined && typeA !== typeB) return true;
  if (a.kind === 'range' && b.kind === 'range') return isEmpty(a, b) || isEmpty(b, a);
  const [from, other] = [prefixOf(a), prefixOf(b)];
  if (from !== undefined && other !== undefined && !from.startsWith(other) && !other.startsWith(from)) return true;
  const [end, otherEnd] = [suffixOf(a), suffixOf(b)];
  return end !== undefined && otherEnd !== undefined && !end.endsWith(otherEnd) && !otherEnd.endsWith(end);
}

/** Whether a constraint alone can never be true. */
export function isImpossible(a: Constraint): boolean {
  return a.kind === 'range' && isEmpty(a, a);
}

/** Judges a literal; undefined when the lint cannot tell, false also where the type is another. */
function holds(constraint: Constraint, value: Literal): boolean | undefined {
  switch (constraint.kind) {
    case 'set':
      return constraint.values.some((other) => same(value, other));
    case 'notSet':
      // Compared with null alone, every other value is known to differ.
      if (constraint.values.every((other) => other === null)) return value !== null;
      // when compares null with everything, args with null only.
      if (value === null && !constraint.values.includes(null)) return undefined;
      return (
        constraint.values.some((other) => typeName(other) === typeName(value)) &&
        !constraint.values.some((other) => same(value, other))
      );
    case 'prefix':
      return typeof value === 'string' && value.startsWith(constraint.text);
    case 'suffix':
      return typeof value === 'string' && value.endsWith(constraint.text);
    case 'contains':
      return typeof value === 'string' && value.includes(constraint.text);
    case 'glob':
      return typeof value === 'string' && compileGlob(constraint.text).test(value);
    case 'range':
      return (
        isNumeric(value) && isWithin({ low: { at: value, open: false }, high: { at: value, open: false } }, constraint)
      );
    case 'exists':
      return constraint.wanted;
    default:
      return undefined;
  }
}

/** Whether two literals are equal; numbers are by their value, however they are written. */
export function same(a: Literal, b: Literal): boolean {
  return isNumeric(a) && isNumeric(b) ? compareNumbers(a, b) === 0 : a === b;
}

type Range = { readonly low?: Bound; readonly high?: Bound };

function isWithin(inner: Range, outer: Range): boolean {
  return (
    (outer.low === undefined || (inner.low !== undefined && isBeyond(inner.low, outer.low, 1))) &&
    (outer.high === undefined || (inner.high !== undefined && isBeyond(inner.high, outer.high, -1)))
  );
}

/** Whether a bound is at least as tight as another; `side` is 1 for a low bound, -1 for a high one. */
function isBeyond(inner: Bound, outer: Bound, side: 1 | -1): boolean {
  const order = compareNumbers(inner.at, outer.at);
  if (typeof order !== 'number') return false;
  return order === 0 ? inner.open || !outer.open : order * side > 0;
}

/** Whether nothing lies above the low bound of one and below the high bound of the other. */
function isEmpty(a: Range, b: Range): boolean {
  if (a.low === undefined || b.high === undefined) return false;
  const order = compareNumbers(a.low.at, b.high.at);
  return typeof order === 'number' && (order > 0 || (order === 0 && (a.low.open || b.high.open)));
}

function prefixOf(constraint: Constraint): string | undefined {
  if (constraint.kind === 'prefix') return constraint.text;
  if (constraint.kind !== 'glob') return undefined;
  const { prefix } = compileGlob(constraint.text);
  return prefix === '' ? undefined : prefix;
}

function suffixOf(constraint: Constraint): string | undefined {
  if (constraint.kind === 'suffix') return constraint.text;
  if (constraint.kind !== 'glob') return undefined;
  const end = /[^*?\\]*$/.exec(constraint.text)?.[0] ?? '';
  // A character before the tail may be escaped; a tail of its own is certain only behind a star.
  return end !== '' && constraint.text.at(-end.length - 1) === '*' && constraint.text.at(-end.length - 2) !== '\\'
    ? end
    : undefined;
}

function isText(constraint: Constraint): boolean {
  return typeOf(constraint) === 'text';
}

/** The one type of which the constraint can be true. */
function typeOf(constraint: Constraint): string | undefined {
  switch (constraint.kind) {
    case 'range':
      return 'number';
    case 'prefix':
    case 'suffix':
    case 'contains':
    case 'glob':
    case 'regex':
    case 'under':
      return 'text';
    default: {
      const types = 'values' in constraint ? new Set(constraint.values.map(typeName)) : new Set<string>();
      const [only] = types;
      // Everything is known to be null or not.
      return types.size === 1 && only !== 'null' ? only : undefined;
    }
  }
}

/** The types of which a constraint tells true from false; of all others it is an error. */
export function typesOf(constraint: Constraint): string {
  if ('values' in constraint) return [...new Set(constraint.values.map(typeName))].toSorted().join();
  return typeOf(constraint) ?? constraint.kind;
}

function typeName(value: Literal): string {
  return value === null ? 'null' : isNumeric(value) ? 'number' : typeof value === 'string' ? 'text' : 'boolean';
}

function isOfValue(constraint: Constraint): boolean {
  return constraint.kind === 'exists' ? constraint.wanted : constraint.kind !== 'other';
}

function isAbsence(constraint: Constraint): boolean {
  return constraint.kind === 'exists' && !constraint.wanted;
}

function withSlash(root: string): string {
  return root.endsWith('/') ? root : `${root}/`;
}
