import type { Call } from '../model/call.ts';
import type { Json } from '../model/json.ts';
import type { Literal } from './document.ts';
import { type Binary, type Expr, ExpressionError, parseExpression } from './expression-parse.ts';
import { allStrings, type FieldPath, isObject, typeName } from './field.ts';
import { MAX_GLOB_WORK } from './glob.ts';
import { suggest } from './issue.ts';
import { calculate, compareNumbers, isNumeric } from './numbers.ts';
import { MAX_SCANNED } from './pattern.ts';
import { HINTS } from './schema.ts';
import type { Condition, Report, Scope } from './scope.ts';
import { type Hint, hintOf } from './target.ts';
import { anyTrue, type Truth, Unsure } from './truth.ts';
import { isUnder, type Root } from './under.ts';

type Value = Json | Unsure;
type Eval = (call: Call) => Value;
/** Like Eval, with undefined for "not there". */
type Lookup = (call: Call) => Value | undefined;

const MAX_LIST = 10_000;
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
    const expr = parseExpression(text);
    const evaluate = compileTruth(expr, { scope, report, variables: new Map(), frame: [], steps });
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
      return compileBinary(expr.op, compileValue(expr.left, context), compileValue(expr.right, context));
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

const FACTS = [
  'args',
  'result',
  'tool',
  'prompt',
  'resource',
  'server',
  'method',
  'direction',
  'principal',
  'annotations',
];
const LATER_FACTS: Readonly<Record<string, string>> = {
  labels: 'match and args',
  findings: 'redact: { classes: [secret] }',
  threat: 'redact: { classes: [secret] }',
  task: 'principal.id',
  trace: 'principal.id',
  time: 'an ask rule',
  http: 'args',
  intent: 'tool names',
  transport: 'match: { server: ... }',
};
const PRINCIPAL = ['id', 'agent', 'user', 'roles', 'chain', 'assurance'] as const;

/** Names, members and indices: what may be there or not. */
function compileLookup(expr: Expr, context: Context): Lookup {
  switch (expr.kind) {
    case 'name':
      return compileName(expr, context);
    case 'member':
      if (expr.of.kind === 'name' && !context.variables.has(expr.of.name)) {
        if (expr.of.name === 'principal') return principalFact(expr);
        if (expr.of.name === 'annotations') return annotationFact(expr, context);
      }
      return ownMember(compileLookup(expr.of, context), () => expr.key, expr);
    case 'index': {
      const key = compileValue(expr.key, context);
      return ownMember(compileLookup(expr.of, context), key, expr);
    }
    default:
      return compileValue(expr, context);
  }
}

function compileName(expr: Expr & { kind: 'name' }, context: Context): Lookup {
  const { name, at } = expr;
  const variable = context.variables.get(name);
  if (variable !== undefined) return () => context.frame[variable.slot];
  switch (name) {
    case 'args':
    case 'result':
      if (context.scope.subject !== name) throw wrongSubject(name, context.scope.subject, at);
      context.scope.uses('subject');
      return (call) => call.args();
    case 'tool':
      return (call) => call.tool;
    case 'prompt':
      return (call) => call.prompt;
    case 'resource':
      return (call) => call.uri;
    case 'server':
      return (call) => call.server;
    case 'method':
      return (call) => call.method;
    case 'direction':
      return (call) => call.direction;
    case 'principal':
      throw new ExpressionError(
        'principal is not a value',
        at,
        `name a member: ${PRINCIPAL.map((key) => `principal.${key}`).join(', ')}`,
      );
    case 'annotations':
      throw new ExpressionError(
        'annotations is not a value',
        at,
        `name a member: ${HINTS.map((key) => `annotations.${key}`).join(', ')}`,
      );
    default: {
      const instead = Object.hasOwn(LATER_FACTS, name) ? LATER_FACTS[name] : undefined;
      if (instead !== undefined)
        throw new ExpressionError(
          `"${name}" is not part of this version of the policy language`,
          at,
          `use ${instead}`,
          'CG_POLICY_NOT_YET',
        );
      throw new ExpressionError(
        `there is no fact "${name}"`,
        at,
        suggest(name, FACTS, name === 'uri' ? 'resource' : name === 'arguments' ? 'args' : undefined),
      );
    }
  }
}

function wrongSubject(name: 'args' | 'result', subject: Scope['subject'], at: number): ExpressionError {
  if (subject === 'none') {
    return new ExpressionError(
      `"${name}" is not there in every direction this rule covers`,
      at,
      'write one rule for direction: call and one for direction: result',
    );
  }
  return name === 'args'
    ? new ExpressionError('a rule for direction: result has no args', at, 'use result')
    : new ExpressionError(
        'there is no result yet when a call is judged',
        at,
        'add `direction: result` to match, or use args',
      );
}

function principalFact(expr: Expr & { kind: 'member' }): Lookup {
  const key = PRINCIPAL.find((name) => name === expr.key);
  if (key === undefined)
    throw new ExpressionError(
      `principal has no "${expr.key}"`,
      expr.at,
      suggest(expr.key, PRINCIPAL, expr.key === 'role' ? 'roles' : undefined),
    );
  return (call) => call.principal[key];
}

function annotationFact(expr: Expr & { kind: 'member' }, context: Context): Lookup {
  const hint = HINTS.find((name) => name === expr.key) as Hint | undefined;
  if (hint === undefined)
    throw new ExpressionError(`annotations has no "${expr.key}"`, expr.at, suggest(expr.key, HINTS));
  context.scope.uses('annotations');
  return (call) => hintOf(call, hint);
}

/** Own properties and array elements only; undefined when there is none. */
function ownMember(of: Lookup, key: Eval, expr: Expr): Lookup {
  const owner = expr.kind === 'member' || expr.kind === 'index' ? describe(expr.of) : '';
  return (call) => {
    const from = of(call);
    if (from === undefined || from instanceof Unsure) return from;
    const name = key(call);
    if (name instanceof Unsure) return name;
    if (Array.isArray(from)) {
      return typeof name === 'number' && Number.isInteger(name)
        ? (from as readonly Json[])[name]
        : new Unsure(`${owner} is a list, and its index ${typeName(name)}`);
    }
    if (!isObject(from)) return new Unsure(`${owner} is ${typeName(from)}, not an object`);
    if (typeof name !== 'string') return new Unsure(`a key of ${owner} is ${typeName(name)}, not text`);
    return Object.hasOwn(from, name) ? from[name] : undefined;
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

function arithmetic(op: '+' | '-' | '*', a: Value, b: Value): Value {
  if (a instanceof Unsure) return a;
  if (b instanceof Unsure) return b;
  if (!isNumeric(a) || !isNumeric(b))
    return new Unsure(`"${op}" needs numbers, found ${typeName(isNumeric(a) ? b : a)}`);
  return calculate(op, a, b);
}

function ordered(a: Value, b: Value, holds: (order: number) => boolean): Truth {
  if (a instanceof Unsure) return a;
  if (b instanceof Unsure) return b;
  if (typeof a === 'string' && typeof b === 'string') return holds(a < b ? -1 : a > b ? 1 : 0);
  if (!isNumeric(a) || !isNumeric(b)) return new Unsure(`${typeName(a)} and ${typeName(b)} have no order`);
  const order = compareNumbers(a, b);
  return order instanceof Unsure ? order : holds(order);
}

function isEqual(a: Value, b: Value): Truth {
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
function isIn(a: Value, b: Value): Truth {
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
    case 'size':
      return sizeOf(compileValue(subject, context));
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
    return sizeOf(of);
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
    if (text instanceof Unsure) return text;
    return typeof text === 'string' ? test(text) : new Unsure(`${name}() needs a text, found ${typeName(text)}`);
  };
}

/** Characters of a text, elements of a list, keys of an object. */
function sizeOf(of: Eval): Eval {
  return (call) => {
    const value = of(call);
    if (value instanceof Unsure) return value;
    if (typeof value === 'string') {
      let count = 0;
      for (const _ of value) count++;
      return count;
    }
    if (Array.isArray(value)) return value.length;
    return isObject(value) ? Object.keys(value).length : new Unsure(`size() of ${typeName(value)}`);
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
