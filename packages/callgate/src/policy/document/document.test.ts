import { describe, expect, test } from 'vitest';
import { compilePolicy } from '../compile.ts';
import { PolicyError } from './issue.ts';
import { POLICY_SHAPE } from './schema.ts';
import type { Shape } from './schema-shape.ts';
import { callOf, issuesOf, OPTIONS, policyOf } from '../testing.ts';

const head = 'version: 1\nrules:\n';
const rule = (body: string): string =>
  `${head}  - id: r\n${body
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n')}\n`;
const allow = 'match: { tool: run }\neffect: allow';

describe('a policy that does not load', () => {
  test.each<[string, string, string, RegExp, RegExp | undefined]>([
    ['no version', 'rules: []', 'CG_POLICY_MISSING_KEY', /no "version"/, /version: 1/],
    ['another version', 'version: 2\nrules: []', 'CG_POLICY_VERSION', /version 2/, /version: 1/],
    ['a version in quotes', 'version: "1"\nrules: []', 'CG_POLICY_TYPE', /whole number/, /without quotes/],
    ['no rules', 'version: 1', 'CG_POLICY_MISSING_KEY', /no "rules"/, undefined],
    ['an empty file', ' \n', 'CG_POLICY_EMPTY', /empty/, /callgate init/],
    ['a list', '- a', 'CG_POLICY_TYPE', /must be a map, found a list/, undefined],
    ['a text', 'just text', 'CG_POLICY_TYPE', /must be a map/, undefined],
    ['an unknown key', 'version: 1\nrulez: []\nrules: []', 'CG_POLICY_UNKNOWN_KEY', /"rulez"/, /"rules"/],
    ['a doubled key', 'version: 1\nrules: []\nrules: []', 'CG_POLICY_DUPLICATE_KEY', /twice/, /keep one/],
    ['a wrong default', 'version: 1\ndefault: block\nrules: []', 'CG_POLICY_VALUE', /"block"/, /"deny"/],
    ['a later word', 'version: 1\nsettings: {}\nrules: []', 'CG_POLICY_NOT_YET', /"settings"/, /callgate.yaml/],
    [
      'an anchor',
      `${rule(allow)}  - &x { id: q, match: { tool: z }, effect: deny }\n`,
      'CG_POLICY_ALIAS',
      /anchors/,
      undefined,
    ],
    ['an alias', rule('match: { tool: *x }\neffect: allow'), 'CG_POLICY_ALIAS', /aliases/, undefined],
    ['a merge key', rule(`${allow}\n<<: { a: 1 }`), 'CG_POLICY_UNKNOWN_KEY', /"<<"/, undefined],
    ['a tag', rule('match: { tool: !js x }\neffect: allow'), 'CG_POLICY_YAML', /tag/, undefined],
    ['a tab', `version: 1\nrules:\n\t- id: r\n`, 'CG_POLICY_YAML', /tab/i, undefined],
    ['two documents', `${rule(allow)}---\nversion: 1\n`, 'CG_POLICY_YAML', /YAML/, undefined],
    ['a broken text', 'version: 1\nrules: [', 'CG_POLICY_YAML', /YAML/, undefined],
    [
      'a file that is too large',
      `version: 1\nrules: [] #${'x'.repeat(1_048_576)}`,
      'CG_POLICY_TOO_LARGE',
      /1048576/,
      /split/,
    ],
    ['deep nesting', '['.repeat(100_000), 'CG_POLICY_YAML', /nested/, undefined],
    ['no id', `${head}  - match: { tool: x }\n    effect: allow`, 'CG_POLICY_MISSING_KEY', /no "id"/, undefined],
    [
      'a reserved id',
      `${head}  - id: default\n    match: { tool: x }\n    effect: allow`,
      'CG_POLICY_DUPLICATE_ID',
      /default/,
      undefined,
    ],
    [
      'an id that could be taken for a built-in one',
      `${head}  - id: base:x\n    match: { tool: x }\n    effect: allow`,
      'CG_POLICY_VALUE',
      /base:x/,
      /letters/,
    ],
    ['no match', rule('effect: allow'), 'CG_POLICY_MISSING_KEY', /no "match"/, /server: "\*"/],
    ['an empty match', rule('match: {}\neffect: allow'), 'CG_POLICY_EMPTY', /match is empty/, /server: "\*"/],
    ['an empty list', rule('match: { tool: [] }\neffect: allow'), 'CG_POLICY_EMPTY', /empty list/, undefined],
    ['an empty name', rule('match: { tool: "" }\neffect: allow'), 'CG_POLICY_EMPTY', /empty text/, undefined],
    ['nothing', rule('match:\neffect: allow'), 'CG_POLICY_TYPE', /found nothing/, undefined],
    ['a number for a name', rule('match: { tool: 5 }\neffect: allow'), 'CG_POLICY_TYPE', /found 5/, /quotes/],
    ['neither effect nor obligations', rule('match: { tool: x }'), 'CG_POLICY_NO_EFFECT', /would do nothing/, /effect/],
    [
      'a bad effect',
      rule('match: { tool: x }\neffect: require-approval'),
      'CG_POLICY_VALUE',
      /require-approval/,
      /"ask"/,
    ],
    [
      'two operators',
      rule(`${allow}\nargs: { a: { startsWith: x, endsWith: y } }`),
      'CG_POLICY_TWO_OPERATORS',
      /startsWith, endsWith/,
      /allOf/,
    ],
    ['an empty matcher', rule(`${allow}\nargs: { a: {} }`), 'CG_POLICY_EMPTY', /a is empty/, /one of/],
    ['empty args', rule(`${allow}\nargs: {}`), 'CG_POLICY_EMPTY', /args is empty/, undefined],
    [
      'an unknown operator',
      rule(`${allow}\nargs: { a: { startswith: x } }`),
      'CG_POLICY_UNKNOWN_OPERATOR',
      /"startswith"/,
      /"startsWith"/,
    ],
    [
      'another language’s operator',
      rule(`${allow}\nargs: { a: { gte: 1 } }`),
      'CG_POLICY_UNKNOWN_OPERATOR',
      /"gte"/,
      /"ge"/,
    ],
    ['a later operator', rule(`${allow}\nargs: { a: { length: 5 } }`), 'CG_POLICY_NOT_YET', /"length"/, /size\(args/],
    [
      'a later obligation',
      rule(`${allow}\nobligations: [{ approval: { by: [owner] } }]`),
      'CG_POLICY_NOT_YET',
      /"approval"/,
      /ask/,
    ],
    [
      'a number where text is compared',
      rule(`${allow}\nargs: { a: { startsWith: 5 } }`),
      'CG_POLICY_TYPE',
      /text/,
      /quotes/,
    ],
    [
      'text where a number is compared',
      rule(`${allow}\nargs: { a: { lt: "5" } }`),
      'CG_POLICY_TYPE',
      /number/,
      /without quotes/,
    ],
    ['an infinite number', rule(`${allow}\nargs: { a: { lt: .inf } }`), 'CG_POLICY_TYPE', /number/, undefined],
    ['a bad field', rule(`${allow}\nargs: { a..b: x }`), 'CG_POLICY_FIELD', /a\.\.b/, undefined],
    [
      'a bad pattern',
      rule('match: { tool: { regex: "(?<=a)b" } }\neffect: allow'),
      'CG_POLICY_REGEX',
      /lookbehind/,
      undefined,
    ],
    [
      'a back-reference',
      rule(`${allow}\nargs: { a: { regex: '(a)\\1' } }`),
      'CG_POLICY_REGEX',
      /back-references/,
      undefined,
    ],
    ['a bad glob', rule("match: { tool: 'a\\' }\neffect: allow"), 'CG_POLICY_GLOB', /backslash/, undefined],
    [
      'a variable in a pattern',
      rule(`${allow}\nargs: { a: { regex: "^\${HOME}" } }`),
      'CG_POLICY_REGEX',
      /variables/,
      /startsWith/,
    ],
    [
      'an unset variable',
      rule(`${allow}\nargs: { a: { under: "\${PROJET}/x" } }`),
      'CG_POLICY_VARIABLE',
      /PROJET/,
      /"PROJECT"/,
    ],
    [
      'an unset environment variable',
      rule(`${allow}\nargs: { a: "\${env.NOPE}" }`),
      'CG_POLICY_VARIABLE',
      /env\.NOPE/,
      /NOPE/,
    ],
    ['a relative root', rule(`${allow}\nargs: { a: { under: src } }`), 'CG_POLICY_ROOT', /not absolute/, /PROJECT/],
    [
      'a number of a text search over all texts',
      rule(`${allow}\nargs: { "*": { lt: 5 } }`),
      'CG_POLICY_OPERATOR',
      /lt/,
      /regex/,
    ],
    [
      'args on results',
      rule('match: { direction: result }\nargs: { a: x }\neffect: deny'),
      'CG_POLICY_DIRECTION',
      /results/,
      /anyString\(result\)/,
    ],
    [
      'a tool and a prompt',
      rule('match: { tool: a, prompt: b }\neffect: allow'),
      'CG_POLICY_NEVER',
      /matches nothing/,
      undefined,
    ],
    [
      'a tool with another method',
      rule('match: { tool: a, method: prompts/get }\neffect: allow'),
      'CG_POLICY_NEVER',
      /matches nothing/,
      undefined,
    ],
    [
      'a tool asked by servers',
      rule('match: { tool: a, direction: request }\neffect: allow'),
      'CG_POLICY_NEVER',
      /matches nothing/,
      undefined,
    ],
    [
      'a misspelt method',
      rule('match: { method: tools/calls }\neffect: allow'),
      'CG_POLICY_NEVER',
      /tools\/calls/,
      /"tools\/call"/,
    ],
    ['onError beside an effect', rule(`${allow}\nonError: ask`), 'CG_POLICY_ON_ERROR', /onError/, undefined],
    [
      'obligations of a denial',
      rule('match: { tool: a }\neffect: deny\nobligations: [{ rate: { max: 1, per: 1s } }]'),
      'CG_POLICY_OBLIGATION',
      /nothing passes/,
      undefined,
    ],
    [
      'a redaction of nothing',
      rule('match: { tool: a }\nobligations: [{ redact: { on: both } }]'),
      'CG_POLICY_EMPTY',
      /what to mask/,
      undefined,
    ],
    [
      'a redaction that comes too late',
      rule('match: { direction: result }\nobligations: [{ redact: { classes: [secret], on: args } }]'),
      'CG_POLICY_OBLIGATION',
      /already passed/,
      undefined,
    ],
    [
      'an unknown class',
      rule('match: { tool: a }\nobligations: [{ redact: { classes: [secrets] } }]'),
      'CG_POLICY_VALUE',
      /"secrets"/,
      /"secret"/,
    ],
    [
      'a bad window',
      rule('match: { tool: a }\nobligations: [{ rate: { max: 1, per: 1 minute } }]'),
      'CG_POLICY_VALUE',
      /1 minute/,
      /1m/,
    ],
    [
      'a rate of nothing',
      rule('match: { tool: a }\nobligations: [{ rate: { max: 0, per: 1m } }]'),
      'CG_POLICY_VALUE',
      /at least 1/,
      undefined,
    ],
    [
      'two obligations in one item',
      rule('match: { tool: a }\nobligations: [{ rate: { max: 1, per: 1m }, redact: { classes: [secret] } }]'),
      'CG_POLICY_TWO_OPERATORS',
      /takes one/,
      /item of the list/,
    ],
  ])('%s', (_, text, code, message, remedy) => {
    const issues = issuesOf(text);
    expect(issues.map((issue) => issue.code)).toContain(code);
    const issue = issues.find((candidate) => candidate.code === code);
    expect(issue?.message).toMatch(message);
    if (remedy !== undefined) expect(issue?.remedy).toMatch(remedy);
    expect(issue).toMatchObject({ file: 'policy.yaml', place: { line: issue?.line } });
  });

  test('names every issue at once, each at its place', () => {
    const text =
      'version: 1\ndefalt: deny\nrules:\n  - id: a\n    match: { tol: x }\n    effect: allow\n  - id: a\n    match: { tool: x }\n    effect: nope\n';
    expect(issuesOf(text).map(({ line, column, code }) => [line, column, code])).toEqual([
      [2, 1, 'CG_POLICY_UNKNOWN_KEY'],
      [5, 14, 'CG_POLICY_UNKNOWN_KEY'],
      [7, 9, 'CG_POLICY_DUPLICATE_ID'],
      [9, 13, 'CG_POLICY_VALUE'],
    ]);
  });

  test('carries its issues in one error', () => {
    try {
      compilePolicy([{ file: 'a.yaml', text: 'x: 1' }], OPTIONS);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(PolicyError);
      expect(error).toMatchObject({ code: 'CG_POLICY_UNKNOWN_KEY', place: { file: 'a.yaml', line: 1, column: 1 } });
      expect((error as PolicyError).issues).toHaveLength(3);
    }
  });

  test('an alias bomb is refused without being unfolded', () => {
    const levels = Array.from(
      { length: 30 },
      (_, i) => `a${i}: &a${i} [${i === 0 ? 'x' : `*a${i - 1}, *a${i - 1}, *a${i - 1}`}]`,
    );
    expect(issuesOf(`version: 1\nrules: []\n${levels.join('\n')}\n`).length).toBeGreaterThan(0);
  });

  test('ids are unique over all files, and defaults agree', () => {
    const text = rule(allow);
    const both = [
      { file: 'a', text: `default: deny\n${text}` },
      { file: 'b', text: `default: allow\n${text}` },
    ];
    expect(() => compilePolicy(both, OPTIONS)).toThrow(PolicyError);
    try {
      compilePolicy(both, OPTIONS);
    } catch (error) {
      expect((error as PolicyError).issues.map((issue) => [issue.file, issue.code])).toEqual([
        ['b', 'CG_POLICY_DEFAULT'],
        ['b', 'CG_POLICY_DUPLICATE_ID'],
      ]);
    }
  });
});

describe('what loads', () => {
  test.each([
    ['a BOM and CRLF', `\uFEFF${rule(allow)}`.replaceAll('\n', '\r\n')],
    ['JSON', JSON.stringify({ version: 1, rules: [{ id: 'r', match: { tool: 'run' }, effect: 'allow' }] }, null, '\t')],
    ['comments and quotes', `# a\n${rule('match: { tool: "run" } # b\neffect: \'allow\'')}`],
  ])('%s', (_, text) => {
    const policy = compilePolicy([{ file: 'p', text }], OPTIONS);
    expect(policy.decide(callOf()).rule).toBe('r');
  });

  test('default is deny when absent, and no rule is a policy too', () => {
    expect(compilePolicy([{ file: 'p', text: 'version: 1\nrules: []' }], OPTIONS).decide(callOf())).toMatchObject({
      effect: 'deny',
      rule: 'default',
    });
  });

  test('several files are one list of rules, in order', () => {
    const policy = compilePolicy(
      [
        { file: 'a', text: `${head} - {id: a, match: {tool: x}, effect: deny}` },
        { file: 'b', text: `${head} - {id: b, match: {tool: "*"}, effect: allow}` },
      ],
      OPTIONS,
    );
    expect([policy.decide(callOf({ tool: 'x' })).rule, policy.decide(callOf()).rule]).toEqual(['a', 'b']);
  });
});

describe('a misspelt key', () => {
  const spelled = new Map<string, readonly string[]>();
  collect(POLICY_SHAPE, [], new Set());

  test.each([...spelled].map(([path, keys]) => ({ path, keys })))(
    'below "$path" names the right word',
    ({ path, keys }) => {
      for (const key of keys) {
        const wrong = `${key}${key.at(-1)}`;
        const issue = issuesOf(wrap(path.split('.').filter(Boolean), wrong)).find((candidate) =>
          candidate.message.includes(`"${wrong}"`),
        );
        expect(issue?.remedy, wrong).toBe(`did you mean "${key}"?`);
      }
    },
  );

  function collect(shape: Shape, path: readonly string[], seen: Set<Shape>): void {
    if (seen.has(shape)) return;
    seen.add(shape);
    if (shape.kind === 'ref') return collect(shape.to(), path, seen);
    if (shape.kind === 'either') return shape.options.forEach((option) => collect(option, path, seen));
    if (shape.kind === 'list') return collect(shape.of, [...path, '[]'], seen);
    if (shape.kind === 'fields') return collect(shape.of, [...path, 'field'], seen);
    if (shape.kind !== 'map') return undefined;
    spelled.set(path.join('.'), Object.keys(shape.keys));
    for (const [key, { shape: inner }] of Object.entries(shape.keys)) collect(inner, [...path, key], seen);
  }

  /** A document with `wrong` as the only key of the map at `path`. */
  function wrap(path: readonly string[], wrong: string): string {
    const value = path
      .toReversed()
      .reduce<unknown>((inner, part) => (part === '[]' ? [inner] : { [part]: inner }), { [wrong]: 1 });
    return JSON.stringify(value);
  }
});

test('obligations take their defaults from the direction', () => {
  const on = (match: string): unknown =>
    policyOf(` - {id: r, match: ${match}, obligations: [{redact: {fields: [a.*.b], pattern: "x+"}}]}`).rules[0]
      ?.obligations[0];
  expect(on('{tool: x}')).toMatchObject({
    on: 'args',
    fields: [['a', '*', 'b']],
    replacement: '[redacted]',
    classes: [],
  });
  expect(on('{direction: result}')).toMatchObject({ on: 'result' });
  expect(on('{tool: x, direction: [call, result]}')).toMatchObject({ on: 'both' });
});
