import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Bench, peer, realServer, received, SECRET, sleep, within } from './peers/gate.ts';
import { RawClient, textOf } from './peers/raw-client.ts';

const RULES = `version: 1
default: deny
rules:
  - id: say-it
    match: { tool: [echo, add] }
    args:
      message: { not: { contains: forbidden } }
    effect: allow
  - id: sums
    match: { tool: add }
    args:
      a: { le: 100 }
    effect: allow
  - id: giving
    match: { tool: give }
    effect: allow
  - id: no-forking
    match: { tool: fork }
    effect: deny
    reason: Starting processes is not for agents.
  - id: leave-asks
    match: { tool: exit }
    effect: ask
    reason: Ending the server needs a person.
  - id: harmless
    match: { annotations: { readOnlyHint: true } }
    effect: allow
  - id: strip-secrets
    match: { direction: result }
    obligations:
      - redact: { classes: [secret] }
`;

let bench: Bench;
afterEach(async () => bench.close());

const sawCallOf = (tool: string): boolean =>
  received(bench.path('seen')).some((line) => line.includes(`"name":"${tool}"`));

describe('a policy', () => {
  it('lets an allowed call through', async () => {
    bench = new Bench(RULES);
    const client = await bench.connect(bench.gated(bench.echo()));
    expect(textOf(await client.call('echo', { message: 'hello' }))).toBe('Echo: hello');
    expect(textOf(await client.call('add', { a: 1, b: 2 }))).toBe('3');
  });

  it('denies with a text that names the rule and the reason, and the server sees nothing', async () => {
    bench = new Bench(RULES);
    const client = await bench.connect(bench.gated(bench.echo()));
    const answer = await client.call('fork');
    expect(answer.result?.isError).toBe(true);
    expect(textOf(answer)).toContain('no-forking');
    expect(textOf(answer)).toContain('Starting processes is not for agents.');
    expect(sawCallOf('fork')).toBe(false);
  });

  it.each([
    ['a tool that no rule names', 'late', { ms: 1 }],
    ['an argument out of bounds', 'add', { a: 101, b: 1, message: 'forbidden' }],
    ['an argument of the wrong type', 'add', { a: '1', b: 1, message: ['forbidden'] }],
    ['a forbidden word', 'echo', { message: 'the forbidden word' }],
    ['a forbidden word in an array', 'echo', { message: ['forbidden'] }],
    ['a missing argument', 'echo', {}],
    ['a tool that does not exist', 'nothing', {}],
  ])('denies %s by default', async (_what, tool, args) => {
    bench = new Bench(RULES);
    const client = await bench.connect(bench.gated(bench.echo()));
    const answer = await client.call(tool, args);
    expect(answer.result?.isError).toBe(true);
    expect(sawCallOf(tool)).toBe(false);
  });

  it('refuses what asks for a person when nobody can be asked, and says how to approve', async () => {
    bench = new Bench(RULES);
    const client = await bench.connect(bench.gated(bench.echo()));
    const answer = await client.call('exit', { code: 3 });
    expect(answer.result?.isError).toBe(true);
    expect(textOf(answer)).toContain('leave-asks');
    expect(textOf(answer)).toMatch(/approv/i);
    expect(sawCallOf('exit')).toBe(false);
    expect(textOf(await client.call('echo', { message: 'still here' }))).toBe('Echo: still here');
  });

  it('answers a refusal with a JSON-RPC error where the operator wants one', async () => {
    bench = new Bench(RULES);
    const client = await bench.connect(bench.gated(bench.echo(), { flags: ['--refusal', 'error'] }));
    const { error, result } = await client.call('fork');
    expect(result).toBeUndefined();
    expect(error?.message).toContain('no-forking');
    expect(error?.code).toBeLessThan(-31_000);
    expect(error?.code).toBeGreaterThan(-32_000);
  });

  it('earns nothing from a server that lies about its tool', async () => {
    bench = new Bench(RULES);
    const client = await bench.connect(bench.gated(bench.echo()));
    await client.request('tools/list');
    expect((await client.call('wipe')).result?.isError).toBe(true);
    expect(sawCallOf('wipe')).toBe(false);
  });

  it('redacts a secret from the text and from what is structured, and leaves the rest', async () => {
    bench = new Bench(RULES);
    const client = await bench.connect(bench.gated(bench.echo()));
    const answer = await client.call('give', { value: `key ${SECRET} end` });
    const line = client.lines.at(-1)?.text ?? '';
    expect(line).not.toContain(SECRET);
    expect(textOf(answer)).toMatch(/^it is key .+ end$/);
    expect(answer.result?.structuredContent?.['nested']).toEqual([{ again: expect.stringMatching(/^key .+ end$/) }]);
    expect(answer.result?.isError).toBeUndefined();
  });

  it('refuses a request of the server that it does not allow, and the server gets an error', async () => {
    bench = new Bench('version: 1\nrules:\n  - { id: calls, match: { tool: "*" }, effect: allow }\n');
    const asked: (string | undefined)[] = [];
    const client = await bench.connect(bench.gated([process.execPath, peer('rich-server.mjs')]), {
      onRequest: (request) => {
        asked.push(request.method);
        return { result: {} };
      },
    });
    const answer = await client.call('asking');
    const answers =
      (answer.result as unknown as { _meta: Record<string, { error?: { message: string } }[]> })._meta[
        'com.example/answers'
      ] ?? [];
    expect(answers).toHaveLength(5);
    expect(asked).not.toContain('sampling/createMessage');
    expect(asked).not.toContain('acme/ask');
    expect(answers[0]?.error?.message).toBeTruthy();
    expect(answers[4]?.error?.message).toBeTruthy();
  });
});

it('counts a limit over all gates of a home', async () => {
  bench = new Bench(`version: 1
rules:
  - id: few
    match: { tool: echo }
    effect: allow
    obligations:
      - rate: { max: 10, per: 1h }
`);
  const gates = [await bench.connect(bench.gated(bench.echo())), await bench.connect(bench.gated(bench.echo()))];
  const outcomes: boolean[] = [];
  for (let i = 0; i < 16; i++) {
    const answer = await gates[i % 2]?.call('echo', { message: 'x' });
    outcomes.push(answer?.result?.isError !== true);
  }
  expect(outcomes).toEqual(Array.from({ length: 16 }, (_, i) => i < 10));
});

describe('a policy file that changes while the gate runs', () => {
  const deny = 'version: 1\nrules:\n  - { id: not-now, match: { tool: echo }, effect: deny, reason: closed }\n';
  const allow = 'version: 1\nrules:\n  - { id: now, match: { tool: echo }, effect: allow }\n';
  const replace = (text: string): void => {
    writeFileSync(`${bench.policy}.new`, text);
    renameSync(`${bench.policy}.new`, bench.policy);
  };
  const isAllowed = async (client: RawClient): Promise<boolean> =>
    (await client.call('echo', { message: 'x' })).result?.isError !== true;

  it('is in force at once, both when written in place and when renamed over', async () => {
    bench = new Bench(deny);
    const client = await bench.connect(bench.gated(bench.echo()));
    expect(await isAllowed(client)).toBe(false);
    replace(allow);
    expect(await within(3000, async () => isAllowed(client))).toBe(true);
    writeFileSync(bench.policy, deny);
    expect(await within(3000, async () => !(await isAllowed(client)))).toBe(true);
  });

  it.each([
    ['does not parse', 'version: 1\nrules: [\n'],
    ['has an unknown key', allow.replace('match', 'macth')],
    ['is empty', ''],
  ])('keeps the one before, and says so, when it %s', async (_what, broken) => {
    bench = new Bench(deny);
    const client = await bench.connect(bench.gated(bench.echo()));
    replace(broken);
    expect(await client.until(() => /broken|stays in force/.test(client.stderr), 5000)).toBe(true);
    expect(await isAllowed(client)).toBe(false);
    expect(client.stderr).toContain('policy.yaml');
  });
});

describe('a policy that cannot be had', () => {
  it.each([
    ['an unknown key', 'version: 1\nrules:\n  - { id: a, macth: { tool: x }, effect: allow }\n', /policy\.yaml:3:\d+/],
    [
      'a broken pattern',
      'version: 1\nrules:\n  - { id: a, match: { tool: { regex: "(" } }, effect: allow }\n',
      /policy\.yaml:3:\d+/,
    ],
    ['no version', 'rules: []\n', /policy\.yaml/],
  ])('stops the start with file, line and column: %s', async (_what, policy, place) => {
    bench = new Bench(policy);
    const client = new RawClient(bench.gated(bench.echo()), { env: bench.env, cwd: bench.dir });
    const { code } = await client.ended;
    expect(code).not.toBe(0);
    expect(client.stderr).toMatch(place);
    expect(client.lines).toEqual([]);
    expect(received(bench.path('seen'))).toEqual([]);
  });

  it('stops the start when the file is not there', async () => {
    bench = new Bench();
    const client = new RawClient(
      bench.gated(bench.echo(), { policy: false, flags: ['--policy', bench.path('none.yaml')] }),
      {
        env: bench.env,
        cwd: bench.dir,
      },
    );
    expect((await client.ended).code).not.toBe(0);
    expect(client.stderr).toContain('none.yaml');
  });
});

it('without any policy allows and records, and says so on stderr', async () => {
  bench = new Bench(undefined);
  const client = await bench.connect(bench.gated(bench.echo(), { policy: false }));
  expect(textOf(await client.call('echo', { message: 'seen' }))).toBe('Echo: seen');
  expect(client.stderr).toMatch(/observe/);
  expect(await within(5000, async () => (await bench.logs()).some((entry) => entry.toolName === 'echo'))).toBe(true);
});

describe('the floor, whatever the policy allows', () => {
  it('denies the home to an agent: as it is, by .. and by a symlink', async () => {
    bench = new Bench();
    const files = bench.path('files');
    mkdirSync(files);
    symlinkSync(bench.home, join(files, 'innocent'));
    writeFileSync(join(files, 'note.txt'), 'fine');
    // The server itself would allow all of this: its directory is the parent.
    const client = await bench.connect(bench.gated(realServer('filesystem', bench.dir)));
    await sleep(50);
    const read = async (path: string): Promise<boolean> =>
      (await client.call('read_text_file', { path })).result?.isError === true;
    expect(await read(join(files, 'note.txt'))).toBe(false);
    for (const path of [
      join(bench.home, 'keys'),
      `${files}/../home/keys/x`,
      join(files, 'innocent', 'keys'),
      `${bench.home}//./keys`,
      `file://${bench.home}/keys`,
    ]) {
      expect(await read(path), path).toBe(true);
      expect(textOf(client.lines.at(-1)?.message ?? {}), path).toMatch(/floor/);
    }
    const moved = await client.call('move_file', {
      source: join(files, 'note.txt'),
      destination: join(bench.home, 'evidence', 'x'),
    });
    expect(textOf(moved)).toMatch(/floor/);
    const own = await client.call('write_file', { path: bench.policy, content: 'version: 1\nrules: []\n' });
    expect(textOf(own)).toMatch(/floor/);
  });
});
