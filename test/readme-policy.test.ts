import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bench, CLI } from './peers/gate.ts';
import { blockWith, pageText } from './peers/page.ts';
import { type RawClient, textOf } from './peers/raw-client.ts';

const readme = pageText('README.md');
const POLICY = blockWith(readme, 'version: 1');
const COMMANDS = blockWith(readme, 'callgate policy lint')
  .split('\n')
  .map((line) => line.replace(/ +#.*$/, '').trim())
  .filter((line) => line !== '');

const CASES = `policy: ./policy.yaml
cases:
  - { name: a refund, call: { server: shop, tool: billing.refund, args: { amount: 5 } }, expect: allow }
  - { name: wiping, call: { server: shop, tool: Bash, args: { command: "rm -rf ~" } }, expect: { effect: deny, rule: no-destructive-shell } }
`;
const SETTINGS = { permissions: { allow: ['Bash(npm test)'], deny: ['Read(./.env)'] } };

let bench: Bench;
beforeAll(async () => {
  bench = new Bench(undefined);
  const write = (name: string, text: string): void => writeFileSync(bench.path(name), text);
  write('policy.yaml', POLICY);
  write('stricter.yaml', POLICY.replace('args.amount < 500', 'args.amount < 100'));
  write('policy.test.yaml', CASES);
  write('settings.json', JSON.stringify(SETTINGS));
  write('callgate', `#!/bin/sh\nexec '${process.execPath}' '${CLI}' "$@"\n`);
  await sh('chmod +x callgate');
  // Something to simulate and to learn from.
  const client = await connect();
  for (const amount of [50, 200]) await client.call('billing.refund', { amount });
  await client.close();
}, 60_000);
afterAll(async () => bench.close());

const env = (): Record<string, string> => ({
  ...bench.env,
  PATH: [bench.dir, dirname(process.execPath), process.env['PATH']].join(delimiter),
});

const connect = async (): Promise<RawClient> =>
  bench.connect(['callgate', 'run', '--name', 'shop', '--policy', 'policy.yaml', '--', ...bench.echo()], {
    env: env(),
  });

/** Runs a line of a shell; gives its code and what it printed. */
async function sh(line: string): Promise<{ readonly code: number; readonly out: string }> {
  return new Promise((resolve) => {
    execFile('sh', ['-c', line], { cwd: bench.dir, env: env() }, (error, out, err) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, out: out + err });
    });
  });
}

const lineOf = (verb: string): string => COMMANDS.find((line) => line.startsWith(`callgate policy ${verb} `)) ?? verb;

describe('the questions of the page', () => {
  const answers: readonly (readonly [string, number, RegExp])[] = [
    ['lint', 0, /rules?, nothing to say|notes? in/],
    ['explain', 0, /^deny: no-destructive-shell\n/],
    ['can', 0, /^no: /],
    ['diff', 1, /allow -> deny +refunds -> default .*"amount":100/],
    ['simulate', 0, /allow[^]*deny/],
    ['learn', 0, /./],
    ['test', 0, /2 cases/],
    ['import', 0, /./],
  ];
  it.each(answers)(
    'policy %s answers',
    async (verb, code, said) => {
      const ran = await sh(lineOf(verb));
      expect(ran.out).toMatch(said);
      expect([verb, ran.code]).toEqual([verb, code]);
    },
    60_000,
  );

  it('are all of the page', () => {
    expect(COMMANDS).toHaveLength(8);
  });
});

describe('the shell rule of the page', () => {
  it('refuses what deletes, however it is written', async () => {
    const client = await connect();
    try {
      for (const command of [
        'rm -rf /',
        'rm  -fr ~',
        'r""m -r -f x',
        ['rm', '-rf', '/'],
        'X=rm; $X -rf x',
        'sudo sh -c "rm -rf x"',
      ])
        expect([command, textOf(await client.call('Bash', { command }))]).toEqual([
          command,
          expect.stringContaining('(rule "no-destructive-shell")'),
        ]);
    } finally {
      await client.close();
    }
  });
});
