import { ExactNumber } from '../../../model/json.ts';
import { kindOf } from './kinds.ts';
import { celPath, fieldText, type Leaf, type Scalar } from './shape.ts';
import type { Lesson, Target } from './select.ts';
import { exactName, type LearnedField, type LearnedRule, many } from './text.ts';
import { type LearnPlace, type Part, partsOf, type Seen } from './values.ts';

const MOST_VALUES = 100;
const MOST_TEXT = 500;
const MOST_CALLS = 50;
const MOST_SHAPES = 16;

/** Prose may be long; whatever else is listed must be short enough to be read. */
export function isWritable({ shape }: Lesson): boolean {
  return (
    shape === undefined ||
    shape.leaves.every(
      (leaf) =>
        kindOf(leaf.path, leaf.values) === 'prose' ||
        leaf.values.every((value) => scalarKey(value).length <= MOST_TEXT),
    )
  );
}

/** Rules, and the calls that they are to allow. */
export interface Draft {
  readonly rules: readonly LearnedRule[];
  readonly lessons: readonly Lesson[];
}

/** A rule for each shape of the arguments. */
export function fieldRules(
  target: Target,
  lessons: readonly Lesson[],
  level: 'general' | 'fields',
  place: LearnPlace,
): Draft {
  const byShape = new Map<string, Lesson[]>();
  for (const lesson of lessons) {
    const key = lesson.shape?.key ?? '(none)';
    const list = byShape.get(key);
    if (list === undefined) byShape.set(key, [lesson]);
    else list.push(lesson);
  }
  const shapes = [...byShape.values()].toSorted((a, b) => callsOf(b) - callsOf(a)).slice(0, MOST_SHAPES);
  const rules: LearnedRule[] = [];
  const kept: Lesson[] = [];
  for (const of of shapes) {
    const fit = mostUsed(of, level, place);
    if (fit.length === 0) continue;
    rules.push(ruleOf(target, fit, level, place));
    kept.push(...fit);
  }
  return { rules, lessons: kept };
}

/** The calls whose values are listed: of each field the values that most calls had. */
function mostUsed(lessons: readonly Lesson[], level: 'general' | 'fields', place: LearnPlace): readonly Lesson[] {
  let fit = lessons;
  for (const [index, leaf] of (lessons[0]?.shape?.leaves ?? []).entries()) {
    const unlisted = new Set<string>();
    for (const part of partsOfLeaf(leaf, index, fit, level, place))
      if (part.kind === 'in' || part.kind === 'host')
        for (const { value } of part.seen.slice(MOST_VALUES)) unlisted.add(scalarKey(value));
    if (unlisted.size > 0)
      fit = fit.filter(
        ({ shape }) => shape?.leaves[index]?.values.some((value) => unlisted.has(scalarKey(value))) === false,
      );
  }
  return fit;
}

function ruleOf(
  target: Target,
  lessons: readonly Lesson[],
  level: 'general' | 'fields',
  place: LearnPlace,
): LearnedRule {
  const shape = lessons[0]?.shape;
  const head = {
    id: idOf(target),
    comments: evidenceOf(target, lessons),
    match: matchOf(target),
    effect: 'allow' as const,
  };
  if (shape === undefined) {
    if (target.by !== 'tool' && target.by !== 'prompt') return { ...head, fields: [], when: [] };
    // The record of a call without arguments is that of one whose only argument is its name: no other text passes.
    const none: Seen[] = ['name', target.name].map((value) => ({
      value,
      calls: callsOf(lessons),
      record: lessons[0]?.records[0] ?? '',
    }));
    return { ...head, fields: [{ name: 'anyString', isList: false, parts: [{ kind: 'in', seen: none }] }], when: [] };
  }
  const fields: LearnedField[] = [];
  const when = [...shape.sizes];
  for (const [index, leaf] of shape.leaves.entries()) {
    const parts = partsOfLeaf(leaf, index, lessons, level, place);
    fields.push({ name: fieldText(leaf.path), isList: leaf.kind === 'list', parts });
    // A list has a size, too, but no glob.
    for (const part of parts)
      if (part.kind === 'prose')
        when.push(`glob(${celPath(leaf.path)}, "*") && size(${celPath(leaf.path)}) <= ${part.most}`);
  }
  return { ...head, fields, when };
}

function partsOfLeaf(
  leaf: Leaf,
  index: number,
  lessons: readonly Lesson[],
  level: 'general' | 'fields',
  place: LearnPlace,
): readonly Part[] {
  const seen = seenIn(index, lessons);
  if (seen.length === 0)
    return [{ kind: 'in', seen: [{ value: EMPTY, calls: callsOf(lessons), record: lessons[0]?.records[0] ?? '' }] }];
  if (level === 'fields') return [{ kind: 'in', seen }];
  const kind = kindOf(
    leaf.path,
    seen.map(({ value }) => value),
  );
  return partsOf(kind === 'prose' && leaf.kind !== 'value' ? 'exact' : kind, seen, place);
}

/** Stands in the list of what the elements of an array may be that was empty whenever it was seen. */
const EMPTY = '(no element was seen)';

/** The values of a field, with the calls they stood in; the most used first, then by their text. */
function seenIn(index: number, lessons: readonly Lesson[]): readonly Seen[] {
  const seen = new Map<string, Seen>();
  for (const { shape, calls, records } of lessons) {
    const values = new Map(shape?.leaves[index]?.values.map((value) => [scalarKey(value), value]));
    for (const [key, value] of values) {
      const known = seen.get(key);
      if (known === undefined) seen.set(key, { value, calls, record: records[0] ?? '' });
      else known.calls += calls;
    }
  }
  return [...seen]
    .toSorted(([a, one], [b, other]) => other.calls - one.calls || (a < b ? -1 : 1))
    .map(([, one]) => one);
}

function scalarKey(value: Scalar): string {
  return value instanceof ExactNumber ? value.text : JSON.stringify(value);
}

/** A rule for each call, as it was. */
export function callRules(target: Target, lessons: readonly Lesson[]): Draft {
  const kept = lessons
    .toSorted((a, b) => b.calls - a.calls || (a.records[0] ?? '').localeCompare(b.records[0] ?? ''))
    .slice(0, MOST_CALLS);
  const place: LearnPlace = { project: '/', home: undefined };
  return { rules: kept.map((lesson) => ruleOf(target, [lesson], 'fields', place)), lessons: kept };
}

function matchOf({ server, method, by, name }: Target): LearnedRule['match'] {
  const match = { server: exactName(server) ?? '', [by]: exactName(name) ?? '' };
  return by === 'resource' ? { ...match, method } : by === 'method' ? { ...match, direction: 'call' } : match;
}

/** What it was learned from: how many calls, when, and records to look up. */
function evidenceOf({ server, method, by, name }: Target, lessons: readonly Lesson[]): readonly string[] {
  const calls = callsOf(lessons);
  const first = iso(Math.min(...lessons.map((lesson) => lesson.first)));
  const last = iso(Math.max(...lessons.map((lesson) => lesson.last)));
  const records = lessons
    .flatMap((lesson) => lesson.records)
    .slice(0, 3)
    .join(', ');
  const what = by === 'method' ? method : `${by} ${name}`;
  return [
    `${what} on ${server}: ${many(calls, 'call')}, ${many(lessons.length, 'different one')}, ${first} to ${last}`,
    `records: ${records}`,
  ];
}

/** Calls, the same ones counted each time. */
export function callsOf(lessons: readonly Lesson[]): number {
  return lessons.reduce((sum, { calls }) => sum + calls, 0);
}

function idOf({ server, by, name }: Target): string {
  return `learned/${plain(server)}/${by === 'tool' ? '' : `${by}-`}${plain(name)}`;
}

/** The part of a name that may stand in an id. */
export function plain(name: string): string {
  return name.replace(/[^A-Za-z0-9_-]+/g, '-').slice(0, 40) || '-';
}

/** A time as comments show it. */
export function iso(time: number): string {
  return new Date(time).toISOString();
}
