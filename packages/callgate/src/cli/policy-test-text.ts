import { didYouMean } from '../policy/document/nearest.ts';
import { openPlaces } from '../policy/document/places.ts';
import type { CompiledPolicy, PolicySource } from '../policy/index.ts';
import type { CaseResult, Coverage } from '../policy/tools/cases-run.ts';
import type { Mutants, Survivor } from '../policy/tools/mutate-run.ts';
import { nearestExpected } from '../policy/tools/nearest-rule.ts';
import { shownCall } from './policy-search.ts';

/** The cases of one policy. */
export interface Suite {
  readonly policies: string;
  readonly policy: CompiledPolicy;
  readonly sources: readonly PolicySource[];
  readonly results: readonly CaseResult[];
  readonly coverage: Coverage | undefined;
  /** Rules of included files, which were not measured. */
  readonly left: number;
  /** Undefined also where a case failed. */
  readonly mutants: Mutants | undefined;
}

/** What came of the cases as a person reads it. */
export function textOf(suites: readonly Suite[], min: number | undefined): string {
  const lines: string[] = [];
  for (const suite of suites) {
    const { policies, results, coverage, mutants } = suite;
    const failed = results.filter(({ problems }) => problems.length > 0);
    lines.push(...failed.flatMap((result) => failedLines(result, suite)));
    const passed = `${results.length - failed.length} of ${count(results.length, 'case')} passed`;
    lines.push(`${failed.length === 0 ? 'ok' : 'failed'}: ${policies}: ${passed}`);
    if (coverage !== undefined) lines.push(...coverageLines(coverage, suite));
    if (mutants !== undefined) lines.push(...mutantLines(mutants, suite, min));
    else if (coverage !== undefined) lines.push('  changes noticed: not tried until all cases pass');
  }
  return lines.join('\n');
}

/** What was expected and what came, and the rule that would have decided so. */
function failedLines(
  { case: one, decision, problems, call }: CaseResult,
  { policy, sources }: Suite,
): readonly string[] {
  const { file, line, column } = one.place;
  const by = problems.some((problem) => problem.startsWith('expected rule')) ? '' : ` (by ${decision.rule})`;
  const head = `${file}:${line}:${column}: ${one.name}: ${problems.join('; ')}${by}`;
  const { rule, effect } = one.expect;
  const isAsExpected = (rule ?? decision.rule) === decision.rule && (effect ?? decision.effect) === decision.effect;
  if (isAsExpected) return [head];
  if (rule !== undefined && policy.layerOf(rule) === undefined) {
    const known = policy.rules.map(({ name }) => name);
    return [head, `  there is no rule "${rule}".${didYouMean(rule, known)}`];
  }
  const near = nearestExpected(policy, call, one.expect);
  if (near === undefined) return [head];
  return [head, `  nearest: ${near.rule.name} (${placeText(openPlaces(sources)(near.rule)?.at())}): ${near.why}`];
}

function coverageLines({ rules, atoms }: Coverage, { sources, left }: Suite): readonly string[] {
  const writtenOf = openPlaces(sources);
  const covered = (total: number, missed: number): string => `${total - missed} of ${total}`;
  const others = left === 0 ? '' : ` (${count(left, 'rule')} of included files not counted; --imports counts them)`;
  return [
    `  rules matched by some case: ${covered(rules.total, rules.missed.length)}${others}`,
    ...rules.missed.map((rule) => `    ${placeText(writtenOf(rule)?.at())}: ${rule.name} never matches`),
    `  conditions seen true and false: ${covered(atoms.total, atoms.missed.length)}`,
    ...atoms.missed.map(({ rule, atom, never }) => {
      const place = placeText(writtenOf(rule)?.atNode(atom.path));
      return `    ${place}: ${rule.name}: ${atom.text} is never ${never.join(' or ')}`;
    }),
  ];
}

function mutantLines(
  { killed, survived, equivalent, score }: Mutants,
  { sources }: Suite,
  min: number | undefined,
): readonly string[] {
  const writtenOf = openPlaces(sources);
  const lines = [
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

/** The same as one object of JSON. */
export function jsonOf(suites: readonly Suite[]): string {
  const ok = suites.every(({ results }) => results.every(({ problems }) => problems.length === 0));
  return JSON.stringify({
    ok,
    suites: suites.map((suite) => {
      const { policies, policy, sources, results, coverage, mutants } = suite;
      const writtenOf = openPlaces(sources);
      return {
        policies,
        cases: results.map(({ case: one, decision, problems, call }) => {
          const near = problems.length === 0 ? undefined : nearestExpected(policy, call, one.expect);
          return {
            name: one.name,
            place: one.place,
            ok: problems.length === 0,
            problems,
            effect: decision.effect,
            rule: decision.rule,
            reason: decision.reason,
            ...(near === undefined ? {} : { nearest: { rule: near.rule.name, why: near.why } }),
          };
        }),
        ...(coverage === undefined
          ? {}
          : {
              rules: { total: coverage.rules.total, missed: coverage.rules.missed.map(({ name }) => name) },
              conditions: {
                total: coverage.atoms.total,
                missed: coverage.atoms.missed.map(({ rule, atom, never }) => ({
                  rule: rule.name,
                  text: atom.text,
                  never,
                })),
              },
            }),
        ...(mutants === undefined
          ? {}
          : {
              mutants: {
                killed: mutants.killed,
                equivalent: mutants.equivalent,
                score: mutants.score,
                survived: mutants.survived.map(({ rule, mutation }) => ({
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
