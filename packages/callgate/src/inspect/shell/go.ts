import { decodeUtf8 } from './ansi.ts';

/** A value of the transpiled Go program: a pointer to a struct, a slice, or a basic value. Names are Go's. */
export type GoNode = Readonly<Record<string, unknown>>;

export function isStruct(value: unknown): value is GoNode {
  return typeof value === 'object' && value !== null && kindOf(value as GoNode) !== undefined;
}

interface GoSlice {
  readonly $array: ArrayLike<GoNode>;
  readonly $offset: number;
  readonly $length: number;
}

export function isSlice(value: unknown): value is GoSlice {
  return typeof value === 'object' && value !== null && '$array' in value;
}

export function list(value: unknown): GoNode[] {
  if (!isSlice(value)) return [];
  return Array.from({ length: value.$length }, (_, index) => value.$array[value.$offset + index]!);
}

/** A struct below `node`; undefined where Go has nil. */
export function field(node: GoNode, key: string): GoNode | undefined {
  const value = node[key];
  return isStruct(value) || isSlice(value) ? (value as unknown as GoNode) : undefined;
}

/** `CallExpr` of a `*syntax.CallExpr`; undefined for nil and for what is no node. */
export function kindOf(node: GoNode | undefined): string | undefined {
  if (node === undefined) return undefined;
  const type = (node as { constructor?: { string?: unknown; nil?: unknown } }).constructor;
  if (typeof type?.string !== 'string' || !type.string.startsWith('*syntax.') || type.nil === node) return undefined;
  return type.string.slice('*syntax.'.length);
}

export const textOf = (node: GoNode | undefined): string => (node === undefined ? '' : stringOf(node['Value']));

/** Go strings arrive as one character a byte. */
export function stringOf(value: unknown): string {
  if (typeof value !== 'string') return '';
  for (let at = 0; at < value.length; at++) {
    if (value.charCodeAt(at) > 127) return decodeUtf8(Array.from(value, (char) => char.charCodeAt(0)));
  }
  return value;
}
