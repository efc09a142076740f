import type { Place } from '../../model/error.ts';
import type { NodePath } from '../document/document-types.ts';
import { suggest } from '../document/nearest.ts';
import type { Fields, Foreign, Value } from './read.ts';
import { type Draft, shorten } from './report.ts';

/** A map of a foreign file: its keys are checked when it is opened, each value when it is asked for. */
export interface FieldReader {
  readonly path: NodePath;
  readonly place: Place;
  has(key: string): boolean;
  raw(key: string): Value | undefined;
  at(key: string): Place;
  text(key: string): string | undefined;
  flag(key: string): boolean | undefined;
  /** A whole number of at least `min`. */
  count(key: string, min?: number): number | undefined;
  number(key: string): number | undefined;
  oneOf<T extends string>(key: string, words: readonly T[]): T | undefined;
  /** A list of texts; one text is a list of one. */
  texts(key: string): readonly string[] | undefined;
  list(key: string): readonly Value[] | undefined;
  map(key: string, known: readonly string[] | undefined): FieldReader | undefined;
  item(key: string, index: number, known: readonly string[]): FieldReader | undefined;
  keys(): readonly string[];
  /** Reports keys that are required and not there. */
  needs(...keys: readonly string[]): boolean;
}

/** Opens a map; unknown keys are issues, unless `known` is undefined (then any key may stand there). */
export function openFields(
  foreign: Foreign,
  value: Value | undefined,
  path: NodePath,
  known: readonly string[] | undefined,
  draft: Draft,
): FieldReader | undefined {
  if (!isFields(value)) {
    wrong(draft, foreign.at(path), path, 'a map', value);
    return undefined;
  }
  const at = (key: string): Place => foreign.at([...path, key]);
  for (const key of known === undefined ? [] : Object.keys(value)) {
    if (!known?.includes(key))
      draft.fail(
        at(key),
        'CG_POLICY_IMPORT_KEY',
        `${path.length === 0 ? 'the file' : nameOf(path)} has no key "${shorten(key)}"`,
        suggest(key, known ?? []),
      );
  }
  const get = (key: string): Value | undefined => (Object.hasOwn(value, key) ? value[key] : undefined);
  const typed = <T extends Value>(key: string, what: string, is: (found: Value) => found is T): T | undefined => {
    const found = get(key);
    if (found === undefined) return undefined;
    if (is(found)) return found;
    wrong(draft, at(key), [...path, key], what, found);
    return undefined;
  };
  const reader: FieldReader = {
    path,
    place: foreign.at(path),
    has: (key) => get(key) !== undefined,
    raw: get,
    at,
    text: (key) => typed(key, 'text', (found) => typeof found === 'string'),
    flag: (key) => typed(key, 'true or false', (found) => typeof found === 'boolean'),
    number: (key) => typed(key, 'a number', (found) => typeof found === 'number'),
    count(key, min = 1) {
      const found = reader.number(key);
      if (found === undefined || (Number.isSafeInteger(found) && found >= min)) return found;
      draft.fail(
        at(key),
        'CG_POLICY_IMPORT_VALUE',
        `${nameOf([...path, key])} is ${found}`,
        `write a whole number of at least ${min}`,
      );
      return undefined;
    },
    oneOf<T extends string>(key: string, words: readonly T[]): T | undefined {
      const found = reader.text(key);
      const hit = words.find((word) => word === found);
      if (found !== undefined && hit === undefined)
        draft.fail(
          at(key),
          'CG_POLICY_IMPORT_VALUE',
          `${nameOf([...path, key])} may not be "${shorten(found)}"`,
          suggest(found, words),
        );
      return hit;
    },
    texts(key) {
      const found = get(key);
      if (typeof found === 'string') return [found];
      const list = reader.list(key);
      if (list === undefined) return undefined;
      if (list.length === 0)
        draft.fail(
          at(key),
          'CG_POLICY_IMPORT_VALUE',
          `${nameOf([...path, key])} is an empty list`,
          'name something, or leave the key out',
        );
      for (const [index, item] of list.entries()) {
        if (typeof item !== 'string')
          wrong(draft, foreign.at([...path, key, index]), [...path, key, index], 'text', item);
      }
      return list.filter((item) => typeof item === 'string');
    },
    list: (key) => typed(key, 'a list', (found): found is readonly Value[] => Array.isArray(found)),
    map: (key, keys) =>
      get(key) === undefined ? undefined : openFields(foreign, get(key), [...path, key], keys, draft),
    item(key, index, keys) {
      const list = get(key);
      return openFields(foreign, Array.isArray(list) ? list[index] : undefined, [...path, key, index], keys, draft);
    },
    keys: () => Object.keys(value),
    needs(...keys) {
      const missing = keys.filter((key) => get(key) === undefined || get(key) === '');
      for (const key of missing)
        draft.fail(foreign.at(path), 'CG_POLICY_IMPORT_MISSING', `${nameOf(path)} has no ${key}`, `add ${key}`);
      return missing.length === 0;
    },
  };
  return reader;
}

/** Whether a value is a map. */
export function isFields(value: Value | undefined): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wrong(draft: Draft, place: Place, path: NodePath, wanted: string, found: Value | undefined): void {
  const what =
    found === undefined || found === null
      ? 'empty'
      : Array.isArray(found)
        ? 'a list'
        : typeof found === 'object'
          ? 'a map'
          : typeof found === 'string'
            ? `the text "${shorten(found)}"`
            : String(found);
  const quoted = wanted === 'text' && (typeof found === 'number' || typeof found === 'boolean');
  const listed = wanted === 'a list' && typeof found === 'string' ? `write ["${shorten(found)}"]` : `write ${wanted}`;
  draft.fail(
    place,
    'CG_POLICY_IMPORT_TYPE',
    `${nameOf(path)} is ${what}, not ${wanted}`,
    quoted ? 'put it in quotes' : listed,
  );
}

function nameOf(path: NodePath): string {
  return path.length === 0 ? 'the file' : path.join('.');
}
