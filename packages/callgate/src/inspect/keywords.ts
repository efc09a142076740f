/**
 * Many fixed ASCII words looked for in one pass (Aho-Corasick as a dense table), ignoring ASCII case.
 * The same table runs over UTF-8 bytes and over UTF-16 units; what is not ASCII matches nothing.
 * `table[state + column[byte]]` is the next state; states are multiples of `width`, and those at or above
 * `accepting` end a word.
 */
export interface Keywords {
  readonly words: readonly string[];
  /** Column of each of 256 bytes; column 0 stands for every byte that is in no word. */
  readonly column: Uint8Array;
  readonly table: Uint16Array | Uint32Array;
  readonly width: number;
  readonly accepting: number;
  /** Word numbers that end in a state, longest first; index is `(state - accepting) / width`. */
  readonly ends: readonly (readonly number[])[];
}

interface TrieNode {
  readonly next: Map<number, number>;
  fail: number;
  words: number[];
}

/**
 * Builds the table.
 * @param words ASCII words of at least one character, matched without regard to ASCII case.
 */
export function compileKeywords(words: readonly string[]): Keywords {
  const trie = buildTrie(words);
  linkFailures(trie);
  const { column, width } = assignColumns(words);
  return layOut(words, trie, column, width);
}

/** True when the bytes hold any of the words. */
export function holdsKeyword(keywords: Keywords, bytes: Uint8Array, start: number, end: number): boolean {
  const { table, column, accepting } = keywords;
  let state = 0;
  for (let at = start; at < end; at++) {
    state = table[state + column[bytes[at]!]!]!;
    if (state >= accepting) return true;
  }
  return false;
}

function buildTrie(words: readonly string[]): TrieNode[] {
  const trie: TrieNode[] = [{ next: new Map(), fail: 0, words: [] }];
  for (const [number, word] of words.entries()) {
    let node = 0;
    for (let at = 0; at < word.length; at++) {
      const code = foldCase(word.charCodeAt(at));
      let child = trie[node]!.next.get(code);
      if (child === undefined) {
        child = trie.push({ next: new Map(), fail: 0, words: [] }) - 1;
        trie[node]!.next.set(code, child);
      }
      node = child;
    }
    trie[node]!.words.push(number);
  }
  return trie;
}

/** Breadth-first, so that the node a failure leads to is complete before it is used. */
function linkFailures(trie: TrieNode[]): void {
  const queue = [0];
  for (let head = 0; head < queue.length; head++) {
    const parent = queue[head]!;
    for (const [code, child] of trie[parent]!.next) {
      queue.push(child);
      let fall = trie[parent]!.fail;
      while (fall !== 0 && !trie[fall]!.next.has(code)) fall = trie[fall]!.fail;
      const landing = trie[fall]!.next.get(code);
      const node = trie[child]!;
      node.fail = landing !== undefined && landing !== child ? landing : 0;
      node.words = [...node.words, ...trie[node.fail]!.words];
    }
  }
}

function assignColumns(words: readonly string[]): { column: Uint8Array; width: number } {
  const column = new Uint8Array(256);
  let used = 1;
  for (const word of words) {
    for (let at = 0; at < word.length; at++) {
      const code = foldCase(word.charCodeAt(at));
      if (code > 127) throw new RangeError('keywords are ASCII');
      if (column[code] === 0) column[code] = used++;
    }
  }
  for (let upper = 65; upper <= 90; upper++) column[upper] = column[upper + 32]!;
  return { column, width: used };
}

/** Numbers the states so that the accepting ones come last, then fills every row. */
function layOut(words: readonly string[], trie: readonly TrieNode[], column: Uint8Array, width: number): Keywords {
  const order = [...trie.keys()].sort((a, b) => Number(trie[a]!.words.length > 0) - Number(trie[b]!.words.length > 0));
  const rowOf: number[] = Array.from({ length: trie.length }, () => 0);
  for (const [row, node] of order.entries()) rowOf[node] = row * width;
  const size = trie.length * width;
  const table = size < 65_536 ? new Uint16Array(size) : new Uint32Array(size);
  const codes = Array.from({ length: 128 }, (_, code) => code).filter(
    (code) => column[code] !== 0 && foldCase(code) === code,
  );
  for (const node of trie.keys()) {
    for (const code of codes) {
      let from = node;
      while (from !== 0 && !trie[from]!.next.has(code)) from = trie[from]!.fail;
      table[rowOf[node]! + column[code]!] = rowOf[trie[from]!.next.get(code) ?? 0]!;
    }
  }
  const plain = trie.filter((node) => node.words.length === 0).length;
  const ends = order
    .slice(plain)
    .map((node) => trie[node]!.words.toSorted((a, b) => words[b]!.length - words[a]!.length));
  return { words, column, table, width, accepting: plain * width, ends };
}

function foldCase(code: number): number {
  return code >= 65 && code <= 90 ? code + 32 : code;
}
