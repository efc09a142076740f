import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { frameOf, FrameReader, MOST_BEFORE_PROOF } from './frames.ts';

describe('frames', () => {
  it('are read as they were written, however they are cut', () => {
    const values = fc.array(fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }), { maxLength: 5 });
    fc.assert(
      fc.property(values, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (all, cuts) => {
        const bytes = Buffer.concat(all.map(frameOf));
        const reader = new FrameReader();
        reader.most = 1 << 20;
        const read: unknown[] = [];
        for (let at = 0, n = 0; at < bytes.length; n++) {
          const size = cuts[n % cuts.length]!;
          read.push(...reader.push(bytes.subarray(at, at + size)));
          at += size;
        }
        expect(read).toEqual(all.map((value) => JSON.parse(JSON.stringify(value)) as unknown));
        expect(reader.isWithin).toBe(false);
      }),
    );
  });

  test.each<[string, Buffer, RegExp]>([
    ['a frame of no bytes', Buffer.from([0, 0, 0, 0]), /a frame of 0 bytes/],
    ['a length beyond the bound, before its bytes are there', Buffer.from([0, 0, 4, 1]), /a frame of 1025 bytes/],
    ['a length of almost 4 GiB', Buffer.from([255, 255, 255, 255]), /a frame of 4294967295 bytes/],
    ['what is no JSON', Buffer.from([0, 0, 0, 1, 0x7b]), /JSON/],
    ['a list', frameOf([1]), /no object/],
    ['nothing', frameOf(null), /no object/],
    ['text of another protocol', Buffer.from('GET / HTTP/1.1\r\n\r\n'), /a frame of/],
  ])('are not %s', (_what, bytes, why) => {
    expect(() => [...new FrameReader().push(bytes)]).toThrow(why);
  });

  it('may be larger from the moment on that somebody says so', () => {
    const reader = new FrameReader();
    const large = frameOf({ text: 'x'.repeat(MOST_BEFORE_PROOF) });
    const sizes: number[] = [];
    for (const value of reader.push(Buffer.concat([frameOf({ text: '' }), large]))) {
      sizes.push((value['text'] as string).length);
      reader.most = 1 << 20;
    }
    expect(sizes).toEqual([0, MOST_BEFORE_PROOF]);
  });
});
