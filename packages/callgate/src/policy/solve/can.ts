import type { Effect } from '../../model/decision.ts';
import { compilePolicy } from '../compile.ts';
import type { CompiledPolicy, CompileOptions } from '../compile-documents.ts';
import type { CompiledRule } from '../rule.ts';
import { type AnalysisOptions, asked } from './analysis.ts';
import { search, type Witness } from './search.ts';

/** Whether any call that fits a goal can have an effect. `unknown` is never "no". */
export type CanAnswer =
  | { readonly answer: 'yes'; readonly witness: Witness }
  | { readonly answer: 'no' }
  | { readonly answer: 'unknown'; readonly why: readonly string[] };

/** What a goal asks that may be about other messages than those that are searched, and what is about these. */
const OTHER_MESSAGES = /(?<![.\w])(?:method|direction|result)(?!\w)/;
const CALLS = /^(?:method == "(?:tools\/call|prompts\/get|resources\/read)"|direction == "call")$/;

/**
 * Compiles a goal: an expression of the language over calls, such as `tool == "run" && args.command.contains("rm")`.
 * @throws PolicyError whose places count within the goal
 */
export function compileGoal(text: string, options: CompileOptions): CompiledRule {
  const rule = { id: 'goal', match: { server: '*' }, when: text, effect: 'allow' };
  const source = { file: 'goal', text: JSON.stringify({ version: 1, rules: [rule] }) };
  return compilePolicy([source], options).rules[0] as CompiledRule;
}

/**
 * Looks for a call that fits the goal and is decided with `effect`. A witness was decided by the real engine; "no" is a proof
 * that there is none, of any arguments, by any principal, at any time, for calls of tools, prompts and resources.
 */
export function can(
  policy: CompiledPolicy,
  goal: CompiledRule,
  options: AnalysisOptions,
  effect: Effect = 'allow',
): CanAnswer {
  if (goal.facts.has('http'))
    return { answer: 'unknown', why: ['calls of tools, prompts and resources have no http; ask for a tool instead'] };
  const found = search({
    ...asked(options),
    policies: [policy],
    goal,
    towards: effect,
    wanted: ([outcome]) => outcome?.effect === effect,
    most: 1,
  });
  const [witness] = found.witnesses;
  if (witness !== undefined) return { answer: 'yes', witness };
  if (goal.atoms.some(({ text }) => OTHER_MESSAGES.test(text) && !CALLS.test(text)))
    return { answer: 'unknown', why: ['only calls of tools, prompts and resources are looked at'] };
  if (!found.isComplete) return { answer: 'unknown', why: found.why };
  // A rule that refuses looks at every spelling of a URI; the examples tried have one.
  const hasSpellings = effect !== 'allow' && policy.rules.some((rule) => rule.target.resource !== undefined);
  return hasSpellings ? { answer: 'unknown', why: ['resources can be spelled in several ways'] } : { answer: 'no' };
}
