import type { Call } from '../../model/call.ts';
import type { Json } from '../../model/json.ts';
import type { Atom, ConditionTree } from '../condition/atoms.ts';
import type { CompiledPolicy } from '../compile-documents.ts';
import type { Combine, MatcherDoc } from '../document/document-types.ts';
import { uriForms } from '../condition/uri.ts';
import type { FieldPath } from '../condition/field.ts';
import type { CompiledRule } from '../rule.ts';
import { matchesNames, type Named, type Names } from '../target.ts';
import { Unsure } from '../condition/truth.ts';
import { cellsOf, nameCells } from './cells.ts';
import { type Expand, type Hint, hintOfExpression, hintOfMatcher, opaqueHint } from './hints.ts';
import { languageOf } from './pattern-language.ts';
import { globLanguage } from './glob-language.ts';
import type { Algebra, Deadline, Regular } from './regular.ts';

/** The answer of an atom: an error counts apart. */
export type Answer = true | false | 'error';

/** Something that calls of one name can differ in. */
export interface Variable {
  readonly id: string;
  /** Of a field: values that the exact atoms tell apart. Of an atom that is not worked out: what it might answer. */
  readonly options: readonly Option[];
}
export interface Option {
  /** Examples; none for an atom that is not worked out. */
  readonly values: readonly (Json | undefined)[];
  readonly answers: ReadonlyMap<string, Answer>;
}

/** All that is asked about calls of one server and one name. */
export interface Problem {
  readonly named: Named;
  /** The rules of each policy that concern these names, in the order they are asked. */
  readonly rules: readonly (readonly CompiledRule[])[];
  readonly variables: readonly Variable[];
  /** The variable of an atom; undefined where the names alone answer it. */
  variableOf(atom: Atom): Variable | undefined;
  /** Answered by the names alone. */
  answerOf(atom: Atom): Answer;
  /** Fields whose values no variable fixes, and values to try for them. */
  readonly loose: ReadonlyMap<string, readonly (Json | undefined)[]>;
  readonly isComplete: boolean;
  /** Whether every kind of name has a problem of its own. */
  readonly namesAreComplete: boolean;
  /** Whether a goal that the names of this problem rule out is ruled out for all names of its kind. */
  readonly rulesOutAll: boolean;
}

const NAME_FACTS: ReadonlySet<string> = new Set(['tool', 'prompt', 'resource', 'server', 'method', 'direction']);
const SEVERITY: Readonly<Record<string, number>> = { deny: 3, ask: 2, defer: 1, allow: 0 };
/** As many examples of one kind of value are kept: others may do where one does not. */
const MOST_EXAMPLES = 12;
const MOST_OPTIONS = 4_096;
const MOST_LISTS = 48;

/** One problem for each kind of call that the rules and the goal tell apart by its names. */
export function* problemsOf(
  policies: readonly CompiledPolicy[],
  goal: CompiledRule | undefined,
  expand: Expand,
  deadline: Deadline,
): Generator<Problem> {
  const rules = [...policies.flatMap((policy) => policy.rules), ...(goal === undefined ? [] : [goal])];
  for (const rule of rules) name(rule);
  const hints = openHints(expand);
  const factHints = rules.flatMap((rule) => rule.atoms.map((atom) => hints(rule, atom)));
  const namesOf = (fact: 'server' | 'tool' | 'prompt' | 'resource'): ReturnType<typeof nameCells> => {
    const written = rules.map((rule) => rule.target[fact]).filter((names) => names !== undefined);
    const asked = factHints.filter(({ fields }) => fields.some((field) => field.length === 1 && field[0] === fact));
    return nameCells([...written.map(hintOfNames), ...asked], deadline);
  };
  const servers = namesOf('server');
  // A goal that asks neither for the server nor for this kind of name says the same of all of them.
  const goalHints = goal?.atoms.map((atom) => hints(goal, atom)) ?? [];
  const goalAsks = (fact: string): boolean =>
    goal === undefined ||
    goalHints.some(({ fields }) => fields.length === 0 || fields.some(([first]) => first === fact));
  for (const [kind, method, key] of KINDS) {
    const names = namesOf(kind);
    const isPlain = kind !== 'resource' || (names.values.every(hasOneSpelling) && rules.every(namesPlainly));
    for (const server of servers.values) {
      for (const name of names.values) {
        const named: Named = { direction: 'call', server, method, [key]: name };
        yield problemOf(policies, goal, named, {
          hints,
          deadline,
          goalAsksNames: goalAsks('server') || goalAsks(kind),
          namesAreComplete: servers.isComplete && names.isComplete && isPlain,
        });
      }
    }
  }
}

const KINDS = [
  ['tool', 'tools/call', 'tool'],
  ['prompt', 'prompts/get', 'prompt'],
  ['resource', 'resources/read', 'uri'],
] as const;

/** A URI is judged by all its spellings; one of a kind says nothing of those of its kind that have more. */
const hasOneSpelling = (uri: string): boolean => uriForms(uri).length === 1;

function namesPlainly({ target: { resource }, atoms }: CompiledRule): boolean {
  const written = [...(resource?.patterns ?? []).map(({ source }) => source), ...(resource?.exact ?? [])];
  const asked = atoms.map(({ text }) => text).filter((text) => /\bresource\b/.test(text));
  return [...written, ...asked].every((text) => !/[%\\]|\.\./.test(text));
}

function hintOfNames(names: Names): Hint {
  // A list means any of: one language, or n globs would make up to 2^n kinds of names.
  const anyOf = (algebra: Algebra): Regular =>
    algebra.or(
      ...[...names.exact].map((exact) => algebra.text(exact)),
      ...names.patterns.map(({ kind, source }) =>
        kind === 'glob' ? globLanguage(source, algebra) : languageOf(source, algebra),
      ),
    );
  return { ...opaqueHint(), languages: [anyOf] };
}

/** What each atom looks at, worked out once. */
function openHints(expand: Expand): (rule: CompiledRule, atom: Atom) => Hint {
  const known = new Map<string, Hint>();
  return (rule, atom) => {
    const key = keyOf(atom);
    let hint = known.get(key);
    if (hint === undefined) known.set(key, (hint = hintOf(rule, atom, expand)));
    return hint;
  };
}

/**
 * Atoms that say the same are one, if they are asked alike: of what is many, an allow rule wants every one, and any other rule
 * one.
 */
export function keyOf(atom: Atom): string {
  const known = KEYS.get(atom);
  if (known === undefined) throw new Error(`an atom of no rule: ${atom.text}`);
  return known;
}

const KEYS = new WeakMap<Atom, string>();

function name(rule: CompiledRule): void {
  for (const atom of rule.atoms)
    KEYS.set(atom, `${rule.effect === 'allow' ? 'every' : 'one'} ${String(atom.path[2] ?? '')} ${atom.text}`);
}

function hintOf(rule: CompiledRule, atom: Atom, expand: Expand): Hint {
  const [, , part, field] = atom.path;
  try {
    if (part === 'args' && typeof field === 'string') {
      const matcher = rule.doc.args?.[field];
      if (matcher !== undefined) return hintOfMatcher(field, matcher, expand);
    }
    if (part === 'when' && typeof rule.doc.when === 'string') return hintOfExpression(atom.text, expand);
    const mapped = part === 'when' ? comparison(rule.doc.when, atom.path.slice(3)) : undefined;
    if (mapped !== undefined) return hintOfMatcher(mapped.field, mapped.matcher, expand);
  } catch {
    // What cannot be read again is an atom of which nothing is known.
  }
  return opaqueHint();
}

/** `{ field: args.a, op: ge, value: 5 }` of a mapping. */
function comparison(
  when: unknown,
  path: readonly (string | number)[],
): { readonly field: string; readonly matcher: MatcherDoc } | undefined {
  let at = when;
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) break;
    at = (at as Record<string | number, unknown>)[key];
  }
  const { field, op, value } = (at ?? {}) as { field?: unknown; op?: unknown; value?: unknown };
  if (typeof field !== 'string' || typeof op !== 'string' || !field.startsWith('args.')) return undefined;
  return { field: field.slice(5), matcher: { [op]: value } as MatcherDoc };
}

interface Setting {
  readonly goalAsksNames: boolean;
  readonly hints: (rule: CompiledRule, atom: Atom) => Hint;
  readonly deadline: Deadline;
  readonly namesAreComplete: boolean;
}

function problemOf(
  policies: readonly CompiledPolicy[],
  goal: CompiledRule | undefined,
  named: Named,
  { hints, deadline, namesAreComplete, goalAsksNames }: Setting,
): Problem {
  const rules = policies.map((policy) =>
    inOrder(
      policy.rules.filter((rule) => concerns(rule, named)),
      policy.combine,
    ),
  );
  const asked = new Map<string, { readonly rule: CompiledRule; readonly atom: Atom; readonly hint: Hint }>();
  for (const rule of [...rules.flat(), ...(goal === undefined ? [] : [goal])])
    for (const atom of rule.atoms) asked.set(keyOf(atom), { rule, atom, hint: hints(rule, atom) });

  const byNames = new Map<string, Answer>();
  const exact = new Map<string, { field: FieldPath; atoms: { rule: CompiledRule; atom: Atom }[]; hints: Hint[] }>();
  const open: string[] = [];
  const loose = new Map<string, Hint[]>();
  for (const [key, { rule, atom, hint }] of asked) {
    if (
      hint.fields.length > 0 &&
      hint.fields.every((field) => field.length === 1 && NAME_FACTS.has(field[0] as string))
    ) {
      byNames.set(key, answer(rule, atom, callWith(named, [])));
      continue;
    }
    for (const field of hint.fields.filter((one) => one[0] === 'args' && one.length > 1)) {
      const id = JSON.stringify(field);
      loose.set(id, [...(loose.get(id) ?? []), hint]);
    }
    const [field] = hint.fields;
    if (!hint.isExact || field === undefined || field[0] !== 'args' || field.length < 2) {
      open.push(key);
      continue;
    }
    const id = JSON.stringify(field);
    const group = exact.get(id) ?? { field, atoms: [], hints: [] };
    group.atoms.push({ rule, atom });
    exact.set(id, group);
  }

  let isComplete = namesAreComplete;
  const variables = new Map<string, Variable>();
  const ofAtom = new Map<string, Variable>();
  for (const [id, { field, atoms }] of exact) {
    const cells = cellsOf(loose.get(id) ?? [], deadline);
    const { options, areAll } = optionsOf(cells.values, field, atoms, named);
    isComplete &&= cells.isComplete && areAll;
    const variable = { id, options };
    variables.set(id, variable);
    for (const { atom } of atoms) ofAtom.set(keyOf(atom), variable);
  }
  for (const key of open) {
    const options = ([true, false, 'error'] as const).map((one) => ({ values: [], answers: new Map([[key, one]]) }));
    const variable = { id: key, options };
    variables.set(key, variable);
    ofAtom.set(key, variable);
  }
  return {
    named,
    rules,
    variables: [...variables.values()],
    variableOf: (atom) => ofAtom.get(keyOf(atom)),
    answerOf: (atom) => byNames.get(keyOf(atom)) ?? 'error',
    loose: new Map(
      [...loose]
        .filter(([id]) => !exact.has(id))
        .map(([id, of]) => [id, cellsOf(of, deadline).values.slice(0, MOST_EXAMPLES * 4)]),
    ),
    isComplete,
    namesAreComplete,
    rulesOutAll: namesAreComplete || !goalAsksNames,
  };
}

function concerns(rule: CompiledRule, named: Named): boolean {
  return matchesNames(rule.target, named, rule.effect === 'allow');
}

/** As the engine asks them: where the most restrictive decides, that one first. */
function inOrder(rules: readonly CompiledRule[], combine: Combine): readonly CompiledRule[] {
  if (combine !== 'deny-overrides') return rules;
  return rules.toSorted((a, b) => (SEVERITY[b.effect ?? ''] ?? -1) - (SEVERITY[a.effect ?? ''] ?? -1));
}

/** The values of a field, those that every atom answers alike together. */
function optionsOf(
  values: readonly (Json | undefined)[],
  field: FieldPath,
  atoms: readonly { readonly rule: CompiledRule; readonly atom: Atom }[],
  named: Named,
): { readonly options: readonly Option[]; readonly areAll: boolean } {
  const options = new Map<string, { values: (Json | undefined)[]; answers: Map<string, Answer> }>();
  const lists: (readonly Json[])[] = [];
  const add = (value: Json | undefined): void => {
    const call = callWith(named, [[field, value]]);
    const answers = new Map(atoms.map(({ rule, atom }) => [keyOf(atom), answer(rule, atom, call)]));
    const signature = [...answers.values()].join();
    const known = options.get(signature);
    if (known === undefined) options.set(signature, { values: [value], answers });
    else if (known.values.length < MOST_EXAMPLES) known.values.push(value);
    if (!Array.isArray(value) || value.length === 0 || seen.has(signature)) return;
    seen.add(signature);
    lists.push(value as readonly Json[]);
  };
  const seen = new Set<string>();
  for (const value of values.slice(0, MOST_OPTIONS)) add(value);
  // An atom wants every element or one, so what two lists answer says what they answer together: until nothing is new.
  for (let first = 0; first < lists.length && lists.length <= MOST_LISTS; first++)
    for (let second = 0; second < first && lists.length <= MOST_LISTS; second++)
      add([...(lists[first] as readonly Json[]), ...(lists[second] as readonly Json[])]);
  return { options: [...options.values()], areAll: values.length <= MOST_OPTIONS && lists.length <= MOST_LISTS };
}

/** What the real engine says of one atom. */
export function answer(rule: CompiledRule, atom: Atom, call: Call): Answer {
  try {
    const truth = atom.test(call);
    return truth instanceof Unsure ? 'error' : truth;
  } catch {
    return 'error';
  } finally {
    rule.forget();
  }
}

/** What of a call its values do not say. */
export type CallContext = Partial<Omit<Call, 'args' | 'direction' | 'server' | 'method' | 'tool' | 'prompt' | 'uri'>>;

/** A call of some names with some fields of its arguments set; a later one wins over an earlier. */
export function callWith(
  named: Named,
  fields: readonly (readonly [FieldPath, Json | undefined])[],
  context: CallContext = {},
): Call {
  const args = bare();
  for (const [[, ...path], value] of fields) if (value !== undefined) put(args, path, value);
  return {
    principal: { id: 'agent', roles: [], chain: [], assurance: 'same-user' },
    realPath: (path) => plainPath(path),
    ...context,
    ...named,
    args: () => args,
  };
}

type Draft = { [key: string]: Json };

function bare(): Draft {
  return Object.create(null) as Draft;
}

function put(into: Draft, path: readonly string[], value: Json): void {
  let at = into;
  for (const key of path.slice(0, -1)) {
    const next = at[key];
    const isOpen = typeof next === 'object' && next !== null && !Array.isArray(next);
    at = isOpen ? (next as Draft) : (at[key] = bare());
  }
  at[path.at(-1) ?? ''] = value;
}

/** As if there were no links. */
function plainPath(path: string): string | undefined {
  if (!path.startsWith('/')) return undefined;
  const kept: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(segment);
  }
  return `/${kept.join('/')}`;
}

/** What a tree answers, or the variable that has to be known first. */
export function ask(
  tree: ConditionTree | undefined,
  problem: Problem,
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
