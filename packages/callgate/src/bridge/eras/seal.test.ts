import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { sealOf } from './seal.ts';

const seal = sealOf(randomBytes(32), (n) => randomBytes(n));

it('opens what it sealed', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(seal.open(seal.seal(text))).toBe(Buffer.from(text).toString());
    }),
  );
});

it('refuses what had any bit flipped', () => {
  const sealed = seal.seal('{"park":"p"}');
  const bytes = Buffer.from(sealed, 'base64url');
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const other = Buffer.from(bytes);
    other[bit >> 3]! ^= 1 << (bit & 7);
    expect(seal.open(other.toString('base64url'))).toBeUndefined();
  }
});

it('refuses every other spelling of what it sealed', () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=. \n';
  fc.assert(
    fc.property(
      fc.string(),
      fc.nat(),
      fc.constantFrom(...alphabet.split('')),
      fc.boolean(),
      (text, place, letter, insert) => {
        const sealed = seal.seal(text);
        const at = place % sealed.length;
        const other = sealed.slice(0, at) + letter + sealed.slice(insert ? at : at + 1);
        fc.pre(other !== sealed);
        expect(seal.open(other)).toBeUndefined();
      },
    ),
  );
});

it.each(['', 'x', 'null', '{}', `${seal.seal('a')}-TAMPERED`, seal.seal('a').slice(0, 20), 'A'.repeat(10_000)])(
  'refuses %j',
  (text) => {
    expect(seal.open(text)).toBeUndefined();
  },
);

it('refuses what another key sealed', () => {
  const other = sealOf(randomBytes(32), (n) => randomBytes(n));
  expect(other.open(seal.seal('a'))).toBeUndefined();
});

it('says when a key has the wrong length', () => {
  expect(() => sealOf(new Uint8Array(16), (n) => randomBytes(n))).toThrow('has 16 bytes, not 32');
});
