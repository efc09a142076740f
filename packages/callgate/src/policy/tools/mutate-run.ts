import type { Call } from '../../model/call.ts';
import type { Obligation } from '../../model/decision.ts';
import type { CaseFile } from './cases.ts';
import { callsOf, runCases } from './cases-run.ts';
import { compileDocuments, type CompiledPolicy, type CompileOptions, type PolicySource } from '../compile-documents.ts';
import { type PolicyDocument, readDocument } from '../document/document.ts';
import { spliceIncludes } from '../includes.ts';
import { PolicyError } from '../document/issue.ts';
import { targetsMeet } from './lint-pairs.ts';
import { type Mutation, mutationsOf } from './mutate.ts';
import { compilePattern, type Pattern } from '../condition/pattern.ts';
import type { CompiledRule } from '../rule.ts';
import { search, type Witness } from '../solve/search.ts';

/** A change that no case noticed. */
export interface Survivor {
  readonly rule: CompiledRule;
  readonly mutation: Mutation;
  /** A call that tells the two policies apart, where one was found. */
  readonly witness: Witness | undefined;
}

export interface Mutants {
  /** Changes that some case noticed. */
  readonly killed: number;
  readonly survived: readonly Survivor[];
  /** Changes of which it is proven that no call is decided differently. */
  readonly equivalent: number;
  /** `killed` of `killed` and `survived`, in percent; 100 when there is nothing to notice. */
  readonly score: number;
}

export interface MutateOptions {
  readonly compile: CompileOptions;
  /** Milliseconds on any clock. */
  readonly now: () => number;
  /** How long to look for calls that tell survivors apart, in all. */
  readonly withinMs: number;
  /** Which rules are changed; all without it. */
  readonly isMeasured?: (rule: CompiledRule) => boolean;
}

const EACH_MS = 250;
/** Rules among which calls that tell are looked for: the search takes longer than told where there are many. */
const MOST_TOLD = 32;

/**
 * Breaks a policy one change at a time and asks whether some case notices. `files` are files of cases of the policy that
 * `sources` are, which must all be as expected.
 */
export function mutate(
  policy: CompiledPolicy,
  sources: readonly PolicySource[],
  files: readonly CaseFile[],
  options: MutateOptions,
): Mutants {
  const { documents, texts } = spliceIncludes(sources, readDocument, options.compile.include);
  const patterns = new Map<string, Pattern>();
  const pattern = (source: string): Pattern => {
    const known = patterns.get(source) ?? compilePattern(source);
    patterns.set(source, known);
    return known;
  };
  const compile = { ...options.compile, allowUnreachable: true };
  const asked = files.map((file) => ({ file, calls: callsOf(file) }));
  const end = options.now() + options.withinMs;
  const survived: Survivor[] = [];
  let killed = 0;
  let equivalent = 0;
  for (const rule of policy.rules.filter(options.isMeasured ?? (() => true))) {
    const at = documents.findIndex(({ file }) => file === rule.file);
    const index = rule.path[1];
    if (at < 0 || typeof index !== 'number') continue;
    for (const mutation of mutationsOf(rule.doc)) {
      const changed = compiled(withRule(documents, at, index, mutation), texts, compile, pattern);
      if (changed === undefined) continue;
      if (isNoticed(changed, asked)) {
        killed++;
        continue;
      }
      const left = Math.min(EACH_MS, end - options.now());
      const touched = touchedRules(policy, changed, rule);
      const isTold = left > 0 && touched.size <= MOST_TOLD;
      const load = (list: readonly PolicyDocument[]): CompiledPolicy | undefined =>
        compiled(list, texts, compile, pattern);
      const [before, after] = isTold
        ? [load(onlyRules(documents, touched)), load(onlyRules(withRule(documents, at, index, mutation), touched))]
        : [];
      const found =
        before === undefined || after === undefined
          ? undefined
          : tellApart(before, after, compile.variables, options.now, left);
      if (found === 'same' && isOnlyOfCalls(rule)) equivalent++;
      else survived.push({ rule, mutation, witness: found === 'same' ? undefined : found });
    }
  }
  const counted = killed + survived.length;
  return { killed, survived, equivalent, score: counted === 0 ? 100 : (100 * killed) / counted };
}

function withRule(
  documents: readonly PolicyDocument[],
  at: number,
  index: number,
  { doc }: Mutation,
): readonly PolicyDocument[] {
  const document = documents[at] as PolicyDocument;
  const rules = document.policy.rules ?? [];
  const changed = doc === undefined ? rules.toSpliced(index, 1) : rules.with(index, doc);
  return documents.with(at, { ...document, policy: { ...document.policy, rules: changed } });
}

/** The rules that may match a message which the rule matches, before or after: what they decide on others is as it was. */
function touchedRules(policy: CompiledPolicy, changed: CompiledPolicy, rule: CompiledRule): ReadonlySet<string> {
  const now = changed.rules.find(({ name }) => name === rule.name) ?? rule;
  const near = policy.rules.filter(({ target }) => targetsMeet(target, rule.target) || targetsMeet(target, now.target));
  return new Set([rule.name, ...near.map(({ name }) => name)]);
}

function onlyRules(documents: readonly PolicyDocument[], names: ReadonlySet<string>): readonly PolicyDocument[] {
  return documents.map((document) => {
    const rules = (document.policy.rules ?? []).filter(({ id }) => names.has(id));
    return { ...document, policy: { ...document.policy, rules } };
  });
}

/** Undefined for a change that does not load: nobody could make it. */
function compiled(
  documents: readonly PolicyDocument[],
  texts: readonly PolicySource[],
  options: CompileOptions,
  pattern: (source: string) => Pattern,
): CompiledPolicy | undefined {
  try {
    return compileDocuments(documents, texts, options, pattern);
  } catch (error) {
    if (error instanceof PolicyError) return undefined;
    throw error;
  }
}

function isNoticed(
  changed: CompiledPolicy,
  asked: readonly { readonly file: CaseFile; readonly calls: readonly Call[] }[],
): boolean {
  return asked.some(({ file, calls }) => runCases(changed, file, calls).some(({ problems }) => problems.length > 0));
}

/** The proof of the search is for calls and what they are decided; obligations and other directions are beyond it. */
function isOnlyOfCalls(rule: CompiledRule): boolean {
  const { directions } = rule.target;
  return rule.effect !== undefined && rule.obligations.length === 0 && directions.size === 1 && directions.has('call');
}

/** A call that the two decide differently; `same` when there is certainly none. */
function tellApart(
  before: CompiledPolicy,
  after: CompiledPolicy,
  variables: CompileOptions['variables'],
  now: () => number,
  withinMs: number,
): Witness | 'same' | undefined {
  const dutiesOf = [before, after].map(
    (policy) => new Map(policy.rules.map((rule) => [rule.name, rule.obligations.map(shown).join()])),
  );
  const found = search({
    policies: [before, after],
    expand: (text) => text.replaceAll(/\$\{([\w.]{1,100})\}/g, (whole, name: string) => variables[name] ?? whole),
    wanted: ([a, b]) =>
      a?.effect !== b?.effect || (dutiesOf[0]?.get(a?.rule ?? '') ?? '') !== (dutiesOf[1]?.get(b?.rule ?? '') ?? ''),
    now,
    withinMs,
    most: 1,
  });
  return found.witnesses[0] ?? (found.isComplete ? 'same' : undefined);
}

function shown(duty: Obligation): string {
  return JSON.stringify(duty, (key, value: unknown) =>
    typeof value === 'function' || key === 'rule' ? undefined : value,
  );
}
