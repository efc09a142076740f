import { existsSync, lstatSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { openHome } from '../config/home.ts';
import { readFileSet } from '../config/project.ts';
import { recordTrust } from '../config/trust.ts';
import { CallgateError } from '../model/error.ts';
import { databaseDriver } from '../state/database.ts';
import { STARTER_CASES, STARTER_CONFIG, STARTER_POLICY, withoutLimits } from './starter.ts';
import { EXIT, parseFlags, withHome } from './terminal.ts';
import type { Io } from './terminal.ts';

interface NewFile {
  readonly name: string;
  readonly text: string;
  readonly about: string;
  /** Whether it comes into force: what it says has to be trusted. */
  readonly counts: boolean;
}

/** What to write: a first run has to work, so a rule that this Node cannot carry out is written as a comment. */
function filesToWrite(canLimit: boolean, isGlobal: boolean): readonly NewFile[] {
  const policy = canLimit ? STARTER_POLICY : withoutLimits(STARTER_POLICY);
  const cases = { name: 'policy.test.yaml', text: STARTER_CASES, about: 'what they are to decide', counts: false };
  return [
    { name: 'callgate.yaml', text: STARTER_CONFIG, about: 'settings', counts: true },
    { name: 'policy.yaml', text: policy, about: 'the rules every call is judged by', counts: true },
    ...(isGlobal ? [] : [cases]),
  ];
}

/**
 * `callgate init [--global] [--force] [--dir d]`: writes a config, a policy that loads and its cases,
 * and trusts what it wrote.
 * `canLimit` says whether limits can be kept here.
 */
export async function initCommand(
  argv: string[],
  io: Io,
  canLimit = async (): Promise<boolean> => (await databaseDriver()) !== undefined,
): Promise<number> {
  const flags = parseFlags(argv, { global: true, force: true, dir: 'directory', home: 'directory' });
  refuseWords([...flags.words, ...(flags.rest ?? [])]);
  const isGlobal = flags.switches.has('global');
  if (isGlobal && flags.values['dir'] !== undefined) {
    throw new CallgateError('CG_USAGE_ARGUMENT', '--global and --dir exclude each other.', {
      remedy: 'Keep one of them.',
    });
  }
  const home = openHome(withHome(io, flags.values['home']));
  const directory = isGlobal ? home : resolve(io.cwd, flags.values['dir'] ?? '.');
  const files = filesToWrite(await canLimit(), isGlobal);
  const kept = writeAll(directory, files, flags.switches.has('force'));
  await trustWritten(directory, home, files);
  const show = (path: string) => (isGlobal ? path : relative(io.cwd, path) || path);
  for (const { name, about } of files) io.stdout.write(`wrote ${show(join(directory, name))}: ${about}\n`);
  for (const path of kept) io.stdout.write(`kept  ${show(path)}: what was there before\n`);
  const policy = show(join(directory, 'policy.yaml'));
  io.stdout.write(`\nNext, look at the rules in ${policy}, then put Callgate in front of a server:\n`);
  io.stdout.write('  callgate run -- npx -y @modelcontextprotocol/server-filesystem .\n');
  const cases = show(join(directory, 'policy.test.yaml'));
  const after = isGlobal ? '' : `, callgate policy test ${cases}, then callgate trust`;
  io.stdout.write(`After changing ${policy}: callgate policy check ${policy}${after}\n`);
  return EXIT.ok;
}

/** @returns the backups made. */
function writeAll(directory: string, files: readonly NewFile[], force: boolean): string[] {
  mkdirSync(directory, { recursive: true });
  const present = files
    .map(({ name }) => join(directory, name))
    .filter((path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined);
  if (present.length > 0 && !force) {
    throw new CallgateError(
      'CG_INIT_EXISTS',
      `${present.join(' and ')} ${present.length > 1 ? 'are' : 'is'} already there.`,
      {
        remedy:
          'Nothing was written. Run `callgate init --force` to replace (a backup is kept), or choose another --dir.',
      },
    );
  }
  const backups = present.map((path) => {
    const backup = freeName(path);
    renameSync(path, backup);
    return backup;
  });
  for (const { name, text } of files) {
    const path = join(directory, name);
    const fresh = `${path}.${process.pid}.new`;
    rmSync(fresh, { force: true });
    writeFileSync(fresh, text, { flag: 'wx', mode: 0o644 });
    renameSync(fresh, path);
  }
  return backups;
}

function freeName(path: string): string {
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? `${path}.bak` : `${path}.bak${number}`;
    if (!existsSync(candidate)) return candidate;
  }
}

/** The user asked for these very bytes, so they need no `callgate trust`. Anything else that lies there does. */
async function trustWritten(directory: string, home: string, files: readonly NewFile[]): Promise<void> {
  const set = await readFileSet(directory, home);
  if (set === undefined) return;
  const ours = files.filter(({ counts }) => counts);
  const isOurs =
    set.files.length === ours.length &&
    set.files.every((file) => ours.some(({ name, text }) => name === file.name && text === file.text));
  if (isOurs) recordTrust(home, set, new Date());
}

function refuseWords(words: readonly string[]): void {
  if (words.length === 0) return;
  throw new CallgateError('CG_USAGE_ARGUMENT', `init takes no "${words[0]}".`, { remedy: 'See: callgate init --help' });
}
