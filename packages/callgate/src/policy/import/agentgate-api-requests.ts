import { quotePattern } from './regex.ts';
import { celAnd, celList, celOr, celPattern, celText, exactName } from './write.ts';

const TOOLS = ['mcp', 'tools'];

/** What a rule wants of a request. */
export type RequestTest =
  | { readonly kind: 'and' | 'or'; readonly parts: readonly RequestTest[] }
  | { readonly kind: 'resource'; readonly glob: string }
  | { readonly kind: 'methods' | 'intent'; readonly words: readonly string[] };

/** A condition on a call: an expression, or what it comes to. */
type Cel = string | boolean;

/** The condition on a request to an HTTP API. */
export function forHttp(test: RequestTest, permissive: boolean): Cel {
  return fold(test, (leaf) => {
    if (leaf.kind === 'resource')
      return leaf.glob === '/**'
        ? true
        : `http.path.matches(${celPattern(pathPattern(segmentsOf(leaf.glob), permissive))})`;
    return leaf.kind === 'methods' ? `http.method in ${celList(leaf.words)}` : `intent in ${celList(leaf.words)}`;
  });
}

/** The condition on a tool, which is `POST /mcp/tools/<name>` there. */
export function forTools(test: RequestTest, permissive: boolean): Cel {
  return fold(test, (leaf) => {
    if ('words' in leaf)
      return leaf.kind === 'methods' ? leaf.words.includes('POST') : `intent in ${celList(leaf.words)}`;
    const tails = tailsOf(segmentsOf(leaf.glob));
    if (tails.some((tail) => tail.length === 1 && tail[0] === '**')) return true;
    const named = tails.filter((tail) => tail.length > 0);
    const conditions = named.map((tail) => {
      const [only] = tail;
      return tail.length === 1 && only !== undefined && !only.includes('*')
        ? `tool == ${celText(only)}`
        : `tool.matches(${celPattern(toolPattern(tail, permissive))})`;
    });
    return conditions.length === 0 ? false : celOr(conditions);
  });
}

/** Puts parts together again, and leaves out what is decided. */
function fold(test: RequestTest, leaf: (test: Exclude<RequestTest, { parts: unknown }>) => Cel): Cel {
  if (!('parts' in test)) return leaf(test);
  const parts = test.parts.map((part) => fold(part, leaf));
  const decisive = test.kind === 'or';
  if (parts.includes(decisive)) return decisive;
  const open = parts.filter((part) => typeof part === 'string');
  if (open.length === 0) return !decisive;
  return decisive ? celOr(open) : celAnd(open);
}

/** The name a rule is about, as `match.tool` takes it, and the rest of its test. */
export function takeTool(test: RequestTest): { readonly name: string | undefined; readonly rest: RequestTest } {
  if (test.kind !== 'and') return { name: undefined, rest: test };
  const [first, ...others] = test.parts;
  if (first?.kind !== 'and') return { name: undefined, rest: test };
  const resource = first.parts.find((part) => part.kind === 'resource');
  const tails = resource?.kind === 'resource' ? tailsOf(segmentsOf(resource.glob)) : [];
  const only = tails.length === 1 && tails[0]?.length === 1 ? tails[0][0] : undefined;
  if (only === undefined || only.includes('*')) return { name: undefined, rest: test };
  return {
    name: exactName(only),
    rest: { kind: 'and', parts: [{ kind: 'and', parts: first.parts.filter((part) => part !== resource) }, ...others] },
  };
}

function segmentsOf(glob: string): readonly string[] {
  return glob.split('/').slice(1);
}

/** What is left of a path's segments once they have matched `/mcp/tools`. */
function tailsOf(segments: readonly string[], at = 0): readonly (readonly string[])[] {
  if (at === TOOLS.length) return [segments];
  const [first, ...rest] = segments;
  if (first === undefined) return [];
  if (first !== '**') return segmentMatches(first, TOOLS[at] as string) ? tailsOf(rest, at + 1) : [];
  const tails = [...tailsOf(rest, at), ...tailsOf(segments, at + 1)];
  return [...new Map(tails.map((tail) => [tail.join('/'), tail])).values()];
}

function segmentMatches(segment: string, text: string): boolean {
  const parts = segment.split('*');
  if (parts.length === 1) return segment === text;
  let at = 0;
  for (const [index, part] of parts.entries()) {
    const hit =
      index === 0
        ? text.startsWith(part)
          ? 0
          : -1
        : index === parts.length - 1
          ? text.length - part.length
          : text.indexOf(part, at);
    if (hit < at || !text.startsWith(part, hit)) return false;
    at = hit + part.length;
  }
  return true;
}

function toolPattern(tail: readonly string[], permissive: boolean): string {
  const first = tail.findIndex((segment) => segment !== '**');
  return pathPattern(tail.slice(first), permissive).replace('^/', first > 0 ? '^(?:.*/)?' : '^');
}

/**
 * An anchored pattern: `*` stays inside a segment, `**` spans any number of them. Whether `/a/**` is also `/a` is not
 * written down: a rule that denies takes it so, one that allows does not.
 */
function pathPattern(segments: readonly string[], permissive: boolean): string {
  let out = '^';
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    if (segment === '**') out += isLast && permissive ? '/.*' : '(?:/.*)?';
    else out += `/${segment.split(/\*+/).map(quotePattern).join('[^/]*')}`;
  }
  return `${out}$`;
}
