/** A set of code points: sorted, disjoint, inclusive ranges. */
export type CharSet = readonly (readonly [number, number])[];

export const LAST = 0x10ffff;
export const ANY: CharSet = [[0, LAST]];
export const WORD: CharSet = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];
export const DIGIT: CharSet = [[0x30, 0x39]];
/** `\s` of RE2: no vertical tab. */
export const SPACE: CharSet = [
  [0x09, 0x0a],
  [0x0c, 0x0d],
  [0x20, 0x20],
];

/** The set of one character. */
export function single(code: number): CharSet {
  return [[code, code]];
}

/** The characters that any of the sets has. */
export function unionOf(...sets: readonly CharSet[]): CharSet {
  const all = sets.flat().toSorted((a, b) => a[0] - b[0]);
  const out: [number, number][] = [];
  for (const [from, to] of all) {
    const last = out.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else out.push([from, to]);
  }
  return out;
}

/** All characters that the set has not. */
export function complementOf(set: CharSet): CharSet {
  const out: [number, number][] = [];
  let next = 0;
  for (const [from, to] of set) {
    if (from > next) out.push([next, from - 1]);
    next = to + 1;
  }
  if (next <= LAST) out.push([next, LAST]);
  return out;
}

/** Whether the set has this character. */
export function has(set: CharSet, code: number): boolean {
  return set.some(([from, to]) => code >= from && code <= to);
}

/** Whether `other` has all of the set, each range of it in one of its own. */
export function isWithin(set: CharSet, other: CharSet): boolean {
  return set.every(([from, to]) => other.some(([low, high]) => from >= low && to <= high));
}

/** Whether the two have no character in common. */
export function isApart(set: CharSet, other: CharSet): boolean {
  return !set.some(([from, to]) => other.some(([low, high]) => from <= high && to >= low));
}

/** ASCII letters in both cases, with the two signs that Unicode folds onto them (RE2's `(?i)`). */
export function foldCase(set: CharSet): CharSet {
  const extra: [number, number][] = [];
  for (let code = 0x41; code <= 0x5a; code++) {
    const other = code + 0x20;
    if (has(set, code)) extra.push([other, other]);
    if (has(set, other)) extra.push([code, code]);
  }
  if (has(set, 0x4b) || has(set, 0x6b)) extra.push([0x212a, 0x212a]);
  if (has(set, 0x53) || has(set, 0x73)) extra.push([0x17f, 0x17f]);
  return unionOf(set, extra);
}

/** Whether a set has cased characters that `foldCase` does not know. */
export function hasForeignCase(set: CharSet): boolean {
  return !isWithin(set, [[0, 0x7f]]) && !isWithin(complementOf(set), [[0, 0x7f]]);
}
