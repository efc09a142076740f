import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isAlive } from './peers/gate.ts';

const CLI = resolve(import.meta.dirname, '../packages/callgate/dist/cli.js');
const PLAIN = 'version: 1\nrules:\n  - { id: a, match: { tool: "read_*" }, effect: allow }\n';
const WITH_PATTERN = 'version: 1\nrules:\n  - { id: a, match: { tool: { regex: "^read" } }, effect: allow }\n';

/** Everything that judging the first message takes. */
const NEEDED = ['cli.js', 'rolldown-runtime.js', 'run.js', 'session.js'];
/** Loaded off the path, when a session lasts longer than the one of a test should. */
const LATER = new Set(['sealing.js', 'lock.js', 'seal.js', 'seal-loop.js']);
const YAML = ['document.js', 'schema.js', 'yaml.js'];

let base: string;
let starts = 0;
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'cg-start-')));
  mkdirSync(join(base, 'home'), { mode: 0o700 });
  mkdirSync(join(base, 'project'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

/** The files of dist/ that one start of the program loads. */
async function loadedBy(...argv: string[]): Promise<string[]> {
  const coverage = join(base, `coverage-${starts++}`);
  const child = spawn(process.execPath, [CLI, ...argv], {
    cwd: join(base, 'project'),
    env: { PATH: process.env['PATH'], CALLGATE_HOME: join(base, 'home'), NODE_V8_COVERAGE: coverage },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.stdin.end();
  await new Promise((done) => child.once('exit', done));
  const urls = readdirSync(coverage).flatMap((file) => {
    const report = JSON.parse(readFileSync(join(coverage, file), 'utf8')) as { result: { url: string }[] };
    return report.result.map(({ url }) => url);
  });
  const names = urls.filter((url) => url.includes('/callgate/dist/')).map((url) => basename(url));
  return [...new Set(names)].filter((name) => !LATER.has(name)).toSorted();
}

const run = (...flags: string[]) => loadedBy('run', ...flags, '--', process.execPath, '-e', '0');
/** A server that leaves its number, reads no end of input and stays for a minute. */
const serverThatMarks = (name: string): string[] => [
  process.execPath,
  '-e',
  `fs.writeFileSync(${JSON.stringify(join(base, name))}, String(process.pid)); setTimeout(() => 0, 60_000)`,
];
const write = (name: string, text: string): string => {
  const path = join(base, name);
  writeFileSync(path, text);
  return path;
};

describe('starting the gate loads', () => {
  it('neither YAML nor patterns for a policy that it has read before and that has no pattern', async () => {
    const policy = write('policy.yaml', PLAIN);
    expect(await run('--policy', policy)).toEqual([...NEEDED, ...YAML].toSorted());
    expect(await run('--policy', policy)).toEqual(NEEDED);
  });

  it('no YAML for settings that it has read before', async () => {
    write('home/callgate.yaml', 'log: { level: warn }\n');
    write('home/policy.yaml', PLAIN);
    await run();
    expect(await run()).toEqual(NEEDED);
  });

  it('YAML again for what has changed', async () => {
    await run('--policy', write('policy.yaml', PLAIN));
    expect(await run('--policy', write('policy.yaml', `${PLAIN}\n`))).toEqual([...NEEDED, ...YAML].toSorted());
  });

  it('the pattern engine for a policy with a pattern, and that alone', async () => {
    const policy = write('policy.yaml', WITH_PATTERN);
    await run('--policy', policy);
    expect(await run('--policy', policy)).toEqual([...NEEDED, 'pattern.js'].toSorted());
  });

  it('no server before policy and settings are good', async () => {
    const policy = write('policy.yaml', 'version: 1\nrules: [{ id: a }]\n');
    const loaded = await loadedBy('run', '--policy', policy, '--', ...serverThatMarks('mark'));
    expect([loaded.includes('session.js'), existsSync(join(base, 'mark'))]).toEqual([false, false]);
  });

  it('no server that would outlive a log which cannot be opened', async () => {
    write('home/evidence', 'a file in the way');
    await loadedBy('run', '--', ...serverThatMarks('mark'));
    const pid = existsSync(join(base, 'mark')) ? Number(readFileSync(join(base, 'mark'), 'utf8')) : undefined;
    expect(pid === undefined || !isAlive(pid)).toBe(true);
  });

  it('one file to say its version', async () => {
    expect(await loadedBy('--version')).toEqual(['cli.js']);
  });
});
