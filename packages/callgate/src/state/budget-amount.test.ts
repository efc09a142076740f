import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { amountText, parseAmount } from './budget-amount.ts';

describe('an amount', () => {
  it.each([
    ['0', '0'],
    ['0.0', '0'],
    ['0e999', '0'],
    ['12.50', '12.5'],
    ['2000', '2000'],
    ['1e3', '1000'],
    ['1E+3', '1000'],
    ['1e21', '1000000000000000000000'],
    ['12.5e-1', '1.25'],
    ['1000e-3', '1'],
    ['1e-30', '0.000000000000000000000000000001'],
    [`1${'0'.repeat(60)}e-40`, '100000000000000000000'],
    [`0.1${'0'.repeat(100)}`, '0.1'],
    ['123456789012345678901234567890.123456789012345678901234567891', undefined],
    ['999999999999999999999999999999', undefined],
  ])('reads %s exactly', (text, plain) => {
    const amount = parseAmount(text);
    expect(typeof amount).toBe('bigint');
    expect(amountText(amount as bigint)).toBe(plain ?? text);
  });

  it.each([
    ['', /empty/],
    ['-1', /negative/],
    ['-0', /negative/],
    ['-1e999', /negative/],
    ['NaN', /no decimal/],
    ['Infinity', /no decimal/],
    ['+1', /no decimal/],
    ['.5', /no decimal/],
    ['5.', /no decimal/],
    ['007', /no decimal/],
    ['0x10', /no decimal/],
    ['1,5', /no decimal/],
    ['1_000', /no decimal/],
    [' 1', /no decimal/],
    ['1\n', /no decimal/],
    ['١', /no decimal/],
    ['1e', /no decimal/],
    ['1e1000', /no decimal/],
    ['1e999999999', /no decimal/],
    ['1e999', /larger than 30 digits/],
    ['1e30', /larger than 30 digits/],
    ['1000000000000000000000000000000', /larger than 30 digits/],
    ['1e-31', /finer than 30 places/],
    ['1e-999', /finer than 30 places/],
    [`0.${'0'.repeat(30)}1`, /finer than 30 places/],
    ['9'.repeat(201), /longer than 200/],
    [5, /type number/],
    [undefined, /type undefined/],
    [null, /type object/],
    [['5'], /type object/],
  ])('is not %j', (text, why) => {
    expect(parseAmount(text)).toMatch(why);
  });

  it('adds without rounding: 0.1 and 0.2 are 0.3', () => {
    expect(amountText((parseAmount('0.1') as bigint) + (parseAmount('0.2') as bigint))).toBe('0.3');
  });

  it('is read back as it was written (property)', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 60n - 1n }), (amount) => {
        expect(parseAmount(amountText(amount))).toBe(amount);
      }),
    );
  });

  it('never reads a text as another number than JSON does (property)', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e29, noNaN: true }), (double) => {
        const amount = parseAmount(String(Math.abs(double)));
        // A double below 1e-30 has no amount; what has one is within the double's own precision.
        if (typeof amount === 'bigint') expect(Number(amountText(amount))).toBe(Math.abs(double));
        else expect(amount).toMatch(/finer|no decimal/);
      }),
    );
  });
});
