import { type Address, formatAddress, parseAddress, parseIpv4 } from './address.ts';
import { classOf } from './address-class.ts';

/** What a host name says about its address before anyone looks it up. */
export interface NameReading {
  /** True for names of the own machine or network, undefined where only a look-up can tell. */
  readonly private: true | undefined;
  /** The one address the name stands for, where the name itself says it. */
  readonly address?: string;
}

const METADATA = '169.254.169.254';
const EXACT: ReadonlyMap<string, string> = new Map([
  ['ip6-localhost', '::1'],
  ['ip6-loopback', '::1'],
  ['localhost6', '::1'],
  ['metadata', METADATA],
  ['metadata.google.internal', METADATA],
  ['metadata.goog', METADATA],
  ['instance-data', METADATA],
  ['instance-data.ec2.internal', METADATA],
  ['metadata.tencentyun.com', '169.254.0.23'],
]);

/** Domains of which every name is 127.0.0.1. */
const LOOPBACK = [
  'localhost',
  'localhost.localdomain',
  'localtest.me',
  'lvh.me',
  'vcap.me',
  'lacolhost.com',
  'localho.st',
];
/** Domains whose names hold the address they resolve to. */
const EMBEDDING = ['nip.io', 'sslip.io', 'xip.io', 'traefik.me', '1u.ms', 'rbndr.us'];
/** Domains of the own network (RFC 6762, RFC 8375, ICANN's `internal`). */
const OWN = ['internal', 'local', 'localdomain', 'lan', 'home.arpa', 'intranet', 'corp', 'home', 'private'];

/** Reads a canonical host name. A name without a dot is looked up in the own network, so it is private. */
export function readName(host: string): NameReading {
  const exact = EXACT.get(host);
  if (exact !== undefined) return { private: true, address: exact };
  if (isUnder(host, LOOPBACK)) return { private: true, address: '127.0.0.1' };
  const embedding = EMBEDDING.find((domain) => host === domain || host.endsWith(`.${domain}`));
  if (embedding !== undefined) return readEmbedded(host.slice(0, -embedding.length - 1), embedding);
  return { private: isUnder(host, OWN) || !host.includes('.') ? true : undefined };
}

const isUnder = (host: string, domains: readonly string[]) =>
  domains.some((domain) => host === domain || host.endsWith(`.${domain}`));

/** `10.0.0.1.nip.io`, `app-10-0-0-1.sslip.io`, `7f000001.nip.io`, `--1.sslip.io`. What cannot be read counts as private. */
function readEmbedded(front: string, domain: string): NameReading {
  if (front === '') return { private: undefined };
  const found: Address[] = [];
  const words = front.split(/[.-]/);
  for (let i = 0; i + 4 <= words.length; i++) {
    const address = parseIpv4(words.slice(i, i + 4).join('.'));
    if (address !== undefined) found.push(address);
  }
  for (const word of words) if (/^[0-9a-f]{8}$/.test(word)) found.push(fromHex(word));
  const six = parseAddress(front.slice(front.lastIndexOf('.') + 1).replaceAll('-', ':'));
  if (six !== undefined) found.push(six);
  const only = found.length === 1 ? found[0] : undefined;
  const isPublic = only !== undefined && classOf(only) === 'public' && domain !== '1u.ms' && domain !== 'rbndr.us';
  return {
    private: isPublic ? undefined : true,
    ...(only === undefined ? {} : { address: formatAddress(only) }),
  };
}

const fromHex = (word: string): Address => [0, 2, 4, 6].map((at) => Number.parseInt(word.slice(at, at + 2), 16));
