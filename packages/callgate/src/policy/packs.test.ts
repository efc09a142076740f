import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type CaseFile, readCases } from './tools/cases.ts';
import { CASE_VARIABLES, coverageOf, callsOf, runCases } from './tools/cases-run.ts';
import { type CompiledPolicy, compilePolicy, type CompileOptions, type PolicySource } from './compile.ts';
import { loadReaders } from './condition/engines.ts';
import type { FindInclude } from './includes.ts';
import { lint } from './tools/lint.ts';
import { mutate } from './tools/mutate-run.ts';
import { callOf, OPTIONS } from './testing.ts';

const directory = new URL('../../../../policies/', import.meta.url);
const textOf = (file: string): string => readFileSync(new URL(file, directory), 'utf8');
const files = (readdirSync(directory, { recursive: true }) as string[])
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => file.endsWith('.yaml'))
  .toSorted();
const packs = files.filter((file) => !file.endsWith('.test.yaml'));
const casesFileOf = (pack: string): string => pack.replace(/\.yaml$/, '.test.yaml');
const categories = /\b(?:ASI|MCP)(?:0[1-9]|10)\b/g;

const FEWEST_CASES = 8;
const OF_STRICT = 20;
const LEAST_NOTICED = 90;

interface Pack {
  readonly policy: CompiledPolicy;
  /** What the cases name: the pack, and for a guard what allows below it. */
  readonly given: readonly PolicySource[];
  /** Also what these import. */
  readonly sources: readonly PolicySource[];
  readonly cases: CaseFile;
  readonly options: CompileOptions;
}

beforeAll(loadReaders);

test('every pack has its cases, and all cases a pack', () => {
  expect(files.filter((file) => file.endsWith('.test.yaml'))).toEqual(packs.map(casesFileOf).toSorted());
  expect(packs.length).toBeGreaterThanOrEqual(25);
});

test('the README of the packs has a line for each', () => {
  const page = textOf('README.md');
  for (const pack of packs) expect(page).toContain(`| [${pack.replace(/\.yaml$/, '')}](${pack}) |`);
});

test.each(['first', 'deny-overrides'])(
  'the packs that are no whole policies load together, combined by %s',
  (combine) => {
    const whole = ['starter', 'minimal', 'observe', 'allow-list', 'asi-strict', 'defence-in-depth'];
    const imports = packs.filter((name) => !whole.includes(name.replace('.yaml', '')));
    const text = `version: 1\ncombine: ${combine}\nimports: ${JSON.stringify(imports)}\nrules: []`;
    const include: FindInclude = (_from, file) => ({ file, text: textOf(file), sha256: '' });
    expect(compilePolicy([{ file: 'all.yaml', text }], { ...OPTIONS, include }).rules.length).toBeGreaterThan(70);
  },
);

describe.each(packs)('%s', (name) => {
  test('says above the first rule what it is for', () => {
    expect(textOf(name)).toMatch(/^# \S/);
  });

  test('decides its cases as they say, attacks and what must pass', () => {
    const { policy, cases } = load(name);
    const problems = runCases(policy, cases).flatMap(({ case: one, problems }) =>
      problems.map((problem) => `${one.name}: ${problem}`),
    );
    expect(problems).toEqual([]);
    expect(cases.cases.length).toBeGreaterThanOrEqual(name === 'asi-strict.yaml' ? OF_STRICT : FEWEST_CASES);
  });

  test('has no rule that no case matches', () => {
    const { policy, cases } = load(name);
    expect(coverageOf(policy, callsOf(cases)).rules.missed.map((rule) => rule.name)).toEqual([]);
  });

  test('is not broken by a change without its cases noticing', () => {
    const { policy, given, cases, options } = load(name);
    const mutants = mutate(policy, given, [cases], {
      compile: options,
      now: () => performance.now(),
      withinMs: 3_000,
    });
    const survived = mutants.survived.map(({ rule, mutation }) => `${rule.name}: ${mutation.what}`);
    expect(mutants.score, survived.join('\n')).toBeGreaterThanOrEqual(LEAST_NOTICED);
  });

  test('gives the lint no error and no warning', () => {
    const { policy, sources } = load(name, true);
    const found = lint(policy, sources)
      .filter(({ severity }) => severity !== 'note')
      .map(({ code, rule }) => `${code} ${rule}`);
    expect(found).toEqual(name === 'observe.yaml' ? ['LINT-04 observe'] : []);
  });
});

describe('asi-strict.yaml', () => {
  test('has rules and an attack that is not allowed for each of ASI01 to ASI10', () => {
    const { policy, cases } = load('asi-strict.yaml');
    const ids = Array.from({ length: 10 }, (_, index) => `ASI${String(index + 1).padStart(2, '0')}`);
    const tagged = new Set(policy.rules.flatMap((rule) => rule.doc.tags ?? []));
    const attacked = new Set<string>();
    for (const { case: one, decision } of runCases(policy, cases))
      if (decision.effect !== 'allow') for (const id of one.name.match(categories) ?? []) attacked.add(id);
    expect(ids.filter((id) => !tagged.has(id))).toEqual([]);
    expect(ids.filter((id) => !attacked.has(id))).toEqual([]);
  });
});

describe('redact-pii.yaml', () => {
  test.each([
    ['write to Ann.Lee+x@mail.example.co.uk.', 'write to [e-mail].'],
    ['card 4111 1111 1111 1111, thanks', 'card [card], thanks'],
    ['4111-1111-1111-1111 and 5500000000000004', '[card] and [card]'],
    ['amex 378282246310005', 'amex [card]'],
    ['ssn 536-22-8726', 'ssn [ssn]'],
    ['call +49 (0)30 1234 5678 or (415) 555-2671', 'call [phone] or [phone]'],
    ['call +14155552671 or 415-555-2671', 'call [phone] or [phone]'],
    ['order 411111111111 of 2026-11-21 12:30', 'order 411111111111 of 2026-11-21 12:30'],
    ['never 000-22-8726, 666-22-8726, 536-00-8726', 'never 000-22-8726, 666-22-8726, 536-00-8726'],
    [
      'a @ b, 1.2.3.4, 10 + 20, v415.5.2, 41111111111111110000',
      'a @ b, 1.2.3.4, 10 + 20, v415.5.2, 41111111111111110000',
    ],
  ])('turns %j into %j', (text, masked) => {
    const { policy } = load('redact-pii.yaml');
    const { obligations } = policy.decide(callOf({ direction: 'result', args: {} }));
    const patterns = obligations.filter((duty) => duty.kind === 'redact');
    expect(patterns).toHaveLength(4);
    expect(patterns.reduce((rest, { pattern, replacement }) => pattern?.replace(rest, replacement) ?? rest, text)).toBe(
      masked,
    );
  });
});

/** A pack as `callgate policy test` loads it, or `alone`, as `callgate policy lint` does. */
function load(name: string, alone = false): Pack {
  const cases = readCases(casesFileOf(name), textOf(casesFileOf(name)));
  if ('issues' in cases) throw new Error(cases.issues.map(({ line, message }) => `${line}: ${message}`).join('\n'));
  expect(cases.policies[0]).toBe(`./${posix.basename(name)}`);
  const given = (alone ? cases.policies.slice(0, 1) : cases.policies).map((policy) =>
    posix.join(posix.dirname(name), policy),
  );
  const sources: PolicySource[] = given.map((file) => ({ file, text: textOf(file) }));
  const include: FindInclude = (from, file) => {
    const path = posix.join(posix.dirname(from), file);
    const found = { file: path, text: textOf(path), sha256: '' };
    if (!sources.some((source) => source.file === path)) sources.push(found);
    return found;
  };
  const options = { ...OPTIONS, variables: { ...CASE_VARIABLES, ...cases.variables }, include };
  const asked = sources.slice();
  return { policy: compilePolicy(asked, options), given: asked, sources, cases, options };
}
