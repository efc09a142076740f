import { type Address, formatAddress, parseAddress, parseLooseIpv4, samePrefix } from './address.ts';
import { hostOfHttp } from './whatwg.ts';

/** A host as every reader sees it, or what they see differently; `host` is then the WHATWG reading, or empty. */
export interface ReadHost {
  readonly host: string;
  readonly address?: Address;
  readonly ambiguous?: string;
}

const PLAIN = /^[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*$/;
const NUMERIC_END = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/;

/**
 * Reads one host as written in a URL, without port and brackets: an IP literal in any notation or a name. Names come
 * back in lower case and punycode without the final dot.
 */
export function readHost(raw: string): ReadHost {
  if (raw === '') return { host: '', ambiguous: 'it has no host' };
  if (raw.length <= 253 && PLAIN.test(raw) && !raw.includes('xn--') && !NUMERIC_END.test(raw)) return { host: raw };
  if (raw.length > 1024) return { host: '', ambiguous: 'its host is too long' };
  if (raw.includes(':')) return readIpv6(raw);
  const odd = oddHost(raw);
  const ascii = hostOfHttp(raw);
  if (ascii === undefined) return { host: '', ambiguous: odd ?? 'its host is no host name' };
  const bare = ascii.endsWith('.') ? ascii.slice(0, -1) : ascii;
  if (NUMERIC_END.test(bare)) return readIpv4(raw, bare, odd);
  const wrong = odd ?? (bare.length <= 253 && PLAIN.test(bare) ? undefined : 'its host is no host name');
  return wrong === undefined ? { host: bare } : { host: bare, ambiguous: wrong };
}

function readIpv4(raw: string, ascii: string, odd: string | undefined): ReadHost {
  const address = parseLooseIpv4(ascii, true);
  if (address === undefined) return { host: '', ambiguous: odd ?? 'its host is a number that is no address' };
  const host = formatAddress(address);
  const decimal = parseLooseIpv4(raw.toLowerCase(), false);
  const octal = 'its host has a leading zero, which some read as octal';
  const isClear = decimal !== undefined && samePrefix(decimal, address, 32);
  const ambiguous = odd ?? (isClear ? undefined : octal);
  return ambiguous === undefined ? { host, address } : { host, address, ambiguous };
}

function readIpv6(raw: string): ReadHost {
  const zone = raw.indexOf('%');
  const address = parseAddress(zone < 0 ? raw : raw.slice(0, zone));
  if (address === undefined) return { host: '', ambiguous: 'its host is no IPv6 address' };
  const host = formatAddress(address);
  return zone < 0 ? { host, address } : { host, address, ambiguous: 'its address has a zone, which some drop' };
}

const DOTS = /[\u3002\uff0e\uff61]/;
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/u;

/** What in a host name readers decode, fold or drop differently. */
function oddHost(raw: string): string | undefined {
  if (raw.includes('%')) return 'its host has percent escapes, which only some decode';
  if (/^[A-Za-z0-9._-]*$/.test(raw)) return undefined;
  if (DOTS.test(raw)) return 'its host has dots of another script, which only some read as dots';
  if (INVISIBLE.test(raw)) return 'its host has invisible characters, which only some drop';
  if (raw !== raw.normalize('NFKC')) return 'its host has letters or digits that only some fold into others';
  // IDNA 2003 maps these, IDNA 2008 keeps them; the dotted I falls apart in lower case.
  if (/[ßẞςİ]/.test(raw)) return 'its host has letters that old and new IDNA read differently';
  return /[\0-\u0020!-,/:-@[-^`{-\u007f]/.test(raw) ? 'its host has characters that host names do not have' : undefined;
}
