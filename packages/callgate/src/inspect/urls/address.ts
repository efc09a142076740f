/** The bytes of an IP address: 4 or 16 of them. An IPv4-mapped IPv6 address is held as the IPv4 address it reaches. */
export type Address = readonly number[];

/**
 * Reads one IP address as RFC 4291 and dotted decimal write it: no leading zeros, no short forms, no zone, no brackets.
 * @returns the address, or undefined when the text is none
 */
export function parseAddress(text: string): Address | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

/** Four decimal parts without leading zeros, each at most 255. */
export function parseIpv4(text: string): Address | undefined {
  if (!/^\d{1,3}(?:\.\d{1,3}){3}$/.test(text) || /(?:^|\.)0\d/.test(text)) return undefined;
  const bytes = text.split('.').map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes : undefined;
}

/** How `inet_aton` and WHATWG read a number without colons: one to four parts, each decimal, octal (`0…`) or hex (`0x…`). */
export function parseLooseIpv4(text: string, octal: boolean): Address | undefined {
  const bare = text.endsWith('.') ? text.slice(0, -1) : text;
  if (bare.length > 80) return undefined;
  const parts = bare.split('.');
  if (parts.length > 4) return undefined;
  let value = 0;
  for (const [index, part] of parts.entries()) {
    const number = parsePart(part, octal);
    const room = index === parts.length - 1 ? 256 ** (5 - parts.length) : 256;
    if (number === undefined || number >= room) return undefined;
    value += index === parts.length - 1 ? number : number * 256 ** (3 - index);
  }
  return [Math.floor(value / 2 ** 24), Math.floor(value / 2 ** 16) % 256, Math.floor(value / 256) % 256, value % 256];
}

function parsePart(part: string, octal: boolean): number | undefined {
  if (/^0x[0-9a-f]*$/i.test(part)) return part.length === 2 ? 0 : Number.parseInt(part.slice(2), 16);
  if (!/^\d+$/.test(part)) return undefined;
  if (!octal || part === '0' || !part.startsWith('0')) return Number.parseInt(part, 10);
  return /^[0-7]+$/.test(part) ? Number.parseInt(part, 8) : undefined;
}

/** IPv6 by RFC 4291 §2.2, dotted decimal in the last 32 bits allowed. Mapped addresses come back as IPv4. */
function parseIpv6(text: string): Address | undefined {
  if (text.length > 45 || !/^[0-9a-f:.]+$/i.test(text)) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined;
  return unmap([...head, ...Array.from({ length: missing }, () => 0), ...tail]);
}

function parseGroups(text: string, mayEndDotted: boolean): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [index, group] of groups.entries()) {
    if (group.includes('.')) {
      const dotted = mayEndDotted && index === groups.length - 1 ? parseIpv4(group) : undefined;
      if (dotted === undefined) return undefined;
      bytes.push(...dotted);
    } else {
      if (!/^[0-9a-f]{1,4}$/i.test(group)) return undefined;
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 255);
    }
  }
  return bytes;
}

/** `::ffff:a.b.c.d` reaches a.b.c.d, so it is that address. */
function unmap(bytes: readonly number[]): Address {
  const mapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255;
  return mapped ? bytes.slice(12) : bytes;
}

/** The one canonical text: dotted decimal, or RFC 5952 (lower case, longest run of zeros shortened, no dotted part). */
export function formatAddress(address: Address): string {
  if (address.length === 4) return address.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => (address[2 * i]! << 8) | address[2 * i + 1]!);
  const [start, length] = longestZeros(groups);
  const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(':');
  return length < 2 ? text(groups) : `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

function longestZeros(groups: readonly number[]): readonly [start: number, length: number] {
  let best: readonly [number, number] = [0, 0];
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && groups[end] === 0) end++;
    if (end - start > best[1]) best = [start, end - start];
  }
  return best;
}

/** Whether the first `bits` bits of two addresses of one family are the same. */
export function samePrefix(a: Address, b: Address, bits: number): boolean {
  if (a.length !== b.length) return false;
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (a[i] !== b[i]) return false;
  const rest = bits & 7;
  return rest === 0 || a[whole]! >> (8 - rest) === b[whole]! >> (8 - rest);
}
