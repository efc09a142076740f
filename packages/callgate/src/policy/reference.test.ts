import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Decision } from '../model/decision.ts';
import type { Json } from '../model/json.ts';
import { readSql } from '../inspect/sql/index.ts';
import { judgeCommand, loadReaders } from './condition/engines.ts';
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
  readonly field: { readonly op: Op; readonly negated: boolean } | undefined;
  readonly when?: { readonly style: 'text' | 'map'; readonly tree: Tree } | undefined;
  readonly effect: 'allow' | 'deny' | 'ask' | 'defer' | undefined;
}
type Op = 'startsWith' | 'equals' | 'gt' | 'exists' | 'host' | 'cidr' | 'shell' | 'sql';
type Truth = boolean | undefined;
type Leaf = keyof typeof LEAVES;
type Tree = Leaf | { readonly not: Tree } | { readonly join: '&&' | '||'; readonly of: readonly Tree[] };

/** Conditions and what each says of a call, read off the page of the language. */
const LEAVES = {
  '"x" in labels': ({ labels }: CallParts): Truth => labels?.includes('x'),
  'hour("UTC") >= 12': ({ time }: CallParts): Truth =>
    time === undefined ? undefined : time % 86_400_000 >= 43_200_000,
  'intent == "delete"': ({ intent }: CallParts): Truth => (intent === undefined ? undefined : intent === 'delete'),
  'count("a*", "1m") > 1': ({ history }: CallParts): Truth => {
    const count = history?.(() => true, 60_000);
    return count === undefined ? undefined : count > 1;
  },
  'threat.score > 0.5': ({ findings }: CallParts): Truth => findings?.()?.some(({ confidence }) => confidence > 0.5),
  'args.f == "x"': ({ args }: CallParts): Truth => {
    const value = (args as { readonly f?: Json } | undefined)?.f;
    return value === null ? false : typeof value === 'string' ? value === 'x' : undefined;
  },
  'shell(args.f, "destructive")': ({ args }: CallParts): Truth => {
    const value = (args as { readonly f?: Json } | undefined)?.f;
    if (typeof value === 'string') return isDestructive(value);
    // A list is one program with its arguments, or command lines: `rm -rf /` counts as either.
    const texts = Array.isArray(value) && value.length > 0 && value.every((text) => typeof text === 'string');
    if (!texts) return undefined;
    const truths = [value as readonly string[], ...(value as readonly string[])].map(isDestructive);
    return truths.includes(true) ? true : truths.includes(undefined) ? undefined : false;
  },
} as const;

/** Texts of other languages. What one says is left to its reader; how that becomes true, false or an error is not. */
const COMMANDS = ['rm -rf /', '$UNKNOWN x', 'ls'];
const isDestructive = (text: string | readonly string[]): Truth => {
  const { facts } = judgeCommand(text);
  return facts.destructive ? true : facts.dynamic || facts.unparsed !== undefined ? undefined : false;
};
const URLS: Readonly<Record<string, { readonly host: boolean; readonly cidr: Truth }>> = {
  'http://10.1.1.1/x': { host: false, cidr: true },
  'http://1.1.1.1/x': { host: false, cidr: false },
  'https://a.example/': { host: true, cidr: undefined },
};
const SQL = ['SELECT 1', 'DROP TABLE t', 'SELECT 1; DROP TABLE t'];

const trees: fc.Arbitrary<Tree> = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(...(Object.keys(LEAVES) as Leaf[])),
    fc.record({ not: tie('tree') }),
    fc.record({
      join: fc.constantFrom<'&&' | '||'>('&&', '||'),
      of: fc.array(tie('tree'), { minLength: 2, maxLength: 3 }),
    }),
  ),
})).tree;
const rules: fc.Arbitrary<readonly Rule[]> = fc.array(
  fc.record({
    tool: fc.constantFrom('a', 'b', 'ab', '*', 'a*', '*b', '?'),
    server: fc.constantFrom(undefined, 's', 't*'),
    direction: fc.constantFrom(undefined, 'call', 'result'),
    role: fc.constantFrom(undefined, undefined, 'admin'),
    field: fc.option(
      fc.record({
        op: fc.constantFrom<Op>('startsWith', 'equals', 'gt', 'exists', 'host', 'cidr', 'shell', 'sql'),
        negated: fc.boolean(),
      }),
      { nil: undefined },
    ),
    when: fc.option(fc.record({ style: fc.constantFrom('text', 'map'), tree: trees }), { nil: undefined }),
    effect: fc.constantFrom('allow', 'deny', 'ask', 'defer', undefined),
  }),
  { maxLength: 8 },
);
const single: fc.Arbitrary<Json> = fc.constantFrom('x', 'xy', 'z', 1, 7, null, true);
const foreign: fc.Arbitrary<Json> = fc.constantFrom(...COMMANDS, ...Object.keys(URLS), ...SQL);
const argument = fc.oneof(
  single,
  foreign,
  fc.array(foreign, { maxLength: 2 }),
  fc.array(fc.oneof(single, fc.array(single, { maxLength: 2 })), { maxLength: 3 }),
);
const calls: fc.Arbitrary<CallParts> = fc
  .record({
    tool: fc.constantFrom('a', 'b', 'ab', 'abb', 'c'),
    server: fc.constantFrom('s', 't', 't2'),
    direction: fc.constantFrom('call', 'call', 'result'),
    roles: fc.constantFrom([], ['admin']),
    args: fc.oneof(fc.constant(undefined), fc.constant({}), fc.record({ f: argument }), fc.record({ f: argument })),
    ...facts(),
  })
  .map((parts) => Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined)) as CallParts);

/** Facts that a call may have or not; undefined stands for not. */
function facts() {
  const finding = (confidence: number) => [{ rule: 'r', class: 'c', pointer: '', confidence }];
  return {
    labels: fc.constantFrom(undefined, [], ['x'], ['y', 'x']),
    time: fc.constantFrom(undefined, 0, 50_000_000),
    intent: fc.constantFrom(undefined, 'read', 'delete', 'unknown'),
    history: fc.constantFrom(
      undefined,
      () => 0,
      () => 2,
      () => undefined,
    ),
    findings: fc.constantFrom(
      undefined,
      () => [],
      () => finding(0.9),
      () => undefined,
    ),
  };
}

beforeAll(loadReaders);

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
          const wellTyped = ['x', 'xy', 'z', 'other', 1, 5, 7, ...TELLING].map((value) => effectOf(value));
          return effectOf(bad) >= Math.min(...wellTyped);
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** Texts that the operators of other languages tell apart. */
const TELLING = [
  'ls',
  'rm -rf /',
  'SELECT 1',
  'DROP TABLE t',
  'https://a.example/',
  'https://b.example/',
  '10.0.0.1',
  '192.0.2.1',
];

function write(rule: Rule, index: number): string {
  const { op, negated } = rule.field ?? { op: 'exists', negated: false };
  const operator = {
    startsWith: '{startsWith: x}',
    equals: '{equals: 7}',
    gt: '{gt: 3}',
    exists: '{exists: true}',
    host: '{host: a.example}',
    cidr: '{cidr: "10.0.0.0/8"}',
    shell: '{shell: {destructive: true}}',
    sql: '{sql: {class: read}}',
  }[op];
  const parts = [
    `id: r${index}`,
    `match: {tool: "${rule.tool}"${rule.server === undefined ? '' : `, server: "${rule.server}"`}${rule.direction === undefined ? '' : `, direction: ${rule.direction}`}${rule.role === undefined ? '' : `, roles: ${rule.role}`}}`,
    ...(rule.field === undefined || rule.direction === 'result'
      ? []
      : [`args: {f: ${negated ? `{not: ${operator}}` : operator}}`]),
    ...(hasWhen(rule)
      ? [`when: ${rule.when?.style === 'map' ? asMap(rule.when.tree) : JSON.stringify(asText(rule.when?.tree))}`]
      : []),
    rule.effect === undefined
      ? `obligations: [${rule.direction === 'result' ? '{redact: {classes: [secret]}}' : '{rate: {max: 1, per: 1s}}'}]`
      : `effect: ${rule.effect}`,
  ];
  return ` - {${parts.join(', ')}}`;
}

/** Rules for results have no args to look at. */
function hasWhen(rule: Rule): boolean {
  return rule.when !== undefined && rule.direction !== 'result';
}

function asText(tree: Tree | undefined): string {
  if (typeof tree === 'string' || tree === undefined) return tree ?? '';
  return 'not' in tree ? `!(${asText(tree.not)})` : tree.of.map((part) => `(${asText(part)})`).join(` ${tree.join} `);
}

function asMap(tree: Tree): string {
  if (typeof tree === 'string') return JSON.stringify(tree);
  return 'not' in tree
    ? `{not: ${asMap(tree.not)}}`
    : `{${tree.join === '&&' ? 'all' : 'any'}: [${tree.of.map(asMap).join(', ')}]}`;
}

/** Kleene's logic over a tree. */
function evaluate(tree: Tree, parts: CallParts): Truth {
  if (typeof tree === 'string') return LEAVES[tree](parts);
  if ('not' in tree) {
    const truth = evaluate(tree.not, parts);
    return truth === undefined ? undefined : !truth;
  }
  const truths = tree.of.map((part) => evaluate(part, parts));
  const decisive = tree.join === '||';
  return truths.includes(decisive) ? decisive : truths.includes(undefined) ? undefined : !decisive;
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
  return rule.role === undefined && !hasWhen(rule) && (rule.field === undefined || rule.direction === 'result');
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
  if (rule.direction === 'result') return true;
  const truths = [fieldHolds(rule, parts), rule.when === undefined ? true : evaluate(rule.when.tree, parts)];
  return truths.includes(false) ? false : truths.includes(undefined) ? undefined : true;
}

function fieldHolds(rule: Rule, parts: CallParts): Truth {
  if (rule.field === undefined) return true;
  const value = (parts.args as { readonly f?: Json } | undefined)?.f;
  const { op, negated } = rule.field;
  const flip = (truth: Truth): Truth => (truth === undefined ? undefined : truth !== negated);
  if (op === 'exists') return flip(value !== undefined);
  if (op === 'shell') return flip(LEAVES['shell(args.f, "destructive")'](parts));
  const all = rule.effect === 'allow';
  return walk(value, all, (element) => flip(atom(op, element, negated ? !all : all)));
}

function atom(op: Exclude<Op, 'exists' | 'shell'>, value: Json | undefined, all: boolean): Truth {
  if (op === 'startsWith') return typeof value === 'string' ? value.startsWith('x') : undefined;
  if (op === 'host' || op === 'cidr') {
    if (typeof value !== 'string') return undefined;
    return Object.hasOwn(URLS, value) ? URLS[value]?.[op] : unlisted(op, value);
  }
  if (op === 'sql') {
    if (typeof value !== 'string') return undefined;
    const { statements, ambiguous } = readSql(value);
    if (ambiguous !== undefined) return undefined;
    const reads = statements.map((statement) => statement.class === 'read');
    return all ? reads.every(Boolean) : reads.some(Boolean);
  }
  if (typeof value !== 'number') return undefined;
  return op === 'equals' ? value === 7 : value > 3;
}

/** A single word may be a host; anything with a blank is none. */
function unlisted(op: 'host' | 'cidr', text: string): Truth {
  return op === 'host' && /^[a-z]+$/.test(text) ? false : undefined;
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
