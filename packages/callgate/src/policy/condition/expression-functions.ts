import type { Call } from '../../model/call.ts';
import type { Context, Eval } from './expression-context.ts';
import { type Expr, ExpressionError } from './expression-parse.ts';
import { typeName } from './field.ts';
import { compileCidrs, compileHosts, hostOf, type TextTest } from './operators-typed.ts';
import type { Report } from './scope.ts';
import { compileShellWord } from './shell.ts';
import { compileSqlClasses } from './sql.ts';
import { compileZone, durationOf, type WallClock } from './time.ts';
import { Unsure } from './truth.ts';

type CallExpr = Expr & { kind: 'call' };
type Compile = (expr: CallExpr, context: Context) => Eval;

/** Functions of typed operators, time and history: how many values each takes, and what makes it. */
export const TYPED: Readonly<Record<string, { readonly takes: readonly [number, number]; readonly compile: Compile }>> =
  {
    host: { takes: [1, 2], compile: compileHost },
    cidr: { takes: [2, 2], compile: compileCidr },
    shell: { takes: [2, 2], compile: compileShellCall },
    sql: { takes: [2, 3], compile: compileSqlCall },
    hour: { takes: [1, 1], compile: wallClock((wall) => wall.hour) },
    minute: { takes: [1, 1], compile: wallClock((wall) => wall.minute) },
    weekday: { takes: [1, 1], compile: wallClock((wall) => wall.weekday) },
    count: { takes: [2, 2], compile: compileHistory },
    seen: { takes: [2, 2], compile: compileSeen },
  };

/** `host(url)` is the host, `host(url, "*.example.com")` whether it is one of these. */
function compileHost(expr: CallExpr, context: Context): Eval {
  const value = context.value(expr.args[0] as Expr, context);
  const patterns = expr.args[1];
  if (patterns === undefined)
    return (call) => {
      const text = value(call);
      return typeof text === 'string' ? hostOf(text) : notText('host', text);
    };
  return onText(value, 'host', compileHosts(literalTexts(patterns, 'a host'), reporter(patterns, context)));
}

function compileCidr(expr: CallExpr, context: Context): Eval {
  const ranges = expr.args[1] as Expr;
  const value = context.value(expr.args[0] as Expr, context);
  return onText(value, 'cidr', compileCidrs(literalTexts(ranges, 'a range'), reporter(ranges, context)));
}

/** `shell(args.command, "destructive")`, `shell(args.command, ["git", "ls"])`. */
function compileShellCall(expr: CallExpr, context: Context): Eval {
  const [subject, words] = expr.args as [Expr, Expr];
  const value = context.value(subject, context);
  const wanted = words.kind === 'list' ? literalTexts(words, 'a program') : literalText(words, 'what shell() asks');
  const test = compileShellWord(wanted, context.scope, reporter(words, context));
  return (call) => {
    const found = value(call);
    return found instanceof Unsure ? found : test(found);
  };
}

/** `sql(args.query, "read")`, `sql(args.query, ["read", "write"], "postgres")`. */
function compileSqlCall(expr: CallExpr, context: Context): Eval {
  const [subject, words, dialect] = expr.args as [Expr, Expr, Expr | undefined];
  const value = context.value(subject, context);
  const classes = literalTexts(words, 'a class of sql()');
  const named = dialect === undefined ? undefined : literalText(dialect, 'the dialect of sql()');
  return onText(value, 'sql', compileSqlClasses(classes, named, context.scope, reporter(words, context)));
}

/** `hour("Europe/Berlin")` and its like; an error when the time of the call is not known. */
function wallClock(part: (wall: WallClock) => number | string): Compile {
  return (expr, context) => {
    const zone = expr.args[0] as Expr;
    const read = compileZone(literalText(zone, `the time zone of ${expr.name}()`), reporter(zone, context));
    context.scope.uses('time');
    return (call) => {
      const wall = call.time === undefined ? undefined : read?.(call.time);
      return wall === undefined ? new Unsure('the time is not known') : part(wall);
    };
  };
}

/** `count("create_*", "10s")`: how many allowed calls of the session there were. */
function compileHistory(expr: CallExpr, context: Context): Eval {
  const [tools, within] = expr.args as [Expr, Expr];
  const glob = context.scope.glob(literalText(tools, `the tool of ${expr.name}()`), reporter(tools, context));
  const windowMs = durationOf(literalText(within, `the duration of ${expr.name}()`));
  if (windowMs === undefined)
    throw new ExpressionError('this is not a duration', within.at, 'write "30s", "10m", "1h" or "1d", at most "366d"');
  context.scope.uses('history');
  const accepts = (tool: string): boolean => glob?.test(tool) === true;
  return (call: Call) => {
    const number = call.history?.(accepts, windowMs);
    return number !== undefined && number >= 0 ? number : new Unsure('the history of the session is not known');
  };
}

/** `seen("read_*", "10m")`: whether there was one. */
function compileSeen(expr: CallExpr, context: Context): Eval {
  const count = compileHistory(expr, context);
  return (call) => {
    const number = count(call);
    return typeof number === 'number' ? number > 0 : number;
  };
}

/** A test of the text that `of` comes to; anything else is an error, which names the function. */
export function onText(of: Eval, name: string, test: TextTest): Eval {
  return (call) => {
    const text = of(call);
    return typeof text === 'string' ? test(text) : notText(name, text);
  };
}

function notText(name: string, value: unknown): Unsure {
  return value instanceof Unsure ? value : new Unsure(`${name}() needs a text, found ${typeName(value)}`);
}

/** What patterns, globs, roots and zones must be. @throws ExpressionError when it is anything else */
export function literalText(expr: Expr, what: string): string {
  if (expr.kind === 'literal' && typeof expr.value === 'string') return expr.value;
  throw new ExpressionError(
    `${what} must be written out as text`,
    expr.at,
    'patterns, globs, hosts and roots are never taken from what is judged',
  );
}

/** One such text or a list of them. */
export function literalTexts(expr: Expr, what: string): readonly string[] {
  if (expr.kind !== 'list') return [literalText(expr, what)];
  if (expr.items.length === 0) throw new ExpressionError(`${what} is missing: the list is empty`, expr.at);
  return expr.items.map((item) => literalText(item, what));
}

/** Reports at a part of the expression. */
export function reporter(expr: Expr, context: Context): Report {
  return (code, message, remedy) => context.report(code, message, remedy, expr.at);
}
