import type { Call } from '../model/call.ts';
import type { Json } from '../model/json.ts';
import type { Literal } from './document.ts';
import { annotationFact, factOf, FACTS, type Lookup, principalFact } from './expression-facts.ts';
import { type Binary, type Expr, ExpressionError, parseExpression } from './expression-parse.ts';
import { arithmetic, isEqual, isIn, ordered, sizeOf, type Value } from './expression-values.ts';
import { allStrings, type FieldPath, isObject, typeName } from './field.ts';
import { MAX_GLOB_WORK } from './glob.ts';
import { suggest } from './issue.ts';
import { MAX_SCANNED } from './pattern.ts';
import type { Condition, Report, Scope } from './scope.ts';
import { anyTrue, both, type Truth, Unsure } from './truth.ts';
import { isUnder, type Root } from './under.ts';

type Eval = (call: Call) => Value;

const MAX_STEPS = 100_000;

/** A variable of `exists` or `all`: where its value stands, and the field it walks. */
interface Variable {
  readonly slot: number;
  readonly path: FieldPath | undefined;
}

interface Context {
  readonly scope: Scope;
  readonly report: Report;
  readonly variables: ReadonlyMap<string, Variable>;
  /** Values of the variables while an evaluation runs; evaluation never re-enters. */
  readonly frame: Json[];
  readonly steps: { left: number };
}

/**
 * Compiles a `when` expression to a condition with Kleene three-valued results. What is wrong with the text is reported.
 */
export function compileExpression(text: string, scope: Scope, report: Report): Condition {
  try {
    const steps = { left: MAX_STEPS };
    const frame: Json[] = [];
    const evaluate = compileTruth(parseExpression(text), { scope, report, variables: new Map(), frame, steps });
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

function compileLiteral(expr: Expr & { kind: 'literal' }, context: Context): Literal {
  const { value } = expr;
  if (typeof value !== 'string') return value;
  return (
    context.scope.expand(value, (code, message, remedy) => context.report(code, message, remedy, expr.at)) ?? value
  );
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

const FUNCTIONS = ['has', 'size', 'under', 'glob', 'anyString'];
const METHODS = ['startsWith', 'endsWith', 'contains', 'matches', 'exists', 'all', 'size'];
const LATER: Readonly<Record<string, string>> = {
  map: '.exists(x, ...) or .all(x, ...)',
  filter: '.exists(x, ...) or .all(x, ...)',
  exists_one: '.exists(x, ...)',
  lowerAscii: 'matches("(?i)...")',
  upperAscii: 'matches("(?i)...")',
  host: 'matches on the URL',
  cidr: 'matches on the address',
  hour: 'an ask rule',
  seen: 'an ask rule',
  count: 'the obligation rate',
  spent: 'the obligation rate',
  rate: 'the obligation rate',
  approved: '`effect: ask`',
  split: 'matches',
  replace: 'matches',
  int: 'a number: text is never taken for one',
  string: 'a text: numbers are never taken for one',
  timestamp: 'an ask rule',
  duration: 'an ask rule',
};

function unknownFunction(name: string, at: number, isMethod: boolean): ExpressionError {
  const instead = Object.hasOwn(LATER, name) ? LATER[name] : undefined;
  if (instead !== undefined) return new ExpressionError(`"${name}" is not part of the language`, at, `use ${instead}`);
  const other = isMethod ? FUNCTIONS : METHODS;
  if (other.includes(name)) {
    return new ExpressionError(
      `"${name}" is ${isMethod ? 'a function' : 'a method'}`,
      at,
      isMethod ? `write ${name}(x)` : `write x.${name}(...)`,
    );
  }
  return new ExpressionError(
    `there is no ${isMethod ? 'method' : 'function'} "${name}"`,
    at,
    suggest(name, isMethod ? METHODS : FUNCTIONS),
  );
}

function compileCall(expr: Expr & { kind: 'call' }, context: Context): Eval {
  const { name, args, at } = expr;
  if (!FUNCTIONS.includes(name)) throw unknownFunction(name, at, false);
  const wanted = name === 'under' || name === 'glob' ? 2 : 1;
  if (args.length !== wanted)
    throw new ExpressionError(`${name} takes ${wanted === 1 ? 'one value' : 'two values'}`, at);
  const subject = args[0] as Expr;
  switch (name) {
    case 'has': {
      if (subject.kind !== 'member' && subject.kind !== 'index' && subject.kind !== 'name') {
        throw new ExpressionError('has() takes a field', subject.at, 'write has(args.path)');
      }
      const lookup = compileLookup(subject, context);
      return (call) => {
        const value = lookup(call);
        return value !== undefined && !(value instanceof Unsure);
      };
    }
    case 'size': {
      const value = compileValue(subject, context);
      return (call) => sizeOf(value(call));
    }
    case 'anyString': {
      const value = compileValue(subject, context);
      return (call) => {
        const root = value(call);
        return root instanceof Unsure ? root : (allStrings(root) as Value);
      };
    }
    case 'glob': {
      const source = literalText(args[1] as Expr, 'the second value of glob()');
      const glob = context.scope.glob(source, (code, message, remedy) =>
        context.report(code, message, remedy, (args[1] as Expr).at),
      );
      const value = compileValue(subject, context);
      const most = MAX_GLOB_WORK / source.length;
      return onText(value, 'glob', (text) =>
        text.length > most || glob === undefined ? new Unsure('a text is too long to be searched') : glob.test(text),
      );
    }
    default:
      return compileUnder(expr, context);
  }
}

function compileUnder(expr: Expr & { kind: 'call' }, context: Context): Eval {
  const [subject, rootExpr] = expr.args as [Expr, Expr];
  if (context.scope.subject === 'result')
    throw new ExpressionError('under() looks at paths of arguments; a result has none that are resolved', expr.at);
  const path = fieldOf(subject, context);
  if (path === undefined)
    throw new ExpressionError('under() needs a field of args', subject.at, 'write under(args.path, "${PROJECT}")');
  const texts = (rootExpr.kind === 'list' ? rootExpr.items : [rootExpr]).map((item) =>
    literalText(item, 'a root of under()'),
  );
  const report: Report = (code, message, remedy) => context.report(code, message, remedy, rootExpr.at);
  const roots = texts
    .map((text) => context.scope.root(text, report))
    .filter((root): root is Root => root !== undefined);
  context.scope.paths.push(path);
  const value = compileValue(subject, context);
  const { home } = context.scope;
  return (call) => {
    const text = value(call);
    return text instanceof Unsure ? text : isUnder(text, roots, call, home);
  };
}

/** The field of args that an expression reads, when it is written out. */
function fieldOf(expr: Expr, context: Context): FieldPath | undefined {
  if (expr.kind === 'name') {
    const variable = context.variables.get(expr.name);
    if (variable !== undefined) return variable.path;
    return expr.name === 'args' ? [] : undefined;
  }
  if (expr.kind !== 'member' && expr.kind !== 'index') return undefined;
  const owner = fieldOf(expr.of, context);
  if (owner === undefined) return undefined;
  if (expr.kind === 'member') return [...owner, expr.key];
  if (expr.key.kind !== 'literal') return undefined;
  const { value } = expr.key;
  return typeof value === 'string'
    ? [...owner, value]
    : typeof value === 'number'
      ? [...owner, String(value)]
      : undefined;
}

function compileMethod(expr: Expr & { kind: 'method' }, context: Context): Eval {
  const { name, args, at } = expr;
  if (name === 'exists' || name === 'all') return compileWalk(expr, context);
  if (!METHODS.includes(name)) throw unknownFunction(name, at, true);
  const of = compileValue(expr.of, context);
  if (name === 'size') {
    if (args.length > 0) throw new ExpressionError('size() takes no value here', at);
    return (call) => sizeOf(of(call));
  }
  if (args.length !== 1) throw new ExpressionError(`${name}() takes one value`, at);
  const operand = args[0] as Expr;
  if (name === 'matches') {
    const pattern = context.scope.pattern(literalText(operand, 'the pattern of matches()'), (code, message, remedy) =>
      context.report(code, message, remedy, operand.at),
    );
    return onText(of, name, (text) =>
      text.length > MAX_SCANNED || pattern === undefined
        ? new Unsure('a text is too long to be searched')
        : pattern.test(text),
    );
  }
  if (operand.kind === 'literal' && typeof operand.value === 'string') {
    const by = compileLiteral(operand, context) as string;
    if (name === 'startsWith') return onText(of, name, (text) => text.startsWith(by));
    if (name === 'endsWith') return onText(of, name, (text) => text.endsWith(by));
    return onText(of, name, (text) => text.includes(by));
  }
  const by = compileValue(operand, context);
  return (call) => {
    const text = of(call);
    if (text instanceof Unsure) return text;
    const other = by(call);
    if (other instanceof Unsure) return other;
    if (typeof text !== 'string' || typeof other !== 'string') {
      return new Unsure(`${name}() needs texts, found ${typeName(typeof text === 'string' ? other : text)}`);
    }
    return name === 'startsWith'
      ? text.startsWith(other)
      : name === 'endsWith'
        ? text.endsWith(other)
        : text.includes(other);
  };
}

/** `.exists(x, p)` and `.all(x, p)`: bounded walks with Kleene results. */
function compileWalk(expr: Expr & { kind: 'method' }, context: Context): Eval {
  const [variable, body] = expr.args;
  if (expr.args.length !== 2 || variable?.kind !== 'name' || body === undefined) {
    throw new ExpressionError(
      `${expr.name}() takes a name and a condition`,
      expr.at,
      `write args.items.${expr.name}(x, x.startsWith("a"))`,
    );
  }
  if (FACTS.includes(variable.name))
    throw new ExpressionError(`"${variable.name}" is already a fact`, variable.at, 'choose another name');
  const slot = context.variables.size;
  const variables = new Map(context.variables).set(variable.name, { slot, path: fieldOf(expr.of, context) });
  const list = compileValue(expr.of, context);
  const test = compileTruth(body, { ...context, variables });
  const { frame, steps } = context;
  const decisive = expr.name === 'exists';
  return (call) => {
    const values = list(call);
    if (values instanceof Unsure) return values;
    if (!Array.isArray(values)) return new Unsure(`${expr.name}() needs a list, found ${typeName(values)}`);
    let unsure: Unsure | undefined;
    for (const value of values as readonly Json[]) {
      if (--steps.left < 0) return new Unsure('the condition takes too many steps');
      frame[slot] = value;
      const truth = test(call);
      if (truth === decisive) return decisive;
      if (typeof truth !== 'boolean') unsure ??= truth;
    }
    return unsure ?? !decisive;
  };
}

function onText(of: Eval, name: string, test: (text: string) => Truth): Eval {
  return (call) => {
    const text = of(call);
    if (typeof text === 'string') return test(text);
    return text instanceof Unsure ? text : new Unsure(`${name}() needs a text, found ${typeName(text)}`);
  };
}

function literalText(expr: Expr, what: string): string {
  if (expr.kind === 'literal' && typeof expr.value === 'string') return expr.value;
  throw new ExpressionError(
    `${what} must be written out as text`,
    expr.at,
    'patterns, globs and roots are never taken from what is judged',
  );
}

function describe(expr: Expr): string {
  if (expr.kind === 'name') return expr.name;
  if (expr.kind === 'member') return `${describe(expr.of)}.${expr.key}`;
  if (expr.kind === 'index')
    return `${describe(expr.of)}[${expr.key.kind === 'literal' ? JSON.stringify(expr.key.value) : '...'}]`;
  return 'a value';
}
