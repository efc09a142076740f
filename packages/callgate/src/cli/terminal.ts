import { resolve } from 'node:path';
import { CallgateError, messageOf } from '../model/error.ts';
import type { Place } from '../model/error.ts';
import { didYouMean } from '../policy/document/nearest.ts';

/** The world as a command sees it; handed in, so that tests need no process. */
export interface Io {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  readonly stdin: NodeJS.ReadableStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** Exit codes of every command (docs/config.md, "Exit codes"). */
export const EXIT = { ok: 0, failed: 1, usage: 2, unsafe: 3, internal: 70 } as const;

/** What a flag takes: `true` is a switch, a string is the name of its value in the help; with `...` it may be repeated. */
export type FlagSpec = Readonly<Record<string, true | string>>;

export interface ParsedFlags {
  readonly values: Readonly<Record<string, string>>;
  readonly switches: ReadonlySet<string>;
  /** Values of flags that may be repeated, in order. */
  readonly lists: Readonly<Record<string, readonly string[]>>;
  /** What is no flag, in order. */
  readonly words: readonly string[];
  /** Everything behind `--`; undefined when there was none. */
  readonly rest: readonly string[] | undefined;
}

/**
 * Splits a command's arguments. Flags are `--name value` or `--name=value`; nothing behind `--` is looked at.
 * `--debug` is accepted everywhere.
 * @throws CallgateError CG_USAGE_UNKNOWN_FLAG, CG_USAGE_FLAG_VALUE
 */
export function parseFlags(argv: readonly string[], spec: FlagSpec): ParsedFlags {
  const values: Record<string, string> = Object.create(null) as Record<string, string>;
  const switches = new Set<string>();
  const lists = Object.create(null) as Record<string, string[]>;
  const words: string[] = [];
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index]!;
    if (word === '--') return { values, switches, lists, words, rest: argv.slice(index + 1) };
    if (!word.startsWith('--')) {
      if (word.startsWith('-') && word !== '-') throw unknownFlag(word, spec);
      words.push(word);
      continue;
    }
    const equals = word.indexOf('=');
    const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
    const kind = name === 'debug' ? true : Object.hasOwn(spec, name) ? spec[name] : undefined;
    if (kind === undefined) throw unknownFlag(`--${name}`, spec);
    if (kind === true) {
      if (equals >= 0) throw flagValue(`--${name} takes no value.`, `Write --${name} alone.`);
      switches.add(name);
      continue;
    }
    const value = equals >= 0 ? word.slice(equals + 1) : argv[++index];
    if (value === undefined || (equals < 0 && value.startsWith('--'))) {
      throw flagValue(`--${name} needs a value.`, `Write --${name} <${kind}>.`);
    }
    if (kind.endsWith('...')) {
      (lists[name] ??= []).push(value);
      continue;
    }
    if (Object.hasOwn(values, name)) throw flagValue(`--${name} is given twice.`, 'Keep one of them.');
    values[name] = value;
  }
  return { values, switches, lists, words, rest: undefined };
}

/** The environment with the home of `--home`, which may be relative to the working directory. */
export function withHome(io: Io, directory: string | undefined): Io['env'] {
  return directory === undefined ? io.env : { ...io.env, CALLGATE_HOME: resolve(io.cwd, directory) };
}

function unknownFlag(flag: string, spec: FlagSpec): CallgateError {
  const known = Object.keys(spec).map((name) => `--${name}`);
  const guess = didYouMean(flag, known);
  const list = known.length === 0 ? 'This command takes no flags.' : `Flags: ${known.join(', ')}.`;
  return new CallgateError('CG_USAGE_UNKNOWN_FLAG', `There is no flag ${flag}.${guess}`, { remedy: list });
}

/** A flag whose value says nothing, with what to write instead. */
export function flagValue(message: string, remedy: string): CallgateError {
  return new CallgateError('CG_USAGE_FLAG_VALUE', message, { remedy });
}

/**
 * Prints an error as a person reads it: what happened, why (code and place), what to do. Several issues of one file
 * are all printed. The stack comes only with `debug`.
 * @returns the exit code that fits the error.
 */
export function printError(error: unknown, stderr: NodeJS.WritableStream, debug = false): number {
  const lines: string[] = [];
  if (error instanceof CallgateError) {
    const issues = issuesOf(error);
    if (issues.length === 0) {
      lines.push(`callgate: ${error.message}`);
      lines.push(`  why: ${error.place === undefined ? '' : `${placeText(error.place)} `}${error.code}`);
      lines.push(`  do:  ${error.remedy ?? 'Look the code up in docs/errors.md.'}`);
    } else {
      lines.push(`callgate: ${issues.length === 1 ? '1 problem' : `${issues.length} problems`}; nothing was started.`);
      for (const issue of issues) {
        lines.push(`  ${issue.place === undefined ? '' : `${placeText(issue.place)}: `}${issue.message} ${issue.code}`);
        if (issue.remedy !== undefined) lines.push(`    do: ${issue.remedy}`);
      }
    }
  } else {
    lines.push(`callgate: ${messageOf(error)}`);
    lines.push('  why: a fault inside Callgate itself. CG_INTERNAL');
    lines.push('  do:  run it again with --debug and report what it prints.');
  }
  if (debug && error instanceof Error && error.stack !== undefined) lines.push(error.stack);
  stderr.write(`${lines.map(printable).join('\n')}\n`);
  return exitCodeOf(error);
}

/** One thing wrong in a file, as config and policy errors carry them. */
interface Issue {
  readonly code: string;
  readonly message: string;
  readonly remedy?: string | undefined;
  readonly place?: Place | undefined;
}

function issuesOf(error: CallgateError): readonly Issue[] {
  const issues: unknown = (error as { issues?: unknown }).issues;
  return Array.isArray(issues) ? (issues as Issue[]) : [];
}

function placeText(place: Place): string {
  return `${place.file}:${place.line}:${place.column}`;
}

const REFUSED_FOR_SAFETY = ['_KEY_OPEN', '_UNSAFE', '_ROLLBACK', '_FORK'];
const INVALID_INPUT = ['CG_USAGE_', 'CG_CONFIG_', 'CG_POLICY_', 'CG_NODE_', 'CG_TRUST_', 'CG_INIT_'];

/** The exit code an error ends a command with: 3 refused for safety, 2 usage or invalid file, 1 a check failed, 70 a fault of ours. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof CallgateError)) return EXIT.internal;
  if (REFUSED_FOR_SAFETY.some((part) => error.code.includes(part))) return EXIT.unsafe;
  if (INVALID_INPUT.some((start) => error.code.startsWith(start))) return EXIT.usage;
  return error.code === 'CG_INTERNAL' ? EXIT.internal : EXIT.failed;
}

/** Makes control characters visible: names and file contents may try to rewrite the terminal. Line breaks and tabs stay. */
export function printable(text: string): string {
  let out = '';
  for (const char of text) {
    const unit = char.codePointAt(0)!;
    const harmless = unit === 0x0a || unit === 0x09 || (unit >= 0x20 && unit < 0x7f) || unit > 0x9f;
    const reorders =
      (unit >= 0x202a && unit <= 0x202e) || (unit >= 0x2066 && unit <= 0x2069) || unit === 0x200e || unit === 0x200f;
    out += harmless && !reorders ? char : `\\u{${unit.toString(16)}}`;
  }
  return out;
}

/** True when the stream is a terminal that wants colour (`NO_COLOR`, `TERM=dumb` and pipes do not). */
export function wantsColour(stream: NodeJS.WritableStream, env: Io['env']): boolean {
  const isTerminal = (stream as { isTTY?: boolean }).isTTY === true;
  return isTerminal && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
}

/** Pads every column to its widest cell. */
export function table(rows: readonly (readonly string[])[], gap = '  '): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, index) => (widths[index] = Math.max(widths[index] ?? 0, cell.length)));
  return rows
    .map((row) =>
      row
        .map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index]!)))
        .join(gap)
        .trimEnd(),
    )
    .join('\n');
}

/** Reads one line from stdin and tells whether it is a yes. Only for a terminal; the answer to a pipe is no. */
export async function confirm(question: string, io: Io): Promise<boolean> {
  if ((io.stdin as { isTTY?: boolean }).isTTY !== true) return false;
  const { createInterface } = await import('node:readline/promises');
  const lines = createInterface({ input: io.stdin, output: io.stderr });
  try {
    const answer = (await lines.question(`${question} (y/N) `)).trim().toLowerCase();
    return answer === 'y' || answer === 'yes';
  } finally {
    lines.close();
  }
}
