import type { Call } from '../model/call.ts';
import type { Decision, Obligation } from '../model/decision.ts';
import { type CompiledPolicy, openLayer, type PolicyLayer } from './compile-documents.ts';
import { severity, type Verdict } from './engine.ts';
import type { FieldPath } from './field.ts';
import type { CompiledRule } from './rule.ts';

/**
 * A policy that can only tighten: its allow rules, its default and its base layer are gone, and it abstains where no rule
 * decides. For files of a project that nobody has trusted.
 */
export function tightenOnly(policy: PolicyLayer, prefix = 'project:'): PolicyLayer {
  const rules = policy.rules.filter((rule) => rule.effect !== 'allow').map((rule) => renamed(rule, prefix));
  const abstain: Verdict = Object.freeze({ effect: 'abstain', obligations: [] });
  return openLayer(policy.hash, rules, [], () => abstain);
}

const PLAIN_REPLACEMENT = '[redacted]';

/**
 * Rules of another layer count and answer under names of their own. Their words go nowhere: a reason is read by the model as
 * Callgate's, and a replacement of their choosing would put words into calls that were judged without them.
 */
function renamed(rule: CompiledRule, prefix: string): CompiledRule {
  const name = `${prefix}${rule.name}`;
  const obligations = rule.obligations.map((duty): Obligation => {
    if (duty.kind !== 'redact') return { ...duty, rule: name };
    return { ...duty, rule: name, replacement: PLAIN_REPLACEMENT, untrusted: true };
  });
  return { ...rule, name, obligations, reason: 'a policy file of the project, which nobody has trusted, wants it so' };
}

/**
 * Several layers as one policy: each decides or abstains, the most restrictive wins (deny > ask > defer > allow; the first
 * of equals), obligations unite; when all abstain the call is denied.
 */
export function combine(layers: readonly PolicyLayer[], sha256?: (text: string) => string): CompiledPolicy {
  const hashes = layers.map((layer) => layer.hash);
  const whole = layers.find((layer): layer is CompiledPolicy => 'decide' in layer);
  const decide = (call: Call): Decision => strictest(layers.map((layer) => layer.consider(call)));
  return {
    name: whole?.name,
    defaultEffect: whole?.defaultEffect ?? 'deny',
    hash:
      layers.length === 1
        ? (hashes[0] as string)
        : sha256 === undefined
          ? hashes.join('+')
          : `sha256:${sha256(hashes.join('\n'))}`,
    rules: layers.flatMap((layer) => layer.rules),
    consider: decide,
    decide,
    pathsNeeded: (named) => unionOf(layers.map((layer) => layer.pathsNeeded(named))),
    needsArgs: (server, method, tool) => layers.some((layer) => layer.needsArgs(server, method, tool)),
    needsResult: (server, method, tool) => layers.some((layer) => layer.needsResult(server, method, tool)),
    needsAnnotations: layers.some((layer) => layer.needsAnnotations),
    usesRates: layers.some((layer) => layer.usesRates),
    layerOf: (rule) => layers.map((layer) => layer.layerOf(rule)).find((file) => file !== undefined),
    planCount: () => layers.reduce((sum, layer) => sum + layer.planCount(), 0),
  };
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
