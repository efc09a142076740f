const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/**
 * GitHub's and npm's check: the last six characters are the CRC-32 of the random part, in base 62, left-padded with `0`.
 * @param token the whole token with its prefix up to and including `_`.
 */
export function checksumHolds(token: string): boolean {
  const body = token.slice(token.indexOf('_') + 1);
  if (body.length < 12) return false;
  let crc = crc32(body.slice(0, -6));
  let expected = '';
  for (let digit = 0; digit < 6; digit++) {
    expected = BASE62[crc % 62]! + expected;
    crc = Math.floor(crc / 62);
  }
  return body.endsWith(expected);
}

function crc32(ascii: string): number {
  let crc = 0xffffffff;
  for (let at = 0; at < ascii.length; at++) {
    crc ^= ascii.charCodeAt(at);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
