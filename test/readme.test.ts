import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bench, CLI, realServer, received, SECRET, within } from './peers/gate.ts';
import { ROOT, blockWith, pageText } from './peers/page.ts';
import { type RawClient, textOf } from './peers/raw-client.ts';

const readme = pageText('README.md');
const POLICY = blockWith(readme, 'version: 1');

let bench: Bench;
let project: string;
beforeEach(() => {
  bench = new Bench(undefined);
  project = bench.path('project');
  mkdirSync(project);
  mkdirSync(bench.path('bin'));
  // `callgate` on the path, as after an installation; npx finds the servers of the repository.
  writeFileSync(bench.path('bin/callgate'), `#!/bin/sh\nexec '${process.execPath}' '${CLI}' "$@"\n`, { mode: 0o755 });
  symlinkSync(join(ROOT, 'node_modules'), join(project, 'node_modules'));
});
afterEach(async () => bench.close());

const env = (): Record<string, string> => ({
  ...bench.env,
  PATH: [bench.path('bin'), dirname(process.execPath), process.env['PATH']].join(delimiter),
  // Another person's npm: no network, no notices, a prefix of its own.
  npm_config_offline: 'true',
  npm_config_audit: 'false',
  npm_config_update_notifier: 'false',
  npm_config_prefix: bench.path('prefix'),
});

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a program in a directory, here the project. */
async function run(file: string, args: readonly string[], cwd = project, more: object = {}): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(file, args, { cwd, env: { ...env(), ...more }, maxBuffer: 1 << 26 }, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, out, err });
    });
  });
}

/** Runs a shell block as it stands, in the project. */
const shell = async (block: string): Promise<Ran> => run('sh', ['-ec', block]);
const callgate = async (...args: readonly string[]): Promise<Ran> => run(process.execPath, [CLI, ...args]);

const connect = async (command: readonly string[], cwd = project): Promise<RawClient> =>
  bench.connect(command, { cwd, env: env() });

const write = (name: string, text: string): void => writeFileSync(join(project, name), text);
const isDenied = async (client: RawClient, tool: string, args: object): Promise<boolean> =>
  textOf(await client.call(tool, args)).startsWith('Callgate denied');
const callsSeen = (tool: string): number =>
  received(bench.path('seen')).filter((line) => line.includes(`"name":"${tool}"`)).length;
/** A line with one space for many, and `0` for all digits, letters of hashes and units of time. */
const shape = (line: string): string =>
  line
    .replaceAll(/callgate\.local\/\w+/g, 'callgate.local/0')
    .replaceAll(/\d+(\.\d+)? (ms|us|s)\b/g, '0 ms')
    .replaceAll(/\d+/g, '0')
    .replaceAll(/\s+/g, ' ')
    .trim();

describe('the demo', () => {
  it('shows calls that are allowed, denied, redacted, asked and over a limit, and a verified log, as the page does', async () => {
    const { code, out } = await callgate('demo');
    const rows = out.split('\n').filter((line) => /^\d+ {2}/.test(line));
    const verdicts = rows.map((row) => /allowed|denied|redacted|asked/.exec(row)?.[0]);
    expect(rows).toHaveLength(12);
    expect(new Set(verdicts)).toEqual(new Set(['allowed', 'denied', 'redacted', 'asked']));
    expect(out).toMatch(/denied .*The limit of a rule is spent/);
    expect(out).toMatch(/redacted .*\[redacted\]/);
    expect(out).toMatch(/verified: \d+ records/);
    expect(out).not.toContain('unexpected');
    expect(code, out).toBe(0);
    const lines = out.split('\n').map(shape);
    const shown = blockWith(readme, 'why, or what came back').split('\n').map(shape);
    const isThere = (line: string): boolean =>
      line.endsWith('…') ? lines.some((one) => one.startsWith(line.slice(0, -1))) : lines.includes(line);
    expect(shown.filter((line) => !isThere(line))).toEqual([]);
  }, 60_000);

  it('leaves a log that callgate logs prints as the page does', async () => {
    const { out } = await callgate('demo', '--keep');
    const root = dirname(/^Policy: (.*)$/m.exec(out)?.[1] ?? '');
    const logs = await callgate('logs', '--home', join(root, 'home'));
    rmSync(root, { recursive: true });
    const lines = logs.out.split('\n').map(shape);
    const shown = blockWith(readme, 'latency').split('\n').map(shape);
    expect(shown.filter((line) => !lines.includes(line))).toEqual([]);
  }, 60_000);

  it('is what npm start builds and plays; npm test builds, checks and runs every test', () => {
    const { scripts, engines } = JSON.parse(pageText('package.json')) as Record<string, Record<string, string>>;
    expect(scripts?.['start']).toBe('npm run --silent build && node packages/callgate/dist/cli.js demo');
    expect(scripts?.['test']).toBe('npm run --silent build && npm run --silent check && vitest run');
    expect(engines?.['node']).toBe('>=20.19');
    const commands = [blockWith(readme, 'npm start'), blockWith(readme, 'npm test')].map((block) => block.trim());
    expect(commands).toEqual(['npm ci && npm start', 'npm ci && npm test']);
  });
});

describe('the shell blocks of the page run as they stand', () => {
  it('installing puts callgate on the path', async () => {
    rmSync(bench.path('bin/callgate'));
    const installed = await run('sh', ['-ec', blockWith(readme, 'npm install -g')], ROOT);
    expect(installed.code, installed.err).toBe(0);
    const { code, out } = await run(bench.path('prefix/bin/callgate'), ['--version']);
    expect([code, out]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+\n$/)]);
  }, 60_000);

  it('init and run put a gate in front of the filesystem server', async () => {
    write('note.txt', 'fine');
    const client = bench.open(['sh', '-ec', blockWith(readme, 'callgate init ')], { cwd: project, env: env() });
    expect(await client.until(() => client.stderr.includes('running on stdio'))).toBe(true);
    await client.initialize();
    const written = ['callgate.yaml', 'policy.test.yaml', 'policy.yaml'];
    expect(readdirSync(project).sort()).toEqual([...written, 'node_modules', 'note.txt'].sort());
    expect(textOf(await client.call('read_text_file', { path: 'note.txt' }))).toBe('fine');
    expect(await isDenied(client, 'write_file', { path: 'note.txt', content: 'new' })).toBe(true);
    await client.close();
    const doctor = await shell(blockWith(readme, 'callgate doctor'));
    expect([doctor.code, doctor.out]).toEqual([0, expect.not.stringMatching(/^bad/m)]);
  }, 60_000);

  it('policy check loads the policy of the page', async () => {
    write('policy.yaml', POLICY);
    const { code, out } = await shell(blockWith(readme, 'callgate policy check'));
    expect([code, out]).toEqual([0, expect.stringMatching(/^ok: 4 rules, policy hash sha256:/)]);
  });

  it('logs tells who called what with which arguments, audit verify that nothing was changed', async () => {
    write('policy.yaml', 'version: 1\nrules:\n  - { id: few, match: { tool: echo }, effect: allow }\n');
    const client = await connect([
      'callgate',
      'run',
      '--policy',
      'policy.yaml',
      '--name',
      'talk',
      '--',
      ...bench.echo(),
    ]);
    await client.call('echo', { message: 'hello' });
    await client.call('give', { value: `my key is ${SECRET}` });
    await client.close();
    const [logs = '', denied = '', audit = ''] = blockWith(readme, 'callgate audit verify').split('\n');
    const table = await shell(logs);
    expect(table.out).toMatch(/talk +echo +allow +few .* ok\n/);
    const { out } = await shell(denied);
    expect(out).not.toContain(SECRET);
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      expect.objectContaining({
        agent: expect.stringMatching(/^os:./),
        serverName: 'talk',
        toolName: 'give',
        arguments: { value: expect.stringMatching(/^my key is \[secret:.+\]$/) },
        decision: 'deny',
        matchedRule: 'default',
      }),
    ]);
    const verified = await shell(audit);
    expect([verified.code, verified.out]).toEqual([0, expect.stringMatching(/^verified: \d+ records/)]);
  });
});

describe('the client configuration of the page', () => {
  it('gives an SDK client the server, observed, with the home out of reach', async () => {
    write('note.txt', 'fine');
    const { mcpServers } = JSON.parse(blockWith(readme, 'mcpServers')) as {
      mcpServers: Record<string, { command: string; args: string[] }>;
    };
    const entry = mcpServers['files'];
    const client = new Client({ name: 'reader', version: '1' });
    const transport = new StdioClientTransport({
      command: bench.path(`bin/${entry?.command}`),
      args: entry?.args ?? [],
      env: env(),
      cwd: project,
      stderr: 'pipe',
    });
    let stderr = '';
    transport.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    await client.connect(transport);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toContain('read_file');
    const read = async (path: string): Promise<unknown> => client.callTool({ name: 'read_file', arguments: { path } });
    expect(await read('note.txt')).toMatchObject({ content: [{ type: 'text', text: 'fine' }] });
    expect(JSON.stringify(await read(join(bench.home, 'keys')))).toContain('floor:home');
    await client.close();
    expect(stderr).toMatch(/observe policy allows and records everything/);
    await within(5000, async () => (await bench.logs('--server', 'files', '--tool', 'read_file')).length === 2);
    const calls = await bench.logs('--server', 'files', '--tool', 'read_file');
    expect(calls.map(({ decision, matchedRule }) => [decision, matchedRule])).toEqual([
      ['allow', 'observe'],
      ['deny', 'floor:home'],
    ]);
  }, 60_000);

  it('judges by the policy of the directory, of the home, or of --policy', async () => {
    const rule = (id: string): string => `version: 1\nrules:\n  - { id: ${id}, match: { tool: echo }, effect: deny }\n`;
    const ruleFor = async (...flags: readonly string[]): Promise<string> => {
      const client = await connect(['callgate', 'run', ...flags, '--', ...bench.echo()]);
      return textOf(await client.call('echo', { message: 'x' }));
    };
    expect(await ruleFor()).toBe('Echo: x');
    expect((await callgate('init', '--global')).code).toBe(0);
    expect(await ruleFor()).toContain('(rule "default")');
    write('policy.yaml', rule('of-the-directory'));
    const hash = (await callgate('trust', '--show')).out.split('Hash: ')[1]?.trim() ?? '';
    expect((await callgate('trust', '--yes', hash)).code).toBe(0);
    expect(await ruleFor()).toContain('(rule "of-the-directory")');
    write('other.yaml', rule('of-the-flag'));
    expect(await ruleFor('--policy', 'other.yaml')).toContain('(rule "of-the-flag")');
  }, 60_000);
});

describe('the policy of the page', () => {
  const gate = (name: string, server: readonly string[]): string[] => {
    write('policy.yaml', POLICY);
    return ['callgate', 'run', '--name', name, '--policy', 'policy.yaml', '--', ...server];
  };

  it('lets the files of the project be read, by that server, links followed, secrets taken out', async () => {
    write('note.txt', `key ${SECRET} end`);
    writeFileSync(bench.path('outside.txt'), 'private');
    symlinkSync(bench.path('outside.txt'), join(project, 'link.txt'));
    // The server itself would allow all of it: its directory is the parent.
    const client = await connect(gate('files', realServer('filesystem', bench.dir)));
    expect(textOf(await client.call('read_file', { path: join(project, 'note.txt') }))).toBe('key [redacted] end');
    expect(await isDenied(client, 'list_directory', { path: project })).toBe(false);
    expect(await isDenied(client, 'search_files', { path: project, pattern: 'n*' })).toBe(false);
    for (const path of [bench.path('outside.txt'), `${project}/../outside.txt`, join(project, 'link.txt')])
      expect(await isDenied(client, 'read_file', { path }), path).toBe(true);
    expect(await isDenied(client, 'write_file', { path: join(project, 'note.txt'), content: '' })).toBe(true);
    const other = await connect(gate('other', realServer('filesystem', bench.dir)));
    expect(await isDenied(other, 'read_file', { path: join(project, 'note.txt') })).toBe(true);
  });

  it('lets refunds pass within their bounds, 2000 a day in all', async () => {
    const command = gate('shop', bench.echo());
    // The echo server has no billing; a call that fails would get its amount back.
    write('policy.yaml', POLICY.replace('billing.refund', 'args'));
    const client = await connect(command);
    const refund = async (amount: unknown): Promise<boolean> => isDenied(client, 'args', { amount });
    for (const amount of [0, 500, -1, '5', [5], undefined, null])
      expect([amount, await refund(amount)]).toEqual([amount, true]);
    expect(callsSeen('args')).toBe(0);
    for (let i = 1; i <= 7; i++) await refund(499);
    expect(callsSeen('args')).toBe(4);
    expect([await refund(4), await refund(0.01), callsSeen('args')]).toEqual([false, true, 5]);
  });
});

describe('a rule', () => {
  const gate = (rules: string, file = 'policy.yaml'): string[] => {
    write(file, `version: 1\n${rules}`);
    return ['callgate', 'run', '--policy', file, '--', ...bench.echo()];
  };

  it.each([
    ['deny before allow', 'deny', 'allow', true],
    ['allow before deny', 'allow', 'deny', false],
  ])('decides when it is the first that matches and has an effect: %s', async (_what, first, second, denied) => {
    const bare = '  - { match: { tool: echo }, obligations: [{ rate: { max: 9, per: 1h } }], id: bare }\n';
    const rules = [first, second].map(
      (effect) => `  - { id: ${effect}-it, match: { tool: echo }, effect: ${effect} }\n`,
    );
    const policy = `rules:\n${bare}${rules.join('')}`;
    // The second can never decide, and that is an error in the file, not a silence.
    write('both.yaml', `version: 1\n${policy}`);
    expect((await callgate('policy', 'check', 'both.yaml')).err).toContain('CG_POLICY_UNREACHABLE');
    const client = await connect(
      gate(policy.replace(`${second}-it, match: { tool: echo }`, `${second}-it, match: { tool: "*" }`)),
    );
    expect(await isDenied(client, 'echo', { message: 'x' })).toBe(denied);
  });

  it('whose condition cannot be told never allows and always denies', async () => {
    const allow = await connect(
      gate('rules:\n  - { id: a, match: { tool: echo }, when: args.n > 1, effect: allow }\n'),
    );
    const deny = await connect(
      gate(
        'default: allow\nrules:\n  - { id: d, match: { tool: echo }, when: args.n > 1, effect: deny }\n',
        'deny.yaml',
      ),
    );
    const cases: (readonly [unknown, boolean, boolean])[] = [
      [2, false, true],
      [1, true, false],
      ['2', true, true],
      [undefined, true, true],
      [[2], true, true],
    ];
    for (const [n, byAllow, byDeny] of cases) {
      const args = { message: 'x', n };
      expect([n, await isDenied(allow, 'echo', args), await isDenied(deny, 'echo', args)]).toEqual([
        n,
        byAllow,
        byDeny,
      ]);
    }
  });

  it('with a mistake is an error with line, column and the nearest right word', async () => {
    write('policy.yaml', POLICY.replace('match: { tool: billing', 'macth: { tool: billing'));
    const { code, err } = await callgate('policy', 'check', 'policy.yaml');
    const line = POLICY.split('\n').findIndex((one) => one.includes('billing')) + 1;
    expect([code, err]).toEqual([2, expect.stringContaining(`policy.yaml:${line}:5: `)]);
    expect(err).toContain('did you mean "match"?');
  });
});

it('the pages of the language name every operator and obligation of the schema', () => {
  interface Schema {
    readonly properties?: Readonly<Record<string, Schema>>;
    readonly items?: Schema;
    readonly anyOf?: readonly Schema[];
    readonly $defs?: Readonly<Record<string, Schema>>;
  }
  const schema = JSON.parse(pageText('packages/callgate/schema/policy.schema.json')) as Schema;
  const namesIn = (one: Schema | undefined): string[] => [
    ...Object.keys(one?.properties ?? {}),
    ...(one?.anyOf ?? []).flatMap(namesIn),
  ];
  const rule = schema.properties?.['rules']?.items?.properties;
  const names = [
    ...namesIn(schema.$defs?.['operator']),
    ...namesIn(rule?.['obligations']?.items),
    ...namesIn(rule?.['match']),
  ];
  expect(names).toEqual(expect.arrayContaining(['under', 'startsWith', 'redact', 'rate', 'annotations']));
  const page = pageText('docs/policy.md') + pageText('docs/policy-operators.md');
  expect(names.filter((name) => !page.includes(`\`${name}`) && !page.includes(`${name}:`))).toEqual([]);
});

it('a changed policy of a project can only tighten until callgate trust', async () => {
  await callgate('init');
  const client = await connect(['callgate', 'run', '--', ...bench.echo()]);
  const starter = readFileSync(join(project, 'policy.yaml'), 'utf8');
  const add = (rule: string): void => write('policy.yaml', starter.replace('\nrules:\n', `\nrules:\n  - ${rule}\n`));
  const changes = (): number => client.stderr.split('The policy changed').length - 1;
  expect(await isDenied(client, 'echo', { message: 'x' })).toBe(true);

  add('{ id: talk, match: { tool: echo }, effect: allow }');
  expect(await client.until(() => changes() === 1)).toBe(true);
  expect(await isDenied(client, 'echo', { message: 'x' })).toBe(true);

  const shown = await callgate('trust', '--show');
  expect(shown.out).toContain('allow talk: {"tool":"echo"}');
  const hash = shown.out.split('Hash: ')[1]?.trim() ?? '';
  expect((await callgate('trust', '--yes', hash)).code).toBe(0);
  expect(await within(5000, async () => !(await isDenied(client, 'echo', { message: 'x' })))).toBe(true);

  add('{ id: hush, match: { tool: echo }, effect: deny }');
  expect(await within(5000, async () => isDenied(client, 'echo', { message: 'x' }))).toBe(true);
});

it('without a SQLite driver init works, a policy with a limit does not start, and doctor says what to install', async () => {
  // A copy outside the repository: the driver that `npm ci` put there is out of reach.
  cpSync(dirname(CLI), bench.path('alone/dist'), { recursive: true });
  writeFileSync(bench.path('alone/package.json'), '{"name":"callgate","version":"0.0.0","type":"module"}');
  const alone = bench.path('alone/dist/cli.js');
  const program = async (args: string, more: object = {}): Promise<Ran> =>
    run('sh', ['-c', `exec '${process.execPath}' '${alone}' ${args} </dev/null`], project, more);
  expect((await program('init')).code).toBe(0);
  expect((await program('doctor')).code).toBe(0);
  expect((await program('run -- cat')).code).toBe(0);

  write('limited.yaml', POLICY);
  const started = await program(`run --policy limited.yaml -- ${bench.echo().join(' ')}`);
  const doctor = await program('doctor', { CALLGATE_POLICY: 'limited.yaml' });
  if (process.getBuiltinModule('node:sqlite') !== undefined) {
    expect([started.code, doctor.code]).toEqual([0, 0]);
    return;
  }
  expect(readFileSync(join(project, 'policy.yaml'), 'utf8')).toContain('@photostructure/sqlite');
  expect(started).toMatchObject({ code: 1, out: '', err: expect.stringContaining('CG_STATE_NO_DATABASE') });
  expect(received(bench.path('seen'))).toEqual([]);
  expect(doctor).toMatchObject({
    code: 1,
    out: expect.stringMatching(/^bad +database .*\n.*@photostructure\/sqlite/m),
  });
});

it('npm run bench measures the gate beside a bare relay and a proxy built on the SDK', async () => {
  const { scripts } = JSON.parse(pageText('package.json')) as { scripts: Record<string, string> };
  expect(scripts['bench']).toContain('node bench/run.mjs');
  const { out } = await run(
    process.execPath,
    ['bench/run.mjs', '--quick', '--rounds', '1', '--only', 'stdio', '--cli', CLI],
    ROOT,
  );
  for (const target of ['direct', 'relay', 'callgate', 'sdk proxy']) expect(out).toContain(`\n${target} `);
}, 180_000);
