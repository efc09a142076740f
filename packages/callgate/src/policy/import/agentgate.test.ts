import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ExactNumber } from '../../model/json.ts';
import { callOf } from '../testing.ts';
import { parseCondition } from './agentgate-condition.ts';
import { imported, issuesIn, mistakes } from './import-testing.ts';

const fixture = (name: string) => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');
const at = (hour: number) => Date.UTC(2026, 0, 5, hour, 30);
const rule = (condition: string, action = 'deny', tool = 't') =>
  `[metadata]\nname = "n"\nversion = "1"\n[[rules]]\nid = "r"\ntool = "${tool}"\ncondition = ${JSON.stringify(condition)}\naction = "${action}"\n`;

it('imports the default policy: a hit and a miss for each rule', async () => {
  const { decide, policy } = await imported('agentgate', fixture('agentgate-default.toml'));
  const cases: readonly [string, string, string, number][] = [
    ['deny', 'bash', 'rm -rf /', 12],
    ['allow', 'bash', 'rm file', 12],
    ['deny', 'query', 'DROP TABLE users', 12],
    ['allow', 'query', 'select 1', 12],
    ['deny', 'write_file', 'x', 7],
    ['allow', 'write_file', 'x', 8],
    ['allow', 'write_file', 'x', 17],
    ['deny', 'write_file', 'x', 18],
  ];
  for (const [effect, tool, command, hour] of cases)
    expect(decide({ tool, args: { command }, time: at(hour) }), `${tool} ${command} ${hour}`).toBe(effect);
  const call = policy.decide(callOf({ tool: 'http_request', args: {}, time: at(12) }));
  expect(call.obligations).toContainEqual(expect.objectContaining({ kind: 'rate', max: 30, windowMs: 60_000 }));
  expect(call.obligations).toContainEqual(
    expect.objectContaining({ kind: 'redact', on: 'both', replacement: '[gone]' }),
  );
  const other = policy.decide(callOf({ tool: 'other', args: {}, time: at(12) }));
  expect(other.obligations.map(({ kind }) => kind)).toEqual(['redact']);
  expect(policy.decide(callOf({ tool: 'bash', args: { command: 'rm -rf a' }, time: at(12) })).reason).toBe(
    'Deleting whole trees is not allowed.',
  );
});

it('imports the ten examples: an attack and a benign call each', async () => {
  const { decide, policy } = await imported('agentgate', fixture('agentgate-examples.toml'));
  const cases: readonly [string, string, Record<string, string>, number?][] = [
    ['deny', 'bash', { command: 'ls; rm x' }],
    ['deny', 'bash', { command: 'echo $(id)' }],
    ['allow', 'bash', { command: 'ls -l' }],
    ['deny', 'curl', { url: 'https://evil.example/?q=1' }],
    ['allow', 'curl', { url: 'https://wiki.corp.example/a' }],
    ['deny', 'sql', { database: 'prod-1', query: 'delete from t' }],
    ['allow', 'sql', { database: 'prod-1', query: ' SELECT 1' }],
    ['allow', 'sql', { database: 'dev', query: 'delete from t' }],
    ['deny', 'read', { path: '/etc/shadow' }],
    ['allow', 'read', { path: '/etc/hosts' }],
    ['deny', 'transfer', {}, 8],
    ['allow', 'transfer', {}, 9],
    ['deny', 'transfer', {}, 17],
    ['allow', 'list_files', { path: '/x' }],
  ];
  for (const [effect, tool, args, hour = 12] of cases)
    expect(decide({ tool, args, time: at(hour) }), `${tool} ${JSON.stringify(args)}`).toBe(effect);
  const kinds = (tool: string, args: Record<string, string>) =>
    policy.decide(callOf({ tool, args, time: at(12) })).obligations.map((duty) => duty.rule);
  expect(kinds('api_call', {})).toEqual(['redact-pii', 'api-throttle']);
  expect(kinds('say', { a: `sk-${'a'.repeat(20)}` })).toEqual(['redact-pii', 'redact-api-keys']);
  expect(policy.decide(callOf({ tool: 'api_call', args: {}, time: at(12) })).obligations).toContainEqual(
    expect.objectContaining({ kind: 'rate', max: 100, windowMs: 60_000 }),
  );
});

it('reads the grammar: precedence, both spellings of not, brackets', () => {
  const field = (name: string) => ({ kind: 'field', field: name, pattern: 'x' });
  const cases: readonly [string, unknown][] = [
    ["arguments.a matches 'x'", field('a')],
    [
      "arguments.a matches 'x' or arguments.b matches 'x' and arguments.c matches 'x'",
      { kind: 'or', parts: [field('a'), { kind: 'and', parts: [field('b'), field('c')] }] },
    ],
    ["not !arguments.a matches 'x'", { kind: 'not', of: { kind: 'not', of: field('a') } }],
    [
      "not (arguments.a matches 'x' or time.hour<=3)",
      { kind: 'not', of: { kind: 'or', parts: [field('a'), { kind: 'hour', op: '<=', hour: 3 }] } },
    ],
    [String.raw`arguments contains_pattern 'a\s"b'`, { kind: 'any', pattern: String.raw`a\s"b` }],
  ];
  for (const [text, tree] of cases) expect(parseCondition(text), text).toEqual(tree);
});

it('refuses what is no condition', async () => {
  const texts = [
    '',
    'arguments',
    "arguments.a.b matches 'x'",
    'arguments.a matches x',
    "arguments.a matches 'x",
    'time.hour != 3',
    'time.minute < 3',
    "arguments.a matches 'x' and",
    "(arguments.a matches 'x'",
    'a && b',
    `${'('.repeat(100)}time.hour < 3${')'.repeat(100)}`,
    'not '.repeat(5000),
  ];
  for (const text of texts) expect(await mistakes('agentgate', rule(text)), text).toEqual(['7: SYNTAX']);
});

it('takes strings, missing values and other types as never weaker than there', async () => {
  const cases: readonly [condition: string, action: string, args: unknown, effect: string][] = [
    ["arguments.a matches 'x'", 'deny', { a: 'axb' }, 'deny'],
    ["arguments.a matches 'x'", 'deny', {}, 'allow'],
    ["arguments.a matches 'x'", 'deny', { a: ['x'] }, 'deny'],
    ["arguments.a matches 'x'", 'deny', { a: 7 }, 'deny'],
    ["arguments.a matches '^$'", 'deny', {}, 'deny'],
    ["not arguments.a matches 'x'", 'deny', {}, 'deny'],
    ["arguments contains_pattern 'x'", 'deny', { a: { b: ['1', 'x'] } }, 'deny'],
    ["arguments contains_pattern 'x'", 'deny', { a: { x: 1 } }, 'deny'],
    ["arguments contains_pattern 'x'", 'deny', { a: 'y' }, 'allow'],
    ['time.hour == 12', 'deny', {}, 'deny'],
    ['time.hour > 12', 'deny', {}, 'allow'],
  ];
  for (const [condition, action, args, effect] of cases) {
    const { decide } = await imported('agentgate', rule(condition, action));
    expect(decide({ tool: 't', args: args as never, time: at(12) }), `${condition} ${JSON.stringify(args)}`).toBe(
      effect,
    );
  }
  const { decide } = await imported('agentgate', rule('time.hour < 24'));
  expect(decide({ tool: 't', args: {} }), 'an unknown time denies').toBe('deny');
});

it('asks what a pattern on JSON might have denied', async () => {
  const { decide, counts, remarksOn } = await imported(
    'agentgate',
    rule('arguments contains_pattern \'"role":\\s*"admin"\''),
  );
  expect(decide({ tool: 't', args: { role: 'admin' } })).toBe('ask');
  expect(decide({ tool: 'u', args: { role: 'admin' } })).toBe('allow');
  expect(counts.refused).toBe(1);
  expect(remarksOn('signs of JSON')).toHaveLength(1);
  const digits = await imported('agentgate', rule(String.raw`arguments contains_pattern '\b\d{16}\b'`));
  expect(digits.decide({ tool: 't', args: { card: { number: 4111111111111111 } } })).toBe('deny');
  expect(digits.decide({ tool: 't', args: { card: [{ number: new ExactNumber('12345678901234567') }] } })).toBe(
    'allow',
  );
  expect(digits.decide({ tool: 't', args: { card: [true, null, 12] } })).toBe('allow');
  expect(digits.decide({ tool: 't' }), 'without arguments').toBe('allow');
});

it('keeps file order, and flags where the program differs; --order as-built follows the program', async () => {
  const text =
    '[metadata]\nname = "n"\nversion = "1"\n[[rules]]\nid = "all"\ntool = "*"\ncondition = "time.hour >= 0"\naction = "deny"\n[[rules]]\nid = "one"\ntool = "t"\naction = "allow"\n';
  const readme = await imported('agentgate', text);
  expect(readme.decide({ tool: 't', time: at(1) })).toBe('deny');
  expect(readme.remarksOn('order of one')).toMatchObject([{ fate: 'translated', line: 9 }]);
  const built = await imported('agentgate', text, { order: 'as-built' });
  expect(built.decide({ tool: 't', time: at(1) })).toBe('allow');
  expect(built.remarksOn('order of one')).toHaveLength(1);
});

it('does not let a redaction end the evaluation', async () => {
  const text =
    '[metadata]\nname = "n"\nversion = "1"\n[[rules]]\nid = "mask"\ntool = "*"\naction = "redact"\npattern = "x+"\n[[rules]]\nid = "no"\ntool = "t"\naction = "deny"\n';
  expect((await imported('agentgate', text)).decide({ tool: 't', args: { a: 'x' } })).toBe('deny');
});

it('refuses mistakes with their line', async () => {
  const head = '[metadata]\nname = "n"\nversion = "1"\n';
  const cases: readonly [string, readonly string[]][] = [
    ['[[rules]]\nid = "a"\n', ['1: MISSING']],
    ['[metadata]\nname = "n"\n', ['1: MISSING']],
    [`${head}[[rules]]\nid = "a"\ntool = "t"\naction = "block"\n`, ['7: VALUE']],
    [`${head}[[rules]]\ntool = "t"\naction = "deny"\n`, ['4: MISSING']],
    [`${head}[[rules]]\nid = "a"\ntool = "t"\naction = "deny"\nmax_calls = 3\n`, ['8: KEY']],
    [`${head}[[rules]]\nid = "a"\ntool = "t"\naction = "rate_limit"\nmax_calls = 0\n`, ['8: VALUE']],
    [`${head}[[rules]]\nid = "a"\ntool = "t"\naction = "redact"\n`, ['4: MISSING']],
    [`${head}[[rules]]\nid = "a"\ntool = "t"\naction = "redact"\npattern = "(?=x)"\n`, ['8: REGEX']],
    [`${head}[[rules]]\nid = "a"\ntol = "t"\naction = "deny"\n`, ['6: KEY', '4: MISSING']],
    [`${head}[[rules]]\nid = "a"\ntool = ["t"]\naction = "deny"\n`, ['6: TYPE']],
    [`${head}[[rules]\n`, ['4: SYNTAX']],
    [rule("arguments.url matches '^https://(?!internal)'"), ['7: REGEX']],
    [rule("arguments.url matches '[a&&b]'"), ['7: REGEX']],
  ];
  for (const [text, expected] of cases) expect(await mistakes('agentgate', text), text).toEqual(expected);
  const [issue] = await issuesIn('agentgate', rule("arguments.url matches '(?!x)'"));
  expect(issue?.message).toContain('look-around');
});
