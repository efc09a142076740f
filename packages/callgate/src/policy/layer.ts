import type { Call } from '../model/call.ts';
import type { Obligation } from '../model/decision.ts';
import type { Combine } from './document/document-types.ts';
import { openEngine, type Verdict } from './engine.ts';
import type { FieldPath } from './condition/field.ts';
import type { CompiledRule } from './rule.ts';
import type { Named } from './target.ts';
import type { Possible, Static } from './visible.ts';

/** One part of what judges: it decides on a call or abstains. */
export interface PolicyLayer {
  /** `sha256:` and the digest of everything that decides. */
  readonly hash: string;
  /** The written rules, in the order they are asked; not those of the base layer. */
  readonly rules: readonly CompiledRule[];
  /** Which of the rules that match decides. `priority` is the order of `rules`, and like `first` from here on. */
  readonly combine: Combine;
  consider(call: Call): Verdict;
  /** Every effect that calls like this can come to, whatever their arguments. */
  possible(known: Static): Possible;
  /** The same for all resources whose URI begins with `prefix`. */
  possibleUnder(known: Static, prefix: string): Possible;
  /** Fields of the arguments whose paths must be resolved before deciding. */
  pathsNeeded(named: Named): readonly FieldPath[];
  /** Whether a written rule could look at the arguments of such a call, or mask them. */
  needsArgs(server: string, method: string, tool?: string): boolean;
  /** Whether a written rule could judge the result of such a call; if not, results pass by the base layer. */
  needsResult(server: string, method: string, tool?: string): boolean;
  readonly needsAnnotations: boolean;
  /** Whether a rule counts on what the gates of a home share: rates or budgets. */
  readonly usesRates: boolean;
  /** Whether a rule looks at labels of the session, or gives them. */
  readonly usesLabels: boolean;
  /** Whether a rule counts what came before in the session. */
  readonly usesHistory: boolean;
  /** Where a rule of a decision comes from: a file, the base layer, or "default". */
  layerOf(rule: string): string | undefined;
  /** For tests: how many plans are kept. */
  planCount(): number;
}

/** What a layer is made of. */
export interface LayerRules {
  readonly hash: string;
  readonly rules: readonly CompiledRule[];
  readonly base: readonly CompiledRule[];
  readonly combine: Combine;
}

/** Opens a layer over rules; `fallback` is what it says when no rule decides. */
export function openLayer(
  { hash, rules, base, combine }: LayerRules,
  fallback: (named: Named) => Verdict,
): PolicyLayer {
  const engine = openEngine({ written: rules, base, combine }, fallback);
  const written = new Map([...base, ...rules].map((rule) => [rule.name, rule.file]));
  const looksAtArgs = rules.filter(
    (rule) => rule.usesSubject || rule.paths.length > 0 || rule.obligations.some(looksAtArguments),
  );
  const judgesResults = rules.filter((rule) => rule.target.directions.has('result'));
  const isArgs = new Set(looksAtArgs);
  const isResult = new Set(judgesResults);
  const results = openAnswers((server, method, tool) =>
    engine.concerns('result', server, method, tool, (rule) => isResult.has(rule)),
  );
  const args = openAnswers(
    (server, method, tool) =>
      engine.concerns('call', server, method, tool, (rule) => isArgs.has(rule)) ||
      engine.concerns('request', server, method, tool, (rule) => isArgs.has(rule)),
  );
  return {
    hash,
    rules,
    combine,
    consider: engine.judge,
    possible: engine.possible,
    possibleUnder: engine.possibleUnder,
    pathsNeeded: engine.pathsNeeded,
    needsArgs: (server, method, tool) => looksAtArgs.length > 0 && args(server, method, tool),
    needsResult: (server, method, tool) => judgesResults.length > 0 && results(server, method, tool),
    needsAnnotations: rules.some((rule) => rule.usesAnnotations),
    usesRates: rules.some((rule) => rule.obligations.some(({ kind }) => kind === 'rate' || kind === 'budget')),
    usesLabels: rules.some(
      ({ facts, obligations }) => facts.has('labels') || obligations.some(({ kind }) => kind === 'label'),
    ),
    usesHistory: rules.some(({ facts }) => facts.has('history')),
    layerOf: (rule) => written.get(rule) ?? (rule === 'default' ? 'default' : undefined),
    planCount: engine.planCount,
  };
}

/** Whether an obligation masks, changes or counts what the arguments say. */
function looksAtArguments(duty: Obligation): boolean {
  if (duty.kind === 'redact') return duty.on !== 'result';
  return duty.kind === 'set' || duty.kind === 'clamp' || duty.kind === 'budget';
}

const MAX_ANSWERS = 4_096;

/** Remembers yes or no for a server, method and tool; begins anew when too many were asked. */
function openAnswers(ask: (server: string, method: string, tool: string | undefined) => boolean) {
  let known = new Map<string, Map<string, Map<string | undefined, boolean>>>();
  let size = 0;
  return (server: string, method: string, tool: string | undefined): boolean => {
    const hit = known.get(server)?.get(method)?.get(tool);
    if (hit !== undefined) return hit;
    const answer = ask(server, method, tool);
    if (size >= MAX_ANSWERS) {
      known = new Map();
      size = 0;
    }
    let methods = known.get(server);
    if (methods === undefined) known.set(server, (methods = new Map()));
    let tools = methods.get(method);
    if (tools === undefined) methods.set(method, (tools = new Map()));
    tools.set(tool, answer);
    size++;
    return answer;
  };
}
