import type { CompileOptions } from '../compile-documents.ts';
import { lexicalPath } from '../condition/under.ts';
import { Unsure } from '../condition/truth.ts';
import type { NodePath } from '../document/document-types.ts';
import type { RootsOf } from './fields.ts';
import type { Expand } from './hints.ts';
import type { Search } from './search.ts';

/** What the questions about all calls, `can` and `differences`, are asked with. */
export interface AnalysisOptions {
  readonly compile: CompileOptions;
  /** Milliseconds on any clock. */
  readonly now: () => number;
  readonly withinMs: number;
  /** `file:line` of a place in a policy, for what is told of it. */
  readonly placeOf?: (file: string, path: NodePath) => string | undefined;
}

/** Variables as the policy puts them in; one that is not set stays as it is written. */
export function expandOf({ variables }: CompileOptions): Expand {
  return (text) =>
    text.replaceAll(/\$\$\{|\$\{([\w.]{1,100})\}/g, (whole, name: string | undefined) =>
      name === undefined ? '${' : Object.hasOwn(variables, name) ? (variables[name] ?? whole) : whole,
    );
}

/** Where a root is whose variables are put in: as written, and with its links followed. */
export function rootsOf(compile: CompileOptions): RootsOf {
  return (root) => {
    const written = lexicalPath(root, compile.variables['HOME']);
    if (written instanceof Unsure || !written.startsWith('/')) return undefined;
    return [...new Set([written, compile.realPath?.(written) ?? written])];
  };
}

/** What `search` takes of the options. */
export function asked({
  compile,
  now,
  withinMs,
  placeOf,
}: AnalysisOptions): Pick<Search, 'expand' | 'rootsOf' | 'now' | 'withinMs' | 'placeOf'> {
  return { expand: expandOf(compile), rootsOf: rootsOf(compile), now, withinMs, placeOf };
}
