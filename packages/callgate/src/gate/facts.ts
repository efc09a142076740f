import { existsSync, lstatSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import type { Json } from '../model/json.ts';
import { ExactNumber } from '../model/json.ts';
import { plainPath } from '../policy/index.ts';

/** Gives the canonical path of a path string, symbolic links followed; undefined when it cannot be told. */
export type ResolvePath = (path: string) => string | undefined;

const MOST_PATHS = 256;
const MOST_LINKS = 40;
const LONGEST_PATH = 4096;

/**
 * Fetches the real paths that the compiled policy named, so that deciding needs no I/O.
 * @param fields paths into the arguments; `*` and arrays are walked, all strings below a field are resolved
 * @param home of the user, for `~`
 * @returns real paths by plain path (policy's plainPath); what cannot be told, or is too much, is missing
 */
export function resolvePaths(
  args: Json | undefined,
  fields: readonly (readonly string[])[],
  resolvePath: ResolvePath,
  home: string | undefined,
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const add = (text: string): void => {
    if (found.size >= MOST_PATHS) return;
    const plain = plainPath(text, home);
    if (typeof plain !== 'string' || found.has(plain)) return;
    const real = resolvePath(plain);
    if (real !== undefined) found.set(plain, real);
  };
  for (const field of fields) collect(args, field, 0, add);
  return found;
}

function collect(value: Json | undefined, field: readonly string[], at: number, add: (text: string) => void): void {
  if (typeof value === 'string') {
    if (at >= field.length) add(value);
    return;
  }
  if (typeof value !== 'object' || value === null || value instanceof ExactNumber) return;
  const name = field[at];
  if (isArray(value)) {
    const index = name === undefined ? -1 : Number(name);
    if (Number.isInteger(index) && index >= 0) collect(value[index], field, at + 1, add);
    for (const item of value) collect(item, field, name === '*' ? at + 1 : at, add);
  } else if (name === undefined || name === '*') {
    for (const item of Object.values(value)) collect(item, field, name === '*' ? at + 1 : at, add);
  } else if (Object.hasOwn(value, name)) {
    collect(value[name], field, at + 1, add);
  }
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

/** Resolves paths for one server, remembering what it looked up while one message is judged. */
export interface PathResolver {
  readonly resolve: ResolvePath;
  /** A new message: the file system may have changed. */
  forget(): void;
}

/**
 * Makes a resolver for paths as a server running in `cwd` would see them: the file system follows links and `..`, not
 * the text. What does not exist yet resolves through its nearest existing parent, so that a link on the way to a new
 * file is followed too.
 */
export function pathResolver(cwd: string): PathResolver {
  const known = new Map<string, string | undefined>();
  return {
    resolve(path) {
      if (path === '' || path.length > LONGEST_PATH || path.includes('\0')) return undefined;
      const whole = isAbsolute(path) ? path : `${cwd}/${path}`;
      if (known.has(whole)) return known.get(whole);
      const real = realPathOf(whole, 0);
      known.set(whole, real);
      return real;
    },
    forget() {
      if (known.size > 0) known.clear();
    },
  };
}

function realPathOf(path: string, hops: number): string | undefined {
  try {
    // Cheapest first. `stat` says "not there" without the cost of an error; a loop of links or a locked directory stays
    // unknown.
    if (existsSync(path) || statSync(path, QUIET) !== undefined) return realpathSync.native(path);
    const cuts = segmentEnds(path);
    const first = firstMissing(path, cuts);
    const at = path.slice(0, cuts[first]);
    const rest = path.slice(at.length);
    // A link to what does not exist yet: writing to it creates the target, so the target is the path.
    if (lstatSync(at, QUIET)?.isSymbolicLink() === true) {
      if (hops >= MOST_LINKS) return undefined;
      return realPathOf(resolve(dirname(at), readlinkSync(at), `./${rest}`), hops + 1);
    }
    const there = first === 0 ? '/' : path.slice(0, cuts[first - 1]);
    return resolve(realpathSync.native(there), `./${path.slice(first === 0 ? 1 : there.length)}`);
  } catch {
    // Also a file where the path wants a directory: nothing can be there.
    return undefined;
  }
}

/** Where each segment of an absolute path ends. */
function segmentEnds(path: string): number[] {
  const ends: number[] = [];
  for (let at = 1; at < path.length; at++) if (path[at] === '/' && path[at - 1] !== '/') ends.push(at);
  ends.push(path.length);
  return ends;
}

/**
 * The first segment that does not exist; the last one is known not to. Nothing exists below what does not, so that halving
 * finds it: a path of two thousand segments costs eleven looks, not two thousand.
 */
function firstMissing(path: string, cuts: readonly number[]): number {
  let low = 0;
  let high = cuts.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (statSync(path.slice(0, cuts[middle]), QUIET) === undefined) high = middle;
    else low = middle + 1;
  }
  return low;
}

const QUIET = { throwIfNoEntry: false } as const;
