/** What a path is read against. */
export interface PathPlace {
  /** Absolute directory that relative paths start from: the server's. */
  readonly cwd: string;
  /** Absolute home directory of the user, for `~`. */
  readonly home: string;
}

/** One clear path, or why two programs could read the text differently. */
export type ReadPath = { readonly path: string } | { readonly ambiguous: string };

const LONGEST = 32_768;

/**
 * Reads a text as a POSIX path or `file:` URI, by its letters alone: absolute, `.`, `..`, repeated and trailing slashes
 * resolved, `~` expanded. A lexical fact: links are not followed (`a/../b` is `b` here even when `a` is a link); who
 * needs that resolves the result again where the file is opened.
 * Whatever some program would decode, trim or split further is `ambiguous`, never guessed. Windows drive and UNC paths
 * are ambiguous too. Names are compared as written: no case folding, no NFC.
 */
export function readPath(text: string, place: PathPlace): ReadPath {
  if (text === '') return ambiguous('it is empty');
  if (text.length > LONGEST) return ambiguous('it is too long to be a path');
  const uri = schemeOf(text);
  if (uri !== undefined && uri !== 'file') {
    return ambiguous(uri.length === 1 ? 'it names a Windows drive' : `it is a ${uri}: URI, not a file`);
  }
  const decoded = uri === 'file' ? readFileUri(text) : { path: text };
  if ('ambiguous' in decoded) return decoded;
  const path = decoded.path;
  const odd = oddity(path, uri === 'file');
  if (odd !== undefined) return ambiguous(odd);
  if (uri === 'file') return { path: resolveSegments(path) };
  if (path === '~' || path.startsWith('~/')) return { path: resolveSegments(place.home + path.slice(1)) };
  if (path.startsWith('~')) return ambiguous('it names the home of another user');
  return { path: resolveSegments(path.startsWith('/') ? path : `${place.cwd}/${path}`) };
}

/** Whether a resolved absolute path is `root` or below it, by whole segments. */
export function isBelow(path: string, root: string): boolean {
  const base = root.length > 1 && root.endsWith('/') ? root.slice(0, -1) : root;
  if (base === '/') return path.startsWith('/');
  return path === base || (path.startsWith(base) && path.charCodeAt(base.length) === 0x2f);
}

/** Resolves `.`, `..` and empty segments of an absolute path; `..` of the root is the root. */
export function resolveSegments(path: string): string {
  if (path.startsWith('/') && path.length > 1 && !/\/(?:\.{0,2}(?:\/|$))/.test(path)) return path;
  const kept: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment === '..') kept.pop();
    else kept.push(segment);
  }
  return `/${kept.join('/')}`;
}

/** Decodes `%XX` once; what is no escape stays. Undefined when the bytes are not UTF-8. */
export function percentDecode(text: string): string | undefined {
  if (!text.includes('%')) return text;
  // decodeURIComponent throws on a stray `%`, so those are protected first.
  try {
    return decodeURIComponent(text.replace(/%(?![0-9a-f]{2})/gi, '%25'));
  } catch {
    return undefined;
  }
}

/** The scheme of a URI in lower case. A single letter before `:` is a Windows drive and given as such. */
function schemeOf(text: string): string | undefined {
  const match = /^([A-Za-z][A-Za-z0-9+.-]{0,30}):/.exec(text);
  if (match === null) return undefined;
  const scheme = match[1]!.toLowerCase();
  const rest = text.slice(match[0].length);
  if (scheme === 'file') return scheme;
  if (scheme.length === 1) return /^[\\/]/.test(rest) || rest === '' ? scheme : undefined;
  return rest.startsWith('//') ? scheme : undefined;
}

/** RFC 8089: `file:///p`, `file://localhost/p`, `file:/p`. */
function readFileUri(text: string): ReadPath {
  const rest = text.slice('file:'.length);
  let path = rest;
  if (rest.startsWith('//')) {
    const slash = rest.indexOf('/', 2);
    const host = slash < 0 ? rest.slice(2) : rest.slice(2, slash);
    if (host !== '' && host.toLowerCase() !== 'localhost')
      return ambiguous(`its file: URI names the host "${host.slice(0, 60)}"`);
    path = slash < 0 ? '/' : rest.slice(slash);
  }
  if (!path.startsWith('/')) return ambiguous('its file: URI has no absolute path');
  if (/[?#]/.test(path)) return ambiguous('its file: URI has a query or fragment');
  if (/%(?![0-9a-f]{2})/i.test(path)) return ambiguous('its file: URI has a broken percent escape');
  if (/%(?:2f|5c|00)/i.test(path)) return ambiguous('its file: URI hides a separator in a percent escape');
  const decoded = percentDecode(path);
  return decoded === undefined ? ambiguous('its percent escapes are not UTF-8') : { path: decoded };
}

const SLASH_ALIKE = /[\u2044\u2215\u2216\u29f5\u29f8\u29f9\ufe68\uff0f\uff3c]/;
const INVISIBLE = /[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/;
const LONE_SURROGATE = /[\ud800-\udfff]/u;

/** What in a decoded path another program could read differently. */
function oddity(path: string, decoded: boolean): string | undefined {
  for (let at = 0; at < path.length; at++) {
    const code = path.charCodeAt(at);
    if (code === 0) return 'it holds a NUL';
    if (code < 0x20 || code === 0x7f) return 'it holds a control character';
  }
  if (path.includes('\\')) return 'it holds a backslash, which some read as a separator';
  if (path.includes('%') && hidesSyntax(path, decoded))
    return 'it holds percent escapes that some decode into path syntax';
  if (/^\$|\$[{(]/.test(path)) return 'it holds a variable that some expand';
  if (LONE_SURROGATE.test(path)) return 'it holds half a surrogate pair';
  const alike = lookAlike(path);
  if (alike !== undefined) return alike;
  for (const segment of path.split('/')) {
    if (/^\.{3,}$/.test(segment)) return 'it holds a segment of dots only';
    if (segment !== '.' && segment !== '..' && /[. ]$/.test(segment))
      return 'a segment ends in a dot or space, which some drop';
  }
  return undefined;
}

/** `%2e %2f %5c %25 %00` and overlong UTF-8; in a decoded URI any further escape is one too many. */
function hidesSyntax(path: string, decoded: boolean): boolean {
  return (decoded && /%[0-9a-f]{2}/i.test(path)) || /%(?:2e|2f|5c|25|00|c0|c1|e0%80|f0%80|u[0-9a-f]{4})/i.test(path);
}

function lookAlike(path: string): string | undefined {
  if (/^[ -~]*$/.test(path)) return undefined;
  if (SLASH_ALIKE.test(path)) return 'it holds a look-alike of a slash';
  if (INVISIBLE.test(path)) return 'it holds an invisible character';
  const folded = path.normalize('NFKC').split('/');
  const plain = path.split('/');
  const dots = (segment: string): boolean => /^\.+$/.test(segment.replace(/[\u3002\uff61]/g, '.'));
  const differs =
    folded.length !== plain.length || folded.some((segment, at) => segment !== plain[at] && dots(segment));
  return differs || plain.some((segment) => !/^\.*$/.test(segment) && dots(segment))
    ? 'it holds look-alikes of dots'
    : undefined;
}

function ambiguous(reason: string): { readonly ambiguous: string } {
  return { ambiguous: reason };
}
