import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compilePolicy } from '../compile.ts';
import { lint, type LintFinding } from './lint.ts';
import { callOf, OPTIONS } from '../testing.ts';

function lintOf(rules: string, head = 'version: 1'): readonly LintFinding[] {
  const sources = [{ file: 'policy.yaml', text: `${head}\nrules:\n${rules}` }];
  return lint(compilePolicy(sources, OPTIONS), sources);
}

const codes = (rules: string, head?: string): string[] =>
  lintOf(rules, head).map(({ code, rule }) => `${code} ${rule}`);

const rule = (id: string, effect: string, match: string, more = ''): string =>
  `  - { id: ${id}, match: { ${match} }${more === '' ? '' : `, ${more}`}, effect: ${effect} }\n`;

describe('a rule that never decides', () => {
  test.each([
    [
      'its values are among those of the other',
      'deny',
      'args: {e: {in: [a, b, c]}}',
      'deny',
      'args: {e: {in: [a, b]}}',
    ],
    ['equals in a list', 'deny', 'args: {e: {in: [a, b]}}', 'ask', 'args: {e: a}'],
    ['a longer prefix', 'allow', 'args: {p: {startsWith: "/a/"}}', 'allow', 'args: {p: {startsWith: "/a/b/"}}'],
    ['a narrower glob', 'allow', 'args: {p: {glob: "a*"}}', 'allow', 'args: {p: {glob: "ab*c"}}'],
    ['a narrower interval', 'deny', 'args: {n: {gt: 5}}', 'deny', 'args: {n: {ge: 6}}'],
    ['an open bound at the same place', 'deny', 'args: {n: {ge: 5}}', 'deny', 'args: {n: {gt: 5}}'],
    ['a root below the other', 'deny', 'args: {p: {under: /a}}', 'deny', 'args: {p: {under: [/a/b, /a]}}'],
    ['a longer text to contain', 'deny', 'args: {p: {contains: b}}', 'deny', 'args: {p: {contains: abc}}'],
    ['more conditions', 'deny', 'args: {p: x}', 'deny', 'args: {p: x, q: y}'],
    ['the same condition', 'allow', 'when: "size(args.p) < 5"', 'allow', 'when: "size( args.p )<5 && args.q"'],
    ['a comparison in when', 'allow', 'when: "args.n < 10"', 'allow', 'when: "args.n <= 9 && args.n > 2"'],
    ['a value in when', 'allow', 'args: {n: {lt: 10}}', 'allow', 'when: "args.n < 5"'],
    [
      'a text that the pattern of prefixes has',
      'allow',
      'args: {p: {startsWith: a}}',
      'allow',
      'args: {p: {in: [ab, ac]}}',
    ],
  ])('is found: %s', (_name, effectA, a, effectB, b) => {
    const found = lintOf(rule('first', effectA, 'tool: x', a) + rule('second', effectB, 'tool: x', b));
    expect(found.filter(({ code }) => code === 'LINT-01')).toMatchObject([
      { rule: 'second', severity: 'error', place: { file: 'policy.yaml', line: 4 } },
    ]);
  });

  test.each([
    ['an allow leaves to a deny what it cannot tell', 'allow', 'args: {p: x}', 'deny', 'args: {p: x}'],
    ['a wider interval', 'deny', 'args: {n: {gt: 5}}', 'deny', 'args: {n: {ge: 5}}'],
    ['another field', 'deny', 'args: {p: x}', 'deny', 'args: {q: x}'],
    ['a deny by a field that may be missing', 'deny', 'args: {p: {exists: true}}', 'deny', 'args: {p: x}'],
    [
      'a deny of all, against an allow of some texts',
      'deny',
      'args: {"*": {contains: a}}',
      'allow',
      'args: {"*": {contains: ab}}',
    ],
    ['an array that when cannot tell', 'allow', 'when: "args.n < 10"', 'allow', 'args: {n: {lt: 5}}'],
    ['a set with other types', 'deny', 'args: {p: {in: [x, 1]}}', 'deny', 'args: {p: {in: [x]}}'],
    ['a root beside the other', 'deny', 'args: {p: {under: /a}}', 'deny', 'args: {p: {under: /ab}}'],
    ['a variable', 'allow', 'args: {p: {startsWith: "${PROJECT}"}}', 'allow', 'args: {p: {startsWith: "/project/a"}}'],
  ])('is not claimed: %s', (_name, effectA, a, effectB, b) => {
    const found = codes(rule('first', effectA, 'tool: x', a) + rule('second', effectB, 'tool: x', b));
    expect(found.filter((code) => code.startsWith('LINT-01'))).toEqual([]);
  });

  test('is found when several rules together decide on each of its tools', () => {
    const list =
      rule('a', 'deny', 'tool: a') + rule('b', 'deny', 'tool: "b*"') + rule('both', 'allow', 'tool: [a, bc]');
    expect(codes(list)).toEqual(['LINT-01 both']);
  });

  test('needs the roles and annotations of the other', () => {
    expect(codes(rule('a', 'deny', 'tool: a, roles: [x, y]') + rule('b', 'deny', 'tool: a, roles: x'))).toEqual([
      'LINT-01 b',
    ]);
    expect(codes(rule('a', 'deny', 'tool: a, roles: x') + rule('b', 'deny', 'tool: a'))).toEqual([]);
    expect(
      codes(rule('a', 'deny', 'tool: a, annotations: {readOnlyHint: true}') + rule('b', 'deny', 'tool: a')),
    ).toEqual([]);
  });

  test('never decides on any call, whatever the call', () => {
    const operator = fc.constantFrom(
      'a',
      '{in: [a, ab]}',
      '{in: [a, 1]}',
      '{notIn: [a, b]}',
      '{notEquals: a}',
      '{not: {in: [b, 1]}}',
      '{startsWith: a}',
      '{startsWith: ab}',
      '{endsWith: b}',
      '{contains: a}',
      '{glob: "a*"}',
      '{glob: "*b"}',
      '{regex: a}',
      '{gt: 1}',
      '{ge: 1}',
      '{lt: 3}',
      '{le: 1}',
      '{not: {gt: 1}}',
      '{exists: true}',
      '{exists: false}',
      '{under: /a}',
      '{under: [/a/b, /a/c]}',
      '{allOf: [{gt: 0}, {lt: 2}]}',
      '{notEquals: null}',
      'null',
      '{any: {startsWith: a}}',
      '{all: {startsWith: a}}',
      '{all: a}',
      '{not: {any: a}}',
      '{not: {startsWith: a}}',
      '{anyOf: [{equals: a}, {in: [ab, b]}]}',
      '{anyOf: [{equals: a}, {gt: 1}]}',
      '{allOf: [{startsWith: a}, {exists: true}]}',
    );
    const when = fc.constantFrom(
      'args.f == "a"',
      'args.f != "a"',
      'args.f < 2',
      'args.f <= 1 && args.f > 0',
      '!(args.f < 2)',
      'has(args.f)',
      '!has(args.f)',
      'args.f in ["a", "ab"]',
      'args.f.startsWith("a")',
      'args.f != null',
      'args.f == null',
      'tool == "x"',
    );
    const condition = fc.oneof(
      operator.map((text) => `args: {f: ${text}}`),
      operator.map((text) => `args: {"*": ${text}}`),
      when.map((text) => `when: '${text}'`),
      fc
        .constantFrom(
          '{field: args.f, op: eq, value: a}',
          '{field: args.f, op: lt, value: 2}',
          '{field: args.f, op: exists}',
          '{all: [{field: args.f, op: startswith, value: a}, {field: args.f, op: ne, value: ab}]}',
          '{not: {field: args.f, op: in, value: [a, b]}}',
          '{field: tool, op: eq, value: x}',
        )
        .map((text) => `when: ${text}`),
      fc.tuple(operator, when).map(([a, w]) => `args: {f: ${a}}, when: '${w}'`),
    );
    const value = fc.constantFrom<unknown>('a', 'ab', 'b', 'abb', '/a/b', '/a/c/d', '/a', 0, 1, 2, 5, true, null);
    const args = fc.oneof(
      fc.constant({}),
      value.map((f) => ({ f })),
      fc.array(value, { maxLength: 3 }).map((f) => ({ f })),
    );
    const effect = fc.constantFrom('allow', 'deny', 'ask');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(effect, condition), { minLength: 2, maxLength: 4 }),
        fc.array(args, { minLength: 8, maxLength: 16 }),
        (list, many) => {
          const text = list.map(([kind, more], index) => rule(`r${index}`, kind, 'tool: [x, y]', more)).join('');
          const sources = [{ file: 'policy.yaml', text: `version: 1\nrules:\n${text}` }];
          let policy;
          try {
            policy = compilePolicy(sources, OPTIONS);
          } catch {
            return;
          }
          const findings = lint(policy, sources);
          for (const parts of many) {
            const decision = policy.decide(callOf({ tool: 'x', args: parts as never }));
            for (const { code, rule: named } of findings) {
              if (code === 'LINT-01') expect([named, text]).not.toEqual([decision.rule, text]);
              if (code === 'LINT-02' && decision.rule === named) expect(decision.indeterminate).toBeDefined();
            }
          }
        },
      ),
      { numRuns: 1_500 },
    );
  });
});

describe('a condition that is never true', () => {
  test.each([
    ['args: {n: {allOf: [{gt: 5}, {lt: 5}]}}'],
    ['args: {n: {allOf: [{ge: 5}, {in: [1, 2]}]}}'],
    ['args: {n: a}, when: "args.n == \'b\'"'],
    ['args: {n: {allOf: [{startsWith: a}, {startsWith: b}]}}'],
    ['args: {n: {allOf: [{endsWith: .a}, {glob: "*.b"}]}}'],
    ['args: {n: {allOf: [{gt: 5}, {contains: a}]}}'],
    ['when: "args.n > 5 && args.n < 3"'],
    ['when: "has(args.n) && !has(args.n)"'],
    ['when: "tool == \'y\'"'],
    ['when: "args.a && false"'],
  ])('is found: %s', (more) => {
    expect(codes(rule('r', 'allow', 'tool: x', more)).filter((code) => code === 'LINT-02 r')).toHaveLength(1);
  });

  test('says which two parts, and where', () => {
    const found = lintOf(
      '  - id: r\n    match: { tool: x }\n    args: { n: { le: 3 } }\n    when: args.n > 10\n    effect: allow\n',
    );
    expect(found).toMatchObject([
      {
        code: 'LINT-02',
        message:
          'the conditions of rule "r" are never true: no value of args.n satisfies both <= 3 and > 10 (in when); it allows nothing',
        place: { line: 6, column: 11 },
      },
    ]);
  });
});

describe('an allow before a deny', () => {
  test('is told where both match and neither is an exception to the other', () => {
    expect(
      codes(rule('few', 'allow', 'tool: "*"', 'args: {n: {lt: 5}}') + rule('no', 'deny', 'tool: run', 'args: {m: x}')),
    ).toEqual(['LINT-03 no']);
  });

  test.each([
    [rule('one', 'allow', 'tool: a') + rule('rest', 'deny', 'tool: "*"')],
    [rule('no', 'deny', 'tool: run', 'args: {m: x}') + rule('few', 'allow', 'tool: "*", server: s')],
    [rule('few', 'allow', 'tool: run', 'args: {n: {lt: 5}}') + rule('many', 'deny', 'tool: run', 'args: {n: {ge: 5}}')],
    [rule('a', 'allow', 'tool: "read_*"') + rule('w', 'deny', 'tool: "write_*"')],
    [rule('a', 'allow', 'method: tasks/get') + rule('w', 'deny', 'tool: "write_*"')],
  ])('is usual otherwise', (list) => {
    expect(codes(list).filter((code) => code.startsWith('LINT-03'))).toEqual([]);
  });

  test('does not matter where the most restrictive wins', () => {
    const list =
      rule('few', 'allow', 'tool: "*"', 'args: {n: {lt: 5}}') + rule('no', 'deny', 'tool: run', 'args: {m: x}');
    const sources = [{ file: 'policy.yaml', text: `version: 1\nrules:\n${list}` }];
    const policy = compilePolicy(sources, OPTIONS);
    expect(lint({ rules: policy.rules, defaultEffect: 'deny', combine: 'deny-overrides' }, sources)).toEqual([]);
  });
});

describe('one rule alone', () => {
  test.each([
    ['LINT-04', rule('r', 'allow', 'tool: "*", server: "*"')],
    ['LINT-04', rule('r', 'allow', 'server: "*"')],
    ['LINT-04', rule('r', 'allow', 'method: "*"')],
    ['LINT-05', rule('r', 'allow', 'tool: {regex: read}')],
    ['LINT-05', rule('r', 'allow', 'tool: [a, {regex: "^read|list$"}]')],
    ['LINT-05', rule('r', 'allow', 'tool: x', 'args: {b: {regex: "feature/"}}')],
    ['LINT-06', rule('r', 'allow', 'tool: x', 'args: {path: {startsWith: "/project/"}}')],
    ['LINT-06', rule('r', 'deny', 'tool: x', 'args: {filePath: {contains: "/etc/"}}')],
    ['LINT-06', rule('r', 'allow', 'tool: x', 'when: args.path.startsWith("/project/")')],
    ['LINT-07', rule('r', 'allow', 'tool: x', 'args: {url: {startsWith: "https://api.example"}}')],
    ['LINT-07', rule('r', 'allow', 'tool: x', 'args: {u: {contains: "https://api.example/"}}')],
    ['LINT-08', rule('r', 'deny', 'tool: x', 'args: {command: {regex: "\\\\brm\\\\b"}}')],
    ['LINT-08', rule('r', 'deny', 'tool: x', 'when: {any: [{field: args.command, op: contains, value: rm}]}')],
    ['LINT-09', rule('r', 'allow', 'tool: x', 'when: {not: {field: args.path, op: in, value: [a, b]}}')],
    ['LINT-08', rule('r', 'allow', 'tool: x', 'args: {command: {startsWith: "git "}}')],
    ['LINT-09', rule('r', 'allow', 'tool: x', 'args: {command: {notIn: [rm, dd]}}')],
    ['LINT-09', rule('r', 'allow', 'tool: x', 'when: "!args.command.contains(\'rm\')"')],
    ['LINT-10', rule('r', 'allow', 'annotations: {readOnlyHint: true}')],
    ['LINT-11', rule('r', 'deny', 'tool: x', 'args: {sql: {regex: "drop\\\\s+table"}}')],
    ['LINT-11', rule('r', 'deny', 'tool: x', 'args: {q: {regex: DELETE}}')],
    ['LINT-12', rule('r', 'allow', 'tool: x', 'args: {env: {notEquals: prod}}')],
    ['LINT-12', rule('r', 'allow', 'tool: x', 'when: "!args.force"')],
    ['LINT-13', '  - { id: r, match: { tool: x }, effect: allow, obligations: [{ rate: { max: 1, per: 1m } }] }\n'],
    ['LINT-14', '  - { id: r, match: { tool: x }, obligations: [{ redact: { classes: [secret] } }] }\n'],
    ['LINT-15', rule('r', 'allow', 'tool: x', 'args: {p: {in: ["$HOME/a"]}, q: "{{ user }}"}')],
    ['LINT-17', rule('r', 'deny', 'tool: x', 'args: {url: {cidr: internal}}')],
    ['LINT-17', rule('r', 'deny', 'tool: x', 'args: {url: {not: {cidr: public}}}')],
    ['LINT-17', rule('r', 'ask', 'tool: x', 'args: {url: {anyOf: [{cidr: internal}, {host: a.example}]}}')],
    ['LINT-17', rule('r', 'deny', 'tool: x', `when: 'cidr(args.url, "internal")'`)],
    ['LINT-17', rule('r', 'deny', 'tool: x', `when: 'has(args.url) && cidr(args.url, "internal")'`)],
    ['LINT-17', rule('r', 'deny', 'tool: x', "when: \"host(args.other) == 'a' && cidr(args.url, 'internal')\"")],
    ['LINT-17', rule('r', 'deny', 'tool: x', 'when: {field: args.url, op: cidr, value: internal}')],
    ['LINT-17', rule('r', 'allow', 'tool: x', 'args: {address_of: {not: {cidr: internal}}}')],
    ['LINT-18', rule('r', 'allow', 'tool: x', 'when: args.n > "10"')],
    ['LINT-18', rule('r', 'deny', 'tool: x', 'when: {any: [\'args.ok && "b" <= args.name\']}')],
  ])('%s: %s', (code, list) => {
    expect(codes(list)).toContain(`${code} r`);
  });

  test.each([
    [rule('r', 'allow', 'tool: "*", server: s')],
    [rule('r', 'allow', 'tool: {regex: "^(?:read|list)_.*$"}')],
    [rule('r', 'deny', 'tool: {regex: write}')],
    [rule('r', 'allow', 'tool: x', 'args: {path: {under: /project}}')],
    [rule('r', 'deny', 'tool: x', 'args: {path: {endsWith: .env}}')],
    [rule('r', 'allow', 'tool: x', 'args: {url: {startsWith: "https://api.example/"}}')],
    [rule('r', 'allow', 'tool: x, annotations: {readOnlyHint: true}')],
    [rule('r', 'deny', 'tool: x', 'args: {sql: {regex: "(?i)drop"}}')],
    [rule('r', 'allow', 'tool: x', 'when: "has(args.force) && !args.force"')],
    [
      '  - { id: r, match: { tool: x }, effect: allow, obligations: [{ rate: { max: 1, per: 1m, key: principal } }] }\n',
    ],
    ['  - { id: r, match: { direction: result }, obligations: [{ redact: { classes: [secret] } }] }\n'],
    [rule('r', 'allow', 'tool: {regex: "\\\\A(?:read|list)\\\\z"}')],
    [rule('r', 'allow', 'tool: {regex: "\\\\Aread\\\\z|\\\\Alist\\\\z"}')],
    [rule('r', 'deny', 'tool: x', `when: 'host(args.url).matches("^[0-9.]+$|:") && cidr(args.url, "internal")'`)],
    [
      rule('r', 'deny', 'tool: x', 'args: {url: {allOf: [{host: "10.*"}, {cidr: internal}]}}').replace(
        '10.*',
        '10.0.0.1',
      ),
    ],
    [rule('r', 'deny', 'tool: x', 'args: {source_ip: {cidr: internal}}')],
    [
      rule(
        'r',
        'deny',
        'tool: x',
        'when: {all: [{field: args.url, op: regex, value: "^[0-9]"}, {field: args.url, op: cidr, value: internal}]}',
      ),
    ],
    [rule('r', 'deny', 'tool: x', 'when: args.day >= "2026-01-01"')],
    [rule('r', 'deny', 'tool: x', 'when: args.n > 10')],
  ])('has nothing to say of %s', (list) => {
    expect(lintOf(list)).toEqual([]);
  });
});

describe('roles of an included file', () => {
  const PACK = 'version: 1\nroles:\n  admin: { members: ["*"] }\n  known: { includes: [admin] }\nrules: []\n';
  const sha256 = 'ab'.repeat(32);
  const found = (head: string): readonly LintFinding[] => {
    const sources = [
      { file: 'policy.yaml', text: `version: 1\n${head}\nrules:\n${rule('r', 'allow', 'tool: x, roles: admin')}` },
      { file: 'pack.yaml', text: PACK },
    ];
    const include = (): { file: string; text: string; sha256: string } => ({ file: 'pack.yaml', text: PACK, sha256 });
    return lint(compilePolicy([sources[0]!], { ...OPTIONS, include }), sources);
  };

  test.each(['imports: [pack.yaml]', 'extends: pack.yaml'])('are warned of: %s', (head) => {
    expect(found(head)).toMatchObject([
      { code: 'LINT-16', rule: 'roles.admin', severity: 'warning', place: { file: 'pack.yaml', line: 3 } },
      { code: 'LINT-16', rule: 'roles.known', place: { file: 'pack.yaml', line: 4 } },
    ]);
  });

  test('are not, where the policy says itself who has them, or the file cannot change', () => {
    expect(found('imports: [pack.yaml]\nroles: { admin: { members: [a] }, known: { members: [b] } }')).toEqual([]);
    expect(found(`imports: [{ file: pack.yaml, sha256: ${sha256} }]`)).toEqual([]);
  });
});

test('the redaction of calls that are refused reaches nothing', () => {
  const redact =
    '  - { id: r, match: { tool: x, direction: result }, obligations: [{ redact: { classes: [secret] } }] }\n';
  expect(codes(rule('no', 'deny', 'tool: "*"') + redact)).toEqual(['LINT-14 r']);
  expect(codes(rule('yes', 'ask', 'tool: x', 'args: {a: b}') + rule('no', 'deny', 'tool: "*"') + redact)).toEqual([]);
});

test('every code has its line in docs/policy-questions.md', () => {
  const page = readFileSync(new URL('../../../../../docs/policy-questions.md', import.meta.url), 'utf8');
  for (let number = 1; number <= 18; number++)
    expect(page.includes(`\`LINT-${String(number).padStart(2, '0')}\``)).toBe(true);
});

test('of very many findings the worst are kept', () => {
  const rate = (id: number): string =>
    `  - { id: r${id}, match: { tool: t${id} }, effect: allow, obligations: [{ rate: { max: 1, per: 1s } }] }\n`;
  const many = Array.from({ length: 1_010 }, (_, index) => rate(index)).join('');
  const found = lintOf(many + rule('dead', 'allow', 'tool: x', 'when: args.n > 1 && args.n < 1'));
  expect([found.length, found.at(-1)?.code]).toEqual([1_000, 'LINT-02']);
});

test('200 rules are read in well under a second', () => {
  const list = Array.from({ length: 200 }, (_, index) =>
    rule(
      `r${index}`,
      index % 3 === 0 ? 'deny' : 'allow',
      index % 5 === 0 ? 'tool: "t*"' : `tool: [t${index % 20}, u${index}]`,
      `args: {a: {in: [x${index}, y]}, b: {startsWith: "p${index % 7}"}}, when: args.n > ${index} && args.c != "z"`,
    ),
  ).join('');
  const sources = [{ file: 'policy.yaml', text: `version: 1\nrules:\n${list}` }];
  const policy = compilePolicy(sources, OPTIONS);
  const started = performance.now();
  lint(policy, sources);
  expect(performance.now() - started).toBeLessThan(1_500);
});
