import type { Json } from '../../model/json.ts';
import { calculate, compareNumbers, type Numeric } from '../condition/numbers.ts';
import { Unsure } from '../condition/truth.ts';
import type { Hint } from './hints.ts';
import { Unmodelled } from './pattern-parts.ts';
import { Algebra, type Deadline, exampleOf, type Regular, TooLarge } from './regular.ts';
import { parted, type Region } from './regions.ts';

/** Values of one field, one of each kind that the atoms on it tell apart; undefined is "missing". */
export interface Cells {
  readonly values: readonly (Json | undefined)[];
  /** Those of which kinds of texts may have been overlooked: nothing is proven of them. */
  readonly unread: ReadonlySet<Hint>;
}

const MOST_REGIONS = 256;
const MOST_SINGLES = 32;
/** How often the clock is asked while the texts of one field are told apart. */
const MOST_WORK = 600;

/** The kinds of values of a field, by the hints of all atoms that look at it. */
export function cellsOf(hints: readonly Hint[], deadline?: Deadline, work = MOST_WORK): Cells {
  const texts = textCells(hints, deadline, work);
  const numbers = numberCells(hints.flatMap((hint) => hint.numbers));
  const known = new Set<Json>(texts.values);
  const samples = new Set(hints.flatMap((hint) => hint.samples).filter((sample) => !known.has(sample)));
  const scalars: Json[] = [...texts.values, ...numbers, true, false, null];
  const empty = Object.create(null) as { readonly [key: string]: Json };
  // In `args` a list is what its elements are, in `when` it is of the wrong type. Longer ones are put together from these.
  const lists = [...scalars, empty].map((value): Json => [value]);
  return { values: [...scalars, ...samples, undefined, ...lists, [], empty], unread: texts.unread };
}

/** Splits all texts by each language in turn; what stays has an example. */
function textCells(
  hints: readonly Hint[],
  deadline: Deadline | undefined,
  work: number,
): { readonly values: readonly string[]; readonly unread: ReadonlySet<Hint> } {
  let left = work;
  const algebra = new Algebra(() => {
    deadline?.();
    if (left-- <= 0) throw new TooLarge('the texts of a field take too long to be told apart');
  });
  const unread = new Set<Hint>();
  let regions: readonly Region[] = [{ language: algebra.all, example: 'x' }];
  for (const hint of hints) {
    const makers = [
      ...hint.languages,
      ...hint.texts.map(
        (text) =>
          (into: Algebra): Regular =>
            into.text(text),
      ),
    ];
    for (const make of makers) {
      try {
        const split = parted(algebra, regions, make(algebra));
        if (split.length > MOST_REGIONS) throw new TooLarge(`more than ${MOST_REGIONS} kinds of texts`);
        regions = split;
      } catch (error) {
        if (!(error instanceof Unmodelled) && !(error instanceof TooLarge)) throw error;
        unread.add(hint);
      }
    }
  }
  return { values: [...new Set([...regions.map(({ example }) => example), ...singleTexts([...unread])])], unread };
}

/** One text of each language alone, where they were not told apart. */
function singleTexts(hints: readonly Hint[]): readonly string[] {
  return hints.flatMap(({ languages, texts }) => {
    const found = languages.slice(0, MOST_SINGLES).map((make) => {
      try {
        const algebra = new Algebra();
        return exampleOf(algebra, make(algebra), 1_000);
      } catch (error) {
        if (!(error instanceof Unmodelled) && !(error instanceof TooLarge)) throw error;
        return undefined;
      }
    });
    return [...texts, ...found.filter((text) => text !== undefined)];
  });
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
