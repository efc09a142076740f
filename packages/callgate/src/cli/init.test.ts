import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { loadConfig, resolvePolicy, trustState } from '../config/index.ts';
import { compileInForce } from '../gate/policy-in-force.ts';
import { doctorCommand } from './doctor.ts';
import { initCommand } from './init.ts';
import { policyTest } from './policy-test.ts';
import { STARTER_CONFIG, STARTER_POLICY } from './starter.ts';
import { testIo } from './test-io.ts';
import { openPlace } from '../config/testing.ts';

let base: string;
let home: string;
let cwd: string;
beforeEach(() => {
  ({ base, home, cwd } = openPlace('later'));
});

const io = () => testIo(cwd, { CALLGATE_HOME: home });
const init = (...argv: string[]) => initCommand(argv, io());
const read = (name: string) => readFileSync(join(cwd, name), 'utf8');

describe('init', () => {
  it('writes the starter policy of the repository', () => {
    expect(STARTER_POLICY).toBe(readFileSync(new URL('../../../../policies/starter.yaml', import.meta.url), 'utf8'));
  });

  it('writes files that load, compile, are trusted and make doctor green', async () => {
    const screen = io();
    expect(await initCommand([], screen)).toBe(0);
    expect(screen.out()).toMatch(
      /^wrote callgate.yaml: .*\nwrote policy.yaml: .*\nwrote policy.test.yaml: .*\n\nNext, .*\n {2}callgate run -- npx /,
    );
    expect(readdirSync(cwd)).toEqual(['callgate.yaml', 'policy.test.yaml', 'policy.yaml']);
    const request = { flags: {}, env: {}, cwd, home };
    const config = await loadConfig(request);
    expect([config.trust, config.notices]).toEqual(['trusted', []]);
    expect(resolvePolicy(config)).toMatchObject({ origin: 'project', sources: [{ text: STARTER_POLICY }] });
    expect((await compileInForce(config, request)).origin).toBe('project');
    const doctor = io();
    expect(await doctorCommand([], doctor)).toBe(0);
    expect(doctor.out()).not.toMatch(/^bad/m);
  });

  it('writes the rule with a limit as a comment where nothing can keep limits, and the rest works', async () => {
    expect(await initCommand([], io(), async () => false)).toBe(0);
    expect(read('policy.yaml')).toContain('npm install @photostructure/sqlite');
    const request = { flags: {}, env: { CALLGATE_HOME: home, HOME: base }, cwd, home };
    const { policy } = await compileInForce(await loadConfig(request), request);
    expect(policy.usesRates).toBe(false);
    const uncommented = read('policy.yaml').replaceAll(/^# (?= )/gm, '');
    writeFileSync(join(cwd, 'policy.yaml'), uncommented);
    const flagged = { ...request, flags: { policy: join(cwd, 'policy.yaml') } };
    expect((await compileInForce(await loadConfig(flagged), flagged)).policy.usesRates).toBe(true);
  });

  it.each([true, false])('writes cases that the policy passes, limits or not: %s', async (canLimit) => {
    const screen = io();
    await initCommand([], screen, async () => canLimit);
    expect(screen.out()).toContain('callgate policy test policy.test.yaml, then callgate trust');
    const tested = io();
    expect(await policyTest([], tested)).toBe(0);
    expect(tested.out()).toBe('ok: policy.yaml: 5 of 5 cases passed\n');
    expect(await trustState({ cwd, home })).toBe('trusted');
    writeFileSync(join(cwd, 'policy.test.yaml'), 'mine');
    expect(await trustState({ cwd, home })).toBe('trusted');
  });

  it('writes into the home with --global, and that is the policy of every directory', async () => {
    const screen = io();
    expect(await initCommand(['--global'], screen)).toBe(0);
    expect(screen.out()).toContain(`wrote ${join(home, 'callgate.yaml')}`);
    const config = await loadConfig({ flags: {}, env: {}, cwd, home });
    expect(resolvePolicy(config)).toMatchObject({ origin: 'home', sources: [{ text: STARTER_POLICY }] });
    expect(await doctorCommand([], io())).toBe(0);
  });

  it('writes into --dir, made if need be', async () => {
    expect(await init('--dir', 'a/b')).toBe(0);
    expect(readdirSync(join(cwd, 'a/b'))).toEqual(['callgate.yaml', 'policy.test.yaml', 'policy.yaml']);
    expect(await trustState({ cwd: join(cwd, 'a/b'), home })).toBe('trusted');
  });

  it.each(['callgate.yaml', 'policy.yaml', 'policy.test.yaml'])('writes nothing when %s is there', async (name) => {
    writeFileSync(join(cwd, name), 'mine');
    await expect(init()).rejects.toMatchObject({ code: 'CG_INIT_EXISTS' });
    expect(readdirSync(cwd)).toEqual([name]);
    expect(read(name)).toBe('mine');
  });

  it('keeps a backup of what --force replaces, each time', async () => {
    writeFileSync(join(cwd, 'policy.yaml'), 'first');
    await init('--force');
    writeFileSync(join(cwd, 'policy.yaml'), 'second');
    await init('--force');
    expect([read('policy.yaml.bak'), read('policy.yaml.bak2'), read('policy.yaml')]).toEqual([
      'first',
      'second',
      STARTER_POLICY,
    ]);
  });

  it('does not write through a link', async () => {
    const target = join(base, 'target');
    writeFileSync(target, 'precious');
    symlinkSync(target, join(cwd, 'callgate.yaml'));
    await expect(init()).rejects.toMatchObject({ code: 'CG_INIT_EXISTS' });
    await init('--force');
    expect(readFileSync(target, 'utf8')).toBe('precious');
    expect(read('callgate.yaml')).toBe(STARTER_CONFIG);
  });

  it('refuses flags and words it does not know', async () => {
    await expect(init('--globl')).rejects.toMatchObject({
      code: 'CG_USAGE_UNKNOWN_FLAG',
      message: 'There is no flag --globl. Did you mean "--global"?',
    });
    await expect(init('here')).rejects.toMatchObject({ code: 'CG_USAGE_ARGUMENT' });
    await expect(init('--global', '--dir', 'x')).rejects.toMatchObject({ code: 'CG_USAGE_ARGUMENT' });
    expect(readdirSync(cwd)).toEqual([]);
  });
});
