import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TILE_WIDTH, tilePath } from './tree.ts';

/** One leaf as it stands in the log. */
export interface Entry {
  readonly index: number;
  readonly text: string;
}

/** A leaf that queries look at; whatever is missing in a damaged one is undefined. */
export interface Leaf {
  readonly type?: string;
  readonly id?: string;
  readonly seq?: number;
  readonly time?: string;
  readonly call?: Readonly<Record<string, string | undefined>>;
  readonly who?: { readonly id?: string; readonly agent?: string; readonly user?: string };
  readonly policy?: { readonly effect?: string; readonly rule?: string; readonly reason?: string };
  readonly args?: { readonly truncated?: number };
  readonly refs?: { readonly decision?: number };
  readonly result?: {
    readonly redactions?: number;
    readonly status?: string;
    readonly bytes?: number;
    readonly reason?: string;
    readonly rule?: string;
  };
  readonly us?: { readonly total?: number };
}

/**
 * The entries of bundle `number` that a log of `size` has, as far as they can be read: queries go on past damage, which
 * only the verifier judges.
 */
export function readBundle(dir: string, number: number, size: number): Entry[] {
  const first = number * TILE_WIDTH;
  const width = Math.min(TILE_WIDTH, size - first);
  const bytes = bundleBytes(dir, number, width);
  const entries: Entry[] = [];
  for (let at = 0; bytes !== undefined && entries.length < width && at + 2 <= bytes.length;) {
    const end = at + 2 + bytes.readUInt16BE(at);
    if (end > bytes.length) break;
    entries.push({ index: first + entries.length, text: bytes.toString('utf8', at + 2, end) });
    at = end;
  }
  return entries;
}

/** Parses a leaf; undefined when it is not JSON. */
export function parseLeaf(text: string): Leaf | undefined {
  try {
    const leaf: unknown = JSON.parse(text);
    return typeof leaf === 'object' && leaf !== null ? leaf : undefined;
  } catch {
    return undefined;
  }
}

/** The partial bundle, the full one that took its place, or a wider partial. */
function bundleBytes(dir: string, number: number, width: number): Buffer | undefined {
  const full = join(dir, tilePath('entries', number, TILE_WIDTH));
  const exact = readIfThere(join(dir, tilePath('entries', number, width))) ?? readIfThere(full);
  if (exact !== undefined) return exact;
  const wider = listIfThere(`${full}.p`)
    .map(Number)
    .filter((name) => name > width)
    .sort((a, b) => a - b)[0];
  return wider === undefined ? undefined : readIfThere(join(`${full}.p`, String(wider)));
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

function listIfThere(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
