import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { TreeEdge, leafHashInto, tilePath } from './tree.ts';

// The inputs and roots of the reference implementation of RFC 6962 (certificate-transparency, merkle_tree_test.cc).
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

describe('TreeEdge', () => {
  const dir = mkdtempSync(join(tmpdir(), 'cg-tree-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('gives the known roots of RFC 6962', () => {
    const edge = new TreeEdge();
    expect(edge.root().toString('hex')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    for (const [n, leaf] of LEAVES.entries()) {
      push(edge, Buffer.from(leaf, 'hex'));
      expect(edge.root().toString('hex')).toBe(ROOTS[n]);
    }
  });

  it('agrees with a recursive Merkle tree at every size up to 130, and around tile edges', () => {
    const edge = new TreeEdge();
    const hashes: Buffer[] = [];
    for (let size = 1; size <= 1030; size++) {
      const leaf = Buffer.from(`leaf ${size}`);
      push(edge, leaf);
      hashes.push(sha256(Buffer.of(0), leaf));
      if (size > 130 && Math.abs((size % 256) - 1) > 2) continue;
      expect([size, edge.root().toString('hex')]).toEqual([size, mth(hashes).toString('hex')]);
    }
  });

  it('goes on from its tiles at any size', () => {
    const edge = new TreeEdge();
    for (let size = 0; size < 70_000; size++) {
      if (size === 300 || size === 65_536 || size === 66_000) {
        save(edge);
        const again = TreeEdge.load(dir, size);
        expect(again.root()).toEqual(edge.root());
        push(again, Buffer.from('x'));
        const other = TreeEdge.load(dir, size);
        push(other, Buffer.from('x'));
        expect(again.root()).toEqual(other.root());
      }
      push(edge, Buffer.from(String(size)));
      if (size % 5000 === 0) save(edge);
    }
  });

  it.each([
    [0, 0, 256, 'tile/0/000'],
    ['entries', 1234067, 256, 'tile/entries/x001/x234/067'],
    [1, 1000, 7, 'tile/1/x001/000.p/7'],
  ] as const)('names tile (%s, %i) of width %i %s', (level, index, width, path) => {
    expect(tilePath(level, index, width)).toBe(path);
  });

  function save(edge: TreeEdge): void {
    for (const tile of [...edge.takeFull(), ...edge.partial()]) {
      const path = join(dir, tilePath(tile.level, tile.index, tile.width));
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, tile.hashes);
    }
  }
});

function push(edge: TreeEdge, leaf: Buffer): void {
  const room = Buffer.alloc(32);
  leafHashInto(leaf, room, 0);
  edge.push(room, 0);
}

/** MTH as the RFC writes it: split at the largest power of two below n. */
function mth(hashes: readonly Buffer[]): Buffer {
  const [only] = hashes;
  if (hashes.length === 1 && only !== undefined) return only;
  let k = 1;
  while (k * 2 < hashes.length) k *= 2;
  return sha256(Buffer.of(1), mth(hashes.slice(0, k)), mth(hashes.slice(k)));
}

function sha256(...parts: Buffer[]): Buffer {
  return parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();
}
