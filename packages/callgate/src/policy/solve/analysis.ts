import type { CompileOptions } from '../compile-documents.ts';
import type { Expand } from './hints.ts';

/** What the questions about all calls, `can` and `differences`, are asked with. */
export interface AnalysisOptions {
  readonly compile: CompileOptions;
  /** Milliseconds on any clock. */
  readonly now: () => number;
  readonly withinMs: number;
}

/** Variables as the policy puts them in; one that is not set stays as it is written. */
export function expandOf({ variables }: CompileOptions): Expand {
  return (text) =>
    text.replaceAll(/\$\$\{|\$\{([\w.]{1,100})\}/g, (whole, name: string | undefined) =>
      name === undefined ? '${' : Object.hasOwn(variables, name) ? (variables[name] ?? whole) : whole,
    );
}
