import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { includesOnDisk } from '../config/includes.ts';
import { type CaseFile, readCases } from '../policy/tools/cases.ts';
import { CASE_VARIABLES, callsOf, coverageOf, runCases } from '../policy/tools/cases-run.ts';
import type { CompiledPolicy, CompileOptions, Issue, PolicySource } from '../policy/index.ts';
import type { CompiledRule } from '../policy/rule.ts';
import { mutate } from '../policy/tools/mutate-run.ts';
import { loadEngines } from '../policy/index.ts';
import { complain, compileSources, readSources, sha256 } from './policy-files.ts';
import { jsonOf, type Suite, textOf } from './policy-test-text.ts';
import { EXIT, flagValue, type Io, parseFlags, printable } from './terminal.ts';

/**
 * `callgate policy test [<file>...] [--coverage] [--imports] [--min <percent>] [--json]`: runs the cases of policies. A policy stands
 * for the file of cases beside it, `<name>.test.yaml`; without a file, ./policy.test.yaml. With `--coverage` (and `--min`)
 * it also breaks the policy in every small way and says which changes no case notices: the rules of its own files, with
 * `--imports` also those of files that they include.
 * @returns 1 when a case fails or less than `--min` of the changes were noticed, 2 when something does not load
 */
export async function policyTest(argv: readonly string[], io: Io): Promise<number> {
  const { words, values, switches } = parseFlags(argv, { coverage: true, imports: true, min: 'percent', json: true });
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
    const own = new Set(loaded.given.map(({ file }) => file));
    const isMeasured = ({ file }: CompiledRule): boolean => switches.has('imports') || own.has(file);
    const isAsked = switches.has('coverage') || min !== undefined;
    const isGood = results.every(({ problems }) => problems.length === 0);
    const mutants =
      isAsked && isGood
        ? mutate(loaded.policy, loaded.given, group, {
            compile: loaded.options,
            now: () => performance.now(),
            withinMs: MUTATION_MS,
            isMeasured,
          })
        : undefined;
    suites.push({
      policies: key,
      policy: loaded.policy,
      sources: loaded.sources,
      results,
      coverage: isAsked ? coverageOf(loaded.policy, group.flatMap(callsOf), isMeasured) : undefined,
      left: loaded.policy.rules.filter((rule) => !isMeasured(rule)).length,
      mutants,
    });
  }
  io.stdout.write(asJson ? `${jsonOf(suites)}\n` : `${printable(textOf(suites, min))}\n`);
  const isFailed = suites.some(
    ({ results, mutants }) =>
      results.some(({ problems }) => problems.length > 0) || (min !== undefined && (mutants?.score ?? 0) < min),
  );
  return isFailed ? EXIT.failed : EXIT.ok;
}

/** How long to look for calls that tell unnoticed changes apart. */
const MUTATION_MS = 20_000;

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
    const remedy = 'write the cases of the policy there; docs/policy-questions.md shows how';
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
