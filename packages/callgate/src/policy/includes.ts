import type { IncludeDoc, NodePath } from './document/document-types.ts';
import type { PolicyDocument } from './document/document.ts';
import type { Issue } from './document/issue.ts';

/** Files that one policy may be spread over, how deep they may include each other, and how much text they may have. */
export const MAX_INCLUDED = 64;
export const MAX_INCLUDE_DEPTH = 16;
const MAX_INCLUDED_TEXT = 4_194_304;
/** Rules of one policy, all of its files together: more would hold up the start for many seconds. */
export const MAX_RULES = 20_000;

/** A file that another one includes, as it was read. */
export interface IncludedFile {
  /** Its name in places, and what its own includes are relative to; the same for every way to the same file. */
  readonly file: string;
  readonly text: string;
  /** Hex SHA-256 of its bytes. */
  readonly sha256: string;
}

/** Why a file cannot be included. */
export interface IncludeRefusal {
  readonly refused: string;
  readonly remedy: string;
}

/** Finds what `extends` or `imports` of a file names. Reading files is the caller's: `policy` does no I/O. */
export type FindInclude = (from: string, name: string) => IncludedFile | IncludeRefusal;

/** How an included document came to be part of a policy. */
export type Part = 'parent' | 'import';

interface Text {
  readonly file: string;
  readonly text: string;
}

/** Policy files with all that they include, in the order their rules are asked; the texts behind them in the same order. */
export interface Spliced {
  readonly documents: readonly PolicyDocument[];
  readonly texts: readonly Text[];
}

interface Splicing {
  readonly find: FindInclude;
  readonly read: (file: string, text: string) => PolicyDocument | undefined;
  readonly documents: PolicyDocument[];
  readonly texts: Text[];
  /** Files that are in already, and how long they are together. */
  readonly seen: Set<string>;
  length: number;
  rules: number;
}

const NOTHING_FOUND: FindInclude = () => ({
  refused: 'files cannot be included here',
  remedy: 'name a policy file, whose includes are read relative to it',
});

/**
 * Reads policies and all that they extend and import: of each its own rules, then its parent's, then its imports', each
 * likewise, every file once. What cannot be included is an issue of the document that names it.
 * @param read makes a document of a text; undefined when it cannot (a cache that does not have it)
 * @returns undefined when `read` gave none
 */
export function spliceIncludes(
  sources: readonly Text[],
  read: (file: string, text: string) => PolicyDocument,
  find?: FindInclude,
): Spliced;
export function spliceIncludes(
  sources: readonly Text[],
  read: (file: string, text: string) => PolicyDocument | undefined,
  find?: FindInclude,
): Spliced | undefined;
export function spliceIncludes(
  sources: readonly Text[],
  read: (file: string, text: string) => PolicyDocument | undefined,
  find: FindInclude = NOTHING_FOUND,
): Spliced | undefined {
  const documents: PolicyDocument[] = [];
  const texts: Text[] = [];
  for (const source of sources) {
    const splicing: Splicing = {
      find,
      read,
      documents,
      texts,
      seen: new Set([source.file]),
      length: source.text.length,
      rules: 0,
    };
    if (!add(source, undefined, [source.file], new Set(), true, splicing)) return undefined;
  }
  return { documents, texts };
}

/** What a document includes and where it says so. */
export function includesOf(
  policy: PolicyDocument['policy'],
): readonly { readonly include: IncludeDoc; readonly path: NodePath; readonly part: Part }[] {
  const parent =
    policy.extends === undefined ? [] : [{ include: policy.extends, path: ['extends'], part: 'parent' as const }];
  const imports = (policy.imports ?? []).map((include, index) => ({
    include,
    path: ['imports', index],
    part: 'import' as const,
  }));
  return [...parent, ...imports];
}

/** The name in an include, and the hash it asks for. */
export function includeParts(include: IncludeDoc): { readonly name: string; readonly sha256: string | undefined } {
  if (typeof include === 'string') return { name: include, sha256: undefined };
  return { name: include.file ?? '', sha256: include.sha256?.toLowerCase().replace(/^sha256:/, '') };
}

/**
 * @param way the files from the first to this one
 * @param replaced ids that a child of this file has for rules of its own
 * @param isFixed whether every file on the way is included by its hash
 */
function add(
  source: Text,
  part: Part | undefined,
  way: readonly string[],
  replaced: ReadonlySet<string | undefined>,
  isFixed: boolean,
  splicing: Splicing,
): boolean {
  const document = splicing.read(source.file, source.text);
  if (document === undefined) return false;
  const issues: Issue[] = [...document.issues];
  splicing.documents.push({ ...document, issues, ...(part === undefined ? {} : { part, replaced, isFixed }) });
  splicing.texts.push({ file: source.file, text: source.text });
  splicing.rules += document.policy.rules?.length ?? 0;
  // Compiling says that there are too many.
  if (splicing.rules > MAX_RULES) return true;
  const own = new Set([...replaced, ...(document.policy.rules ?? []).map(({ id }) => id)]);
  for (const { include, path, part: kind } of includesOf(document.policy)) {
    const report: Complain = (code, message, remedy) => issues.push(document.issueAt(path, code, message, remedy));
    const found = findOne(include, source.file, way, report, splicing);
    if (found === undefined) continue;
    // The parent of an import is an import to whoever imports it.
    const as = part === 'import' ? part : kind;
    const isHashed = isFixed && includeParts(include).sha256 !== undefined;
    if (!add(found, as, [...way, found.file], kind === 'parent' ? own : replaced, isHashed, splicing)) return false;
    if (splicing.rules > MAX_RULES) break;
  }
  return true;
}

type Complain = (code: string, message: string, remedy: string) => unknown;

function findOne(
  include: IncludeDoc,
  from: string,
  way: readonly string[],
  report: Complain,
  splicing: Splicing,
): IncludedFile | undefined {
  const { name, sha256 } = includeParts(include);
  const found = splicing.find(from, name);
  if ('refused' in found) {
    report('CG_POLICY_INCLUDE', found.refused, found.remedy);
    return undefined;
  }
  if (sha256 !== undefined && sha256 !== found.sha256.toLowerCase()) {
    const message = `${name} has the hash ${found.sha256}, not the one that is written here`;
    report('CG_POLICY_INCLUDE_HASH', message, 'look at what has changed in it, then write its hash');
    return undefined;
  }
  if (way.includes(found.file)) {
    const circle = [...way.slice(way.indexOf(found.file)), found.file].join(' → ');
    report('CG_POLICY_CYCLE', `files include each other in a circle: ${circle}`, 'take one of the includes out');
    return undefined;
  }
  if (splicing.seen.has(found.file)) return undefined;
  const limit = overLimit(found, way, splicing);
  if (limit !== undefined) {
    report('CG_POLICY_INCLUDE_LIMIT', limit, 'put the rules into fewer files');
    return undefined;
  }
  splicing.seen.add(found.file);
  splicing.length += found.text.length;
  return found;
}

function overLimit(found: IncludedFile, way: readonly string[], { seen, length }: Splicing): string | undefined {
  if (way.length > MAX_INCLUDE_DEPTH) return `files include each other more than ${MAX_INCLUDE_DEPTH} deep`;
  if (seen.size >= MAX_INCLUDED) return `a policy has more than ${MAX_INCLUDED} files`;
  const isLong = length + found.text.length > MAX_INCLUDED_TEXT;
  return isLong ? `a policy and what it includes have more than ${MAX_INCLUDED_TEXT} characters` : undefined;
}
