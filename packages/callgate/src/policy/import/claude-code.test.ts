import { expect, it } from 'vitest';
import type { CallParts } from '../testing.ts';
import { imported, mistakes } from './import-testing.ts';

const own = (tool: string, args: Record<string, string>): CallParts => ({ server: 'claude-code', tool, args });
const settings = (permissions: unknown, more = {}) => JSON.stringify({ permissions, ...more }, undefined, 1);

const SETTINGS = settings(
  {
    allow: [
      'Bash(npm run test:*)',
      'Bash(git status)',
      'Read(./src/**)',
      'Edit(/docs/**)',
      'WebFetch(domain:example.com)',
      'mcp__github__get_issue',
      'mcp__files',
      'WebSearch',
    ],
    deny: [
      'Bash(rm:*)',
      'Bash(curl *)',
      'Read(./.env)',
      'Read(.env.*)',
      'Read(~/.ssh/**)',
      'mcp__files__delete',
      'WebFetch(domain:evil.example)',
    ],
    ask: ['Bash(git push:*)', 'Read(./src/secret/**)'],
    additionalDirectories: ['../x'],
  },
  { model: 'x', hooks: {} },
);

it('denies before it asks before it allows, and asks what no rule names', async () => {
  const { decide } = await imported('claude-code', SETTINGS);
  const cases: readonly [string, CallParts][] = [
    ['allow', own('Bash', { command: 'npm run test' })],
    ['allow', own('Bash', { command: 'npm run test --watch a' })],
    ['ask', own('Bash', { command: 'npm run tests' })],
    ['ask', own('Bash', { command: 'npm run test && id' })],
    ['ask', own('Bash', { command: 'npm run test $(id)' })],
    ['ask', own('Bash', { command: 'npm run test\nid' })],
    ['ask', own('Bash', { command: 'npm run test > /etc/x' })],
    ['allow', own('Bash', { command: 'git status' })],
    ['ask', own('Bash', { command: 'git status -s' })],
    ['ask', own('Bash', { command: 'git push origin' })],
    ['deny', own('Bash', { command: 'rm x' })],
    ['deny', own('Bash', { command: 'git status; rm -r x' })],
    ['deny', own('Bash', { command: 'npm run test && A=1 rm x' })],
    ['ask', own('Bash', { command: 'rmdir x' })],
    ['deny', own('Bash', { command: 'curl x' })],
    ['deny', own('Bash', {})],
    ['allow', own('Read', { file_path: '/project/src/a.ts' })],
    ['allow', own('Read', { file_path: 'src/a.ts' })],
    ['ask', own('Read', { file_path: '/project/src/../package.json' })],
    ['ask', own('Read', { file_path: 'src/secret/x' })],
    ['deny', own('Read', { file_path: '/project/.env' })],
    ['deny', own('Read', { file_path: '/project/x/../.env' })],
    ['deny', own('Read', { file_path: '/elsewhere/.env.local' })],
    ['deny', own('Read', { file_path: '/home/user/.ssh/id' })],
    ['allow', own('Write', { file_path: '/project/docs/a.md' })],
    ['ask', own('Write', { file_path: '/project/src/a.ts' })],
    ['deny', own('Glob', { path: '/home/user/.ssh' })],
    ['ask', own('Grep', { pattern: 'x' })],
    ['allow', own('WebFetch', { url: 'https://example.com/a' })],
    ['ask', own('WebFetch', { url: 'https://example.com.evil.net/a' })],
    ['deny', own('WebFetch', { url: 'https://a.evil.example/a' })],
    ['allow', own('WebSearch', { query: 'x' })],
    ['allow', { server: 'github', tool: 'get_issue' }],
    ['ask', { server: 'github', tool: 'create_issue' }],
    ['allow', { server: 'files', tool: 'anything' }],
    ['deny', { server: 'files', tool: 'delete' }],
  ];
  for (const [effect, call] of cases) expect(decide(call), JSON.stringify(call)).toBe(effect);
});

it("does not take another server's tool for one of Claude Code's", async () => {
  const { decide } = await imported('claude-code', SETTINGS);
  expect(decide({ server: 'evil', tool: 'WebSearch' })).toBe('ask');
  expect(decide({ server: 'evil', tool: 'Bash', args: { command: 'git status' } })).toBe('ask');
  expect(decide({ server: 'evil', tool: 'Bash', args: { command: 'rm x' } })).toBe('deny');
});

it('says what of the settings is no permission', async () => {
  const { remarksOn } = await imported('claude-code', SETTINGS);
  expect(remarksOn('are no permissions')).toHaveLength(1);
  expect(remarksOn('additionalDirectories')).toMatchObject([{ fate: 'refused' }]);
});

it('says one thing of each permission, and nothing of ids that the settings do not have', async () => {
  const { remarks } = await imported('claude-code', settings({ deny: ['Read(./.env)'], allow: ['Edit(src/**)'] }));
  expect(remarks.map(({ construct }) => construct)).toEqual(['Read(./.env)', 'Edit(src/**)', 'Grep']);
});

it('never allows by mode', async () => {
  const table: readonly [mode: string, other: string, edit: string][] = [
    ['default', 'ask', 'ask'],
    ['acceptEdits', 'ask', 'ask'],
    ['plan', 'ask', 'deny'],
    ['bypassPermissions', 'ask', 'ask'],
    ['dontAsk', 'deny', 'deny'],
  ];
  for (const [defaultMode, other, edit] of table) {
    const { decide } = await imported('claude-code', settings({ defaultMode, ask: ['Task'] }));
    expect(
      [decide(own('X', {})), decide(own('Edit', { file_path: '/project/a' })), decide(own('Task', {}))],
      defaultMode,
    ).toEqual([other, edit, other]);
  }
});

it('asks instead of allowing what it cannot carry, and denies wider', async () => {
  const { decide, counts } = await imported(
    'claude-code',
    settings({
      allow: ['Read(src/*.ts)', 'Skill(x)', 'mcp__a__b(c)', 'WebFetch(path:/x)'],
      deny: ['Skill(y)', 'mcp__a__d(c)', 'Read(**/*.pem)'],
    }),
  );
  expect(decide(own('Read', { file_path: '/project/src/a.ts' }))).toBe('ask');
  expect(decide(own('Skill', { name: 'x' }))).toBe('deny');
  expect(decide({ server: 'a', tool: 'b' })).toBe('ask');
  expect(decide({ server: 'a', tool: 'd' })).toBe('deny');
  expect(decide(own('Read', { file_path: '/any/where/key.pem' }))).toBe('deny');
  expect(counts.refused).toBeGreaterThanOrEqual(5);
});

it('refuses mistakes with their line', async () => {
  const cases: readonly [string, readonly string[]][] = [
    ['{}', ['1: MISSING']],
    ['{"permissions": {"allow": ["Bash(x"]}}', ['1: SYNTAX']],
    ['{"permissions": {\n"allow": [\n7]}}', ['3: TYPE']],
    ['{"permissions": {"alow": []}}', ['1: KEY']],
    ['{"permissions": {"defaultMode": "yolo"}}', ['1: VALUE']],
    ['{"permissions": {"allow": "Bash"}}', ['1: TYPE']],
    ['{"permissions": ', ['1: SYNTAX']],
  ];
  for (const [text, expected] of cases)
    expect((await mistakes('claude-code', text)).slice(0, 1), text).toEqual(expected);
});
