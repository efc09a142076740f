import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Json } from '../model/json.ts';
import { ceiling, combine, tightenOnly } from './layers.ts';
import type { CompiledPolicy } from './compile.ts';
import { callOf, type CallParts, issuesOf, policyOf } from './testing.ts';
import type { Static } from './visible.ts';

const known = (parts: CallParts): Static => {
  const { direction, server, method, tool, prompt, uri, principal, annotations } = callOf(parts);
  return {
    direction,
    server,
    method,
    principal,
    ...(tool === undefined ? {} : { tool }),
    ...(prompt === undefined ? {} : { prompt }),
    ...(uri === undefined ? {} : { uri }),
    ...(annotations === undefined ? {} : { annotations }),
  };
};

describe('a tool in a list', () => {
  const shown = (rules: string, head = 'version: 1', parts: CallParts = {}): boolean =>
    policyOf(rules, head).visible(known(parts));

  test.each<[string, string, boolean]>([
    ['that no rule names, where the default denies', ' []', false],
    ['that a rule always denies', ' - {id: a, match: {tool: run}, effect: deny}', false],
    ['that a rule allows', ' - {id: a, match: {tool: run}, effect: allow}', true],
    ['that a rule asks for', ' - {id: a, match: {tool: run}, effect: ask}', true],
    ['that a rule puts off', ' - {id: a, match: {tool: run}, effect: defer}', true],
    ['that its arguments decide on', ' - {id: a, match: {tool: run}, args: {x: 1}, effect: allow}', true],
    [
      'that the hour decides on',
      ' - {id: a, match: {tool: run}, schedule: {days: [mon], timeZone: UTC}, effect: allow}',
      true,
    ],
    ['that labels decide on', ` - {id: a, match: {tool: run}, when: '"x" in labels', effect: allow}`, true],
    [
      'that the session decides on',
      ` - {id: a, match: {tool: run}, when: 'count("*", "1h") < 3', effect: allow}`,
      true,
    ],
    ['that another role could use', ' - {id: a, match: {tool: run, roles: admin}, effect: allow}', false],
    [
      'that another role could use with the right arguments',
      ` - {id: a, match: {tool: run}, when: '"admin" in principal.roles && args.x == 1', effect: allow}`,
      false,
    ],
    [
      'that is allowed for what it claims, unheard',
      ' - {id: a, match: {annotations: {readOnlyHint: true}}, effect: allow}',
      false,
    ],
    [
      'that is denied for what it claims, unheard',
      ' - {id: a, match: {annotations: {readOnlyHint: false}}, effect: deny}\n - {id: b, match: {tool: run}, effect: allow}',
      false,
    ],
    [
      'that is allowed with a limit',
      ' - {id: a, match: {tool: run}, effect: allow, obligations: [{rate: {max: 1, per: 1d}}]}',
      true,
    ],
    [
      'whose obligation can never be told to be due',
      ' - {id: a, match: {tool: run}, effect: allow}\n - {id: b, match: {tool: run}, when: "annotations.readOnlyHint", obligations: [{rate: {max: 1, per: 1d}}]}',
      false,
    ],
  ])('%s', (_name, rules, isShown) => {
    expect(shown(rules)).toBe(isShown);
  });

  test('counts what a trusted server claims about it', () => {
    const rules = ' - {id: a, match: {annotations: {readOnlyHint: true}}, effect: allow}';
    expect(shown(rules, undefined, { annotations: { readOnlyHint: true } })).toBe(true);
    expect(shown(rules, undefined, { annotations: {} })).toBe(false);
  });

  test('is hidden by any layer that always denies it, and shown where a layer abstains', () => {
    const open = policyOf(' - {id: a, match: {tool: run}, effect: allow}');
    const block = policyOf(' - {id: b, match: {tool: run}, effect: deny}');
    const other = policyOf(' - {id: c, match: {tool: other}, effect: deny}');
    expect(combine([ceiling(block), open]).visible(known({}))).toBe(false);
    expect(combine([ceiling(other), open, tightenOnly(other)]).visible(known({}))).toBe(true);
    expect(combine([open, tightenOnly(block)]).visible(known({}))).toBe(false);
    expect(combine([tightenOnly(other)]).visible(known({}))).toBe(false);
    expect(combine([open], undefined, [block]).visible(known({}))).toBe(true);
  });
});

describe('a resource template in a list', () => {
  const shown = (rules: string, prefix: string, head = 'version: 1\ndefault: allow'): boolean =>
    policyOf(rules, head).visibleUnder(known({ method: 'resources/read' }), prefix);

  test('is judged by itself, whatever was judged before it by the same policy', () => {
    const policy = policyOf(
      ` - {id: a, match: {resource: "file:///etc/*"}, effect: deny}
 - {id: b, match: {method: resources/subscribe}, effect: deny}
 - {id: c, match: {resource: "file:///var/*"}, when: principal.id == "os:ann", effect: allow}
 - {id: d, match: {resource: "file:///var/*"}, effect: deny}`,
      'version: 1\ndefault: allow',
    );
    const of = (method: string, id: string): Static => ({
      ...known({ method }),
      principal: { id, roles: [], chain: [], assurance: 'same-user' },
    });
    for (const [method, id, prefix, isShown] of [
      ['resources/read', 'os:ann', 'file:///etc/', false],
      ['resources/read', 'os:ann', 'file:///home/', true],
      ['resources/subscribe', 'os:ann', 'file:///home/', false],
      ['resources/read', 'os:ann', 'file:///home/x', true],
      ['resources/read', 'os:ann', 'file:///var/', true],
      ['resources/read', 'os:bob', 'file:///var/', false],
      ['resources/read', 'os:ann', 'file:///var/', true],
      ['resources/read', 'os:ann', 'file:///etc/x', false],
    ] as const)
      expect(policy.visibleUnder(of(method, id), prefix), `${method} ${id} ${prefix}`).toBe(isShown);
  });

  test('costs little, however many a server lists: 20,000 beside 300 rules', { timeout: 60_000 }, () => {
    const rules = Array.from(
      { length: 300 },
      (_, at) => ` - {id: r${at}, match: {resource: "file:///p${at}/*"}, effect: allow}`,
    );
    const policy = policyOf(rules.join('\n'));
    const asked = known({ method: 'resources/read' });
    const before = performance.now();
    for (let at = 0; at < 20_000; at++) expect(policy.visibleUnder(asked, `file:///q/${at}/`)).toBe(true);
    expect(performance.now() - before).toBeLessThan(4_000);
  });

  test.each<[string, string, string, boolean]>([
    ['all of which is denied', 'file:///etc/*', 'file:///etc/ssl/', false],
    ['some of which is denied', 'file:///etc/ssl/*', 'file:///etc/', true],
    ['one of which is denied', 'file:///etc/passwd', 'file:///etc/', true],
    ['of another kind', 'http://*', 'file:///', true],
    ['with nothing before its first variable', 'file:///etc/*', '', true],
    ['of any kind', '*', 'file:///', false],
  ])('%s', (_name, resource, prefix, isShown) => {
    expect(shown(` - {id: a, match: {resource: "${resource}"}, effect: deny}`, prefix)).toBe(isShown);
  });

  test('some of which may be allowed', () => {
    const rule = (resource: string): string => ` - {id: a, match: {resource: "${resource}"}, effect: allow}`;
    expect(shown(rule('file:///a/*'), 'file:///', 'version: 1')).toBe(true);
    expect(shown(' []', 'file:///', 'version: 1')).toBe(false);
    expect(
      shown(
        ` - {id: a, match: {method: resources/read}, when: 'resource.startsWith("f")', effect: allow}`,
        'x',
        'version: 1',
      ),
    ).toBe(true);
  });
});

test('a template that is hidden makes no resource that may be read', () => {
  const pattern = fc.constantFrom('*', 'f:*', 'f:/a/*', 'f:/a/b*', 'f:/a', 'f:/a/b', '*b', 'f:/?/b', 'f:/b/*');
  const rule = fc.record({ pattern, effect: fc.constantFrom('allow', 'deny', 'ask'), open: fc.boolean() });
  const rest = fc.constantFrom('', 'a', '/b', 'a/b', '../b', '%2e%2e/b', 'b', '/../a/b', 'b%2Fc');
  let hiddenCount = 0;
  fc.assert(
    fc.property(
      fc.array(rule, { maxLength: 5 }),
      fc.constantFrom('first', 'deny-overrides'),
      fc.constantFrom('deny', 'allow'),
      fc.constantFrom('', 'f:', 'f:/', 'f:/a', 'f:/a/', 'f:/a/b', 'f:/b/'),
      fc.array(rest, { minLength: 9, maxLength: 9 }),
      (list, mode, byDefault, prefix, many) => {
        const rules = list.map(
          (item, index) =>
            ` - {id: r${index}, match: {resource: "${item.pattern}"}${item.open ? `, when: 'resource.endsWith("b")'` : ''}, effect: ${item.effect}}`,
        );
        const head = `version: 1\ncombine: ${mode}\ndefault: ${byDefault}`;
        if (issuesOf(`${head}\nrules:\n${rules.join('\n') || ' []'}`).length > 0) return;
        const policy = policyOf(rules.join('\n') || ' []', head);
        if (policy.visibleUnder(known({ method: 'resources/read' }), prefix)) return;
        hiddenCount++;
        for (const end of many) {
          const call = callOf({ method: 'resources/read', uri: `${prefix}${end}` });
          expect(policy.decide(call).effect).toBe('deny');
        }
      },
    ),
    { numRuns: process.env['CALLGATE_LONG'] === undefined ? 600 : 20_000 },
  );
  expect(hiddenCount).toBeGreaterThan(20);
}, 120_000);

describe('lists and calls by the same rules', () => {
  const rule = fc.record({
    tool: fc.constantFrom('a', 'b', '*', 'a*'),
    role: fc.constantFrom(undefined, 'admin'),
    hint: fc.constantFrom(undefined, undefined, true, false),
    when: fc.constantFrom(
      undefined,
      'args.f == 1',
      '!(args.f == 1)',
      'has(args.f)',
      '"admin" in principal.roles || args.f > 3',
      'args.f > 3 && "admin" in principal.roles',
      'annotations.readOnlyHint ? args.f == 1 : true',
      '"x" in labels',
      'hour("UTC") < 12',
      'count("a", "1h") > 1',
      'anyString(args).exists(s, s == "y")',
      'threat.score > 0.5',
    ),
    effect: fc.constantFrom('allow', 'deny', 'ask', 'defer', undefined),
  });
  const value: fc.Arbitrary<Json | undefined> = fc.constantFrom(undefined, 1, 7, 'y', null);
  const facts = fc.record({
    f: value,
    time: fc.constantFrom(undefined, 0, 50_000_000),
    labels: fc.constantFrom(undefined, [], ['x']),
    count: fc.constantFrom(undefined, 0, 5),
    score: fc.constantFrom(undefined, 0, 1),
  });
  const who = fc.record({
    tool: fc.constantFrom('a', 'b', 'ab'),
    roles: fc.constantFrom([], ['admin']),
    annotations: fc.constantFrom(undefined, {}, { readOnlyHint: true }),
  });

  test('what is hidden is denied however it is called, and what is allowed was shown', () => {
    let hiddenCount = 0;
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 6 }),
        fc.constantFrom('first', 'deny-overrides'),
        fc.constantFrom('deny', 'allow'),
        who,
        fc.array(facts, { minLength: 5, maxLength: 15 }),
        (list, mode, byDefault, { tool, roles, annotations }, many) => {
          const policy = compiled(list, mode, byDefault);
          if (policy === undefined) return;
          const fixed: CallParts = { tool, roles, ...(annotations === undefined ? {} : { annotations }) };
          const isShown = policy.visible(known(fixed));
          if (!isShown) hiddenCount++;
          for (const { f, time, labels, count, score } of many) {
            const call = callOf({
              ...fixed,
              args: f === undefined ? {} : { f },
              ...(time === undefined ? {} : { time }),
              ...(labels === undefined ? {} : { labels }),
              history: () => count,
              findings: () =>
                score === undefined ? [] : [{ rule: 'r', class: 'secret', pointer: '', confidence: score }],
            });
            const { effect } = policy.decide(call);
            if (!isShown) expect(effect).toBe('deny');
            if (effect !== 'deny') expect(isShown).toBe(true);
          }
        },
      ),
      { numRuns: process.env['CALLGATE_LONG'] === undefined ? 500 : 10_000 },
    );
    expect(hiddenCount).toBeGreaterThan(20);
  }, 120_000);

  function compiled(
    list: readonly {
      tool: string;
      role: string | undefined;
      hint: boolean | undefined;
      when: string | undefined;
      effect: string | undefined;
    }[],
    mode: string,
    byDefault: string,
  ): CompiledPolicy | undefined {
    const text = list
      .map(({ tool, role, hint, when, effect }, index) => {
        const match = [
          `tool: "${tool}"`,
          ...(role === undefined ? [] : [`roles: ${role}`]),
          ...(hint === undefined ? [] : [`annotations: {readOnlyHint: ${hint}}`]),
        ];
        const act = effect === undefined ? 'obligations: [{rate: {max: 1, per: 1s}}]' : `effect: ${effect}`;
        return ` - {id: r${index}, match: {${match.join(', ')}}${when === undefined ? '' : `, when: '${when}'`}, ${act}}`;
      })
      .join('\n');
    const head = `version: 1\ncombine: ${mode}\ndefault: ${byDefault}`;
    const issues = issuesOf(`${head}\nrules:\n${text || ' []'}`);
    expect(issues.filter(({ code }) => code !== 'CG_POLICY_UNREACHABLE')).toEqual([]);
    return issues.length > 0 ? undefined : policyOf(text || ' []', head);
  }
});
