import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OPTIONS, callOf, policyOf } from '../testing.ts';
import type { AnalysisOptions } from './analysis.ts';
import { can, compileGoal } from './can.ts';
import { differences } from './differences.ts';

const options: AnalysisOptions = { compile: OPTIONS, now: () => performance.now(), withinMs: 5_000 };
const set = (rules: string, head = 'version: 1') => policyOf(rules, head);
const ask = (rules: string, goal: string, head?: string) => can(set(rules, head), compileGoal(goal, OPTIONS), options);

describe('can a call that fits a goal be allowed?', () => {
  it.each<[string, string, string, 'yes' | 'no' | 'unknown']>([
    ['what no rule names', ' - { id: a, match: { tool: read }, effect: allow }', 'tool == "write"', 'no'],
    ['what a rule names', ' - { id: a, match: { tool: read }, effect: allow }', 'tool == "read"', 'yes'],
    ['what a glob covers', ' - { id: a, match: { tool: "read_*" }, effect: allow }', 'tool == "read_file"', 'yes'],
    [
      'below a bound',
      ' - { id: a, match: { tool: pay }, args: { n: { lt: 500 } }, effect: allow }',
      'args.n >= 500',
      'no',
    ],
    [
      'between two bounds',
      ' - { id: a, match: { tool: pay }, args: { n: { gt: 1 } }, effect: allow }',
      'args.n < 2',
      'yes',
    ],
    [
      'a double space',
      ` - { id: d, match: { tool: run }, args: { command: { contains: "rm -rf" } }, effect: deny }
 - { id: a, match: { tool: run }, effect: allow }`,
      'args.command.matches("rm\\\\s+-rf")',
      'yes',
    ],
    [
      'no double space where the pattern knows it',
      ` - { id: d, match: { tool: run }, args: { command: { regex: 'rm\\s+-rf' } }, effect: deny }
 - { id: a, match: { tool: run }, effect: allow }`,
      'args.command.matches("rm\\\\s+-rf")',
      'no',
    ],
    [
      'a resource',
      ' - { id: a, match: { resource: "file:///a/*" }, effect: allow }',
      'resource == "file:///b/x"',
      'no',
    ],
    [
      'a resource in another spelling, of which nothing is proven',
      ' - { id: a, match: { resource: "file:///a/%2e%2e/*" }, effect: allow }',
      'resource == "file:///b/x"',
      'unknown',
    ],
    [
      'a resource with a way up',
      ' - { id: a, match: { resource: "file:///a/../*" }, effect: allow }',
      'resource == "file:///b/x"',
      'unknown',
    ],
    [
      'a resource that the goal spells in another way',
      ' - { id: a, match: { resource: "file:///a/*" }, effect: allow }',
      'resource.contains("%") && resource.startsWith("file:///b")',
      'unknown',
    ],
    [
      'a way up',
      ' - { id: a, match: { tool: read }, args: { path: { startsWith: /safe/ } }, effect: allow }',
      'args.path.contains("/../")',
      'yes',
    ],
    [
      'a way up out of what a path begins with',
      ' - { id: a, match: { tool: read }, args: { path: { under: [/safe] } }, effect: allow }',
      'args.path.startsWith("/etc")',
      'yes',
    ],
    [
      'an array, where a rule looks at texts alone',
      ` - { id: d, match: { tool: run }, when: 'has(args.command) && args.command == "rm"', effect: deny }
 - { id: a, match: { tool: run }, effect: allow }`,
      'has(args.command)',
      'yes',
    ],
    ['a role nobody named', ' - { id: a, match: { tool: t, roles: [admin] }, effect: allow }', 'tool == "t"', 'yes'],
    [
      'a path below another root',
      ' - { id: a, match: { tool: read }, args: { path: { under: [/safe] } }, effect: allow }',
      'under(args.path, "/etc")',
      'no',
    ],
    [
      'a path below a directory that is refused with its parent',
      ` - { id: d, match: { tool: "*" }, when: 'has(args.path) && under(args.path, ["/a", "/b"])', effect: deny }
 - { id: a, match: { tool: "*" }, effect: allow }`,
      'under(args.path, "/a/b")',
      'no',
    ],
    [
      'a path below a directory of which a part is refused',
      ` - { id: d, match: { tool: "*" }, when: 'has(args.path) && under(args.path, ["/a/b"])', effect: deny }
 - { id: a, match: { tool: "*" }, effect: allow }`,
      'under(args.path, "/a")',
      'yes',
    ],
    ['a name of some length', ' - { id: a, match: { tool: "*" }, effect: allow }', 'size(tool) > 3', 'unknown'],
    [
      'a request, which calls are not',
      ' - { id: a, match: { tool: "*" }, effect: allow }',
      'http.method == "GET"',
      'unknown',
    ],
    [
      'a name that many rules know parts of',
      ` - { id: d, match: { tool: ["*a*", "*b*", "*c*", "*d*"] }, when: '"x" in labels', effect: deny }
 - { id: e, match: { tool: ["*e*", "*f*", "*g*"] }, args: { y: { exists: true } }, effect: ask }
 - { id: f, match: { tool: "*delete*" }, effect: deny }
 - { id: a, match: { tool: "*" }, effect: allow }`,
      'tool.contains("delete")',
      'no',
    ],
    ['a prompt', ' - { id: a, match: { prompt: p }, effect: allow }', 'prompt == "p"', 'yes'],
  ])('%s', (_what, rules, goal, answer) => {
    const found = ask(rules, goal);
    expect(found.answer).toBe(answer);
  });

  it('answers with a call that the engine allows', () => {
    const found = ask(
      ` - { id: d, match: { tool: run }, args: { command: { contains: "rm -rf" } }, effect: deny }
 - { id: a, match: { tool: run }, args: { user: { in: [ann, bob] } }, effect: allow }`,
      'args.command.matches(r"rm\\s+-rf")',
    );
    expect(found).toMatchObject({ answer: 'yes', witness: { outcomes: [{ effect: 'allow', rule: 'a' }] } });
    const { args } = found.answer === 'yes' ? found.witness : { args: undefined };
    expect(args).toMatchObject({ user: 'ann' });
    expect((args as { command: string }).command).toMatch(/rm\s+-rf/);
  });

  it('never says no where a call is allowed', () => {
    const text = fc.constantFrom('a', 'ab', 'b', 'ba', 'rm', '');
    const matcher = fc.oneof(
      text.map((by) => `{ startsWith: "${by}x" }`),
      text.map((by) => `{ contains: "${by}a" }`),
      text.map((by) => `{ not: { endsWith: "${by}b" } }`),
      text.map((by) => `{ in: ["${by}", "a"] }`),
      fc.constantFrom(
        '{ regex: "^[ab]+$" }',
        '{ glob: "a*b" }',
        '{ exists: true }',
        '{ gt: 1 }',
        '{ le: 3 }',
        '2',
        'true',
      ),
    );
    const rule = fc.record({
      tool: fc.constantFrom('t', 'u', '"*"'),
      fields: fc.dictionary(fc.constantFrom('x', 'y'), matcher, { minKeys: 1, maxKeys: 2 }),
      effect: fc.constantFrom('allow', 'deny', 'ask'),
    });
    const value = fc.oneof(
      text,
      fc.constantFrom('abb', 'xa', 'ax', 1, 2, 3, 4, true, null, 'ab b'),
      fc.array(text, { maxLength: 2 }),
    );
    const args = fc.dictionary(fc.constantFrom('x', 'y'), value);
    const goals = [
      'args.x.contains("a")',
      'args.x == "ab" || args.y > 2',
      'has(args.y)',
      'tool == "t"',
      '!args.x.startsWith("b")',
    ];
    fc.assert(
      fc.property(
        fc.array(rule, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(...goals),
        fc.array(args),
        (docs, goal, calls) => {
          const rules = docs
            .map(({ tool, fields, effect }, index) => {
              const entries = Object.entries(fields).map(([key, matcherText]) => `${key}: ${matcherText}`);
              return ` - { id: r${index}, match: { tool: ${tool} }, args: { ${entries.join(', ')} }, effect: ${effect} }`;
            })
            .join('\n');
          let policy;
          try {
            policy = set(rules);
          } catch {
            return;
          }
          const rule_ = compileGoal(goal, OPTIONS);
          const found = can(policy, rule_, options);
          if (found.answer === 'yes') {
            expect(policy.decide(found.witness.call).effect).toBe('allow');
            return;
          }
          expect(found.answer).toBe('no');
          for (const one of calls)
            for (const tool of ['t', 'u']) {
              const call = callOf({ tool, args: one });
              const fits = rule_.condition?.(call) === true;
              rule_.forget();
              if (fits) expect(policy.decide(call).effect).not.toBe('allow');
            }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('what is many', () => {
  const one = `args: { x: { in: [a] } }`;

  it('is asked for every element by an allow rule, and for one by others of the same words', () => {
    const rules = ` - { id: a, match: { tool: t }, ${one}, effect: allow }
 - { id: q, match: { tool: t }, ${one}, effect: ask }`;
    const found = can(set(rules), compileGoal('args.x.exists(e, e == "a")', OPTIONS), options, 'ask');
    expect(found.answer).toBe('yes');
    const args = found.answer === 'yes' ? (found.witness.args as { x: string[] }) : { x: [] };
    expect(args.x.length).toBeGreaterThan(1);
    expect(args.x).toContain('a');
  });

  it('is a difference where one element and every element differ', () => {
    const before = set(` - { id: a, match: { tool: t }, ${one}, effect: allow }`, 'version: 1\ndefault: allow');
    const after = set(` - { id: d, match: { tool: t }, ${one}, effect: deny }`, 'version: 1\ndefault: allow');
    expect(differences(before, after, options).witnesses.length).toBeGreaterThan(0);
  });

  it('holds as long as it takes', () => {
    const words = ['a', 'b', 'c'].map((word) => `{ any: { equals: ${word} } }`).join(', ');
    const rules = ` - { id: a, match: { tool: t }, args: { x: { allOf: [${words}] } }, effect: allow }`;
    expect(ask(rules, 'tool == "t"').answer).not.toBe('no');
  });
});

it('finds each kind of difference, also behind others of the same calls', () => {
  const deny = ' - { id: r0, match: { tool: t }, args: { y: { exists: false } }, effect: deny }\n';
  const note = ` - { id: r1, match: { tool: t, annotations: { readOnlyHint: true } }, args: { y: { startsWith: b } },
     obligations: [{ log: { message: m } }], onError: ask }`;
  const nothing = ' - { id: z, match: { tool: zz }, effect: allow }';
  const head = 'version: 1\ndefault: allow';
  const found = differences(set(nothing, head), set(deny + note, head), options);
  expect(found.witnesses.map(({ outcomes }) => outcomes[1]?.effect)).toContain('deny');
});

it.each(['method == "sampling/createMessage"', 'direction == "result"', 'method != "tools/call"'])(
  'proves nothing of messages it does not look at: %s',
  (goal) => {
    const rules = ' - { id: a, match: { method: sampling/createMessage, direction: request }, effect: allow }';
    expect(ask(rules, goal)).toMatchObject({ answer: 'unknown' });
  },
);

it('says which condition of which rule it could not work out', () => {
  const rules = ` - { id: d, match: { tool: t }, args: { c: { shell: { destructive: true } } }, effect: deny }
 - { id: a, match: { tool: t }, args: { c: { equals: x } }, effect: allow }`;
  const found = ask(rules, 'args.c == args.d && size(args.c) > 9');
  expect(found).toMatchObject({ answer: 'unknown' });
  expect(found.answer === 'unknown' ? found.why.join() : '').toMatch(/the goal|rule d/);
});

it('reads a written-out dollar as the policy does', () => {
  const rules = ` - { id: a, match: { tool: t }, args: { x: '$\${PROJECT}' }, effect: allow }`;
  expect(ask(rules, 'tool == "t"').answer).toBe('yes');
});

it('stops when its time is over, and then cannot tell', () => {
  const rules = Array.from(
    { length: 40 },
    (_, i) =>
      ` - { id: r${i}, match: { tool: t }, args: { x: { regex: "(a|b${i})*c[a-z]{2,20}${i}" }, y: { contains: "${i}" } }, effect: deny }`,
  ).join('\n');
  const policy = set(`${rules}\n - { id: a, match: { tool: t }, effect: allow }`);
  let asked = 0;
  const clock = { compile: OPTIONS, now: () => asked++, withinMs: 20 };
  expect(can(policy, compileGoal('args.x == "xyz"', OPTIONS), clock)).toEqual({
    answer: 'unknown',
    why: ['out of time'],
  });
  expect(asked).toBeLessThan(25);
});

describe('what changes between two policies', () => {
  it('has an example for each pair of rules', () => {
    const before = set(' - { id: a, match: { tool: pay }, args: { n: { lt: 100 } }, effect: allow }');
    const after = set(' - { id: b, match: { tool: pay }, args: { n: { lt: 50 } }, effect: allow }');
    const found = differences(before, after, options);
    expect(found.witnesses.map(({ args, outcomes }) => [args, outcomes.map(({ effect }) => effect)])).toEqual([
      [{ n: 50 }, ['allow', 'deny']],
    ]);
    expect(found.isComplete).toBe(true);
  });

  it('is never certain of resources, which can be spelled in several ways', () => {
    const rule = (path: string): string => ` - { id: d, match: { resource: "file:///${path}/*" }, effect: deny }`;
    expect(
      differences(set(rule('a'), 'version: 1\ndefault: allow'), set(rule('a/b'), 'version: 1\ndefault: allow'), options)
        .isComplete,
    ).toBe(false);
  });

  it('is nothing between a policy and itself, certainly', () => {
    const rules = ' - { id: a, match: { tool: "x*" }, args: { n: { regex: "a+b" } }, effect: allow }';
    expect(differences(set(rules), set(rules), options)).toMatchObject({ witnesses: [], isComplete: true });
  });

  it('is not overlooked where the search was complete', () => {
    const rule = fc.record({
      tool: fc.constantFrom('t', 'u'),
      matcher: fc.constantFrom('{ gt: 1 }', '{ lt: 3 }', '{ in: [a, b] }', '{ startsWith: a }', '{ exists: true }'),
      effect: fc.constantFrom('allow', 'deny', 'ask'),
    });
    const policy = fc
      .array(rule, { minLength: 1, maxLength: 3 })
      .map((docs) =>
        docs
          .map(
            ({ tool, matcher, effect }, index) =>
              ` - { id: r${index}, match: { tool: ${tool} }, args: { x: ${matcher} }, effect: ${effect} }`,
          )
          .join('\n'),
      );
    const value = fc.constantFrom('a', 'ab', 'c', 0, 1, 2, 3, 4, true, null, undefined);
    fc.assert(
      fc.property(policy, policy, fc.array(value), (one, two, values) => {
        let before;
        let after;
        try {
          before = set(one);
          after = set(two);
        } catch {
          return;
        }
        const found = differences(before, after, options);
        const seen = new Set(found.witnesses.map(({ outcomes }) => outcomes.map(({ effect }) => effect).join()));
        for (const x of values)
          for (const tool of ['t', 'u', 'v']) {
            const call = callOf({ tool, args: x === undefined ? {} : { x } });
            const effects = [before.decide(call).effect, after.decide(call).effect];
            if (effects[0] !== effects[1] && found.isComplete) expect(seen).toContain(effects.join());
          }
      }),
      { numRuns: 200 },
    );
  });
});
