import { CallgateError } from '../model/error.ts';
import { addressClass, canonicalHost, readUrl } from '../inspect/urls/index.ts';
import { dialGuard, type DialGuard, type OwnPort } from './guard.ts';

/** Where an HTTP server is. */
export interface HttpTarget {
  /** `https://mcp.example.com`, with the port where it is not the default. */
  readonly origin: string;
  /** Path and query. */
  readonly path: string;
  /** Canonical, without brackets. */
  readonly host: string;
  readonly port: number;
  readonly isSecure: boolean;
}

/**
 * Reads the URL of a server as an operator wrote it.
 * @throws CallgateError CG_NET_URL when it is no http or https URL, or can be read in two ways, or has a user or password
 */
export function readTarget(text: string): HttpTarget {
  const read = readUrl(text);
  if (read.ambiguous !== undefined) throw unusable(`can be read in two ways: ${read.ambiguous}`);
  if (read.scheme !== 'http' && read.scheme !== 'https') throw unusable('is no http or https URL');
  if (read.userinfo) throw unusable('has a user or password; put credentials into headers');
  const url = new URL(text);
  const isSecure = url.protocol === 'https:';
  const port = url.port === '' ? (isSecure ? 443 : 80) : Number(url.port);
  const host = canonicalHost(url.hostname);
  if (host === undefined || host === '' || port === 0) throw unusable('has no host that can be dialled');
  return { origin: url.origin, path: `${url.pathname}${url.search}`, host, port, isSecure };
}

/** The target as a place of the own machine, when its host is a literal one. */
export function ownPort(target: HttpTarget): OwnPort | undefined {
  const { host, port } = target;
  const isLoopback = host === 'localhost' || (/^[\d.]+$|:/.test(host) && addressClass(host) === 'loopback');
  return isLoopback ? { host, port } : undefined;
}

/**
 * The guard for one server whose URL the operator wrote: what `allow` opens, and the server itself where its host is a
 * literal loopback one.
 * @throws CallgateError CG_NET_ALLOW; CG_NET_URL when what is written cannot be dialled under this guard: plain http to a
 *   host that is not opened, a literal address that is not opened
 */
export function guardFor(target: HttpTarget, allow: readonly string[] = []): DialGuard {
  const own = ownPort(target);
  const guard = dialGuard(allow, own === undefined ? [] : [own]);
  if (!target.isSecure && !guard.mayBePlain(target.host, target.port)) {
    throw unusable('is plain http to a host that dial does not open; use https, or name the host there');
  }
  const isLiteral = /^[\d.]+$|:/.test(target.host);
  const why = isLiteral ? guard.refuses(target.host, target.port, target.host) : undefined;
  if (why !== undefined) throw unusable(`may not be dialled: ${why}`);
  return guard;
}

/** The URL itself may hold secrets, so that it is not shown: whoever reads the settings says which server it is. */
function unusable(why: string): CallgateError {
  return new CallgateError('CG_NET_URL', `The URL of a server ${why}.`, {
    remedy: 'Write a plain https URL, or name the host, address or network that may be dialled among the opened ones.',
  });
}
