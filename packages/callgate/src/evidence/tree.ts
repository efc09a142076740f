import { hash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/*
 * The writer's side of the Merkle tree of RFC 6962, kept as C2SP tlog-tiles: tile (L, N) holds up to 256 hashes of
 * height 8L. The verifier has its own code.
 */
export const TILE_WIDTH = 256;
const HASH = 32;

const nodeRoom = Buffer.alloc(1 + 2 * HASH);
nodeRoom[0] = 1;

/** SHA-256(0x01 || left || right), 32 bytes as a latin1 string; inputs are places in buffers. */
function nodeHash(left: Buffer, leftAt: number, right: Buffer, rightAt: number): string {
  left.copy(nodeRoom, 1, leftAt, leftAt + HASH);
  right.copy(nodeRoom, 1 + HASH, rightAt, rightAt + HASH);
  return hash('sha256', nodeRoom, 'binary');
}

/** SHA-256(0x00 || leaf), written to `out` at `at`. */
export function leafHashInto(leaf: Buffer, out: Buffer, at: number): void {
  const room = leaf.length < leafRoom.length ? leafRoom : Buffer.alloc(leaf.length + 1);
  room[0] = 0;
  leaf.copy(room, 1);
  out.write(hash('sha256', room.subarray(0, leaf.length + 1), 'binary'), at, 'latin1');
}
const leafRoom = Buffer.alloc(16 * 1024);

/** `tile/0/x001/x234/067`, with `.p/<width>` when `width` is below 256. */
export function tilePath(level: number | 'entries', index: number, width: number): string {
  let name = String(index % 1000).padStart(3, '0');
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000))
    name = `x${String(rest % 1000).padStart(3, '0')}/${name}`;
  return `tile/${level}/${name}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

/** A tile to be written: full, or the partial one at the tree's right edge. */
export interface Tile {
  readonly level: number;
  readonly index: number;
  readonly width: number;
  readonly hashes: Buffer;
}

/** The right edge of a tree: one unfinished tile a level. Grows by leaf hashes. */
export class TreeEdge {
  #size = 0;
  readonly #levels: Buffer[] = [];
  #full: Tile[] = [];

  get size(): number {
    return this.#size;
  }

  /** The edge of the log in `dir` at `size`, from its tiles. @throws Error when a tile is missing or short. */
  static load(dir: string, size: number): TreeEdge {
    const edge = new TreeEdge();
    edge.#size = size;
    for (let level = 0, count = size; count > 0; level++, count = Math.floor(count / TILE_WIDTH)) {
      const width = count % TILE_WIDTH;
      const hashes = Buffer.alloc(TILE_WIDTH * HASH);
      if (width > 0) readTile(dir, level, Math.floor(count / TILE_WIDTH), width).copy(hashes, 0, 0, width * HASH);
      edge.#levels[level] = hashes;
    }
    return edge;
  }

  /** Appends the leaf hash at `at` in `hashes`. */
  push(hashes: Buffer, at: number): void {
    this.#pushAt(0, hashes, at);
    this.#size++;
  }

  /** Tiles that filled up since the last call, lowest first. */
  takeFull(): Tile[] {
    const tiles = this.#full;
    this.#full = [];
    return tiles;
  }

  /** The unfinished tiles of the present size. */
  partial(): Tile[] {
    const tiles: Tile[] = [];
    for (let level = 0, count = this.#size; count > 0; level++, count = Math.floor(count / TILE_WIDTH)) {
      const width = count % TILE_WIDTH;
      const hashes = this.#levels[level];
      if (width > 0 && hashes !== undefined)
        tiles.push({
          level,
          index: Math.floor(count / TILE_WIDTH),
          width,
          hashes: Buffer.from(hashes.subarray(0, width * HASH)),
        });
    }
    return tiles;
  }

  /** The tree's root: SHA-256 of nothing for the empty tree. */
  root(): Buffer {
    const peaks = this.#peaks();
    const root = Buffer.alloc(HASH);
    const last = peaks.pop();
    if (last === undefined) return hash('sha256', '', 'buffer');
    last.copy(root);
    for (let peak = peaks.pop(); peak !== undefined; peak = peaks.pop())
      root.write(nodeHash(peak, 0, root, 0), 0, 'latin1');
    return root;
  }

  #pushAt(level: number, hashes: Buffer, at: number): void {
    const tile = (this.#levels[level] ??= Buffer.alloc(TILE_WIDTH * HASH));
    const count = Math.floor(this.#size / TILE_WIDTH ** level);
    const slot = count % TILE_WIDTH;
    hashes.copy(tile, slot * HASH, at, at + HASH);
    if (slot < TILE_WIDTH - 1) return;
    this.#full.push({ level, index: Math.floor(count / TILE_WIDTH), width: TILE_WIDTH, hashes: Buffer.from(tile) });
    this.#pushAt(level + 1, perfectRoot(tile, 0, TILE_WIDTH), 0);
  }

  /** Roots of the perfect subtrees that `size` falls into, largest first. */
  #peaks(): Buffer[] {
    const peaks: Buffer[] = [];
    for (let level = this.#levels.length - 1; level >= 0; level--) {
      const tile = this.#levels[level];
      const width = Math.floor(this.#size / TILE_WIDTH ** level) % TILE_WIDTH;
      if (tile === undefined) continue;
      for (let bit = TILE_WIDTH / 2, from = 0; bit >= 1; bit /= 2)
        if ((width & bit) !== 0) {
          peaks.push(perfectRoot(tile, from, bit));
          from += bit;
        }
    }
    return peaks;
  }
}

/** Root over `width` (a power of two) hashes of `tile`, from hash number `from` on. */
function perfectRoot(tile: Buffer, from: number, width: number): Buffer {
  const row = Buffer.from(tile.subarray(from * HASH, (from + width) * HASH));
  for (let n = width; n > 1; n /= 2)
    for (let i = 0; i < n / 2; i++) row.write(nodeHash(row, 2 * i * HASH, row, (2 * i + 1) * HASH), i * HASH, 'latin1');
  return row.subarray(0, HASH);
}

/** The first `width` hashes of a tile: the full tile, that very partial, or any wider one. */
function readTile(dir: string, level: number, index: number, width: number): Buffer {
  const names = [tilePath(level, index, TILE_WIDTH), tilePath(level, index, width)];
  const partials = join(dir, `${names[0]}.p`);
  for (const name of names) {
    const bytes = readIfThere(join(dir, name));
    if (bytes !== undefined && bytes.length >= width * HASH) return bytes;
  }
  for (const wider of listIfThere(partials)) {
    if (!(Number(wider) > width)) continue;
    const bytes = readIfThere(join(partials, wider));
    if (bytes !== undefined && bytes.length >= width * HASH) return bytes;
  }
  throw new Error(`tile ${names[1]} is missing or short`);
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
