import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Decision } from '../model/decision.ts';
import type { Json } from '../model/json.ts';
import { combine, tightenOnly } from './layers.ts';
import { callOf, type CallParts, policyOf } from './testing.ts';

/**
 * A second, naive reading of the language over a small vocabulary: every rule asked in order for every call, with
 * nothing indexed, cached or compiled. The engine must agree with it.
 */
interface Rule {
  readonly tool: string;
  readonly server: string | undefined;
  readonly direction: 'call' | 'result' | undefined;
  readonly role: string | undefined;
  readonly field: { readonly op: 'startsWith' | 'equals' | 'gt' | 'exists'; readonly negated: boolean } | undefined;
  readonly effect: 'allow' | 'deny' | 'ask' | 'defer' | undefined;
}
type Truth = boolean | undefined;

const rules: fc.Arbitrary<readonly Rule[]> = fc.array(
  fc.record({
    tool: fc.constantFrom('a', 'b', 'ab', '*', 'a*', '*b', '?'),
    server: fc.constantFrom(undefined, 's', 't*'),
    direction: fc.constantFrom(undefined, 'call', 'result'),
    role: fc.constantFrom(undefined, undefined, 'admin'),
    field: fc.option(
      fc.record({ op: fc.constantFrom('startsWith', 'equals', 'gt', 'exists'), negated: fc.boolean() }),
      { nil: undefined },
    ),
    effect: fc.constantFrom('allow', 'deny', 'ask', 'defer', undefined),
  }),
  { maxLength: 8 },
);
const single: fc.Arbitrary<Json> = fc.constantFrom('x', 'xy', 'z', 1, 7, null, true);
const argument = fc.oneof(single, fc.array(fc.oneof(single, fc.array(single, { maxLength: 2 })), { maxLength: 3 }));
const calls: fc.Arbitrary<CallParts> = fc.record({
  tool: fc.constantFrom('a', 'b', 'ab', 'abb', 'c'),
  server: fc.constantFrom('s', 't', 't2'),
  direction: fc.constantFrom('call', 'call', 'result'),
  roles: fc.constantFrom([], ['admin']),
  args: fc.oneof(fc.constant(undefined), fc.constant({}), fc.record({ f: argument })),
});

test('first match, polarity and obligations agree with a naive reading of the rules', () => {
  fc.assert(
    fc.property(
      rules,
      fc.array(calls, { minLength: 1, maxLength: 6 }),
      fc.constantFrom('deny', 'allow', 'ask'),
      (list, many, byDefault) => {
        const kept = reachable(list);
        const policy = policyOf(kept.map(write).join('\n') || ' []', `version: 1\ndefault: ${byDefault}`);
        for (const parts of [...many, ...many]) {
          const decision = policy.decide(callOf(parts));
          const rateIds = decision.obligations.map((obligation) => obligation.rule);
          expect({ effect: decision.effect, rule: decision.rule, rates: rateIds.toSorted() }).toEqual(
            read(kept, parts, byDefault),
          );
        }
      },
    ),
    { numRuns: 400 },
  );
});

describe('tightening', () => {
  const severity = { allow: 0, defer: 1, ask: 2, deny: 3 };
  const worse = (a: Decision, b: Decision): boolean => severity[a.effect] >= severity[b.effect];

  test('adding a deny rule anywhere never allows more', () => {
    fc.assert(
      fc.property(rules, calls, fc.nat(8), fc.constantFrom('a', '*b', '*'), (list, parts, at, tool) => {
        const kept = reachable(list);
        const before = policyOf(kept.map(write).join('\n') || ' []').decide(callOf(parts));
        const deny: Rule = {
          tool,
          server: undefined,
          direction: undefined,
          role: 'admin',
          field: undefined,
          effect: 'deny',
        };
        const more = reachable([...kept.slice(0, at), deny, ...kept.slice(at)]);
        const after = policyOf(more.map((rule, index) => write(rule, index)).join('\n')).decide(callOf(parts));
        return worse(after, before);
      }),
      { numRuns: 300 },
    );
  });

  test('a layer that can only tighten never allows more, whatever it says', () => {
    fc.assert(
      fc.property(rules, rules, calls, (mine, theirs, parts) => {
        const policy = policyOf(reachable(mine).map(write).join('\n') || ' []');
        const project = policyOf(reachable(theirs).map(write).join('\n') || ' []', 'version: 1\ndefault: allow');
        return worse(combine([policy, tightenOnly(project)]).decide(callOf(parts)), policy.decide(callOf(parts)));
      }),
      { numRuns: 300 },
    );
  });

  test('a missing or mistyped argument allows no more than some well-typed one', () => {
    fc.assert(
      fc.property(
        rules,
        calls,
        fc.constantFrom<Json | undefined>(undefined, null, true, {}, []),
        (list, parts, bad) => {
          const policy = policyOf(
            reachable(list.map((rule) => ({ ...rule, field: rule.field?.op === 'exists' ? undefined : rule.field })))
              .map(write)
              .join('\n') || ' []',
          );
          const effectOf = (value: Json | undefined): number =>
            severity[policy.decide(callOf({ ...parts, args: value === undefined ? {} : { f: value } })).effect];
          const wellTyped = ['x', 'xy', 'z', 'other', 1, 5, 7].map((value) => effectOf(value));
          return effectOf(bad) >= Math.min(...wellTyped);
        },
      ),
      { numRuns: 300 },
    );
  });
});

function write(rule: Rule, index: number): string {
  const { op, negated } = rule.field ?? { op: 'exists', negated: false };
  const operator = { startsWith: '{startsWith: x}', equals: '{equals: 7}', gt: '{gt: 3}', exists: '{exists: true}' }[
    op
  ];
  const parts = [
    `id: r${index}`,
    `match: {tool: "${rule.tool}"${rule.server === undefined ? '' : `, server: "${rule.server}"`}${rule.direction === undefined ? '' : `, direction: ${rule.direction}`}${rule.role === undefined ? '' : `, roles: ${rule.role}`}}`,
    ...(rule.field === undefined || rule.direction === 'result'
      ? []
      : [`args: {f: ${negated ? `{not: ${operator}}` : operator}}`]),
    rule.effect === undefined ? 'obligations: [{rate: {max: 1, per: 1s}}]' : `effect: ${rule.effect}`,
  ];
  return ` - {${parts.join(', ')}}`;
}

/** Leaves out rules that the compiler would refuse as never reached. */
function reachable(list: readonly Rule[]): readonly Rule[] {
  const kept: Rule[] = [];
  for (const rule of list) {
    const hidden = kept.some(
      (earlier) => isUnconditional(earlier) && earlier.effect !== undefined && mayHide(earlier, rule),
    );
    if (!hidden || rule.effect === undefined) kept.push(rule);
  }
  return kept;
}

function isUnconditional(rule: Rule): boolean {
  return rule.role === undefined && (rule.field === undefined || rule.direction === 'result');
}

function mayHide(outer: Rule, inner: Rule): boolean {
  if ((outer.direction ?? 'call') !== (inner.direction ?? 'call')) return false;
  if (outer.server !== undefined && outer.server !== inner.server) return false;
  return (
    outer.tool === '*' ||
    outer.tool === inner.tool ||
    glob(outer.tool, inner.tool.replaceAll('*', 'Q').replaceAll('?', 'Q'))
  );
}

function read(
  list: readonly Rule[],
  parts: CallParts,
  byDefault: string,
): { effect: string; rule: string; rates: string[] } {
  const isResult = parts.direction === 'result';
  let decided: { effect: string; rule: string } | undefined;
  let refused: string | undefined;
  const rates: string[] = [];
  for (const [index, rule] of list.entries()) {
    if (!names(rule, parts)) continue;
    const holds = rule.role !== undefined && !(parts.roles ?? []).includes(rule.role) ? false : condition(rule, parts);
    if (rule.effect === undefined) {
      if (holds === true) rates.push(`r${index}`);
      if (holds === undefined) refused ??= `r${index}`;
      continue;
    }
    const matches = holds ?? rule.effect !== 'allow';
    if (matches) decided ??= { effect: rule.effect, rule: `r${index}` };
  }
  decided ??= isResult ? { effect: 'allow', rule: 'base:results' } : { effect: byDefault, rule: 'default' };
  if (refused !== undefined && decided.effect !== 'deny') decided = { effect: 'deny', rule: refused };
  return { ...decided, rates };
}

function names(rule: Rule, parts: CallParts): boolean {
  if ((rule.direction ?? 'call') !== parts.direction) return false;
  if (rule.server !== undefined && !glob(rule.server, parts.server ?? '')) return false;
  return glob(rule.tool, parts.tool ?? '');
}

function condition(rule: Rule, parts: CallParts): Truth {
  if (rule.field === undefined || rule.direction === 'result') return true;
  const value = (parts.args as { readonly f?: Json } | undefined)?.f;
  const { op, negated } = rule.field;
  const flip = (truth: Truth): Truth => (truth === undefined ? undefined : truth !== negated);
  if (op === 'exists') return flip(value !== undefined);
  return walk(value, rule.effect === 'allow', (element) => flip(atom(op, element)));
}

function atom(op: 'startsWith' | 'equals' | 'gt', value: Json | undefined): Truth {
  if (op === 'startsWith') return typeof value === 'string' ? value.startsWith('x') : undefined;
  if (typeof value !== 'number') return undefined;
  return op === 'equals' ? value === 7 : value > 3;
}

function walk(value: Json | undefined, all: boolean, test: (element: Json | undefined) => Truth): Truth {
  if (!Array.isArray(value)) return test(value);
  if (value.length === 0) return undefined;
  const truths = (value as readonly Json[]).map((element) => walk(element, all, test));
  if (truths.includes(!all)) return !all;
  return truths.includes(undefined) ? undefined : all;
}

function glob(pattern: string, text: string): boolean {
  if (pattern === '') return text === '';
  if (pattern[0] === '*') return glob(pattern.slice(1), text) || (text !== '' && glob(pattern, text.slice(1)));
  return text !== '' && (pattern[0] === '?' || pattern[0] === text[0]) && glob(pattern.slice(1), text.slice(1));
}
