import type { Found } from './found.ts';
import type { Scope } from './scope.ts';
import type { Script } from './tree.ts';
import type { ShellWord } from './variables.ts';

/** What the parts of the reader have in common: they walk scripts, which run words, which hold scripts again. */
export interface Reader {
  readonly found: Found;
  /** Parses and walks a text; unknown parts of it stand as a variable nobody knows. */
  script(word: ShellWord, scope: Scope): void;
  /** Walks what is parsed. */
  statements(script: Script, scope: Scope): void;
  /** What a script prints, when it consists of nothing but programs whose output is known. */
  output(script: Script, scope: Scope): string | undefined;
}
