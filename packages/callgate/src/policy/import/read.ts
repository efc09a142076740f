import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node } from 'yaml';
import { messageOf, type Place } from '../../model/error.ts';
import type { PolicySource } from '../compile-documents.ts';
import type { NodePath } from '../document/document-types.ts';
import { nestsDeeper, parseYaml } from '../document/yaml.ts';
import { spokenError } from '../document/yaml-errors.ts';
import type { Draft } from './report.ts';

/** A value of a foreign file; maps have no prototype. */
export type Value = null | boolean | number | string | readonly Value[] | Fields;
export interface Fields {
  readonly [key: string]: Value;
}

/** A foreign file, read; `at` says where a part of it stands. */
export interface Foreign {
  readonly file: string;
  readonly value: Value;
  at(path: NodePath): Place;
}

const MAX_TEXT = 1_048_576;
const MAX_NODES = 100_000;
const MAX_DEPTH = 64;
const MAX_BRACKETS = 200;

/** Reads YAML or JSON. What is wrong is reported; undefined when there is nothing to go on with. */
export function readYaml({ file, text }: PolicySource, draft: Draft): Foreign | undefined {
  const lines = new LineCounter();
  const source = text.startsWith('\uFEFF') ? text.slice(1) : text;
  const start = { file, line: 1, column: 1 };
  if (!isReadable(source, start, draft)) return undefined;
  const placeOf = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  try {
    const doc = parseYaml(source, lines);
    for (const error of [...doc.errors, ...doc.warnings]) {
      const { message, remedy } = spokenError(error, source);
      draft.fail(placeOf(error.pos[0]), 'CG_POLICY_IMPORT_SYNTAX', message.replace('YAML', 'YAML or JSON'), remedy);
    }
    if (doc.errors.length > 0) return undefined;
    const offsets = new Map<string, number>();
    const reading: Reading = { draft, placeOf, offsets, nodes: 0, resolve: (node) => resolveAlias(node, doc) };
    const value = plain(doc.contents, [], reading, 0);
    return { file, value, at: (path) => placeOf(nearestOffset(offsets, path)) };
  } catch (cause) {
    draft.fail(start, 'CG_POLICY_IMPORT_SYNTAX', `the file cannot be read as YAML or JSON: ${messageOf(cause)}`);
    return undefined;
  }
}

function isReadable(text: string, start: Place, draft: Draft): boolean {
  if (text.length > MAX_TEXT) {
    draft.fail(start, 'CG_POLICY_IMPORT_SYNTAX', `the file is larger than ${MAX_TEXT} characters`, 'split it');
    return false;
  }
  if (text.trim() === '') {
    draft.fail(start, 'CG_POLICY_IMPORT_SYNTAX', 'the file is empty', 'name the file that has the rules');
    return false;
  }
  if (nestsDeeper(text, MAX_BRACKETS)) {
    draft.fail(start, 'CG_POLICY_IMPORT_SYNTAX', 'the file is nested too deeply to be a policy');
    return false;
  }
  return true;
}

interface Reading {
  readonly draft: Draft;
  readonly placeOf: (offset: number) => Place;
  readonly offsets: Map<string, number>;
  readonly resolve: (node: Node) => Node | undefined;
  nodes: number;
}

function resolveAlias(node: Node, doc: Document): Node | undefined {
  return isAlias(node) ? node.resolve(doc) : node;
}

function plain(node: unknown, path: NodePath, reading: Reading, depth: number): Value {
  const offset = (node as Node | null)?.range?.[0] ?? 0;
  if (++reading.nodes > MAX_NODES || depth > MAX_DEPTH) {
    if (reading.nodes <= MAX_NODES + 1)
      reading.draft.fail(
        reading.placeOf(offset),
        'CG_POLICY_IMPORT_SYNTAX',
        'the file is too deep or too large to be a policy',
      );
    return null;
  }
  const found = node === null || node === undefined ? undefined : reading.resolve(node as Node);
  if (isMap(found)) {
    const out: Record<string, Value> = Object.create(null) as Record<string, Value>;
    for (const pair of found.items) {
      const keyNode = pair.key as Node;
      const at = keyNode?.range?.[0] ?? offset;
      const key = isScalar(keyNode) ? String(keyNode.value) : '';
      if (Object.hasOwn(out, key))
        reading.draft.fail(
          reading.placeOf(at),
          'CG_POLICY_IMPORT_KEY',
          `the key "${key}" stands twice`,
          'keep one of them',
        );
      reading.offsets.set(JSON.stringify([...path, key]), at);
      out[key] = plain(pair.value, [...path, key], reading, depth + 1);
    }
    return out;
  }
  if (isSeq(found)) {
    return found.items.map((item, index) => {
      reading.offsets.set(JSON.stringify([...path, index]), (item as Node | null)?.range?.[0] ?? offset);
      return plain(item, [...path, index], reading, depth + 1);
    });
  }
  const value = isScalar(found) ? found.value : null;
  if (typeof value === 'number' && !isExact(value, isScalar(found) ? found.source : undefined)) {
    reading.draft.fail(
      reading.placeOf(offset),
      'CG_POLICY_IMPORT_VALUE',
      'this number cannot be carried exactly',
      'write it with fewer digits',
    );
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
}

function isExact(value: number, source: string | undefined): boolean {
  if (!Number.isFinite(value)) return false;
  if (Number.isInteger(value)) return Number.isSafeInteger(value);
  return (source ?? '').replaceAll(/[^0-9]/g, '').length <= 15;
}

function nearestOffset(offsets: ReadonlyMap<string, number>, path: NodePath): number {
  for (let length = path.length; length > 0; length--) {
    const hit = offsets.get(JSON.stringify(path.slice(0, length)));
    if (hit !== undefined) return hit;
  }
  return 0;
}

/** Reads TOML, with the parser loaded when it is first needed. */
export async function readToml({ file, text }: PolicySource, draft: Draft): Promise<Foreign | undefined> {
  const source = text.startsWith('\uFEFF') ? text.slice(1) : text;
  const start = { file, line: 1, column: 1 };
  if (!isReadable(source, start, draft)) return undefined;
  const { parse, TomlError } = await import('smol-toml');
  try {
    const value = plainToml(parse(source), 0);
    const lines = source.split('\n');
    const tables = tomlTables(lines);
    return { file, value, at: (path) => ({ file, line: tomlLine(lines, tables, path), column: 1 }) };
  } catch (cause) {
    const place = cause instanceof TomlError ? { file, line: cause.line, column: cause.column } : start;
    const message = messageOf(cause).split('\n')[0] ?? '';
    draft.fail(
      place,
      'CG_POLICY_IMPORT_SYNTAX',
      `this is not valid TOML: ${message.replace('Invalid TOML document: ', '')}`,
    );
    return undefined;
  }
}

function plainToml(value: unknown, depth: number): Value {
  if (depth > MAX_DEPTH) throw new Error('nested too deeply to be a policy');
  if (Array.isArray(value)) return value.map((item) => plainToml(item, depth + 1));
  if (value instanceof Date) return value.toISOString();
  if (typeof value === 'object' && value !== null) {
    const out: Record<string, Value> = Object.create(null) as Record<string, Value>;
    for (const [key, inner] of Object.entries(value)) out[key] = plainToml(inner, depth + 1);
    return out;
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : String(value);
}

/** Where tables begin and end in a TOML text; found once, because places are asked for often. */
interface Table {
  readonly line: number;
  end: number;
}

function tomlTables(lines: readonly string[]): ReadonlyMap<string, readonly Table[]> {
  const tables = new Map<string, Table[]>();
  let open: Table = { line: 0, end: lines.length };
  tables.set('', [open]);
  let isText = false;
  for (const [index, line] of lines.entries()) {
    const quotes = line.match(/"""|'''/g)?.length ?? 0;
    const wasText: boolean = isText;
    if (quotes % 2 === 1) isText = !isText;
    const name = wasText ? undefined : /^\s*\[\[?\s*["']?([A-Za-z0-9_-]+)["']?\s*\]/.exec(line)?.[1];
    if (name === undefined) continue;
    open.end = index;
    open = { line: index + 1, end: lines.length };
    const known = tables.get(name);
    if (known === undefined) tables.set(name, [open]);
    else known.push(open);
  }
  return tables;
}

/** The line of a table's header, or of a key in it: `['rules', 1, 'tool']` is `tool =` below the second `[[rules]]`. */
function tomlLine(lines: readonly string[], tables: ReadonlyMap<string, readonly Table[]>, path: NodePath): number {
  const [name, second, third] = path;
  const index = typeof second === 'number' ? second : 0;
  const key = typeof second === 'number' ? third : second;
  const table = tables.get(String(name ?? ''))?.[index];
  if (table === undefined) return keyLine(lines, tables.get('')?.[0], name) ?? 1;
  return (key === undefined ? undefined : keyLine(lines, table, key)) ?? Math.max(table.line, 1);
}

function keyLine(
  lines: readonly string[],
  table: Table | undefined,
  key: string | number | undefined,
): number | undefined {
  for (let at = table?.line ?? 0; at < (table?.end ?? 0); at++) {
    if (key !== undefined && startsKey(lines[at] ?? '', String(key))) return at + 1;
  }
  return undefined;
}

function startsKey(line: string, key: string): boolean {
  const bare = line.trimStart().replace(/^["']/, '');
  return bare.startsWith(key) && /^["']?\s*[=.]/.test(bare.slice(key.length));
}
