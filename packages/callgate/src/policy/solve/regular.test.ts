import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compilePattern } from '../condition/pattern.ts';
import { languageOf } from './pattern-language.ts';
import { Unmodelled } from './pattern-parts.ts';
import { accepts, Algebra, exampleOf } from './regular.ts';

const find = (pattern: string) => {
  const algebra = new Algebra();
  return { algebra, language: languageOf(pattern, algebra) };
};

describe('the language of a pattern', () => {
  it.each([
    ['rm\\s+-rf', ['rm -rf', 'x rm \t-rf /', 'rm-rf', 'rm  -fr']],
    ['^/safe/', ['/safe/x', '/safe/../y', 'x/safe/', '/safe']],
    ['(?i)DROP|delete$', ['drop table', 'DELETE', 'delete x', 'ſ']],
    ['\\brm\\b', ['rm', 'a rm b', 'arm', 'rms', 'x;rm;', 'rm_']],
    ['a{2,3}?b*', ['a', 'aa', 'aaab', 'caad']],
    ['[^a-c\\d]x', ['ax', 'dx', '1x', '-x', '\nx']],
    ['[[:alpha:]]+\\.(?:com|org)$', ['a.com', 'a.com\n', '1.org', 'x.orgs']],
    ['a\\b-', ['a-', 'ab', 'xa--']],
    ['\\Qa.b\\E|^$', ['a.b', 'axb', '', ' ']],
    ['(?s)a.b', ['a\nb', 'ab']],
    ['a.b', ['a\nb', 'axb']],
  ])('is what the engine finds: %s', (pattern, texts) => {
    const { algebra, language } = find(pattern);
    const engine = compilePattern(pattern);
    for (const text of texts) expect([text, accepts(algebra, language, text)]).toEqual([text, engine.test(text)]);
  });

  it.each(['\\pL', '(?m)^a', 'x*\\bx*', 'a$b', '(?i)é'])('is not modelled: %s', (pattern) => {
    expect(() => find(pattern)).toThrow(Unmodelled);
  });

  const piece = fc.oneof(
    fc.constantFrom('a', 'b', 'c', '.', '\\d', '\\w', '\\s', '[ab]', '[^a]', '\\b', '(?:a|b)', '(?:ab|c)', '(?i:A)'),
    fc
      .tuple(fc.constantFrom('a', '[bc]', '(?:ab)', '.'), fc.constantFrom('*', '+', '?', '{2}', '{1,2}'))
      .map((p) => p.join('')),
  );
  const pattern = fc
    .tuple(
      fc.constantFrom('', '^', '\\b'),
      fc.array(piece, { minLength: 1, maxLength: 5 }),
      fc.constantFrom('', '$', '\\b'),
    )
    .map(([before, pieces, after]) => before + pieces.join('') + after);
  const text = fc
    .array(fc.constantFrom('a', 'b', 'c', 'A', '1', ' ', '-', '\n'), { maxLength: 8 })
    .map((c) => c.join(''));

  it('agrees with the engine on any text', () => {
    fc.assert(
      fc.property(
        fc.array(pattern, { minLength: 1, maxLength: 3 }),
        fc.array(text, { maxLength: 6 }),
        (parts, texts) => {
          const source = parts.join('|');
          let found;
          try {
            found = find(source);
          } catch (error) {
            expect(error).toBeInstanceOf(Unmodelled);
            return;
          }
          const engine = compilePattern(source);
          for (const one of texts) expect(accepts(found.algebra, found.language, one)).toBe(engine.test(one));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('has an example in it, or none at all', () => {
    fc.assert(
      fc.property(pattern, pattern, (yes, no) => {
        const algebra = new Algebra();
        let language;
        try {
          language = algebra.and(languageOf(yes, algebra), algebra.not(languageOf(no, algebra)));
        } catch {
          return;
        }
        const example = exampleOf(algebra, language);
        if (example === undefined) return;
        expect([compilePattern(yes).test(example), compilePattern(no).test(example)]).toEqual([true, false]);
      }),
      { numRuns: 300 },
    );
  });

  it.each<[string, string, string | undefined]>([
    ['rm\\s+-rf', 'rm\\s', undefined],
    ['rm\\s+-[rf]{2}', 'rm -rf', 'rm -ff'],
    ['^/safe/', '\\.\\.', '/safe/'],
    ['^/safe/.*/\\.\\./', '^/safe/', undefined],
  ])('%s without %s', (yes, no, example) => {
    const algebra = new Algebra();
    const found = exampleOf(algebra, algebra.and(languageOf(yes, algebra), algebra.not(languageOf(no, algebra))));
    if (example === undefined) expect(found).toBeUndefined();
    else expect(found).toBeTypeOf('string');
  });
});
