import { expect, it } from 'vitest';
import { compilePattern } from '../condition/pattern.ts';
import { type Dialect, quotePattern, toRe2 } from './regex.ts';

it('keeps what a pattern of another engine matches', () => {
  const cases: readonly [Dialect, string, readonly string[], readonly string[]][] = [
    ['js', String.raw`^\w+\s\d$`, ['ab 1', 'a\u00a01'], ['é 1', 'a 1\n', 'a ١']],
    ['js', String.raw`[\s\S]x`, ['\nx'], ['x']],
    ['js', String.raw`a[^]b`, ['a\nb'], ['ab']],
    ['js', String.raw`\u0041\x42\cJ`, ['AB\n'], ['u0041']],
    ['js', String.raw`(?<name>a)\/`, ['a/'], ['a']],
    ['js', 'x{,2}', ['x{,2}'], ['xx']],
    ['js', '[[]a{', ['[a{'], ['a{']],
    ['js', '${HOME}', [], ['${HOME}', 'HOME']],
    ['python', 'a$', ['a', 'a\n'], ['a\nb', 'ab']],
    ['python', String.raw`a\Z`, ['a'], ['a\n']],
    ['python', String.raw`^\d{,2}\w$`, ['1٢é', '1'], ['1-']],
    ['python', String.raw`[]x]`, [']', 'x'], ['y']],
    ['python', '(?P<n>a)(?#note)b', ['ab'], ['a']],
    ['python', '(?i)ab', ['AB'], ['A']],
    ['rust', String.raw`^\d+\s\x{41}$`, ['٣ A'], ['x A']],
    ['rust', '[[:alpha:]_]+x', ['a_x'], ['1']],
    ['rust', String.raw`\p{Greek}`, ['α'], ['a']],
  ];
  for (const [dialect, source, matching, others] of cases) {
    const pattern = compilePattern(toRe2(source, dialect));
    for (const text of matching) expect(pattern.test(text), `${source} on ${JSON.stringify(text)}`).toBe(true);
    for (const text of others) expect(pattern.test(text), `${source} on ${JSON.stringify(text)}`).toBe(false);
  }
});

it('refuses what RE2 cannot say', () => {
  const cases: readonly [Dialect, string][] = [
    ['js', '(?=a)'],
    ['js', '(?<!a)b'],
    ['js', String.raw`(a)\1`],
    ['js', String.raw`(?<n>a)\k<n>`],
    ['js', '(?i)a'],
    ['js', '[]'],
    ['js', String.raw`\p{L}`],
    ['js', 'a\\'],
    ['js', '(a'],
    ['python', '(?P=n)'],
    ['python', '(?(1)a|b)'],
    ['python', '(?>a)'],
    ['python', '(?x) a b'],
    ['python', 'a++'],
    ['python', String.raw`\q`],
    ['rust', '[a&&b]'],
    ['rust', '[a[bc]]'],
    ['rust', String.raw`\b{start}`],
    ['rust', '[a'],
    ['rust', '(a{1000}){1000}'],
  ];
  for (const [dialect, source] of cases) expect(() => toRe2(source, dialect), source).toThrow(/./);
});

it('quotes a text so that it matches itself only', () => {
  const text = String.raw`a.b*c?[d]{e}(f)|^$\-/g`;
  const pattern = compilePattern(`^${quotePattern(text)}$`);
  expect([pattern.test(text), pattern.test(`${text}x`)]).toEqual([true, false]);
});
