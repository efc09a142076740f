import type { Call } from '../../model/call.ts';
import type { Json } from '../../model/json.ts';
import { type Branch, conjunction, joined, leaf, negated } from './atoms.ts';
import type { NodePath } from '../document/document-types.ts';
import { compileCall, compileMethod } from './expression-calls.ts';
import { compileLiteral, type Context, type Eval } from './expression-context.ts';
import { factOf, type Lookup, memberFact } from './expression-facts.ts';
import { type Binary, describe, type Expr, ExpressionError, parseExpression, type Spans } from './expression-parse.ts';
import { checkWords } from './expression-words.ts';
import { arithmetic, isEqual, isIn, ordered } from './expression-values.ts';
import { isObject, typeName } from './field.ts';
import type { Condition, Report, Scope } from './scope.ts';
import { anyTrue, type Truth, Unsure } from './truth.ts';

const MAX_STEPS = 100_000;

/**
 * Compiles a `when` expression to a condition with Kleene three-valued results, in its parts. What is wrong with the text
 * is reported.
 */
export function compileExpression(text: string, scope: Scope, path: NodePath, report: Report): Branch {
  const broken = (): Branch =>
    leaf(
      () => new Unsure('the expression did not load'),
      path,
      () => text,
    );
  return orReported(report, broken, () => {
    const context = openContext(scope, report);
    const spans: Spans = new Map();
    const expr = parseExpression(text, spans);
    const restarted = walks(text) ? (test: Condition) => restarting(test, context) : (test: Condition) => test;
    const whole = compileBranch(expr, context, (part, test) =>
      leaf(
        test,
        path,
        sliceOf(text, part === expr ? undefined : spans.get(part)),
        operandOf(part, context),
        restarted(test),
      ),
    );
    return { test: restarted(whole.test), tree: whole.tree };
  });
}

/**
 * Compiles an expression that yields a value, such as an amount; undefined (and a report) when it does not load.
 */
export function compileOperand(text: string, scope: Scope, report: Report): Eval | undefined {
  return orReported<Eval | undefined>(
    report,
    () => undefined,
    () => {
      const context = openContext(scope, report);
      const evaluate = compileValue(parseExpression(text), context);
      return (call) => {
        context.steps.left = MAX_STEPS;
        return evaluate(call);
      };
    },
  );
}

/** Finds what a name, or names with dots, stands for; undefined (and a report) when that is no fact. */
export function compileFact(text: string, scope: Scope, report: Report): Lookup | undefined {
  return orReported<Lookup | undefined>(
    report,
    () => undefined,
    () => {
      const expr = parseExpression(text);
      if (!isLookup(expr)) throw new ExpressionError('this is no field', 0, 'write args.a.b or the name of a fact');
      return compileLookup(expr, openContext(scope, report));
    },
  );
}

function openContext(scope: Scope, report: Report): Context {
  const steps = { left: MAX_STEPS };
  const compilers = { truth: compileTruth, value: compileValue, lookup: compileLookup };
  return { ...compilers, scope, report, variables: new Map(), frame: [], steps };
}

function orReported<T>(report: Report, broken: () => T, compile: () => T): T {
  try {
    return compile();
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    report(error.code, `${error.message} (character ${error.at + 1} of the expression)`, error.remedy, error.at);
    return broken();
  }
}

/** A condition that has all the steps of an expression to itself. */
function restarting(test: Condition, { steps }: Context): Condition {
  return (call) => {
    steps.left = MAX_STEPS;
    return test(call);
  };
}

/** Splits a condition at `&&`, `||` and `!`. */
function compileBranch(expr: Expr, context: Context, leafOf: (part: Expr, test: Condition) => Branch): Branch {
  switch (expr.kind) {
    case 'and':
    case 'or':
      return joined(
        expr.kind === 'and' ? 'all' : 'any',
        expr.parts.map((part) => compileBranch(part, context, leafOf)),
      );
    case 'not':
      return negated(compileBranch(expr.of, context, leafOf));
    default:
      return leafOf(expr, compileTruth(expr, context));
  }
}

/** What a leaf looks at, when that is a field or fact. */
function operandOf(expr: Expr, context: Context): Lookup | undefined {
  const subject =
    expr.kind === 'binary'
      ? isLookup(expr.left)
        ? expr.left
        : expr.right
      : expr.kind === 'method'
        ? expr.of
        : expr.kind === 'call'
          ? expr.args[0]
          : expr;
  if (subject === undefined || !isLookup(subject)) return undefined;
  let lookup: Lookup | undefined;
  return (call) => (lookup ??= compileLookup(subject, context))(call);
}

function isLookup(expr: Expr): boolean {
  if (expr.kind === 'name') return true;
  if (expr.kind === 'index' && expr.key.kind !== 'literal') return false;
  return (expr.kind === 'member' || expr.kind === 'index') && isLookup(expr.of);
}

/** The text of a part, taken when it is asked for; the syntax tree is let go. */
function sliceOf(text: string, span: { readonly from: number; readonly to: number } | undefined): () => string {
  if (span === undefined) return () => text.trim();
  const { from, to } = span;
  return () => text.slice(from, to);
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
      return staticTypeOfCall(expr.name);
    default:
      return 'any';
  }
}

function staticTypeOfCall(name: string): string {
  if (name === 'weekday') return 'text';
  return ['size', 'count', 'hour', 'minute'].includes(name) ? 'a number' : 'any';
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
      checkWords(expr);
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
        const fact = memberFact(expr.of.name, expr, context.scope);
        if (fact !== undefined) return fact;
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
  const isOrder = op === '<' || op === '<=' || op === '>' || op === '>=';
  if (typeof right.value === 'number' && isOrder) {
    const bound = right.value;
    const value = compileValue(left, context);
    const below = op === '<' || op === '<=';
    const orEqual = op === '<=' || op === '>=';
    const holds = (order: number): boolean => (order === 0 ? orEqual : order < 0 === below);
    return (call) => {
      const found = value(call);
      if (typeof found !== 'number') return ordered(found, bound, holds);
      return found === bound ? orEqual : found < bound === below;
    };
  }
  if (typeof right.value !== 'string' || (op !== '==' && op !== '!=')) return undefined;
  const bound = compileLiteral(right, context);
  const value = compileValue(left, context);
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
