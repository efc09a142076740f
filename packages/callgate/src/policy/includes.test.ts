import { describe, expect, test } from 'vitest';
import { compilePolicy } from './compile.ts';
import type { FindInclude } from './includes.ts';
import { PolicyError } from './document/issue.ts';
import { loadPolicy } from './load.ts';
import { callOf, OPTIONS } from './testing.ts';

type Files = Readonly<Record<string, string>>;

const rule = (id: string, effect: string, tool = id): string =>
  ` - {id: ${id}, match: {tool: ${tool}}, effect: ${effect}}\n`;
const policy = (head: string, ...rules: readonly string[]): string =>
  `version: 1\n${head}rules:${rules.length === 0 ? ' []' : `\n${rules.join('')}`}`;

const finding =
  (files: Files): FindInclude =>
  (_from, name) => {
    const text = Object.hasOwn(files, name) ? files[name] : undefined;
    return text === undefined
      ? { refused: `${name} is not there`, remedy: 'write it' }
      : { file: name, text, sha256: OPTIONS.sha256(text) };
  };

function compiled(text: string, files: Files) {
  return compilePolicy([{ file: 'main.yaml', text }], { ...OPTIONS, include: finding(files) });
}

function issuesOf(text: string, files: Files): readonly string[] {
  try {
    compiled(text, files);
    return [];
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    return error.issues.map(({ code, file, line }) => `${code} ${file}:${line}`);
  }
}

describe('a policy that includes others', () => {
  const files = {
    parent: policy(
      'default: allow\nextends: grandparent\nimports: [shared]\n',
      rule('p', 'deny'),
      rule('same', 'deny'),
    ),
    grandparent: policy('combine: first\n', rule('g', 'deny'), rule('same', 'deny', 'other')),
    shared: policy('default: ask\ncombine: deny-overrides\n', rule('s', 'deny')),
    extra: policy('', rule('x', 'deny')),
  };

  test('asks its own rules, then its parent’s, then its imports’, each likewise and every file once', () => {
    const { rules } = compiled(policy('extends: parent\nimports: [extra, shared]\n', rule('m', 'deny')), files);
    expect(rules.map(({ name, file }) => `${name} ${file}`)).toEqual([
      'm main.yaml',
      'p parent',
      'same parent',
      'g grandparent',
      's shared',
      'x extra',
    ]);
  });

  test('replaces a rule of its parent by one with the same id, in its own place', () => {
    const whole = compiled(policy('extends: parent\n', rule('same', 'allow')), files);
    const { rules } = whole;
    expect(rules.map(({ name, file }) => `${name} ${file}`)).toContain('same main.yaml');
    expect(rules.filter(({ name }) => name === 'same')).toHaveLength(1);
    expect(whole.decide(callOf({ tool: 'same' }))).toMatchObject({ effect: 'allow' });
  });

  test('has a default and a way to combine of its own or of its parent, never of an import', () => {
    expect(compiled(policy('extends: parent\n'), files)).toMatchObject({ defaultEffect: 'allow', combine: 'first' });
    expect(compiled(policy('default: ask\nextends: parent\n'), files).defaultEffect).toBe('ask');
    expect(compiled(policy('imports: [shared]\n'), files)).toMatchObject({ defaultEffect: 'deny', combine: 'first' });
  });

  test('may hide rules of what it includes, and not its own', () => {
    expect(issuesOf(policy('extends: parent\n', rule('all', 'allow', '"*"')), files)).toEqual([]);
    expect(issuesOf(policy('', rule('all', 'allow', '"*"'), rule('m', 'deny')), files)).toEqual([
      'CG_POLICY_UNREACHABLE main.yaml:4',
    ]);
  });

  test('has another hash when an included file changes', () => {
    const text = policy('extends: extra\n');
    const changed = { ...files, extra: policy('', rule('x', 'ask')) };
    expect(compiled(text, changed).hash).not.toBe(compiled(text, files).hash);
  });

  test('loads the same from what was remembered of each text', async () => {
    const kept = new Map<string, string>();
    const cache = {
      get: (text: string) => kept.get(text),
      put: (text: string, json: string) => void kept.set(text, json),
    };
    const sources = [{ file: 'main.yaml', text: policy('extends: parent\nimports: [extra]\n', rule('same', 'allow')) }];
    const options = { ...OPTIONS, include: finding(files) };
    const [fresh, remembered] = [await loadPolicy(sources, options, cache), await loadPolicy(sources, options, cache)];
    expect(kept.size).toBe(5);
    expect(remembered.policy.hash).toBe(fresh.policy.hash);
    expect(remembered.policy.rules.map(({ name }) => name)).toEqual(fresh.policy.rules.map(({ name }) => name));
  });
});

describe('what cannot be included', () => {
  const good = policy('', rule('x', 'deny'));
  const hash = (text: string): string => OPTIONS.sha256(text).padStart(64, '0');
  const pinned: FindInclude = (_from, name) => ({ file: name, text: good, sha256: hash(good) });

  test.each<[string, string, Files, readonly string[]]>([
    ['a file that is not there', policy('extends: gone\n'), {}, ['CG_POLICY_INCLUDE main.yaml:2']],
    ['itself', policy('imports: [main.yaml]\n'), { 'main.yaml': good }, ['CG_POLICY_CYCLE main.yaml:2']],
    [
      'a circle, named where it closes',
      policy('extends: a\n'),
      { a: policy('extends: b\n'), b: policy('name: b\nimports: [a]\n') },
      ['CG_POLICY_CYCLE b:3'],
    ],
    [
      'a rule that another file has too',
      policy('imports: [a, b]\n'),
      { a: good, b: good },
      ['CG_POLICY_DUPLICATE_ID b:3'],
    ],
    [
      'a rule that its import has too',
      policy('imports: [a]\n', rule('x', 'deny')),
      { a: good },
      ['CG_POLICY_DUPLICATE_ID a:3'],
    ],
    [
      'a file with mistakes, in its own place',
      policy('extends: a\n'),
      { a: 'version: 1\nrulez: []\n' },
      ['CG_POLICY_UNKNOWN_KEY a:2'],
    ],
    [
      'an own priority where nothing reads it',
      policy('extends: a\n'),
      { a: policy('', rule('x', 'deny, priority: 1')) },
      ['CG_POLICY_PRIORITY a:3'],
    ],
  ])('%s', (_name, text, files, issues) => {
    expect(issuesOf(text, files).toSorted()).toEqual([...issues].toSorted());
  });

  test('a file whose hash is not the one that is pinned', () => {
    const one = (sha256: string) => () =>
      compilePolicy([{ file: 'main.yaml', text: policy(`extends: {file: a, sha256: "${sha256}"}\n`) }], {
        ...OPTIONS,
        include: pinned,
      });
    expect(one(`sha256:${hash(good).toUpperCase()}`)().rules).toHaveLength(1);
    expect(one('0'.repeat(63).concat('1'))).toThrow(/a has the hash .*, not the one/);
    expect(one('12')).toThrow(/cannot be "12"/);
  });

  test('more files, deeper includes or more text than a policy may have', () => {
    const many = Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`f${n}`, policy('', rule(`r${n}`, 'deny'))]));
    const all = (count: number): string => policy(`imports: [${Object.keys(many).slice(0, count).join(', ')}]\n`);
    expect(issuesOf(all(63), many)).toEqual([]);
    expect(issuesOf(all(64), many)).toEqual(['CG_POLICY_INCLUDE_LIMIT main.yaml:2']);

    const chain = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`c${n}`, policy(`extends: c${n + 1}\n`)]));
    expect(issuesOf(policy('extends: c0\n'), chain)).toEqual(['CG_POLICY_INCLUDE_LIMIT c15:2']);

    const big = `${good}# ${'x'.repeat(1_000_000)}`;
    const bigs = Object.fromEntries(
      Array.from({ length: 5 }, (_, n) => [`b${n}`, big.replaceAll('x,', `x${n},`).replace('id: x', `id: x${n}`)]),
    );
    expect(issuesOf(policy('imports: [b0, b1, b2, b3, b4]\n'), bigs)).toEqual(['CG_POLICY_INCLUDE_LIMIT main.yaml:2']);
  });

  test('anything, where nobody says how to find files', () => {
    expect(() => compilePolicy([{ file: 'main.yaml', text: policy('extends: a\n') }], OPTIONS)).toThrow(
      /files cannot be included here/,
    );
  });

  test('files that ask each other for ever', () => {
    const endless: FindInclude = (from) => ({
      file: `${from}x`,
      text: policy('extends: more\nimports: [more]\n'),
      sha256: '',
    });
    const compile = () =>
      compilePolicy([{ file: 'main.yaml', text: policy('extends: a\n') }], { ...OPTIONS, include: endless });
    expect(compile).toThrow(/more than 16 deep/);
  });
});

test('a policy of very many rules is refused before it is compiled, wherever its rules stand', () => {
  const half = (prefix: string): string =>
    policy(
      '',
      ...Array.from({ length: 10_001 }, (_, index) => ` - {id: ${prefix}${index}, match: {tool: x}, effect: deny}\n`),
    );
  const files = { a: half('a'), b: half('b') };
  expect(issuesOf(policy('imports: [a, b]\n'), files)).toEqual(['CG_POLICY_TOO_LARGE b:3']);
});
