import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { policyCommand } from './policy.ts';
import { testIo } from './test-io.ts';

const cwd = mkdtempSync(join(tmpdir(), 'callgate-policy-'));
writeFileSync(
  join(cwd, 'policy.yaml'),
  'version: 1\nrules:\n  - id: a\n    match: { tool: x }\n    args: { p: { under: "${PROJECT}" } }\n    effect: allow\n',
);
writeFileSync(join(cwd, 'bad.yaml'), 'version: 1\nrules:\n  - id: a\n    match: { tol: x }\n    effect: nope\n');

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const io = testIo(cwd, { HOME: '/home/user' });
  const code = await policyCommand(argv, io);
  return { code, out: io.out(), err: io.err() };
}

describe('callgate policy check', () => {
  test('says that a policy loads, with its rules and hash', async () => {
    const { code, out, err } = await run('check', 'policy.yaml');
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^ok: 1 rule, policy hash sha256:[0-9a-f]{64}\n$/);
  });

  test('checks ./policy.yaml when no file is named', async () => {
    expect((await run('check')).out).toMatch(/^ok: 1 rule/);
  });

  test('prints every issue with its line, a caret and what to do', async () => {
    const { code, out, err } = await run('check', 'bad.yaml');
    expect([code, out]).toEqual([2, '']);
    expect(err).toBe(
      [
        'bad.yaml:4:14: rules[0].match has no key "tol" [CG_POLICY_UNKNOWN_KEY]',
        '      match: { tol: x }',
        '               ^',
        '  do: did you mean "tool"?',
        'bad.yaml:5:13: rules[0].effect cannot be "nope" [CG_POLICY_VALUE]',
        '      effect: nope',
        '              ^',
        '  do: known here: allow, deny, ask, defer',
        '',
      ].join('\n'),
    );
  });

  test('a missing file is invalid too', async () => {
    const { code, err } = await run('check', 'nowhere.yaml');
    expect(code).toBe(2);
    expect(err).toMatch(/nowhere\.yaml:1:1: there is no such file/);
  });

  test('--json prints one object, whether it loads or not', async () => {
    expect(JSON.parse((await run('check', 'policy.yaml', '--json')).out)).toMatchObject({
      ok: true,
      rules: 1,
      default: 'deny',
    });
    const { code, out, err } = await run('check', '--json', 'bad.yaml');
    expect([code, err]).toEqual([2, '']);
    expect(JSON.parse(out)).toMatchObject({
      ok: false,
      issues: [{ code: 'CG_POLICY_UNKNOWN_KEY', line: 4, column: 14 }, { code: 'CG_POLICY_VALUE' }],
    });
  });

  test('another word is a usage error', async () => {
    await expect(run('chekc')).rejects.toMatchObject({ code: 'CG_USAGE_UNKNOWN_COMMAND' });
  });
});

test('policy schema prints the JSON Schema', async () => {
  const { code, out } = await run('schema');
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ title: 'Callgate policy, version 1' });
});
