import { isBelow } from '../../../inspect/paths.ts';
import { ExactNumber } from '../../../model/json.ts';
import type { Kind } from './kinds.ts';
import type { Scalar } from './shape.ts';
import { compareNumbers, type Numeric } from '../../condition/numbers.ts';
import { Unsure } from '../../condition/truth.ts';
import { lexicalPath } from '../../condition/under.ts';

/** One value of a field, in how many calls it stood, and the first of them. */
export interface Seen {
  readonly value: Scalar;
  calls: number;
  readonly record: string;
}

/** One part of what a field may be; the parts of a field are alternatives. */
export type Part =
  | { readonly kind: 'in'; readonly seen: readonly Seen[] }
  | { readonly kind: 'host'; readonly seen: readonly Seen[] }
  | {
      readonly kind: 'under';
      readonly dir: string;
      readonly calls: number;
      readonly files: number;
      readonly record: string;
    }
  | {
      readonly kind: 'range';
      readonly min: Numeric;
      readonly max: Numeric;
      readonly calls: number;
      readonly values: number;
    }
  | { readonly kind: 'prose'; readonly most: number; readonly longest: number; readonly values: number };

/** Where paths are generalised: below the project, never above it. */
export interface LearnPlace {
  readonly project: string;
  readonly home: string | undefined;
  /** The path with links followed, undefined when nothing is there; without it directories are taken as they are written. */
  realPath?(path: string): string | undefined;
}

/** Different files that a directory must have shown before it stands for all of them. */
const FILES_OF_DIRECTORY = 3;
/** Different numbers before a range stands for them, and different texts before prose is free. */
const VALUES_OF_RANGE = 3;
const TEXTS_OF_PROSE = 3;

/**
 * What is allowed of a field from what was seen in it. Only paths of the project, numbers and prose are ever generalised, and
 * never by one value: what stands alone is listed by itself.
 */
export function partsOf(kind: Kind, seen: readonly Seen[], place: LearnPlace): readonly Part[] {
  switch (kind) {
    case 'path':
      return pathParts(seen, place);
    case 'number':
      return numberParts(seen);
    case 'host':
      return [{ kind: 'host', seen }];
    case 'prose': {
      if (seen.length < TEXTS_OF_PROSE) return [{ kind: 'in', seen }];
      const longest = seen.reduce((most, { value }) => Math.max(most, lengthOf(value)), 0);
      return [{ kind: 'prose', most: roundedUp(longest), longest, values: seen.length }];
    }
    case 'exact':
      return [{ kind: 'in', seen }];
  }
}

/** Characters, as size() counts them. */
function lengthOf(value: Scalar): number {
  return typeof value === 'string' ? Array.from(value).length : 0;
}

/** The next power of two, at least 64. */
function roundedUp(length: number): number {
  let most = 64;
  while (most < length) most *= 2;
  return most;
}

/** Directories that showed enough different files, and every other path by itself. */
function pathParts(seen: readonly Seen[], place: LearnPlace): readonly Part[] {
  const placed = seen.map((one) => ({ one, path: projectPath(one.value, place) }));
  const files = new Map<string, Set<string>>();
  for (const { path } of placed) {
    if (path === undefined) continue;
    const dir = parentOf(path);
    const known = files.get(dir);
    if (known === undefined) files.set(dir, new Set([path]));
    else known.add(path);
  }
  const wide = new Set(
    [...files].flatMap(([dir, names]) => (names.size >= FILES_OF_DIRECTORY && mayStand(dir, place) ? [dir] : [])),
  );
  joinDirectories(wide, place);
  const roots = [...wide].filter((dir) => ![...wide].some((other) => other !== dir && isBelow(dir, other))).toSorted();
  const parts: Part[] = [];
  for (const dir of roots) {
    const below = placed.filter(({ path }) => path !== undefined && isBelow(path, dir));
    const calls = below.reduce((sum, { one }) => sum + one.calls, 0);
    parts.push({
      kind: 'under',
      dir,
      calls,
      files: new Set(below.map(({ path }) => path)).size,
      record: below[0]?.one.record ?? '',
    });
  }
  const alone = placed.filter(({ path }) => path === undefined || !roots.some((dir) => isBelow(path, dir)));
  if (alone.length > 0) parts.push({ kind: 'in', seen: alone.map(({ one }) => one) });
  return parts;
}

/** A directory of which enough subdirectories stand for all of theirs stands for them: nine files at least. */
function joinDirectories(wide: Set<string>, place: LearnPlace): void {
  const deepestFirst = (a: string, b: string): number => b.split('/').length - a.split('/').length;
  const open = [...wide].toSorted(deepestFirst);
  for (let at = 0; at < open.length; at++) {
    const parent = parentOf(open[at] as string);
    if (wide.has(parent) || !mayStand(parent, place)) continue;
    const children = [...wide].filter((dir) => parentOf(dir) === parent);
    if (children.length < FILES_OF_DIRECTORY) continue;
    wide.add(parent);
    open.push(parent);
  }
}

/** Strictly below the project, and nothing hidden: neither the project itself, nor a home, nor what is above. */
function mayStand(dir: string, place: LearnPlace): boolean {
  const { project, home } = place;
  if (dir === project || !isBelow(dir, project) || leadsAway(dir, place)) return false;
  if (home !== undefined && isBelow(home, dir)) return false;
  return !dir.slice(project.length).includes('/.');
}

/** Whether a link stands on the way from the project: a rule for the directory would be one for where it leads. */
function leadsAway(dir: string, place: LearnPlace): boolean {
  if (place.realPath === undefined) return false;
  const root = place.realPath(place.project);
  return root === undefined || place.realPath(dir) !== `${root}${dir.slice(place.project.length)}`;
}

/** The absolute path of a value of the project that every program reads alike; undefined for any other. */
function projectPath(text: Scalar, place: LearnPlace): string | undefined {
  if (typeof text !== 'string' || place.project === '/' || text.includes('..')) return undefined;
  if (place.home !== undefined && isBelow(place.home, place.project)) return undefined;
  const path = lexicalPath(text, place.home);
  if (path instanceof Unsure) return undefined;
  const absolute = path.startsWith('/') ? path : `${place.project}/${path}`.replace(/\/$/, '');
  return absolute !== place.project && isBelow(absolute, place.project) ? absolute : undefined;
}

function parentOf(path: string): string {
  const at = path.lastIndexOf('/');
  return at <= 0 ? '/' : path.slice(0, at);
}

/** The range of what was seen; an end that alone would double it is listed by itself, however often it was called. */
function numberParts(seen: readonly Seen[]): readonly Part[] {
  const sorted = seen.toSorted((a, b) => order(a.value as Numeric, b.value as Numeric));
  const alone: Seen[] = [];
  while (sorted.length >= VALUES_OF_RANGE && isPulled(sorted.at(-1) as Seen, sorted.at(-2) as Seen, sorted[0] as Seen))
    alone.push(sorted.pop() as Seen);
  while (sorted.length >= VALUES_OF_RANGE && isPulled(sorted[0] as Seen, sorted[1] as Seen, sorted.at(-1) as Seen))
    alone.push(sorted.shift() as Seen);
  if (sorted.length < VALUES_OF_RANGE) return [{ kind: 'in', seen }];
  const calls = sorted.reduce((sum, one) => sum + one.calls, 0);
  const min = (sorted[0] as Seen).value as Numeric;
  const max = (sorted.at(-1) as Seen).value as Numeric;
  const range: Part = { kind: 'range', min, max, calls, values: sorted.length };
  return alone.length === 0 ? [range] : [range, { kind: 'in', seen: alone }];
}

/** Whether an end is farther from the next value than that is from the other end: it would double the range. */
function isPulled(end: Seen, next: Seen, other: Seen): boolean {
  const gap = Math.abs(double(end.value) - double(next.value));
  const rest = Math.abs(double(next.value) - double(other.value));
  return !(gap <= Math.max(rest, 1));
}

function double(value: Scalar): number {
  return value instanceof ExactNumber ? Number(value.text) : Number(value);
}

function order(a: Numeric, b: Numeric): number {
  const compared = compareNumbers(a, b);
  return compared instanceof Unsure ? 0 : compared;
}
