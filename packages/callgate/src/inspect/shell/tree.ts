/** One part of a word. `quoted` parts are neither split nor matched as globs nor read as braces. */
export type Part =
  | { readonly kind: 'text'; readonly text: string; readonly quoted: boolean }
  | { readonly kind: 'variable'; readonly name: string; readonly quoted: boolean; readonly change?: Change }
  /** `$(…)` and backticks. */
  | { readonly kind: 'output'; readonly script: Script; readonly quoted: boolean }
  /** `<(…)`, and `>(…)`, which is `fed` what the command writes. */
  | { readonly kind: 'process'; readonly script: Script; readonly fed: boolean }
  /** Arithmetic, extended globs: a value nobody works out here, with the commands inside it. */
  | { readonly kind: 'opaque'; readonly script: Script };

/** What an expansion does to the value of its variable. */
export type Change =
  | { readonly kind: 'default' | 'alternative' | 'assign' | 'require'; readonly empty: boolean; readonly word: Word }
  | { readonly kind: 'slice'; readonly offset: Word; readonly length?: Word }
  | { readonly kind: 'replace'; readonly all: boolean; readonly from: Word; readonly to: Word }
  | { readonly kind: 'lower' | 'upper' }
  | { readonly kind: 'trim'; readonly end: boolean; readonly word: Word }
  | { readonly kind: 'opaque'; readonly script: Script };

export type Word = readonly Part[];

export interface Assignment {
  readonly name: string;
  /** `+=` */
  readonly append: boolean;
  /** Absent in `export NAME`; `array` when the value is a list or an element. */
  readonly value?: Word;
  readonly array?: readonly Word[];
}

export interface Redirect {
  readonly op: string;
  readonly word: Word;
  /** The text of a here-document. */
  readonly body?: Word;
}

export interface Statement {
  readonly command: Command | undefined;
  readonly redirects: readonly Redirect[];
  readonly background: boolean;
}

export type Script = readonly Statement[];

export type Command =
  | { readonly kind: 'simple'; readonly assignments: readonly Assignment[]; readonly words: readonly Word[] }
  | {
      readonly kind: 'declare';
      readonly variant: string;
      readonly flags: readonly Word[];
      readonly assignments: readonly Assignment[];
    }
  | { readonly kind: 'pipeline'; readonly stages: readonly Statement[] }
  | { readonly kind: 'chain'; readonly links: readonly { readonly join: '&&' | '||'; readonly statement: Statement }[] }
  | { readonly kind: 'group'; readonly script: Script; readonly subshell: boolean }
  /** Scripts of which some may not run: `if`, `case`, `while`. `words` are compared, not run. */
  | { readonly kind: 'branches'; readonly words: readonly Word[]; readonly scripts: readonly Script[] }
  | { readonly kind: 'loop'; readonly name: string; readonly items: readonly Word[]; readonly script: Script }
  | { readonly kind: 'function'; readonly name: string; readonly script: Script }
  /** `[[ … ]]`, `(( … ))`, `let`: values only, with the commands inside and the variables it may set. */
  | { readonly kind: 'values'; readonly script: Script; readonly sets: readonly string[] };

/** What of a text is evaluated once more after it is expanded. */
export interface LateText {
  /** Arithmetic, subscripts, `-v`: a value that holds `a[$(…)]` runs what is in it. */
  readonly evaluates: boolean;
  /** `${x@P}`, or a substitution quoted inside arithmetic: it runs for certain. */
  readonly runs: boolean;
}

export type ParsedShell = { readonly script: Script; readonly late?: LateText } | { readonly unparsed: string };

/** Turns a command line into our tree; never throws. */
export type ParseShell = (text: string) => ParsedShell;

/** Longest text that is parsed. */
export const LONGEST_TEXT = 65_536;
