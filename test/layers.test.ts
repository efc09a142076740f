import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bench, peer, sleep } from './peers/gate.ts';
import { RawClient, textOf } from './peers/raw-client.ts';

let bench: Bench;
let open: RawClient[] = [];
beforeEach(() => {
  bench = new Bench('version: 1\nrules:\n  - { id: mine, match: { tool: "*" }, effect: allow }\n');
});
afterEach(async () => {
  await Promise.all(open.map(async (client) => client.close()));
  open = [];
  bench.remove();
});

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

const atHome = (name: string, text: string): void => write(join(bench.home, name), text);
const inProject = (name: string, text: string): void => write(join(bench.dir, 'project', name), text);
const project = (): string => bench.path('project');

async function start(options: { policy?: boolean; cwd?: string; env?: NodeJS.ProcessEnv } = {}): Promise<RawClient> {
  const { policy = false, cwd = bench.dir, env = {} } = options;
  mkdirSync(cwd, { recursive: true });
  const client = new RawClient(bench.gated([process.execPath, peer('echo-server.mjs')], { policy }), {
    env: { ...bench.env, ...env },
    cwd,
  });
  open.push(client);
  await client.initialize();
  return client;
}

const said = async (client: RawClient, tool = 'echo', args: object = { message: 'hi' }): Promise<string> =>
  textOf(await client.call(tool, args)) ?? '';

describe('the policy of an organisation', () => {
  beforeEach(() => {
    atHome('callgate.yaml', 'organisation: { policy: ./org/policy.yaml }\n');
  });

  it('is lifted by no policy below, not even one that a flag names; elsewhere it says nothing', async () => {
    atHome('org/policy.yaml', 'version: 1\nrules:\n  - { id: no-echo, match: { tool: echo }, effect: deny }\n');
    const client = await start({ policy: true });
    expect(await said(client)).toContain('organisation:no-echo');
    expect(await said(client, 'add', { a: 1, b: 2 })).toBe('3');
    const { result } = await client.request('tools/list');
    expect(result?.tools?.map(({ name }) => name)).not.toContain('echo');
  });

  it('is a list of what is allowed at all when its default is written', async () => {
    atHome(
      'org/policy.yaml',
      'version: 1\ndefault: deny\nrules:\n  - { id: a, match: { tool: add }, effect: allow }\n',
    );
    const client = await start({ policy: true });
    expect(await said(client)).toContain('organisation:default');
    expect(await said(client, 'add', { a: 1, b: 2 })).toBe('3');
  });

  it('does not allow what the policy below denies', async () => {
    atHome('org/policy.yaml', 'version: 1\nrules:\n  - { id: open, match: { tool: echo }, effect: allow }\n');
    write(bench.policy, 'version: 1\nrules: []\n');
    expect(await said(await start({ policy: true }))).toContain('default');
  });

  it('refuses nothing in shadow mode, and says so', async () => {
    atHome(
      'org/policy.yaml',
      'version: 1\nmode: shadow\ndefault: allow\nrules:\n  - { id: no, match: { tool: echo }, effect: deny }\n',
    );
    const client = await start({ policy: true });
    expect(await said(client)).toBe('Echo: hi');
    expect(client.stderr).toContain('shadow mode');
  });

  it.each([
    ['a variable', { CALLGATE_ORGANISATION__POLICY: './other.yaml' }],
    ['a file that is not there', {}],
  ])('cannot be replaced or lost: %s ends the start', async (_name, env) => {
    if (Object.keys(env).length > 0) atHome('org/policy.yaml', 'version: 1\nrules: []\n');
    const client = new RawClient(bench.gated([process.execPath, peer('echo-server.mjs')]), {
      env: { ...bench.env, ...env },
      cwd: bench.dir,
    });
    open.push(client);
    expect((await client.ended).code).toBe(2);
  });
});

describe('a policy that includes others', () => {
  const PARENT = 'version: 1\nrules:\n  - { id: no-add, match: { tool: add }, effect: deny }\n';
  const CHILD =
    'version: 1\nextends: ./base/parent.yaml\nrules:\n  - { id: say, match: { tool: echo }, effect: allow }\n';

  it('judges by all of them, and by a changed one within a second', async () => {
    write(bench.path('base/parent.yaml'), PARENT);
    write(bench.policy, CHILD);
    const client = await start({ policy: true });
    expect(await said(client)).toBe('Echo: hi');
    expect(await said(client, 'add', { a: 1, b: 2 })).toContain('no-add');
    write(bench.path('base/parent.yaml'), PARENT.replace('deny', 'allow'));
    await becomes(async () => (await said(client, 'add', { a: 1, b: 2 })) === '3');
  });

  it('keeps the one before while an included file is broken or gone, and takes the mended one', async () => {
    write(bench.path('base/parent.yaml'), PARENT);
    write(bench.policy, CHILD);
    const client = await start({ policy: true });
    rmSync(bench.path('base/parent.yaml'));
    await becomes(async () => client.stderr.includes('stays in force'));
    expect(await said(client, 'add', { a: 1, b: 2 })).toContain('no-add');
    write(bench.path('base/parent.yaml'), PARENT.replace('deny', 'allow'));
    await becomes(async () => (await said(client, 'add', { a: 1, b: 2 })) === '3');
  });

  it('keeps agents from the files that it includes', async () => {
    write(bench.path('base/parent.yaml'), PARENT.replace('add', 'other'));
    write(bench.policy, CHILD);
    const client = await start({ policy: true });
    expect(await said(client, 'echo', { message: bench.path('base/parent.yaml') })).toContain('floor:policy');
  });

  it('with another hash than is written, or missing, is not started', async () => {
    write(bench.path('base/parent.yaml'), PARENT);
    const pinned = (hash: string): string =>
      CHILD.replace('./base/parent.yaml', `{ file: ./base/parent.yaml, sha256: "${hash}" }`);
    const good = createHash('sha256').update(PARENT).digest('hex');
    write(bench.policy, pinned(good));
    const pinnedWell = await start({ policy: true });
    expect(await said(pinnedWell, 'add', { a: 1, b: 2 })).toContain('no-add');
    write(bench.policy, pinned(good.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))));
    await refusesToStart('has the hash');
    write(bench.policy, CHILD.replace('parent', 'gone'));
    await refusesToStart('gone.yaml');
  });
});

describe('the policy of a project that includes others', () => {
  const CHILD = 'version: 1\nextends: ./parent.yaml\nrules: []\n';
  const parent = (effect: string): string =>
    `version: 1\nrules:\n  - { id: p, match: { tool: echo }, effect: ${effect} }\n`;

  it('only tightens until all its files are trusted; a change of any ends it', async () => {
    inProject('policy.yaml', CHILD);
    inProject('parent.yaml', parent('deny'));
    expect(await said(await start({ cwd: project() }))).toContain('project:p');

    inProject('parent.yaml', parent('allow'));
    const shown = await bench.callgateIn(project(), 'trust', '--show');
    expect(shown.stdout).toMatch(/parent\.yaml[^]*allow p/);
    const hash = /Hash: (\S+)/.exec(shown.stdout)?.[1] ?? '';
    expect((await bench.callgateIn(project(), 'trust', '--yes', hash)).code).toBe(0);
    const trusting = await start({ cwd: project() });
    expect(await said(trusting)).toBe('Echo: hi');
    expect(await said(trusting, 'add', { a: 1, b: 2 })).toContain('default');

    inProject('parent.yaml', `${parent('allow')}  - { id: q, match: { tool: add }, effect: allow }\n`);
    const changed = await start({ cwd: project() });
    expect(await said(changed)).toBe('Echo: hi');
    expect(await said(changed, 'add', { a: 1, b: 2 })).toContain('default');
  });

  it.each([
    ['by its path', () => 'extends: ../outside.yaml'],
    [
      'by a link',
      () => (symlinkSync(bench.path('outside.yaml'), join(project(), 'parent.yaml')), 'extends: ./parent.yaml'),
    ],
  ])('does not bring in a file from outside: %s', async (_name, prepare) => {
    write(bench.path('outside.yaml'), parent('deny'));
    inProject('policy.yaml', 'version: 1\nrules: []\n');
    inProject('policy.yaml', `version: 1\n${prepare()}\nrules: []\n`);
    const client = new RawClient(bench.gated([process.execPath, peer('echo-server.mjs')], { policy: false }), {
      env: bench.env,
      cwd: project(),
    });
    open.push(client);
    expect((await client.ended).code).toBe(2);
    expect(client.stderr).toContain('policy.yaml');
  });
});

async function refusesToStart(why: string): Promise<void> {
  const client = new RawClient(bench.gated([process.execPath, peer('echo-server.mjs')]), {
    env: bench.env,
    cwd: bench.dir,
  });
  open.push(client);
  expect((await client.ended).code).toBe(2);
  expect(client.stderr).toContain(why);
}

async function becomes(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (await holds()) return;
    await sleep(50);
  }
  expect.fail('it did not become so within five seconds');
}
