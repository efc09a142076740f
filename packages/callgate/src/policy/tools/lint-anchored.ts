/** Bounds the work on a pattern made of groups; a longer one counts as not anchored. */
const MAX_DEPTH = 20;
const SETS_LINES = /\(\?[a-zA-Z]*m/;
/** A repetition behind them is of what stands before them: `^(?i)*`. */
const FLAGS_INSIDE = /\(\?[a-zA-Z-]+\)/;

/**
 * Whether an RE2 pattern must match the whole text: every alternative begins with `^` or `\A` and ends with `$` or `\z`,
 * also inside a group around all of it. With `(?m)` lines have beginnings and ends too, so only `\A` and `\z` count.
 */
export function isAnchored(pattern: string, isMultiline = false, depth = 0): boolean {
  if (depth > MAX_DEPTH) return false;
  const [flags] = /^(?:\(\?[a-zA-Z-]+\))*/.exec(pattern) as RegExpExecArray;
  const lines = isMultiline || flags.includes('m');
  const alternatives = alternativesOf(pattern.slice(flags.length));
  // Flags inside hold to the end of their group, and are not followed here.
  if (alternatives.length === 1) return isWhole(alternatives[0] as string, lines, depth);
  // Those of one alternative hold in the ones behind it too.
  const linesLater = lines || alternatives.some((part) => SETS_LINES.test(part));
  return alternatives.every((part) => isAnchored(part, linesLater, depth + 1));
}

function isWhole(part: string, lines: boolean, depth: number): boolean {
  const group = groupAround(part);
  if (group !== undefined) return isAnchored(group.inner, lines || group.flags.includes('m'), depth + 1);
  if (SETS_LINES.test(part) || FLAGS_INSIDE.test(part)) return false;
  const first = part.startsWith('\\A') ? 2 : !lines && part.startsWith('^') ? 1 : 0;
  // Repeated (`^*`) it need not be there.
  const isOptional = /^[*+?{]/.test(part.slice(first));
  return first > 0 && !isOptional && endsAtEnd(part.slice(first), lines);
}

function endsAtEnd(rest: string, lines: boolean): boolean {
  const end = rest.endsWith('\\z') ? 2 : !lines && rest.endsWith('$') ? 1 : 0;
  if (end === 0) return false;
  // The sign that ends it stands for itself only behind an even number of backslashes, and outside \Q...\E and classes.
  const walk = walkPattern(rest.slice(0, -end));
  return walk.isPlain && walk.depth === 0;
}

/** The alternatives outside of groups, classes and `\Q...\E`. */
function alternativesOf(pattern: string): readonly string[] {
  const { bars } = walkPattern(pattern);
  const parts: string[] = [];
  let from = 0;
  for (const bar of bars) {
    parts.push(pattern.slice(from, bar));
    from = bar + 1;
  }
  return [...parts, pattern.slice(from)];
}

/** What a group that is the whole pattern has in it. */
function groupAround(pattern: string): { readonly inner: string; readonly flags: string } | undefined {
  if (!pattern.startsWith('(') || !pattern.endsWith(')')) return undefined;
  const walk = walkPattern(pattern);
  if (walk.closed !== pattern.length - 1 || !walk.isPlain) return undefined;
  const [head, flags = ''] = /^\((?:\?([a-zA-Z-]*):|\?P?<[A-Za-z0-9_]+>)?/.exec(pattern) as RegExpExecArray;
  return { inner: pattern.slice(head.length, -1), flags };
}

interface Walk {
  /** Where `|` stands outside of everything. */
  readonly bars: readonly number[];
  /** Where the first group ends. */
  readonly closed: number;
  readonly depth: number;
  /** What follows the text is read as a pattern, not as part of an escape, a class or `\Q`. */
  readonly isPlain: boolean;
}

function walkPattern(pattern: string): Walk {
  const bars: number[] = [];
  let closed = -1;
  let depth = 0;
  let isClass = false;
  let isEscaped = false;
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at];
    if (char === '\\') {
      if (!isClass && pattern[at + 1] === 'Q') {
        const end = pattern.indexOf('\\E', at + 2);
        if (end < 0) return { bars, closed, depth, isPlain: false };
        at = end;
      }
      at++;
      isEscaped = at >= pattern.length;
    } else if (isClass) {
      isClass = char !== ']';
    } else if (char === '[') {
      isClass = true;
      if (pattern[at + 1] === '^') at++;
      // A bracket that comes first is one of the class.
      if (pattern[at + 1] === ']') at++;
      else if (pattern.startsWith('[:', at + 1)) at = Math.max(at, pattern.indexOf(':]', at + 2) + 1);
    } else if (char === '(') {
      depth++;
    } else if (char === ')') {
      depth--;
      if (depth === 0 && closed < 0) closed = at;
    } else if (char === '|' && depth === 0) {
      bars.push(at);
    }
  }
  return { bars, closed, depth, isPlain: !isEscaped && !isClass };
}
