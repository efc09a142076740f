import type { Call } from '../../model/call.ts';
import type { Json } from '../../model/json.ts';
import type { Literal } from '../document/document-types.ts';
import type { Lookup } from './expression-facts.ts';
import type { Expr } from './expression-parse.ts';
import type { Value } from './expression-values.ts';
import type { FieldPath } from './field.ts';
import type { Report, Scope } from './scope.ts';
import type { Truth } from './truth.ts';

export type Eval = (call: Call) => Value;

/** A variable of `exists` or `all`: where its value stands, and the field it walks. */
export interface Variable {
  readonly slot: number;
  readonly path: FieldPath | undefined;
}

/** What compiling an expression carries along; its compilers are here, so that calls can compile what they are given. */
export interface Context {
  truth(expr: Expr, context: Context): (call: Call) => Truth;
  value(expr: Expr, context: Context): Eval;
  lookup(expr: Expr, context: Context): Lookup;
  readonly scope: Scope;
  readonly report: Report;
  readonly variables: ReadonlyMap<string, Variable>;
  /** Values of the variables while an evaluation runs; evaluation never re-enters. */
  readonly frame: Json[];
  readonly steps: { left: number };
}

/** A literal with its variables put in. */
export function compileLiteral(expr: Expr & { kind: 'literal' }, context: Context): Literal {
  const { value } = expr;
  if (typeof value !== 'string') return value;
  return (
    context.scope.expand(value, (code, message, remedy) => context.report(code, message, remedy, expr.at)) ?? value
  );
}
