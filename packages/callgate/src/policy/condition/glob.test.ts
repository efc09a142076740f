import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileGlob, globTokens, matchTokens } from './glob.ts';
import { compilePattern } from './pattern.ts';

describe('a glob', () => {
  test.each([
    ['read_*', 'read_file', true],
    ['read_*', 'read_', true],
    ['read_*', 'Read_file', false],
    ['*_file', 'read_file', true],
    ['*_file', 'read_files', false],
    ['*a*', 'xxaxx', true],
    ['*', '', true],
    ['a?c', 'abc', true],
    ['a?c', 'ac', false],
    ['a?c', 'a😀c', true],
    ['a*c', 'a/b/../c', true],
    ['file:///p/*', 'file:///p/a/b', true],
    ['a\\*c', 'a*c', true],
    ['a\\*c', 'abc', false],
    ['**', 'anything', true],
    ['a**b*', 'axxb', true],
    ['.', 'x', false],
  ])('%s on %j is %s', (glob, text, matches) => {
    expect(compileGlob(glob).test(text)).toBe(matches);
  });

  test('agrees with a naive matcher on every short pattern and text', () => {
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 });
    const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 10 });
    fc.assert(
      fc.property(pattern, text, (glob, subject) => compileGlob(glob).test(subject) === naive(glob, subject)),
      { numRuns: 2_000 },
    );
  });

  test('takes steps in proportion to pattern and text on a hostile pattern', () => {
    let steps = 0;
    const text = 'a'.repeat(60);
    expect(matchTokens(globTokens('*a*a*a*a*a*a*a*a*b'), text, () => steps++)).toBe(false);
    expect(steps).toBeLessThan(18 * text.length);
  });

  test('does not load with a lone backslash at its end or beyond its bound', () => {
    expect(() => compileGlob('a\\')).toThrow(/backslash/);
    expect(() => compileGlob('a'.repeat(1_001))).toThrow(/1000/);
  });
});

describe('a pattern', () => {
  test('answers on a text that hangs a backtracking engine', () => {
    expect(compilePattern('^(a+)+$').test(`${'a'.repeat(5_000)}!`)).toBe(false);
    expect(compilePattern('(a+)+$').test('a'.repeat(48))).toBe(true);
  });

  test('is unanchored and replaces literally', () => {
    expect(compilePattern('b+').test('abbbc')).toBe(true);
    expect(compilePattern('b(b)').replace('abbc', '$1\\')).toBe('a$1\\c');
  });

  test.each([
    ['(?=a)', /lookahead/],
    ['(?!a)', /lookahead/],
    ['(?<=a)b', /lookbehind/],
    ['(?<!a)b', /lookbehind/],
    ['(a)\\1', /back-references/],
    ['a++', /possessive/],
    ['(?>a)', /atomic/],
    ['[', /missing closing/],
    ['', /empty/],
    ['(a{1000}){1000}', /repeat/],
    ['a'.repeat(2_001), /2000/],
  ])('%s does not load and says why', (source, why) => {
    expect(() => compilePattern(source)).toThrow(why);
  });
});

function naive(glob: string, text: string): boolean {
  if (glob === '') return text === '';
  if (glob[0] === '*') return naive(glob.slice(1), text) || (text !== '' && naive(glob, text.slice(1)));
  return text !== '' && (glob[0] === '?' || glob[0] === text[0]) && naive(glob.slice(1), text.slice(1));
}
