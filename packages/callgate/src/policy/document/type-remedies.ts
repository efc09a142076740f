import { isMap, isScalar, isSeq } from 'yaml';
import { numberFromText } from '../condition/numbers.ts';
import type { NodePath } from './document-types.ts';
import type { Keys, Shape } from './schema-shape.ts';

/** How what was found can be written so that it fits. */
export function typeRemedy(node: unknown, shape: Shape, path: NodePath): string {
  const wanted = new Set(kindsOf(shape));
  const value = isScalar(node) ? node.value : undefined;
  if (typeof value === 'string') {
    const asNumber = numberFromText(value.trim());
    if (wanted.has('number'))
      return asNumber === undefined ? 'write a number such as 10' : 'write the number without quotes';
    if (wanted.has('boolean')) {
      const isYes = /^(?:true|yes|on|1)$/i.test(value);
      return `write ${isYes ? 'true' : /^(?:false|no|off|0)$/i.test(value) ? 'false' : 'true or false'}, without quotes`;
    }
  } else if (value !== null && value !== undefined && wanted.has('text')) return 'put it in quotes';
  if (path.length === 1 && path[0] === 'rules') return 'begin each rule with a dash: - id: ...; `rules: []` has none';
  if (path.length === 0) return 'begin with `version: 1`, then `rules:`';
  if (isSeq(node) && path.includes('args')) return 'name several values with { in: [...] }';
  const key = typeof path.at(-1) === 'number' ? undefined : path.at(-1);
  const shown = shownValue(value);
  const parts: string[] = [];
  if (wanted.has('list')) parts.push(shown === undefined ? listSample(node, key) : `${key ?? ''}: [${shown}]`);
  if (wanted.has('map')) parts.push(mapSample(shape, key, shown));
  if (parts.length > 0) return `write ${parts.join(' or ')}`;
  return isSeq(node) || isMap(node)
    ? `write one value: ${key ?? 'it'}${key === undefined ? ' alone' : ': ...'}`
    : 'fill it in, or leave the key out';
}

function shownValue(value: unknown): string | undefined {
  if (typeof value === 'string')
    return /^[A-Za-z0-9_.-]{1,40}$/.test(value) ? value : JSON.stringify(value.slice(0, 40));
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

function listSample(node: unknown, key: string | number | undefined): string {
  return isMap(node) ? `a dash before it: ${key ?? ''}: [{ ... }]` : `${key ?? ''}: [...]`;
}

/** The first keys that the map may have, with what was written at the one it belongs to. */
function mapSample(shape: Shape, key: string | number | undefined, shown: string | undefined): string {
  const map = mapOf(shape);
  const before = key === undefined ? '' : `${key}: `;
  if (map === undefined || map.kind === 'fields') return `${before}{ ${shown ?? 'field'}: ... }`;
  const known = keysOf(map.keys);
  if (shown !== undefined && Object.hasOwn(map.keys, shown)) return `${before}{ ${shown}: true }`;
  const first = known.includes('tool') ? 'tool' : (known.find((name) => map.keys[name]?.required) ?? known[0]);
  return `${before}{ ${first}: ${shown ?? '...'} }`;
}

function mapOf(shape: Shape): (Shape & { kind: 'map' | 'fields' }) | undefined {
  if (shape.kind === 'ref') return mapOf(shape.to());
  if (shape.kind === 'either') return shape.options.map(mapOf).find((option) => option !== undefined);
  return shape.kind === 'map' || shape.kind === 'fields' ? shape : undefined;
}

/** What a shape takes: text, number, boolean, list, map. */
function kindsOf(shape: Shape): readonly string[] {
  switch (shape.kind) {
    case 'ref':
      return kindsOf(shape.to());
    case 'either':
      return shape.options.flatMap(kindsOf);
    case 'fields':
      return ['map'];
    case 'scalar':
      return ['text'];
    default:
      return [shape.kind];
  }
}

const listed = new WeakMap<Keys, readonly string[]>();

/** The keys of a map's shape, listed once. */
export function keysOf(keys: Keys): readonly string[] {
  let known = listed.get(keys);
  if (known === undefined) listed.set(keys, (known = Object.keys(keys)));
  return known;
}
