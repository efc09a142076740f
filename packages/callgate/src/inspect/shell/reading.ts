import type { ShellWord } from './variables.ts';

/** One program a command line runs, with what is known about its arguments. */
export interface ShellCommand {
  /** Lower-case base name; `''` for a redirection without a program; undefined when nobody can know it. */
  readonly program: string | undefined;
  /** The words; undefined where a part is unknown. */
  readonly argv: readonly (string | undefined)[];
  /** The same words with what is known of their text. */
  readonly words: readonly ShellWord[];
  readonly redirects: readonly ShellRedirect[];
  /** What was taken off around it, outermost first: `sudo`, `xargs`, `sh`, `f()` for the body of a function. */
  readonly via: readonly string[];
  /** Positions of the commands whose output it reads; absent when it reads what the whole line reads. */
  readonly pipedFrom?: readonly number[];
  readonly inSubstitution: boolean;
}

export interface ShellRedirect {
  readonly op: string;
  /** Absent when unknown. */
  readonly target?: string;
  readonly word: ShellWord;
}

export interface ShellAssignment {
  readonly name: string;
  readonly value: ShellWord;
}

export interface ShellReading {
  /** In the order they are written; one inside a substitution stands before the command it is part of. */
  readonly commands: readonly ShellCommand[];
  readonly assignments: readonly ShellAssignment[];
  /** Some program, or some text run as a program, cannot be known from the text. */
  readonly dynamic: boolean;
  /** Why a part could not be read. */
  readonly unparsed?: string;
}

/** `/usr/bin/Foo.exe` is `foo`. Full-width and other compatibility letters are read as the plain ones. */
export function programName(text: string): string {
  const base = text.slice(Math.max(text.lastIndexOf('/'), text.lastIndexOf('\\')) + 1);
  return base
    .normalize('NFKC')
    .toLowerCase()
    .replace(/\.(?:exe|com)$/, '');
}

/** Thrown inside the room when a text is beyond its limits; becomes `unparsed`. */
export class ShellLimit extends Error {}
