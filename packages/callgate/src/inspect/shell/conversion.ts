import type { LateText, Script } from './tree.ts';

const MOST_NODES = 40_000;
const DEEPEST = 120;

/** One tree of the library on its way into ours: how much of it there may be, and what is noticed on the way. */
export interface Conversion {
  readonly late: { -readonly [key in keyof LateText]: LateText[key] };
  /** Counts a part of the tree; throws `TooComplex` when there are too many, or it lies too deep. */
  count(depth: number): void;
  /** Converts statements: what is inside a substitution is a script again. */
  script(statements: unknown, depth: number): Script;
}

export function startConversion(
  script: (conversion: Conversion, statements: unknown, depth: number) => Script,
): Conversion {
  let nodes = 0;
  const conversion: Conversion = {
    late: { evaluates: false, runs: false },
    count: (depth) => {
      if (++nodes > MOST_NODES) throw new TooComplex(`it has more than ${MOST_NODES} parts`);
      if (depth > DEEPEST) throw new TooComplex('it is nested too deeply');
    },
    script: (statements, depth) => script(conversion, statements, depth),
  };
  return conversion;
}

/** Thrown when a tree is beyond its limits; becomes `unparsed`. */
export class TooComplex extends Error {}
