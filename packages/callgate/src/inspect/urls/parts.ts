/** The raw cut of a text into the parts of a URL, before any of them is judged. */
export interface UrlParts {
  /** In lower case; empty where the text has none. */
  readonly scheme: string;
  /** What stands between the slashes and the path: user, host, port. Undefined where the text names no host. */
  readonly authority: string | undefined;
  /** From the path on, with query and fragment. */
  readonly rest: string;
  readonly ambiguous?: string;
}

/** Schemes whose host WHATWG readers find behind any number of slashes, of either kind. */
export const SPECIAL: ReadonlySet<string> = new Set(['http', 'https', 'ws', 'wss', 'ftp', 'file']);
const HOSTLESS = new Set(
  'about cid data geo javascript magnet mid sms tel urn vbscript spotify bitcoin xmpp sip sips news'.split(' '),
);
/** Schemes that carry another URL, whose host is the one reached. */
const WRAPPERS = new Set(['jar', 'blob', 'view-source', 'feed', 'url', 'filesystem', 'netdoc', 'web+http', 'git+http']);
const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]{0,40}):/;
const HOST_CHARS = /^(?:\[[0-9A-Fa-f:.]+\]|[\p{L}\p{N}\p{M}_.-]+)$/u;

/**
 * Cuts a text: absolute URL, `//host/path`, `mailto:`, scp form (`git@host:path`), `host:port`, `host/path`, `host`.
 * Text that starts with `/`, `.`, `?` or `#` is relative to a URL that is not known here.
 */
export function cutUrl(text: string): UrlParts {
  const scheme = SCHEME.exec(text)?.[1]!.toLowerCase();
  if (scheme !== undefined) {
    const after = text.slice(scheme.length + 1);
    if (SPECIAL.has(scheme)) return cutSpecial(scheme, after);
    if (WRAPPERS.has(scheme)) return cutWrapped(scheme, after);
    if (after.startsWith('//')) return cutAuthority(scheme, after.slice(2));
    if (scheme === 'mailto') return cutMail(after);
    if (HOSTLESS.has(scheme)) return { scheme, authority: undefined, rest: after };
  }
  if (/^[\\/]{2}/.test(text)) {
    const parts = cutAuthority('', text.replace(/^[\\/]+/, ''));
    return /^\/\/[^\\/]/.test(text)
      ? parts
      : { ...parts, ambiguous: 'it starts with slashes that readers count differently' };
  }
  if (/^(?:[\\/?#.]|$)/.test(text)) {
    return {
      scheme: '',
      authority: undefined,
      rest: text,
      ambiguous: 'it is relative to a URL that is not known here',
    };
  }
  return cutBare(text, scheme);
}

function cutSpecial(scheme: string, after: string): UrlParts {
  if (scheme === 'file' && /^\/(?![\\/])/.test(after)) return { scheme, authority: undefined, rest: after };
  const parts = cutAuthority(scheme, after.replace(scheme === 'file' ? /^[\\/]{0,2}/ : /^[\\/]*/, ''));
  const isUsual = scheme === 'file' ? after.startsWith('//') : /^\/\/(?![\\/])/.test(after);
  return isUsual ? parts : { ...parts, ambiguous: 'it has not two slashes behind its scheme, which some readers add' };
}

/** Cut at the first `/`, `?` or `#`; a backslash is a slash to WHATWG readers and reported by the caller. */
function cutAuthority(scheme: string, after: string): UrlParts {
  const end = after.search(/[\\/?#]/);
  if (end < 0) return { scheme, authority: after, rest: '' };
  const parts = { scheme, authority: after.slice(0, end), rest: after.slice(end) };
  // Readers that do not end the authority at `?` or `#` take what follows the `@` for the host.
  const slash = after.indexOf('/', end);
  const hidden = /[?#]/.test(after[end]!) && after.slice(end, slash < 0 ? undefined : slash).includes('@');
  return hidden ? { ...parts, ambiguous: 'an @ behind ? or # moves the host for some readers' } : parts;
}

function cutWrapped(scheme: string, after: string): UrlParts {
  const inner = SCHEME.exec(after)?.[1]!.toLowerCase();
  const isUrl = inner !== undefined && !WRAPPERS.has(inner);
  const parts = isUrl ? cutUrl(after) : cutAuthority(scheme, after.replace(/^[\\/]*/, ''));
  // `jar:http://host!/entry`
  const authority = parts.authority?.replace(/!$/, '');
  return { ...parts, scheme, authority, ambiguous: `it wraps another URL in ${scheme}:` };
}

/** RFC 6068. One clear domain: every address has it, and no header field adds another. */
function cutMail(after: string): UrlParts {
  const query = after.indexOf('?');
  const rest = query < 0 ? '' : after.slice(query);
  const addresses = after.slice(0, after.length - rest.length).split(',');
  const domains = new Set(addresses.map((address) => address.slice(address.lastIndexOf('@') + 1)));
  const [domain = ''] = domains;
  const parts = { scheme: 'mailto', authority: domain, rest };
  if (domains.size > 1) return { ...parts, ambiguous: 'it has addresses at several hosts' };
  if (addresses.some((address) => address.split('@').length !== 2 || /["%<>]/.test(address))) {
    return { ...parts, ambiguous: 'its address is quoted, escaped or none' };
  }
  return /[?&](?:to|cc|bcc)=/i.test(rest) || /[?&][^?=&]*%/.test(rest)
    ? { ...parts, ambiguous: 'its header fields may add addresses' }
    : parts;
}

/** A text without a scheme that is known here, or with a host where a scheme would stand. */
function cutBare(text: string, scheme: string | undefined): UrlParts {
  if (text.startsWith('[') || (text.match(/:/g)?.length ?? 0) > 1) {
    const end = text.search(/[\\/?#]/);
    const front = end < 0 ? text : text.slice(0, end);
    if (/^[0-9A-Fa-f:.]+(?:%[\w.-]+)?$/.test(front))
      return { scheme: '', authority: `[${front}]`, rest: text.slice(front.length) };
    if (front.startsWith('[')) return cutAuthority('', text);
  }
  const colon = text.indexOf(':');
  const slash = text.search(/[\\/?#]/);
  if (colon >= 0 && (slash < 0 || colon < slash)) return cutColon(text, colon, scheme);
  const parts = cutAuthority('', text);
  const host = parts.authority!.slice(parts.authority!.lastIndexOf('@') + 1);
  return slash >= 0 && !host.includes('.') && host !== 'localhost'
    ? { ambiguous: 'it may be a relative path', ...parts }
    : parts;
}

/** `host:8080/path`, `user@host:path`, `host.example:path`; another word before the colon is a scheme we do not know. */
function cutColon(text: string, colon: number, scheme: string | undefined): UrlParts {
  const front = text.slice(0, colon);
  const after = text.slice(colon + 1);
  const host = front.slice(front.lastIndexOf('@') + 1);
  if (!HOST_CHARS.test(host)) return { ...cutAuthority('', text), ambiguous: 'it is no URL' };
  if (!front.includes('@') && /^\d{1,5}(?:[/?#]|$)/.test(after)) return cutAuthority('', text);
  if (/@/.test(after.split(/[\\/?#]/, 1)[0]!)) {
    return { ...cutAuthority('', text), ambiguous: 'it has a password or a scheme before its @' };
  }
  if (front.includes('@') || host.includes('.')) return { scheme: 'ssh', authority: front, rest: after };
  return {
    scheme: scheme ?? '',
    authority: undefined,
    rest: after,
    ambiguous: 'it has a scheme that is not known here',
  };
}
