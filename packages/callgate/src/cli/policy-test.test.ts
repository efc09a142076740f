import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { policyTest } from './policy-test.ts';
import { testIo } from './test-io.ts';

let cwd: string;
const write = (name: string, text: string): void => writeFileSync(join(cwd, name), text);
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'callgate-cases-'));
  write(
    'policy.yaml',
    `version: 1
imports: [./pack.yaml]
rules:
  - { id: refunds, match: { tool: refund }, when: args.amount > 0 && args.amount < 500, effect: allow }
`,
  );
  write('pack.yaml', 'version: 1\nrules:\n  - { id: sh, match: { tool: sh }, effect: deny }\n');
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

async function run(cases: string, ...argv: string[]): Promise<readonly [number, string]> {
  write('policy.test.yaml', `policy: ./policy.yaml\ncases:\n${cases}`);
  const io = testIo(cwd, {});
  const code = await policyTest(argv, io);
  return [code, io.out()];
}

const GOOD = `  - { name: in, call: { tool: refund, args: { amount: 499 } }, expect: { effect: allow, rule: refunds } }
  - { name: one, call: { tool: refund, args: { amount: 1 } }, expect: allow }
  - { name: none, call: { tool: refund, args: { amount: 0 } }, expect: { effect: deny, rule: default } }
  - { name: over, call: { tool: refund, args: { amount: 500 } }, expect: deny }
  - { name: other, call: { tool: pay, args: { amount: 5 } }, expect: deny }
`;

describe('callgate policy test', () => {
  test.each([
    [
      '{ tool: refund, args: { amount: 900 } }, expect: allow',
      'nearest: refunds (policy.yaml:4:5): args.amount < 500 does not hold, it is 900',
    ],
    [
      '{ tool: refunds, args: { amount: 9 } }, expect: { effect: allow }',
      'nearest: refunds (policy.yaml:4:5): it is for tool "refund", not "refunds"',
    ],
    ['{ tool: pay }, expect: { rule: sh }', 'nearest: sh (pack.yaml:3:5): it is for another tool than "pay"'],
    ['{ tool: pay }, expect: { rule: refnds }', 'there is no rule "refnds". Did you mean "refunds"?'],
  ])('names the rule that came nearest to what was expected: %s', async (text, wanted) => {
    const [code, out] = await run(`  - { name: a, call: ${text} }\n`);
    expect(code).toBe(1);
    expect(out.split('\n')[1]).toBe(`  ${wanted}`);
  });

  test('counts and changes the rules of its own files, with --imports all', async () => {
    const [code, out] = await run(GOOD, '--coverage', '--min', '100');
    expect([code, out]).toEqual([
      0,
      expect.stringContaining('rules matched by some case: 1 of 1 (1 rule of included files'),
    ]);
    expect(out).not.toContain('sh never matches');
    const [all, said] = await run(GOOD, '--imports', '--min', '100');
    expect([all, said]).toEqual([1, expect.stringContaining('rules matched by some case: 1 of 2\n')]);
    expect(said).toContain('pack.yaml:3:5: sh never matches');
  });

  test('says what is covered also where a case fails', async () => {
    const failing = '  - { name: bad, call: { tool: refund, args: { amount: 5 } }, expect: deny }\n';
    const [code, out] = await run(failing, '--coverage');
    expect(code).toBe(1);
    expect(out).toContain('conditions seen true and false: 0 of 2');
    expect(out).toContain('changes noticed: not tried until all cases pass');
    const [, json] = await run(failing, '--coverage', '--json');
    expect(JSON.parse(json)).toMatchObject({ ok: false, suites: [{ rules: { total: 1 }, conditions: { total: 2 } }] });
  });
});
