import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Bench, CLI, realServer, SECRET } from './peers/gate.ts';

const OPEN = `version: 1
rules:
  - { id: no-add, match: { tool: add }, args: { a: { gt: 100 } }, effect: deny }
  - { id: all, match: { tool: "*" }, effect: allow }
`;

let bench: Bench;
afterEach(async () => bench.close());

type Calls = readonly (readonly [tool: string, args?: object])[];

/** Makes calls through a gate; says for each whether it was an error. */
async function call(server: readonly string[], calls: Calls): Promise<(boolean | undefined)[]> {
  const client = await bench.connect(bench.gated(server, { name: 'peer' }));
  try {
    const errors: (boolean | undefined)[] = [];
    for (const [tool, args] of calls) {
      // Without arguments there is no `arguments` at all.
      const params = args === undefined ? { name: tool } : { name: tool, arguments: args };
      const { result } = await client.request('tools/call', params);
      errors.push(result === undefined ? undefined : result.isError === true);
    }
    return errors;
  } finally {
    await client.close();
  }
}

const learned = (): string => readFileSync(bench.path('learned.yaml'), 'utf8');

interface Simulated {
  readonly ok: boolean;
  readonly judged: number;
  readonly matrix: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly changes: readonly { readonly change: string; readonly target: string; readonly count: number }[];
  readonly notReplayable: readonly { readonly why: string; readonly count: number }[];
}

async function simulate(...args: readonly string[]): Promise<Simulated & { readonly code: number }> {
  const { code, stdout, stderr } = await bench.callgate('policy', 'simulate', ...args, '--json');
  if (stdout === '') throw new Error(stderr);
  return { code, ...(JSON.parse(stdout) as Simulated) };
}

describe('another policy on what was recorded', () => {
  it('says what would have changed, and what cannot be told', async () => {
    bench = new Bench(OPEN);
    await call(bench.echo(), [
      ['echo', { message: 'hello' }],
      ['echo', { message: `the key is ${SECRET}` }],
      ['add', { a: 1, b: 2 }],
      ['add', { a: 500, b: 2 }],
      ['where'],
    ]);
    writeFileSync(
      bench.path('new.yaml'),
      `version: 1
rules:
  - { id: words, match: { tool: echo }, args: { message: { not: { contains: secret } } }, effect: allow }
  - { id: sums, match: { tool: add }, effect: allow }
`,
    );
    const result = await simulate('new.yaml', '--tool', '*', '--fail-on', 'newly-allowed');
    expect(result.code).toBe(1);
    expect(result.changes).toMatchObject([
      { change: 'newly-allowed', target: 'add', count: 1 },
      { change: 'newly-denied', target: 'where', count: 1 },
    ]);
    expect(result.notReplayable).toMatchObject([{ why: '/message, which was masked', count: 1 }]);
    const text = await bench.callgate('policy', 'simulate', 'new.yaml');
    expect(text.code).toBe(0);
    expect(text.stdout).toContain('newly allowed: 1\n  add on peer: deny by no-add -> sums, 1 call\n');
    expect(text.stdout).not.toContain(SECRET);
  });

  it('changes nothing under the policy in force, whatever came through', async () => {
    bench = new Bench(OPEN);
    await call(bench.echo(), [
      ['echo', { message: 'a' }],
      ['add', { a: 1, b: 2 }],
      ['add', { a: 101, b: 2 }],
      ['fail'],
      ['where'],
    ]);
    const result = await simulate('policy.yaml', '--fail-on', 'any');
    expect(result.code).toBe(0);
    expect(result.changes).toEqual([]);
    expect(result.matrix['deny']?.['deny']).toBe(1);
  });
});

describe('a policy learned from what was recorded', () => {
  it('loads, lets the same calls pass, and refuses others', async () => {
    bench = new Bench(OPEN);
    const same: Calls = [
      ['echo', { message: 'one' }],
      ['echo', { message: 'two' }],
      ['echo', { message: 'three' }],
      ['add', { a: 1, b: 2 }],
      ['add', { a: 5, b: 2 }],
      ['add', { a: 9, b: 2 }],
      ['where'],
      ['args', {}],
      ['args', { to: ['a@x.example'], deep: { list: [{ n: 1 }] } }],
    ];
    expect(
      await call(bench.echo(), [...same, ['add', { a: 500, b: 2 }], ['fail'], ['echo', { message: SECRET }]]),
    ).toEqual([...same.map(() => false), true, true, false]);

    const { code, stdout } = await bench.callgate('policy', 'learn', '--out', 'learned.yaml');
    expect(code).toBe(0);
    expect(stdout).toContain(`learned from ${same.length} of`);
    expect(learned()).not.toContain(SECRET);
    const checked = execFileSync(process.execPath, [CLI, 'policy', 'check', bench.path('learned.yaml')]);
    expect(String(checked)).toContain('ok');
    const simulated = await simulate('learned.yaml');
    expect(simulated.changes.filter(({ change }) => change === 'newly-allowed')).toEqual([]);

    writeFileSync(bench.policy, learned());
    const others: Calls = [
      ['add', { a: 10, b: 2 }],
      ['add', { a: 1, b: 3 }],
      ['add', { a: 1, b: 2, c: 3 }],
      ['args', { to: ['b@x.example'], deep: { list: [{ n: 1 }] } }],
      ['args', { to: ['a@x.example'], deep: { list: [{ n: 1, m: 1 }] } }],
      ['echo', { message: 'x'.repeat(100) }],
      ['fail'],
      ['wipe'],
    ];
    expect(await call(bench.echo(), [...same, ['echo', { message: 'four' }], ['add', { a: 7, b: 2 }]])).toEqual([
      ...same.map(() => false),
      false,
      false,
    ]);
    expect(await call(bench.echo(), others)).toEqual(others.map(() => true));
  });

  it('learns nothing from a session once it has labels', async () => {
    bench = new Bench(`version: 1
rules:
  - { id: taints, match: { tool: give }, effect: allow, obligations: [{ label: { add: [untrusted] } }] }
  - { id: all, match: { tool: "*" }, effect: allow }
`);
    await call(bench.echo(), [
      ['echo', { message: 'before' }],
      ['give', { value: 'x' }],
      ['echo', { message: 'after' }],
    ]);
    const { stdout } = await bench.callgate('policy', 'learn');
    expect(stdout).toContain('1: tainted');
    expect(stdout).toContain('- "before" # 1 call');
    expect(stdout).not.toContain('after"');
  });

  it('keeps a file server to the directories that were read', async () => {
    bench = new Bench(OPEN);
    for (const dir of ['src', 'private']) mkdirSync(bench.path(dir));
    for (const file of ['src/a', 'src/b', 'src/c', 'src/d', 'private/key', 'notes'])
      writeFileSync(bench.path(file), 'text');
    const server = realServer('filesystem', bench.dir);
    const read = (file: string): [string, object] => ['read_text_file', { path: bench.path(file) }];
    await call(server, [read('src/a'), read('src/b'), read('src/c'), read('notes'), ['list_allowed_directories']]);
    expect((await bench.callgate('policy', 'learn', '--out', 'learned.yaml')).code).toBe(0);
    expect(learned()).toContain('under: "${PROJECT}/src" # 3 calls, 3 files');
    expect(learned()).toContain('- "${PROJECT}/notes" # 1 call');

    writeFileSync(bench.policy, learned());
    expect(await call(server, [read('src/d'), read('notes'), ['list_allowed_directories']])).toEqual([
      false,
      false,
      false,
    ]);
    expect(
      await call(server, [
        read('private/key'),
        ['read_text_file', { path: join(bench.dir, 'src/../private/key') }],
        ['write_file', { path: bench.path('src/a'), content: 'x' }],
        ['read_text_file', { path: bench.path('src/d'), head: 1 }],
      ]),
    ).toEqual([true, true, true, true]);
  });

  it('asks for tools that were not called, and believes what a trusted server says of them', async () => {
    bench = new Bench(OPEN);
    mkdirSync(bench.home, { mode: 0o700 });
    writeFileSync(
      join(bench.home, 'callgate.yaml'),
      `servers:\n  peer:\n    command: ${process.execPath}\n    trust: { annotations: true }\n`,
      { mode: 0o600 },
    );
    await call(bench.echo(), [['echo', { message: 'a' }]]);
    expect((await bench.callgate('policy', 'learn', '--annotations', '--out', 'learned.yaml')).code).toBe(0);
    writeFileSync(bench.policy, learned());
    const client = await bench.connect(bench.gated(bench.echo(), { name: 'peer' }));
    try {
      await client.request('tools/list', {});
      const answers = new Map<string, string>();
      for (const [tool, args] of [
        ['echo', { message: 'a' }],
        ['echo', { message: 'b' }],
        ['wipe', {}],
        ['fail', {}],
      ] as const)
        answers.set(`${tool} ${JSON.stringify(args)}`, JSON.stringify((await client.call(tool, args)).result));
      expect(answers.get('echo {"message":"a"}')).toContain('Echo: a');
      expect(answers.get('echo {"message":"b"}')).toContain('"isError":true');
      expect(answers.get('wipe {}')).toContain('wiped');
      expect(answers.get('fail {}')).toContain('learned/peer/unknown');
    } finally {
      await client.close();
    }
  });
});
