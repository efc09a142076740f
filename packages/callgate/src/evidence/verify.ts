import { readLeaf, type LeafOrder } from './leaf-schema.ts';

/*
 * Verifies a log from its bytes alone. Shares no function with the writer and uses no Node API: hashing, signature
 * checking and reading are handed in, so it runs in a browser.
 */

/** Where the log's files come from: paths relative to the log's directory. */
export interface LogReader {
  read(path: string): Promise<Uint8Array | undefined> | Uint8Array | undefined;
}

export interface VerifyTools {
  sha256(bytes: Uint8Array): Uint8Array;
  /** Whether `signature` over `message` is of the raw 32-byte Ed25519 `publicKey`. */
  ed25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean | Promise<boolean>;
}

export interface VerifyInput {
  readonly reader: LogReader;
  readonly tools: VerifyTools;
  /** The log's verifier key, from where the log cannot change it. */
  readonly vkey: string;
  /** A checkpoint kept elsewhere: the log must still begin with it. */
  readonly against?: string;
  /** A head that this home has seen. */
  readonly mark?: { readonly origin: string; readonly size: number; readonly root: string };
}

export interface Problem {
  /** Index of the leaf, where it is about one. */
  readonly index?: number;
  readonly path?: string;
  readonly message: string;
}

export interface VerifyReport {
  readonly ok: boolean;
  readonly origin: string;
  readonly size: number;
  /** base64, as in the checkpoint. */
  readonly root: string;
  /** The first hundred. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  /** Leaves by type; `recovery` leaves tell of crashes and are no fault of the log. */
  readonly types: Readonly<Record<string, number>>;
}

const PROBLEMS_MAX = 100;
const WIDTH = 256;

/** Checks signature, root, tiles, every leaf and the order of every process; never throws for what is in the files. */
export async function verifyLog(input: VerifyInput): Promise<VerifyReport> {
  const problems: Problem[] = [];
  let problemCount = 0;
  const complain = (problem: Problem): void => {
    if (++problemCount <= PROBLEMS_MAX) problems.push(problem);
  };
  const types: Record<string, number> = {};
  const report = (head: Checkpoint | undefined): VerifyReport => ({
    ok: problemCount === 0,
    origin: head?.origin ?? '',
    size: head?.size ?? 0,
    root: head?.root ?? '',
    problems,
    problemCount,
    types,
  });

  const head = await readCheckpoint(await input.reader.read('checkpoint'), input, 'checkpoint', complain);
  if (head === undefined) return report(undefined);
  const kept = await keptHeads(input, head, complain);
  const tree = new TreeCheck(input, complain);
  const order = new OrderCheck(complain);
  for (let index = 0; index < head.size; index++) {
    for (const { size, root, name } of kept)
      if (size === index && tree.root() !== root)
        complain({ message: `the first ${size} records are not those of ${name}` });
    const leaf = await tree.leaf(index, head.size);
    if (leaf === undefined) return report(head);
    await tree.add(leaf, index);
    const read = readText(leaf);
    if (typeof read === 'string') complain({ index, message: `leaf ${index} ${read}` });
    else {
      types[read.type] = (types[read.type] ?? 0) + 1;
      order.add(read, index);
    }
  }
  await tree.finish(head.size);
  const root = tree.root();
  if (root !== head.root) complain({ message: 'the records do not give the root that the checkpoint signs' });
  for (const { size, root: keptRoot, name } of kept)
    if (size === head.size && root !== keptRoot)
      complain({ message: `the first ${size} records are not those of ${name}` });
  return report(head);
}

interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: string;
}

interface KeptHead {
  readonly size: number;
  readonly root: string;
  readonly name: string;
}

type Complain = (problem: Problem) => void;

async function keptHeads(input: VerifyInput, head: Checkpoint, complain: Complain): Promise<KeptHead[]> {
  const kept: (KeptHead & { origin: string })[] = [];
  if (input.mark !== undefined) kept.push({ ...input.mark, name: 'the high-water mark' });
  if (input.against !== undefined) {
    const bytes = new TextEncoder().encode(input.against);
    const against = await readCheckpoint(bytes, input, 'the kept checkpoint', complain);
    if (against !== undefined) kept.push({ ...against, name: 'the kept checkpoint' });
  }
  return kept.filter(({ origin, size, name }) => {
    if (origin !== head.origin) complain({ message: `${name} is of another log, ${origin}` });
    else if (size > head.size)
      complain({
        message: `the log has ${head.size} records, ${name} says that it had ${size}: it was cut or rolled back`,
      });
    else return true;
    return false;
  });
}

/** A checkpoint is exactly: origin, size, root, empty line, signature lines; the log's own key must be among them. */
async function readCheckpoint(
  bytes: Uint8Array | undefined,
  input: VerifyInput,
  name: string,
  complain: Complain,
): Promise<Checkpoint | undefined> {
  const wrong = (message: string): undefined => complain({ path: name, message: `${name} ${message}` }) as undefined;
  if (bytes === undefined) return wrong('is missing');
  const text = decode(bytes);
  const match =
    text === undefined
      ? null
      : /^([^\n]+)\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/]{43}=)\n\n((?:\u2014 [^\n ]+ [A-Za-z0-9+/=]+\n)+)$/.exec(text);
  if (match === null) return wrong('is not a signed checkpoint');
  const [, origin = '', size = '', root = '', lines = ''] = match;
  const key = parseVkey(input.vkey, input.tools);
  if (key === undefined) return wrong('cannot be checked: the verifier key is not one');
  if (key.name !== origin) return wrong(`is of the log ${origin}, the key of ${key.name}`);
  const message = new TextEncoder().encode(`${origin}\n${size}\n${root}\n`);
  for (const line of lines.trimEnd().split('\n')) {
    const [, signer, encoded = ''] = line.split(' ');
    const signature = fromBase64(encoded);
    if (signer !== key.name || signature?.length !== 68 || toBase64(signature) !== encoded) continue;
    if (!equal(signature.subarray(0, 4), key.id)) continue;
    if (await input.tools.ed25519(key.publicKey, message, signature.subarray(4))) {
      if (Number.isSafeInteger(Number(size))) return { origin, size: Number(size), root };
    }
  }
  return wrong('is not signed by the key of this log');
}

/** `<name>+<key id>+<base64(0x01 || key)>`, with the id checked against both. */
function parseVkey(
  vkey: string,
  tools: VerifyTools,
): { name: string; id: Uint8Array; publicKey: Uint8Array } | undefined {
  const match = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(vkey.trim());
  const typed = fromBase64(match?.[3] ?? '');
  if (match === null || typed?.length !== 33 || typed[0] !== 1) return undefined;
  const name = match[1] ?? '';
  const id = tools.sha256(join([new TextEncoder().encode(`${name}\n`), typed])).subarray(0, 4);
  const hex = Array.from(id, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex === match[2] ? { name, id, publicKey: typed.subarray(1) } : undefined;
}

/** Recomputes every hash from the entries, compares the tiles on disk on the way, and keeps the root of what it saw. */
class TreeCheck {
  readonly #input: VerifyInput;
  readonly #complain: Complain;
  /** Perfect subtrees, largest first, with their leaf counts. */
  readonly #subtrees: { count: number; hash: Uint8Array }[] = [];
  /** Hashes of the unfinished tile of each level. */
  readonly #tiles: Uint8Array[][] = [];
  #bundle: readonly Uint8Array[] = [];

  constructor(input: VerifyInput, complain: Complain) {
    this.#input = input;
    this.#complain = complain;
  }

  /** The leaf at `index` of a log of `size`; undefined, with a complaint, when its bundle is not whole. */
  async leaf(index: number, size: number): Promise<Uint8Array | undefined> {
    if (index % WIDTH === 0) {
      const number = index / WIDTH;
      const width = Math.min(WIDTH, size - index);
      const path = pathOf('entries', number, width);
      const found = await this.#read(path, pathOf('entries', number, WIDTH));
      const bundle = found === undefined ? undefined : splitBundle(found.bytes, width, !found.exact);
      if (bundle === undefined) {
        const message = `${path} is ${found === undefined ? 'missing' : 'not a bundle of its records'}`;
        this.#complain({ index, path, message });
        return undefined;
      }
      this.#bundle = bundle;
    }
    return this.#bundle[index % WIDTH];
  }

  async add(leaf: Uint8Array, index: number): Promise<void> {
    const hash = this.#input.tools.sha256(join([Uint8Array.of(0), leaf]));
    let merged = { count: 1, hash };
    for (let last = this.#subtrees.at(-1); last?.count === merged.count; last = this.#subtrees.at(-1)) {
      this.#subtrees.pop();
      merged = { count: merged.count * 2, hash: this.#node(last.hash, merged.hash) };
    }
    this.#subtrees.push(merged);
    await this.#addToTile(0, index, hash);
  }

  async finish(size: number): Promise<void> {
    for (const [level, hashes] of this.#tiles.entries()) {
      if (hashes.length === 0) continue;
      const number = Math.floor(size / WIDTH ** (level + 1));
      await this.#compareTile(level, number, hashes);
    }
  }

  /** Root of everything added so far, base64. */
  root(): string {
    let hash: Uint8Array | undefined;
    for (const subtree of this.#subtrees.toReversed())
      hash = hash === undefined ? subtree.hash : this.#node(subtree.hash, hash);
    return toBase64(hash ?? this.#input.tools.sha256(new Uint8Array(0)));
  }

  async #addToTile(level: number, index: number, hash: Uint8Array): Promise<void> {
    const tile = (this.#tiles[level] ??= []);
    tile.push(hash);
    if (tile.length < WIDTH) return;
    const number = Math.floor(index / WIDTH);
    await this.#compareTile(level, number, tile);
    this.#tiles[level] = [];
    await this.#addToTile(level + 1, number, this.#treeHash(tile));
  }

  async #compareTile(level: number, number: number, hashes: readonly Uint8Array[]): Promise<void> {
    const path = pathOf(level, number, hashes.length);
    const found = await this.#read(path, pathOf(level, number, WIDTH));
    const expected = join(hashes);
    if (found === undefined) this.#complain({ path, message: `${path} is missing` });
    else if (!equal(found.exact ? found.bytes : found.bytes.subarray(0, expected.length), expected))
      this.#complain({ path, message: `${path} does not hold the hashes of its records` });
  }

  /** A partial file, or the full one that took its place. */
  async #read(path: string, full: string): Promise<{ bytes: Uint8Array; exact: boolean } | undefined> {
    const exact = await this.#input.reader.read(path);
    if (exact !== undefined) return { bytes: exact, exact: true };
    const fuller = path === full ? undefined : await this.#input.reader.read(full);
    return fuller === undefined ? undefined : { bytes: fuller, exact: false };
  }

  /** Merkle tree hash as RFC 6962 §2.1 defines it. */
  #treeHash(hashes: readonly Uint8Array[]): Uint8Array {
    const [first] = hashes;
    if (hashes.length === 1 && first !== undefined) return first;
    const half = hashes.length / 2;
    return this.#node(this.#treeHash(hashes.slice(0, half)), this.#treeHash(hashes.slice(half)));
  }

  #node(left: Uint8Array, right: Uint8Array): Uint8Array {
    return this.#input.tools.sha256(join([Uint8Array.of(1), left, right]));
  }
}

/** Each process counts its records from 0 without a gap, except where a recovery says what is lost. */
class OrderCheck {
  readonly #complain: Complain;
  readonly #processes = new Map<string, { seq: number; derived: number }>();

  constructor(complain: Complain) {
    this.#complain = complain;
  }

  add(leaf: LeafOrder, index: number): void {
    let seen = this.#processes.get(leaf.process);
    if (seen === undefined) this.#processes.set(leaf.process, (seen = { seq: 0, derived: 0 }));
    if (leaf.seq !== seen.seq || (leaf.derived !== undefined && leaf.derived !== seen.derived))
      this.#complain({
        index,
        message: `leaf ${index} is out of order: process ${leaf.process} was at record ${seen.seq}`,
      });
    if (leaf.derived === undefined) seen.seq = leaf.seq + 1;
    else seen.derived = leaf.derived + 1;
    if (leaf.lost === undefined) return;
    if (leaf.lost.from !== seen.seq || !(leaf.lost.to > leaf.lost.from))
      this.#complain({ index, message: `leaf ${index} says that other records are lost than are missing` });
    seen.seq = leaf.lost.to;
  }
}

/** `width` entries, each with its length before it, and nothing behind them (unless a fuller bundle took its place). */
function splitBundle(bytes: Uint8Array, width: number, mayBeLonger: boolean): Uint8Array[] | undefined {
  const entries: Uint8Array[] = [];
  let at = 0;
  while (entries.length < width) {
    if (at + 2 > bytes.length) return undefined;
    const length = (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
    if (at + 2 + length > bytes.length) return undefined;
    entries.push(bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return at === bytes.length || mayBeLonger ? entries : undefined;
}

function readText(leaf: Uint8Array): LeafOrder | string {
  const text = decode(leaf);
  return text === undefined ? 'is not UTF-8' : readLeaf(text);
}

function pathOf(level: number | 'entries', number: number, width: number): string {
  const groups = [];
  let rest = number;
  do {
    groups.unshift(String(rest % 1000).padStart(3, '0'));
    rest = Math.floor(rest / 1000);
  } while (rest > 0);
  const name = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/');
  return width < WIDTH ? `tile/${level}/${name}.p/${width}` : `tile/${level}/${name}`;
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function fromBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
