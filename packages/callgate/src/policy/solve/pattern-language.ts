import { type CharSet, complementOf, isApart, isWithin, unionOf, WORD } from './charset.ts';
import { type Part, readPattern, Unmodelled } from './pattern-parts.ts';
import type { Algebra, Regular } from './regular.ts';

/**
 * The texts in which an RE2 pattern is found, as `test` of a compiled pattern tells.
 * @throws Unmodelled for what `readPattern` does not read, and places (`^`, `$`, `\b`) that stand neither at an end of an
 * alternative nor between characters that decide them
 */
export function languageOf(source: string, algebra: Algebra): Regular {
  return found(algebra, readPattern(source));
}

/**
 * The same as if places were nowhere: for examples, of which the engine has to say whether they match.
 * @throws Unmodelled for what `readPattern` does not read
 */
export function looseLanguageOf(source: string, algebra: Algebra): Regular {
  return plain(algebra, withoutPlaces(readPattern(source)));
}

function withoutPlaces(part: Part): Part {
  switch (part.kind) {
    case 'place':
      return { kind: 'sequence', parts: [] };
    case 'sequence':
      return { ...part, parts: part.parts.map(withoutPlaces) };
    case 'choice':
      return { ...part, options: part.options.map(withoutPlaces) };
    case 'repeat':
      return { ...part, of: withoutPlaces(part.of) };
    default:
      return part;
  }
}

/** The texts that hold the part somewhere: each alternative with what may stand before and after it. */
function found(algebra: Algebra, part: Part): Regular {
  if (part.kind === 'choice') return algebra.or(...part.options.map((option) => found(algebra, option)));
  const parts = flat(part);
  for (const index of new Set([0, parts.length - 1])) {
    const edge = parts[index];
    // `(^|x)a` is `^a|xa`.
    if (edge?.kind === 'choice' && parts.length > 1 && edge.options.some(holdsPlace))
      return algebra.or(
        ...edge.options.map((option) => found(algebra, { kind: 'sequence', parts: parts.with(index, option) })),
      );
  }
  let from = 0;
  let to = parts.length;
  let before: Regular = algebra.all;
  let after: Regular = algebra.all;
  const first = parts[0];
  if (first?.kind === 'place' && (parts.length > 1 || first.at !== 'end')) {
    from = 1;
    before = beforePlace(algebra, first.at, edgeSet(parts.slice(1), 'first'));
  }
  const last = parts.at(-1);
  if (to > from && last?.kind === 'place') {
    to--;
    after = afterPlace(algebra, last.at, edgeSet(parts.slice(from, to), 'last'));
  }
  const inner = parts.slice(from, to).map((one, index, all) => plain(algebra, one, all[index - 1], all[index + 1]));
  return algebra.sequence([before, ...inner, after]);
}

function holdsPlace(part: Part): boolean {
  return flat(part).some(({ kind }) => kind === 'place');
}

/** What may stand before a place at the beginning; `next` are the characters that may follow it. */
function beforePlace(
  algebra: Algebra,
  at: 'start' | 'end' | 'boundary' | 'inside',
  next: CharSet | undefined,
): Regular {
  if (at === 'start') return algebra.empty;
  if (at === 'boundary' && next !== undefined) {
    if (isWithin(next, WORD)) return algebra.or(algebra.empty, ending(algebra, complementOf(WORD)));
    if (isApart(next, WORD)) return ending(algebra, WORD);
  }
  throw new Unmodelled('a place whose neighbours do not decide it');
}

/** What may stand behind a place at the end; `previous` are the characters that may precede it. */
function afterPlace(
  algebra: Algebra,
  at: 'start' | 'end' | 'boundary' | 'inside',
  previous: CharSet | undefined,
): Regular {
  if (at === 'end') return algebra.empty;
  if (at === 'boundary' && previous !== undefined) {
    const beginning = (set: CharSet): Regular => algebra.then(algebra.set(set), algebra.all);
    if (isWithin(previous, WORD)) return algebra.or(algebra.empty, beginning(complementOf(WORD)));
    if (isApart(previous, WORD)) return beginning(WORD);
  }
  throw new Unmodelled('a place whose neighbours do not decide it');
}

/** Texts that end with one of these characters. */
function ending(algebra: Algebra, set: CharSet): Regular {
  return algebra.then(algebra.all, algebra.set(set));
}

/** The texts of the part itself; its neighbours decide places between characters. */
function plain(algebra: Algebra, part: Part, previous?: Part, next?: Part): Regular {
  switch (part.kind) {
    case 'set':
      return algebra.set(part.set);
    case 'sequence': {
      const parts = flat(part);
      return algebra.sequence(parts.map((one, index) => plain(algebra, one, parts[index - 1], parts[index + 1])));
    }
    case 'choice':
      return algebra.or(...part.options.map((option) => plain(algebra, option)));
    case 'repeat': {
      const once = plain(algebra, part.of);
      const least = Array.from({ length: part.min }, () => once);
      if (part.max === Infinity) return algebra.sequence([...least, algebra.star(once)]);
      const more = Array.from({ length: Math.max(0, part.max - part.min) }, () => algebra.or(once, algebra.empty));
      return algebra.sequence([...least, ...more]);
    }
    case 'place': {
      const before = previous === undefined ? undefined : edgeSet([previous], 'last');
      const after = next === undefined ? undefined : edgeSet([next], 'first');
      if (before === undefined || after === undefined || part.at === 'start' || part.at === 'end')
        throw new Unmodelled('a place in the middle of a pattern');
      const left = isWithin(before, WORD) ? true : isApart(before, WORD) ? false : undefined;
      const right = isWithin(after, WORD) ? true : isApart(after, WORD) ? false : undefined;
      if (left === undefined || right === undefined) throw new Unmodelled('a place whose neighbours do not decide it');
      return (left !== right) === (part.at === 'boundary') ? algebra.empty : algebra.nothing;
    }
  }
}

/** A sequence without sequences in it. */
function flat(part: Part): readonly Part[] {
  return part.kind === 'sequence' ? part.parts.flatMap(flat) : [part];
}

/** The characters that a sequence must begin or end with; undefined when it may be empty, or there is a place at that edge. */
function edgeSet(parts: readonly Part[], edge: 'first' | 'last'): CharSet | undefined {
  const part = parts.at(edge === 'first' ? 0 : -1);
  switch (part?.kind) {
    case 'set':
      return part.set;
    case 'repeat':
      return part.min > 0 ? edgeSet([part.of], edge) : undefined;
    case 'sequence':
      return edgeSet(flat(part), edge);
    case 'choice':
      return joined(part.options.map((option) => edgeSet([option], edge)));
    default:
      return undefined;
  }
}

function joined(sets: readonly (CharSet | undefined)[]): CharSet | undefined {
  return sets.every((set) => set !== undefined) ? unionOf(...sets) : undefined;
}
