import type { Literal, MatcherDoc, NodePath, OperatorDoc, RuleDoc, WhenMap } from '../document/document-types.ts';
import { type Expr, ExpressionError, parseExpression } from '../condition/expression-parse.ts';
import { parseField } from '../condition/field.ts';
import type { Bound, Constraint } from './lint-values.ts';
import { isNumeric, type Numeric } from '../condition/numbers.ts';
import type { CompiledRule } from '../rule.ts';

/** One of the things that must all hold for a rule to match. */
export interface Fact {
  /** The value it speaks of, as a path: `["args","a"]` as JSON; its own text when it speaks of none. */
  readonly field: string;
  readonly from: 'match' | 'args' | 'when';
  readonly is: Constraint;
  /** Equal for facts that are written alike. */
  readonly key: string;
  readonly path: NodePath;
}

/** Everything that a rule's match, args and when demand, split at `allOf` and `&&`. */
export function factsOf(doc: RuleDoc, rule: CompiledRule): readonly Fact[] {
  return [...namedFacts(rule), ...argsFacts(doc), ...whenFacts(doc)];
}

/** Names that the match spells out are facts that `when` may contradict. */
function namedFacts({ target }: CompiledRule): Fact[] {
  const facts: Fact[] = [];
  for (const key of ['tool', 'server', 'prompt', 'method'] as const) {
    const names = target[key];
    if (names === undefined || names.patterns.length > 0) continue;
    facts.push(fact([key], 'match', { kind: 'set', values: [...names.exact] }, ['match', key], ''));
  }
  const values = [...target.directions];
  facts.push(fact(['direction'], 'match', { kind: 'set', values }, ['match'], ''));
  return facts;
}

function argsFacts(doc: RuleDoc): Fact[] {
  return Object.entries(doc.args ?? {}).flatMap(([field, matcher]) => {
    const isAny = field === '*' || field === 'anyString';
    const path = isAny ? ['*'] : ['args', ...safeField(field)];
    return conjuncts(matcher, ['args', field]).map(([part, at]) =>
      fact(path, 'args', constraintOf(part), at, canonical(part)),
    );
  });
}

function safeField(field: string): readonly string[] {
  try {
    return parseField(field);
  } catch {
    return [field];
  }
}

function conjuncts(doc: MatcherDoc, path: NodePath): readonly (readonly [MatcherDoc, NodePath])[] {
  if (!isOperators(doc) || doc.allOf === undefined) return [[doc, path]];
  return doc.allOf.flatMap((part, index) => conjuncts(part, [...path, 'allOf', index]));
}

/** What a matcher of `args` demands of one value. */
export function constraintOf(doc: MatcherDoc): Constraint {
  if (!isOperators(doc)) return valuesOf('set', [doc]);
  if (doc.not !== undefined) return negationOf(constraintOf(doc.not));
  if (doc.anyOf !== undefined) return unionOf(doc.anyOf.map(constraintOf));
  const text = (kind: 'prefix' | 'suffix' | 'contains' | 'glob' | 'regex', value: string): Constraint =>
    kind !== 'glob' && value.includes('${') ? { kind: 'other' } : { kind, text: value };
  if (doc.equals !== undefined) return valuesOf('set', [doc.equals]);
  if (doc.in !== undefined) return valuesOf('set', doc.in);
  if (doc.notEquals !== undefined) return valuesOf('notSet', [doc.notEquals]);
  if (doc.notIn !== undefined) return valuesOf('notSet', doc.notIn);
  if (doc.startsWith !== undefined) return text('prefix', doc.startsWith);
  if (doc.endsWith !== undefined) return text('suffix', doc.endsWith);
  if (doc.contains !== undefined) return text('contains', doc.contains);
  if (doc.glob !== undefined) return text('glob', doc.glob);
  if (doc.regex !== undefined) return text('regex', doc.regex);
  if (doc.lt !== undefined) return { kind: 'range', high: bound(doc.lt, true) };
  if (doc.le !== undefined) return { kind: 'range', high: bound(doc.le, false) };
  if (doc.gt !== undefined) return { kind: 'range', low: bound(doc.gt, true) };
  if (doc.ge !== undefined) return { kind: 'range', low: bound(doc.ge, false) };
  if (doc.exists !== undefined) return { kind: 'exists', wanted: doc.exists };
  if (doc.under !== undefined) return { kind: 'under', roots: typeof doc.under === 'string' ? [doc.under] : doc.under };
  return { kind: 'other' };
}

/** What a variable stands for is not known here, so that its text is no value to compare. */
function valuesOf(kind: 'set' | 'notSet', values: readonly Literal[]): Constraint {
  return values.some((value) => typeof value === 'string' && value.includes('${'))
    ? { kind: 'other' }
    : { kind, values };
}

function isOperators(doc: MatcherDoc): doc is OperatorDoc {
  return typeof doc === 'object' && doc !== null && !isNumeric(doc);
}

function negationOf(of: Constraint): Constraint {
  if (of.kind === 'set') return { kind: 'notSet', values: of.values };
  if (of.kind === 'notSet') return { kind: 'set', values: of.values };
  if (of.kind === 'exists') return { kind: 'exists', wanted: !of.wanted };
  if (of.kind !== 'range' || (of.low !== undefined) === (of.high !== undefined)) return { kind: 'other' };
  return of.low !== undefined
    ? { kind: 'range', high: { at: of.low.at, open: !of.low.open } }
    : { kind: 'range', low: { at: of.high!.at, open: !of.high!.open } };
}

function unionOf(options: readonly Constraint[]): Constraint {
  const values: Literal[] = [];
  for (const option of options) {
    if (option.kind !== 'set') return { kind: 'other' };
    values.push(...option.values);
  }
  return { kind: 'set', values };
}

function bound(at: Numeric, open: boolean): Bound {
  return { at, open };
}

function whenFacts(doc: RuleDoc): Fact[] {
  return doc.when === undefined ? [] : mappingFacts(doc.when, ['when']);
}

function textFacts(text: string, path: NodePath): Fact[] {
  try {
    return split(parseExpression(text)).map((expr) => ofExpression(expr, path));
  } catch (error) {
    if (error instanceof ExpressionError) return [];
    throw error;
  }
}

/** The parts of an expression that must all hold. */
export function split(expr: Expr): readonly Expr[] {
  return expr.kind === 'and' ? expr.parts.flatMap(split) : [expr];
}

function ofExpression(expr: Expr, path: NodePath): Fact {
  const key = canonical(expr);
  const said = comparison(expr, false);
  return fact(said?.field ?? [key], 'when', said?.is ?? { kind: 'other' }, path, key);
}

interface Said {
  readonly field: readonly string[];
  readonly is: Constraint;
}

const MIRRORED: Readonly<Record<string, string>> = {
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
  '==': '==',
  '!=': '!=',
};

/** What a simple comparison says of a value; undefined for everything else. */
function comparison(expr: Expr, negated: boolean): Said | undefined {
  if (expr.kind === 'not') return comparison(expr.of, !negated);
  if (expr.kind === 'call' && expr.name === 'has' && expr.args[0] !== undefined) {
    const field = pathOf(expr.args[0]);
    return field === undefined ? undefined : { field, is: { kind: 'exists', wanted: !negated } };
  }
  const said = plainComparison(expr);
  return said === undefined || !negated ? said : { field: said.field, is: negationOf(said.is) };
}

function plainComparison(expr: Expr): Said | undefined {
  if (expr.kind === 'method') {
    const kind = { startsWith: 'prefix', endsWith: 'suffix', contains: 'contains', matches: 'regex' }[expr.name];
    const field = pathOf(expr.of);
    const text = textOf(expr.args[0]);
    if (kind === undefined || field === undefined || text === undefined || text.includes('${')) return undefined;
    return { field, is: { kind: kind as 'prefix', text } };
  }
  if (expr.kind !== 'binary') return undefined;
  if (expr.op === 'in') {
    const field = pathOf(expr.left);
    if (field === undefined || expr.right.kind !== 'list') return undefined;
    const values = expr.right.items.map((item) => (item.kind === 'literal' ? item.value : undefined));
    return values.includes(undefined) ? undefined : { field, is: valuesOf('set', values as Literal[]) };
  }
  const [left, right, op] =
    expr.left.kind === 'literal' ? [expr.right, expr.left, MIRRORED[expr.op]] : [expr.left, expr.right, expr.op];
  const field = pathOf(left);
  const value = literalOf(right);
  if (field === undefined || value === undefined) return undefined;
  const is = compared(op ?? '', value);
  return is === undefined ? undefined : { field, is };
}

function compared(op: string, value: Literal): Constraint | undefined {
  if (op === '==') return valuesOf('set', [value]);
  if (op === '!=') return valuesOf('notSet', [value]);
  if (!isNumeric(value)) return undefined;
  if (op === '<' || op === '<=') return { kind: 'range', high: bound(value, op === '<') };
  return op === '>' || op === '>=' ? { kind: 'range', low: bound(value, op === '>') } : undefined;
}

function literalOf(expr: Expr | undefined): Literal | undefined {
  if (expr?.kind === 'minus' && expr.of.kind === 'literal' && typeof expr.of.value === 'number') return -expr.of.value;
  return expr?.kind === 'literal' ? expr.value : undefined;
}

function textOf(expr: Expr | undefined): string | undefined {
  return expr?.kind === 'literal' && typeof expr.value === 'string' ? expr.value : undefined;
}

/** `args.a["b"]` as a path. */
export function pathOf(expr: Expr): readonly string[] | undefined {
  if (expr.kind === 'name') return [expr.name];
  const key = expr.kind === 'member' ? expr.key : expr.kind === 'index' ? textOf(expr.key) : undefined;
  if (key === undefined || (expr.kind !== 'member' && expr.kind !== 'index')) return undefined;
  const of = pathOf(expr.of);
  return of === undefined ? undefined : [...of, key];
}

/** The mapping style: `{ all: [...] }` is split; a field with an operator is what `args` would say, without its arrays. */
function mappingFacts(when: unknown, path: NodePath): Fact[] {
  if (typeof when === 'string') return textFacts(when, path);
  const doc = when as WhenMap;
  if (doc.all !== undefined) return doc.all.flatMap((part, index) => mappingFacts(part, [...path, 'all', index]));
  const key = canonical(when);
  if (doc.field === undefined || doc.op === undefined) return [fact([key], 'when', { kind: 'other' }, path, key)];
  const name = MAPPED[doc.op] ?? doc.op;
  const is = constraintOf({ [name]: doc.op === 'exists' ? (doc.value ?? true) : doc.value });
  // A field of the arguments is judged as args judges it.
  return [fact(safeField(doc.field), doc.field.startsWith('args.') ? 'args' : 'when', is, path, key)];
}

/** Operators of the mapping style, by their names in args. */
export const MAPPED: Readonly<Record<string, string>> = {
  eq: 'equals',
  ne: 'notEquals',
  not_in: 'notIn',
  startswith: 'startsWith',
  endswith: 'endsWith',
};

function fact(field: readonly string[], from: Fact['from'], is: Constraint, path: NodePath, key: string): Fact {
  return { field: JSON.stringify(field), from, is, key, path };
}

/** The same text for parts that are written alike, wherever they stand. */
function canonical(part: unknown): string {
  return JSON.stringify(part, (key, value: unknown) => (key === 'at' && typeof value === 'number' ? undefined : value));
}
