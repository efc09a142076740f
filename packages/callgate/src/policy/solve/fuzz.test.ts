import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Call } from '../../model/call.ts';
import type { Json } from '../../model/json.ts';
import { compilePolicy } from '../compile.ts';
import { callOf, OPTIONS } from '../testing.ts';
import type { AnalysisOptions } from './analysis.ts';
import { can, compileGoal } from './can.ts';
import { differences } from './differences.ts';

const RUNS = process.env['CALLGATE_LONG'] === undefined ? 25 : 2_000;
const CALLS = 150;
const options: AnalysisOptions = { compile: OPTIONS, now: () => performance.now(), withinMs: 1_500 };
const q = (value: Json): string => JSON.stringify(value);
const yq = (text: string): string => q(text.replace('${', '$${'));

const TEXTS = ['a', 'ab', 'b', 'ba', 'rm', '', 'A', 'é', '\n', '${PROJECT}', '/project', '1'];
const text = fc.constantFrom(...TEXTS);
const full = text.filter((one) => one !== '');
const num = fc.constantFrom(0, 1, 2, 3, 1.5, -1);
const literal = fc.oneof(text.map(q), num.map(q), fc.constantFrom('true', 'false', 'null'));

const PATTERNS = String.raw`^[ab]+$ (?i)^a a|rm ^$ . (?s). \\bab\\b [^a] (?m)^b (?i)k \\n$ \\W`.split(' ');
const leafMatcher = fc.oneof(
  text.map((one) => `{ equals: ${yq(one)} }`),
  text.map((one) => `{ notEquals: ${yq(one)} }`),
  fc.tuple(text, text).map(([a, b]) => `{ in: [${yq(a)}, ${yq(b)}] }`),
  fc.tuple(text, num).map(([a, b]) => `{ notIn: [${yq(a)}, ${b}] }`),
  fc.tuple(fc.constantFrom('startsWith', 'endsWith', 'contains'), full).map(([key, one]) => `{ ${key}: ${yq(one)} }`),
  fc.constantFrom(...PATTERNS).map((pattern) => `{ regex: "${pattern}" }`),
  fc.constantFrom('a*', '?', '*b', 'a?*').map((glob) => `{ glob: "${glob}" }`),
  fc.tuple(fc.constantFrom('lt', 'le', 'gt', 'ge'), num).map(([key, n]) => `{ ${key}: ${n} }`),
  fc.constantFrom('/project', '/project/a', '/etc', '~/k').map((root) => `{ under: [${root}] }`),
  fc.constantFrom('{ not: { under: [/project/a, /etc] } }', '{ under: [/project, ~/k, /etc/b] }'),
  fc.constantFrom('{ exists: true }', '{ exists: false }', 'true', 'null'),
  num.map(String),
);
const { matcher } = fc.letrec<{ matcher: string }>((tie) => ({
  matcher: fc.oneof(
    { maxDepth: 2 },
    { weight: 5, arbitrary: leafMatcher },
    fc.tuple(fc.constantFrom('not', 'any', 'all'), tie('matcher')).map(([key, one]) => `{ ${key}: ${one} }`),
    fc
      .tuple(fc.constantFrom('anyOf', 'allOf'), tie('matcher'), tie('matcher'))
      .filter(([, a, b]) => a.startsWith('{') && b.startsWith('{'))
      .map(([key, a, b]) => `{ ${key}: [${a}, ${b}] }`),
  ),
}));

const field = fc.constantFrom('x', 'y', 'x.a', 'y.0', 'x.*');
const read = fc.constantFrom('args.x', 'args.y', 'args.x.a', 'args.y[0]', 'args["x"]');
const atom = fc.oneof(
  fc
    .tuple(read, fc.constantFrom('==', '!=', '<', '<=', '>', '>='), literal)
    .map(([one, op, value]) => `${one} ${op} ${value}`),
  fc
    .tuple(read, fc.constantFrom('startsWith', 'endsWith', 'contains'), full)
    .map(([one, method, value]) => `${one}.${method}(${q(value)})`),
  fc
    .tuple(read, fc.constantFrom('^a', 'b$', '(?i)AB', '^[^b]*$'))
    .map(([one, pattern]) => `${one}.matches(r"${pattern}")`),
  read.filter((one) => !one.includes('[')).map((one) => `has(${one})`),
  fc.tuple(read, literal, literal).map(([one, a, b]) => `${one} in [${a}, ${b}]`),
  fc.tuple(read, num).map(([one, n]) => `size(${one}) > ${n}`),
  fc
    .tuple(read, fc.constantFrom('exists', 'all'), text)
    .map(([one, method, value]) => `${one}.${method}(e, e == ${q(value)})`),
  fc.constantFrom(
    'tool == "t"',
    'tool != "u"',
    'tool.startsWith("t")',
    'server == "s"',
    '"admin" in principal.roles',
    'principal.id == "bob"',
    '"z" in labels',
    'args.x == args.y',
    'args.x == tool',
    'anyString(args).exists(s, s == "a")',
    'annotations.readOnlyHint == true',
    'args.x in args.y',
    '(has(args.x) ? args.x : "a") == "a"',
    'session.id == "q"',
    'hour("UTC") > 3',
    'count("t", "1h") > 2',
    'threat.score > 0.5',
    'intent == "read"',
    'args.x + 1 > 2',
    'under(args.x, "/project")',
    'under(args.x, ["/project/a", "/etc"])',
    '!under(args.y, "~/k")',
    'size(tool) > 1',
    'tool > "t"',
    'tool.matches("^t+$")',
    'http.method == "GET"',
    'findings.exists(f, f.class == "secret")',
    'size(principal.chain) > 0',
    'host(args.x, "a.b")',
  ),
);
const { when } = fc.letrec<{ when: string }>((tie) => ({
  when: fc.oneof(
    { maxDepth: 2 },
    { weight: 4, arbitrary: atom },
    tie('when').map((one) => `!(${one})`),
    fc.tuple(tie('when'), fc.constantFrom('&&', '||'), tie('when')).map(([a, join, b]) => `(${a}) ${join} (${b})`),
  ),
}));

const rule = fc.record({
  tool: fc.constantFrom('t', 'u', '"*"', '"t*"', '["*t*", u]', '["?", "t*u"]', '"*u*"'),
  rest: fc.constantFrom('', '', '', ', roles: [admin]', ', annotations: { readOnlyHint: true }'),
  args: fc.option(fc.dictionary(field, matcher, { minKeys: 1, maxKeys: 2 })),
  when: fc.option(when),
  effect: fc.constantFrom('allow', 'allow', 'deny', 'ask', 'none', 'none ask'),
  priority: fc.nat(3),
});
type Rule = typeof rule extends fc.Arbitrary<infer T> ? T : never;
const head = fc.record({
  combine: fc.constantFrom('first', 'priority', 'deny-overrides'),
  default: fc.constantFrom('deny', 'allow', 'ask'),
});
type Head = typeof head extends fc.Arbitrary<infer T> ? T : never;

function textOf(one: Head, rules: readonly Rule[]): string {
  const lines = rules.map((of, at) => {
    const parts = [`id: r${at}`, `match: { tool: ${of.tool}${of.rest} }`];
    if (one.combine === 'priority') parts.push(`priority: ${of.priority}`);
    const fields = Object.entries(of.args ?? {}).map(([key, value]) => `"${key}": ${value}`);
    if (fields.length > 0) parts.push(`args: { ${fields.join(', ')} }`);
    if (of.when !== null) parts.push(`when: ${q(of.when)}`);
    if (of.effect.startsWith('none')) parts.push('obligations: [{ log: { message: m } }]');
    if (of.effect === 'none ask') parts.push('onError: ask');
    if (!of.effect.startsWith('none')) parts.push(`effect: ${of.effect}`);
    return ` - { ${parts.join(', ')} }`;
  });
  return `version: 1\ncombine: ${one.combine}\ndefault: ${one.default}\nrules:\n${lines.join('\n')}`;
}

const PATHS = [
  '/project',
  '/project/a/b',
  '/project/ab',
  '/etc/b',
  '/etc/../project/a',
  '/project/a/../b',
  '/project/../etc',
  '~/k/x',
  '~/k/../z',
  '/link/x',
  'a/b',
  '../etc',
  '/project%2f',
  '/etc/link',
  '/etc/link/../a',
];
/** Links lead elsewhere. */
const LINKS = {
  '/link/x': '/project/a',
  '/etc/link': '/home/user/k/y',
  '/etc/link/../a': '/home/user/a',
  '/project/a/b': '/etc/b/c',
  'a/b': null,
};
const scalar = fc.oneof(
  text,
  fc.constantFrom(...PATHS),
  num,
  fc.constantFrom<Json>(true, false, null, 'abc', 'K', 'k', '\u212a', 'a\nb', 'x', 'ab b', 1e30),
);
const some: fc.Arbitrary<Json> = fc.oneof(
  { weight: 3, arbitrary: scalar },
  fc.array(scalar, { maxLength: 3 }),
  fc.dictionary(fc.constantFrom('a', 'b', '0'), scalar, { maxKeys: 2 }),
  fc.array(fc.dictionary(fc.constantFrom('a', 'b'), scalar, { maxKeys: 2 }), { maxLength: 2 }),
);
const call = fc
  .record({
    tool: fc.constantFrom('t', 'u', 'tt', 'v', 'tu', 'ut', 'vuv', 'vtv'),
    args: fc.dictionary(fc.constantFrom('x', 'y'), some),
    id: fc.constantFrom('agent', 'bob'),
    roles: fc.constantFrom<readonly string[]>([], ['admin']),
    rest: fc.constantFrom(
      {},
      { labels: [] },
      { labels: ['z'] },
      { annotations: { readOnlyHint: true } },
      { time: 1e12 },
      { findings: () => [] },
      { findings: () => [{ rule: 'r', class: 'secret', pointer: '/x', confidence: 1 }] },
    ),
  })
  .map(({ tool, args, id, roles, rest }): Call =>
    callOf({
      tool,
      args,
      principal: { id, roles, chain: [], assurance: 'same-user' },
      session: 'q',
      links: LINKS,
      ...rest,
    }),
  );
const calls = fc.array(call, { minLength: CALLS, maxLength: CALLS, size: 'max' });
const rules = fc.array(rule, { minLength: 1, maxLength: 4 });

/** Undefined where what was put together is no policy. */
function compiled<T>(compile: () => T): T | undefined {
  try {
    return compile();
  } catch {
    return undefined;
  }
}
const compiledOf = (of: string) => compiled(() => compilePolicy([{ file: 'p.yaml', text: of }], OPTIONS));

describe('a search through random policies', () => {
  it('says no only where no call of many has the effect', () => {
    const effect = fc.constantFrom('allow', 'allow', 'deny', 'ask');
    fc.assert(
      fc.property(head, rules, fc.oneof(atom, when), effect, calls, (of, list, asked, wanted, tried) => {
        const policy = compiledOf(textOf(of, list));
        const goal = compiled(() => compileGoal(asked, OPTIONS));
        if (policy === undefined || goal === undefined) return;
        if (can(policy, goal, options, wanted).answer !== 'no') return;
        for (const one of tried) {
          const fits = goal.condition?.(one) === true;
          goal.forget();
          if (fits) expect(policy.decide(one).effect).not.toBe(wanted);
        }
      }),
      { numRuns: RUNS },
    );
  }, 600_000);

  it('says that nothing else changes only where no call of many is decided in another way', () => {
    fc.assert(
      fc.property(head, rules, rules, calls, (of, list, more, tried) => {
        const before = compiledOf(textOf(of, list));
        const after = compiledOf(textOf(of, [...list.slice(1), ...more.slice(0, 1)]));
        if (before === undefined || after === undefined) return;
        const found = differences(before, after, options);
        if (!found.isComplete) return;
        const seen = found.witnesses.map(({ outcomes }) => outcomes.map(({ effect }) => effect).join());
        for (const one of tried) {
          const effects = [before.decide(one).effect, after.decide(one).effect];
          if (effects[0] !== effects[1]) expect(seen).toContain(effects.join());
        }
      }),
      { numRuns: RUNS },
    );
  }, 600_000);
});
