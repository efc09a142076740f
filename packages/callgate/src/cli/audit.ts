import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { acceptRollback, readMark, verifyDirectory, type LogSource, type VerifiedLog } from '../evidence/index.ts';
import { CallgateError } from '../model/error.ts';
import { NOTHING_YET, openSource } from './evidence-source.ts';
import { EXIT, parseFlags, printable, type Io } from './terminal.ts';

const FLAGS = {
  against: 'checkpoint file',
  vkey: 'key file',
  evidence: 'directory',
  home: 'directory',
  size: 'number',
  json: true,
} as const;

type Values = Readonly<Record<string, string>>;

/**
 * `callgate audit verify | checkpoint | accept-rollback`. Verify exits 0 when the log verified, 1 when it did not.
 * Throws CallgateError CG_USAGE_* (exit 2) for what it cannot understand, CG_EVIDENCE_* for what it cannot do.
 */
export async function auditCommand(argv: readonly string[], io: Io): Promise<number> {
  const { values, switches, words } = parseFlags(argv, FLAGS);
  const [verb, extra] = words;
  if (extra !== undefined) throw usage(`audit ${verb} takes no "${extra}".`);
  switch (verb) {
    case 'verify':
      return verify(await openSource(values, io), values, switches.has('json'), io);
    case 'checkpoint':
      return printCheckpoint(await openSource(values, io), io);
    case 'accept-rollback':
      return accept(await openSource(values, io), values, io);
    default:
      throw usage(verb === undefined ? 'audit needs a word.' : `There is no audit ${verb}.`);
  }
}

async function verify(source: LogSource, values: Values, json: boolean, io: Io): Promise<number> {
  const against = readGiven(values['against'], io);
  const vkey = readGiven(values['vkey'], io)?.trim();
  refuseEmpty(source);
  const report = await verifyDirectory({
    dir: source.dir,
    ...(source.place === undefined ? {} : { place: source.place }),
    ...(against === undefined ? {} : { against }),
    ...(vkey === undefined ? {} : { vkey }),
  });
  io.stdout.write(json ? `${JSON.stringify({ evidence: source.dir, ...report })}\n` : verdict(report, source, against));
  return report.ok ? EXIT.ok : EXIT.failed;
}

function verdict(report: VerifiedLog, source: LogSource, against: string | undefined): string {
  const lines: string[] = [];
  if (report.ok) {
    lines.push(`verified: ${report.size} records of ${report.origin}`, `  root: ${report.root}`);
    lines.push(`  key:  ${KEY_WORDS[report.keyFrom]}`);
    lines.push(`  cuts: ${cutWords(source, against)}`);
    const recoveries = report.types['recovery'] ?? 0;
    if (recoveries > 0)
      lines.push(`  note: ${recoveries} recovery record(s) tell of processes that ended without closing`);
  } else {
    lines.push(`NOT verified: ${report.problemCount} problem(s) in ${source.dir}`);
    for (const { message } of report.problems.slice(0, 20)) lines.push(`  why: ${message}`);
    if (report.problemCount > 20) lines.push(`  why: ... and ${report.problemCount - 20} more (--json lists 100)`);
    lines.push('  do:  keep this directory as it is, find out who changed it, and put a good copy in its place.');
  }
  return `${lines.map(printable).join('\n')}\n`;
}

const KEY_WORDS = {
  given: 'the one you gave',
  mark: 'the one this home knows',
  log: 'the one beside the log; whoever can rewrite the log can rewrite it, so give your own with --vkey',
} as const;

function cutWords(source: LogSource, against: string | undefined): string {
  if (against !== undefined) return 'compared with the checkpoint you kept';
  if (source.place !== undefined)
    return 'compared with what this home has seen; keep a checkpoint elsewhere to be sure';
  return 'a cut end cannot be seen without a kept checkpoint (--against)';
}

function printCheckpoint(source: LogSource, io: Io): number {
  io.stdout.write(readLogFile(source, 'checkpoint'));
  return EXIT.ok;
}

async function accept(source: LogSource, values: Values, io: Io): Promise<number> {
  if (source.place === undefined) throw usage('accept-rollback is for the log of a home.');
  const size = values['size'];
  if (size === undefined || !/^(0|[1-9][0-9]{0,15})$/.test(size))
    throw usage('accept-rollback needs --size <records that the lost log had>; audit verify says how many.');
  const accepted = await acceptRollback(source.place, Number(size));
  io.stdout.write(
    `The log ${accepted.origin} goes on with ${accepted.size} records; the last says what was given up.\n`,
  );
  return EXIT.ok;
}

function readGiven(path: string | undefined, io: Io): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(resolve(io.cwd, path), 'utf8');
  } catch (cause) {
    throw new CallgateError('CG_USAGE_FLAG_VALUE', `${path} cannot be read: ${(cause as Error).message}.`, {
      remedy: 'Name a file that you kept: a checkpoint from `callgate audit checkpoint`, or a log.vkey.',
      cause,
    });
  }
}

/** Before the first call a home has no log, no mark and no keys. Where one of them is left, verifying tells what is lost. */
function refuseEmpty({ dir, place }: LogSource): void {
  if (place === undefined || readMark(place.markFile) !== undefined) return;
  if (hasFiles(dir) || hasFiles(place.keysDir)) return;
  throw new CallgateError('CG_EVIDENCE_NO_LOG', `Nothing is recorded yet in ${dir}.`, { remedy: NOTHING_YET });
}

function hasFiles(directory: string): boolean {
  if (!existsSync(directory)) return false;
  return readdirSync(directory, { recursive: true, withFileTypes: true }).some((entry) => !entry.isDirectory());
}

function readLogFile(source: LogSource, name: string): string {
  try {
    return readFileSync(join(source.dir, name), 'utf8');
  } catch {
    throw new CallgateError('CG_EVIDENCE_NO_LOG', `There is no evidence log in ${source.dir}.`, {
      remedy: 'Name the directory with --evidence, or the home with --home or CALLGATE_HOME.',
    });
  }
}

function usage(message: string): CallgateError {
  return new CallgateError('CG_USAGE_AUDIT', message, {
    remedy:
      'Use: callgate audit verify [--against file] [--vkey file] [--json] | checkpoint | accept-rollback --size n',
  });
}
