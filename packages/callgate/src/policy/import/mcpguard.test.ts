import { expect, it } from 'vitest';
import { callOf } from '../testing.ts';
import { imported, mistakes } from './import-testing.ts';

const STRICT = String.raw`
version: 1
name: strict
rules:
  - { id: read, name: Reads, action: allow, priority: 200, tool_patterns: ["read_.*", "list"], owasp_asi_id: ASI-03 }
  - { id: no-shell, action: deny, priority: 10, tool_patterns: ["shell_*"], owasp_asi_id: ASI05 }
  - { id: leak, action: deny, tool_patterns: ["http_post|send_.*"], taint_labels: [secret, pii] }
  - { id: post, action: audit, tool_patterns: [http_post] }
  - { id: rm, action: deny, tool_patterns: [".*"], argument_patterns: { command: 'rm\s+-rf', cwd: "^/" } }
  - { id: run, action: sandbox, tool_patterns: ["run_.*"], argument_patterns: { lang: python } }
  - { id: run-all, action: allow, tool_patterns: ["run_.*"] }
  - { id: mail, name: Mail, description: goes out, action: warn, tool_patterns: ["send_*"] }
  - { id: off, action: deny, tool_patterns: [".*"], enabled: false }
`;
const clean = { labels: [] };

it('gives the verdicts of the strict set: the most restrictive rule wins', async () => {
  const { decide } = await imported('mcpguard', STRICT);
  const cases: readonly [string, Parameters<typeof decide>[0]][] = [
    ['allow', { tool: 'read_file', args: {} }],
    ['deny', { tool: 'xread_file', args: {} }],
    ['allow', { tool: 'list', args: {} }],
    ['deny', { tool: 'lists', args: {} }],
    ['deny', { tool: 'shell_run', args: {} }],
    ['deny', { tool: 'shell', args: {} }],
    ['allow', { tool: 'http_post', args: {}, ...clean }],
    ['deny', { tool: 'http_post', args: {}, labels: ['pii'] }],
    ['deny', { tool: 'http_post', args: {} }],
    ['deny', { tool: 'read_x', args: { command: 'rm  -rf .', cwd: '/tmp' } }],
    ['allow', { tool: 'read_x', args: { command: 'rm -rf .', cwd: 'tmp' } }],
    ['allow', { tool: 'read_x', args: { command: 'rm -rf .' } }],
    ['deny', { tool: 'read_x', args: { command: ['rm -rf .'], cwd: '/' } }],
    ['allow', { tool: 'run_it', args: { lang: 'python3' } }],
    ['allow', { tool: 'send_mail', args: {}, ...clean }],
    ['deny', { tool: 'unknown', args: {}, ...clean }],
  ];
  for (const [effect, call] of cases) expect(decide(call), JSON.stringify(call)).toBe(effect);
});

it('makes of audit a log, of warn an alert, of sandbox a sandbox, which no other rule takes away', async () => {
  const { policy } = await imported('mcpguard', STRICT);
  const kinds = (tool: string, args: Record<string, unknown> = {}) => {
    const { effect, obligations } = policy.decide(callOf({ tool, args: args as never, ...clean }));
    return [effect, ...obligations.map(({ kind }) => kind)];
  };
  expect(kinds('http_post')).toEqual(['allow', 'log']);
  expect(kinds('send_mail')).toEqual(['allow', 'alert']);
  expect(kinds('run_it', { lang: 'python' })).toEqual(['allow', 'sandbox']);
  expect(kinds('run_it', { lang: 'sh' })).toEqual(['allow']);
  expect(kinds('run_it', { lang: ['python'] })[0]).toBe('deny');
});

it('carries tags and says which reading of a pattern it took', async () => {
  const { policy, remarksOn } = await imported('mcpguard', STRICT);
  expect(policy.rules.find((rule) => rule.name === 'read')?.tags).toEqual(['ASI03']);
  expect(remarksOn('tool pattern shell_*')).toMatchObject([{ fate: 'translated', line: 6 }]);
  expect(remarksOn('priority')).toHaveLength(2);
  expect(remarksOn('its engine allows')).toHaveLength(1);
  expect(remarksOn('switched off')).toMatchObject([{ line: 13 }]);
});

it('reads a glob as one where it allows, and in both ways where it denies', async () => {
  const allow = await imported(
    'mcpguard',
    'rules: [{ id: a, action: allow, tool_patterns: ["db_*", "*", "fs.read"] }]',
  );
  expect(allow.decide({ tool: 'anything' })).toBe('allow');
  const narrow = await imported('mcpguard', 'rules: [{ id: a, action: allow, tool_patterns: ["db_*", "fs.read"] }]');
  expect(['db_x', 'db', 'fs.read', 'fs_read'].map((tool) => narrow.decide({ tool }))).toEqual([
    'allow',
    'deny',
    'allow',
    'deny',
  ]);
  const deny = await imported(
    'mcpguard',
    'rules: [{ id: a, action: allow, tool_patterns: [".*"] }, { id: b, action: deny, tool_patterns: ["db_*", "fs.read"] }]',
  );
  expect(['db_x', 'db', 'db__', 'fs.read', 'fs_read', 'other'].map((tool) => deny.decide({ tool }))).toEqual([
    'deny',
    'deny',
    'deny',
    'deny',
    'deny',
    'allow',
  ]);
});

it('takes arg_patterns too, and conditions nobody wrote down never allow', async () => {
  const { decide, counts } = await imported(
    'mcpguard',
    'rules: [{ id: a, action: allow, tool_patterns: [t], arg_patterns: { x: "^a" } }, { id: b, action: allow, tool_patterns: [u], conditions: { weather: good } }, { id: c, action: deny, tool_patterns: [v], conditions: { weather: bad } }, { id: d, action: allow, tool_patterns: [v] }]',
  );
  expect(decide({ tool: 't', args: { x: 'ab' } })).toBe('allow');
  expect(decide({ tool: 't', args: { x: 'b' } })).toBe('deny');
  expect(decide({ tool: 't', args: {} })).toBe('deny');
  expect(decide({ tool: 'u' })).toBe('ask');
  expect(decide({ tool: 'v' })).toBe('deny');
  expect(counts.refused).toBe(2);
});

it('refuses mistakes with their line', async () => {
  const one = (rule: string) => `rules:\n  - ${rule}`;
  const cases: readonly [string, readonly string[]][] = [
    ['name: x', ['1: MISSING']],
    [one('{ action: deny }'), ['2: MISSING']],
    [one('{ id: a, action: block }'), ['2: VALUE']],
    [one('{ id: a, action: deny, tool_pattern: [x] }'), ['2: KEY']],
    [one('{ id: a, action: deny, tool_patterns: ["(?=x)"] }'), ['2: REGEX']],
    [one('{ id: a, action: deny, tool_patterns: [x], argument_patterns: { y: "[" } }'), ['2: REGEX']],
    [one('{ id: a, action: deny, argument_patterns: { y: x }, arg_patterns: { y: x } }'), ['2: KEY']],
    [one('{ id: a, action: deny, owasp_asi_id: ASI11 }'), ['2: VALUE']],
    [one('{ id: a, action: deny, enabled: "no" }'), ['2: TYPE']],
  ];
  for (const [text, expected] of cases) expect(await mistakes('mcpguard', text), text).toEqual(expected);
});
