import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLI } from './peers/gate.ts';

let base: string;
let cwd: string;
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'callgate-notices-')));
  cwd = join(base, 'project');
  mkdirSync(cwd);
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

/** What `callgate run` says at its start, before a server that ends at once. */
function notices(...flags: string[]): string {
  const server = [process.execPath, '-e', ''];
  const env = { PATH: process.env['PATH'], HOME: base, CALLGATE_HOME: join(base, 'home') };
  const { stderr } = spawnSync(process.execPath, [CLI, 'run', ...flags, '--', ...server], {
    cwd,
    env,
    input: '',
    encoding: 'utf8',
  });
  return stderr;
}

describe('what run says at its start', () => {
  it('is that there is no policy, where there is none', () => {
    expect(notices()).toContain('No policy file: the built-in observe policy');
  });

  it('is that nobody trusts the one that is there', () => {
    writeFileSync(join(cwd, 'policy.yaml'), 'version: 1\nrules: []\n');
    const said = notices();
    expect(said).toContain(`policy.yaml in ${cwd} can only tighten until you trust it.`);
    expect(said).toContain('No policy that you trust: ');
    expect(said).not.toContain('No policy file');
  });

  it('is nothing of trust, where the user names the policy', () => {
    writeFileSync(join(cwd, 'policy.yaml'), 'version: 1\nrules: []\n');
    expect(notices('--policy', 'policy.yaml')).not.toMatch(/trust|No policy/);
  });
});
