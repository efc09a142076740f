import canonicalizeModule from 'canonicalize';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalNumber, canonicalise } from './canonical.ts';

const canonicalize = canonicalizeModule as unknown as (value: unknown) => string;

describe('canonicalise', () => {
  it('agrees with an independent JCS implementation, whatever the spelling', () => {
    const json = fc.json({ stringUnit: 'binary' });
    fc.assert(
      fc.property(json, fc.boolean(), (text, spaced) => {
        const written = spaced ? JSON.stringify(JSON.parse(text), null, 3) : text;
        const value: unknown = JSON.parse(written);
        expect(canonicalise(written)?.whole).toBe(canonicalize(value));
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['12345678901234567890', '12345678901234567890'],
    ['9007199254740993', '9007199254740993'],
    ['9007199254740992', '9007199254740992'],
    ['1.0', '1'],
    ['-0', '0'],
    ['0.1', '0.1'],
    ['0.10000000000000000555', '0.10000000000000000555'],
    ['1E2', '100'],
    ['1e400', '1e400'],
    ['1e99999999999999999999999999', '1e99999999999999999999999999'],
    ['1e21', '1e+21'],
    ['123.4500e-1', '12.345'],
  ])('writes the number %s as %s', (text, canonical) => {
    expect(canonicalNumber(text)).toBe(canonical);
    expect(canonicalise(`[${text}]`)?.whole).toBe(`[${canonical}]`);
  });

  it('gives each member of an object by itself, keys sorted', () => {
    expect(canonicalise(' {"b":[1, 2],"a\\u0062":{"z":1,"y":null}} ')).toEqual({
      whole: '{"ab":{"y":null,"z":1},"b":[1,2]}',
      members: [
        ['ab', '{"y":null,"z":1}'],
        ['b', '[1,2]'],
      ],
    });
  });

  it('makes lone surrogates what UTF-8 makes of them', () => {
    expect(canonicalise('"\\ud800x"')?.whole).toBe('"\ufffdx"');
  });

  it.each([
    '',
    '{',
    '[1,]',
    '{"a":1,"a":2}',
    '{"a":1,"\\u0061":2}',
    '01',
    '+1',
    'nul',
    '"\n"',
    '"\\x"',
    '1 2',
    '[1}',
    '{"a"}',
    '"abc',
    '['.repeat(600),
  ])('has no canonical form for %j', (text) => {
    expect(canonicalise(text)).toBeUndefined();
  });
});
