import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineFramer } from './frame.ts';
import { decodeUtf8, encodeUtf8 } from './text.ts';

interface Seen {
  readonly lines: string[];
  readonly oversize: { head: string; tail: string; length: number }[];
}

/** Feeds the chunks; the lines are decoded only at the end, to show that their bytes stay valid. */
function feed(chunks: readonly Uint8Array[], limit: number): Seen {
  const spans: [Uint8Array, number, number][] = [];
  const oversize: Seen['oversize'] = [];
  const sink = {
    line: (bytes: Uint8Array, start: number, end: number) => void spans.push([bytes, start, end]),
    oversize: (head: Uint8Array, tail: Uint8Array, length: number) =>
      void oversize.push({ head: decodeUtf8(head), tail: decodeUtf8(tail), length }),
  };
  const framer = new LineFramer(limit);
  for (const chunk of chunks) framer.push(chunk, sink);
  framer.end(sink);
  return { lines: spans.map(([bytes, start, end]) => decodeUtf8(bytes, start, end)), oversize };
}

const cut = (text: string, size: number): Uint8Array[] => {
  const bytes = encodeUtf8(text);
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.slice(i * size, (i + 1) * size));
};

it('cuts at newlines, strips one return, skips blank lines and hands on a last line without an end', () => {
  expect(feed([encodeUtf8('{"a":1}\r\n\n\r\n  \t\n{"b":2}\r\r\nlast')], 100).lines).toEqual([
    '{"a":1}',
    '{"b":2}\r',
    'last',
  ]);
});

it('does not copy a line that lies in one chunk', () => {
  const chunk = encodeUtf8('one\ntwo\n');
  const buffers: Uint8Array[] = [];
  new LineFramer(100).push(chunk, { line: (bytes) => void buffers.push(bytes), oversize: () => undefined });
  expect(buffers).toEqual([chunk, chunk]);
  expect(buffers.every((buffer) => buffer === chunk)).toBe(true);
});

it('takes a line of exactly the limit, with either end, and refuses one byte more', () => {
  for (const size of [1, 3, 1000]) {
    const seen = feed(cut('12345\n12345\r\n123456\n123456\r\n12345', size), 5);
    expect(seen.lines).toEqual(['12345', '12345', '12345']);
    expect(seen.oversize.map((line) => line.length)).toEqual([6, 6]);
  }
});

describe('a line over the limit', () => {
  it('leaves its first 8 KB, the last 8 KB of the rest and its length; the next line is whole', () => {
    const long = `{"id":1,${'x'.repeat(3_000_000)},"z":2}`;
    for (const size of [7, 8191, 8193, 65_536, 4_000_000]) {
      const seen = feed(cut(`${long}\r\n{"id":2}\n`, size), 100_000);
      expect(seen.oversize).toEqual([{ head: long.slice(0, 8192), tail: long.slice(-8192), length: long.length }]);
      expect(seen.lines).toEqual(['{"id":2}']);
    }
  });

  it('has no tail when the head is all of it', () => {
    expect(feed(cut('123456789\n', 2), 4).oversize).toEqual([{ head: '123456789', tail: '', length: 9 }]);
  });

  it('is told at the end of the stream too', () => {
    expect(feed(cut('123456789', 4), 4).oversize).toEqual([{ head: '123456789', tail: '', length: 9 }]);
  });
});

it('finds the same lines however the stream is cut', () => {
  const text = fc
    .array(
      fc.constantFrom('\n', '\r\n', '\r', 'a', '{"é":1}', ' ', 'x'.repeat(20), 'y'.repeat(9000), 'z'.repeat(17_000)),
      { maxLength: 30 },
    )
    .map((parts) => parts.join(''));
  const cuts = fc.array(fc.nat({ max: 40_000 }), { maxLength: 12 });
  fc.assert(
    fc.property(text, cuts, fc.constantFrom(0, 5, 21, 9000, 30_000), (whole, places, limit) => {
      const bytes = encodeUtf8(whole);
      const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
      const chunks = at.slice(1).map((to, i) => bytes.slice(at[i], to));
      expect(feed(chunks, limit)).toEqual(feed([bytes], limit));
    }),
  );
});
