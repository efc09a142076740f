import type { ShellFacts, ShellReading } from '../../inspect/shell/index.ts';
import type { SqlDialect } from '../../inspect/sql/dialects.ts';
import type { SqlReading } from '../../inspect/sql/index.ts';
import type { CompiledRule } from '../rule.ts';

/** What a command line would do, and the programs it would run. */
export interface JudgedShell {
  readonly facts: ShellFacts;
  readonly programs: readonly ShellProgram[];
}

export interface ShellProgram {
  /** Lower-case base name. */
  readonly name: string;
  /** As it is written, in lower case, where that is a path to a place that is none of the system's: `./git`. */
  readonly path?: string;
}

type JudgeCommand = (subject: string | readonly string[]) => JudgedShell;

/** The shell parser is large: it is loaded, with what judges by it, only for a policy that reads command lines. */
let judge: JudgeCommand | undefined;

/**
 * What a command line, or the arguments of one program, would do.
 * @throws Error when the shell parser is not loaded: the decision is then a denial
 */
export function judgeCommand(subject: string | readonly string[]): JudgedShell {
  if (judge === undefined) throw new Error('the shell parser is not loaded');
  return judge(subject);
}

/** Loads the shell parser, once for all policies. */
async function loadShell(): Promise<void> {
  if (judge !== undefined) return;
  const [{ parseShell }, { readShell, judgeShell }] = await Promise.all([
    import('../../inspect/shell/parser.ts'),
    import('../../inspect/shell/index.ts'),
  ]);
  judge = (subject) => {
    const reading = readShell(subject, parseShell);
    const facts = judgeShell(reading);
    return { facts, programs: programsOf(reading, facts) };
  };
}

let sqlReader: ((text: string, dialect: SqlDialect) => SqlReading) | undefined;

/**
 * The statements of an SQL text.
 * @throws Error when the reader is not loaded: the decision is then a denial
 */
export function readStatements(text: string, dialect: SqlDialect): SqlReading {
  if (sqlReader === undefined) throw new Error('the SQL reader is not loaded');
  return sqlReader(text, dialect);
}

async function loadSql(): Promise<void> {
  sqlReader ??= (await import('../../inspect/sql/index.ts')).readSql;
}

/** Loads the readers of all other languages. */
export async function loadReaders(): Promise<void> {
  await Promise.all([loadShell(), loadSql()]);
}

const SYSTEM_PROGRAM = /^(?:\/usr(?:\/local)?|\/opt\/homebrew)?\/s?bin\/[^/\\]+$/;

function programsOf({ commands }: ShellReading, facts: ShellFacts): readonly ShellProgram[] {
  const programs: ShellProgram[] = [];
  for (const { program, argv } of commands) {
    const [path] = argv;
    const isElsewhere = path !== undefined && /[/\\]/.test(path) && !SYSTEM_PROGRAM.test(path);
    if (program !== undefined && isElsewhere) programs.push({ name: program, path: path.toLowerCase() });
    else if (program !== undefined && program !== '') programs.push({ name: program });
  }
  // The rest are wrappers: sudo, xargs ...
  const named = new Set(programs.map(({ name }) => name));
  return [...programs, ...facts.programs.filter((name) => !named.has(name)).map((name) => ({ name }))];
}

/** Loads what rules need before they can judge: `loadPolicy` does so; who uses `compilePolicy` awaits it. */
export async function loadEngines(policy: { readonly rules: readonly CompiledRule[] }): Promise<void> {
  if (policy.rules.some((rule) => rule.facts.has('shell'))) await loadShell();
  if (policy.rules.some((rule) => rule.facts.has('sql'))) await loadSql();
}
