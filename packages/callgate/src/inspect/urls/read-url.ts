import { formatAddress } from './address.ts';
import { classOf } from './address-class.ts';
import { type ReadHost, readHost } from './host.ts';
import { readName } from './names.ts';
import { cutUrl, SPECIAL, type UrlParts } from './parts.ts';
import { parseWhatwg } from './whatwg.ts';

/** What a text says as a URL, before any look-up. */
export interface ReadUrl {
  /** In lower case; empty for `//host`, `host:port`, `host/path`; `ssh` for the scp form. */
  readonly scheme: string;
  /** Canonical: lower case, punycode, no final dot, addresses normalised and without brackets. Empty where there is none. */
  readonly host: string;
  /** As written, else the default of the scheme, else undefined. */
  readonly port: number | undefined;
  /** Without query and fragment. */
  readonly path: string;
  /** Whether a user or password stands before the host. */
  readonly userinfo: boolean;
  /** The address, when the host is an IP literal in any notation. */
  readonly address?: string;
  /**
   * Whether the host is of the own machine or network: true and false where the text alone says so, undefined where only
   * a look-up can. Never false when the text is ambiguous.
   */
  readonly private: boolean | undefined;
  /** Why two programs could find different hosts; the other fields are then one reading of several. */
  readonly ambiguous?: string;
}

const LONGEST = 16_384;
const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  http: 80,
  ws: 80,
  https: 443,
  wss: 443,
  ftp: 21,
  ssh: 22,
  sftp: 22,
};

/**
 * Reads a text as a URL as programs do: a WHATWG parse and a raw reading must find the same host and port, else the
 * result is `ambiguous`. Never throws.
 * Read without a scheme too: `//host/path`, `host:port`, `host/path`, `host`, `user@host:path` (scp, scheme `ssh`),
 * `mailto:` (the domain). A path or word that is relative to an unknown URL is ambiguous. `data:`, `javascript:` and their
 * like have no host; `file:` without one is the own machine, so private. Sources: WHATWG URL, RFC 3986.
 */
export function readUrl(text: string): ReadUrl {
  if (text.length > LONGEST) return unread('it is too long to be a URL');
  const odd = oddText(text);
  const parts = cutUrl(trimmed(text));
  if (parts.authority === undefined) return withoutHost(parts, odd);
  const { user, rawHost, port, ambiguous } = cutPort(parts.authority);
  const read = isOwnFile(parts, rawHost) ? { host: '' } : readHost(rawHost);
  const reading = { parts, rawHost, port, host: read.host };
  const why =
    odd ?? parts.ambiguous ?? oddUser(user, parts.scheme) ?? read.ambiguous ?? ambiguous ?? disagreement(text, reading);
  return {
    scheme: parts.scheme,
    host: read.host,
    port: port ?? DEFAULT_PORTS[parts.scheme],
    path: pathOf(parts),
    userinfo: user !== undefined,
    ...(read.address === undefined ? {} : { address: formatAddress(read.address) }),
    private: isPrivate(parts, read, why !== undefined),
    ...(why === undefined ? {} : { ambiguous: why }),
  };
}

/** Drops what WHATWG readers drop: outer blanks and controls, inner tabs and line ends. */
function trimmed(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && text.charCodeAt(start) <= 0x20) start++;
  while (end > start && text.charCodeAt(end - 1) <= 0x20) end--;
  return text.slice(start, end).replace(/[\t\r\n]/g, '');
}

const unread = (ambiguous: string): ReadUrl => ({
  scheme: '',
  host: '',
  port: undefined,
  path: '',
  userinfo: false,
  private: undefined,
  ambiguous,
});

function withoutHost(parts: UrlParts, odd: string | undefined): ReadUrl {
  const why = odd ?? parts.ambiguous;
  const isLocal = parts.scheme === 'file' ? true : undefined;
  const read = { ...unread(''), scheme: parts.scheme, path: pathOf(parts), private: isLocal };
  const { ambiguous: _, ...clear } = read;
  return why === undefined ? clear : { ...clear, ambiguous: why };
}

/** What in the text as a whole some readers drop, fold or cut at. */
function oddText(text: string): string | undefined {
  if (text === '') return 'it is empty';
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return 'it holds a control character, tab or line end';
  }
  if (/^\s|\s$/.test(text)) return 'it starts or ends with white space, which some readers trim';
  const end = text.search(/[?#]/);
  const front = end < 0 ? text : text.slice(0, end);
  if (front.includes('\\')) return 'it holds a backslash, which some read as a slash';
  return /[\u2044\u2215\u29f8\uff0f\uff1a\uff1f\uff03\uff20\ufe55\ufe56\ufe5f\ufe6b]/.test(front)
    ? 'it holds a look-alike of / : ? # or @'
    : undefined;
}

interface HostAndPort {
  readonly user: string | undefined;
  readonly rawHost: string;
  readonly port: number | undefined;
  readonly ambiguous?: string;
}

/** Cuts `user@host:port`. Brackets are taken off, as only IPv6 addresses have them. */
function cutPort(authority: string): HostAndPort {
  const at = authority.lastIndexOf('@');
  const user = at < 0 ? undefined : authority.slice(0, at);
  const hostPort = authority.slice(at + 1);
  const bracketed = /^\[([^\]]*)\](.*)$/s.exec(hostPort);
  const colon = hostPort.indexOf(':');
  const rawHost = bracketed?.[1] ?? (colon < 0 ? hostPort : hostPort.slice(0, colon));
  const tail = bracketed?.[2] ?? (colon < 0 ? '' : hostPort.slice(colon));
  const cut = { user, rawHost };
  if (bracketed !== null && !rawHost.includes(':'))
    return { ...cut, port: undefined, ambiguous: 'its brackets hold no IPv6 address' };
  if (tail === '' || tail === ':') return { ...cut, port: undefined };
  const port = /^:\d{1,8}$/.test(tail) ? Number(tail.slice(1)) : undefined;
  return port === undefined || port > 65_535
    ? { ...cut, port: undefined, ambiguous: 'its port is no number up to 65535' }
    : { ...cut, port };
}

/** A user that looks like a host (`http://bank.example@evil.example`) or hides a separator. */
function oddUser(user: string | undefined, scheme: string): string | undefined {
  if (user === undefined) return undefined;
  if (user.includes('@')) return 'it has more than one @';
  if (/[\s"<>[\]{}|^`]/.test(user)) return 'its user has characters that end a URL for some readers';
  if (/%(?:40|2f|5c|3a|23|3f|00|0a|0d|09|20)/i.test(user)) return 'its user hides a separator in a percent escape';
  const name = user.split(':', 1)[0]!;
  // RFC 9110 §4.2.4: a lone user in a web URL mostly hides the host from people. A port-like password does the same.
  if (/^(?:https?|wss?)$/.test(scheme) && !/:(?!\d{0,5}$)/.test(user)) return 'its user could be taken for the host';
  return name.includes('.') || /^(?:localhost|\d+|0x[0-9a-f]+)$/i.test(name) || /[^\0-\u007f]/.test(user)
    ? 'its user looks like a host'
    : undefined;
}

const isOwnFile = (parts: UrlParts, rawHost: string) =>
  parts.scheme === 'file' && (rawHost === '' || rawHost.toLowerCase() === 'localhost');

interface RawReading {
  readonly parts: UrlParts;
  readonly rawHost: string;
  readonly port: number | undefined;
  readonly host: string;
}

/** Holds the raw reading against a WHATWG reader's. */
function disagreement(text: string, { parts, port, host }: RawReading): string | undefined {
  if (parts.scheme === 'mailto' || !hasSlashes(text, parts)) return undefined;
  const absolute = parts.scheme === '' ? `http:${text.startsWith('//') ? '' : '//'}${bracketed(text, parts)}` : text;
  const read = parseWhatwg(absolute);
  if (read === undefined) return 'WHATWG readers refuse it';
  const theirs = read.hostname === '' ? '' : readHost(read.hostname).host;
  const theirPort = read.port === '' ? undefined : Number(read.port);
  const scheme = parts.scheme === '' ? 'http' : parts.scheme;
  const isSamePort = theirPort === port || (theirPort === undefined && port === DEFAULT_PORTS[scheme]);
  return theirs === host && isSamePort ? undefined : 'WHATWG readers find another host or port';
}

/** The scp form has no WHATWG reading to compare. */
const hasSlashes = (text: string, parts: UrlParts) => parts.scheme !== 'ssh' || /^ssh:\/\//i.test(text);

/** A bare IPv6 address gets the brackets a URL wants. */
const bracketed = (text: string, parts: UrlParts) =>
  parts.authority!.startsWith('[') && !text.startsWith('[') && !text.startsWith('//')
    ? `${parts.authority!}${parts.rest}`
    : text;

function pathOf(parts: UrlParts): string {
  const path = parts.rest.split(/[?#]/, 1)[0]!;
  if (!SPECIAL.has(parts.scheme)) return path;
  return parseWhatwg(`http://h/${path.replace(/^[\\/]/, '')}`)?.pathname ?? path;
}

function isPrivate(parts: UrlParts, read: ReadHost, isAmbiguous: boolean): boolean | undefined {
  if (read.host === '') return parts.scheme === 'file' && !isAmbiguous ? true : undefined;
  const known = read.address === undefined ? readName(read.host).private : classOf(read.address) !== 'public';
  return known === true ? true : isAmbiguous ? undefined : known;
}
