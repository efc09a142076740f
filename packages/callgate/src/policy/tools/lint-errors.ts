import type { MatcherDoc, NodePath, OperatorDoc, RuleDoc, WhenDoc } from '../document/document-types.ts';
import { type Expr, ExpressionError, parseExpression } from '../condition/expression-parse.ts';
import { isNumeric } from '../condition/numbers.ts';
import type { Found, LintedRule } from './lint.ts';
import { pathOf } from './lint-facts.ts';

/** A value that `cidr` looks at, and where. */
interface Asked {
  /** As a policy has it: `args.url`. */
  readonly value: string;
  readonly path: NodePath;
}

/** Fields that hold addresses, never names. */
const ADDRESSES = /(?:^|[._])(?:ip|ips|ipv4|ipv6|ip_?addr(?:ess)?|addr|cidr|network|subnet)$/i;

/**
 * Reports `cidr` in rules for which an error counts: of a name only a look-up tells the address, so that such a rule refuses
 * every URL that names its host, and an allow rule passes none.
 */
export function addressAlone(linted: LintedRule, report: Found): void {
  const { doc } = linted.written;
  for (const { value, path } of unguarded(doc)) {
    if (ADDRESSES.test(value)) continue;
    const what = {
      allow: `allows no URL that names its host, such as https://example.com`,
      deny: 'refuses every URL that names its host, such as https://example.com',
      ask: 'asks for every URL that names its host, such as https://example.com',
      defer: 'puts off every URL that names its host, such as https://example.com',
    };
    const does = doc.effect === undefined ? what.deny : what[doc.effect];
    report(
      linted,
      'LINT-17',
      doc.effect === 'allow' ? 'note' : 'warning',
      path,
      `rule "${doc.id}" ${does}: cidr on ${value} is an error there, for only a look-up tells the address`,
      doc.effect === 'allow'
        ? `name the hosts that are allowed, with host: ["..."]`
        : `ask whether it is an address first: when: host(${value}).matches("^[0-9.]+$|:") && cidr(${value}, "...")`,
    );
  }
}

function unguarded(doc: RuleDoc): readonly Asked[] {
  const found: Asked[] = [];
  for (const [field, matcher] of Object.entries(doc.args ?? {})) inMatcher(matcher, field, ['args', field], found);
  const inArgs = new Set(found.map(({ value }) => value));
  // What args ask of the same field, when may guard.
  const whens: Asked[] = [];
  const guards = new Set<string>();
  if (doc.when !== undefined) inWhen(doc.when, ['when'], new Set(), whens, guards);
  return [...found.filter(({ value }) => !guards.has(value)), ...whens.filter(({ value }) => !inArgs.has(value))];
}

/** In `allOf`, another operator on the same value may be false for every name. */
function inMatcher(doc: MatcherDoc, field: string, path: NodePath, found: Asked[]): void {
  if (typeof doc !== 'object' || doc === null || isNumeric(doc)) return;
  const [op, value] = (Object.entries(doc)[0] ?? []) as [keyof OperatorDoc | undefined, unknown];
  if (op === undefined) return;
  const at = [...path, op];
  if (op === 'cidr') found.push({ value: `args.${field}`, path: at });
  else if (op === 'not' || op === 'any' || op === 'all') inMatcher(value as MatcherDoc, field, at, found);
  else if (op === 'anyOf' || op === 'allOf') {
    const parts = value as readonly OperatorDoc[];
    if (op === 'allOf' && parts.some((part) => !mentionsCidr(part) && part.exists === undefined)) return;
    for (const [index, part] of parts.entries()) inMatcher(part, field, [...at, index], found);
  }
}

function mentionsCidr(doc: OperatorDoc): boolean {
  return JSON.stringify(doc).includes('"cidr":');
}

/**
 * @param guarded values of which something else must hold too
 * @param guards receives the values that the whole condition asks about by something else than cidr
 */
function inWhen(
  when: WhenDoc,
  path: NodePath,
  guarded: ReadonlySet<string>,
  found: Asked[],
  guards: Set<string>,
): void {
  if (typeof when === 'string') {
    const expr = parsed(when);
    if (expr !== undefined) inExpression(expr, path, guarded, found, guards);
    return;
  }
  const asked = new Set(guarded);
  for (const part of when.all ?? []) for (const value of guardsOf(part)) asked.add(value);
  for (const value of guardsOf(when)) guards.add(value);
  for (const value of asked) guards.add(value);
  for (const [index, part] of (when.all ?? []).entries())
    inWhen(part, [...path, 'all', index], asked, found, new Set());
  for (const [index, part] of (when.any ?? []).entries())
    inWhen(part, [...path, 'any', index], guarded, found, new Set());
  if (when.not !== undefined) inWhen(when.not, [...path, 'not'], guarded, found, new Set());
  if (when.op === 'cidr' && when.field !== undefined && !guarded.has(when.field))
    found.push({ value: when.field, path: [...path, 'op'] });
}

/** Values about which a part of `all` or `&&` says something that may be false for a name. */
function guardsOf(when: WhenDoc): readonly string[] {
  if (typeof when !== 'string')
    return when.field === undefined || when.op === 'cidr' || when.op === 'exists' ? [] : [when.field];
  const expr = parsed(when);
  return expr === undefined ? [] : (expr.kind === 'and' ? expr.parts : [expr]).flatMap(mentioned);
}

function inExpression(
  expr: Expr,
  path: NodePath,
  guarded: ReadonlySet<string>,
  found: Asked[],
  guards: Set<string>,
): void {
  const parts = expr.kind === 'and' ? expr.parts : [expr];
  const asked = new Set([...guarded, ...parts.flatMap(mentioned)]);
  for (const value of asked) guards.add(value);
  for (const part of parts) {
    if (part.kind === 'call' && part.name === 'cidr') {
      const value = spelt(part.args[0]);
      if (value !== undefined && !asked.has(value)) found.push({ value, path });
    } else for (const inner of childrenOf(part)) inExpression(inner, path, asked, found, new Set());
  }
}

/** Values that a part asks about otherwise than by `cidr` and `has`. */
function mentioned(expr: Expr): readonly string[] {
  if (expr.kind === 'call' && (expr.name === 'cidr' || expr.name === 'has')) return [];
  const value = spelt(expr);
  // Of alternatives, each would have to guard.
  if (expr.kind === 'or' || expr.kind === 'choose') return [];
  return value === undefined ? childrenOf(expr).flatMap(mentioned) : [value];
}

function spelt(expr: Expr | undefined): string | undefined {
  const path = expr === undefined ? undefined : pathOf(expr);
  return path === undefined || path.length < 2 ? undefined : path.join('.');
}

/** Reports `args.x > "a"`: texts are in the order of their characters, so that "9" comes after "10". */
export function textOrder(linted: LintedRule, report: Found): void {
  const { doc } = linted.written;
  for (const [when, path] of textsOf(doc.when, ['when'])) {
    const expr = parsed(when);
    for (const { op, field, text } of expr === undefined ? [] : ordersOf(expr)) {
      const isNumber = /^\s*[+-]?[0-9][0-9._,]*\s*$/.test(text);
      report(
        linted,
        'LINT-18',
        'warning',
        path,
        `${field} ${op} ${JSON.stringify(text.slice(0, 40))} compares texts character by character: "9" is above "10", "a" above "Z"; a number there is an error`,
        isNumber
          ? `write the number without quotes: ${field} ${op} ${text.trim()}`
          : 'compare with a number, or name the texts that are meant: == "...", in ["...", "..."] or matches("...")',
      );
    }
  }
}

/** Dates of this form are in the order of their characters. */
const DATE = /^[0-9]{4}-[0-9]{2}(?:-[0-9]{2}(?:T[0-9:.]+Z?)?)?$/;
const ORDERS = new Set(['<', '<=', '>', '>=']);
const TURNED: Readonly<Record<string, string>> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=' };

function ordersOf(expr: Expr): readonly { readonly op: string; readonly field: string; readonly text: string }[] {
  const found = childrenOf(expr).flatMap(ordersOf);
  if (expr.kind !== 'binary' || !ORDERS.has(expr.op)) return found;
  const { left, right, op } = expr;
  const isTurned = left.kind === 'literal';
  const [of, by] = isTurned ? [right, left] : [left, right];
  const field = spelt(of);
  if (field === undefined || by.kind !== 'literal' || typeof by.value !== 'string' || DATE.test(by.value)) return found;
  return [...found, { op: isTurned ? (TURNED[op] as string) : op, field, text: by.value }];
}

/** The texts of a condition, with their places. */
function textsOf(when: WhenDoc | undefined, path: NodePath): readonly (readonly [string, NodePath])[] {
  if (when === undefined) return [];
  if (typeof when === 'string') return [[when, path]];
  return [
    ...(when.all ?? []).flatMap((part, index) => textsOf(part, [...path, 'all', index])),
    ...(when.any ?? []).flatMap((part, index) => textsOf(part, [...path, 'any', index])),
    ...textsOf(when.not, [...path, 'not']),
  ];
}

function parsed(text: string): Expr | undefined {
  try {
    return parseExpression(text);
  } catch (error) {
    if (error instanceof ExpressionError) return undefined;
    throw error;
  }
}

function childrenOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case 'literal':
    case 'name':
      return [];
    case 'list':
      return expr.items;
    case 'member':
    case 'not':
    case 'minus':
      return [expr.of];
    case 'index':
      return [expr.of, expr.key];
    case 'call':
      return expr.args;
    case 'method':
      return [expr.of, ...expr.args];
    case 'and':
    case 'or':
      return expr.parts;
    case 'binary':
      return [expr.left, expr.right];
    case 'choose':
      return [expr.test, expr.yes, expr.no];
  }
}
