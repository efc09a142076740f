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

/**
 * Builds the table.
 * @param words ASCII words of at least one character, matched without regard to ASCII case.
 */
export function compileKeywords(words: readonly string[]): Keywords {
  const { column, width } = assignColumns(words);
  const trie = buildTrie(words, column, width);
  const failures = linkFailures(trie, width);
  return { words, column, width, ...layOut(words, trie, failures, width) };
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

/** Nodes by number, the root 0; the rest are lists by node. */
interface Trie {
  readonly size: number;
  /** Child by node and column, 0 where there is none. */
  readonly next: Int32Array;
  readonly firstChild: Int32Array;
  readonly sibling: Int32Array;
  /** The column that leads to a node. */
  readonly by: Uint8Array;
  /** Words that end in a node, after linking those of its failure too. */
  readonly ends: (readonly number[] | undefined)[];
}

function buildTrie(words: readonly string[], column: Uint8Array, width: number): Trie {
  const most = words.reduce((sum, word) => sum + word.length, 1);
  const next = new Int32Array(most * width);
  const firstChild = new Int32Array(most);
  const sibling = new Int32Array(most);
  const by = new Uint8Array(most);
  const ends: (readonly number[] | undefined)[] = [];
  let size = 1;
  for (let number = 0; number < words.length; number++) {
    const word = words[number]!;
    let node = 0;
    for (let at = 0; at < word.length; at++) {
      const to = column[word.charCodeAt(at)]!;
      let child = next[node * width + to]!;
      if (child === 0) {
        child = size++;
        next[node * width + to] = child;
        sibling[child] = firstChild[node]!;
        firstChild[node] = child;
        by[child] = to;
      }
      node = child;
    }
    ends[node] = [...(ends[node] ?? []), number];
  }
  return { size, next, firstChild, sibling, by, ends };
}

/** Where to go on when no child fits, and the nodes breadth-first: a failure stands before what fails to it. */
interface Failures {
  readonly fail: Int32Array;
  readonly order: Int32Array;
}

function linkFailures({ size, next, firstChild, sibling, by, ends }: Trie, width: number): Failures {
  const order = new Int32Array(size);
  const fail = new Int32Array(size);
  for (let head = 0, tail = 1; head < tail; head++) {
    const parent = order[head]!;
    for (let child = firstChild[parent]!; child !== 0; child = sibling[child]!) {
      order[tail++] = child;
      if (parent === 0) continue;
      const column = by[child]!;
      let fall = fail[parent]!;
      while (fall !== 0 && next[fall * width + column] === 0) fall = fail[fall]!;
      const landing = next[fall * width + column]!;
      fail[child] = landing;
      const inherited = ends[landing];
      if (inherited !== undefined) ends[child] = [...(ends[child] ?? []), ...inherited];
    }
  }
  return { fail, order };
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

/**
 * Numbers the states so that the accepting ones come last, then fills every row: that of its failure, but for its own
 * children. Copying rows keeps this short, it is done at each start.
 */
function layOut(
  words: readonly string[],
  { size, firstChild, sibling, by, ends }: Trie,
  { fail, order }: Failures,
  width: number,
): Pick<Keywords, 'table' | 'accepting' | 'ends'> {
  const rowOf = new Int32Array(size);
  const accepted: number[] = [];
  let row = 0;
  for (let node = 0; node < size; node++) {
    if (ends[node] === undefined) {
      rowOf[node] = row;
      row += width;
    } else accepted.push(node);
  }
  const accepting = row;
  for (const node of accepted) {
    rowOf[node] = row;
    row += width;
  }
  const table = row < 65_536 ? new Uint16Array(row) : new Uint32Array(row);
  for (const node of order) {
    const to = rowOf[node]!;
    const failure = rowOf[fail[node]!]!;
    if (node !== 0) table.copyWithin(to, failure, failure + width);
    for (let child = firstChild[node]!; child !== 0; child = sibling[child]!) table[to + by[child]!] = rowOf[child]!;
  }
  const longestFirst = (a: number, b: number): number => words[b]!.length - words[a]!.length;
  return { table, accepting, ends: accepted.map((node) => ends[node]!.toSorted(longestFirst)) };
}

function foldCase(code: number): number {
  return code >= 65 && code <= 90 ? code + 32 : code;
}
