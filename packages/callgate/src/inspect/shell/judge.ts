import { codeOf } from './arguments.ts';
import { credentialRead } from './credentials.ts';
import { assignmentDefence, disablesDefences } from './defences.ts';
import { codeDestruction, destruction } from './destruction.ts';
import { downloadAndRun, downloads } from './downloads.ts';
import { privilege, writes } from './effects.ts';
import { exfiltration } from './exfiltration.ts';
import { runsFile } from './files.ts';
import { isInterpreter, programTexts } from './hidden.ts';
import { network, reverseShell } from './network.ts';
import { persistence } from './persistence.ts';
import type { ShellCommand, ShellReading } from './reading.ts';

export type ShellClass =
  | 'destructive'
  | 'downloadAndRun'
  | 'reverseShell'
  | 'persistence'
  | 'credentialRead'
  | 'disablesDefences'
  | 'exfiltration'
  | 'interpreterCode'
  | 'runsFile'
  | 'privileged'
  | 'network'
  | 'writes';

export const SHELL_CLASSES: readonly ShellClass[] = [
  'destructive',
  'downloadAndRun',
  'reverseShell',
  'persistence',
  'credentialRead',
  'disablesDefences',
  'exfiltration',
  'interpreterCode',
  'runsFile',
  'privileged',
  'network',
  'writes',
];

export interface ShellEvidence {
  readonly class: ShellClass;
  /** Position of the command in the reading; -1 for an assignment. */
  readonly command: number;
  /** A short clause, in words for a person. May quote a path, never a secret. */
  readonly why: string;
}

export type ShellFacts = Readonly<Record<ShellClass, boolean>> & {
  /** Some of what would run cannot be known, so that a `false` above proves nothing. */
  readonly dynamic: boolean;
  /** Why a part could not be read; then too a `false` proves nothing. */
  readonly unparsed?: string;
  /** Every program that would run, also the wrappers, sorted. */
  readonly programs: readonly string[];
  /** The first four reasons for each class. */
  readonly evidence: readonly ShellEvidence[];
};

const MOST_REASONS = 4;

/**
 * Judges what a reading would do, class by class (detection.md §7).
 * @param reading what `readShell` returned.
 * @returns one claim for each class with its reasons. `dynamic` and `unparsed` say when a `false` is no proof.
 */
export function judgeShell(reading: ShellReading): ShellFacts {
  const { commands, assignments } = reading;
  const counts = new Map<ShellClass, number>();
  const evidence: ShellEvidence[] = [];
  const claim = (name: ShellClass, command: number, why: string | undefined) => {
    if (why === undefined) return;
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    if (count <= MOST_REASONS) evidence.push({ class: name, command, why });
  };
  const fetched = downloads(commands);
  commands.forEach((command, at) => {
    const code = interpreterCode(command);
    const deletes = destruction(command, commands) ?? (code === undefined ? undefined : codeDestruction(command));
    claim('destructive', at, deletes);
    claim('downloadAndRun', at, downloadAndRun(command, at, fetched));
    claim('reverseShell', at, reverseShell(command, commands));
    claim('persistence', at, persistence(command));
    claim('credentialRead', at, credentialRead(command));
    claim('disablesDefences', at, disablesDefences(command));
    claim('exfiltration', at, exfiltration(command, commands));
    claim('interpreterCode', at, code);
    claim('runsFile', at, runsFile(command));
    claim('privileged', at, privilege(command));
    claim('network', at, network(command));
    claim('writes', at, writes(command) ?? deletes);
  });
  for (const assignment of assignments) claim('disablesDefences', -1, assignmentDefence(assignment));
  const claims = Object.fromEntries(SHELL_CLASSES.map((name) => [name, counts.has(name)])) as Record<
    ShellClass,
    boolean
  >;
  const unparsed = reading.unparsed === undefined ? undefined : { unparsed: reading.unparsed };
  return { ...claims, dynamic: reading.dynamic, ...unparsed, programs: programsOf(commands), evidence };
}

/** Code in another language, given on the line; awk counts only when it starts programs or opens connections. */
function interpreterCode(command: ShellCommand): string | undefined {
  const { program } = command;
  if (program === undefined || !isInterpreter(program)) return undefined;
  const texts = programTexts(program, command.words);
  if (program.endsWith('awk')) {
    return texts.some(({ text }) => /\bsystem\s*\(|\|\s*getline|\|\s*"|getline\s*<|\/inet\//.test(text))
      ? 'awk that runs programs'
      : undefined;
  }
  if (texts.length > 0) return `${program} with code on the line`;
  const readsInput =
    command.pipedFrom !== undefined &&
    command.words.slice(1).every(({ text }) => text.startsWith('-') && !/^-[Vvh]|^--(?:version|help)/.test(text));
  const hasDocument = command.redirects.some(({ op }) => op.startsWith('<<')) && codeOf(command) !== '';
  return readsInput || hasDocument ? `${program} with code from its input` : undefined;
}

function programsOf(commands: readonly ShellCommand[]): string[] {
  const names = new Set<string>();
  for (const { program, via } of commands) {
    if (program !== undefined && program !== '') names.add(program);
    for (const name of via) if (!name.endsWith('()') && name !== '?') names.add(name);
  }
  return [...names].sort();
}
