import type { Call } from '../model/call.ts';
import type { Decision, Obligation, ShadowDecision } from '../model/decision.ts';
import type { CompiledPolicy } from './compile-documents.ts';
import { severity, type Verdict } from './engine.ts';
import type { FieldPath } from './condition/field.ts';
import { openLayer, type PolicyLayer } from './layer.ts';
import { isOperation } from './methods.ts';
import type { CompiledRule } from './rule.ts';
import { isHopeless, type Possible, type Static, strictestOf } from './visible.ts';

/**
 * A policy that can only tighten: its allow rules, its default and its base layer are gone, and it abstains where no rule
 * decides. For files of a project that nobody has trusted.
 */
export function tightenOnly(policy: PolicyLayer, prefix = 'project:'): PolicyLayer {
  const rules = policy.rules.filter((rule) => rule.effect !== 'allow').map((rule) => renamed(rule, prefix));
  const abstain: Verdict = Object.freeze({ effect: 'abstain', obligations: [] });
  return openLayer({ hash: policy.hash, rules, base: [], combine: policy.combine }, () => abstain);
}

const PLAIN_REPLACEMENT = '[redacted]';

/**
 * Rules of another layer count and answer under names of their own. Their words go nowhere: a reason is read by the model as
 * Callgate's, and a replacement of their choosing would put words into calls that were judged without them.
 */
function renamed(rule: CompiledRule, prefix: string): CompiledRule {
  const name = `${prefix}${rule.name}`;
  const obligations = rule.obligations.map((duty) => tamed(duty, name, prefix));
  return { ...rule, name, obligations, reason: 'a policy file of the project, which nobody has trusted, wants it so' };
}

/** An obligation that nobody trusts: it changes no call, says nothing in its own words, and its labels are its own. */
function tamed(duty: Obligation, rule: string, prefix: string): Obligation {
  switch (duty.kind) {
    case 'redact':
      return { ...duty, rule, replacement: PLAIN_REPLACEMENT, untrusted: true };
    case 'set':
    case 'clamp':
      return { ...duty, rule, untrusted: true };
    case 'label':
      return { ...duty, rule, labels: duty.labels.map((label) => `${prefix}${label}`) };
    case 'log':
      return { kind: 'log', rule };
    case 'alert':
      return { kind: 'alert', rule, severity: duty.severity };
    default:
      return { ...duty, rule };
  }
}

/**
 * A policy that stands above others: what its rules deny, ask or limit holds, whatever is below. Where none of its rules
 * decides, it abstains, unless its `default` is written.
 */
export function ceiling(policy: CompiledPolicy, prefix = 'organisation:'): PolicyLayer {
  const { hash, combine, isDefaultWritten, defaultEffect } = policy;
  const rules = policy.rules.map((rule) => named(rule, prefix));
  const abstain: Verdict = Object.freeze({ effect: 'abstain', obligations: [] });
  const name = `${prefix}default`;
  const layer = openLayer({ hash, rules, base: [], combine }, (call) => {
    if (!isDefaultWritten || call.direction !== 'call' || !isOperation('call', call.method)) return abstain;
    const reason = `no rule of the organisation's policy decides, and its default is ${defaultEffect}`;
    return { effect: defaultEffect, rule: name, reason, obligations: [] };
  });
  return { ...layer, layerOf: (rule) => (rule === name ? 'default' : layer.layerOf(rule)) };
}

function named(rule: CompiledRule, prefix: string): CompiledRule {
  const name = `${prefix}${rule.name}`;
  return { ...rule, name, obligations: rule.obligations.map((duty) => ({ ...duty, rule: name })) };
}

/**
 * Several layers as one policy: each decides or abstains, the most restrictive wins (deny > ask > defer > allow; the first
 * of equals), obligations unite; when all abstain the call is denied.
 * @param shadows policies that are asked as well, and whose decisions are told (`Decision.shadow`) without counting
 */
export function combine(
  layers: readonly PolicyLayer[],
  sha256?: (text: string) => string,
  shadows: readonly CompiledPolicy[] = [],
): CompiledPolicy {
  const asked = [...layers, ...shadows];
  const hashes = [...layers.map((layer) => layer.hash), ...shadows.map((shadow) => `shadow ${shadow.hash}`)];
  const whole = layers.find((layer): layer is CompiledPolicy => 'decide' in layer);
  const enforced = (call: Call): Decision => strictest(layers.map((layer) => layer.consider(call)));
  const decide =
    shadows.length === 0
      ? enforced
      : (call: Call): Decision => ({ ...enforced(call), shadow: shadows.map((shadow) => toldOf(shadow.decide(call))) });
  const possible = (known: Static): Possible => together(layers.map((layer) => layer.possible(known)));
  const possibleUnder = (known: Static, prefix: string): Possible =>
    together(layers.map((layer) => layer.possibleUnder(known, prefix)));
  return {
    name: whole?.name,
    defaultEffect: whole?.defaultEffect ?? 'deny',
    isDefaultWritten: whole?.isDefaultWritten ?? false,
    mode: 'enforce',
    combine: 'first',
    hash:
      hashes.length === 1
        ? (hashes[0] as string)
        : sha256 === undefined
          ? hashes.join('+')
          : `sha256:${sha256(hashes.join('\n'))}`,
    includedRoles: layers.flatMap((layer) => ('includedRoles' in layer ? (layer as CompiledPolicy).includedRoles : [])),
    rules: layers.flatMap((layer) => layer.rules),
    consider: decide,
    decide,
    possible,
    possibleUnder,
    visible: (known) => !isHopeless(possible(known)),
    visibleUnder: (known, prefix) => !isHopeless(possibleUnder(known, prefix)),
    pathsNeeded: (call) => unionOf(asked.map((layer) => layer.pathsNeeded(call))),
    needsArgs: (server, method, tool) => asked.some((layer) => layer.needsArgs(server, method, tool)),
    needsResult: (server, method, tool) => asked.some((layer) => layer.needsResult(server, method, tool)),
    needsAnnotations: asked.some((layer) => layer.needsAnnotations),
    usesRates: layers.some((layer) => layer.usesRates),
    usesLabels: asked.some((layer) => layer.usesLabels),
    usesHistory: asked.some((layer) => layer.usesHistory),
    layerOf: (rule) => layers.map((layer) => layer.layerOf(rule)).find((file) => file !== undefined),
    planCount: () => asked.reduce((sum, layer) => sum + layer.planCount(), 0),
  };
}

function toldOf({ effect, rule }: Decision): ShadowDecision {
  return { effect, rule };
}

function together(all: readonly Possible[]): Possible {
  const [first = new Set(['abstain'] as const), ...rest] = all;
  return rest.reduce(strictestOf, first);
}

function strictest(verdicts: readonly Verdict[]): Decision {
  let winner: Decision | undefined;
  const obligations: Obligation[] = [];
  for (const verdict of verdicts) {
    obligations.push(...verdict.obligations);
    if (verdict.effect === 'abstain') continue;
    if (winner === undefined || severity(verdict.effect) > severity(winner.effect)) winner = verdict;
  }
  if (winner === undefined)
    return { effect: 'deny', rule: 'default', reason: 'no layer of the policy decides', obligations };
  return obligations.length === winner.obligations.length ? winner : { ...winner, obligations };
}

function unionOf(lists: readonly (readonly FieldPath[])[]): readonly FieldPath[] {
  const filled = lists.filter((list) => list.length > 0);
  if (filled.length < 2) return filled[0] ?? [];
  return [...new Map(filled.flat().map((path) => [JSON.stringify(path), path])).values()];
}
