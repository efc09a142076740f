import type { CompiledRule } from '../rule.ts';
import type { Condition } from './scope.ts';
import { coversMethod, type Named } from '../target.ts';
import { OPEN, type Possible, type Static } from '../visible.ts';

/** Servers choose how many templates they list: of those that rules treat alike the effects are worked out once. */
const MAX_KINDS = 1_024;
const MAX_METHODS = 16;

interface Known {
  readonly known: Static;
  readonly under: (prefix: string) => UnderPrefix;
  readonly found: Map<string, Possible>;
}

/**
 * Says what resources can come to whose URI begins with a text.
 * @param work what rules come to; the URI of `known` is that text alone
 */
export function openPossibleUnder(
  rules: readonly CompiledRule[],
  work: (concerned: readonly CompiledRule[], known: Static) => Possible,
): (known: Static, prefix: string) => Possible {
  const byMethod = new Map<string, Known>();
  const knownOf = (known: Static): Known => {
    const hit = byMethod.get(known.method);
    if (hit !== undefined && isSame(hit.known, known)) return hit;
    if (byMethod.size >= MAX_METHODS) byMethod.clear();
    const fresh = { known, under: openUnderPrefix(rules, known), found: new Map<string, Possible>() };
    byMethod.set(known.method, fresh);
    return fresh;
  };
  return (known, prefix) => {
    const { under, found } = knownOf(known);
    const { key, rules: concerned } = under(prefix);
    const hit = found.get(key);
    if (hit !== undefined) return hit;
    const possible = work(concerned(), { ...known, uri: prefix });
    if (found.size >= MAX_KINDS) found.clear();
    found.set(key, possible);
    return possible;
  };
}

const STATIC_KEYS = ['direction', 'server', 'method', 'tool', 'prompt', 'principal', 'annotations'] as const;

function isSame(one: Static, other: Static): boolean {
  return STATIC_KEYS.every((key) => one[key] === other[key]);
}

/** How rules count for all resources whose URI begins with a text. */
interface UnderPrefix {
  /** Tells apart texts for which it makes a difference. */
  readonly key: string;
  /** Those that may match; where it depends on how the URI goes on, with a condition that is open. */
  readonly rules: () => readonly CompiledRule[];
}

/** Sorts out the rules that are about resources at all; of the rest each text asks only how its URIs begin. */
function openUnderPrefix(rules: readonly CompiledRule[], named: Named): (prefix: string) => UnderPrefix {
  const concerned = rules.filter(
    ({ target }) =>
      target.directions.has(named.direction) &&
      coversMethod(target, named.direction, named.method) &&
      target.server?.test(named.server) !== false,
  );
  return (prefix) => {
    const isCertain = concerned.map((rule) => coversAllUnder(rule, prefix));
    return {
      key: isCertain.map(Number).join(''),
      rules: () =>
        concerned.map((rule, index) => (isCertain[index] === true ? rule : { ...rule, condition: openUnless(rule) })),
    };
  };
}

/** Open, but for a condition that does not hold however the URI goes on. */
function openUnless({ condition }: CompiledRule): Condition {
  return condition === undefined ? OPEN : (call) => condition(call) !== false && OPEN();
}

/** A text that leads elsewhere once it is decoded may match what denies, and never earns what allows. */
function coversAllUnder({ target: { resource }, effect }: CompiledRule, prefix: string): boolean {
  if (resource === undefined) return true;
  return resource.patterns.some(
    (pattern) =>
      pattern.prefix !== undefined &&
      (pattern.prefix === '' || (effect !== 'allow' && prefix.startsWith(pattern.prefix))),
  );
}
