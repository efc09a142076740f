import { isBelow, readPath, resolveSegments } from '../../inspect/paths.ts';
import type { Call } from '../../model/call.ts';
import { type Truth, Unsure } from './truth.ts';

const notText = new Unsure('a path must be text');

/**
 * The path that a text names, made absolute where that needs no directory: `~` is the home, `file://` is taken off, `.`,
 * `..` and doubled slashes are resolved. A relative path comes back normalised, with its leading `..`.
 * @returns the path, or why the text is ambiguous (NUL, percent-encoding, another scheme, `~user`)
 */
export function lexicalPath(text: string, home: string | undefined): string | Unsure {
  const plain = plainPath(text, home);
  return plain instanceof Unsure ? plain : resolveDots(plain);
}

/**
 * The path to look up for a text: `~` and `file://` taken off, links and `..` left for the file system to follow.
 * Facts are fetched for, and asked by, this path.
 */
export function plainPath(text: string, home: string | undefined): string | Unsure {
  if (text === '') return new Unsure('the path is empty');
  if (text.includes('\0')) return new Unsure('the path has a NUL character');
  if (/%[0-9A-Fa-f]{2}/.test(text)) return new Unsure('the path has percent-encoding');
  if (/^file:/i.test(text)) {
    const path = /^file:\/\/(?:localhost)?(\/[^?#]*)$/i.exec(text)?.[1];
    if (path === undefined) return new Unsure('the file URI names a host, a query or no absolute path');
    return oddity(path, home) ?? path;
  }
  if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text)) return new Unsure('the path is a URL');
  const odd = oddity(text, home);
  if (odd !== undefined) return odd;
  if (text.startsWith('~')) {
    if (text !== '~' && !text.startsWith('~/')) return new Unsure("the path names another user's home");
    if (home === undefined) return new Unsure('the home directory is not known');
    return home + text.slice(1);
  }
  return text;
}

const WINDOWS = /^[A-Za-z]:[\\/]/;
const NO_PLACE = { cwd: '/', home: '/' };

/** What in a path some servers read otherwise than the file system here: backslashes, variables, blanks, look-alikes. */
function oddity(text: string, home: string | undefined): Unsure | undefined {
  if (WINDOWS.test(text) || (home !== undefined && WINDOWS.test(home))) return undefined;
  const read = readPath(text, NO_PLACE);
  return 'ambiguous' in read ? new Unsure(`the path is ambiguous: ${read.ambiguous}`) : undefined;
}

/** Resolves `.`, `..` and doubled slashes in text alone; a relative path keeps the `..` it begins with. */
function resolveDots(path: string): string {
  if (path.startsWith('/')) return resolveSegments(path);
  const portable = WINDOWS.test(path) ? path.replaceAll('\\', '/') : path;
  const out: string[] = [];
  for (const segment of portable.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment === '..' && out.length > 0 && out.at(-1) !== '..') out.pop();
    else out.push(segment);
  }
  return out.join('/');
}

/** A directory that paths may lie under: as written and, where it is a link, as it really is. */
export interface Root {
  readonly written: string;
  readonly real: string;
}

/**
 * Whether the file that a value names lies under one of the roots. Only its real path counts, which the gate has fetched;
 * where `..` in the text and the real path disagree, nobody can tell which one the server will take.
 */
export function isUnder(value: unknown, roots: readonly Root[], call: Call, home: string | undefined): Truth {
  if (typeof value !== 'string') return notText;
  const plain = plainPath(value, home);
  if (plain instanceof Unsure) return plain;
  if (!plain.startsWith('/') && cancels(plain))
    return new Unsure('`..` after a directory name in a relative path leads to different places');
  const real = call.realPath(plain);
  if (real === undefined) return new Unsure('the real path is not known');
  const resolved = resolveDots(real);
  const isReallyUnder = roots.some((root) => isBelow(resolved, root.real));
  if (plain.startsWith('/') && plain.includes('..')) {
    const lexical = resolveDots(plain);
    const isUnderInText = roots.some((root) => isBelow(lexical, root.written) || isBelow(lexical, root.real));
    if (isUnderInText !== isReallyUnder) return new Unsure('`..` and links in the path lead to different places');
  }
  return isReallyUnder;
}

/** Whether a `..` takes back a directory named before it: where that is a link, programs disagree on the outcome. */
function cancels(path: string): boolean {
  const segments = path.split(/[\\/]/).filter((segment) => segment !== '' && segment !== '.');
  const firstName = segments.findIndex((segment) => segment !== '..');
  return firstName >= 0 && segments.includes('..', firstName);
}
