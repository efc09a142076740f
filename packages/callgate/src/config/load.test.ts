import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { CallgateError } from '../model/error.ts';
import type { CommandServer, Config } from './config.ts';
import { ConfigError } from './issues.ts';
import { loadConfig } from './load.ts';
import { policyVariables, resolvePolicy } from './policies.ts';
import { readFileSet } from './project.ts';
import { environmentName, SETTINGS } from './settings.ts';
import { recordTrust } from './trust.ts';
import { openPlace } from './testing.ts';

let home: string;
let cwd: string;

beforeEach(() => {
  ({ home, cwd } = openPlace());
});

const atHome = (text: string) => writeFileSync(join(home, 'callgate.yaml'), text);
const inProject = (text: string, name = 'callgate.yaml') => writeFileSync(join(cwd, name), text);
const load = (env: Record<string, string> = {}, flags: Record<string, string> = {}) =>
  loadConfig({ flags, env, cwd, home });
const trust = async () => recordTrust(home, (await readFileSet(cwd, home))!, new Date(0));
const valueOf = (config: Config, key: string): unknown =>
  key.split('.').reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], config);

async function issuesOf(loading: Promise<unknown>) {
  const error: unknown = await loading.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ConfigError);
  return (error as ConfigError).issues;
}

const codeOf = (loading: Promise<unknown>) =>
  loading.then(
    () => 'loaded',
    (error: unknown) => (error as CallgateError).code,
  );

/** For each setting a value that is not the default, as YAML and as it must come out. */
const FLIPPED: Record<string, [yaml: string, value: (base: string) => unknown]> = {
  policy: ['./p.yaml', (directory) => join(directory, 'p.yaml')],
  'evidence.durability': ['strict', () => 'strict'],
  'evidence.required': ['false', () => false],
  'evidence.dir': ['ev', (directory) => join(directory, 'ev')],
  refusal: ['error', () => 'error'],
  'limits.messageBytes': ['2048', () => 2048],
  'limits.depth': ['16', () => 16],
  'limits.keys': ['99', () => 99],
  'limits.inFlight': ['7', () => 7],
  'limits.perMinute': ['8', () => 8],
  'limits.toolPerMinute': ['8', () => 8],
  'limits.principalPerMinute': ['8', () => 8],
  'breaker.transportErrors': ['0', () => 0],
  'breaker.toolErrors': ['3', () => 3],
  'breaker.window': ['30', () => 30],
  'breaker.pause': ['2', () => 2],
  'log.level': ['debug', () => 'debug'],
  'log.format': ['json', () => 'json'],
  'lists.filter': ['false', () => false],
  'organisation.policy': ['./o.yaml', (directory) => join(directory, 'o.yaml')],
  'serve.host': ['127.0.0.2', () => '127.0.0.2'],
  'serve.port': ['0', () => 0],
  'serve.auth': ['anonymous', () => 'anonymous'],
  'serve.hosts': ['a.example', () => ['a.example']],
  'serve.origins': ['https://a.example', () => ['https://a.example']],
  'serve.tlsCert': ['./c.pem', (directory) => join(directory, 'c.pem')],
  'serve.tlsKey': ['./k.pem', (directory) => join(directory, 'k.pem')],
  'serve.clientCa': ['./ca.pem', (directory) => join(directory, 'ca.pem')],
  'serve.sse': ['true', () => true],
  'serve.names': ['never', () => 'never'],
  'serve.sessions': ['5', () => 5],
  'serve.sessionIdle': ['60', () => 60],
  'serve.inFlight': ['9', () => 9],
  fail: ['open', () => 'open'],
};
const yamlOf = (key: string, value: string) =>
  key.includes('.') ? `${key.replace('.', ': { ')}: ${value} }\n` : `${key}: ${value}\n`;

describe('every setting', () => {
  it('has a row in this table', () => {
    expect(Object.keys(FLIPPED)).toEqual(Object.keys(SETTINGS));
  });

  it.each(Object.keys(FLIPPED))('%s of the home file is seen in the result, with its source', async (key) => {
    const [yaml, expected] = FLIPPED[key]!;
    expect(valueOf(await load(), key)).not.toEqual(expected(home));
    atHome(yamlOf(key, yaml));
    const config = await load();
    expect(valueOf(config, key)).toEqual(expected(home));
    expect(config.sources[key]).toMatchObject({ from: 'home', place: { file: join(home, 'callgate.yaml'), line: 1 } });
  });

  it.each(Object.keys(FLIPPED))('%s comes from the environment, typed, or is refused there', async (key) => {
    const [yaml, expected] = FLIPPED[key]!;
    if (key === 'organisation.policy') {
      const [issue] = await issuesOf(load({ [environmentName(key)]: yaml }));
      expect(issue?.code).toBe('CG_CONFIG_LOCKED');
      return;
    }
    const config = await load({ [environmentName(key)]: yaml });
    expect(valueOf(config, key)).toEqual(expected(cwd));
    expect(config.sources[key]).toEqual({ from: 'environment', name: environmentName(key) });
  });

  it.each(Object.keys(FLIPPED))('%s misspelt is an error that names it, its place and the right word', async (key) => {
    const wrong = `${key}x`;
    atHome(`# first line\n${yamlOf(wrong, FLIPPED[key]![0])}`);
    const [issue] = await issuesOf(load());
    const name = key.slice(key.lastIndexOf('.') + 1);
    expect(issue).toMatchObject({
      code: 'CG_CONFIG_UNKNOWN_KEY',
      message: `${wrong} is no setting. Did you mean "${name}"?`,
      place: { file: join(home, 'callgate.yaml'), line: 2, column: key.includes('.') ? key.indexOf('.') + 5 : 1 },
    });
    const variable = `${environmentName(key)}X`;
    rmSync(join(home, 'callgate.yaml'));
    const [other] = await issuesOf(load({ [variable]: 'x' }));
    expect(other).toMatchObject({
      code: 'CG_CONFIG_UNKNOWN_VARIABLE',
      message: `The variable ${variable} is no setting. Did you mean "${environmentName(key)}"?`,
    });
  });

  it.each(Object.keys(FLIPPED))('%s of a wrong type is an error with the place', async (key) => {
    atHome(yamlOf(key, '[1]'));
    const [issue] = await issuesOf(load());
    expect(issue?.code).toMatch(/^CG_CONFIG_(WRONG_TYPE|BAD_VALUE)$/);
    expect(issue?.place).toMatchObject({ file: join(home, 'callgate.yaml'), line: 1 });
  });
});

describe('precedence', () => {
  const layers: Record<string, () => Promise<[Record<string, string>, Record<string, string>]>> = {
    default: async () => [{}, {}],
    home: async () => (atHome('limits: { depth: 101 }'), [{}, {}]),
    project: async () => (inProject('limits: { depth: 102 }'), await trust(), [{}, {}]),
    environment: async () => [{ CALLGATE_LIMITS__DEPTH: '103' }, {}],
    flag: async () => [{}, { 'limits.depth': '104' }],
  };
  const order = Object.keys(layers);
  const subsets = Array.from({ length: 2 ** 4 }, (_, bits) => [
    'default',
    ...order.slice(1).filter((__, index) => bits & (1 << index)),
  ]);

  it.each(subsets.map((names) => [names.join(' < '), names] as const))(
    '%s: the last one wins',
    async (_title, names) => {
      const env = {};
      const flags = {};
      for (const name of names) {
        const [someEnv, someFlags] = await layers[name]!();
        Object.assign(env, someEnv);
        Object.assign(flags, someFlags);
      }
      const config = await load(env, flags);
      const winner = names.at(-1)!;
      expect(config.sources['limits.depth']?.from).toBe(winner);
      expect(config.limits.depth).toBe(winner === 'default' ? 128 : 100 + order.indexOf(winner));
    },
  );

  it('reads the file of --config in place of the one in the directory', async () => {
    inProject('refusal: error');
    inProject('refusal: result\nlog: { format: json }', 'other.yaml');
    const config = await load({}, { config: 'other.yaml' });
    expect(config.sources['log.format']).toMatchObject({ from: 'file', place: { line: 2 } });
    expect([config.refusal, config.trust, config.notices]).toEqual(['result', 'none', []]);
    expect(await codeOf(load({}, { config: 'gone.yaml' }))).toBe('CG_CONFIG_UNREADABLE');
  });

  it('takes both spellings of a variable of two words', async () => {
    expect((await load({ CALLGATE_LIMITS__INFLIGHT: '5' })).limits.inFlight).toBe(5);
  });

  it('needs no file at all', async () => {
    const config = await load();
    expect(config).toMatchObject({
      evidence: { durability: 'batch', required: true },
      limits: { messageBytes: 10_485_760, depth: 128, keys: 100_000, inFlight: 10_000 },
      log: { level: 'warn', format: 'pretty' },
      refusal: 'result',
      fail: 'closed',
      trust: 'none',
      notices: [],
    });
    expect(resolvePolicy(config)).toEqual({ sources: [], origin: 'observe' });
  });
});

describe('locked settings', () => {
  it.each([
    ['fail', 'closed', 'open'],
    ['evidence.durability', 'strict', 'batch'],
    ['evidence', 'strict', 'batch', 'evidence.durability'],
    ['limits.depth', '64', '65'],
    ['limits', '64', '65', 'limits.depth'],
    ['log.level', 'info', 'error'],
  ])('lock: [%s] keeps every other source from weakening it', async (locked, kept, weaker, key = locked) => {
    atHome(`lock: [${locked}]\n${yamlOf(key, kept)}`);
    const [fromEnv] = await issuesOf(load({ [environmentName(key)]: weaker }));
    expect(fromEnv).toMatchObject({ code: 'CG_CONFIG_LOCKED' });
    const [fromFlag] = await issuesOf(load({}, { [key]: weaker }));
    expect(fromFlag).toMatchObject({ code: 'CG_CONFIG_LOCKED' });
    inProject(yamlOf(key, weaker));
    expect(String(valueOf(await load(), key))).toBe(kept);
    await trust();
    const [fromProject] = await issuesOf(load());
    expect(fromProject).toMatchObject({
      code: 'CG_CONFIG_LOCKED',
      place: { file: join(cwd, 'callgate.yaml'), line: 1 },
    });
  });

  it.each(['0', '101'])('a limit of 100 a minute is weakened by %s', async (weaker) => {
    atHome('lock: [limits]\nlimits: { perMinute: 100 }');
    const [issue] = await issuesOf(load({ CALLGATE_LIMITS__PER_MINUTE: weaker }));
    expect(issue).toMatchObject({ code: 'CG_CONFIG_LOCKED' });
    expect((await load({ CALLGATE_LIMITS__PER_MINUTE: '99' })).limits.perMinute).toBe(99);
  });

  it('may be made stricter', async () => {
    atHome('lock: [limits, fail]\nlimits: { depth: 64 }\nfail: open');
    const config = await load({ CALLGATE_LIMITS__DEPTH: '32' }, { fail: 'closed' });
    expect([config.limits.depth, config.fail]).toEqual([32, 'closed']);
  });

  it('keeps the policy of the home; the policy of a trusted project may tighten it', async () => {
    atHome('lock: [policy]\npolicy: mine.yaml');
    writeFileSync(join(home, 'mine.yaml'), 'mine');
    inProject('policy: theirs.yaml');
    inProject('theirs', 'theirs.yaml');
    await trust();
    expect(resolvePolicy(await load())).toEqual({
      sources: [{ file: join(home, 'mine.yaml'), text: 'mine' }],
      origin: 'home',
      untrusted: { file: join(cwd, 'theirs.yaml'), text: 'theirs' },
    });
    expect((await issuesOf(load({ CALLGATE_POLICY: '/x.yaml' })))[0]).toMatchObject({ code: 'CG_CONFIG_LOCKED' });
  });

  it('keeps servers', async () => {
    atHome('lock: [servers.files]\nservers: { files: { command: mine } }');
    inProject('servers: { files: { command: theirs }, other: { command: x } }');
    await trust();
    expect(await issuesOf(load())).toMatchObject([{ code: 'CG_CONFIG_LOCKED', place: { line: 1, column: 12 } }]);
  });

  it('counts in the home file alone, and names settings that exist', async () => {
    inProject('lock: [fail]');
    await trust();
    expect(await issuesOf(load())).toMatchObject([{ code: 'CG_CONFIG_LOCKED', place: { line: 1, column: 8 } }]);
    atHome('lock: [fial]');
    expect((await issuesOf(load()))[0]?.message).toBe('lock names fial, which is no setting. Did you mean "fail"?');
  });
});

describe('servers', () => {
  const all = `
servers:
  files:
    command: npx
    args: [-y, "\${PACKAGE}", "$\${PACKAGE}"]
    env: { TOKEN: "\${SECRET}", PLAIN: x }
    cwd: sub
    trust: { annotations: true }
`;
  it('come with every key, variables filled in, what is shown not', async () => {
    atHome(all);
    const config = await load({ PACKAGE: 'pkg', SECRET: 's3' });
    const files = config.servers['files'] as CommandServer;
    expect({ ...files, env: { ...files.env } }).toEqual({
      kind: 'command',
      era: 'auto',
      timeoutMs: 300_000,
      maxProcesses: 256,
      command: 'npx',
      args: ['-y', 'pkg', '${PACKAGE}'],
      env: { TOKEN: 's3', PLAIN: 'x' },
      cwd: join(home, 'sub'),
      trust: { annotations: true },
    });
    expect(JSON.stringify(config.written)).not.toContain('s3');
  });

  it('of a trusted project gets no file to read that a link in it leads to: where it leads is no part of what was trusted', async () => {
    writeFileSync(join(home, 'secret'), 'x');
    symlinkSync(join(home, 'secret'), join(cwd, 'token'));
    symlinkSync(home, join(cwd, 'certs'));
    writeFileSync(join(cwd, 'plain'), 'x');
    const server = (files: string) => `servers: { a: { url: "https://a.example/mcp", ${files} } }`;
    for (const files of ['headerFiles: { X: token }', 'key: certs/secret', 'ca: ./token', 'cert: x/../token']) {
      inProject(server(files));
      await trust();
      const issues = await issuesOf(load());
      expect(issues.map(({ message }) => message)).toEqual([expect.stringContaining('leads out of the project')]);
    }
    for (const files of ['headerFiles: { X: plain }', 'key: gone', `key: ${join(home, 'secret')}`]) {
      inProject(server(files));
      await trust();
      expect(await codeOf(load())).toBe('loaded');
    }
  });

  it.each(['command', 'args', 'env', 'cwd', 'trust'])('%s misspelt is an error', async (key) => {
    atHome(all.replace(`${key}:`, `${key}x:`));
    const issues = await issuesOf(load({ PACKAGE: 'pkg', SECRET: 's3' }));
    expect(issues[0]?.message).toBe(`servers.files.${key}x is no setting. Did you mean "${key}"?`);
    expect(issues[0]?.place?.column).toBe(5);
  });

  it('are reported with all that is wrong at once', async () => {
    atHome(
      'version: 2\nfial: open\nservers:\n  a: { comand: x }\n  "b c": { command: x }\n  d: { command: 1, args: [1], env: { X: 1 }, trust: { annotation: true } }\nlimits: { depth: 1.5, keys: 1 }\nlog: { level: loud }\n',
    );
    const issues = await issuesOf(load({ CALLGATE_FIAL: 'x' }, { refusal: 'maybe' }));
    expect(issues.map(({ code, place }) => `${code} ${place?.line}:${place?.column}`)).toEqual([
      'CG_CONFIG_BAD_VALUE 1:10',
      'CG_CONFIG_UNKNOWN_KEY 2:1',
      'CG_CONFIG_UNKNOWN_KEY 4:8',
      'CG_CONFIG_MISSING_KEY 4:3',
      'CG_CONFIG_BAD_VALUE 5:3',
      'CG_CONFIG_WRONG_TYPE 6:17',
      'CG_CONFIG_WRONG_TYPE 6:27',
      'CG_CONFIG_WRONG_TYPE 6:41',
      'CG_CONFIG_UNKNOWN_KEY 6:55',
      'CG_CONFIG_WRONG_TYPE 7:18',
      'CG_CONFIG_BAD_VALUE 7:29',
      'CG_CONFIG_BAD_VALUE 8:15',
      'CG_CONFIG_UNKNOWN_VARIABLE undefined:undefined',
      'CG_CONFIG_BAD_VALUE undefined:undefined',
    ]);
  });

  it('name a variable that has no value as an error', async () => {
    atHome('servers:\n  a: { command: "${NOT_SET}" }');
    expect(await issuesOf(load())).toMatchObject([
      { code: 'CG_CONFIG_UNSET_VARIABLE', message: '${NOT_SET} has no value.', place: { line: 2, column: 17 } },
    ]);
  });

  it('of a trusted project stand over those of the home, name by name', async () => {
    atHome('servers: { a: { command: home-a, args: [x] }, b: { command: home-b } }');
    inProject('servers: { a: { command: project-a } }');
    await trust();
    const { servers, sources, written } = await load();
    expect(servers['a']).toMatchObject({ command: 'project-a', args: [] });
    expect(servers['b']).toMatchObject({ command: 'home-b' });
    expect([sources['servers.a']?.from, sources['servers.b']?.from]).toEqual(['project', 'home']);
    expect(written['servers.a.args']).toBeUndefined();
  });
});

describe('the policy', () => {
  it.each([
    ['flag', {}, { policy: 'p.yaml' }],
    ['env', { CALLGATE_POLICY: 'p.yaml' }, {}],
  ])('of a %s is read relative to the working directory and stands alone', async (origin, env, flags) => {
    inProject('theirs', 'p.yaml');
    inProject('version: 1\nrules: []', 'policy.yaml');
    expect(resolvePolicy(await load(env, flags))).toEqual({
      sources: [{ file: join(cwd, 'p.yaml'), text: 'theirs' }],
      origin,
    });
  });

  it.each(['', 'policy: policy.yaml'])('of the home is found with the line "%s"', async (line) => {
    atHome(line);
    writeFileSync(join(home, 'policy.yaml'), 'mine');
    expect(resolvePolicy(await load())).toEqual({
      sources: [{ file: join(home, 'policy.yaml'), text: 'mine' }],
      origin: 'home',
    });
  });

  it('that is named and not there is an error, never the built-in one', async () => {
    atHome('policy: gone.yaml');
    const config = await load();
    expect(() => resolvePolicy(config)).toThrow(/gone\.yaml is not there/);
    rmSync(join(home, 'callgate.yaml'));
    inProject('# none\npolicy: gone.yaml');
    expect(await issuesOf(load())).toMatchObject([{ code: 'CG_CONFIG_POLICY_MISSING', place: { line: 2, column: 9 } }]);
  });

  it('sees the environment only when it is trusted', async () => {
    const config = await load();
    expect({ ...policyVariables(config, { A: 'b', PROJECT: 'x', HOME: '/h' }, true) }).toEqual({
      A: 'b',
      HOME: '/h',
      PROJECT: cwd,
      CALLGATE_HOME: home,
    });
    expect({ ...policyVariables(config, { A: 'b', HOME: '/h' }, false) }).toEqual({
      HOME: '/h',
      PROJECT: cwd,
      CALLGATE_HOME: home,
    });
  });
});

describe('a hostile or odd file', () => {
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghi'
    .split('')
    .map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(',')}]\n`)
    .join('')}`;
  it.each<[string, string | Uint8Array, string]>([
    ['an anchor bomb', bomb, 'CG_CONFIG_INVALID'],
    ['10 MB', `# ${'x'.repeat(10_000_000)}`, 'CG_CONFIG_TOO_LARGE'],
    ['100,000 open brackets', '['.repeat(100_000), 'CG_CONFIG_INVALID'],
    ['60,000 nested entries on one line', '- '.repeat(60_000), 'CG_CONFIG_INVALID'],
    ['20,000 tagged entries on one line', '- !a '.repeat(20_000), 'CG_CONFIG_INVALID'],
    [
      'deep indentation',
      Array.from({ length: 400 }, (_, depth) => `${' '.repeat(depth)}a:\n`).join(''),
      'CG_CONFIG_INVALID',
    ],
    ['16,000 keys', Array.from({ length: 16_000 }, (_, index) => `k${index}:\n`).join(''), 'CG_CONFIG_INVALID'],
    ['20,000 syntax errors', 'a: ]\n'.repeat(20_000), 'CG_CONFIG_INVALID'],
    ['a tab for indentation', 'log:\n\tlevel: debug', 'CG_CONFIG_INVALID'],
    ['a tag', 'refusal: !!binary eA==', 'CG_CONFIG_INVALID'],
    ['a merge key', 'log: { <<: { level: debug } }', 'CG_CONFIG_INVALID'],
    ['two documents', 'refusal: error\n---\nrefusal: result', 'CG_CONFIG_INVALID'],
    ['a key twice', 'fail: closed\nfail: open', 'CG_CONFIG_INVALID'],
    ['__proto__', '__proto__: { fail: open }', 'CG_CONFIG_INVALID'],
    ['a list', '- a', 'CG_CONFIG_INVALID'],
    ['a text', 'closed', 'CG_CONFIG_INVALID'],
    ['Latin-1', Uint8Array.of(0x23, 0xe9), 'CG_CONFIG_UNREADABLE'],
    ['an empty file', '', 'loaded'],
    ['comments alone', '# nothing\n', 'loaded'],
  ])('%s', async (_what, content, expected) => {
    writeFileSync(join(home, 'callgate.yaml'), content);
    expect(await codeOf(load())).toBe(expected);
  });

  it.each([
    ['a byte order mark', '\u{feff}refusal: error\n'],
    ['CRLF', 'version: 1\r\nrefusal: error\r\nlog:\r\n  level: info\r\n'],
  ])('%s changes nothing', async (_what, text) => {
    atHome(text);
    expect((await load()).refusal).toBe('error');
  });

  it('a directory and a pipe in place of a file are refused without waiting', async () => {
    mkdirSync(join(home, 'callgate.yaml'));
    expect(await codeOf(load())).toBe('CG_CONFIG_UNREADABLE');
    rmSync(join(home, 'callgate.yaml'), { recursive: true });
    expect(spawnSync('sh', ['-c', 'mkfifo "$0"', join(home, 'callgate.yaml')]).status).toBe(0);
    expect(await codeOf(load())).toBe('CG_CONFIG_UNREADABLE');
  });
});

describe('a server', () => {
  it('may be one that runs already, its headers filled in and never shown', async () => {
    atHome(
      'servers:\n  hub: { url: "https://${HOST}/mcp", headers: { Authorization: "Bearer ${TOKEN}" }, headerFiles: { X-Key: ./key }, dial: [10.0.0.0/8], timeout: 5 }',
    );
    const config = await load({ HOST: 'hub.example', TOKEN: 's3' });
    expect(config.servers['hub']).toMatchObject({
      kind: 'url',
      url: 'https://hub.example/mcp',
      headers: { Authorization: 'Bearer s3' },
      headerFiles: { 'X-Key': join(home, 'key') },
      dial: ['10.0.0.0/8'],
      timeoutMs: 5000,
    });
    expect(config.written['servers.hub.headers']).toBe('{"Authorization":"Bearer ${TOKEN}"}');
  });

  it.each([
    ['{ url: "https://a", command: x }', 'CG_CONFIG_BAD_VALUE 1:17'],
    ['{ url: "https://u:p@a" }', 'CG_CONFIG_BAD_VALUE 1:22'],
    ['{ url: "ftp://a" }', 'CG_CONFIG_BAD_VALUE 1:22'],
    ['{ url: "https://a", env: { A: b } }', 'CG_CONFIG_BAD_VALUE 1:35'],
    ['{ command: x, headers: { A: b } }', 'CG_CONFIG_BAD_VALUE 1:29'],
    ['{ args: [x] }', 'CG_CONFIG_MISSING_KEY 1:12'],
  ])('that is %s is refused', async (text, expected) => {
    atHome(`servers: { a: ${text} }`);
    const issues = await issuesOf(load());
    expect(issues.map(({ code, place }) => `${code} ${place?.line}:${place?.column}`)).toContain(expected);
  });
});
