import type { Call } from '../../model/call.ts';
import type { Decision } from '../../model/decision.ts';
import { type Atom } from '../condition/atoms.ts';
import type { CaseFile, Expectation, PolicyCase } from './cases.ts';
import { callFrom } from './cases-call.ts';
import type { CompiledPolicy } from '../compile-documents.ts';
import type { CompiledRule } from '../rule.ts';
import { matchesNames } from '../target.ts';

/** What a case came to. */
export interface CaseResult {
  readonly case: PolicyCase;
  readonly decision: Decision;
  /** Empty when it is as expected. */
  readonly problems: readonly string[];
  /** The call that was decided. */
  readonly call: Call;
}

/** Where relative paths of cases begin, and the home; the same on every machine. */
export const CASE_VARIABLES: Readonly<Record<string, string>> = {
  PROJECT: '/project',
  HOME: '/home/user',
  CALLGATE_HOME: '/home/user/.callgate',
};

/** The calls of a file of cases, in order. Paths lead where their text says, links as the file has them. */
export function callsOf(file: CaseFile): readonly Call[] {
  const variables = { ...CASE_VARIABLES, ...file.variables };
  const paths = { cwd: variables['PROJECT'] as string, home: variables['HOME'], links: file.links };
  return file.cases.map(({ call }) => callFrom(call, paths));
}

/** Asks the policy about every case. */
export function runCases(policy: CompiledPolicy, file: CaseFile, calls = callsOf(file)): readonly CaseResult[] {
  return file.cases.map((one, index) => {
    const call = calls[index] as Call;
    const decision = policy.decide(call);
    return { case: one, decision, problems: problemsOf(one.expect, decision), call };
  });
}

/** Whether a decision is as expected; says what is not. */
export function problemsOf(expect: Expectation, decision: Decision): readonly string[] {
  const problems: string[] = [];
  const compare = (what: string, wanted: string | undefined, found: string): void => {
    if (wanted !== undefined && wanted !== found) problems.push(`expected ${what} ${wanted}, came ${found}`);
  };
  compare('effect', expect.effect, decision.effect);
  compare('rule', expect.rule, decision.rule);
  if (expect.reason !== undefined && !decision.reason.includes(expect.reason))
    problems.push(`expected a reason with "${expect.reason}", came "${decision.reason}"`);
  if (expect.obligations !== undefined) {
    const left = decision.obligations.map(({ kind, rule }) => ({ kind, full: `${kind}:${rule}` }));
    const missing = expect.obligations.filter((wanted) => {
      const at = left.findIndex(({ kind, full }) => wanted === full || wanted === kind);
      if (at >= 0) left.splice(at, 1);
      return at < 0;
    });
    if (missing.length > 0) problems.push(`expected obligation ${missing.join(', ')}, which did not come`);
    if (left.length > 0) problems.push(`came with obligation ${left.map(({ full }) => full).join(', ')}, unexpected`);
  }
  return problems;
}

/** What of a policy the cases touch. */
export interface Coverage {
  readonly rules: { readonly total: number; readonly missed: readonly CompiledRule[] };
  /** An atom is covered when it was true in some case and false in another. */
  readonly atoms: {
    readonly total: number;
    readonly missed: readonly { readonly rule: CompiledRule; readonly atom: Atom; readonly never: readonly string[] }[];
  };
}

/** Which rules matched in some case, and which atoms were both true and false; of the rules that `isMeasured` picks. */
export function coverageOf(
  policy: CompiledPolicy,
  calls: readonly Call[],
  isMeasured: (rule: CompiledRule) => boolean = () => true,
): Coverage {
  const rules = policy.rules.filter(isMeasured);
  const missedRules: CompiledRule[] = [];
  const missedAtoms: Coverage['atoms']['missed'][number][] = [];
  let atoms = 0;
  for (const rule of rules) {
    const own = calls.filter((call) => matchesNames(rule.target, call, rule.effect === 'allow'));
    const isSeen = own.some((call) => {
      const truth = asked(() => (rule.condition === undefined ? true : rule.condition(call)), rule);
      return truth === true || (truth !== false && rule.effect !== 'allow');
    });
    if (!isSeen) missedRules.push(rule);
    for (const atom of rule.atoms) {
      atoms++;
      const seen = new Set(own.map((call) => asked(() => atom.test(call), rule)));
      const never = [true, false].filter((value) => !seen.has(value)).map(String);
      if (never.length > 0) missedAtoms.push({ rule, atom, never });
    }
  }
  return {
    rules: { total: rules.length, missed: missedRules },
    atoms: { total: atoms, missed: missedAtoms },
  };
}

function asked(judge: () => unknown, rule: CompiledRule): unknown {
  try {
    return judge();
  } catch {
    return undefined;
  } finally {
    rule.forget();
  }
}
