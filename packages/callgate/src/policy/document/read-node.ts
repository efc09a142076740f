import { isAlias, isMap, isScalar, isSeq, type LineCounter, type Node, type Scalar, type YAMLMap } from 'yaml';

import type { NodePath } from './document-types.ts';
import type { Issue } from './issue.ts';
import { nearest, suggest } from './nearest.ts';
import { isNumeric, numberFromText, type Numeric } from '../condition/numbers.ts';
import type { Shape } from './schema-shape.ts';
import { keysOf, typeRemedy } from './type-remedies.ts';

const MAX_DEPTH = 64;

/** A reading in progress: what it found wrong so far. */
export interface Reading {
  readonly file: string;
  readonly issues: Issue[];
  readonly broken: Set<number>;
  readonly lines: LineCounter;
  report(node: Node | number | null | undefined, path: NodePath, code: string, message: string, remedy?: string): void;
}

/** Reads a node as its shape says: plain values, and undefined (with an issue) for what does not fit. */
export function readNode(node: unknown, shape: Shape, path: NodePath, reading: Reading): unknown {
  if (path.length > MAX_DEPTH) {
    reading.report(node as Node, path, 'CG_POLICY_YAML', `nested deeper than ${MAX_DEPTH}`, 'split the rule');
    return undefined;
  }
  if (isAlias(node) || (node as (Node & { anchor?: string }) | null)?.anchor !== undefined) {
    reading.report(
      node as Node,
      path,
      'CG_POLICY_ALIAS',
      'anchors and aliases (`&`, `*name`) are not part of the policy language',
      'write the value out; quote a text that begins with * or &',
    );
    return undefined;
  }
  if ((node as Node | null)?.tag !== undefined && !(node as Node).tag?.startsWith('tag:yaml.org,2002:')) {
    reading.report(
      node as Node,
      path,
      'CG_POLICY_YAML',
      `the tag ${(node as Node).tag} is not part of the policy language`,
      'remove it; quote a text that begins with !',
    );
    return undefined;
  }
  switch (shape.kind) {
    case 'ref':
      return readNode(node, shape.to(), path, reading);
    case 'either': {
      const fitting = shape.options.find((option) => fits(node, option));
      return fitting === undefined ? wrongType(node, shape, path, reading) : readNode(node, fitting, path, reading);
    }
    case 'list':
      return isSeq(node) ? readList(node.items, node, shape.of, path, reading) : wrongType(node, shape, path, reading);
    case 'map':
    case 'fields':
      return isMap(node) ? readMap(node, shape, path, reading) : wrongType(node, shape, path, reading);
    default:
      return isScalar(node) ? readScalar(node, shape, path, reading) : wrongType(node, shape, path, reading);
  }
}

function fits(node: unknown, shape: Shape): boolean {
  switch (shape.kind) {
    case 'ref':
      return fits(node, shape.to());
    case 'either':
      return shape.options.some((option) => fits(node, option));
    case 'list':
      return isSeq(node);
    case 'map':
    case 'fields':
      return isMap(node);
    case 'scalar':
      return isScalar(node);
    case 'text':
      return isScalar(node) && typeof node.value === 'string';
    case 'number':
      return isScalar(node) && typeof node.value === 'number';
    case 'boolean':
      return isScalar(node) && typeof node.value === 'boolean';
  }
}

function readList(
  items: readonly unknown[],
  node: Node,
  of: Shape,
  path: NodePath,
  reading: Reading,
): unknown[] | undefined {
  const isRuleList = path.length === 1 && path[0] === 'rules';
  if (items.length === 0 && !isRuleList) {
    reading.report(
      node,
      path,
      'CG_POLICY_EMPTY',
      `${nameOf(path)} is an empty list`,
      'name at least one, or leave the key out',
    );
    return undefined;
  }
  const out: unknown[] = [];
  for (const [index, item] of items.entries()) {
    const read = readNode(item, of, [...path, index], reading);
    if (read !== undefined) out.push(read);
    else if (isRuleList) out.push({});
  }
  return out;
}

/** A map that inherits nothing. Those with the same keys share their layout, which they would not without a constructor. */
const Bare = function () {} as unknown as new () => Record<string, unknown>;
Bare.prototype = Object.create(null) as object;

function readMap(node: YAMLMap, shape: Shape & { kind: 'map' | 'fields' }, path: NodePath, reading: Reading): unknown {
  const out = new Bare();
  const seen = new Set<string>();
  const known = shape.kind === 'map' ? keysOf(shape.keys) : [];
  const mayBeEmpty = shape.kind === 'map' && shape.mayBeEmpty === true;
  if (node.items.length === 0 && !mayBeEmpty) reportEmpty(node, known, path, reading);
  for (const pair of node.items) {
    const keyNode = pair.key as Node;
    const key = isScalar(keyNode) ? String(keyNode.source ?? keyNode.value) : undefined;
    if (key === undefined || (keyNode as Scalar).anchor !== undefined) {
      reading.report(keyNode ?? node, path, 'CG_POLICY_TYPE', 'a key must be plain text', 'write key: value');
      continue;
    }
    if (seen.has(key)) {
      reading.report(
        keyNode,
        path,
        'CG_POLICY_DUPLICATE_KEY',
        `the key "${key}" appears twice in ${nameOf(path)}`,
        'keep one of them',
      );
      continue;
    }
    seen.add(key);
    const inner =
      shape.kind === 'fields' ? shape.of : Object.hasOwn(shape.keys, key) ? shape.keys[key]?.shape : undefined;
    if (inner === undefined) {
      if (shape.kind === 'map') reportUnknown(key, keyNode, shape, known, path, reading);
      continue;
    }
    const value = readNode(pair.value, inner, [...path, key], reading);
    if (value !== undefined) out[key] = value;
  }
  if (shape.kind === 'map') {
    if (shape.one === true && seen.size > 1) {
      reading.report(
        node,
        path,
        'CG_POLICY_TWO_OPERATORS',
        `${nameOf(path)} names ${seen.size} operators (${[...seen].join(', ')}); it takes one`,
        path.includes('obligations')
          ? 'write each as an item of the list'
          : 'combine them with allOf: [{ ... }, { ... }]',
      );
    }
    for (const key of known) {
      if (shape.keys[key]?.required === true && !seen.has(key) && !seen.has(aliasOf(seen, key))) {
        reading.report(
          node,
          path,
          'CG_POLICY_MISSING_KEY',
          `${nameOf(path)} has no "${key}"`,
          missingRemedy(key, shape.keys[key]?.doc),
        );
      }
    }
  }
  return out;
}

/** A misspelt key is reported once, as unknown, not also as missing. */
function aliasOf(seen: ReadonlySet<string>, key: string): string {
  for (const word of seen) if (nearest(word, [key]) !== undefined) return word;
  return key;
}

function missingRemedy(key: string, doc: string | undefined): string {
  if (key === 'version') return 'begin the file with `version: 1`';
  if (key === 'match') return 'add `match: { ... }`; `match: { server: "*" }` covers every operation';
  return `add it: ${doc ?? key}`;
}

function reportEmpty(node: Node, known: readonly string[], path: NodePath, reading: Reading): void {
  const remedy =
    path.at(-1) === 'match'
      ? 'to cover every operation write `match: { server: "*" }`'
      : known.length === 0
        ? 'name a field, or leave the key out'
        : `one of: ${known.join(', ')}`;
  reading.report(node, path, 'CG_POLICY_EMPTY', `${nameOf(path)} is empty`, remedy);
}

function reportUnknown(
  key: string,
  node: Node,
  shape: Shape & { kind: 'map' },
  known: readonly string[],
  path: NodePath,
  reading: Reading,
): void {
  const operator = shape.one === true;
  const instead = shape.notYet !== undefined && Object.hasOwn(shape.notYet, key) ? shape.notYet[key] : undefined;
  if (instead !== undefined) {
    reading.report(
      node,
      path,
      'CG_POLICY_NOT_YET',
      `"${key}" is not part of this version of the policy language`,
      `use ${instead}`,
    );
    return;
  }
  const glued = known.find((name) => key.startsWith(`${name}:`));
  const alias = shape.aliases !== undefined && Object.hasOwn(shape.aliases, key) ? shape.aliases[key] : undefined;
  reading.report(
    node,
    path,
    operator ? 'CG_POLICY_UNKNOWN_OPERATOR' : 'CG_POLICY_UNKNOWN_KEY',
    `${nameOf(path)} has no ${operator ? 'operator' : 'key'} "${key}"`,
    glued === undefined ? suggest(key, known, alias) : `write a space after the colon: ${glued}: ...`,
  );
}

function readScalar(node: Scalar, shape: Shape, path: NodePath, reading: Reading): unknown {
  const value = typeof node.value === 'number' ? exactNumber(node) : node.value;
  switch (shape.kind) {
    case 'text': {
      if (typeof value !== 'string') return wrongType(node, shape, path, reading);
      if (value === '') {
        reading.report(
          node,
          path,
          'CG_POLICY_EMPTY',
          `${nameOf(path)} is an empty text`,
          'fill it in, or leave the key out',
        );
        return undefined;
      }
      if (shape.oneOf !== undefined && !shape.oneOf.includes(value)) {
        const alias =
          shape.aliases !== undefined && Object.hasOwn(shape.aliases, value) ? shape.aliases[value] : undefined;
        reading.report(
          node,
          path,
          'CG_POLICY_VALUE',
          `${nameOf(path)} cannot be "${value}"`,
          suggest(value, shape.oneOf, alias),
        );
        return undefined;
      }
      if (shape.pattern !== undefined && !shape.pattern.test(value)) {
        reading.report(node, path, 'CG_POLICY_VALUE', `${nameOf(path)} cannot be "${value}"`, patternRemedy(path));
        return undefined;
      }
      return value;
    }
    case 'number': {
      if (!isNumeric(value)) return wrongType(node, shape, path, reading);
      if (shape.integer === true && !Number.isSafeInteger(value)) return wrongType(node, shape, path, reading);
      if (shape.min !== undefined && !(typeof value === 'number' && value >= shape.min)) {
        const remedy = `write ${shape.min} or more, or leave the key out`;
        reading.report(node, path, 'CG_POLICY_VALUE', `${nameOf(path)} must be at least ${shape.min}`, remedy);
        return undefined;
      }
      return value;
    }
    case 'boolean':
      return typeof value === 'boolean' ? value : wrongType(node, shape, path, reading);
    default: {
      const isLiteral =
        value === null
          ? node.source !== ''
          : typeof value === 'string' || typeof value === 'boolean' || isNumeric(value);
      return isLiteral ? value : wrongType(node, shape, path, reading);
    }
  }
}

function patternRemedy(path: NodePath): string {
  if (path.at(-1) === 'from' || path.at(-1) === 'to') return 'write HH:MM, from "00:00" to "24:00"';
  if (path.at(-1) === 'sha256') return 'write the 64 hex digits that `sha256sum` prints';
  if (path.at(-1) === 'per' || path.at(-1) === 'retryAfter') return 'write 10s, 1m, 1h, 1d, or a number of seconds';
  return 'use letters, digits and . _ / - (at most 100), beginning with a letter or digit';
}

/** Numbers keep every digit that the text has; `.inf`, `.nan` and octal are no JSON numbers. */
function exactNumber(node: Scalar): Numeric | undefined {
  const fromText = numberFromText(node.source ?? String(node.value));
  if (fromText !== undefined) return fromText;
  return Number.isSafeInteger(node.value) ? (node.value as number) : undefined;
}

function wrongType(node: unknown, shape: Shape, path: NodePath, reading: Reading): undefined {
  reading.report(
    node as Node,
    path,
    'CG_POLICY_TYPE',
    `${nameOf(path)} must be ${expected(shape)}, found ${found(node)}`,
    typeRemedy(node, shape, path),
  );
  return undefined;
}

function expected(shape: Shape): string {
  switch (shape.kind) {
    case 'ref':
      return expected(shape.to());
    case 'either':
      return [...new Set(shape.options.map(expected))].join(' or ');
    case 'list':
      return 'a list';
    case 'map':
    case 'fields':
      return 'a map';
    case 'scalar':
      return 'a text, number, true, false or null';
    case 'text':
      return shape.oneOf === undefined ? 'a text' : shape.oneOf.join(', ');
    case 'number':
      return shape.integer === true ? 'a whole number' : 'a number';
    case 'boolean':
      return 'true or false';
  }
}

function found(node: unknown): string {
  if (node === null || node === undefined) return 'nothing';
  if (isMap(node)) return 'a map';
  if (isSeq(node)) return 'a list';
  if (!isScalar(node) || node.value === null) return 'nothing';
  if (typeof node.value === 'string') return `the text "${node.value.slice(0, 40)}"`;
  return (node.source ?? JSON.stringify(node.value)).slice(0, 40);
}

function nameOf(path: NodePath): string {
  if (path.length === 0) return 'the policy';
  let name = '';
  for (const part of path) name += typeof part === 'number' ? `[${part}]` : name === '' ? part : `.${part}`;
  return name;
}
