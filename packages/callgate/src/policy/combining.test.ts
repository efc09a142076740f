import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Decision } from '../model/decision.ts';
import type { Json } from '../model/json.ts';
import type { Combine } from './document/document-types.ts';
import { ceiling, combine, tightenOnly } from './layers.ts';
import { callOf, type CallParts, issuesOf, policyOf } from './testing.ts';

/**
 * A second, naive reading of how rules combine: every rule asked for every call, nothing indexed, planned or cached. The
 * engine must agree with it.
 */
interface Rule {
  readonly tool: string;
  readonly role: string | undefined;
  readonly field: 'x' | 'y' | undefined;
  readonly effect: 'allow' | 'deny' | 'ask' | 'defer' | undefined;
  readonly limited: boolean;
  readonly priority: number | undefined;
}
type Truth = boolean | undefined;
type Default = 'deny' | 'allow' | 'ask';

const MODES: readonly Combine[] = ['first', 'priority', 'deny-overrides'];
const LONG = process.env['CALLGATE_LONG'] !== undefined;
const SEVERITY = { allow: 0, defer: 1, ask: 2, deny: 3 };

const rule: fc.Arbitrary<Rule> = fc.record({
  tool: fc.constantFrom('a', 'b', 'ab', '*', 'a*', '*b', '?'),
  role: fc.constantFrom(undefined, undefined, 'admin'),
  field: fc.constantFrom(undefined, 'x', 'y'),
  effect: fc.constantFrom('allow', 'deny', 'ask', 'defer', undefined),
  limited: fc.boolean(),
  priority: fc.constantFrom(undefined, -1, 0, 1, 7),
});
const rules = fc.array(rule, { maxLength: 8 });
const value: fc.Arbitrary<Json | undefined> = fc.constantFrom(undefined, 'x', 'xy', 'z', 7, null);
const calls: fc.Arbitrary<CallParts> = fc.record({
  tool: fc.constantFrom('a', 'b', 'ab', 'abb', 'c'),
  roles: fc.constantFrom([], ['admin']),
  args: value.map((f) => (f === undefined ? {} : { f })),
});
const defaults = fc.constantFrom<Default>('deny', 'allow', 'ask');

describe('a compiled policy and a naive reading of it agree', () => {
  test.each(MODES)(
    'with combine: %s',
    (mode) => {
      fc.assert(
        fc.property(rules, fc.array(calls, { minLength: 20, maxLength: 20 }), defaults, (list, many, byDefault) => {
          const policy = compiled(list, mode, byDefault);
          if (policy === undefined) return;
          for (const parts of many) {
            const { effect, rule: name, obligations } = policy.decide(callOf(parts));
            const rates = obligations.map((duty) => duty.rule).toSorted();
            expect({ effect, rule: name, rates }).toEqual(read(list, mode, parts, byDefault));
          }
        }),
        { numRuns: LONG ? 5_000 : 250 },
      );
    },
    120_000,
  );
});

describe('adding a deny rule', () => {
  const deny = (tool: string): Rule => ({
    tool,
    role: undefined,
    field: 'x',
    effect: 'deny',
    limited: false,
    priority: -5,
  });

  test.each<[Combine, string]>([
    ['first', 'in front'],
    ['priority', 'of the first priority'],
    ['deny-overrides', 'anywhere'],
  ])('never allows more: combine: %s, %s', (mode) => {
    fc.assert(
      fc.property(rules, fc.nat(8), fc.constantFrom('a', '*b', '*'), calls, (list, at, tool, parts) => {
        const before = compiled(list, mode, 'allow');
        const place = mode === 'first' ? 0 : at;
        const after = compiled([...list.slice(0, place), deny(tool), ...list.slice(place)], mode, 'allow');
        if (before === undefined || after === undefined) return;
        const [old, now] = [before.decide(callOf(parts)), after.decide(callOf(parts))];
        expect(SEVERITY[now.effect]).toBeGreaterThanOrEqual(SEVERITY[old.effect]);
      }),
      { numRuns: 400 },
    );
  });
});

describe('layers', () => {
  test('commute, up to which of equals is named', () => {
    fc.assert(
      fc.property(
        rules,
        rules,
        fc.constantFrom(...MODES),
        fc.constantFrom(...MODES),
        calls,
        (a, b, one, other, parts) => {
          const [first, second] = [compiled(a, one, 'allow'), compiled(b, other, 'ask')];
          if (first === undefined || second === undefined) return;
          const here = combine([first, second]).decide(callOf(parts));
          const there = combine([second, first]).decide(callOf(parts));
          expect(here.effect).toBe(there.effect);
          expect(ratesOf(here)).toEqual(ratesOf(there));
        },
      ),
      { numRuns: 300 },
    );
  });

  test('above only tighten: what an organisation refuses, asks or limits is lifted by nothing below', () => {
    fc.assert(
      fc.property(rules, rules, fc.constantFrom(...MODES), defaults, calls, (above, below, mode, byDefault, parts) => {
        const [organisation, mine] = [compiled(above, mode, undefined), compiled(below, 'first', byDefault)];
        if (organisation === undefined || mine === undefined) return;
        const upper = ceiling(organisation);
        const alone = upper.consider(callOf(parts));
        const together = combine([upper, mine]).decide(callOf(parts));
        const floor = alone.effect === 'abstain' ? -1 : SEVERITY[alone.effect];
        expect(SEVERITY[together.effect]).toBeGreaterThanOrEqual(floor);
        expect(SEVERITY[together.effect]).toBeGreaterThanOrEqual(SEVERITY[mine.decide(callOf(parts)).effect]);
        for (const duty of alone.obligations) expect(together.obligations).toContainEqual(duty);
      }),
      { numRuns: 300 },
    );
  });

  test('keep how their rules combine when only what tightens of them counts', () => {
    const text =
      ' - {id: a, match: {tool: run}, effect: ask}\n - {id: b, match: {tool: run}, when: "true", effect: deny}';
    const layer = tightenOnly(policyOf(text, 'version: 1\ncombine: deny-overrides'));
    expect(layer.consider(callOf())).toMatchObject({ effect: 'deny', rule: 'project:b' });
  });
});

describe('combine: deny-overrides', () => {
  const head = 'version: 1\ncombine: deny-overrides\ndefault: allow';
  const decided = (text: string, parts: CallParts = {}): Decision => policyOf(text, head).decide(callOf(parts));

  test('the most restrictive rule decides, wherever it stands; the first of equals names it', () => {
    const text = [
      ' - {id: open, match: {tool: run}, effect: allow}',
      ' - {id: one, match: {tool: "r*"}, args: {f: x}, effect: deny}',
      ' - {id: two, match: {tool: run}, args: {f: {startsWith: x}}, effect: deny}',
    ].join('\n');
    expect(decided(text, { args: { f: 'x' } })).toMatchObject({ effect: 'deny', rule: 'one' });
    expect(decided(text, { args: { f: 'xy' } })).toMatchObject({ effect: 'deny', rule: 'two' });
    expect(decided(text, { args: { f: 'y' } })).toMatchObject({ effect: 'allow', rule: 'open' });
  });

  test('a rule of yours overrules the base layer, whose denials do not count beside it', () => {
    const text = ' - {id: mine, match: {method: custom/method}, effect: allow}';
    expect(decided(text, { method: 'custom/method' })).toMatchObject({ effect: 'allow', rule: 'mine' });
    expect(decided(text, { method: 'custom/other' })).toMatchObject({ effect: 'deny', rule: 'base:unknown-call' });
  });

  test('obligations of all rules that match unite, and of those whose condition cannot be told', () => {
    const text = [
      ' - {id: a, match: {tool: run}, effect: allow, obligations: [{rate: {max: 1, per: 1s}}]}',
      ' - {id: b, match: {tool: run}, args: {f: x}, effect: allow, obligations: [{rate: {max: 2, per: 1s}}]}',
    ].join('\n');
    expect(ratesOf(decided(text, { args: { f: 'x' } }))).toEqual(['a', 'b']);
    expect(ratesOf(decided(text, { args: {} }))).toEqual(['a', 'b']);
    expect(ratesOf(decided(text, { args: { f: 'y' } }))).toEqual(['a']);
  });

  test('a rule that a stricter one always overrules is an error; one that only comes later is none', () => {
    const codes = (text: string): readonly string[] => issuesOf(`${head}\nrules:\n${text}`).map(({ code }) => code);
    const [open, block] = [
      ' - {id: o, match: {tool: run}, effect: allow}',
      ' - {id: b, match: {tool: "*"}, effect: deny}',
    ];
    expect(codes(`${open}\n${block}`)).toEqual(['CG_POLICY_UNREACHABLE']);
    expect(codes(`${block.replace('"*"', 'run')}\n${open.replace('run', '"*"')}`)).toEqual([]);
  });
});

describe('combine: priority', () => {
  test('asks lower numbers first, then in the order of the file, then rules without one', () => {
    const text = [
      ' - {id: none, match: {tool: run}, args: {a: 1}, effect: deny}',
      ' - {id: later, match: {tool: run}, args: {b: 1}, effect: ask, priority: 20}',
      ' - {id: sooner, match: {tool: run}, args: {c: 1}, effect: defer, priority: -3}',
      ' - {id: same, match: {tool: run}, args: {d: 1}, effect: allow, priority: 20}',
    ].join('\n');
    const policy = policyOf(text, 'version: 1\ncombine: priority');
    expect(policy.rules.map(({ name }) => name)).toEqual(['sooner', 'later', 'same', 'none']);
    const all = { a: 1, b: 1, c: 1, d: 1 };
    expect(policy.decide(callOf({ args: all })).rule).toBe('sooner');
    expect(policy.decide(callOf({ args: { ...all, c: 2 } })).rule).toBe('later');
  });

  test('a priority where nothing reads it, and one that is no whole number, are errors', () => {
    const one = (head: string, priority: string): readonly string[] =>
      issuesOf(`version: 1${head}\nrules:\n - {id: a, match: {tool: a}, effect: deny, priority: ${priority}}`).map(
        ({ code, line }) => `${code} ${line}`,
      );
    expect(one('', '1')).toEqual(['CG_POLICY_PRIORITY 3']);
    expect(one('\ncombine: deny-overrides', '1')).toEqual(['CG_POLICY_PRIORITY 4']);
    expect(one('\ncombine: priority', '1.5')).toEqual(['CG_POLICY_TYPE 4']);
  });
});

function ratesOf({ obligations }: Decision): readonly string[] {
  return obligations.map((duty) => duty.rule).toSorted();
}

/** Undefined where the compiler refuses it, for a rule that is never reached. */
function compiled(list: readonly Rule[], mode: Combine, byDefault: Default | undefined) {
  const head = `version: 1\ncombine: ${mode}${byDefault === undefined ? '' : `\ndefault: ${byDefault}`}`;
  const text = list.map((item, index) => write(item, index, mode)).join('\n') || ' []';
  const issues = issuesOf(`${head}\nrules:\n${text}`);
  if (issues.length === 0) return policyOf(text, head);
  expect(issues.map(({ code }) => code)).toEqual(issues.map(() => 'CG_POLICY_UNREACHABLE'));
  return undefined;
}

function write({ tool, role, field, effect, limited, priority }: Rule, index: number, mode: Combine): string {
  const refuses = effect === 'deny' || effect === 'defer';
  const parts = [
    `id: r${index}`,
    `match: {tool: "${tool}"${role === undefined ? '' : `, roles: ${role}`}}`,
    ...(field === undefined ? [] : [`args: {f: {startsWith: ${field}}}`]),
    ...(effect === undefined ? [] : [`effect: ${effect}`]),
    ...((limited && !refuses) || effect === undefined ? ['obligations: [{rate: {max: 1, per: 1s}}]'] : []),
    ...(mode === 'priority' && priority !== undefined ? [`priority: ${priority}`] : []),
  ];
  return ` - {${parts.join(', ')}}`;
}

function read(
  list: readonly Rule[],
  mode: Combine,
  parts: CallParts,
  byDefault: Default,
): { effect: string; rule: string; rates: string[] } {
  const named = list.map((item, index) => ({ ...item, name: `r${index}`, truth: truthOf(item, parts) }));
  if (mode === 'priority') named.sort((a, b) => (a.priority ?? 99) - (b.priority ?? 99));
  const deciding = named.filter(({ effect }) => effect !== undefined);
  if (mode === 'deny-overrides') deciding.sort((a, b) => SEVERITY[b.effect ?? 'allow'] - SEVERITY[a.effect ?? 'allow']);
  const winner = deciding.find(({ truth, effect }) => truth ?? effect !== 'allow');
  const isLimited = (item: Rule): boolean => item.limited && (item.effect === 'allow' || item.effect === 'ask');
  const joining = mode === 'deny-overrides' ? deciding.filter((item) => item.truth !== false && item !== winner) : [];
  const rates = [...(winner === undefined ? [] : [winner]), ...joining].filter(isLimited).map(({ name }) => name);
  let decided = { effect: winner?.effect ?? byDefault, rule: winner?.name ?? 'default' };
  for (const { effect, truth, name } of named) {
    if (effect !== undefined || truth === false) continue;
    if (truth === true) rates.push(name);
    else if (decided.effect !== 'deny') decided = { effect: 'deny', rule: name };
  }
  return { ...decided, rates: rates.toSorted() };
}

function truthOf({ tool, role, field }: Rule, { tool: called = '', roles = [], args }: CallParts): Truth {
  if (!glob(tool, called)) return false;
  if (role !== undefined && !roles.includes(role)) return false;
  if (field === undefined) return true;
  const found = (args as { readonly f?: Json }).f;
  return typeof found === 'string' ? found.startsWith(field) : undefined;
}

function glob(pattern: string, text: string): boolean {
  if (pattern === '') return text === '';
  if (pattern[0] === '*') return glob(pattern.slice(1), text) || (text !== '' && glob(pattern, text.slice(1)));
  return text !== '' && (pattern[0] === '?' || pattern[0] === text[0]) && glob(pattern.slice(1), text.slice(1));
}
