import { member, members, elements, stringAt } from '../protocol/tape.ts';
import { FALSE, NUMBER, OBJECT, STRING, TRUE, type Tape } from '../protocol/scan.ts';
import { decodeUtf8 } from '../protocol/text.ts';
import { type HeaderList, headerValue } from './http-headers.ts';

/** One argument that a tool wants in a header too. */
interface Declared {
  readonly path: readonly string[];
  readonly header: string;
}

const KEY = 'x-mcp-header';
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Where subschemas stand that no chain of `properties` reaches. `*`: below, a map of names. */
const OFF_PATH = (
  'items prefixItems contains additionalProperties unevaluatedProperties unevaluatedItems propertyNames ' +
  '*patternProperties *dependentSchemas oneOf anyOf allOf not if then else *$defs *definitions'
)
  .split(' ')
  .map((word) => (word.startsWith('*') ? { word: word.slice(1), isMap: true } : { word, isMap: false }));
const MOST_TOOLS = 10_000;

/** What the lists of a server have said about arguments that travel in headers (2026-07-28, `x-mcp-header`). */
export class DeclaredHeaders {
  readonly #tools = new Map<string, readonly Declared[]>();
  #isWhole = false;
  #someDeclare = false;

  /** Whether a call of this tool can be sent with what is known. */
  knows(tool: string): boolean {
    return this.#tools.has(tool) || (this.#isWhole && !this.#someDeclare);
  }

  /**
   * Learns from one page.
   * @param tape of the answer
   * @param result node of its result
   * @param isFirst whether the page was asked for without a cursor
   * @returns the cursor of the next page
   */
  learn(tape: Tape, result: number, isFirst: boolean): string | undefined {
    if (isFirst) this.forget();
    for (const tool of elements(tape, member(tape, result, 'tools'))) {
      const name = member(tape, tool, 'name');
      if (name < 0 || tape.kinds[name] !== STRING || this.#tools.size >= MOST_TOOLS) continue;
      const declared = declaredBy(tape, member(tape, tool, 'inputSchema'));
      if (declared.length > 0) this.#someDeclare = true;
      this.#tools.set(stringAt(tape, name), declared);
    }
    const cursor = member(tape, result, 'nextCursor');
    const next = cursor >= 0 && tape.kinds[cursor] === STRING ? stringAt(tape, cursor) : undefined;
    if (next === undefined) this.#isWhole = true;
    return next;
  }

  forget(): void {
    this.#tools.clear();
    this.#isWhole = this.#someDeclare = false;
  }

  /** Adds the headers that a call of a tool needs. `args`: node of its arguments, or -1. */
  add(headers: HeaderList, tool: string, tape: Tape, args: number): void {
    for (const { path, header } of this.#tools.get(tool) ?? NONE) {
      let node = args;
      for (const key of path) node = member(tape, node, key);
      const text = textOf(tape, node);
      if (text !== undefined) headers.push(`Mcp-Param-${header}`, headerValue(text));
    }
  }
}

const NONE: readonly Declared[] = [];

/** A value as JavaScript peers write it; undefined for what travels in no header. */
function textOf(tape: Tape, node: number): string | undefined {
  if (node < 0) return undefined;
  switch (tape.kinds[node]) {
    case STRING:
      return stringAt(tape, node);
    case TRUE:
      return 'true';
    case FALSE:
      return 'false';
    case NUMBER: {
      const value = Number(decodeUtf8(tape.bytes, tape.starts[node], tape.ends[node]));
      if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) return undefined;
      return String(value);
    }
    default:
      return undefined;
  }
}

/** What a schema declares; nothing when one declaration is not as it must be, which makes the whole tool invalid. */
function declaredBy(tape: Tape, schema: number): readonly Declared[] {
  const found: Declared[] = [];
  const isSound = schema < 0 || visit(tape, schema, [], true, found, new Set());
  return isSound ? found : NONE;
}

/** The scanner bounds how deep a schema is. */
function visit(
  tape: Tape,
  schema: number,
  path: readonly string[],
  isReachable: boolean,
  found: Declared[],
  taken: Set<string>,
): boolean {
  if (tape.kinds[schema] !== OBJECT) return true;
  const declared = member(tape, schema, KEY);
  if (declared >= 0) {
    if (!isReachable || path.length === 0 || tape.kinds[declared] !== STRING) return false;
    const header = stringAt(tape, declared);
    const type = member(tape, schema, 'type');
    // Of a `number`, which may not be declared, peers check the header all the same.
    const isPlain =
      type >= 0 && tape.kinds[type] === STRING && /^(?:string|integer|boolean|number)$/.test(stringAt(tape, type));
    const lower = header.toLowerCase();
    if (!TOKEN.test(header) || !isPlain || taken.has(lower)) return false;
    taken.add(lower);
    found.push({ path, header });
  }
  const properties = member(tape, schema, 'properties');
  for (const key of members(tape, properties)) {
    if (!visit(tape, key + 1, [...path, stringAt(tape, key)], isReachable, found, taken)) return false;
  }
  for (const { word, isMap } of OFF_PATH) {
    const below = member(tape, schema, word);
    if (below < 0) continue;
    const isObject = tape.kinds[below] === OBJECT;
    const branches = isObject
      ? isMap
        ? [...members(tape, below)].map((key) => key + 1)
        : [below]
      : elements(tape, below);
    for (const branch of branches) if (!visit(tape, branch, path, false, found, taken)) return false;
  }
  return true;
}
