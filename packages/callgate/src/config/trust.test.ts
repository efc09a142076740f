import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from './load.ts';
import { resolvePolicy } from './policies.ts';
import { readFileSet } from './project.ts';
import { recordTrust, revokeTrust, trustPath, trustState } from './trust.ts';
import { openPlace } from './testing.ts';

let base: string;
let home: string;
let cwd: string;
beforeEach(() => {
  ({ base, home, cwd } = openPlace());
});

const write = (name: string, text: string) => writeFileSync(join(cwd, name), text);
const load = (env: Record<string, string> = {}) => loadConfig({ flags: {}, env, cwd, home });
const state = () => trustState({ cwd, home });
const trust = async () => recordTrust(home, (await readFileSet(cwd, home))!, new Date(0));

const PROJECT = `policy: rules.yaml
evidence: { durability: strict, required: false }
log: { level: debug }
fail: closed
limits: { depth: 64, keys: 200000 }
servers: { evil: { command: "\${STEAL}", env: { A: "\${STEAL}" }, trust: { annotations: true } } }
`;

describe('the files of a project', () => {
  it('are none in a directory without any', async () => {
    expect(await state()).toBe('none');
    expect(readdirSync(home)).toEqual([]);
  });

  it('may only tighten until they are trusted', async () => {
    write('callgate.yaml', PROJECT);
    write('rules.yaml', 'theirs');
    writeFileSync(join(home, 'callgate.yaml'), 'fail: open\npolicy: mine.yaml');
    writeFileSync(join(home, 'mine.yaml'), 'mine');
    expect(await state()).toBe('untrusted');
    const config = await load();
    expect(config.limits).toMatchObject({ depth: 64, keys: 100_000 });
    expect(config).toMatchObject({
      fail: 'closed',
      evidence: { durability: 'batch', required: true },
      log: { level: 'warn' },
    });
    expect(config.servers).toEqual({});
    expect(config.notices).toEqual([
      `callgate.yaml, rules.yaml in ${cwd} can only tighten until you trust it. Look at it with: callgate trust`,
    ]);
    expect(resolvePolicy(config)).toEqual({
      sources: [{ file: join(home, 'mine.yaml'), text: 'mine' }],
      origin: 'home',
      untrusted: { file: join(cwd, 'rules.yaml'), text: 'theirs' },
    });
  });

  it('count in full when they are', async () => {
    write('callgate.yaml', PROJECT);
    write('rules.yaml', 'theirs');
    await trust();
    expect(await state()).toBe('trusted');
    const config = await load({ STEAL: 'x' });
    expect(config.servers['evil']).toMatchObject({ command: 'x', env: { A: 'x' }, trust: { annotations: true } });
    expect(config).toMatchObject({ evidence: { durability: 'strict', required: false }, limits: { keys: 200_000 } });
    expect(resolvePolicy(config)).toEqual({
      sources: [{ file: join(cwd, 'rules.yaml'), text: 'theirs' }],
      origin: 'project',
    });
    expect(statSync(trustPath(home)).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(home, 'state'))).toEqual(['trust.json']);
  });

  it.each([
    ['the config', 'callgate.yaml', `${PROJECT}# more`],
    ['the policy it names', 'rules.yaml', 'looser'],
    ['a policy.yaml that appears', 'policy.yaml', 'new'],
  ])('lose trust when %s changes; what was trusted stays as the floor of the policy', async (_what, name, text) => {
    write('callgate.yaml', PROJECT);
    write('rules.yaml', 'theirs');
    await trust();
    write(name, text);
    expect(await state()).toBe('changed');
    const config = await load();
    expect(config.servers).toEqual({});
    expect(config.limits.depth).toBe(64);
    expect(config.evidence.required).toBe(true);
    expect(config.notices).toEqual([expect.stringMatching(/since you trusted it: .* callgate trust$/)]);
    const resolved = resolvePolicy(config);
    expect(resolved.sources).toEqual([{ file: join(cwd, 'rules.yaml'), text: 'theirs' }]);
    expect(resolved.untrusted).toEqual(name === 'rules.yaml' ? { file: join(cwd, name), text } : undefined);
    await trust();
    expect(await state()).toBe('trusted');
  });

  it('that are deleted leave the trusted policy in force', async () => {
    write('policy.yaml', 'version: 1\nrules: []\n');
    await trust();
    rmSync(join(cwd, 'policy.yaml'));
    expect(await state()).toBe('changed');
    expect(resolvePolicy(await load())).toEqual({
      sources: [{ file: join(cwd, 'policy.yaml'), text: 'version: 1\nrules: []\n' }],
      origin: 'project',
    });
  });

  it('are trusted again when the change is taken back', async () => {
    write('policy.yaml', 'version: 1\nrules: []\n');
    await trust();
    write('policy.yaml', 'x');
    write('policy.yaml', 'version: 1\nrules: []\n');
    expect(await state()).toBe('trusted');
  });

  it('lose trust by revoking', async () => {
    write('callgate.yaml', 'fail: closed');
    await trust();
    expect(revokeTrust(home, cwd)).toBe(true);
    expect(revokeTrust(home, cwd)).toBe(false);
    expect(await state()).toBe('untrusted');
  });

  it('are trusted by real path: a link to the project is the project, a copy is not', async () => {
    write('callgate.yaml', 'fail: closed');
    await trust();
    symlinkSync(cwd, join(base, 'link'));
    expect(await trustState({ cwd: join(base, 'link'), home })).toBe('trusted');
    mkdirSync(join(base, 'copy'));
    writeFileSync(join(base, 'copy', 'callgate.yaml'), 'fail: closed');
    expect(await trustState({ cwd: join(base, 'copy'), home })).toBe('untrusted');
  });

  it('have a hash over names and contents', async () => {
    write('callgate.yaml', 'policy: a.yaml');
    write('a.yaml', 'x');
    const first = (await readFileSet(cwd, home))!.hash;
    write('callgate.yaml', 'policy: b.yaml');
    write('b.yaml', 'x');
    const second = (await readFileSet(cwd, home))!.hash;
    expect(first).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(second).not.toBe(first);
  });

  it('that name a policy outside the project, or link to one, do not bring it in untrusted', async () => {
    writeFileSync(join(base, 'outside.yaml'), 'outside');
    write('callgate.yaml', 'policy: ../outside.yaml');
    expect((await load()).untrustedPolicy).toBeUndefined();
    symlinkSync(join(base, 'outside.yaml'), join(cwd, 'in.yaml'));
    write('callgate.yaml', 'policy: in.yaml');
    expect((await load()).untrustedPolicy).toBeUndefined();
    await trust();
    expect(resolvePolicy(await load()).sources).toEqual([{ file: join(cwd, 'in.yaml'), text: 'outside' }]);
  });

  it('do not include a policy.yaml that is another program’s', async () => {
    write('policy.yaml', 'apiVersion: v1\nkind: Policy\n');
    const config = await load();
    expect([config.trust, config.untrustedPolicy]).toEqual(['none', undefined]);
    expect(config.notices[0]).toMatch(/no Callgate policy/);
  });

  it('are not those of the home itself', async () => {
    writeFileSync(join(home, 'callgate.yaml'), 'fail: open');
    const config = await loadConfig({ flags: {}, env: {}, cwd: home, home });
    expect([config.trust, config.fail, config.sources['fail']?.from]).toEqual(['none', 'open', 'home']);
  });

  it('under a damaged record are an error, never trusted', async () => {
    write('callgate.yaml', 'fail: closed');
    await trust();
    const record = readFileSync(trustPath(home), 'utf8');
    for (const text of ['', '{', '{"version":2}', record.replace('fail: closed', 'fail: open')]) {
      writeFileSync(trustPath(home), text);
      await expect(state()).rejects.toMatchObject({ code: 'CG_TRUST_UNREADABLE' });
    }
  });

  it('of several projects are kept apart', async () => {
    write('callgate.yaml', 'fail: closed');
    await trust();
    const other = join(base, 'other');
    mkdirSync(other);
    writeFileSync(join(other, 'callgate.yaml'), 'fail: closed');
    recordTrust(home, (await readFileSet(other, home))!, new Date(0));
    revokeTrust(home, other);
    expect(await state()).toBe('trusted');
  });
});

describe('notices of the files of a project', () => {
  const POLICY = 'version: 1\nrules: []\n';
  const notices = async (flags: Record<string, string> = {}): Promise<readonly string[]> =>
    (await loadConfig({ flags, env: {}, cwd, home })).notices;

  it('say nothing of a policy that the user names', async () => {
    write('policy.yaml', POLICY);
    expect(await notices()).toEqual([expect.stringContaining('policy.yaml in')]);
    expect(await notices({ policy: 'policy.yaml' })).toEqual([]);
    write('callgate.yaml', 'policy: policy.yaml\n');
    expect(await notices({ policy: 'policy.yaml' })).toEqual([expect.stringMatching(/^callgate\.yaml in /)]);
  });

  it('name the files that changed, and no others', async () => {
    write('callgate.yaml', 'policy: policy.yaml\n');
    write('policy.yaml', POLICY);
    await trust();
    write('policy.yaml', `${POLICY}# more\n`);
    expect(await notices()).toEqual([expect.stringMatching(/^policy\.yaml changed in .* since you trusted it: /)]);
    expect(await notices({ policy: 'policy.yaml' })).toEqual([]);
    rmSync(join(cwd, 'callgate.yaml'));
    expect(await notices()).toEqual([
      expect.stringMatching(/^policy\.yaml changed, callgate\.yaml is gone in .* since you trusted it: /),
    ]);
  });
});
