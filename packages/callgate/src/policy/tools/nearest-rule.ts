import type { Call } from '../../model/call.ts';
import type { Effect } from '../../model/decision.ts';
import type { CompiledPolicy } from '../compile-documents.ts';
import type { Atom, ConditionTree } from '../condition/atoms.ts';
import { nearest } from '../document/nearest.ts';
import type { CompiledRule } from '../rule.ts';
import { matchesNames } from '../target.ts';
import { otherNames, quotedName, type Told, traceAtom } from './trace.ts';

/** The rule that came nearest to matching a call, and what kept it from it. */
export interface NearestRule {
  readonly rule: CompiledRule;
  /** What does not hold, with the value it looked at; a clause without a full stop. */
  readonly why: string;
}

/**
 * Finds the rule that a call misses by least: of those that name it the one with the most conditions as it wants them, else
 * one that is for another server or a tool of nearly that name. For tools: asks every condition of every such rule.
 * @param wanted which rules count
 * @returns undefined when no rule comes near
 */
export function nearestRule(
  policy: CompiledPolicy,
  call: Call,
  wanted: (rule: CompiledRule) => boolean,
): NearestRule | undefined {
  const rules = policy.rules.filter(wanted);
  const named = rules.filter((rule) => matchesNames(rule.target, call, rule.effect === 'allow'));
  const judged = named.map((rule) => judge(rule, call));
  const matching = judged.find(({ misses }) => misses.length === 0);
  if (matching !== undefined) return { rule: matching.rule, why: 'it matches, but another rule decides' };
  const [best] = judged.toSorted((a, b) => b.holding - a.holding || a.failing - b.failing);
  return best === undefined ? nearestByName(rules, call) : { rule: best.rule, why: whyText(best.misses) };
}

/** The rule that would have decided as a case expects, and why it did not; undefined when none comes near. */
export function nearestExpected(
  policy: CompiledPolicy,
  call: Call,
  { rule: name, effect }: { readonly rule?: string; readonly effect?: Effect },
): NearestRule | undefined {
  if (name === undefined)
    return effect === undefined ? undefined : nearestRule(policy, call, (rule) => rule.effect === effect);
  const rule = policy.rules.find((one) => one.name === name);
  if (rule === undefined) return undefined;
  const why = otherNames(rule, call);
  return why === undefined ? nearestRule(policy, call, (one) => one === rule) : { rule, why };
}

/** A condition and what it has to come to. */
interface Leaf {
  readonly atom: Atom;
  readonly wanted: boolean;
}

interface Miss extends Leaf {
  readonly value: Told;
  readonly text: string;
  readonly cause?: string;
  readonly operand?: string;
}

interface Judged {
  readonly rule: CompiledRule;
  readonly holding: number;
  readonly failing: number;
  /** The conditions that keep the rule from matching: one, or all alternatives of a choice. */
  readonly misses: readonly Miss[];
}

function judge(rule: CompiledRule, call: Call): Judged {
  const { tree } = rule;
  if (tree === undefined) return { rule, holding: 0, failing: 0, misses: [] };
  try {
    const told = new Map(rule.atoms.map((atom) => [atom, traceAtom(rule, atom, call)]));
    // What cannot be told matches a rule that refuses, and no allow.
    const isAsWanted = ({ atom, wanted }: Leaf): boolean => {
      const value = told.get(atom)?.value;
      return value === 'error' ? rule.effect !== 'allow' : value === wanted;
    };
    const leaves = leavesOf(tree, true);
    const holding = leaves.filter(isAsWanted).length;
    const misses = missesOf(tree, true, isAsWanted).flatMap((leaf): Miss[] => {
      const found = told.get(leaf.atom);
      return found === undefined ? [] : [{ ...leaf, ...found }];
    });
    return { rule, holding, failing: leaves.length - holding, misses };
  } finally {
    rule.forget();
  }
}

function leavesOf(tree: ConditionTree, wanted: boolean): readonly Leaf[] {
  if (tree.kind === 'atom') return [{ atom: tree.atom, wanted }];
  return tree.kind === 'not' ? leavesOf(tree.of, !wanted) : tree.of.flatMap((part) => leavesOf(part, wanted));
}

/** What to change for the tree to come to `wanted`: the first part that fails, or every alternative. */
function missesOf(tree: ConditionTree, wanted: boolean, holds: (leaf: Leaf) => boolean): readonly Leaf[] {
  if (tree.kind === 'atom') {
    const leaf = { atom: tree.atom, wanted };
    return holds(leaf) ? [] : [leaf];
  }
  if (tree.kind === 'not') return missesOf(tree.of, !wanted, holds);
  const parts = tree.of.map((part) => missesOf(part, wanted, holds));
  const needsAll = (tree.kind === 'all') === wanted;
  if (needsAll) return parts.find((misses) => misses.length > 0) ?? [];
  return parts.some((misses) => misses.length === 0) ? [] : parts.flat();
}

const MOST_MISSES = 4;

function whyText(misses: readonly Miss[]): string {
  const shown = misses.slice(0, MOST_MISSES).map(missText);
  const more = misses.length - shown.length;
  const head = shown.length > 1 ? 'one of these would do: ' : '';
  return `${head}${shown.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}

function missText({ text, value, wanted, cause, operand }: Miss): string {
  if (value === 'error') return `${text} cannot be told: ${cause ?? 'an error'}`;
  const found = operand === undefined ? '' : `, it is ${operand}`;
  return wanted ? `${text} does not hold${found}` : `${text} holds, and must not${found}`;
}

/** A rule for the same tool of another server, or for a tool of nearly the same name. */
function nearestByName(rules: readonly CompiledRule[], call: Call): NearestRule | undefined {
  const elsewhere = rules.find(
    ({ target, effect }) =>
      target.server !== undefined &&
      target.tool !== undefined &&
      matchesNames({ ...target, server: undefined }, call, effect === 'allow'),
  );
  if (elsewhere !== undefined) {
    const why = `it is for server ${namesText(elsewhere.doc.match.server)}, not ${quotedName(call.server)}`;
    return { rule: elsewhere, why };
  }
  const { tool } = call;
  if (tool === undefined || tool.length > 64) return undefined;
  const byTool = new Map(
    rules.flatMap((rule) => listOf(rule.doc.match.tool).map((name): [string, CompiledRule] => [name, rule])),
  );
  const literal = [...byTool.keys()].filter((name) => name !== tool && !/[*?\\$]/.test(name));
  const hit = nearest(tool, literal);
  const rule = hit === undefined ? undefined : byTool.get(hit);
  return rule === undefined || hit === undefined
    ? undefined
    : { rule, why: `it is for tool ${quotedName(hit)}, not ${quotedName(tool)}` };
}

function namesText(names: unknown): string {
  return listOf(names).map(quotedName).join(', ') || 'another';
}

function listOf(names: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(names) ? names : [names];
  return list.filter((name) => typeof name === 'string');
}
