const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;

/**
 * A message as one line. One that came over HTTP may be written over several, and a peer that reads lines would take what
 * stands on one of them for a message that nobody judged. A line's end in valid JSON is white space between tokens.
 * @param bytes valid JSON in `[start, end)`
 * @returns the same bytes when they are one line already, else a copy with spaces for line ends
 */
export function oneLine(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const line = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
  if (!line.includes(NEWLINE) && !line.includes(RETURN)) return line;
  return line.map((byte) => (byte === NEWLINE || byte === RETURN ? SPACE : byte));
}
