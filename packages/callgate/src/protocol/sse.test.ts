import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventStream } from './sse.ts';
import { decodeUtf8, encodeUtf8 } from './text.ts';

type Seen = { type: string; id: string; data: string } | { head: string; length: number };

function read(chunks: readonly Uint8Array[], limit = 1000): { seen: Seen[]; stream: EventStream } {
  const seen: Seen[] = [];
  const stream = new EventStream(limit);
  for (const chunk of chunks) {
    stream.push(chunk, {
      event: (type, id, bytes, start, end) => seen.push({ type, id, data: decodeUtf8(bytes, start, end) }),
      oversize: (head, length) => seen.push({ head: decodeUtf8(head), length }),
    });
  }
  return { seen, stream };
}
const readText = (text: string, limit?: number) => read([encodeUtf8(text)], limit).seen;
const message = (data: string, more: { type?: string; id?: string } = {}) => ({ type: '', id: '', data, ...more });

describe('a stream of events', () => {
  it.each<[string, string, Seen[]]>([
    ['one event', 'data: a\n\n', [message('a')]],
    ['without the space', 'data:a\n\n', [message('a')]],
    ['only one space is taken off', 'data:  a\n\n', [message(' a')]],
    ['CR alone', 'data: a\r\r', [message('a')]],
    ['CRLF', 'data: a\r\n\r\n', [message('a')]],
    ['mixed line ends', 'data: a\rdata: b\r\ndata: c\n\r', [message('a\nb\nc')]],
    ['a byte order mark', '\uFEFFdata: a\n\n', [message('a')]],
    ['a second byte order mark is no field', '\uFEFF\uFEFFdata: a\n\n', []],
    ['a byte order mark later is no field', 'data: a\n\n\uFEFFdata: b\n\n', [message('a')]],
    ['comments', ': hello\n:\ndata: a\n: more\n\n', [message('a')]],
    ['several lines', 'data: a\ndata\ndata:\ndata: b\n\n', [message('a\n\n\nb')]],
    ['a line of data without a value', 'data\n\n', [message('')]],
    ['a type', 'event: ping\ndata: a\n\ndata: b\n\n', [message('a', { type: 'ping' }), message('b')]],
    ['a type without data', 'event: ping\n\ndata: b\n\n', [message('b')]],
    ['an id stays', 'id: 7\ndata: a\n\ndata: b\n\n', [message('a', { id: '7' }), message('b', { id: '7' })]],
    ['an empty id takes it back', 'id: 7\ndata: a\n\nid\ndata: b\n\n', [message('a', { id: '7' }), message('b')]],
    ['an id with NUL is ignored', 'id: 7\nid: 8\0\ndata: a\n\n', [message('a', { id: '7' })]],
    ['unknown fields', 'datum: a\ndata : b\nDATA: c\n data: d\ndata: e\n\n', [message('e')]],
    ['a field without a colon', 'foo\nverylongfieldwithout\ndata: a\n\n', [message('a')]],
    ['what no blank line ended', 'data: a\n\ndata: b\n', [message('a')]],
    ['blank lines alone', '\n\n\r\n', []],
    ['the example of the standard', 'data\n\ndata\ndata\n\ndata:', [message(''), message('\n')]],
  ])('reads %s', (_, text, expected) => {
    expect(readText(text)).toEqual(expected);
    expect(read([...encodeUtf8(text)].map((byte) => Uint8Array.of(byte))).seen).toEqual(expected);
  });

  it('tells the last id and how long to wait', () => {
    const { stream } = read([encodeUtf8('id: e1\nretry: 250\n\nretry: 1x\nretry:\n')]);
    expect(stream.lastId).toBe('e1');
    expect(stream.retryMs).toBe(250);
  });

  it('hands on a single line as a slice of what came', () => {
    const chunk = encodeUtf8('id: 1\ndata: {"a":1}\n\n');
    const stream = new EventStream(1000);
    let given: unknown;
    const event = (_type: string, _id: string, bytes: Uint8Array) => void (given = bytes);
    stream.push(chunk, { event, oversize: () => undefined });
    expect(given).toBe(chunk);
  });

  it('hands on nothing more once it is stopped, not even of the chunk in hand', () => {
    const stream = new EventStream(1000);
    const seen: string[] = [];
    const sink = {
      event: (_type: string, _id: string, bytes: Uint8Array, start: number, end: number) => {
        seen.push(decodeUtf8(bytes, start, end));
        stream.stop();
      },
      oversize: () => undefined,
    };
    stream.push(encodeUtf8('data: a\n\ndata: b\n\n'), sink);
    stream.push(encodeUtf8('data: c\n\n'), sink);
    expect(seen).toEqual(['a']);
  });

  it.each([
    ['one line', `data: ${'x'.repeat(11)}\n\ndata: y\n\n`, 11],
    ['many lines', `data: ${'x'.repeat(5)}\ndata: ${'x'.repeat(5)}\n\ndata: y\n\n`, 11],
    ['many empty lines', `${'data\n'.repeat(12)}\ndata: y\n\n`, 11],
    ['a line that never seems to end', `data: ${'x'.repeat(5000)}\n\ndata: y\n\n`, 5000],
  ])('reports an event that is over the limit, and goes on: %s', (_, text, length) => {
    for (const chunks of [[encodeUtf8(text)], [...encodeUtf8(text)].map((byte) => Uint8Array.of(byte))]) {
      const { seen } = read(chunks, 10);
      expect(seen).toEqual([{ head: expect.any(String), length }, message('y')]);
    }
  });

  it('takes an event that is just as long as the limit', () => {
    expect(readText(`data: ${'x'.repeat(10)}\n\n`, 10)).toEqual([message('x'.repeat(10))]);
    expect(readText('data: xxxx\ndata: yyyyy\n\n', 10)).toEqual([message('xxxx\nyyyyy')]);
  });

  it('does not keep a comment that never ends', () => {
    const { stream } = read([encodeUtf8(':'), ...Array.from({ length: 100 }, () => encodeUtf8('x'.repeat(100)))], 50);
    expect(stream.open).toBe(10_001);
  });

  it('is linear in lines without a colon, and in bytes that come one by one', () => {
    const lines = encodeUtf8('a\n'.repeat(500_000));
    const line = encodeUtf8(`data: ${'x'.repeat(200_000)}\n\n`);
    const begun = performance.now();
    read([lines]);
    read(
      [...line].map((byte) => Uint8Array.of(byte)),
      1_000_000,
    );
    expect(performance.now() - begun).toBeLessThan(5000);
  });
});

/** As UTF-8 has it. */
const clean = (text: string) => decodeUtf8(encodeUtf8(text));

describe('properties', () => {
  const value = fc.string({ unit: 'binary', maxLength: 30 }).map((text) => text.replace(/[\r\n\0]/g, ''));
  const written = fc.record({
    type: value,
    id: fc.option(value, { nil: undefined }),
    lines: fc.array(value, { minLength: 1, maxLength: 4 }),
    end: fc.constantFrom('\n', '\r', '\r\n'),
  });

  it('reads what was written', () => {
    fc.assert(
      fc.property(fc.array(written), (events) => {
        let text = '';
        let last = '';
        const expected: Seen[] = [];
        for (const { type, id, lines, end } of events) {
          if (id !== undefined) last = id;
          if (id !== undefined) text += `id: ${id}${end}`;
          text += `event: ${type}${end}${lines.map((line) => `data: ${line}${end}`).join('')}${end}`;
          expected.push({ type: clean(type), id: clean(last), data: clean(lines.join('\n')) });
        }
        expect(readText(text)).toEqual(expected);
      }),
    );
  });

  it('finds the same events however the bytes are cut', () => {
    const bytes = fc.oneof(
      fc
        .array(written)
        .map((events) =>
          encodeUtf8(events.map((e) => e.lines.map((line) => `data:${line}${e.end}`).join('') + e.end).join('')),
        ),
      fc
        .array(fc.constantFrom('data', ':', ' ', '\n', '\r', 'id', 'x', '\uFEFF', 'event', 'retry', '1'))
        .map((parts) => encodeUtf8(parts.join(''))),
      fc.uint8Array(),
    );
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(20)), (whole, cuts) => {
        const chunks: Uint8Array[] = [];
        let at = 0;
        for (const cut of cuts) chunks.push(whole.subarray(at, (at += cut)));
        chunks.push(whole.subarray(at));
        expect(read(chunks, 12).seen).toEqual(read([whole], 12).seen);
      }),
      { numRuns: 500 },
    );
  });
});
