import { realpathSync } from 'node:fs';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { includedFiles } from '../policy/load.ts';
import { readConfigDocument } from './config-document.ts';
import type { ConfigDocument } from './document.ts';
import { documentCache } from './document-cache.ts';
import { includesOnDisk } from './includes.ts';
import type { Issue } from './issues.ts';
import { MAX_POLICY_BYTES, readTextFile, sha256 } from './read.ts';
import type { TextFile } from './read.ts';

/** A file of a project's set, by its name relative to the project. */
export interface NamedFile extends TextFile {
  readonly name: string;
}

/** The files of a project that speak to Callgate, read once: what is hashed here is what is used. */
export interface FileSet {
  /** Real path of the project. */
  readonly root: string;
  readonly files: readonly NamedFile[];
  /** `sha256:<hex>` over names and contents. */
  readonly hash: string;
  readonly config?: NamedFile;
  readonly document?: ConfigDocument;
  readonly policy?: NamedFile;
  /** What the policy includes, as far as it lies in the project. */
  readonly included: readonly NamedFile[];
  /** Paths that the policy names and that are not there. */
  readonly missing: readonly string[];
  readonly issues: readonly Issue[];
  readonly notices: readonly string[];
}

/**
 * Reads `callgate.yaml` in `cwd`, the policy it names with all that it includes, and `policy.yaml` beside it. Parent directories are not searched.
 * @returns a set without files when there are none; undefined in the home itself, which is no project.
 * @throws CallgateError when a file is there and cannot be read.
 */
export async function readFileSet(cwd: string, home: string): Promise<FileSet | undefined> {
  const root = realpathSync(cwd);
  if (root === home) return undefined;
  const config = readNamed(root, join(root, 'callgate.yaml'));
  const parsed = config === undefined ? undefined : await readConfigDocument(config, home);
  const issues = [...(parsed?.issues ?? [])];
  const beside = readNamed(root, join(root, 'policy.yaml'), MAX_POLICY_BYTES);
  const named = parsed?.document.settings.get('policy');
  let policy: NamedFile | undefined;
  const notices: string[] = [];
  if (named !== undefined) {
    const path = resolve(root, String(named.value));
    policy = path === beside?.path ? beside : readNamed(root, path, MAX_POLICY_BYTES);
    if (policy === undefined) {
      const takesNone = String(named.value).includes('${') ? ' A project names its policy without ${...}.' : '';
      const message = `The policy ${String(named.value)} is not there.${takesNone}`;
      issues.push({
        code: 'CG_CONFIG_POLICY_MISSING',
        message,
        remedy: `Write ${path}, or name another file.`,
        place: named.place,
      });
    }
  } else if (config !== undefined || (beside !== undefined && looksLikePolicy(beside.text))) {
    policy = beside;
  } else if (beside !== undefined) {
    notices.push(`${beside.path} is left alone: it is no Callgate policy (no "version:" and "rules:" lines).`);
  }
  const { included, missing } = await readIncluded(root, home, policy);
  const candidates = [config, policy, beside === policy || policy === undefined ? undefined : beside, ...included];
  const files = [...new Map(candidates.filter((file) => file !== undefined).map((file) => [file.path, file])).values()];
  files.sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    root,
    files,
    hash: hashOf(files),
    ...(config === undefined ? {} : { config }),
    ...(parsed === undefined ? {} : { document: parsed.document }),
    ...(policy === undefined ? {} : { policy }),
    included,
    missing,
    issues,
    notices,
  };
}

/** Without these words, unless they are written with escapes, a policy includes nothing; escaped, it finds nothing. */
export const INCLUDE_WORDS = /extends|imports/;

async function readIncluded(
  root: string,
  home: string,
  policy: NamedFile | undefined,
): Promise<Pick<FileSet, 'included' | 'missing'>> {
  if (policy === undefined || !INCLUDE_WORDS.test(policy.text)) return { included: [], missing: [] };
  const asked = new Set<string>();
  const find = includesOnDisk({ root, asked: (path) => asked.add(path) });
  const files = await includedFiles({ file: policy.path, text: policy.text }, find, documentCache(home, 'policy'));
  const included = files.map(({ file, text, sha256: hash }): NamedFile => ({
    path: file,
    text,
    sha256: hash,
    name: nameIn(root, file),
  }));
  const found = new Set(included.map(({ path }) => path));
  return { included, missing: [...asked].filter((path) => !found.has(path) && path !== policy.path) };
}

/** `sha256:<hex>` over each name, length and content, in the order of the names. */
export function hashOf(files: readonly { readonly name: string; readonly text: string }[]): string {
  const parts = files.map(({ name, text }) => `${name}\0${text.length}\0${text}\0`);
  return `sha256:${sha256(parts.join(''))}`;
}

/** Whether a file really lies in the project, links followed. */
export function isInside(root: string, path: string): boolean {
  const way = relative(root, realpathSync(path));
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** Whether a path that stands in the project leads out of it by a link; what is not there leads nowhere. */
export function leadsOut(root: string, path: string): boolean {
  const way = relative(root, path);
  if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) return false;
  try {
    return !isInside(root, path);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}

function readNamed(root: string, path: string, maxBytes?: number): NamedFile | undefined {
  const file = readTextFile(path, maxBytes);
  return file === undefined ? undefined : { ...file, name: nameIn(root, path) };
}

function nameIn(root: string, path: string): string {
  return relative(root, path).split(sep).join('/');
}

/** policy.yaml is a common name. Alone in a directory it counts only when it has the shape. */
function looksLikePolicy(text: string): boolean {
  const lines = text.split('\n');
  return ['version:', 'rules:'].every((start) => lines.some((line) => line.startsWith(start)));
}

/** The files whose change changes what the project says; some may not be there. */
export function filesToWatch(set: FileSet): string[] {
  const fixed = [join(set.root, 'callgate.yaml'), join(set.root, 'policy.yaml')];
  return [...new Set([...fixed, ...set.files.map(({ path }) => path), ...set.missing])];
}
