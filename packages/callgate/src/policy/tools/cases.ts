import { isScalar, isSeq, type Node } from 'yaml';
import type { CallFinding, Direction } from '../../model/call.ts';
import type { Effect } from '../../model/decision.ts';
import type { Place } from '../../model/error.ts';
import type { Json } from '../../model/json.ts';
import type { CallSpec } from './cases-call.ts';
import { Reader } from './cases-reader.ts';
import { isObject } from '../condition/field.ts';
import type { Issue } from '../document/issue.ts';
import { suggest } from '../document/nearest.ts';

/** One call and what the policy should say about it. */
export interface PolicyCase {
  readonly name: string;
  readonly call: CallSpec;
  readonly expect: Expectation;
  readonly place: Place;
}

/** What is not named may be anything. */
export interface Expectation {
  readonly effect?: Effect;
  readonly rule?: string;
  /** A part of the reason. */
  readonly reason?: string;
  /** Every obligation of the decision: its kind, or `kind:rule`. */
  readonly obligations?: readonly string[];
}

/** A file of cases, read. */
export interface CaseFile {
  readonly file: string;
  /** Policy files, relative to this one. */
  readonly policies: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
  /** Paths that are links, and what they lead to; null for what cannot be told. */
  readonly links: Readonly<Record<string, string | null>>;
  readonly cases: readonly PolicyCase[];
}

const MOST_CASES = 10_000;

const FILE_KEYS = ['policy', 'time', 'variables', 'links', 'call', 'cases', 'tables'] as const;
const CASE_KEYS = ['name', 'call', 'expect'] as const;
const TABLE_KEYS = ['name', 'call', 'columns', 'rows'] as const;
const EXPECT_KEYS = ['effect', 'rule', 'reason', 'obligations'] as const;
const EFFECTS = ['allow', 'deny', 'ask', 'defer'] as const;
const CALL_KEYS = [
  'server', 'tool', 'prompt', 'resource', 'method', 'direction', 'args', 'result', 'principal', 'roles', 'annotations',
  'time', 'session', 'labels', 'intent', 'http', 'findings', 'history',
] as const; // prettier-ignore

/**
 * Reads a file of cases (YAML or JSON): `policy`, and `cases` or `tables`. Never throws.
 * @returns the file, or everything that is wrong with it
 */
export function readCases(file: string, text: string): CaseFile | { readonly issues: readonly Issue[] } {
  const reader = new Reader(file);
  const root = reader.parse(text);
  const read = root === undefined ? undefined : readFile(root, file, reader);
  if (read !== undefined && reader.issues.length === 0) return read;
  return { issues: reader.issues.toSorted((a, b) => a.line - b.line || a.column - b.column) };
}

function readFile(root: Node | null, file: string, reader: Reader): CaseFile | undefined {
  const map = reader.map(root, 'the file', FILE_KEYS);
  if (map === undefined) return undefined;
  const policies = reader.texts(map.get('policy'), 'policy');
  if (policies === undefined && !map.has('policy'))
    reader.report(root, 'the file names no policy', 'write `policy: ./policy.yaml`');
  const common = { ...readCall(map.get('call'), 'call', reader), ...timed(map.get('time'), reader) };
  const cases = [
    ...reader.items(map.get('cases'), 'cases').flatMap((node, index) => readCase(node, index, common, reader)),
    ...reader.items(map.get('tables'), 'tables').flatMap((node, index) => readTable(node, index, common, reader)),
  ];
  if (cases.length === 0) reader.report(root, 'the file has no cases', 'write `cases:`, a list of { call, expect }');
  if (cases.length > MOST_CASES) reader.report(root, `the file has more than ${MOST_CASES} cases`, 'split it');
  const names = new Map<string, PolicyCase>();
  for (const one of cases) {
    const other = names.get(one.name);
    if (other !== undefined) {
      const message = `the name "${one.name}" is already taken at line ${other.place.line}`;
      reader.reportAt(one.place, message, 'give each case a name of its own');
    }
    names.set(one.name, one);
  }
  return {
    file,
    policies: policies ?? [],
    variables: reader.textMap(map.get('variables'), 'variables', false) as Record<string, string>,
    links: reader.textMap(map.get('links'), 'links', true),
    cases,
  };
}

function timed(node: unknown, reader: Reader): { readonly time?: number } {
  if (node === undefined) return {};
  const text = reader.text(node, 'time');
  const time = text !== undefined && /^[0-9]{4}-/.test(text) ? Date.parse(text) : Number.NaN;
  if (text !== undefined && Number.isNaN(time))
    reader.report(node, `"${text}" is no time`, 'write it like 2026-03-01T10:00:00Z');
  return Number.isNaN(time) ? {} : { time };
}

function readCase(node: unknown, index: number, common: CallSpec, reader: Reader): readonly PolicyCase[] {
  return reader.within('', node, () => readOneCase(node, index, common, reader));
}

function readOneCase(node: unknown, index: number, common: CallSpec, reader: Reader): readonly PolicyCase[] {
  const map = reader.map(node, `case ${index + 1}`, CASE_KEYS);
  if (map === undefined) return [];
  const name = map.has('name') ? reader.text(map.get('name'), 'name') : `case ${index + 1}`;
  for (const key of ['call', 'expect'] as const)
    if (!map.has(key)) reader.report(node, `the case has no ${key}`, 'a case is { name, call, expect }');
  const call = { ...common, ...readCall(map.get('call'), 'call', reader) };
  const expect = readExpect(map.get('expect'), reader);
  if (name === undefined || expect === undefined) return [];
  return [{ name, call, expect, place: reader.placeOf(node) }];
}

/** One case a row: columns are keys of the call, `args.field`, or keys of what is expected. */
function readTable(node: unknown, index: number, common: CallSpec, reader: Reader): readonly PolicyCase[] {
  return reader.within(`table ${index + 1}`, node, () => readOneTable(node, common, reader));
}

function readOneTable(node: unknown, common: CallSpec, reader: Reader): readonly PolicyCase[] {
  const map = reader.map(node, 'a table', TABLE_KEYS);
  if (map === undefined) return [];
  const columns = reader.texts(map.get('columns'), 'columns') ?? [];
  for (const column of columns) {
    const isKnown = [...CALL_KEYS, ...EXPECT_KEYS, 'name'].includes(column) || /^args\..|^result\../.test(column);
    if (!isKnown)
      reader.report(
        map.get('columns'),
        `a table has no column "${column}"`,
        suggest(column, [...CALL_KEYS, ...EXPECT_KEYS]),
      );
  }
  const shared = { ...common, ...readCall(map.get('call'), 'call', reader) };
  const title = map.has('name') ? reader.text(map.get('name'), 'name') : undefined;
  return reader
    .items(map.get('rows'), 'rows')
    .flatMap((row, at) => reader.within(`row ${at + 1}`, row, () => readRow(row, columns, shared, title, reader)));
}

function readRow(
  row: unknown,
  columns: readonly string[],
  shared: CallSpec,
  title: string | undefined,
  reader: Reader,
): readonly PolicyCase[] {
  if (!isSeq(row)) return reader.report(row, 'a row must be a list', 'write [value, value ...]') ?? [];
  const cells = row.items;
  if (cells.length !== columns.length) {
    reader.report(
      row,
      `the row has ${cells.length} ${cells.length === 1 ? 'value' : 'values'}, the table ${columns.length} columns (${columns.join(', ')})`,
      'write null for none',
    );
    return [];
  }
  const call = new Map<string, unknown>();
  const expect = new Map<string, unknown>();
  const bare = (): Record<string, Json> => Object.create(null) as Record<string, Json>;
  const fields = { args: bare(), result: bare() };
  let name: string | undefined;
  for (const [index, column] of columns.entries()) {
    const cell = cells[index];
    // An empty cell says nothing.
    if (isScalar(cell) && cell.value === null) continue;
    const field = /^(args|result)\.(.+)$/.exec(column);
    if (column === 'name') {
      name = reader.text(cell, 'name');
    } else if (field !== null) {
      const value = reader.within(`column ${column}`, cell, () => reader.json(cell));
      fields[field[1] as 'args'][field[2] as string] = value ?? null;
    } else (EXPECT_KEYS.includes(column as 'rule') ? expect : call).set(column, cell);
  }
  const own = callOfEntries(call, reader);
  const place = reader.placeOf(row);
  const expected = expectOf(expect, reader);
  const merged = { ...shared, ...own };
  for (const side of ['args', 'result'] as const) {
    if (Object.keys(fields[side]).length > 0)
      Object.assign(merged, { [side]: { ...(merged[side] as Record<string, Json> | undefined), ...fields[side] } });
  }
  const usual = `${title === undefined ? '' : `${title}: `}line ${place.line}`;
  return [{ name: name ?? usual, call: merged, expect: expected, place }];
}

function readExpect(node: unknown, reader: Reader): Expectation | undefined {
  if (node === undefined) return undefined;
  if (isScalar(node)) return expectOf(new Map([['effect', node]]), reader);
  const map = reader.map(node, 'expect', EXPECT_KEYS);
  if (map?.size === 0) reader.report(node, 'expect says nothing', `name one of: ${EXPECT_KEYS.join(', ')}`);
  return map === undefined ? undefined : expectOf(map, reader);
}

function expectOf(map: ReadonlyMap<string, unknown>, reader: Reader): Expectation {
  const effect = map.has('effect') ? reader.oneOf(map.get('effect'), 'effect', EFFECTS) : undefined;
  const rule = map.has('rule') ? reader.text(map.get('rule'), 'rule') : undefined;
  const reason = map.has('reason') ? reader.text(map.get('reason'), 'reason') : undefined;
  const obligations = map.has('obligations') ? reader.texts(map.get('obligations'), 'obligations') : undefined;
  return {
    ...(effect === undefined ? {} : { effect }),
    ...(rule === undefined ? {} : { rule }),
    ...(reason === undefined ? {} : { reason }),
    ...(obligations === undefined ? {} : { obligations }),
  };
}

function readCall(node: unknown, what: string, reader: Reader): CallSpec {
  if (node === undefined) return {};
  const map = reader.map(node, what, CALL_KEYS);
  return map === undefined ? {} : callOfEntries(map, reader);
}

const DIRECTIONS = ['call', 'result', 'request', 'answer'] as const;
const INTENTS = ['read', 'create', 'update', 'delete', 'query', 'unknown'] as const;
const HINTS = ['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint'] as const;
const PRINCIPAL = ['id', 'agent', 'user', 'roles', 'chain', 'assurance'] as const;

function callOfEntries(map: ReadonlyMap<string, unknown>, reader: Reader): CallSpec {
  const call: Record<string, unknown> = {};
  for (const [key, node] of map) {
    const value = readPart(key, node, reader);
    if (value !== undefined) call[key] = value;
  }
  return { ...call, ...timed(map.get('time'), reader) };
}

function readPart(key: string, node: unknown, reader: Reader): unknown {
  switch (key) {
    case 'args':
    case 'result':
      return reader.json(node);
    case 'roles':
    case 'labels':
      return reader.texts(node, key);
    case 'direction':
      return reader.oneOf(node, key, DIRECTIONS) satisfies Direction | undefined;
    case 'intent':
      return reader.oneOf(node, key, INTENTS);
    case 'time':
      return undefined;
    case 'annotations': {
      const map = reader.map(node, key, HINTS);
      const entries = [...(map ?? [])].map(([hint, value]) => [hint, reader.flag(value, hint)] as const);
      return Object.fromEntries(entries);
    }
    case 'principal':
      return Object.fromEntries(
        [...(reader.map(node, key, PRINCIPAL) ?? [])].map(([name, value]) => [
          name,
          name === 'roles' || name === 'chain' ? reader.texts(value, name) : reader.text(value, name),
        ]),
      );
    case 'http':
      return reader.textMap(node, key, false);
    case 'history': {
      const map = reader.json(node);
      const isGood = isObject(map) && Object.values(map).every((count) => Number.isSafeInteger(count));
      return isGood ? map : reader.report(node, 'history must be a map of tools to how often they were called');
    }
    case 'findings':
      return reader.items(node, key).map((item) => readFinding(item, reader));
    default:
      return reader.text(node, key);
  }
}

function readFinding(node: unknown, reader: Reader): CallFinding {
  const map = reader.map(node, 'a finding', ['rule', 'class', 'pointer', 'confidence']);
  const text = (key: string, usual: string): string =>
    map?.has(key) === true ? (reader.text(map.get(key), key) ?? usual) : usual;
  const confidence = map?.has('confidence') === true ? reader.json(map.get('confidence')) : 1;
  if (typeof confidence !== 'number' || confidence < 0 || confidence > 1)
    reader.report(node, 'confidence must be a number from 0 to 1');
  return {
    rule: text('rule', 'finding'),
    class: text('class', 'secret'),
    pointer: text('pointer', ''),
    confidence: typeof confidence === 'number' ? confidence : 1,
  };
}
