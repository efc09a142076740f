import { accepts, type Algebra, exampleOf, type Regular } from './regular.ts';

/** Texts that are told apart from all others, with one of them. */
export interface Region {
  readonly language: Regular;
  readonly example: string;
}

/**
 * Splits each region by a language; what is not empty stays.
 * @throws TooLarge where that cannot be told
 */
export function parted(algebra: Algebra, regions: readonly Region[], by: Regular): readonly Region[] {
  return regions.flatMap(({ language, example }) => {
    const isIn = accepts(algebra, by, example);
    const inside = algebra.and(language, by);
    const outside = algebra.and(language, algebra.not(by));
    const other = exampleOf(algebra, isIn ? outside : inside);
    const kept = { language: isIn ? inside : outside, example };
    if (other === undefined) return [{ language, example }];
    const split = { language: isIn ? outside : inside, example: other };
    return isIn ? [kept, split] : [split, kept];
  });
}
