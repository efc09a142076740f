/** Encoders every host has (Node and browsers); declared narrowly so that this room needs no host types. */
declare const TextDecoder: new (
  label: string,
  options: { ignoreBOM: boolean },
) => { decode(bytes: Uint8Array): string };
declare const TextEncoder: new () => { encode(text: string): Uint8Array };

// A leading U+FEFF inside a JSON string is content, so the decoder must not swallow it.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();

/** Below this many bytes a loop beats the fixed cost of the host's decoder. */
const SHORT = 48;

/**
 * Decodes UTF-8. Bytes that are not UTF-8 become U+FFFD; what the scanner accepted never contains any.
 * @param bytes the buffer
 * @param start first byte
 * @param end one past the last byte
 * @returns the text
 */
export function decodeUtf8(bytes: Uint8Array, start = 0, end = bytes.length): string {
  if (end - start > SHORT) return decoder.decode(bytes.subarray(start, end));
  let text = '';
  let i = start;
  // Wide calls of fromCharCode cost about as much as narrow ones.
  for (; i + 8 <= end; i += 8) {
    const a = bytes[i]!;
    const b = bytes[i + 1]!;
    const c = bytes[i + 2]!;
    const d = bytes[i + 3]!;
    const e = bytes[i + 4]!;
    const f = bytes[i + 5]!;
    const g = bytes[i + 6]!;
    const h = bytes[i + 7]!;
    if ((a | b | c | d | e | f | g | h) >= 0x80) return text + decoder.decode(bytes.subarray(i, end));
    text += String.fromCharCode(a, b, c, d, e, f, g, h);
  }
  for (; i < end; i++) {
    const byte = bytes[i]!;
    if (byte >= 0x80) return text + decoder.decode(bytes.subarray(i, end));
    text += String.fromCharCode(byte);
  }
  return text;
}

/**
 * Encodes text as UTF-8. Lone surrogates become U+FFFD.
 * @param text any string
 * @returns its bytes
 */
export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/**
 * Decodes the escapes of a JSON string body that `stringEnd` accepted.
 * @param bytes the buffer
 * @param start first byte after the opening quote
 * @param end the closing quote
 * @param out receives UTF-8; `end - start` bytes always suffice
 * @returns how many bytes were written
 */
export function unescape(bytes: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let n = 0;
  for (let i = start; i < end;) {
    const byte = bytes[i++]!;
    if (byte !== 0x5c) {
      out[n++] = byte;
      continue;
    }
    const kind = bytes[i++]!;
    if (kind !== 0x75) {
      out[n++] = plainEscape(kind);
      continue;
    }
    let point = hex4(bytes, i);
    i += 4;
    if (point >= 0xd800 && point < 0xdc00) {
      point = 0x10000 + ((point - 0xd800) << 10) + (hex4(bytes, i + 2) - 0xdc00);
      i += 6;
    }
    if (point < 0x80) out[n++] = point;
    else if (point < 0x800) {
      out[n++] = 0xc0 | (point >> 6);
      out[n++] = 0x80 | (point & 0x3f);
    } else if (point < 0x10000) {
      out[n++] = 0xe0 | (point >> 12);
      out[n++] = 0x80 | ((point >> 6) & 0x3f);
      out[n++] = 0x80 | (point & 0x3f);
    } else {
      out[n++] = 0xf0 | (point >> 18);
      out[n++] = 0x80 | ((point >> 12) & 0x3f);
      out[n++] = 0x80 | ((point >> 6) & 0x3f);
      out[n++] = 0x80 | (point & 0x3f);
    }
  }
  return n;
}

function plainEscape(kind: number): number {
  switch (kind) {
    case 0x62:
      return 0x08;
    case 0x66:
      return 0x0c;
    case 0x6e:
      return 0x0a;
    case 0x72:
      return 0x0d;
    case 0x74:
      return 0x09;
    default:
      return kind; // quote, backslash, slash
  }
}

/** Four hex digits as a number; -1 when they are not. */
export function hex4(bytes: Uint8Array, at: number): number {
  return (hex(bytes[at]) << 12) | (hex(bytes[at + 1]) << 8) | (hex(bytes[at + 2]) << 4) | hex(bytes[at + 3]);
}

function hex(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
