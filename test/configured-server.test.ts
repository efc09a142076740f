import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bench, CLI, peer } from './peers/gate.ts';
import { type RawClient } from './peers/raw-client.ts';

let bench: Bench;
let project: string;
beforeEach(() => {
  bench = new Bench();
  project = bench.path('project');
  mkdirSync(project);
  writeFileSync(
    join(project, 'policy.yaml'),
    'version: 1\nrules:\n  - { id: all, match: { method: "*" }, effect: allow }\n',
  );
  const server = { command: process.execPath, args: [peer('echo-server.mjs')], env: { GREETING: 'hello' } };
  writeFileSync(
    join(project, 'callgate.yaml'),
    JSON.stringify({ version: 1, policy: './policy.yaml', servers: { fx: server } }),
  );
});
afterEach(async () => bench.close());

const run = (name: string): RawClient => bench.open([process.execPath, CLI, 'run', '--name', name], { cwd: project });

describe('a server that the config names', () => {
  it('of a project nobody has trusted is not started', async () => {
    const client = run('fx');
    expect(await client.ended).toMatchObject({ code: 2 });
    expect(client.stderr).toContain('callgate trust');
  });

  it('is started by its name once the project is trusted', async () => {
    const shown = await bench.callgateIn(project, 'trust', '--show');
    const hash = /sha256:[0-9a-f]{64}(?![^]*sha256:)/.exec(shown.stdout)?.[0] ?? '';
    expect((await bench.callgateIn(project, 'trust', '--yes', hash)).code).toBe(0);
    const client = run('fx');
    await client.initialize();
    expect(JSON.stringify(await client.call('where'))).toContain('hello');
    client.process.stdin?.end();
    await client.ended;
    expect((await bench.logs('--tool', 'where')).map((record) => record.serverName)).toEqual(['fx']);
  });

  it('that is not there is an error that names those that are', async () => {
    const client = run('fy');
    expect(await client.ended).toMatchObject({ code: 2 });
    expect(client.stderr).toContain('"fy"');
  });
});
