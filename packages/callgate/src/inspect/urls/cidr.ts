import { type Address, formatAddress, parseAddress, samePrefix } from './address.ts';
import { ADDRESS_CLASSES, type AddressClass, classOf, rangeOf, readAddress } from './address-class.ts';

/** A compiled range of addresses, or a class of them by name. */
export type Cidr =
  | { readonly text: string; readonly prefix: Address; readonly bits: number }
  | { readonly text: string; readonly class: AddressClass | 'internal' };

/**
 * Compiles `10.0.0.0/8`, `::1/128`, a single address, or the name of a class: those of `addressClass`, and `internal` for
 * every class but `public`. An IPv4-mapped range is the IPv4 range it stands for.
 * @throws SyntaxError that says what is wrong and what to write
 */
export function compileCidr(text: string): Cidr {
  const name = text.toLowerCase();
  if (name === 'internal') return { text, class: name };
  const known = ADDRESS_CLASSES.find((of) => of === name);
  if (known !== undefined) return { text, class: known };
  const shown = JSON.stringify(text.slice(0, 80));
  const match = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text);
  const prefix = match === null ? undefined : parseAddress(match[1]!);
  if (match === null || prefix === undefined) {
    throw new SyntaxError(
      `${shown} is no address range: write a network such as 10.0.0.0/8 or fd00::/8, one address, or a class (${ADDRESS_CLASSES.join(', ')}, internal)`,
    );
  }
  const bits = bitsOf(match[1]!, match[2], prefix, shown);
  const network = masked(prefix, bits);
  if (!samePrefix(network, prefix, prefix.length * 8)) {
    throw new SyntaxError(`${shown} has bits beyond its length: write ${formatAddress(network)}/${bits}`);
  }
  return { text, prefix, bits };
}

function bitsOf(written: string, length: string | undefined, prefix: Address, shown: string): number {
  const widest = prefix.length * 8;
  if (length === undefined) return widest;
  if (length.length > 1 && length.startsWith('0')) throw new SyntaxError(`${shown} has a length with a leading zero`);
  const isMapped = written.includes(':') && prefix.length === 4;
  const bits = Number(length) - (isMapped ? 96 : 0);
  if (bits < 0)
    throw new SyntaxError(`${shown} is wider than the IPv4-mapped addresses: write the IPv4 network itself`);
  if (bits > widest) throw new SyntaxError(`${shown} has a length above ${isMapped ? 128 : widest}`);
  return bits;
}

const masked = (address: Address, bits: number): Address =>
  address.map((byte, i) => byte & (0xff00 >> Math.max(0, Math.min(8, bits - 8 * i))) & 0xff);

/**
 * Whether an address lies in a range or class. A metadata address lies in `metadata` and in the class of its range, so
 * `link-local` holds 169.254.169.254.
 * @param address an IP literal in any notation; what is no address lies in nothing
 */
export function cidrContains(cidr: Cidr, address: string): boolean {
  const bytes = readAddress(address);
  if (bytes === undefined) return false;
  if ('prefix' in cidr) return samePrefix(cidr.prefix, bytes, cidr.bits);
  const of = classOf(bytes);
  if (cidr.class === 'internal') return of !== 'public';
  return of === cidr.class || (of === 'metadata' && cidr.class !== 'public' && rangeOf(bytes) === cidr.class);
}
