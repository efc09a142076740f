import type { Annotations, Call, CallFinding, Direction, Intent } from '../../model/call.ts';
import type { Effect } from '../../model/decision.ts';
import { ExactNumber, type Json } from '../../model/json.ts';
import type { Principal } from '../../model/principal.ts';
import { resolveSegments } from '../../inspect/paths.ts';
import { Scanner } from '../../protocol/scan.ts';
import { jsonAt } from '../../protocol/tape.ts';

/** One decision as the evidence has it, with what the vault still holds of it. */
export interface Recorded {
  readonly index: number;
  readonly id: string;
  /** The process that wrote it: a gate of one server is one session. */
  readonly session: string;
  /** Milliseconds since the epoch; and the monotonic clock of the session in microseconds. */
  readonly time: number;
  readonly mono: number;
  readonly direction: Direction;
  readonly server: string;
  readonly method: string;
  /** Of `tools/call`. */
  readonly tool?: string;
  /** Of anything else: a prompt's name or a URI. */
  readonly target?: string;
  /** Undefined when the vault's record of it is gone. */
  readonly principal: Principal | undefined;
  readonly labels: readonly string[];
  readonly findings: readonly CallFinding[];
  /** Masked JSON, as it was kept. */
  readonly args: Uint8Array | undefined;
  readonly truncated: number;
  readonly obligations: readonly string[];
  readonly effect: Effect;
  readonly rule: string;
  readonly reason: string | undefined;
  /** How it ended; undefined while it runs, or when it was not let go. */
  readonly status: string | undefined;
}

/** What a replay adds to what was recorded. */
export interface ReplayFacts {
  /** Directory that relative paths start from. */
  readonly cwd: string;
  /** Labels of the session by now; undefined when they cannot be told. */
  readonly labels: readonly string[] | undefined;
  /** Calls of the session that were allowed before; undefined when they cannot be told. */
  history(glob: (tool: string) => boolean, windowMs: number): number | undefined;
  /** Whether rules could believe what this server says about its tools; nobody recorded what it said. */
  readonly trustsAnnotations: boolean;
}

/** Findings that one record holds at most; with so many there may have been more. */
const MOST_FINDINGS = 256;

/**
 * A recorded call as a policy sees it. What the evidence lacks is never guessed: `lacking` says which of it the policy
 * looked at, and then its decision is worth nothing.
 */
export class ReplayCall implements Call {
  readonly direction: Direction;
  readonly server: string;
  readonly method: string;
  declare readonly tool?: string;
  declare readonly prompt?: string;
  declare readonly uri?: string;
  readonly time: number;
  readonly session: string;
  /** What the policy looked at and the evidence does not hold. */
  readonly lacking = new Set<string>();
  readonly #recorded: Recorded;
  readonly #facts: ReplayFacts;
  #args: { readonly value: Json | undefined; readonly isLacking: string | undefined } | undefined;

  constructor(recorded: Recorded, facts: ReplayFacts) {
    const { direction, server, method, tool, target, time, session } = recorded;
    this.direction = direction;
    this.server = server;
    this.method = method;
    if (tool !== undefined) this.tool = tool;
    if (target !== undefined && method === 'prompts/get') this.prompt = target;
    else if (target !== undefined) this.uri = target;
    this.time = time;
    this.session = session;
    this.#recorded = recorded;
    this.#facts = facts;
    for (const name of [server, method, tool, target])
      if (isCutName(name)) this.lacking.add('a name that was masked or cut');
  }

  get principal(): Principal {
    const { principal } = this.#recorded;
    if (principal === undefined) this.lacking.add('who called, which was forgotten');
    return principal ?? { id: '', roles: [], chain: [], assurance: 'asserted' };
  }

  get annotations(): Annotations {
    return this.#claim() as unknown as Annotations;
  }

  get intent(): Intent {
    return this.#claim() as unknown as Intent;
  }

  get labels(): readonly string[] {
    const { labels } = this.#facts;
    if (labels === undefined) this.lacking.add('labels of the session, which are not all known');
    return [...new Set([...this.#recorded.labels, ...(labels ?? [])])];
  }

  findings(): readonly CallFinding[] {
    const { findings, truncated } = this.#recorded;
    if (
      findings.length >= MOST_FINDINGS ||
      (truncated > 0 && findings.length > 0 && this.#recorded.principal === undefined)
    )
      this.lacking.add('findings, of which not all were kept');
    if (this.#recorded.principal === undefined) this.lacking.add('findings, which were forgotten');
    return findings;
  }

  history(glob: (tool: string) => boolean, windowMs: number): number | undefined {
    const count = this.#facts.history(glob, windowMs);
    if (count === undefined) this.lacking.add('calls of the session before the first record that was read');
    return count;
  }

  args(): Json | undefined {
    this.#args ??= this.#read();
    if (this.#args.isLacking !== undefined) this.lacking.add(this.#args.isLacking);
    return this.#args.value;
  }

  /** By its letters alone: the links of that time are gone. */
  realPath(path: string): string {
    return resolveSegments(path.startsWith('/') ? path : `${this.#facts.cwd}/${path}`);
  }

  /** Unknown for a server that nobody trusts, which is what the gate saw too. */
  #claim(): undefined {
    if (this.#facts.trustsAnnotations) this.lacking.add('annotations, which are not recorded');
    return undefined;
  }

  #read(): { readonly value: Json | undefined; readonly isLacking: string | undefined } {
    if (this.direction === 'result' || this.direction === 'answer')
      return { value: undefined, isLacking: 'a result, which is not kept' };
    const { args, principal } = this.#recorded;
    const isNamed = this.tool !== undefined || this.prompt !== undefined;
    if (args === undefined || args.length === 0) {
      const isLacking =
        principal === undefined
          ? 'arguments, which were forgotten'
          : isNamed
            ? 'arguments, which were not kept'
            : undefined;
      return { value: undefined, isLacking };
    }
    const value = parseRecorded(args);
    if (value === undefined) return { value: undefined, isLacking: 'arguments, which cannot be read' };
    if (isNamed && isParams(value, this.tool ?? this.prompt))
      return { value: undefined, isLacking: 'whether it had no arguments, or one that is called "name"' };
    return guarded(value, (pointer, why) => this.lacking.add(`${pointer}, which was ${why}`));
  }
}

const scanner = new Scanner({ depth: 1000 });

/** The value of recorded arguments; undefined when they are no JSON. */
export function parseRecorded(bytes: Uint8Array): Json | undefined {
  return scanner.scan(bytes) === undefined ? jsonAt(scanner, 0) : undefined;
}

/**
 * Of a call without arguments the record keeps its params, which hold the name. Arguments of that one member and value
 * look the same.
 */
export function isParams(value: Json, name: string | undefined): boolean {
  if (!isObject(value) || !Object.hasOwn(value, 'name') || value['name'] !== name) return false;
  return Object.keys(value).every((key) => key === 'name' || key === '_meta' || key === 'task');
}

const MASKED = '[secret:';
const CUT = /… \[[0-9]+ more\]$/;

/** What was done to a text before it was kept; undefined when nothing was. A text that only looks so counts as well. */
export function damageOf(text: string): 'masked' | 'cut' | undefined {
  return text.includes(MASKED) ? 'masked' : CUT.test(text) ? 'cut' : undefined;
}

/** Where in a value something was masked or cut: the pointers of the first few, and why. */
export function damages(value: Json): readonly string[] {
  const found: string[] = [];
  const { value: root, isLacking } = guarded(value, (pointer, why) => found.push(`${pointer} was ${why}`));
  if (isLacking !== undefined) found.push(isLacking);
  walkAll(root);
  return found;
}

function walkAll(value: Json | undefined): void {
  if (typeof value === 'object' && value !== null && !(value instanceof ExactNumber))
    for (const item of Object.values(value)) walkAll(item);
}

type Look = (pointer: string, why: string) => void;

/** The same value, with getters that tell of a look at what is not as it came. */
function guarded(
  value: Json,
  look: Look,
): { readonly value: Json | undefined; readonly isLacking: string | undefined } {
  if (typeof value === 'string') {
    const why = damageOf(value);
    return { value, isLacking: why === undefined ? undefined : `arguments, which were ${why}` };
  }
  if (isObject(value) && value['_truncated'] === true) return { value, isLacking: 'arguments, which were cut' };
  const copy = guard(value, '', look);
  return {
    value: copy.value,
    isLacking: copy.why === undefined ? undefined : `arguments, of which a name was ${copy.why}`,
  };
}

/** `why` when the value itself is not as it came: a text, or an object with a name that was masked. */
function guard(value: Json, pointer: string, look: Look): { readonly value: Json; readonly why: string | undefined } {
  if (typeof value === 'string') return { value, why: damageOf(value) };
  if (typeof value !== 'object' || value === null || value instanceof ExactNumber) return { value, why: undefined };
  const isList = Array.isArray(value);
  const copy: object = isList ? [] : (Object.create(null) as object);
  let masked = false;
  for (const [key, member] of Object.entries<Json>(value)) {
    if (!isList && key.includes(MASKED)) masked = true;
    const where = `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const inner = guard(member, where, look);
    const { why } = inner;
    if (why === undefined) Object.defineProperty(copy, key, { value: inner.value, enumerable: true });
    else
      Object.defineProperty(copy, key, {
        enumerable: true,
        get() {
          look(where, why);
          return inner.value;
        },
      });
  }
  return { value: copy as Json, why: masked ? 'masked' : undefined };
}

function isObject(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber);
}

/** Names are masked, and cut to 256 characters, before they are kept (gate/recordable.ts); a leaf alone keeps 200. */
function isCutName(name: string | undefined): boolean {
  return name !== undefined && (name.includes(MASKED) || (name.length > 200 && name.endsWith('…')));
}
