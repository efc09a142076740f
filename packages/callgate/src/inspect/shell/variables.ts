/** A word after expansion: what a program would get as one argument. */
export interface ShellWord {
  /** Its text; each part nobody can know is one `\0`. */
  readonly text: string;
  /** Some part is unknown, or known only if nothing outside the text changes it (`${x:-rm}`). */
  readonly dynamic: boolean;
  /** Holds an unquoted `*`, `?` or `[`. */
  readonly glob: boolean;
  /** Positions, in the reading, of the commands whose output is part of it. */
  readonly from: readonly number[];
  /** What a process substitution yields when it is opened. */
  readonly content?: string | undefined;
}

export const UNKNOWN = '\0';
export const NO_COMMANDS: readonly number[] = [];
export const unknownWord = (from: readonly number[] = NO_COMMANDS): ShellWord => ({
  text: UNKNOWN,
  dynamic: true,
  glob: false,
  from,
});
export const constantWord = (text: string): ShellWord => ({ text, dynamic: false, glob: false, from: NO_COMMANDS });

/** Names whose value is known without knowing the machine. `~` stands for the home directory. */
const USUAL: ReadonlyMap<string, ShellWord> = new Map([
  ['HOME', constantWord('~')],
  ['PWD', constantWord('.')],
  ['IFS', constantWord(' \t\n')],
  ['SHELL', constantWord('/bin/sh')],
  ['BASH', constantWord('/bin/bash')],
  ['0', constantWord('bash')],
  ['PATH', { ...unknownWord(), text: `/${UNKNOWN}` }],
]);

const NOTHING: readonly ShellWord[] = [];

/** The variables of one scope. A fork sees its parent and changes only itself. */
export class Variables {
  readonly #own = new Map<string, ShellWord>();
  readonly #locked = new Set<string>();
  readonly #parent: Variables | undefined;
  #positional: readonly ShellWord[] | 'unknown' | undefined;
  /** Something outside the text may have set anything. */
  #forgotten = false;

  constructor(parent?: Variables) {
    this.#parent = parent;
  }

  fork(): Variables {
    return new Variables(this);
  }

  /** The value; undefined when the text never sets it and it is no usual name. */
  get(name: string): ShellWord | undefined {
    return this.#find(name) ?? USUAL.get(name);
  }

  isSet(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  set(name: string, value: ShellWord): void {
    this.#own.set(name, this.#isLocked(name) && this.#find(name) !== undefined ? unknownWord(value.from) : value);
  }

  /** `readonly`, `declare -i`: a later assignment may fail or mean something else. */
  lock(name: string): void {
    this.#locked.add(name);
  }

  forget(name: string): void {
    this.#own.set(name, unknownWord());
  }

  forgetAll(): void {
    this.#own.clear();
    this.#forgotten = true;
    this.#positional = 'unknown';
  }

  /** `$1…`, `$@`: the words, or `unknown` inside functions. */
  get positional(): readonly ShellWord[] | 'unknown' {
    return this.#positional ?? this.#parent?.positional ?? NOTHING;
  }

  set positional(words: readonly ShellWord[] | 'unknown') {
    this.#positional = words;
  }

  /** Takes over what `branch`, a fork that may or may not have run, has set: unknown unless both agree. */
  join(branch: Variables): void {
    if (branch.#forgotten) this.forgetAll();
    for (const [name, value] of branch.#own) {
      const mine = this.get(name);
      if (mine?.text !== value.text || mine.dynamic) this.set(name, unknownWord(value.from));
    }
    for (const name of branch.#locked) this.#locked.add(name);
    if (branch.#positional !== undefined) this.#positional = 'unknown';
  }

  #find(name: string): ShellWord | undefined {
    return (
      this.#own.get(name) ??
      (this.#forgotten ? unknownWord() : this.#parent === undefined ? undefined : this.#parent.#find(name))
    );
  }

  #isLocked(name: string): boolean {
    return this.#locked.has(name) || (this.#parent !== undefined && this.#parent.#isLocked(name));
  }
}
