import type { Direction } from '../model/call.ts';
import type { Combine } from './document/document-types.ts';
import { severity } from './engine.ts';
import { isOperation, KNOWN_METHODS } from './methods.ts';
import type { CompiledRule } from './rule.ts';
import { coversMethod, type Names, type Target } from './target.ts';

/** Pairs of rules beyond which the search stops looking at patterns: loading stays quick. */
const MAX_WIDE = 500;

/**
 * Rules that can never decide, because another one that is asked before them decides, without condition, on everything they
 * match. With `deny-overrides` the more restrictive are asked first, and a rule whose obligations join a decision is never
 * idle. Conservative: what it names is certainly unreachable.
 * @param rules in the order they are asked
 * @returns for each such rule its index and the one that hides it
 */
export function unreachableRules(
  rules: readonly CompiledRule[],
  combine: Combine = 'first',
): readonly { readonly index: number; readonly hiddenBy: number }[] {
  const found: { index: number; hiddenBy: number }[] = [];
  const byTool = new Map<string, number[]>();
  const wide: number[] = [];
  for (const index of askedOrder(rules, combine)) {
    const rule = rules[index] as CompiledRule;
    if (rule.effect === undefined) continue;
    const narrow = [...(rule.target.tool?.exact ?? [])].slice(0, 1).flatMap((tool) => byTool.get(tool) ?? []);
    const hiddenBy = [...wide, ...narrow].find((earlier) =>
      covers((rules[earlier] as CompiledRule).target, rule.target),
    );
    const isJoining = combine === 'deny-overrides' && rule.obligations.length > 0;
    if (hiddenBy !== undefined && !isJoining) found.push({ index, hiddenBy });
    else if (rule.condition === undefined) remember(rule.target, index, byTool, wide);
  }
  return found;
}

function askedOrder(rules: readonly CompiledRule[], combine: Combine): readonly number[] {
  const order = [...rules.keys()];
  if (combine !== 'deny-overrides') return order;
  const rank = (index: number): number => severity(rules[index]?.effect ?? 'abstain');
  return order.toSorted((a, b) => rank(b) - rank(a));
}

function remember(target: Target, index: number, byTool: Map<string, number[]>, wide: number[]): void {
  if (target.tool === undefined || target.tool.patterns.length > 0) {
    if (wide.length < MAX_WIDE) wide.push(index);
    return;
  }
  for (const tool of target.tool.exact) byTool.set(tool, [...(byTool.get(tool) ?? []), index]);
}

/** Whether every message that `inner` names is named by `outer`; conditions are not looked at. */
export function covers(outer: Target, inner: Target): boolean {
  for (const direction of inner.directions) {
    if (!outer.directions.has(direction) || !coversMethods(outer, inner, direction)) return false;
  }
  return (
    coversNames(outer.server, inner.server) &&
    coversNames(outer.tool, inner.tool) &&
    coversNames(outer.prompt, inner.prompt) &&
    coversNames(outer.resource, inner.resource)
  );
}

function coversMethods(outer: Target, inner: Target, direction: Direction): boolean {
  if (inner.method === undefined) {
    return [...KNOWN_METHODS, 'tasks/other'].every(
      (method) => !coversMethod(inner, direction, method) || coversMethod(outer, direction, method),
    );
  }
  if (outer.method !== undefined && !coversNames(outer.method, inner.method)) return false;
  if (isNamed(outer)) return isNamed(inner);
  if (outer.method !== undefined) return true;
  return inner.method.patterns.length === 0
    ? [...inner.method.exact].every((method) => isOperation(direction, method))
    : isNamed(inner);
}

/** Whether the rule names a tool, prompt or resource, and so implies its methods. */
function isNamed(target: Target): boolean {
  return (
    target.tool !== undefined ||
    target.prompt !== undefined ||
    target.resource !== undefined ||
    target.annotations !== undefined
  );
}

/** Whether every name of `inner` is one of `outer`; undefined is any name, or none. */
export function coversNames(outer: Names | undefined, inner: Names | undefined): boolean {
  if (outer === undefined) return true;
  if (inner === undefined) return outer.patterns.some((pattern) => pattern.prefix === '');
  return (
    [...inner.exact].every((name) => outer.test(name)) &&
    inner.patterns.every((pattern) => outer.patterns.some((wider) => widerThan(wider, pattern)))
  );
}

function widerThan(wider: Names['patterns'][number], narrow: Names['patterns'][number]): boolean {
  if (wider.prefix === '') return true;
  if (wider.kind === narrow.kind && wider.source === narrow.source) return true;
  return wider.prefix !== undefined && narrow.prefix !== undefined && narrow.prefix.startsWith(wider.prefix);
}
