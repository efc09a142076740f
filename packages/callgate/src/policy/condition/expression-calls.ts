import type { Json } from '../../model/json.ts';
import { compileLiteral, type Context, type Eval } from './expression-context.ts';
import { FACTS } from './expression-facts.ts';
import { type Expr, ExpressionError } from './expression-parse.ts';
import { sizeOf } from './expression-values.ts';
import { allStrings, type FieldPath, typeName } from './field.ts';
import { MAX_GLOB_WORK } from './glob.ts';
import { literalText, literalTexts, onText, TYPED } from './expression-functions.ts';
import { suggest } from '../document/nearest.ts';
import { MAX_SCANNED, type Report } from './scope.ts';
import { Unsure } from './truth.ts';
import { isUnder, type Root } from './under.ts';

export const FUNCTIONS = ['has', 'size', 'under', 'glob', 'anyString', 'anyValue', ...Object.keys(TYPED)];
const METHODS = ['startsWith', 'endsWith', 'contains', 'matches', 'exists', 'all', 'size'];
const LATER: Readonly<Record<string, string>> = {
  map: '.exists(x, ...) or .all(x, ...)',
  filter: '.exists(x, ...) or .all(x, ...)',
  exists_one: '.exists(x, ...)',
  lowerAscii: 'matches("(?i)...")',
  upperAscii: 'matches("(?i)...")',
  spent: 'the obligation rate',
  rate: 'the obligation rate',
  approved: '`effect: ask`',
  split: 'matches',
  replace: 'matches',
  int: 'a number: text is never taken for one',
  string: 'a text: numbers are never taken for one',
  now: 'hour("Europe/Berlin")',
  timestamp: 'hour("Europe/Berlin")',
  duration: 'a text such as "10m"',
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
    suggest(name, isMethod ? METHODS : FUNCTIONS, isMethod ? undefined : OTHER_FUNCTIONS[name]),
  );
}

/** Functions of other languages. */
const OTHER_FUNCTIONS: Readonly<Record<string, string>> = Object.assign(Object.create(null) as Record<string, string>, {
  len: 'size',
  length: 'size',
  exists: 'has',
  defined: 'has',
});

/** How each function is written, for whoever gives it too much or too little. */
const SAMPLES: Readonly<Record<string, string>> = {
  has: 'has(args.path)',
  size: 'size(args.to) < 10',
  under: 'under(args.path, "${PROJECT}")',
  glob: 'glob(args.path, "*.md")',
  anyString: 'anyString(args).exists(s, s.contains("x"))',
  anyValue: 'anyValue(args).exists(s, s.contains("1"))',
  host: 'host(args.url) == "api.example.com"',
  cidr: 'cidr(args.ip, "internal")',
  shell: 'shell(args.command, "destructive")',
  sql: 'sql(args.query, ["read"])',
  hour: 'hour("Europe/Berlin") >= 9',
  minute: 'minute("Europe/Berlin") < 30',
  weekday: 'weekday("Europe/Berlin") == "mon"',
  count: 'count("send_*", "1h") < 3',
  seen: 'seen("read_*", "10m")',
};
const COUNTS = ['no', 'one', 'two', 'three'];

function wrongCount(name: string, least: number, most: number, at: number): ExpressionError {
  const wanted = `${least === most ? '' : `${COUNTS[least]} or `}${COUNTS[most]} value${most === 1 ? '' : 's'}`;
  const sample = SAMPLES[name];
  return new ExpressionError(`${name}() takes ${wanted}`, at, sample === undefined ? undefined : `write ${sample}`);
}

/** Functions. */
export function compileCall(expr: Expr & { kind: 'call' }, context: Context): Eval {
  const { name, args, at } = expr;
  if (!FUNCTIONS.includes(name)) throw unknownFunction(name, at, false);
  const typed = Object.hasOwn(TYPED, name) ? TYPED[name] : undefined;
  if (typed !== undefined) {
    const [least, most] = typed.takes;
    if (args.length < least || args.length > most) throw wrongCount(name, least, most, at);
    return typed.compile(expr, context);
  }
  const wanted = name === 'under' || name === 'glob' ? 2 : 1;
  if (args.length !== wanted) throw wrongCount(name, wanted, wanted, at);
  const subject = args[0] as Expr;
  switch (name) {
    case 'has': {
      if (subject.kind !== 'member' && subject.kind !== 'index' && subject.kind !== 'name') {
        throw new ExpressionError('has() takes a field', subject.at, 'write has(args.path)');
      }
      const lookup = context.lookup(subject, context);
      return (call) => {
        const value = lookup(call);
        return value !== undefined && !(value instanceof Unsure);
      };
    }
    case 'size': {
      const value = context.value(subject, context);
      return (call) => sizeOf(value(call));
    }
    case 'anyString':
    case 'anyValue': {
      const scalars = name === 'anyValue';
      const value = context.value(subject, context);
      return (call) => {
        const root = value(call);
        return root instanceof Unsure ? root : allStrings(root, scalars);
      };
    }
    case 'glob': {
      const source = literalText(args[1] as Expr, 'the second value of glob()');
      const glob = context.scope.glob(source, (code, message, remedy) =>
        context.report(code, message, remedy, (args[1] as Expr).at),
      );
      const value = context.value(subject, context);
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
  const texts = literalTexts(rootExpr, 'a root of under()');
  const report: Report = (code, message, remedy) => context.report(code, message, remedy, rootExpr.at);
  const roots = texts
    .map((text) => context.scope.root(text, report))
    .filter((root): root is Root => root !== undefined);
  context.scope.paths.push(path);
  const value = context.value(subject, context);
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

/** Methods of texts and lists. */
export function compileMethod(expr: Expr & { kind: 'method' }, context: Context): Eval {
  const { name, args, at } = expr;
  if (name === 'exists' || name === 'all') return compileWalk(expr, context);
  if (!METHODS.includes(name)) throw unknownFunction(name, at, true);
  const of = context.value(expr.of, context);
  if (name === 'size') {
    if (args.length > 0)
      throw new ExpressionError('.size() takes no value', at, 'write args.to.size(), or size(args.to)');
    return (call) => sizeOf(of(call));
  }
  if (args.length !== 1) throw new ExpressionError(`.${name}() takes one value`, at, `write args.path.${name}("...")`);
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
  const by = context.value(operand, context);
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
  const list = context.value(expr.of, context);
  const test = context.truth(body, { ...context, variables });
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
