import { describe, expect, test } from 'vitest';
import { ExactNumber } from '../../model/json.ts';
import { type CaseFile, readCases } from './cases.ts';
import { callsOf, coverageOf, runCases } from './cases-run.ts';
import { compilePolicy } from '../compile.ts';
import { OPTIONS } from '../testing.ts';

function read(text: string): CaseFile {
  const file = readCases('p.test.yaml', text);
  if ('issues' in file) throw new Error(file.issues.map(({ message }) => message).join('; '));
  return file;
}

function issues(text: string): string[] {
  const file = readCases('p.test.yaml', text);
  return 'issues' in file ? file.issues.map(({ line, column, message }) => `${line}:${column}: ${message}`) : [];
}

const HEAD = 'policy: ./p.yaml\n';

describe('a file of cases', () => {
  test('gives calls, with what is common to all of them', () => {
    const file = read(`policy: [./a.yaml, ./b.yaml]
time: 2026-03-01T10:00:00Z
variables: { PROJECT: /work }
links: { /work/link: /etc, /work/broken: null }
call: { server: files, roles: [dev] }
cases:
  - name: reads
    call: { tool: read, args: { path: a, n: 12345678901234567890 }, annotations: { readOnlyHint: true }, labels: [x] }
    expect: { effect: allow, rule: r, reason: fine, obligations: [rate, "redact:r"] }
  - call: { resource: "file:///a", time: 2026-03-02T00:00:00Z, principal: { id: bot, roles: [a] }, history: { read: 2 } }
    expect: deny
`);
    expect(file.policies).toEqual(['./a.yaml', './b.yaml']);
    const [first, second] = callsOf(file);
    expect(first).toMatchObject({
      server: 'files',
      tool: 'read',
      method: 'tools/call',
      direction: 'call',
      time: Date.UTC(2026, 2, 1, 10),
      intent: 'read',
    });
    expect(first?.principal.roles).toEqual(['dev']);
    expect(first?.args()).toMatchObject({ n: new ExactNumber('12345678901234567890') });
    expect(second).toMatchObject({
      method: 'resources/read',
      uri: 'file:///a',
      time: Date.UTC(2026, 2, 2),
      principal: { id: 'bot' },
    });
    expect(second?.history?.(() => true, 1)).toBe(2);
    expect(first?.history?.(() => true, 1)).toBeUndefined();
    expect(['a', 'link/x', '/work/link', '/work/link/y', 'broken/z'].map((path) => first?.realPath(path))).toEqual([
      '/work/a',
      '/etc/x',
      '/etc',
      '/etc/y',
      undefined,
    ]);
    expect(file.cases.map(({ name, expect: wanted, place }) => [name, wanted, place.line])).toEqual([
      ['reads', { effect: 'allow', rule: 'r', reason: 'fine', obligations: ['rate', 'redact:r'] }, 7],
      ['case 2', { effect: 'deny' }, 10],
    ]);
  });

  test('may be a table, where an empty cell says nothing', () => {
    const file = read(`${HEAD}tables:
  - name: pay
    call: { tool: pay, args: { currency: EUR } }
    columns: [args.amount, server, roles, effect, rule]
    rows:
      - [5, s, [clerk], allow, r]
      - [null, null, null, deny, null]
`);
    expect(file.cases.map(({ name, call, expect: wanted }) => [name, call, wanted])).toEqual([
      [
        'pay: line 7',
        { tool: 'pay', args: { currency: 'EUR', amount: 5 }, server: 's', roles: ['clerk'] },
        { effect: 'allow', rule: 'r' },
      ],
      ['pay: line 8', { tool: 'pay', args: { currency: 'EUR' } }, { effect: 'deny' }],
    ]);
  });

  test('takes a result as the message when one is written', () => {
    const [call] = callsOf(
      read(`${HEAD}cases: [{ call: { tool: a, args: { x: 1 }, result: { y: 2 } }, expect: allow }]`),
    );
    expect([call?.direction, call?.args()]).toEqual(['result', { y: 2 }]);
  });

  test.each([
    ['cases: []', '1:1: the file names no policy'],
    [HEAD, '1:1: the file has no cases'],
    [`${HEAD}case: 1\n`, '2:1: the file has no key "case"'],
    [`${HEAD}cases: [{ call: { tol: x }, expect: deny }]`, '2:19: call has no key "tol"'],
    [`${HEAD}cases: [{ call: { tool: x }, expect: block }]`, '2:38: effect cannot be "block"'],
    [`${HEAD}cases: [{ call: { tool: x } }]`, '2:9: the case has no expect'],
    [`${HEAD}cases: [{ call: { tool: x }, expect: {} }]`, '2:38: expect says nothing'],
    [`${HEAD}cases: [{ call: { tool: 5 }, expect: deny }]`, '2:25: tool must be a text'],
    [`${HEAD}cases: [{ call: { time: tomorrow }, expect: deny }]`, '2:25: "tomorrow" is no time'],
    [`${HEAD}cases: [{ call: { args: { a: .inf } }, expect: deny }]`, '2:30: this is no number of JSON'],
    [`${HEAD}cases: [{ call: { args: { a: &x 1 } }, expect: deny }]`, 'anchors and aliases are not read here'],
    [`${HEAD}cases: [{ call: { history: { a: b } }, expect: deny }]`, 'history must be a map'],
    [
      `${HEAD}cases: [{ call: { annotations: { readOnly: true } }, expect: deny }]`,
      'annotations has no key "readOnly"',
    ],
    [
      `${HEAD}cases: [{ name: a, call: {}, expect: deny }, { name: a, call: {}, expect: deny }]`,
      'the name "a" is already taken',
    ],
    [`${HEAD}cases: [{ name: a, name: b }]`, 'this is not valid YAML'],
    [`${HEAD}tables: [{ columns: [a], rows: [] }]`, 'a table has no column "a"'],
    [`${HEAD}tables: [{ columns: [tool], rows: [[a, b]] }]`, 'the row has 2 values, the table 1 columns'],
    [
      `${HEAD}tables: [{ columns: [tool, effect], rows: [[a, deny], [b]] }]`,
      '2:55: table 1, row 2: the row has 1 value, the table 2 columns',
    ],
    [
      `${HEAD}tables:\n  - columns: [tool, args.n, effect]\n    rows:\n      - [x, &a 5, deny]\n`,
      '5:16: table 1, row 1, column args.n: anchors and aliases are not read here',
    ],
    [`${HEAD}tables: [{ columns: [tool, effect], rows: [[a, denied]] }]`, 'table 1, row 1: effect cannot be "denied"'],
    [`${HEAD}tables:\n  - columns: [tool]\n    rows:\n      -\n`, '5:8: table 1, row 1: a row must be a list'],
    [`${HEAD}cases:\n  - name: y\n    call: { tool: x }\n    expect:\n`, '5:12: effect is empty'],
    ['policy: [', 'this is not valid YAML'],
    ['', 'the file must be a map'],
    [`${'['.repeat(3_000)}`, 'YAML'],
    [`${HEAD}cases: [{ call: { args: ${'['.repeat(100)}${']'.repeat(100)} }, expect: deny }]`, 'nested deeper than 64'],
  ])('says where it is wrong: %s', (text, message) => {
    expect(issues(text).join('\n')).toContain(message);
  });

  test('says everything that is wrong at once', () => {
    expect(
      issues(`${HEAD}cases:\n  - { call: { tol: x }, expect: deny }\n  - { call: { tool: x }, expect: no }\n`),
    ).toHaveLength(2);
  });
});

const POLICY = `version: 1
rules:
  - { id: strip, match: { tool: pay }, obligations: [{ redact: { classes: [secret] } }] }
  - { id: pay, match: { tool: pay }, args: { n: { lt: 5 } }, when: has(args.who) && args.who != "x", effect: allow }
  - { id: never, match: { tool: other }, effect: ask }
`;
const policy = compilePolicy([{ file: 'p.yaml', text: POLICY }], OPTIONS);

describe('running cases', () => {
  test.each([
    ['{ effect: allow, rule: pay, reason: allows, obligations: [redact] }', []],
    ['{ obligations: ["redact:strip"] }', []],
    ['deny', ['expected effect deny, came allow']],
    ['{ rule: other }', ['expected rule other, came pay']],
    ['{ reason: zzz }', ['expected a reason with "zzz", came "rule pay allows it"']],
    ['{ obligations: [] }', ['came with obligation redact:strip, unexpected']],
    ['{ obligations: [redact, rate] }', ['expected obligation rate, which did not come']],
  ])('compares what is expected: %s', (expected, problems) => {
    const file = read(`${HEAD}cases: [{ call: { tool: pay, args: { n: 1, who: y } }, expect: ${expected} }]`);
    expect(runCases(policy, file)[0]?.problems).toEqual(problems);
  });

  test('covers rules that matched, and atoms that were both true and false', () => {
    const file = read(`${HEAD}cases:
  - { call: { tool: pay, args: { n: 1, who: y } }, expect: allow }
  - { call: { tool: pay, args: { n: 9, who: x } }, expect: deny }
`);
    const { rules, atoms } = coverageOf(policy, callsOf(file));
    expect([rules.total, rules.missed.map(({ name }) => name)]).toEqual([3, ['never']]);
    expect([atoms.total, atoms.missed.map(({ atom, never }) => [atom.text, never])]).toEqual([
      3,
      [['has(args.who)', ['false']]],
    ]);
  });
});
