import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bench, CLI, realServer } from './peers/gate.ts';

const fixtures = new URL('../packages/callgate/src/policy/import/fixtures/', import.meta.url);
let directory = '';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'callgate-import-'));
  const files: Record<string, string> = {
    'opengate.yaml':
      'version: "1"\nextends: parent.yaml\nrules:\n  - { id: a, match: { tool: "read_*" }, action: allow }\n',
    'parent.yaml':
      'version: "1"\ndefault: deny\nrules:\n  - { id: b, match: { tool: "*" }, action: require-approval }\n',
    'agentgate.toml': readFileSync(new URL('agentgate-default.toml', fixtures), 'utf8'),
    'api.yaml': 'name: api\nrules:\n  - { resource: "/calendar/**", intent: read, effect: allow }\n',
    'mcp-gate.json': '{ "rules": [{ "id": "a", "effect": "allow", "tools": ["x"] }] }',
    'mcpguard.yaml': 'rules:\n  - { id: a, action: warn, tool_patterns: ["send_*"] }\n',
    'settings.json': '{ "permissions": { "allow": ["Bash(ls:*)"], "deny": ["Read(./.env)"] } }',
    'cedar.cedar': 'permit (principal, action, resource == Tool::"x") when { context.args.n < 5 };\n',
    'bad.yaml': 'rules:\n  - { id: a, effect: allow, tool: x }\n',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function callgate(...argv: string[]): { code: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, 'policy', ...argv], {
    cwd: directory,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: directory },
  });
  return { code: status, stdout, stderr };
}

it('imports each source to a policy that policy check accepts', () => {
  const sources: readonly [string, string][] = [
    ['opengate', 'opengate.yaml'],
    ['agentgate', 'agentgate.toml'],
    ['agentgate-api', 'api.yaml'],
    ['mcp-gate', 'mcp-gate.json'],
    ['mcpguard', 'mcpguard.yaml'],
    ['claude-code', 'settings.json'],
    ['cedar', 'cedar.cedar'],
  ];
  for (const [from, file] of sources) {
    const out = `${from}.out.yaml`;
    const done = callgate('import', '--from', from, file, '--out', out);
    expect([done.code, done.stdout], done.stderr).toEqual([0, '']);
    expect(done.stderr).toMatch(/imported \d+ rules from .*: \d+ same, \d+ translated, \d+ refused/);
    const checked = callgate('check', out);
    expect(checked.code, checked.stderr).toBe(0);
    expect(readFileSync(join(directory, out), 'utf8')).toContain(`# ${file}:`);
  }
});

it('writes the policy to stdout and the report to a file or to stderr', () => {
  const done = callgate('import', '--from', 'mcpguard', 'mcpguard.yaml', '--report', 'report.txt');
  expect(done.code).toBe(0);
  expect(done.stdout).toContain('combine: deny-overrides');
  expect(readFileSync(join(directory, 'report.txt'), 'utf8')).toMatch(
    /translated +mcpguard\.yaml:2 +tool pattern send_\*/,
  );
  const json = callgate('import', '--from', 'mcpguard', 'mcpguard.yaml', '--json');
  const result = JSON.parse(json.stdout) as {
    ok: boolean;
    policy: string;
    remarks: { fate: string; file: string; line: number }[];
  };
  expect(result.ok).toBe(true);
  expect(result.policy).toContain('version: 1');
  expect(result.remarks).toContainEqual(
    expect.objectContaining({ fate: 'translated', file: 'mcpguard.yaml', line: 2 }),
  );
});

it('writes nothing when the source has mistakes, and names their place', () => {
  const done = callgate('import', '--from', 'mcp-gate', 'bad.yaml', '--out', 'never.yaml');
  expect([done.code, done.stdout]).toEqual([2, '']);
  expect(done.stderr).toContain('bad.yaml:2:');
  expect(done.stderr).toContain('did you mean "tools"?');
  expect(() => readFileSync(join(directory, 'never.yaml'))).toThrow(/ENOENT/);
});

it('refuses flags that make no sense', () => {
  const cases: readonly [string[], string][] = [
    [['import', 'mcp-gate.json'], '--from'],
    [['import', '--from', 'mcpgate', 'mcp-gate.json'], 'Did you mean "mcp-gate"?'],
    [['import', '--from', 'mcp-gate'], 'needs a file'],
    [['import', '--from', 'mcp-gate', 'gone.json'], 'no such file'],
    [['import', '--from', 'mcp-gate', '--order', 'as-built', 'mcp-gate.json'], '--order'],
    [['import', '--from', 'mcp-gate', 'mcp-gate.json', '--out', './mcp-gate.json'], 'file to import from'],
  ];
  for (const [argv, message] of cases) {
    const done = callgate(...argv);
    expect(done.code, argv.join(' ')).toBe(2);
    expect(done.stderr, argv.join(' ')).toContain(message);
  }
});

describe('a wrapper of OpenGate', () => {
  it('becomes a policy and a config, and serves', async () => {
    const bench = new Bench(undefined);
    try {
      const [command, ...args] = realServer('everything');
      writeFileSync(
        bench.path('wrapper.yaml'),
        JSON.stringify({
          policy: {
            version: 1,
            default: 'allow',
            rules: [{ id: 'no-env', match: { tool: 'get-env' }, action: 'block', reason: 'private' }],
          },
          server: { command, args, env: { GREETING: 'a ${b}' } },
        }),
      );
      const flags = ['--out', bench.path('policy.yaml'), '--config-out', bench.path('callgate.yaml')];
      const words = ['policy', 'import', '--from', 'opengate', bench.path('wrapper.yaml'), ...flags];
      const imported = spawnSync(process.execPath, [CLI, ...words], { env: bench.env, encoding: 'utf8' });
      expect([imported.status, imported.stderr]).toEqual([0, expect.stringContaining('imported 1 rules')]);
      const client = await bench.connect([
        process.execPath, CLI, 'run', '--config', bench.path('callgate.yaml'), '--home', bench.home,
      ]); // prettier-ignore
      expect(JSON.stringify(await client.call('echo', { message: 'served' }))).toContain('Echo: served');
      expect(JSON.stringify(await client.call('get-env', {}))).toContain('private');
    } finally {
      await bench.close();
    }
  });
});
