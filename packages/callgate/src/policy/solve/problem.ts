import type { Effect } from '../../model/decision.ts';
import type { Json } from '../../model/json.ts';
import type { Atom, ConditionTree } from '../condition/atoms.ts';
import type { CompiledPolicy } from '../compile-documents.ts';
import type { Combine } from '../document/document-types.ts';
import { uriForms } from '../condition/uri.ts';
import type { CompiledRule } from '../rule.ts';
import { coversMethod, matchesNames, type Named } from '../target.ts';
import { openHints } from './atom-hints.ts';
import { cellsOf } from './cells.ts';
import { contextsOf } from './contexts.ts';
import { type Fields, openFields, openVariable, type RootsOf } from './fields.ts';
import type { Gap, NamedAtom } from './gaps.ts';
import type { Expand, Hint } from './hints.ts';
import { likelyNames, type NameFact, nameKinds, type NameQuestion, type Towards } from './names.ts';
import type { Deadline } from './regular.ts';
import { type Answer, answer, type CallContext, callWith, keyOf, nameAtoms } from './trial.ts';
import type { Option, Variable } from './variable.ts';

/** All that is asked about calls of one server and one name. */
export interface Problem {
  readonly named: Named;
  /** The rules of each policy that concern these names, in the order they are asked. */
  readonly rules: readonly (readonly CompiledRule[])[];
  readonly variables: readonly Variable[];
  /** By a variable's id: those that are about the same value. */
  readonly mates: ReadonlyMap<string, readonly string[]>;
  /** The variable of an atom; undefined where the names alone answer it. */
  variableOf(atom: Atom): Variable | undefined;
  /** Answered by the names alone. */
  answerOf(atom: Atom): Answer;
  /** Fields whose values no variable fixes, and values to try for them. */
  readonly loose: ReadonlyMap<string, readonly (Json | undefined)[]>;
  readonly contexts: readonly CallContext[];
  /** Where a call can only be of interest if one of these matches or cannot be told: the rules that changed. */
  readonly changed: readonly CompiledRule[] | undefined;
  /** Why a kind of call of these names may have been overlooked. */
  readonly gaps: readonly Gap[];
}

const NAME_FACTS: ReadonlySet<string> = new Set(['tool', 'prompt', 'resource', 'server', 'method', 'direction']);
const SEVERITY: Readonly<Record<string, number>> = { deny: 3, ask: 2, defer: 1, allow: 0 };
const MOST_LOOSE = 48;
const LITTLE_WORK = 60;

/** What questions about all calls are sorted by. */
export interface Question {
  readonly policies: readonly CompiledPolicy[];
  readonly goal?: CompiledRule | undefined;
  readonly expand: Expand;
  /** Where a root of `under` really is; without it nothing is proven of `under`. */
  readonly rootsOf?: RootsOf | undefined;
  /** The effect that calls of the one policy are looked for with; undefined for any other question. */
  readonly towards?: Effect | undefined;
}

/** The problems of a question: one for each kind of call that rules and goal tell apart by its names. */
export interface Problems {
  /** Of names worth trying first, everything about one field judged by the real operators, on examples. */
  likely(deadline: Deadline): Generator<Problem>;
  /** Of all kinds of names, everything that is not worked out left open; why kinds may be missing goes to `gaps`. */
  all(deadline: Deadline, gaps: (gap: Gap) => void): Generator<Problem>;
}

/** Sorts calls by what a question tells apart. */
export function openProblems(question: Question): Problems {
  const { policies, goal } = question;
  const rules = [...policies.flatMap((policy) => policy.rules), ...(goal === undefined ? [] : [goal])];
  for (const [index, policy] of policies.entries()) for (const rule of policy.rules) nameAtoms(rule, index);
  if (goal !== undefined) nameAtoms(goal, 0);
  const changed =
    policies.length === 2 ? changedRules(policies[0] as CompiledPolicy, policies[1] as CompiledPolicy) : undefined;
  const setting: Setting = {
    hints: openHints(question.expand),
    contexts: contextsOf(rules, goal),
    fields: openFields(question.rootsOf),
    changed,
  };
  const towards = towardsOf(question);
  const atomsOn = (fact: NameFact, of: readonly CompiledRule[]): readonly NamedAtom[] =>
    of.flatMap((rule) =>
      rule.atoms
        .map((atom) => ({ rule, atom, hint: setting.hints(rule, atom) }))
        .filter(({ hint }) => hint.fields.some((field) => field.length === 1 && field[0] === fact)),
    );
  const isRuledOut = (named: Named): boolean => {
    const said = ask(
      goal?.tree,
      {
        variableOf: (atom) => (isByNames(setting, goal, atom) ? undefined : OPEN),
        answerOf: (atom) => answer(goal as CompiledRule, atom, callWith(named, [])),
      },
      new Map(),
    );
    return said === false || said === 'error';
  };
  const questionOf = (
    fact: NameFact,
    concerned: readonly CompiledRule[],
    deadline: Deadline,
    ruledOut: (name: string) => boolean,
  ): NameQuestion => ({
    fact,
    rules: concerned,
    goalAtoms: atomsOn(fact, goal === undefined ? [] : [goal]),
    ruleAtoms: atomsOn(fact, concerned),
    isRuledOut: ruledOut,
    deadline,
  });
  function* names(deadline: Deadline, isLikely: boolean, gaps: (gap: Gap) => void): Generator<Named> {
    const all = policies.flatMap((policy) => policy.rules);
    const servers = nameKinds(questionOf('server', all, deadline, () => false));
    servers.gaps.forEach(gaps);
    for (const [fact, method, key] of KINDS) {
      for (const server of servers.values) {
        const named = (text: string): Named => ({ direction: 'call', server, method, [key]: text });
        const concerned = all.filter(
          ({ target }) =>
            target.directions.has('call') &&
            target.server?.test(server) !== false &&
            coversMethod(target, 'call', method),
        );
        const asked = {
          ...questionOf(fact, concerned, deadline, (text) => isRuledOut(named(text))),
          towards,
          ...(changed === undefined ? {} : onlyOf(changed, concerned, fact)),
        };
        if (isLikely) {
          const isOfInterest = (rule: CompiledRule): boolean =>
            changed?.has(rule) ??
            (question.towards === undefined || (rule.effect ?? rule.onError) === question.towards);
          for (const text of likelyNames(asked, isOfInterest)) yield named(text);
          continue;
        }
        if (changed !== undefined && !concerned.some((rule) => changed.has(rule))) continue;
        const kinds = nameKinds(asked);
        kinds.gaps.forEach(gaps);
        if (fact === 'resource' && !(kinds.values.every(hasOneSpelling) && rules.every(namesPlainly)))
          gaps({ text: 'resources can be spelled in several ways' });
        yield* kinds.values.map(named);
      }
    }
  }
  return {
    *likely(deadline) {
      for (const named of names(deadline, true, () => undefined))
        yield problemOf(question, named, setting, deadline, true);
    },
    *all(deadline, gaps) {
      for (const named of names(deadline, false, gaps)) yield problemOf(question, named, setting, deadline, false);
    },
  };
}

const OPEN: Variable = { id: '', options: [] };

const KINDS = [
  ['tool', 'tools/call', 'tool'],
  ['prompt', 'prompts/get', 'prompt'],
  ['resource', 'resources/read', 'uri'],
] as const;

/** Where one effect is looked for, unless rules without an effect could lead to it by an error in their condition. */
function towardsOf({ policies, towards }: Question): Towards | undefined {
  const [policy] = policies;
  if (towards === undefined || policy === undefined || policies.length !== 1) return undefined;
  const isMixed =
    towards !== 'allow' && policy.rules.some((rule) => rule.effect === undefined && rule.condition !== undefined);
  return isMixed
    ? undefined
    : { effect: towards, isDefault: policy.defaultEffect === towards, combine: policy.combine };
}

/** Only names of rules that changed matter, where each of those that concern this kind of call goes by names. */
function onlyOf(
  changed: ReadonlySet<CompiledRule>,
  concerned: readonly CompiledRule[],
  fact: NameFact,
): { readonly only?: ReadonlySet<CompiledRule> } {
  const touched = concerned.filter((rule) => changed.has(rule));
  return touched.every(({ target }) => target[fact] !== undefined) ? { only: changed } : {};
}

/** The rules that only one of two policies has; undefined where more than rules may differ. */
function changedRules(before: CompiledPolicy, after: CompiledPolicy): ReadonlySet<CompiledRule> | undefined {
  if (before.combine !== after.combine || before.defaultEffect !== after.defaultEffect) return undefined;
  const [old, next] = [before, after].map(({ rules }) => rules.map((rule) => [textOf(rule), rule] as const));
  const texts = [old, next].map((list) => new Set((list ?? []).map(([text]) => text)));
  const common = [old, next].map((list, at) =>
    (list ?? []).filter(([text]) => texts[1 - at]?.has(text)).map(([text]) => text),
  );
  if (common[0]?.join('\n') !== common[1]?.join('\n')) return undefined;
  const isChanged = ([text, rule]: readonly [string, CompiledRule]): boolean =>
    // Who has a role is written beside the rules.
    !(texts[0]?.has(text) === true && texts[1]?.has(text) === true) ||
    rule.target.roles !== undefined ||
    rule.atoms.some((atom) => atom.text.includes('roles'));
  return new Set([...(old ?? []), ...(next ?? [])].filter(isChanged).map(([, rule]) => rule));
}

function textOf(rule: CompiledRule): string {
  return JSON.stringify([rule.name, rule.doc]);
}

/** A URI is judged by all its spellings; one of a kind says nothing of those of its kind that have more. */
const hasOneSpelling = (uri: string): boolean => uriForms(uri).length === 1;

function namesPlainly({ target: { resource }, atoms }: CompiledRule): boolean {
  const written = [...(resource?.patterns ?? []).map(({ source }) => source), ...(resource?.exact ?? [])];
  const asked = atoms.map(({ text }) => text).filter((text) => /\bresource\b/.test(text));
  return [...written, ...asked].every((text) => !/[%\\]|\.\./.test(text));
}

/** Whether the names of a call answer an atom; they do where it asks for `http`, which calls of MCP have not. */
function isByNames({ hints }: Setting, rule: CompiledRule | undefined, atom: Atom): boolean {
  if (rule === undefined) return false;
  const { fields } = hints(rule, atom);
  return (
    fields.length > 0 &&
    fields.every(([first, ...rest]) => first === 'http' || (rest.length === 0 && NAME_FACTS.has(first as string)))
  );
}

interface Setting {
  readonly hints: (rule: CompiledRule, atom: Atom) => Hint;
  readonly contexts: readonly CallContext[];
  readonly fields: Fields;
  readonly changed: ReadonlySet<CompiledRule> | undefined;
}

/** Where `isJudged`, all about one field and all about the context is judged on examples; else what is not exact is open. */
function problemOf(
  { policies, goal }: Question,
  named: Named,
  setting: Setting,
  deadline: Deadline,
  isJudged: boolean,
): Problem {
  const rules = policies.map((policy) =>
    inOrder(
      policy.rules.filter((rule) => concerns(rule, named)),
      policy.combine,
    ),
  );
  const asked = new Map<string, NamedAtom>();
  for (const rule of [...rules.flat(), ...(goal === undefined ? [] : [goal])])
    for (const atom of rule.atoms) asked.set(keyOf(atom), { rule, atom, hint: setting.hints(rule, atom) });

  const byNames = new Map<string, Answer>();
  const open = new Map<string, NamedAtom>();
  const ofContext: NamedAtom[] = [];
  const ofField = new Map<string, NamedAtom[]>();
  const hintsOn = new Map<string, Hint[]>();
  for (const [key, one] of asked) {
    const { rule, atom, hint } = one;
    if (isByNames(setting, rule, atom)) {
      byNames.set(key, answer(rule, atom, callWith(named, [])));
      continue;
    }
    for (const field of hint.fields.filter(([first, ...rest]) => first === 'args' && rest.length > 0)) {
      const id = JSON.stringify(field);
      hintsOn.set(id, [...(hintsOn.get(id) ?? []), hint]);
    }
    const id = fieldIdOf(one);
    if (id !== undefined) {
      ofField.set(id, [...(ofField.get(id) ?? []), one]);
    } else if (isJudged && isOfContext(atom)) ofContext.push(one);
    else open.set(key, one);
  }

  // What looks at every text looks at those of each field.
  const ofMany = [...asked.values()].map(({ hint }) => hint).filter((hint) => hint.isOfMany);
  for (const [id, of] of hintsOn) hintsOn.set(id, [...of, ...ofMany.filter((hint) => !of.includes(hint))]);
  const gaps: Gap[] = [];
  const variables: Variable[] = [];
  const ofAtom = new Map<string, Variable>();
  const fixed = new Set<string>();
  const add = (variable: Variable, atoms: readonly NamedAtom[]): void => {
    variables.push(variable);
    for (const { atom } of atoms) ofAtom.set(keyOf(atom), variable);
  };
  for (const [id, atoms] of ofField) {
    const found = setting.fields(id, atoms, hintsOn.get(id) ?? [], isJudged, deadline);
    for (const { variable, atoms: of } of found.variables) add(variable, of);
    for (const one of found.open) open.set(keyOf(one.atom), one);
    gaps.push(...found.gaps);
    if (found.variables.length > 0) fixed.add(id);
  }
  if (ofContext.length > 0)
    add({ id: 'context', options: contextOptions(ofContext, named, setting.contexts) }, ofContext);
  for (const one of open.values()) add(openVariable(one, fieldIdOf(one)), [one]);
  return {
    named,
    rules,
    variables,
    mates: matesOf(variables),
    variableOf: (atom) => ofAtom.get(keyOf(atom)),
    answerOf: (atom) => byNames.get(keyOf(atom)) ?? 'error',
    loose: new Map(
      [...hintsOn]
        .filter(([id]) => !fixed.has(id))
        .map(([id, of]) => [id, cellsOf(of, deadline, LITTLE_WORK).values.slice(0, MOST_LOOSE)]),
    ),
    contexts: setting.contexts,
    changed: setting.changed && rules.flat().filter((rule) => setting.changed?.has(rule)),
    gaps,
  };
}

function matesOf(variables: readonly Variable[]): ReadonlyMap<string, readonly string[]> {
  const mates = new Map<string, readonly string[]>();
  for (const { id, field } of variables)
    if (field !== undefined)
      mates.set(
        id,
        variables.filter((other) => other.field === field && other.id !== id).map((other) => other.id),
      );
  return mates;
}

/** The one field that an atom is about. */
function fieldIdOf({ hint }: NamedAtom): string | undefined {
  const [field] = hint.fields;
  const isOne = hint.fields.length === 1 && field?.[0] === 'args' && field.length > 1 && !hint.isOfMany;
  return isOne ? JSON.stringify(field) : undefined;
}

/** Whether an atom looks at nothing but who calls, when, and after what. */
function isOfContext({ path, text }: Atom): boolean {
  const [, , part] = path;
  return part === 'match' || part === 'schedule' || (part === 'when' && !/\b(?:args|anyString|result)\b/.test(text));
}

/** Contexts, those that every atom answers alike together. */
function contextOptions(
  atoms: readonly NamedAtom[],
  named: Named,
  contexts: readonly CallContext[],
): readonly Option[] {
  const options = new Map<string, { values: []; contexts: CallContext[]; answers: Map<string, Answer> }>();
  for (const context of contexts) {
    const call = callWith(named, [], context);
    const answers = new Map(atoms.map(({ rule, atom }) => [keyOf(atom), answer(rule, atom, call)]));
    const signature = [...answers.values()].join();
    const known = options.get(signature);
    if (known === undefined) options.set(signature, { values: [], contexts: [context], answers });
    else if (known.contexts.length < 3) known.contexts.push(context);
  }
  return [...options.values()];
}

function concerns(rule: CompiledRule, named: Named): boolean {
  return matchesNames(rule.target, named, rule.effect === 'allow');
}

/** As the engine asks them: where the most restrictive decides, that one first. */
function inOrder(rules: readonly CompiledRule[], combine: Combine): readonly CompiledRule[] {
  if (combine !== 'deny-overrides') return rules;
  return rules.toSorted((a, b) => (SEVERITY[b.effect ?? ''] ?? -1) - (SEVERITY[a.effect ?? ''] ?? -1));
}

/** What a tree answers, or the variable that has to be known first. */
export function ask(
  tree: ConditionTree | undefined,
  problem: Pick<Problem, 'variableOf' | 'answerOf'>,
  chosen: ReadonlyMap<string, Option>,
): Answer | Variable {
  if (tree === undefined) return true;
  switch (tree.kind) {
    case 'atom': {
      const variable = problem.variableOf(tree.atom);
      if (variable === undefined) return problem.answerOf(tree.atom);
      return chosen.get(variable.id)?.answers.get(keyOf(tree.atom)) ?? variable;
    }
    case 'not': {
      const of = ask(tree.of, problem, chosen);
      return typeof of === 'boolean' ? !of : of;
    }
    default: {
      const decisive = tree.kind === 'any';
      let open: Variable | undefined;
      let failed = false;
      for (const part of tree.of) {
        const of = ask(part, problem, chosen);
        if (of === decisive) return decisive;
        if (of === 'error') failed = true;
        else if (typeof of === 'object') open ??= of;
      }
      return open ?? (failed ? 'error' : !decisive);
    }
  }
}
