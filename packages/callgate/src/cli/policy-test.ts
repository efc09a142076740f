import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { includesOnDisk } from '../config/includes.ts';
import { type CaseFile, readCases } from '../policy/tools/cases.ts';
import {
  CASE_VARIABLES,
  callsOf,
  type CaseResult,
  type Coverage,
  coverageOf,
  runCases,
} from '../policy/tools/cases-run.ts';
import type { CompiledPolicy, CompileOptions, Issue, PolicySource } from '../policy/index.ts';
import { type Mutants, mutate, type Survivor } from '../policy/tools/mutate-run.ts';
import { openPlaces } from '../policy/document/places.ts';
import { shownCall } from './policy-search.ts';
import { loadEngines } from '../policy/index.ts';
import { complain, compileSources, readSources, sha256 } from './policy-files.ts';
import { EXIT, flagValue, type Io, parseFlags, printable } from './terminal.ts';

/**
 * `callgate policy test [<file>...] [--coverage] [--min <percent>] [--json]`: runs the cases of policies. A policy stands
 * for the file of cases beside it, `<name>.test.yaml`; without a file, ./policy.test.yaml. With `--coverage` (and `--min`)
 * it also breaks the policy in every small way and says which changes no case notices.
 * @returns 1 when a case fails or less than `--min` of the changes were noticed, 2 when something does not load
 */
export async function policyTest(argv: readonly string[], io: Io): Promise<number> {
  const { words, values, switches } = parseFlags(argv, { coverage: true, min: 'percent', json: true });
  const min = percentOf(values['min']);
  const asJson = switches.has('json');
  const names = (words.length === 0 ? ['policy.test.yaml'] : words).map(caseFileOf);
  const files = readCaseFiles(names, io);
  if ('issues' in files) return complain(files, names, asJson, io);

  const suites: Suite[] = [];
  for (const [key, group] of grouped(files.files, io)) {
    const loaded = load(group, io);
    if ('issues' in loaded) return complain(loaded, names, asJson, io);
    await loadEngines(loaded.policy);
    const results = group.flatMap((file) => runCases(loaded.policy, file));
    const isGood = results.every(({ problems }) => problems.length === 0);
    const measured =
      isGood && (switches.has('coverage') || min !== undefined)
        ? {
            coverage: coverageOf(loaded.policy, group.flatMap(callsOf)),
            mutants: mutate(loaded.policy, loaded.given, group, {
              compile: loaded.options,
              now: () => performance.now(),
              withinMs: MUTATION_MS,
            }),
          }
        : undefined;
    suites.push({ policies: key, sources: loaded.sources, results, measured });
  }
  io.stdout.write(asJson ? `${jsonOf(suites)}\n` : `${printable(textOf(suites, min))}\n`);
  const isFailed = suites.some(
    ({ results, measured }) =>
      results.some(({ problems }) => problems.length > 0) ||
      (min !== undefined && (measured?.mutants.score ?? 0) < min),
  );
  return isFailed ? EXIT.failed : EXIT.ok;
}

/** How long to look for calls that tell unnoticed changes apart. */
const MUTATION_MS = 20_000;

/** The cases of one policy. */
interface Suite {
  readonly policies: string;
  readonly sources: readonly PolicySource[];
  readonly results: readonly CaseResult[];
  readonly measured: { readonly coverage: Coverage; readonly mutants: Mutants } | undefined;
}

function percentOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^[0-9]{1,3}(?:\.[0-9]+)?$/.test(text) && value <= 100) return value;
  throw flagValue(`--min is "${text}".`, 'Give percent, such as --min 90.');
}

/** The file beside a policy, unless the word names a file of cases. */
function caseFileOf(word: string): string {
  return /\.test\.(?:ya?ml|json)$/.test(word) ? word : word.replace(/\.(ya?ml|json)$/, '.test.$1');
}

type Failed = { readonly issues: readonly Issue[]; readonly sources: readonly PolicySource[] };

function readCaseFiles(names: readonly string[], io: Io): { readonly files: readonly CaseFile[] } | Failed {
  const read = readSources(names, io);
  if ('issues' in read) {
    const remedy = 'write the cases of the policy there; docs/policy.md shows how';
    return { ...read, issues: read.issues.map((issue) => ({ ...issue, remedy })) };
  }
  const files: CaseFile[] = [];
  const issues: Issue[] = [];
  for (const { file, text } of read.sources) {
    const cases = readCases(file, text);
    if ('issues' in cases) issues.push(...cases.issues);
    else files.push(cases);
  }
  return issues.length > 0 ? { issues, sources: read.sources } : { files };
}

/** Files of cases by the policies and variables they are for: what one does not cover, another may. */
function grouped(files: readonly CaseFile[], io: Io): ReadonlyMap<string, readonly CaseFile[]> {
  const groups = new Map<string, CaseFile[]>();
  for (const file of files) {
    const key = [...policiesOf(file, io).map(({ name }) => name), ...Object.entries(file.variables).flat()].join(' ');
    groups.set(key, [...(groups.get(key) ?? []), file]);
  }
  return groups;
}

function policiesOf({ file, policies }: CaseFile, io: Io): readonly { readonly name: string; readonly path: string }[] {
  return policies.map((policy) => {
    const name = isAbsolute(policy) ? policy : join(dirname(file), policy);
    return { name, path: resolve(io.cwd, name) };
  });
}

type Suitable = {
  readonly policy: CompiledPolicy;
  readonly sources: readonly PolicySource[];
  /** Without what they include. */
  readonly given: readonly PolicySource[];
  readonly options: CompileOptions;
};

/** The policy of a group of files; variables and paths are those of the file, the same on every machine. */
function load(group: readonly CaseFile[], io: Io): Suitable | Failed {
  const [first] = group as [CaseFile];
  const sources: PolicySource[] = [];
  const issues: Issue[] = [];
  for (const { name, path } of policiesOf(first, io)) {
    try {
      sources.push({ file: name, text: readFileSync(path, 'utf8') });
    } catch {
      const place = { file: first.file, line: 1, column: 1 };
      const remedy = 'policy: names a file relative to the file of cases';
      issues.push({ code: 'CG_POLICY_UNREADABLE', message: `there is no policy ${name}`, remedy, ...place, place });
    }
  }
  if (issues.length > 0) return { issues, sources };
  const options: CompileOptions = {
    variables: { ...CASE_VARIABLES, ...first.variables },
    sha256,
    include: includesOnDisk({ cwd: io.cwd }),
  };
  const loaded = compileSources(sources, options);
  return 'policy' in loaded ? { ...loaded, given: sources, options } : loaded;
}

function textOf(suites: readonly Suite[], min: number | undefined): string {
  const lines: string[] = [];
  for (const { policies, sources, results, measured } of suites) {
    const failed = results.filter(({ problems }) => problems.length > 0);
    for (const { case: one, decision, problems } of failed) {
      const { file, line, column } = one.place;
      const by = problems.some((problem) => problem.startsWith('expected rule')) ? '' : ` (by ${decision.rule})`;
      lines.push(`${file}:${line}:${column}: ${one.name}: ${problems.join('; ')}${by}`);
    }
    const passed = `${results.length - failed.length} of ${count(results.length, 'case')} passed`;
    lines.push(`${failed.length === 0 ? 'ok' : 'failed'}: ${policies}: ${passed}`);
    if (measured !== undefined) lines.push(...measuredLines(measured.coverage, measured.mutants, sources, min));
    else if (min !== undefined) lines.push('not measured: mutations are tried when all cases pass');
  }
  return lines.join('\n');
}

function measuredLines(
  { rules, atoms }: Coverage,
  { killed, survived, equivalent, score }: Mutants,
  sources: readonly PolicySource[],
  min: number | undefined,
): readonly string[] {
  const writtenOf = openPlaces(sources);
  const covered = (total: number, missed: number): string => `${total - missed} of ${total}`;
  const lines = [
    `  rules matched by some case: ${covered(rules.total, rules.missed.length)}`,
    ...rules.missed.map((rule) => `    ${placeText(writtenOf(rule)?.at())}: ${rule.name} never matches`),
    `  conditions seen true and false: ${covered(atoms.total, atoms.missed.length)}`,
    ...atoms.missed.map(({ rule, atom, never }) => {
      const place = placeText(writtenOf(rule)?.atNode(atom.path));
      return `    ${place}: ${rule.name}: ${atom.text} is never ${never.join(' or ')}`;
    }),
    `  changes noticed: ${killed} of ${killed + survived.length} (${shownPercent(score)}%), ${equivalent} more change nothing`,
    ...survived.map((survivor) => {
      const { rule, mutation } = survivor;
      const place = placeText(writtenOf(rule)?.at(...mutation.path));
      return `    ${place}: ${rule.name}: ${mutation.what}: no case notices${exampleOf(survivor)}`;
    }),
  ];
  if (min !== undefined && score < min) lines.push(`  failed: ${shownPercent(score)}% is less than ${min}%`);
  return lines;
}

/** Never rounded up to a goal that was missed. */
function shownPercent(score: number): string {
  return String(Math.floor(score * 10) / 10);
}

function exampleOf({ witness }: Survivor): string {
  if (witness === undefined) return '';
  const [before, after] = witness.outcomes;
  const { effect: _effect, rule: _rule, ...call } = shownCall(witness);
  return `; this call tells: ${JSON.stringify(call)} (${before?.effect}, then ${after?.effect})`;
}

function placeText(
  place: { readonly file: string; readonly line: number; readonly column: number } | undefined,
): string {
  return place === undefined ? '?' : `${place.file}:${place.line}:${place.column}`;
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`;
}

function jsonOf(suites: readonly Suite[]): string {
  const ok = suites.every(({ results }) => results.every(({ problems }) => problems.length === 0));
  return JSON.stringify({
    ok,
    suites: suites.map(({ policies, sources, results, measured }) => {
      const writtenOf = openPlaces(sources);
      return {
        policies,
        cases: results.map(({ case: one, decision, problems }) => ({
          name: one.name,
          place: one.place,
          ok: problems.length === 0,
          problems,
          effect: decision.effect,
          rule: decision.rule,
          reason: decision.reason,
        })),
        ...(measured === undefined
          ? {}
          : {
              rules: {
                total: measured.coverage.rules.total,
                missed: measured.coverage.rules.missed.map(({ name }) => name),
              },
              conditions: {
                total: measured.coverage.atoms.total,
                missed: measured.coverage.atoms.missed.map(({ rule, atom, never }) => ({
                  rule: rule.name,
                  text: atom.text,
                  never,
                })),
              },
              mutants: {
                killed: measured.mutants.killed,
                equivalent: measured.mutants.equivalent,
                score: measured.mutants.score,
                survived: measured.mutants.survived.map(({ rule, mutation }) => ({
                  rule: rule.name,
                  what: mutation.what,
                  place: writtenOf(rule)?.at(...mutation.path),
                })),
              },
            }),
      };
    }),
  });
}
