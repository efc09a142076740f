import type { NodePath } from '../document/document-types.ts';
import { type FieldReader, openFields } from './fields.ts';
import type { Foreign, Value } from './read.ts';
import { toRe2 } from './regex.ts';
import { type Draft, failPattern, shorten } from './report.ts';
import { celAnd, celField, celList, celLiteral, celNot, celOr, celPattern, celText } from './write.ts';

const OPS = [
  'eq',
  'ne',
  'lt',
  'le',
  'gt',
  'ge',
  'in',
  'not_in',
  'contains',
  'startswith',
  'endswith',
  'regex',
  'exists',
] as const;

/** What a condition is read with. */
export interface At {
  readonly foreign: Foreign;
  readonly draft: Draft;
  readonly permissive: boolean;
}

/** Writes a condition of mcp-gate as a `when`; `isNegated` below an odd number of `not`. */
export function conditionOf(
  value: Value | undefined,
  path: NodePath,
  at: At,
  isNegated: boolean,
  depth: number,
): string | undefined {
  const { draft } = at;
  const map = openFields(at.foreign, value, path, ['field', 'op', 'value', 'all', 'any', 'not'], draft);
  if (map === undefined) return undefined;
  const kinds = ['all', 'any', 'not', 'field'].filter((key) => map.has(key));
  if (kinds.length !== 1 || depth > 24) {
    draft.fail(
      map.place,
      'CG_POLICY_IMPORT_VALUE',
      depth > 24 ? 'nested too deeply' : 'a condition is one of field, all, any and not',
      'write one of them',
    );
    return undefined;
  }
  const [kind = ''] = kinds;
  if (kind === 'field') return leafOf(map, at, isNegated);
  if (map.has('op') || map.has('value'))
    draft.fail(map.place, 'CG_POLICY_IMPORT_KEY', `op and value do not go with ${kind}`, 'remove them');
  if (kind === 'not') {
    const inner = conditionOf(map.raw('not'), [...path, 'not'], at, !isNegated, depth + 1);
    return inner === undefined ? undefined : celNot(inner);
  }
  const list = map.list(kind) ?? [];
  if (list.length === 0)
    draft.fail(map.at(kind), 'CG_POLICY_IMPORT_VALUE', `${kind} is empty`, 'name a condition, or remove it');
  const parts = list.map((item, index) => conditionOf(item, [...path, kind, index], at, isNegated, depth + 1));
  const whole = parts.filter((part) => part !== undefined);
  return kind === 'all' ? celAnd(whole) : celOr(whole);
}

function leafOf(map: FieldReader, at: At, isNegated: boolean): string | undefined {
  if (!map.needs('field', 'op')) return undefined;
  const name = map.text('field');
  const op = map.oneOf('op', OPS);
  if (name === undefined || op === undefined) return undefined;
  const path = name.split('.');
  if (path.includes('')) {
    at.draft.fail(map.at('field'), 'CG_POLICY_IMPORT_VALUE', `"${shorten(name)}" is not a field`, 'write a.b');
    return undefined;
  }
  const field = celField(path);
  if (op === 'exists') {
    const wanted = map.has('value') ? map.flag('value') : true;
    return wanted === undefined ? undefined : wanted ? `has(${field})` : `!has(${field})`;
  }
  if (!map.has('value')) {
    map.needs('value');
    return undefined;
  }
  const test = testOf(op, field, map, at, isNegated);
  // Negative operators hold for a missing field there; here that is an error.
  return test === undefined || isNegated || op === 'ne' || op === 'not_in' ? test : `(has(${field}) && ${test})`;
}

const SIGNS = { eq: '==', ne: '!=', lt: '<', le: '<=', gt: '>', ge: '>=' } as const;
const METHODS = { startswith: 'startsWith', endswith: 'endsWith' } as const;

function testOf(
  op: Exclude<(typeof OPS)[number], 'exists'>,
  field: string,
  map: FieldReader,
  at: At,
  isNegated: boolean,
): string | undefined {
  const { draft } = at;
  const value = map.raw('value');
  switch (op) {
    case 'in':
    case 'not_in': {
      const list = map.list('value');
      const plain = list?.filter((item) => item === null || typeof item !== 'object');
      if (list === undefined || plain === undefined) return undefined;
      if (list.length === 0 || plain.length < list.length) {
        draft.fail(
          map.at('value'),
          'CG_POLICY_IMPORT_VALUE',
          'the list is empty, or holds lists or maps',
          'list texts, numbers or truth values',
        );
        return undefined;
      }
      const test = `${field} in ${celList(plain)}`;
      return op === 'in' ? test : `!(${test})`;
    }
    case 'regex': {
      const source = map.text('value');
      if (source === undefined) return undefined;
      try {
        return `${field}.matches(${celPattern(toRe2(source, 'python', at.permissive !== isNegated))})`;
      } catch (cause) {
        failPattern(draft, map.at('value'), source, cause);
        return undefined;
      }
    }
    case 'startswith':
    case 'endswith': {
      const text = map.text('value');
      return text === undefined ? undefined : `${field}.${METHODS[op]}(${celText(text)})`;
    }
    default: {
      if (typeof value === 'object' && value !== null) {
        draft.fail(
          map.at('value'),
          'CG_POLICY_IMPORT_TYPE',
          `${op} compares with a text, a number or a truth value`,
          'write one',
        );
        return undefined;
      }
      const literal = celLiteral(value ?? null);
      if (op !== 'contains') {
        if (
          SIGNS[op].length <= 2 &&
          (op === 'eq' || op === 'ne' || typeof value === 'number' || typeof value === 'string')
        )
          return `${field} ${SIGNS[op]} ${literal}`;
        draft.fail(map.at('value'), 'CG_POLICY_IMPORT_TYPE', `${op} compares numbers or texts`, 'write a number');
        return undefined;
      }
      // A text contains a text; a list contains an element. `has(x[0])` holds for lists only.
      if (typeof value !== 'string') return `${literal} in ${field}`;
      return `(has(${field}[0]) ? (${literal} in ${field}) : ${field}.contains(${literal}))`;
    }
  }
}
