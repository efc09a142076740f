import { realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { CallgateError } from '../model/error.ts';
import type { FindInclude, IncludedFile, IncludeRefusal } from '../policy/includes.ts';
import { MAX_POLICY_BYTES, readTextFile } from './read.ts';

/** Where included files may be, and who hears of them. */
export interface IncludeReading {
  /** Directory that they must lie in, links followed; anywhere when absent. */
  readonly root?: string;
  /** What a policy that was named by a relative path starts at. */
  readonly cwd?: string;
  /** Told of each path that is looked for where it may be, whether it is there or not. */
  readonly asked?: (path: string) => void;
}

/** Reads what `extends` and `imports` name, relative to the file that names it. */
export function includesOnDisk({ root, cwd = '/', asked }: IncludeReading = {}): FindInclude {
  return (from, name) => {
    const refusal = refuseName(name);
    if (refusal !== undefined) return refusal;
    const file = isAbsolute(from) || isAbsolute(name) ? resolve(dirname(from), name) : join(dirname(from), name);
    const path = resolve(cwd, file);
    try {
      if (root !== undefined && !isReallyInside(root, path)) return outside(name, root);
      asked?.(path);
      const read = readTextFile(path, MAX_POLICY_BYTES);
      return read === undefined ? missing(path) : { file, text: read.text, sha256: read.sha256 };
    } catch (error) {
      if (!(error instanceof CallgateError)) throw error;
      return { refused: error.message, remedy: error.remedy ?? 'name another file' };
    }
  };
}

/** Finds included files among those that were read before, such as what a user accepted; reads nothing. */
export function includesAmong(files: readonly IncludedFile[]): FindInclude {
  const known = new Map(files.map((file) => [file.file, file]));
  return (from, name) => {
    const refusal = refuseName(name);
    if (refusal !== undefined) return refusal;
    const path = resolve(dirname(from), name);
    return known.get(path) ?? missing(path);
  };
}

function refuseName(name: string): IncludeRefusal | undefined {
  if (/^[a-z][a-z0-9+.-]+:/i.test(name)) {
    return { refused: `"${name}" is an address; policies include files`, remedy: 'fetch it, and name the file' };
  }
  if (name === '' || name.includes('${') || name.includes('\0')) {
    return { refused: `"${name}" is no path`, remedy: 'write the path out, relative to this file' };
  }
  return undefined;
}

function missing(path: string): IncludeRefusal {
  return { refused: `${path} is not there`, remedy: 'the path starts at the directory of this file' };
}

function outside(name: string, root: string): IncludeRefusal {
  const remedy = `put it in ${root}, or take it out`;
  return { refused: `${name} lies outside the project, whose policy may include its own files only`, remedy };
}

/** Also for what is not there: by the nearest directory that is. */
function isReallyInside(root: string, path: string): boolean {
  const way = relative(root, realPathOf(path));
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPathOf(parent), relative(parent, path));
  }
}
