import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Scanner, STRING } from './scan.ts';
import { decodeUtf8, encodeUtf8, quoteJson, splice } from './splice.ts';
import { jsonAt, stringAt, walkStrings } from './tape.ts';

const edit = (start: number, end: number, text: string) => ({ start, end, text: encodeUtf8(text) });

describe('splice', () => {
  it('replaces spans and keeps every other byte', () => {
    const bytes = encodeUtf8('..{"a":"x","big":12345678901234567890,"b":"y"}..');
    const out = splice(bytes, 2, bytes.length - 2, [
      edit(7, 10, '"longer"'),
      edit(bytes.length - 6, bytes.length - 3, '""'),
    ]);
    expect(decodeUtf8(out)).toBe('{"a":"longer","big":12345678901234567890,"b":""}');
  });

  it('copies when there is nothing to edit, and takes edits that touch', () => {
    const bytes = encodeUtf8('abcdef');
    expect(decodeUtf8(splice(bytes, 1, 5, []))).toBe('bcde');
    expect(decodeUtf8(splice(bytes, 0, 6, [edit(0, 2, 'X'), edit(2, 2, 'Y'), edit(2, 6, '')]))).toBe('XY');
  });

  it.each([
    [[edit(3, 4, ''), edit(1, 2, '')]],
    [[edit(1, 3, ''), edit(2, 4, '')]],
    [[edit(0, 1, '')]],
    [[edit(5, 7, '')]],
    [[edit(3, 2, '')]],
  ])('throws on edits out of order, overlapping or outside (%#)', (edits) => {
    expect(() => splice(encodeUtf8('abcdefgh'), 1, 6, edits)).toThrowError(
      expect.objectContaining({ code: 'CG_PROTOCOL_SPLICE' }) as Error,
    );
  });

  it('gives a message that scans to the edited value', () => {
    const scanner = new Scanner();
    fc.assert(
      fc.property(
        fc.json({ noUnicodeString: false }),
        fc.string({ unit: 'binary' }),
        fc.nat({ max: 3 }),
        (text, by, every) => {
          const bytes = encodeUtf8(text);
          if (scanner.scan(bytes) !== undefined) return;
          const edits: { start: number; end: number; text: Uint8Array }[] = [];
          const wanted: string[] = [];
          walkStrings(scanner, 0, (node) => {
            const isEdited = scanner.kinds[node] === STRING && edits.length % (every + 1) === 0;
            wanted.push(isEdited ? by : stringAt(scanner, node));
            if (isEdited) edits.push({ start: scanner.starts[node]!, end: scanner.ends[node]!, text: quoteJson(by) });
          });
          const out = splice(bytes, 0, bytes.length, edits);
          expect(scanner.scan(out)).toBeUndefined();
          const found: string[] = [];
          walkStrings(scanner, 0, (node) => found.push(stringAt(scanner, node)));
          expect(found).toEqual(wanted);
        },
      ),
    );
  });
});

it('quotes any text so that it scans and reads back; half pairs become U+FFFD', () => {
  const scanner = new Scanner();
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(scanner.scan(quoteJson(text))).toBeUndefined();
      expect(jsonAt(scanner, 0)).toBe(text);
    }),
  );
  expect(decodeUtf8(quoteJson('a\ud800b\udc00😀\\ud'))).toBe('"a\ufffdb\ufffd😀\\\\ud"');
});
