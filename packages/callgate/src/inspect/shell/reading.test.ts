import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readShell } from './index.ts';
import { parseShell } from './parser.ts';
import { judge, claims } from './testing.ts';

describe('an argv', () => {
  it.each([
    [
      ['rm', '-rf', '/'],
      ['destructive', 'writes'],
    ],
    [['echo', 'rm -rf /'], []],
    [['echo', '$(rm -rf /)', ';', 'rm', '-rf', '/'], []],
    [
      ['sh', '-c', 'rm -rf x'],
      ['destructive', 'writes'],
    ],
    [
      ['C:\\Windows\\System32\\cmd.exe', '/c', 'rd /s /q C:\\x'],
      ['destructive', 'writes'],
    ],
    [[], []],
  ])('%j', (argv, expected) => expect(claims(argv)).toEqual(expected));

  it('equals its quoted command line', () => {
    const word = fc.oneof(
      fc.constantFrom(
        'rm',
        '-rf',
        'sudo',
        'sh',
        '-c',
        'rm -rf x',
        'curl',
        'env',
        'A=1',
        'find',
        '-exec',
        ';',
        '{}',
        'git',
        'push',
        '-f',
        '/',
        '~',
        'xargs',
        'echo',
        '*',
      ),
      fc.string({ unit: fc.constantFrom('a', 'b', ' ', '$', '"', "'", '\\', '`', ';', '|', '-', '/', '{', ',', '}') }),
    );
    fc.assert(
      fc.property(
        fc.constantFrom('rm', 'sudo', 'sh', 'find', 'ls', 'git', 'env', 'curl'),
        fc.array(word, { maxLength: 6 }),
        (program, rest) => {
          const argv = [program, ...rest];
          const line = argv.map((item) => `'${item.replaceAll("'", "'\\''")}'`).join(' ');
          const [a, b] = [readShell(argv, parseShell), readShell(line, parseShell)];
          expect(b.commands).toEqual(a.commands);
          expect(b.dynamic).toBe(a.dynamic);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('a reading', () => {
  it('names wrappers, pipes, redirections and substitutions', () => {
    const { commands } = readShell('sudo cat "$x" 2> err | tee /tmp/$y $(date)', parseShell);
    expect(
      commands.map(({ program, argv, via, pipedFrom, inSubstitution }) => [
        program,
        argv,
        via,
        pipedFrom,
        inSubstitution,
      ]),
    ).toEqual([
      ['cat', ['cat', undefined], ['sudo'], undefined, false],
      ['date', ['date'], [], [0], true],
      ['tee', ['tee', undefined, undefined], [], [0], false],
    ]);
    expect(commands[0]!.redirects).toMatchObject([{ op: '>', target: 'err' }]);
  });

  it('lists every program, wrappers too', () => {
    expect(judge("sudo env A=1 sh -c 'ls | wc -l'").programs).toEqual(['env', 'ls', 'sh', 'sudo', 'wc']);
  });

  it('gives the reason and the command for each claim', () => {
    expect(judge('ls; rm -rf x').evidence).toContainEqual({
      class: 'destructive',
      command: 1,
      why: 'deletes recursively',
    });
  });
});

const CORPUS = '/work/shared/datasets/commands-nl2bash.jsonl.gz';
describe('everyday commands of others', () => {
  it.skipIf(!existsSync(CORPUS))(
    'are rarely called destructive (skipped without the corpus)',
    () => {
      const cases = gunzipSync(readFileSync(CORPUS))
        .toString()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as { group: string; args: { command: string } });
      const plain = cases.filter(({ group }) => group === 'plain').map(({ args }) => judge(args.command));
      const share = (name: 'destructive' | 'dynamic' | 'reverseShell' | 'downloadAndRun') =>
        plain.filter((facts) => facts[name]).length / plain.length;
      expect(plain.length).toBeGreaterThan(6_000);
      expect(share('destructive')).toBeLessThan(0.002);
      expect(share('reverseShell') + share('downloadAndRun')).toBeLessThan(0.001);
      expect(share('dynamic')).toBeLessThan(0.03);
    },
    30_000,
  );
});
