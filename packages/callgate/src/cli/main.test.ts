import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from './commands.ts';
import { nodeTooOld, VERSION } from './version.ts';

/** The built program: `npm test` builds it first. */
const program = process.env['GATE_UNDER_TEST'] ?? fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
let base: string;
let home: string;
beforeAll(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'callgate-main-')));
  home = join(base, 'home');
  mkdirSync(home, { mode: 0o700 });
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

function callgate(argv: readonly string[], env: Record<string, string> = {}) {
  const { PATH = '' } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...argv], {
    cwd: base,
    env: { PATH, CALLGATE_HOME: home, ...env },
    encoding: 'utf8',
  });
  return { code: status, out: stdout, err: stderr };
}

describe('the program', () => {
  it('prints its version, which is that of the package, and loads nothing for it', () => {
    const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(VERSION).toBe(manifest.version);
    expect(callgate(['--version'])).toEqual({ code: 0, out: `${VERSION}\n`, err: '' });
    const imports = readFileSync(program, 'utf8').match(/^import .*$/gm) ?? [];
    expect(imports.filter((line) => !/from ["'](?:node:|\.\/version\.js)/.test(line))).toEqual([]);
  });

  it('prints help: asked for on stdout, unasked on stderr, so that no client takes it for protocol', () => {
    const asked = callgate(['--help']);
    expect([asked.code, asked.err]).toEqual([0, '']);
    for (const { name } of COMMANDS) expect(asked.out).toMatch(new RegExp(`^  ${name} +\\w`, 'm'));
    expect(callgate([])).toEqual({ code: 2, out: '', err: asked.out });
  });

  it.each(COMMANDS.map(({ name }) => name))('%s --help shows an example', (name) => {
    const { code, out, err } = callgate([name, '--help']);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(new RegExp(`\nExample:\n  callgate ${name}`));
    expect(callgate(['help', name]).out).toBe(out);
  });

  it.each([
    ['run', '--zzz', '--', 'true'],
    ['demo', '--zzz'],
    ['init', '--zzz'],
    ['trust', '--zzz'],
    ['policy', 'check', '--zzz'],
    ['policy', 'explain', '--zzz'],
    ['policy', 'lint', '--zzz'],
    ['policy', 'test', '--zzz'],
    ['logs', '--zzz'],
    ['audit', 'verify', '--zzz'],
    ['doctor', '--zzz'],
  ])('the help of %s names the flags that it takes, and no other', async (...argv) => {
    const taken = /Flags: (.*)\.$/m.exec(callgate(argv).err)?.[1]?.split(', ');
    const command = COMMANDS.find(({ name }) => name === argv[0])!;
    const verb = (await command.verbs?.())?.find(({ name }) => name === argv[1]);
    const named = (verb ?? command).flags.map(([flag]) => flag.split(' ')[0]);
    expect(named.toSorted()).toEqual(taken?.toSorted());
  });

  it('shows each verb of policy its own help', async () => {
    for (const verb of await COMMANDS.find(({ name }) => name === 'policy')!.verbs!()) {
      const { code, out } = callgate(['policy', verb.name, '--help']);
      expect([code, out.split('\n')[0]]).toEqual([0, `callgate policy ${verb.name}: ${verb.summary}`]);
      expect(out).toContain(`\nExample:\n  callgate policy ${verb.name}`);
      expect(callgate(['policy', '--help']).out).toContain(`  ${verb.name}`);
    }
  });

  it('shows the help of run under its alias', () => {
    expect(callgate(['wrap', '--help']).out).toBe(callgate(['run', '--help']).out);
  });

  it.each([
    [['rnu'], 'There is no command rnu. Did you mean "run"?'],
    [['start'], 'There is no command start. Did you mean "run"?'],
    [['verify'], 'There is no command verify. Did you mean "audit verify"?'],
    [['--versoin'], 'There is no flag --versoin. Did you mean "--version"?'],
    [['doctor', '--jsn'], 'There is no flag --jsn. Did you mean "--json"?'],
    [['init', '--dir'], '--dir needs a value.'],
    [['init', '--force=1'], '--force takes no value.'],
    [['init', '--dir', 'a', '--dir', 'b'], '--dir is given twice.'],
    [['--polcy', 'x', '--', 'true'], 'There is no flag --polcy. Did you mean "--policy"?'],
  ])('%j ends with 2, in three lines', (argv, first) => {
    const { code, out, err } = callgate(argv);
    expect([code, out]).toEqual([2, '']);
    const lines = err.trimEnd().split('\n');
    expect(lines[0]).toBe(`callgate: ${first}`);
    expect(lines[1]).toMatch(/^ {2}why: CG_USAGE_/);
    expect(lines[2]).toMatch(/^ {2}do: {2}\w/);
    expect(lines).toHaveLength(3);
  });

  it('prints a stack only with --debug, before "--"', () => {
    const stack = /^ {4}at /m;
    expect(callgate(['init', '--x', '--debug']).err).toMatch(stack);
    expect(callgate(['init', '--x']).err).not.toMatch(stack);
    expect(callgate(['run', '--x', '--', '--debug']).err).not.toMatch(stack);
  });

  it.each([
    ['run', '--', 'true'],
    ['--', 'true'],
    ['wrap', '--', 'true'],
  ])('%s %s %s does not start on a bad config: exit 2, every mistake with its line, nothing on stdout', (...argv) => {
    const file = join(home, 'callgate.yaml');
    writeFileSync(file, 'fial: open\nlog: { level: loud }\n');
    const { code, out, err } = callgate(argv.filter((word) => word !== undefined));
    rmSync(file);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(`${file}:1:1: fial is no setting. Did you mean "fail"? CG_CONFIG_UNKNOWN_KEY`);
    expect(err).toContain(`${file}:2:15: log.level must be one of`);
  });

  it('ends with 3 when the home is not safe', () => {
    const open = join(base, 'open');
    mkdirSync(open);
    spawnSync('chmod', ['777', open]);
    const { code, err } = callgate(['doctor'], { CALLGATE_HOME: open });
    expect(code).toBe(1);
    expect(err).toBe('');
    expect(callgate(['run', '--', 'true'], { CALLGATE_HOME: open })).toMatchObject({ code: 3, out: '' });
  });

  it.each([
    ['18.20.4', false],
    ['20.18.3', false],
    ['20.19.0', true],
    ['22.0.0', true],
    ['24.21.0', true],
  ])('on Node %s runs: %s', (version, runs) => {
    expect(nodeTooOld(version) === undefined).toBe(runs);
  });
});
