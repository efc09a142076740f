import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readShell, judgeShell, SHELL_CLASSES } from './index.ts';
import { parseShell } from './parser.ts';
import { judge } from './testing.ts';

describe('says what it could not read', () => {
  it.each([
    ['if', /not shell/],
    ['echo "', /not shell/],
    ['echo $(', /not shell/],
    ['a\0b', /NUL/],
    ['a'.repeat(65_537), /longer than/],
    ["sh -c 'if'", /not shell/],
  ])('%j', (text, reason) => expect(judge(text).unparsed).toMatch(reason));

  it('keeps what was found before', () => {
    const facts = judge("rm -rf x; sh -c 'if'");
    expect(facts.destructive).toBe(true);
    expect(facts.unparsed).toMatch(/not shell/);
  });

  it('reads the next text as if nothing had happened', () => {
    for (const broken of ['if', '('.repeat(3_000), '$('.repeat(1_900), ')', '"', '<<x', '((']) {
      readShell(broken, parseShell);
      expect(readShell('ls -l', parseShell).commands.map(({ argv }) => argv)).toEqual([['ls', '-l']]);
    }
  });

  it('leaves the globals the library overwrites as they were', () => {
    expect((Error as { stackTraceLimit?: number }).stackTraceLimit).toBeLessThan(1_000);
  });
});

describe('hostile texts end in bounded work', () => {
  it('of a find that runs a find that runs a find', () => {
    const start = performance.now();
    judge('find -exec '.repeat(5_900));
    expect(performance.now() - start).toBeLessThan(2_000);
  });

  it.each([
    ['brackets', '('.repeat(65_536)],
    ['substitutions 1,000 deep', `${'$('.repeat(1_000)}ls${')'.repeat(1_000)}`],
    ['backticks', '`'.repeat(65_536)],
    ['10,000 commands', 'ls;'.repeat(10_000)],
    ['a long pipeline', `${'a|'.repeat(20_000)}a`],
    ['wrappers', `${'sudo '.repeat(10_000)}ls`],
    ['evals', `${'eval '.repeat(5_000)}ls`],
    ['many evals', 'eval ls;'.repeat(1_000)],
    ['doubling text', `a=xxxxxxxxxxxxxxxx;${'a=$a$a;'.repeat(1_000)}$a`],
    ['growing text', `a=${'a'.repeat(30_000)};b=\${a//a/bbbbbbbbbb};c=\${b//b/cccccccccc};$c`],
    ['cases', `${'[[ ('.repeat(10_000)}`],
  ])('%s', (_, text) => {
    const reading = readShell(text, parseShell);
    expect(reading.unparsed).toMatch(/./);
    expect(judgeShell(reading).unparsed).toBe(reading.unparsed);
  });

  it.each([
    ['a brace bomb', `echo ${'{a,b}'.repeat(200)}`],
    ['open braces', `echo ${'{'.repeat(60_000)}`],
    ['quoted blanks', `curl '${' '.repeat(60_000)}'`],
    ['find with many programs', `find . ${'-exec ls {} + '.repeat(50)}`],
    ['Windows blocks', `Remove-Item ${'{'.repeat(10_000)}`],
  ])('%s is read', (_, text) => expect(judge(text).programs.length).toBeGreaterThan(0));

  it('does not know the command word of a brace bomb', () => {
    expect(judge('{a,b}'.repeat(200)).dynamic).toBe(true);
  });
});

describe('properties', () => {
  it('never throws, whatever the text', () => {
    const bits = fc.constantFrom(
      'rm',
      ' ',
      '-rf',
      '$',
      '(',
      ')',
      '`',
      '"',
      "'",
      '\\',
      '{',
      '}',
      ',',
      '|',
      '&',
      ';',
      '\n',
      '<',
      '>',
      '<<E',
      'E',
      '#',
      'if',
      'then',
      'fi',
      'for',
      'do',
      'done',
      '[[',
      ']]',
      '((',
      '))',
      '=',
      'a',
      '*',
      '?',
      '!',
      '~',
      '%',
      '^',
      '@',
      'sh -c',
      'eval',
      'sudo',
      'é',
      '\ud800',
      '😀',
      '${a:-b}',
      '$@',
      'cmd /c',
      'iex',
      'xargs',
      'find . -exec',
      'Remove-Item',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(bits, { maxLength: 30 }).map((all) => all.join('')),
        ),
        (text) => {
          const facts = judge(text);
          expect(typeof facts.destructive).toBe('boolean');
        },
      ),
      { numRuns: 1_500 },
    );
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { maxLength: 6 }), (argv) => {
        expect(typeof judge(argv).dynamic).toBe('boolean');
      }),
    );
  });

  it('quotes around letters of the command word change nothing', () => {
    const quoting = fc.constantFrom<(letter: string) => string>(
      (letter) => letter,
      (letter) => `\\${letter}`,
      (letter) => `'${letter}'`,
      (letter) => `"${letter}"`,
      (letter) => `${letter}""`,
      (letter) => `$'\\x${letter.charCodeAt(0).toString(16)}'`,
      (letter) => `$(echo ${letter})`,
      (letter) => `{${letter},${letter}}`.slice(1, 2),
    );
    const command = fc.constantFrom(
      'rm -rf x',
      'ls -l',
      'sudo rm -rf x',
      'shred x',
      'curl x',
      'echo hello',
      'git push -f',
      'find . -delete',
    );
    fc.assert(
      fc.property(command, fc.array(quoting, { minLength: 6, maxLength: 6 }), (text, quotes) => {
        const end = text.indexOf(' ');
        const word = Array.from(text.slice(0, end), (letter, index) => quotes[index % quotes.length]!(letter)).join('');
        const [plain, hidden] = [judge(text), judge(word + text.slice(end))];
        expect(SHELL_CLASSES.filter((name) => hidden[name])).toEqual(SHELL_CLASSES.filter((name) => plain[name]));
        expect(hidden.dynamic).toBe(plain.dynamic);
      }),
      { numRuns: 300 },
    );
  });
});
