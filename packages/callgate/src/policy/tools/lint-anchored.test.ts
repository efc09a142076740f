import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compilePattern } from '../condition/pattern.ts';
import { isAnchored } from './lint-anchored.ts';

describe('a pattern for the whole text', () => {
  test.each([
    '^a$',
    '\\Aa\\z',
    '^a\\z',
    '\\A/srv/[a-z]+\\z',
    '^\\\\\\z',
    '(?i)^a$',
    '(?i:^a$)',
    '(\\Adel\\z)',
    '(?:^a$)',
    '(?P<name>^a$)',
    '^a$|^b$',
    '\\Aa\\z|\\Ab\\z',
    '(?:^a$|(?:\\Ab\\z))',
    '^(?:a|b)$',
    '^[|]$',
    '^[]|]$',
    '^[[:alpha:]|]$',
    '^\\Qa|b\\E$',
    '(?m)\\Aa\\z',
    '^a\\|b$',
  ])('is %s', (pattern) => expect(isAnchored(pattern)).toBe(true));

  test.each([
    'a',
    '^a',
    'a$',
    '^a|b$',
    '^a$|b',
    '^a\\$',
    '^a\\\\z',
    '^a\\\\\\$',
    '^get\\\\z',
    '(?m)^a$',
    '(?m:^a$)',
    '^a$|(?m)\\Aa\\z|^b$',
    '^(?m)a$',
    '^(?:a$)b',
    '(^a$)?',
    '(^a)|(b$)',
    '(^a)(b$)|c',
    '^\\Qa$',
    '^[a$',
    '',
  ])('is not %s', (pattern) => expect(isAnchored(pattern)).toBe(false));

  test('never matches a text with more around it', () => {
    const piece = fc.constantFrom(
      '^',
      '$',
      '\\A',
      '\\z',
      'a',
      'b',
      '|',
      '(',
      ')',
      '(?:',
      '[ab]',
      '\\',
      'Q',
      '\\E',
      '(?m)',
      '*',
      '[',
      ']',
      '(?i)',
    );
    const patterns = fc.array(piece, { minLength: 2, maxLength: 10 }).map((parts) => parts.join(''));
    const around = fc.constantFrom('x', '\n', 'x\n', '\nx');
    fc.assert(
      fc.property(
        patterns,
        around,
        around,
        fc.constantFrom('', 'a', 'ab', 'b', 'ba'),
        (pattern, before, after, inner) => {
          if (!isAnchored(pattern)) return;
          try {
            const compiled = compilePattern(pattern);
            // What it says of the whole text is its own affair: no letter of it is x or a line's end.
            expect(compiled.test(`${before}${inner}${after}`)).toBe(false);
          } catch (error) {
            if (!(error instanceof SyntaxError)) throw error;
          }
        },
      ),
      { numRuns: 3_000 },
    );
  });
});
