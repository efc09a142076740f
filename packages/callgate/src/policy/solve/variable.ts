import type { Json } from '../../model/json.ts';
import type { NamedAtom } from './gaps.ts';
import { isNumeric } from '../condition/numbers.ts';
import type { Answer, CallContext } from './trial.ts';

/** Something that calls of one name can differ in. */
export interface Variable {
  readonly id: string;
  /** Of a field: values that atoms tell apart. Of an atom that is not worked out: what it might answer. */
  readonly options: readonly Option[];
  /** The field whose value the options are about, by the id of its variable. */
  readonly field?: string;
  /** The atom that is not worked out. */
  readonly open?: NamedAtom;
}

export interface Option {
  /** Examples; none for an atom that is not worked out. */
  readonly values: readonly (Json | undefined)[];
  /** Of what a call says beside its arguments. */
  readonly contexts?: readonly CallContext[];
  readonly answers: ReadonlyMap<string, Answer>;
  /** What the value is, where other variables are about the same one. */
  readonly shape?: Shape;
}

/** `present` is any but `missing`. */
export type Shape = 'missing' | 'present' | 'text' | 'list' | 'object' | 'number' | 'boolean' | 'null';

export function shapeOf(value: Json | undefined): Shape {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (typeof value === 'string') return 'text';
  if (isNumeric(value)) return 'number';
  if (typeof value === 'boolean') return 'boolean';
  return Array.isArray(value) ? 'list' : 'object';
}

/** Whether one value can have both. */
export function shapesAgree(a: Shape | undefined, b: Shape | undefined): boolean {
  if (a === undefined || b === undefined || a === b) return true;
  return a === 'present' ? b !== 'missing' : b === 'present' && a !== 'missing';
}
