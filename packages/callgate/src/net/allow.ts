import { CallgateError } from '../model/error.ts';
import { cidrContains, compileCidr, compileHostPattern, matchHost } from '../inspect/urls/index.ts';
import type { Cidr, HostPattern } from '../inspect/urls/index.ts';

/** What an operator has opened beside the internet at large. */
export interface Opened {
  /** Whether a host is opened by its name, or by the name of its domain (`*.corp.example`). */
  name(host: string): boolean;
  /** Whether an address is opened by itself or by its network. */
  address(address: string): boolean;
  /** Whether an address is opened by itself. */
  exactly(address: string): boolean;
}

/**
 * Compiles what an operator opens: names (`mcp.corp.example`, `*.corp.example`, `localhost`), addresses, networks
 * (`10.1.0.0/16`).
 * @throws CallgateError CG_NET_ALLOW for an entry that is none of these
 */
export function compileOpened(entries: readonly string[]): Opened {
  const names: HostPattern[] = [];
  const networks: Cidr[] = [];
  const single: Cidr[] = [];
  for (const entry of entries) {
    const network = compileNetwork(entry);
    if (network === undefined) names.push(compileName(entry));
    else (isSingle(network) ? single : networks).push(network);
  }
  return {
    name: (host) => names.some((pattern) => matchHost(host, pattern)),
    address: (address) => [...single, ...networks].some((cidr) => cidrContains(cidr, address)),
    exactly: (address) => single.some((cidr) => cidrContains(cidr, address)),
  };
}

const isSingle = (cidr: Cidr) => 'prefix' in cidr && cidr.bits === cidr.prefix.length * 8;

/** Undefined for what does not look like an address at all. */
function compileNetwork(entry: string): Cidr | undefined {
  const bare = entry.startsWith('[') && entry.endsWith(']') ? entry.slice(1, -1) : entry;
  if (!bare.includes('/') && !bare.includes(':') && !/^[\d.]+$/.test(bare)) return undefined;
  try {
    return compileCidr(bare);
  } catch (cause) {
    throw notOpenable(entry, cause);
  }
}

/** Words that other settings take for a class of addresses; here they would be a host of that name, and open nothing. */
const CLASS_WORDS = ['public', 'loopback', 'private', 'link-local', 'metadata', 'cgnat', 'multicast', 'internal'];

function compileName(entry: string): HostPattern {
  try {
    if (CLASS_WORDS.includes(entry.toLowerCase())) throw new SyntaxError(`"${entry}" is no host: name the network`);
    const pattern = compileHostPattern(entry);
    if (pattern.wide) throw new SyntaxError(`anyone can have a name under ${JSON.stringify(pattern.host)}`);
    return pattern;
  } catch (cause) {
    throw notOpenable(entry, cause);
  }
}

function notOpenable(entry: string, cause: unknown): CallgateError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new CallgateError('CG_NET_ALLOW', `${JSON.stringify(entry.slice(0, 80))} cannot be opened: ${why}.`, {
    remedy: 'Write a host name, an address, or a network such as 10.1.0.0/16.',
    cause,
  });
}
