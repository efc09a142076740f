import { isSqlClient } from './hidden.ts';
import {
  programName,
  type ShellAssignment,
  type ShellCommand,
  ShellLimit,
  type ShellReading,
  type ShellRedirect,
} from './reading.ts';
import type { Scope } from './scope.ts';
import { constantWord, type ShellWord } from './variables.ts';

const MOST_COMMANDS = 2_048;
const MOST_TEXT = 262_144;
const MOST_PARSES = 64;
/** Of all texts parsed for one reading, together. */
const MOST_PARSED = 98_304;
const DEEPEST_SCRIPT = 8;

/** What one reading has found so far, and how much work it may still do. */
export class Found {
  readonly commands: ShellCommand[] = [];
  readonly assignments: ShellAssignment[] = [];
  /** Functions and aliases of the text: a program of that name is no longer the one we know. */
  readonly defined = new Set<string>();
  /** Files the text has written: running one runs a text nobody has judged. */
  readonly written = new Set<string>();
  /** Texts with a substitution in them that nothing has run yet, and whether something evaluates texts once more. */
  readonly substitutions = new Set<string>();
  evaluates = false;
  dynamic = false;
  #unparsed: string | undefined;
  #text = 0;
  #parses = 0;
  #parsed = 0;

  reading(): ShellReading {
    const unparsed = this.#unparsed === undefined ? undefined : { unparsed: this.#unparsed };
    const dynamic = this.dynamic || (this.evaluates && this.substitutions.size > 0);
    return { commands: this.commands, assignments: this.assignments, dynamic, ...unparsed };
  }

  /** Says why a part could not be read; the first reason stays. */
  refuse(reason: string): void {
    this.#unparsed ??= reason;
  }

  /** Adds a command, unless only its output is wanted. */
  emit(
    program: string | undefined,
    words: readonly ShellWord[],
    redirects: readonly ShellRedirect[],
    scope: Scope,
  ): void {
    if (scope.quiet) return;
    if (this.commands.length >= MOST_COMMANDS) throw new ShellLimit(`it runs more than ${MOST_COMMANDS} commands`);
    const input = program !== undefined && isSqlClient(program) ? scope.input() : 'none';
    // SQL that is piped into a client is read like a here-document.
    if (typeof input !== 'string' && !redirects.some(({ op }) => op.startsWith('<<')))
      redirects = [...redirects, { op: '<<', word: constantWord(input.text) }];
    for (const file of filesWritten(program, words, redirects)) this.written.add(programName(file));
    const piped = scope.pipedFrom === undefined ? undefined : { pipedFrom: scope.pipedFrom };
    const argv = words.map(({ text, dynamic }) => (dynamic ? undefined : text));
    const { via, inSubstitution } = scope;
    this.commands.push({ program, argv, words, redirects, via, ...piped, inSubstitution });
  }

  /** Counts text that is parsed, before it is. */
  startParse(text: string, depth: number): void {
    if (depth >= DEEPEST_SCRIPT || ++this.#parses > MOST_PARSES) throw new ShellLimit('too many shells inside shells');
    this.#parsed += text.length;
    if (this.#parsed > MOST_PARSED) throw new ShellLimit('too much text in shells inside shells');
  }

  /** Counts text that is made. */
  spend(characters: number): void {
    this.#text += characters + 1;
    if (this.#text > MOST_TEXT) throw new ShellLimit('it expands to too much text');
  }
}

/** Targets of redirections, and the last operand of what copies: `cp /bin/rm x; ./x`. */
function filesWritten(
  program: string | undefined,
  words: readonly ShellWord[],
  redirects: readonly ShellRedirect[],
): string[] {
  const files = redirects.filter(({ op }) => op.includes('>')).map(({ word }) => word.text);
  if (program === 'tee') files.push(...words.slice(1).map(({ text }) => text));
  if (/^(?:cp|mv|ln|install|dd)$/.test(program ?? '') && words.length > 2)
    files.push(words.at(-1)!.text.replace(/^of=/, ''));
  return files;
}
