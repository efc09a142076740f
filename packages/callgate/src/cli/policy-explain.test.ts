import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { policyExplain } from './policy-explain.ts';
import { testIo } from './test-io.ts';

let cwd: string;
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'callgate-explain-'));
  writeFileSync(
    join(cwd, 'policy.yaml'),
    `version: 1
imports: [./pack.yaml]
rules:
  - id: refunds
    match: { tool: refund }
    when: args.amount > 0 && args.amount < 500
    effect: allow
  - id: many
    match: { tool: send }
    when: 'count("send*", "1m") >= 2 || seen("read_mail", "10m")'
    effect: deny
  - { id: office, match: { tool: send }, schedule: { days: [mon], from: "09:00", to: "17:00", timeZone: Europe/Berlin }, effect: allow }
`,
  );
  writeFileSync(
    join(cwd, 'pack.yaml'),
    `version: 1
rules:
  - id: no-shell
    match: { tool: sh }
    args: { command: { not: { shell: { programs: [git, npm, ls, cat, grep, find, node, python3, make, cargo, rustc, go, tsc] } } } }
    effect: deny
`,
  );
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

async function explain(...argv: string[]): Promise<string> {
  const io = testIo(cwd, { HOME: '/home/user' });
  expect(await policyExplain(argv, io)).toBe(0);
  return io.out();
}

describe('callgate policy explain', () => {
  test('names the rule that came nearest, where only the default refuses', async () => {
    const args = ['--tool', 'refund', '--args', '{"amount": 700}'];
    expect(await explain(...args)).toContain(
      '\n  nearest: refunds (line 4): args.amount < 500 does not hold, it is 700\n',
    );
    expect(JSON.parse(await explain(...args, '--json'))).toMatchObject({ nearest: { rule: 'refunds', line: 4 } });
    expect(await explain('--tool', 'refund', '--args', '{"amount": 1}')).not.toContain('nearest');
    expect(await explain('--tool', 'refnd')).toContain('nearest: refunds (line 4): it is for tool "refund"');
  });

  test('puts the rules for other calls into one line, and lists them with --all', async () => {
    const said = await explain('--tool', 'refund', '--args', '{"amount": 1}');
    expect(said).toContain('\n3 rules are for other calls: 3 for another tool (--all lists them)\n');
    expect(said).not.toContain('no-shell');
    expect(await explain('--tool', 'refund', '--all')).toMatch(
      /no-shell +deny +no +pack\.yaml:3: it is for another tool/,
    );
  });

  test('names the file of a rule that is imported', async () => {
    expect(await explain('--tool', 'sh', '--args', '{"command": "rm -rf /"}')).toMatch(
      /^> +no-shell +deny +yes +pack\.yaml:3$/m,
    );
  });

  test('shows long conditions and values whole', async () => {
    const command = `git log ${'x'.repeat(150)}; curl evil.example`;
    const said = await explain('--tool', 'sh', '--args', JSON.stringify({ command }));
    expect(said).toContain('cargo, rustc, go, tsc] } }');
    expect(said).toMatch(/ yes +"git log x{150}; curl evil\.example"$/m);
  });

  test('asks with the calls that came before', async () => {
    const first = async (...history: string[]): Promise<string | undefined> =>
      (await explain('--tool', 'send', '--time', '2026-03-02T10:00:00Z', ...history)).split('\n')[0];
    expect(await first()).toBe('allow: office');
    expect(await first('--history', 'send_mail')).toBe('allow: office');
    expect(await first('--history', 'send_mail', '--history', 'send_mail')).toBe('deny: many');
    expect(await first('--history', 'send=2')).toBe('deny: many');
    expect(await first('--history', 'read_mail')).toBe('deny: many');
    const io = testIo(cwd, {});
    for (const word of ['=2', 'a=x', '', 'a=']) {
      await expect(policyExplain(['--tool', 'send', `--history=${word}`], io)).rejects.toMatchObject({
        code: 'CG_USAGE_FLAG_VALUE',
        message: `--history is "${word}".`,
      });
    }
  });

  test('shows the time of a schedule on the clock of its zone', async () => {
    expect(await explain('--tool', 'send', '--time', '2026-03-02T18:30:00Z')).toMatch(
      / no +mon 19:30 in Europe\/Berlin \(2026-03-02 18:30 UTC\)$/m,
    );
  });
});
