import { type ShellWord, Variables } from './variables.ts';

/** Where a command stands. */
export interface Scope {
  readonly variables: Variables;
  readonly via: readonly string[];
  readonly pipedFrom: readonly number[] | undefined;
  readonly input: () => Input;
  readonly inSubstitution: boolean;
  /** Only its output is wanted: nothing is reported. */
  readonly quiet: boolean;
  readonly depth: number;
}

/** What can be read from standard input; `none` is the terminal's, or whatever the line itself is given. */
export type Input = { readonly text: string } | 'none' | 'unknown';

export const noInput = (): Input => 'none';
export const unknownInput = (): Input => 'unknown';
export const givenInput = (text: string) => (): Input => ({ text });

export const topScope = (): Scope => ({
  variables: new Variables(),
  via: [],
  pipedFrom: undefined,
  input: noInput,
  inSubstitution: false,
  quiet: false,
  depth: 0,
});

export const forked = (scope: Scope): Scope => ({ ...scope, variables: scope.variables.fork() });

export function withInput(scope: Scope, word: ShellWord): Scope {
  const input = word.dynamic ? unknownInput : givenInput(word.text);
  return { ...scope, pipedFrom: word.from.length > 0 ? word.from : undefined, input };
}

/** Worked out when somebody reads it, once. */
export function remembered(compute: () => string | undefined): () => Input {
  let value: Input | undefined;
  return () => {
    if (value === undefined) {
      const text = compute();
      value = text === undefined ? 'unknown' : { text };
    }
    return value;
  };
}

/** The positions `from` up to, not including, `to`. */
export const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
