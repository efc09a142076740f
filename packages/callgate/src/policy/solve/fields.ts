import type { Call } from '../../model/call.ts';
import type { Json } from '../../model/json.ts';
import type { FieldPath } from '../condition/field.ts';
import type { Named } from '../target.ts';
import { cellsOf } from './cells.ts';
import { type Gap, gapOf, type NamedAtom } from './gaps.ts';
import type { Hint } from './hints.ts';
import type { Deadline } from './regular.ts';
import { type Answer, answer, callWith, keyOf, plainPath } from './trial.ts';
import { type Option, shapeOf, type Shape, type Variable } from './variable.ts';

/** What calls can differ in by one field of their arguments, and the atoms that each variable answers. */
export interface FieldVariables {
  readonly variables: readonly { readonly variable: Variable; readonly atoms: readonly NamedAtom[] }[];
  /** Atoms that no variable answers. */
  readonly open: readonly NamedAtom[];
  readonly gaps: readonly Gap[];
}

export type Fields = (
  id: string,
  atoms: readonly NamedAtom[],
  hints: readonly Hint[],
  isJudged: boolean,
  deadline: Deadline,
) => FieldVariables;

/** Where a root of `under` is, as written and with its links followed; undefined when that cannot be told. */
export type RootsOf = (root: string) => readonly string[] | undefined;

/** As many examples of one kind of value are kept: others may do where one does not. */
const MOST_EXAMPLES = 12;
const MOST_OPTIONS = 4_096;
const MOST_LISTS = 48;
/** How many of the texts of a field are put into others. */
const MOST_FRAMED = 24;
const MOST_POINTS = 128;
/** For examples that are tried first. */
const LITTLE_WORK = 60;

/** An atom on one field that is not worked out may answer anything, but for a field that is not there. */
export function openVariable(one: NamedAtom, id: string | undefined): Variable {
  const key = keyOf(one.atom);
  const open = ANSWERS.map((said): Option => ({ values: [], answers: new Map([[key, said]]) }));
  if (id === undefined) return { id: key, options: open, open: one };
  const missing = answer(one.rule, one.atom, callWith(ANY_CALL, []));
  const absent: Option = { values: [], answers: new Map([[key, missing]]), shape: 'missing' };
  return {
    id: key,
    options: [...open.map((option) => ({ ...option, shape: 'present' as const })), absent],
    open: one,
    field: id,
  };
}

const ANSWERS = [true, false, 'error'] as const;

const ANY_CALL: Named = { direction: 'call', server: 'a', method: 'tools/call', tool: 'x' };

/** Works out variables of fields, once each. */
export function openFields(rootsOf: RootsOf | undefined): Fields {
  const known = new Map<string, FieldVariables>();
  const ids = new Map<Hint, number>();
  const idOf = (hint: Hint): number => {
    const at = ids.get(hint) ?? ids.size;
    ids.set(hint, at);
    return at;
  };
  return (id, atoms, hints, isJudged, deadline) => {
    const key = JSON.stringify([id, isJudged, atoms.map(({ atom }) => keyOf(atom)), hints.map(idOf)]);
    const found = known.get(key) ?? (isJudged ? judged : exhaustive)(id, atoms, hints, deadline, rootsOf);
    known.set(key, found);
    return found;
  };
}

/** One variable for everything about the field, judged by the real operators on examples. */
function judged(id: string, atoms: readonly NamedAtom[], hints: readonly Hint[], deadline: Deadline): FieldVariables {
  const field = JSON.parse(id) as FieldPath;
  const { values } = cellsOf(hints, deadline, LITTLE_WORK);
  const texts = values.filter((value): value is string => typeof value === 'string').slice(0, MOST_FRAMED);
  const frames = hints.flatMap((hint) => hint.frames);
  const framed = frames.slice(0, MOST_FRAMED * 4).flatMap((frame) => texts.map(frame));
  const { options } = optionsOf(plainFirst([...values, ...framed]), field, atoms);
  return { variables: [{ variable: { id, options }, atoms }], open: [], gaps: [] };
}

/** What is not there first, ways up late: people read the first that will do. */
function plainFirst(values: readonly (Json | undefined)[]): readonly (Json | undefined)[] {
  const weight = (value: Json | undefined): number =>
    value === undefined ? 0 : typeof value !== 'string' ? 3 : value.includes('..') ? 2 : 1;
  return values.toSorted((a, b) => weight(a) - weight(b));
}

/** A variable for all that is worked out of the texts and numbers of a field, and one for where its paths lie. */
function exhaustive(
  id: string,
  atoms: readonly NamedAtom[],
  hints: readonly Hint[],
  deadline: Deadline,
  rootsOf: RootsOf | undefined,
): FieldVariables {
  const field = JSON.parse(id) as FieldPath;
  const exactFirst = hints.toSorted((a, b) => Number(b.isExact) - Number(a.isExact));
  const cells = cellsOf(exactFirst, deadline);
  const exact = atoms.filter(({ hint }) => hint.isExact && !cells.unread.has(hint));
  const variables: { variable: Variable; atoms: readonly NamedAtom[] }[] = [];
  const gaps: Gap[] = [];
  if (exact.length > 0) {
    const { options, areAll } = optionsOf(cells.values, field, exact);
    if (!areAll) gaps.push(gapOf('tells too many kinds of values apart', exact[0]?.rule, exact[0]?.atom));
    variables.push({ variable: { id, options, field: id }, atoms: exact });
  }
  const located = field.length === 2 ? locatedOf(atoms, rootsOf) : [];
  if (located.length > 0) {
    const roots = new Set(located.flatMap(({ roots: of }) => of));
    const of = located.map(({ of: one }) => one);
    const { options, areAll } = locationsOf(field, of, [...roots], deadline);
    if (!areAll) gaps.push(gapOf('tells too many directories apart', of[0]?.rule, of[0]?.atom));
    variables.push({ variable: { id: `under ${id}`, options, field: id }, atoms: of });
  }
  const isKnown = new Set(variables.flatMap(({ atoms: of }) => of));
  return { variables, open: atoms.filter((one) => !isKnown.has(one)), gaps };
}

/** The atoms that ask only where a path lies, with their roots. */
function locatedOf(
  atoms: readonly NamedAtom[],
  rootsOf: RootsOf | undefined,
): readonly { readonly of: NamedAtom; readonly roots: readonly string[] }[] {
  if (rootsOf === undefined) return [];
  return atoms.flatMap((of) => {
    const roots = of.hint.roots?.map(rootsOf);
    return roots === undefined || roots.length === 0 || !roots.every((one) => one !== undefined)
      ? []
      : [{ of, roots: roots.flat() }];
  });
}

/**
 * What atoms on where a path lies can answer together. Those answers depend on the deepest root that the real path lies
 * below, and with `..` also on the one that its text names: one path for each of these, in a world where links lead there.
 */
function locationsOf(
  field: FieldPath,
  atoms: readonly NamedAtom[],
  roots: readonly string[],
  deadline: Deadline,
): { readonly options: readonly Option[]; readonly areAll: boolean } {
  let segment = 'zq';
  while (roots.some((root) => root.includes(segment))) segment += 'q';
  const places = ['', ...roots].map((root) => `${root === '/' ? '' : root}/${segment}`);
  const world = new Map<string, string>();
  const realPath = (path: string): string | undefined => world.get(path) ?? plainPath(path);
  const ofReal = new Map<string, string>();
  for (const place of places) {
    const text = `/${segment}/l${world.size}`;
    world.set(text, place);
    const call = callWith(ANY_CALL, [[field, text]], { realPath });
    const key = atoms.map(({ rule, atom }) => answer(rule, atom, call)).join();
    if (!ofReal.has(key)) ofReal.set(key, text);
  }
  const linked: string[] = [...ofReal.values()];
  for (const text of ofReal.values()) {
    for (const place of places) {
      deadline();
      const dotted = `${place}/../${segment}${world.size}`;
      world.set(dotted, world.get(text) as string);
      linked.push(dotted);
    }
  }
  const texts = [...places, ...linked, ''];
  const empty = Object.create(null) as { readonly [key: string]: Json };
  const scalars: Json[] = [...texts, 1, true, null, empty];
  // Lists of one that all answer alike are one list: else there are too many to be put together.
  const lists = new Map<string, Json>();
  for (const value of scalars) {
    const call = callWith(ANY_CALL, [[field, [value]]], { realPath });
    const key = atoms.map(({ rule, atom }) => answer(rule, atom, call)).join();
    if (!lists.has(key)) lists.set(key, [value]);
  }
  const found = optionsOf([...scalars, undefined, [], ...lists.values()], field, atoms, realPath);
  return { options: found.options, areAll: found.areAll && places.length <= MOST_POINTS };
}

/** The values of a field, those that every atom answers alike together. */
function optionsOf(
  values: readonly (Json | undefined)[],
  field: FieldPath,
  atoms: readonly NamedAtom[],
  realPath?: Call['realPath'],
): { readonly options: readonly Option[]; readonly areAll: boolean } {
  const options = new Map<string, { values: (Json | undefined)[]; answers: Map<string, Answer>; shape: Shape }>();
  const lists: (readonly Json[])[] = [];
  const add = (value: Json | undefined): void => {
    const call = callWith(ANY_CALL, [[field, value]], realPath === undefined ? {} : { realPath });
    const answers = new Map(atoms.map(({ rule, atom }) => [keyOf(atom), answer(rule, atom, call)]));
    const shape = shapeOf(value);
    const signature = [shape, ...answers.values()].join();
    const known = options.get(signature);
    if (known === undefined) options.set(signature, { values: [value], answers, shape });
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
