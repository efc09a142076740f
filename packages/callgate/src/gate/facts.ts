import { readlinkSync, realpathSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import type { Json } from '../model/json.ts';
import { ExactNumber } from '../model/json.ts';

/** Gives the canonical path of a path string, symbolic links followed; undefined when it cannot be told. */
export type ResolvePath = (path: string) => string | undefined;

const MOST_PATHS = 256;
const MOST_LINKS = 40;

/**
 * Fetches the real paths that the compiled policy named, so that deciding needs no I/O.
 * `fields` are paths into the arguments (`*` walks arrays and objects); all strings below a field are resolved.
 */
export function resolvePaths(
  args: Json | undefined,
  fields: readonly (readonly string[])[],
  resolvePath: ResolvePath,
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const field of fields) collect(args, field, 0, found, resolvePath);
  return found;
}

function collect(
  value: Json | undefined,
  field: readonly string[],
  at: number,
  found: Map<string, string>,
  resolvePath: ResolvePath,
): void {
  if (value === undefined || value === null || found.size >= MOST_PATHS) return;
  if (typeof value === 'string') {
    if (at < field.length) return;
    const real = resolvePath(value);
    if (real !== undefined) found.set(value, real);
    return;
  }
  if (typeof value !== 'object' || value instanceof ExactNumber) return;
  const name = field[at];
  if (Array.isArray(value)) {
    const index = name === undefined ? Number.NaN : Number(name);
    if (Number.isInteger(index) && Object.hasOwn(value, index))
      collect(value[index] as Json, field, at + 1, found, resolvePath);
    for (const item of value as readonly Json[]) collect(item, field, name === '*' ? at + 1 : at, found, resolvePath);
    return;
  }
  const members = value as { readonly [key: string]: Json };
  if (name === undefined || name === '*') {
    for (const item of Object.values(members)) collect(item, field, name === '*' ? at + 1 : at, found, resolvePath);
  } else if (Object.hasOwn(members, name)) {
    collect(members[name], field, at + 1, found, resolvePath);
  }
}

/**
 * Makes a resolver for paths as a server running in `cwd` would see them. What does not exist yet resolves through
 * its nearest existing parent, so that a link on the way to a new file is followed too.
 */
export function pathResolver(cwd: string): ResolvePath {
  return (path) => {
    if (path.length > 4096 || path.includes('\0')) return undefined;
    return realPathOf(resolve(cwd, path));
  };
}

function realPathOf(path: string, hops = 0): string | undefined {
  const missing: string[] = [];
  let at = path;
  for (;;) {
    try {
      return resolve(realpathSync.native(at), ...missing.toReversed());
    } catch (error) {
      if (!isMissing(error)) return undefined;
      // A link to what does not exist yet: writing to it creates the target, so the target is the path.
      const target = linkTarget(at);
      if (target !== undefined) {
        return hops >= MOST_LINKS
          ? undefined
          : realPathOf(resolve(dirname(at), target, ...missing.toReversed()), hops + 1);
      }
      const parent = dirname(at);
      if (parent === at) return undefined;
      missing.push(basename(at));
      at = parent;
    }
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** Only "no such file" lets the search climb: a loop of links, or a directory that may not be read, stays unknown. */
function isMissing(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
