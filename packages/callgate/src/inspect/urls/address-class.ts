import { type Address, parseAddress, parseLooseIpv4, samePrefix } from './address.ts';

/** What an address is for. Only `public` is an address of the internet at large. */
export type AddressClass = (typeof ADDRESS_CLASSES)[number];

export const ADDRESS_CLASSES = [
  'public',
  'loopback',
  'private',
  'link-local',
  'metadata',
  'cgnat',
  'multicast',
  'reserved',
  'unspecified',
] as const;

type Range = readonly [prefix: Address, bits: number, of: AddressClass];
const ranges = (lines: readonly (readonly [string, number, AddressClass])[]): readonly Range[] =>
  lines.map(([prefix, bits, of]) => [parseAddress(prefix)!, bits, of]);

/** IANA special-purpose registries (RFC 6890 and successors); the first line that fits decides. */
const RANGES = ranges([
  ['0.0.0.0', 8, 'unspecified'],
  ['10.0.0.0', 8, 'private'],
  ['100.64.0.0', 10, 'cgnat'],
  ['127.0.0.0', 8, 'loopback'],
  ['169.254.0.0', 16, 'link-local'],
  ['172.16.0.0', 12, 'private'],
  ['192.0.0.0', 24, 'reserved'],
  ['192.0.2.0', 24, 'reserved'],
  ['192.88.99.0', 24, 'reserved'],
  ['192.168.0.0', 16, 'private'],
  ['198.18.0.0', 15, 'reserved'],
  ['198.51.100.0', 24, 'reserved'],
  ['203.0.113.0', 24, 'reserved'],
  ['224.0.0.0', 4, 'multicast'],
  ['240.0.0.0', 4, 'reserved'],
  ['::', 128, 'unspecified'],
  ['::1', 128, 'loopback'],
  ['64:ff9b:1::', 48, 'private'],
  ['2001::', 23, 'reserved'],
  ['2001:db8::', 32, 'reserved'],
  ['3fff::', 20, 'reserved'],
  ['2000::', 3, 'public'],
  ['fc00::', 7, 'private'],
  ['fec0::', 10, 'private'],
  ['fe80::', 10, 'link-local'],
  ['ff00::', 8, 'multicast'],
]);

/** Where clouds serve credentials: AWS, Azure, Google, Oracle, Alibaba, Tencent, Scaleway, ECS and EKS agents. */
const METADATA = [
  '169.254.169.254',
  '169.254.169.253',
  '169.254.170.2',
  '169.254.170.23',
  '169.254.0.23',
  '169.254.42.42',
  '168.63.129.16',
  '100.100.100.200',
  '192.0.0.192',
  'fd00:ec2::254',
  'fd00:ec2::23',
  'fd20:ce::254',
  'fd00:42::42',
].map((text) => parseAddress(text)!);

/**
 * The class of an address. Addresses that carry an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo, ISATAP, SIIT)
 * have the class of that one.
 * @param address an IP literal in any notation, brackets and zone allowed; what is no address is `reserved`, never `public`
 */
export function addressClass(address: string): AddressClass {
  const bytes = readAddress(address);
  return bytes === undefined ? 'reserved' : classOf(bytes);
}

/** An IP literal in any notation; brackets and zone are taken off. Undefined when octal and decimal readers disagree. */
export function readAddress(text: string): Address | undefined {
  const bare = (text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text).replace(/%.*$/s, '');
  if (bare.includes(':')) return parseAddress(bare);
  const loose = parseLooseIpv4(bare, true);
  const decimal = parseLooseIpv4(bare, false);
  return loose !== undefined && decimal !== undefined && samePrefix(loose, decimal, 32) ? loose : undefined;
}

/** The class of an address that was read; see `addressClass`. */
export function classOf(address: Address): AddressClass {
  return carried(address).some(isMetadata) ? 'metadata' : rangeOf(address);
}

/** The class by range alone: a metadata address is `link-local`, `private`, `cgnat` or what its range is. */
export function rangeOf(address: Address): AddressClass {
  const inner = carried(address);
  const classes = inner.map(plainRange);
  return classes.find((of) => of !== 'public') ?? 'public';
}

const isMetadata = (address: Address) => METADATA.some((known) => samePrefix(known, address, known.length * 8));

function plainRange(address: Address): AddressClass {
  const range = RANGES.find(([prefix, bits]) => samePrefix(prefix, address, bits));
  if (range !== undefined) return range[2];
  return address.length === 4 ? 'public' : 'reserved';
}

const NAT64 = parseAddress('64:ff9b::')!;
const SIX_TO_FOUR = parseAddress('2002::')!;
const TEREDO = parseAddress('2001::')!;
const SIIT = parseAddress('::ffff:0:0:0')!;
const COMPATIBLE = parseAddress('::')!;

/** The IPv4 addresses an IPv6 address leads to, or the address itself when it carries none. */
function carried(address: Address): readonly Address[] {
  if (address.length === 4) return [address];
  const last = address.slice(12);
  if (samePrefix(NAT64, address, 96) || samePrefix(SIIT, address, 96)) return [last];
  if (samePrefix(SIX_TO_FOUR, address, 16)) return [address.slice(2, 6)];
  // RFC 4380: the relay server, then the client with its bits turned.
  if (samePrefix(TEREDO, address, 32)) return [address.slice(4, 8), last.map((byte) => byte ^ 255)];
  // `::` and `::1` are themselves, not 0.0.0.0 and 0.0.0.1.
  const isCompatible = samePrefix(COMPATIBLE, address, 96) && last.some((byte, i) => byte > (i === 3 ? 1 : 0));
  if (isCompatible) return [last];
  const isatap = (address[8]! & 0xfd) === 0 && address[9] === 0 && address[10] === 0x5e && address[11] === 0xfe;
  return isatap ? [address, last] : [address];
}
