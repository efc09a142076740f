import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bench, CLI } from './peers/gate.ts';

/** The built program, asked about policies as a person asks it. */
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'callgate-tools-'));
  writeFileSync(
    join(dir, 'policy.yaml'),
    `version: 1
rules:
  - id: read-project
    match: { server: files, tool: [read_file, "list_*"] }
    args: { path: { under: ["\${PROJECT}"] } }
    effect: allow
  - id: refunds
    match: { tool: refund, roles: [support] }
    when: args.amount > 0 && args.amount < 500
    effect: allow
    obligations: [{ rate: { max: 5, per: 1h, key: [principal] } }]
`,
  );
  writeFileSync(
    join(dir, 'policy.test.yaml'),
    `policy: ./policy.yaml
links: { /project/out: /etc }
tables:
  - name: reading
    columns: [server, tool, args.path, effect, rule]
    rows:
      - [files, read_file, a.txt, allow, read-project]
      - [files, list_dir, /project/src, allow, read-project]
      - [files, read_file, /etc/passwd, deny, default]
      - [files, read_file, /, deny, default]
      - [files, read_file, out/passwd, deny, default]
      - [files, write_file, a.txt, deny, default]
      - [other, read_file, a.txt, deny, default]
cases:
  - name: a small refund
    call: { tool: refund, roles: [support], args: { amount: 499 } }
    expect: { effect: allow, rule: refunds, obligations: [rate] }
  - { name: a large refund, call: { tool: refund, roles: [support], args: { amount: 500 } }, expect: deny }
  - { name: nothing, call: { tool: refund, roles: [support], args: { amount: 0 } }, expect: deny }
  - { name: another tool, call: { tool: charge, roles: [support], args: { amount: 1 } }, expect: deny }
  - { name: a stranger, call: { tool: refund, args: { amount: 1 } }, expect: deny }
`,
  );
  mkdirSync(join(dir, 'src'));
  symlinkSync('/etc', join(dir, 'out'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function callgate(argv: readonly string[], input = ''): { code: number | null; out: string; err: string } {
  const env = { PATH: process.env['PATH'], HOME: dir };
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, 'policy', ...argv], {
    cwd: dir,
    env,
    input,
    encoding: 'utf8',
  });
  return { code: status, out: stdout, err: stderr };
}

describe('policy explain', () => {
  it('says the verdict first, then why, then each rule and what it looked at', () => {
    const args = ['explain', '--tool', 'refund', '--role', 'support', '--args', '{"amount": 700}'];
    const { code, out, err } = callgate(args);
    expect([code, err]).toEqual([0, '']);
    const lines = out.split('\n');
    expect(lines[0]).toBe('deny: default');
    expect(lines[1]).toContain('why: no rule decides tools/call "refund"');
    expect(out).toMatch(/^ +refunds +allow +no +/m);
    expect(out).toMatch(/^ +args\.amount > 0 +yes +700$/m);
    expect(out).toMatch(/^ +args\.amount < 500 +no +700$/m);
  });

  it('follows the links of this machine', () => {
    const of = (path: string): string =>
      callgate(['explain', '--server', 'files', '--tool', 'read_file', '--args', JSON.stringify({ path })]).out.split(
        '\n',
      )[0]!;
    expect([of('src/a'), of('out/passwd'), of(join(dir, 'src'))]).toEqual([
      'allow: read-project',
      'deny: default',
      'allow: read-project',
    ]);
  });

  it('takes a call for the first of its session', () => {
    const rule = '{ id: many, match: { tool: t }, when: \'count("*", "1m") >= 2\', effect: deny }';
    writeFileSync(join(dir, 'count.yaml'), `version: 1\ndefault: allow\nrules:\n  - ${rule}\n`);
    expect(callgate(['explain', '--tool', 't', 'count.yaml']).out.split('\n')[0]).toBe('allow: default');
  });

  it('reads arguments from stdin, and prints JSON', () => {
    const { code, out } = callgate(
      ['explain', '--tool', 'refund', '--role', 'support', '-', '--json'],
      '{"amount": 1}',
    );
    expect(code).toBe(0);
    const told = JSON.parse(out) as {
      decision: { effect: string; obligations: unknown[] };
      rules: { decided: boolean; line: number }[];
    };
    expect(told.decision).toMatchObject({ effect: 'allow', rule: 'refunds', obligations: [{ kind: 'rate' }] });
    expect(told.rules.map(({ decided, line }) => [decided, line])).toEqual([
      [false, 3],
      [true, 7],
    ]);
  });

  it.each([
    [['explain'], 'explain needs a call.'],
    [['explain', '--tool', 'x', '--args', '{"a":1,"a":2}'], '--args is no JSON'],
    [['explain', '--tool', 'x', '--args', '{}', '-'], 'The arguments are given twice.'],
    [['explain', '--tool', 'x', '--direction', 'up'], '--direction is "up".'],
    [['explain', '--tool', 'x', '--time', 'noon'], '--time is "noon".'],
    [['explain', '--tool', 'x', 'nowhere.yaml'], 'there is no such file'],
  ])('ends with 2 for %j', (argv, message) => {
    const { code, err } = callgate(argv);
    expect([code, err.includes(message)]).toEqual([2, true]);
  });
});

describe('policy explain --record', () => {
  it('explains a call of the evidence', async () => {
    const bench = new Bench(
      'version: 1\nrules:\n  - { id: few, match: { tool: echo }, when: args.text == "short", effect: allow }\n',
    );
    try {
      const client = await bench.connect(bench.gated(bench.echo(), { name: 'fx' }));
      await client.request('tools/call', { name: 'echo', arguments: { text: 'long' } });
      await client.close();
      const record = (await bench.logs()).find(({ toolName }) => toolName === 'echo') as unknown as { id: string };
      const { code, stdout, stderr } = await bench.callgate('policy', 'explain', '--record', record.id, bench.policy);
      expect(code).toBe(0);
      expect(stdout.split('\n')[0]).toBe('deny: default');
      expect(stdout).toMatch(/args\.text == "short" +no +"long"/);
      expect(stderr).toContain('it was decided deny by default');
      const unknown = await bench.callgate('policy', 'explain', '--record', 'zz-1', bench.policy);
      expect([unknown.code, unknown.stderr.includes('There is no recorded call zz-1.')]).toEqual([2, true]);
    } finally {
      bench.remove();
    }
  });

  it('takes the calls of its session before it into account', async () => {
    const many = '{ id: many, match: { tool: echo }, when: \'count("echo", "1m") >= 2\', effect: deny }';
    const bench = new Bench(`version: 1\nrules:\n  - ${many}\n  - { id: few, match: { tool: echo }, effect: allow }\n`);
    try {
      const client = await bench.connect(bench.gated(bench.echo(), { name: 'fx' }));
      for (const text of ['a', 'b', 'c'])
        await client.request('tools/call', { name: 'echo', arguments: { text } }).catch(() => undefined);
      await client.close();
      const ids = (await bench.logs()).filter(({ toolName }) => toolName === 'echo') as unknown as { id: string }[];
      const told: string[] = [];
      for (const { id } of ids) {
        const { stdout } = await bench.callgate('policy', 'explain', '--record', id, bench.policy);
        told.push(stdout.split('\n')[0]!);
      }
      expect(told).toEqual(['allow: few', 'allow: few', 'deny: many']);
    } finally {
      bench.remove();
    }
  });
});

describe('policy lint', () => {
  it('says nothing of a good policy, and names the place of what is wrong', () => {
    expect(callgate(['lint'])).toEqual({ code: 0, out: 'ok: 2 rules, nothing to say\n', err: '' });
    writeFileSync(
      join(dir, 'bad.yaml'),
      `version: 1
rules:
  - { id: a, match: { tool: x }, args: { n: { in: [1, 2] } }, effect: deny }
  - { id: b, match: { tool: x }, args: { n: 1 }, effect: ask }
`,
    );
    const { code, out } = callgate(['lint', 'bad.yaml']);
    expect(code).toBe(1);
    expect(out).toBe(
      [
        'bad.yaml:4:5: error: rule "b" never decides: "a", asked before it, decides on everything it matches [LINT-01]',
        '    - { id: b, match: { tool: x }, args: { n: 1 }, effect: ask }',
        '      ^',
        '  do: move "b" before "a", or remove it',
        '1 error in 2 rules',
        '',
      ].join('\n'),
    );
  });

  it('looks into included files, and names them', () => {
    writeFileSync(
      join(dir, 'parent.yaml'),
      'version: 1\nrules:\n  - { id: wide, match: { server: "*" }, effect: allow }\n',
    );
    writeFileSync(join(dir, 'child.yaml'), 'version: 1\nextends: ./parent.yaml\nrules: []\n');
    const { code, out } = callgate(['lint', 'child.yaml', '--strict', '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ ok: false, findings: [{ code: 'LINT-04', place: { line: 3 } }] });
    expect(callgate(['lint', 'child.yaml']).code).toBe(0);
  });
});

describe('policy test', () => {
  it('passes, and notices every change of the policy', () => {
    const { code, out, err } = callgate(['test', 'policy.yaml', '--coverage', '--min', '90']);
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain('ok: policy.yaml: 12 of 12 cases passed');
    expect(out).toContain('rules matched by some case: 2 of 2');
    expect(out).toContain('conditions seen true and false: 4 of 4');
    expect(out).toMatch(/changes noticed: \d+ of \d+ \((?:100|9\d(?:\.\d)?)%\)/);
  });

  it('ends with 1 for a case that fails: what was expected, what came, by which rule, and which came nearest', () => {
    writeFileSync(
      join(dir, 'wrong.test.yaml'),
      'policy: ./policy.yaml\ncases:\n  - { name: too much, call: { tool: refund, roles: [support], args: { amount: 900 } }, expect: allow }\n',
    );
    expect(callgate(['test', 'wrong.test.yaml'])).toEqual({
      code: 1,
      out: 'wrong.test.yaml:3:5: too much: expected effect allow, came deny (by default)\n  nearest: refunds (policy.yaml:7:5): args.amount < 500 does not hold, it is 900\nfailed: policy.yaml: 0 of 1 case passed\n',
      err: '',
    });
  });

  it('ends with 1 where fewer changes are noticed than --min wants, with a call that tells', () => {
    writeFileSync(
      join(dir, 'few.test.yaml'),
      'policy: ./policy.yaml\ncases:\n  - { call: { tool: refund, roles: [support], args: { amount: 1 } }, expect: allow }\n',
    );
    const { code, out } = callgate(['test', 'few.test.yaml', '--min', '90']);
    expect(code).toBe(1);
    expect(out).toContain('read-project never matches');
    expect(out).toMatch(
      /policy\.yaml:9:11: refunds: < became <= in args\.amount < 500: no case notices; this call tells: \{.*"amount":500/,
    );
    expect(out).toMatch(/failed: [\d.]+% is less than 90%/);
  });

  it('ends with 2 for cases that do not read and a policy that is not there', () => {
    writeFileSync(
      join(dir, 'broken.test.yaml'),
      'policy: ./policy.yaml\ncases:\n  - { call: { tol: x }, expect: deny }\n',
    );
    writeFileSync(
      join(dir, 'lost.test.yaml'),
      'policy: ./lost.yaml\ncases:\n  - { call: { tool: x }, expect: deny }\n',
    );
    const broken = callgate(['test', 'broken.test.yaml']);
    expect([broken.code, broken.out]).toEqual([2, '']);
    expect(broken.err).toContain('broken.test.yaml:3:15: call has no key "tol" [CG_POLICY_CASES]');
    const none = callgate(['test', 'bad.yaml']);
    expect([none.code, none.err.includes('bad.test.yaml:1:1: there is no such file')]).toEqual([2, true]);
    const lost = callgate(['test', 'lost.test.yaml']);
    expect([lost.code, lost.err.includes('there is no policy lost.yaml')]).toEqual([2, true]);
  });

  it('is the same on every machine: variables and links are those of the file', () => {
    writeFileSync(
      join(dir, 'vars.test.yaml'),
      'policy: ./policy.yaml\nvariables: { PROJECT: /work }\ncases:\n  - { call: { server: files, tool: read_file, args: { path: /work/out/x } }, expect: allow }\n',
    );
    expect(callgate(['test', 'vars.test.yaml']).code).toBe(0);
  });
});
