import type { Json } from '../../model/json.ts';
import { calculate, compareNumbers, type Numeric } from '../condition/numbers.ts';
import { Unsure } from '../condition/truth.ts';
import type { Hint } from './hints.ts';
import { Unmodelled } from './pattern-parts.ts';
import { Algebra, type Deadline, exampleOf, type Regular, TooLarge } from './regular.ts';

/** Values of one field, one of each kind that the atoms on it tell apart; undefined is "missing". */
export interface Cells {
  readonly values: readonly (Json | undefined)[];
  /** False when a kind may have been overlooked: then nothing is proven. */
  readonly isComplete: boolean;
}

const MOST_REGIONS = 256;

/** The kinds of values of a field, by the hints of all atoms that look at it. */
export function cellsOf(hints: readonly Hint[], deadline?: Deadline): Cells {
  const texts = textCells(hints, deadline);
  const numbers = numberCells(hints.flatMap((hint) => hint.numbers));
  const samples = hints.flatMap((hint) => hint.samples);
  const scalars: Json[] = [...texts.values, ...numbers, true, false, null];
  const empty = Object.create(null) as { readonly [key: string]: Json };
  // In `args` a list is what its elements are, in `when` it is of the wrong type. Longer ones are put together from these.
  const lists = [...scalars, empty].map((value): Json => [value]);
  return { values: [...scalars, ...samples, undefined, ...lists, [], empty], isComplete: texts.isComplete };
}

/** The kinds of names: of texts that are not empty. */
export function nameCells(
  hints: readonly Hint[],
  deadline?: Deadline,
): { readonly values: readonly string[]; readonly isComplete: boolean } {
  return textCells(hints, deadline, true);
}

/** Splits all texts by each language in turn; what stays has an example. */
function textCells(
  hints: readonly Hint[],
  deadline: Deadline | undefined,
  areNames = false,
): { readonly values: readonly string[]; readonly isComplete: boolean } {
  const algebra = new Algebra(deadline);
  let isComplete = true;
  const whole = areNames ? algebra.then(algebra.any, algebra.all) : algebra.all;
  let regions: { readonly language: Regular; readonly example: string }[] = [{ language: whole, example: 'x' }];
  const makers = hints.flatMap((hint) => [
    ...hint.languages,
    ...hint.texts.map(
      (text) =>
        (into: Algebra): Regular =>
          into.text(text),
    ),
  ]);
  for (const make of makers) {
    try {
      const by = make(algebra);
      const split = regions.flatMap(({ language }) =>
        [algebra.and(language, by), algebra.and(language, algebra.not(by))].flatMap((part) => {
          const example = exampleOf(algebra, part);
          return example === undefined ? [] : [{ language: part, example }];
        }),
      );
      if (split.length > MOST_REGIONS) throw new TooLarge(`more than ${MOST_REGIONS} kinds of texts`);
      regions = split;
    } catch (error) {
      if (!(error instanceof Unmodelled) && !(error instanceof TooLarge)) throw error;
      isComplete = false;
    }
  }
  return { values: regions.map(({ example }) => example), isComplete };
}

/** Each bound, one number between two neighbours, and one beyond each end. */
function numberCells(bounds: readonly Numeric[]): readonly Numeric[] {
  const sorted = bounds
    .toSorted((a, b) => orderOf(a, b))
    .filter((bound, index, all) => index === 0 || orderOf(all[index - 1] as Numeric, bound) !== 0);
  const [first] = sorted;
  const last = sorted.at(-1);
  if (first === undefined || last === undefined) return [1];
  const out: Numeric[] = [moved(first, -1)];
  for (const [index, bound] of sorted.entries()) {
    out.push(bound);
    const next = sorted[index + 1];
    if (next !== undefined) out.push(between(bound, next));
  }
  out.push(moved(last, 1));
  return out;
}

function orderOf(a: Numeric, b: Numeric): number {
  const order = compareNumbers(a, b);
  return typeof order === 'number' ? order : 0;
}

function moved(bound: Numeric, by: number): Numeric {
  const sum = calculate('+', bound, by);
  return sum instanceof Unsure ? bound : plain(sum);
}

function between(a: Numeric, b: Numeric): Numeric {
  const sum = calculate('+', a, b);
  const half = sum instanceof Unsure ? sum : calculate('*', sum, 0.5);
  return half instanceof Unsure ? a : plain(half);
}

/** A double where one says it all. */
function plain(value: Numeric): Numeric {
  if (typeof value === 'number') return value;
  const double = Number(value.text);
  return Number.isFinite(double) && compareNumbers(double, value) === 0 ? double : value;
}
