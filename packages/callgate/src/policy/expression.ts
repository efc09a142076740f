import type { Call } from '../model/call.ts';
import type { Json } from '../model/json.ts';
import { compileCall, compileMethod } from './expression-calls.ts';
import { compileLiteral, type Context, type Eval } from './expression-context.ts';
import { annotationFact, factOf, type Lookup, principalFact } from './expression-facts.ts';
import { type Binary, describe, type Expr, ExpressionError, parseExpression } from './expression-parse.ts';
import { arithmetic, isEqual, isIn, ordered } from './expression-values.ts';
import { isObject, typeName } from './field.ts';
import type { Condition, Report, Scope } from './scope.ts';
import { anyTrue, both, type Truth, Unsure } from './truth.ts';

const MAX_STEPS = 100_000;

/**
 * Compiles a `when` expression to a condition with Kleene three-valued results. What is wrong with the text is reported.
 */
export function compileExpression(text: string, scope: Scope, report: Report): Condition {
  try {
    const steps = { left: MAX_STEPS };
    const frame: Json[] = [];
    const compilers = { truth: compileTruth, value: compileValue, lookup: compileLookup };
    const context: Context = { ...compilers, scope, report, variables: new Map(), frame, steps };
    const evaluate = compileTruth(parseExpression(text), context);
    if (!walks(text)) return evaluate;
    return (call) => {
      steps.left = MAX_STEPS;
      return evaluate(call);
    };
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    report(error.code, `${error.message} (character ${error.at + 1} of the expression)`, error.remedy, error.at);
    return () => new Unsure('the expression did not load');
  }
}

/** Whether the text can contain a walk, which counts steps. */
function walks(text: string): boolean {
  return text.includes('exists') || text.includes('all');
}

/** Compiles an expression that must be true or false. */
function compileTruth(expr: Expr, context: Context): (call: Call) => Truth {
  const type = staticType(expr);
  if (type !== 'any' && type !== 'boolean') {
    throw new ExpressionError(
      `this is ${type}, not a condition`,
      expr.at,
      'compare it with something: there is no truthiness',
    );
  }
  switch (expr.kind) {
    case 'and':
    case 'or': {
      const parts = expr.parts.map((part) => compileTruth(part, context));
      return expr.kind === 'and' ? conjunction(parts) : (call) => anyTrue(parts, (part) => part(call));
    }
    case 'not': {
      const of = compileTruth(expr.of, context);
      return (call) => {
        const truth = of(call);
        return typeof truth === 'boolean' ? !truth : truth;
      };
    }
    default: {
      const evaluate = compileValue(expr, context);
      return (call) => {
        const value = evaluate(call);
        return typeof value === 'boolean' || value instanceof Unsure
          ? value
          : new Unsure(`a condition is ${typeName(value)}, not true or false`);
      };
    }
  }
}

function conjunction(parts: readonly ((call: Call) => Truth)[]): (call: Call) => Truth {
  const [first, second] = parts;
  if (parts.length === 2 && first !== undefined && second !== undefined) return both(first, second);
  return (call) => {
    let unsure: Unsure | undefined;
    for (const part of parts) {
      const truth = part(call);
      if (truth === false) return false;
      if (truth !== true) unsure ??= truth;
    }
    return unsure ?? true;
  };
}

function staticType(expr: Expr): string {
  switch (expr.kind) {
    case 'literal':
      return typeof expr.value === 'boolean' ? 'boolean' : typeName(expr.value);
    case 'list':
      return 'a list';
    case 'minus':
      return 'a number';
    case 'binary':
      return expr.op === '+' || expr.op === '-' || expr.op === '*' ? 'a number' : 'boolean';
    case 'call':
      return expr.name === 'size' ? 'a number' : 'any';
    default:
      return 'any';
  }
}

function compileValue(expr: Expr, context: Context): Eval {
  switch (expr.kind) {
    case 'literal': {
      const value = compileLiteral(expr, context);
      return () => value;
    }
    case 'list': {
      const items = expr.items.map((item) => compileValue(item, context));
      if (expr.items.every((item) => item.kind === 'literal')) {
        const constant = expr.items.map((item) => compileLiteral(item as Expr & { kind: 'literal' }, context));
        return () => constant;
      }
      return (call) => {
        const values: Json[] = [];
        for (const item of items) {
          const value = item(call);
          if (value instanceof Unsure) return value;
          values.push(value);
        }
        return values;
      };
    }
    case 'and':
    case 'or':
    case 'not':
      return compileTruth(expr, context);
    case 'minus': {
      const of = compileValue(expr.of, context);
      return (call) => arithmetic('-', 0, of(call));
    }
    case 'binary':
      return (
        compareWithLiteral(expr.op, expr.left, expr.right, context) ??
        compileBinary(expr.op, compileValue(expr.left, context), compileValue(expr.right, context))
      );
    case 'choose': {
      const test = compileTruth(expr.test, context);
      const yes = compileValue(expr.yes, context);
      const no = compileValue(expr.no, context);
      return (call) => {
        const truth = test(call);
        return truth === true ? yes(call) : truth === false ? no(call) : truth;
      };
    }
    case 'call':
      return compileCall(expr, context);
    case 'method':
      return compileMethod(expr, context);
    default: {
      const lookup = compileLookup(expr, context);
      const absent = new Unsure(`${describe(expr)} is missing`);
      return (call) => {
        const value = lookup(call);
        return value === undefined ? absent : value;
      };
    }
  }
}

/** Names, members and indices: what may be there or not. */
function compileLookup(expr: Expr, context: Context): Lookup {
  switch (expr.kind) {
    case 'name': {
      const variable = context.variables.get(expr.name);
      if (variable === undefined) return factOf(expr, context.scope);
      const { frame } = context;
      return () => frame[variable.slot];
    }
    case 'member':
      if (expr.of.kind === 'name' && !context.variables.has(expr.of.name)) {
        if (expr.of.name === 'principal') return principalFact(expr);
        if (expr.of.name === 'annotations') return annotationFact(expr, context.scope);
      }
      return memberOf(expr.of, expr.key, context);
    case 'index': {
      const key = compileValue(expr.key, context);
      if (expr.key.kind === 'literal' && typeof expr.key.value === 'string') {
        return memberOf(expr.of, expr.key.value, context);
      }
      return indexedMember(compileLookup(expr.of, context), key, expr.of);
    }
    default:
      return compileValue(expr, context);
  }
}

/** A member by a written-out key; of the arguments themselves, through the lookups that all rules share. */
function memberOf(of: Expr, key: string, context: Context): Lookup {
  const owner = compileLookup(of, context);
  const isSubject =
    of.kind === 'name' && (of.name === 'args' || of.name === 'result') && !context.variables.has(of.name);
  return isSubject ? context.scope.argument(key) : namedMember(owner, key, of);
}

/** An own property; undefined when there is none. */
function namedMember(of: Lookup, key: string, owner: Expr): Lookup {
  return (call) => {
    const from = of(call);
    if (from === undefined || from instanceof Unsure) return from;
    if (isObject(from)) return Object.hasOwn(from, key) ? from[key] : undefined;
    return new Unsure(`${describe(owner)} is ${typeName(from)}, not an object`);
  };
}

/** An own property or an array element; undefined when there is none. */
function indexedMember(of: Lookup, key: Eval, owner: Expr): Lookup {
  return (call) => {
    const from = of(call);
    if (from === undefined || from instanceof Unsure) return from;
    const name = key(call);
    if (name instanceof Unsure) return name;
    if (Array.isArray(from)) {
      const isIndex = typeof name === 'number' && Number.isInteger(name);
      return isIndex
        ? (from as readonly Json[])[name]
        : new Unsure(`${describe(owner)} is a list, and its index ${typeName(name)}`);
    }
    if (!isObject(from)) return new Unsure(`${describe(owner)} is ${typeName(from)}, not an object`);
    if (typeof name !== 'string') return new Unsure(`a key of ${describe(owner)} is ${typeName(name)}, not text`);
    return Object.hasOwn(from, name) ? from[name] : undefined;
  };
}

/** The common case, kept short: something compared with a written-out number or text. */
function compareWithLiteral(op: Binary, left: Expr, right: Expr, context: Context): Eval | undefined {
  if (right.kind !== 'literal' || left.kind === 'literal') return undefined;
  const bound = compileLiteral(right, context);
  const value = compileValue(left, context);
  if (typeof bound === 'number') {
    const below = op === '<' || op === '<=';
    if (!below && op !== '>' && op !== '>=') return undefined;
    const orEqual = op === '<=' || op === '>=';
    const holds = (order: number): boolean => (order === 0 ? orEqual : order < 0 === below);
    return (call) => {
      const found = value(call);
      if (typeof found !== 'number') return ordered(found, bound, holds);
      return found === bound ? orEqual : found < bound === below;
    };
  }
  if (typeof bound !== 'string' || (op !== '==' && op !== '!=')) return undefined;
  const wanted = op === '==';
  return (call) => {
    const found = value(call);
    if (typeof found === 'string') return (found === bound) === wanted;
    const truth = isEqual(found, bound);
    return typeof truth === 'boolean' ? truth === wanted : truth;
  };
}

function compileBinary(op: Binary, left: Eval, right: Eval): Eval {
  switch (op) {
    case '+':
    case '-':
    case '*':
      return (call) => arithmetic(op, left(call), right(call));
    case 'in':
      return (call) => isIn(left(call), right(call));
    case '==':
      return (call) => isEqual(left(call), right(call));
    case '!=':
      return (call) => {
        const truth = isEqual(left(call), right(call));
        return typeof truth === 'boolean' ? !truth : truth;
      };
    case '<':
      return (call) => ordered(left(call), right(call), (order) => order < 0);
    case '<=':
      return (call) => ordered(left(call), right(call), (order) => order <= 0);
    case '>':
      return (call) => ordered(left(call), right(call), (order) => order > 0);
    case '>=':
      return (call) => ordered(left(call), right(call), (order) => order >= 0);
  }
}
