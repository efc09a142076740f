import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { doctorCommand } from './doctor.ts';
import { testIo } from './test-io.ts';
import { openPlace } from '../config/testing.ts';

let home: string;
let cwd: string;
beforeEach(() => {
  ({ home, cwd } = openPlace());
});

interface Report {
  ok: boolean;
  checks: { name: string; status: string; message: string; remedy?: string }[];
  config?: { key: string; value: string; source: string }[];
}
async function examine(argv: string[] = [], env: Record<string, string> = {}): Promise<Report & { code: number }> {
  const io = testIo(cwd, { CALLGATE_HOME: home, ...env });
  const code = await doctorCommand(['--json', ...argv], io);
  return { ...(JSON.parse(io.out()) as Report), code };
}
const atHome = (text: string) => writeFileSync(join(home, 'callgate.yaml'), text);

describe('doctor', () => {
  it('is green in an empty home and says that the observe policy judges and how strong the separation is', async () => {
    const { code, ok, checks } = await examine();
    expect([code, ok]).toEqual([0, true]);
    const said = (name: string) => checks.find((check) => check.name === name);
    expect(said('policy')).toMatchObject({ status: 'note', remedy: 'Write one with: callgate init' });
    expect(said('assurance')?.message).toMatch(/^same-user: .*not a boundary$/);
  });

  it("names the organisation's policy, and says when a policy is in shadow mode", async () => {
    atHome('organisation: { policy: above.yaml }');
    writeFileSync(join(home, 'above.yaml'), 'version: 1\nrules: []\n');
    writeFileSync(join(home, 'policy.yaml'), 'version: 1\nmode: shadow\nrules: []\n');
    const { code, checks } = await examine();
    const said = checks.find(({ name }) => name === 'policy');
    expect([code, said?.status]).toEqual([0, 'note']);
    expect(said?.message).toMatch(
      /policy\.yaml \(home, policy hash sha256:\w+\); above it .*above\.yaml\. .*is in shadow mode/,
    );
  });

  it('says of a policy that nobody trusts that it is there', async () => {
    writeFileSync(join(cwd, 'policy.yaml'), 'version: 1\nrules: []\n');
    const { checks } = await examine();
    expect(checks.find(({ name }) => name === 'policy')).toMatchObject({
      status: 'note',
      message: expect.stringMatching(/^none that you trust: .*policy\.yaml can refuse/),
      remedy: expect.stringContaining('callgate trust'),
    });
  });

  it.each<[string, string, RegExp, () => void]>([
    ['a config that does not parse', 'config', /callgate\.yaml:1:\d+: /, () => atHome('a: [')],
    ['a misspelt setting', 'config', /:2:1: fial is no setting/, () => atHome('# x\nfial: open')],
    ['a policy that is not there', 'policy', /gone\.yaml is not there/, () => atHome('policy: gone.yaml')],
    [
      'a policy that does not load',
      'policy',
      /policy\.yaml:\d+:\d+: /,
      () => writeFileSync(join(home, 'policy.yaml'), 'version: 1\nruls: []\n'),
    ],
    [
      'evidence that cannot be written',
      'evidence',
      /cannot be written/,
      () => writeFileSync(join(home, 'evidence'), ''),
    ],
    ['state that cannot be written', 'state', /cannot be written/, () => writeFileSync(join(home, 'state'), '')],
    ['a home that others may write to', 'home', /may be written by others/, () => chmodSync(home, 0o777)],
    [
      'a key that others may read',
      'keys',
      /Others may read .*k\.$/,
      () => {
        mkdirSync(join(home, 'keys'));
        writeFileSync(join(home, 'keys', 'k'), '', { mode: 0o644 });
        chmodSync(join(home, 'keys', 'k'), 0o644);
      },
    ],
    [
      'a log behind its mark',
      'log',
      /rolled back/,
      () => {
        mkdirSync(join(home, 'state'));
        writeFileSync(
          join(home, 'state', 'evidence-mark.json'),
          JSON.stringify({ v: 1, origin: 'o', vkey: 'k', size: 9, root: 'AA==' }),
        );
      },
    ],
    [
      'a damaged record of trust',
      'config',
      /trust\.json cannot be used/,
      () => {
        mkdirSync(join(home, 'state'));
        writeFileSync(join(home, 'state', 'trust.json'), '{');
      },
    ],
  ])('names %s, says how to mend it and exits 1', async (_what, name, message, plant) => {
    plant();
    const { code, ok, checks } = await examine();
    expect([code, ok]).toEqual([1, false]);
    const wrong = checks.filter(({ status }) => status === 'bad');
    expect(wrong.map((check) => check.name)).toContain(name);
    expect(wrong.find((check) => check.name === name)?.message).toMatch(message);
    for (const { remedy } of wrong) expect(remedy).toMatch(/\w/);
  });

  it('names project files that are not trusted', async () => {
    writeFileSync(join(cwd, 'callgate.yaml'), 'fail: closed');
    const { code, checks } = await examine();
    expect(code).toBe(0);
    expect(checks.find(({ name }) => name === 'trust')).toMatchObject({
      status: 'note',
      remedy: expect.stringContaining('callgate trust'),
    });
  });

  it('--config-show names the source of each value and shows no secret', async () => {
    atHome(`log: { level: info }
servers:
  a: { command: x, args: [--token, hunter22, "--key=\${SECRET}", "https://u:hunter22@h"], env: { PORT: "hunter22" } }
  a.env: { url: "https://b.example/?api_key=hunter22", headers: { X-Any: "hunter22" }, timeout: 9 }
`);
    const env = { SECRET: 'hunter22', CALLGATE_LIMITS__DEPTH: '12' };
    const { config } = await examine(['--config-show'], env);
    const row = (key: string) => config?.find((entry) => entry.key === key);
    expect(row('log.level')).toEqual({
      key: 'log.level',
      value: 'info',
      source: `home (${join(home, 'callgate.yaml')}:1)`,
    });
    expect(row('limits.depth')).toEqual({
      key: 'limits.depth',
      value: '12',
      source: 'environment (CALLGATE_LIMITS__DEPTH)',
    });
    expect(row('fail')).toEqual({ key: 'fail', value: 'closed', source: 'default' });
    expect(row('servers.a.env.PORT')).toMatchObject({ value: '***' });
    expect(row('servers.a.args')?.value).toContain('***');
    expect(row('servers.a.env.headers.X-Any')).toMatchObject({ value: '***' });
    expect(row('servers.a.env.timeout')).toEqual({
      key: 'servers.a.env.timeout',
      value: '9',
      source: `home (${join(home, 'callgate.yaml')}:4)`,
    });
    const io = testIo(cwd, { CALLGATE_HOME: home, ...env });
    await doctorCommand(['--config-show'], io);
    expect(io.out()).toContain('limits.depth');
    expect(JSON.stringify(config) + io.out()).not.toContain('hunter22');
  });

  it('refuses what it does not know', async () => {
    await expect(examine(['--jsno'])).rejects.toMatchObject({ code: 'CG_USAGE_UNKNOWN_FLAG' });
    await expect(examine(['all'])).rejects.toMatchObject({ code: 'CG_USAGE_ARGUMENT' });
  });
});
