import { randomUUID } from 'node:crypto';
import type { Principal } from '../model/principal.ts';
import type { CompiledPolicy } from '../policy/index.ts';
import { sessionId, type Sessions, type SessionState } from '../state/sessions.ts';

const MOST_LABELS = 64;
const MOST_CALLS = 1024;

/** What a session remembers of itself, for the policy to look at: its labels and the calls that were allowed. Bounded. */
export interface Memory {
  readonly id: string;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Labels of the session, oldest first; undefined when they cannot be told. A list that was handed out does not change. */
  readonly labels: readonly string[] | undefined;
  /**
   * Keeps labels, and that a tool may be called.
   * @returns false, keeping nothing, when there is no room for the labels
   * @throws CallgateError CG_STATE_UNAVAILABLE when it cannot be kept
   */
  keep(labels: readonly string[], tool: string | undefined): boolean;
  /** How many calls of such tools were allowed within the last `windowMs`; undefined when that cannot be told. */
  count(isCounted: (tool: string) => boolean, windowMs: number): number | undefined;
}

/** The memory of one conversation alone. */
export class OwnMemory implements Memory {
  readonly id: string;
  readonly now: () => number;
  /** A monotonic clock in milliseconds, which times the history. */
  readonly #mono: () => number;
  #labels: readonly string[] = [];
  /** A ring of the last calls. */
  readonly #tools: string[] = [];
  readonly #times: number[] = [];
  #next = 0;
  /** When the youngest call that is forgotten was made. */
  #forgotten = Number.NEGATIVE_INFINITY;

  /** @param clock `mono` is in microseconds */
  constructor(clock: { now(): number; mono(): number }, id: string = randomUUID()) {
    this.id = id;
    this.now = () => clock.now();
    this.#mono = () => clock.mono() / 1000;
  }

  get labels(): readonly string[] {
    return this.#labels;
  }

  keep(labels: readonly string[], tool: string | undefined): boolean {
    if (labels.length > 0) {
      const all = new Set([...this.#labels, ...labels]);
      if (all.size > MOST_LABELS) return false;
      if (all.size > this.#labels.length) this.#labels = [...all];
    }
    if (tool !== undefined) this.#called(tool);
    return true;
  }

  #called(tool: string): void {
    const at = this.#next;
    if (this.#tools.length === MOST_CALLS) this.#forgotten = Math.max(this.#forgotten, this.#times[at]!);
    this.#tools[at] = tool;
    this.#times[at] = this.#mono();
    this.#next = (at + 1) % MOST_CALLS;
  }

  count(isCounted: (tool: string) => boolean, windowMs: number): number | undefined {
    const since = this.#mono() - windowMs;
    if (!(this.#forgotten < since)) return undefined;
    let count = 0;
    for (const [at, tool] of this.#tools.entries()) if (this.#times[at]! >= since && isCounted(tool)) count++;
    return count;
  }
}

/** What the memory of a home's session stands on. */
export interface HomeMemoryOptions {
  readonly principal: Principal;
  readonly conversation?: string;
  /** The policy in force: what it does not look at is not fetched. */
  policy(): Pick<CompiledPolicy, 'usesLabels' | 'usesHistory'>;
  /** The shared sessions of the home. Throws when they cannot be reached. */
  sessions(): Sessions;
  now(): number;
  mono(): number;
}

/**
 * The memory of a session that all gates of a home share: what a call on one server has seen counts on every other.
 * A policy that looks at neither labels nor history touches nothing shared.
 */
export class HomeMemory implements Memory {
  readonly id: string;
  readonly #o: HomeMemoryOptions;
  /** Calls of this gate, by a clock that nobody sets; also from before a policy was put in force that counts them. */
  readonly #own: OwnMemory;
  #state: SessionState | undefined;
  #stateOf: Sessions | undefined;

  constructor(options: HomeMemoryOptions) {
    this.#o = options;
    this.id = sessionId(keyOf(options));
    this.#own = new OwnMemory(options, this.id);
  }

  now(): number {
    return this.#o.now();
  }

  get labels(): readonly string[] | undefined {
    if (!this.#o.policy().usesLabels) return NONE;
    return this.#told((state, now) => state.labels(now));
  }

  keep(labels: readonly string[], tool: string | undefined): boolean {
    if (labels.length > 0 && !this.#shared().addLabels(labels, this.now())) return false;
    if (tool === undefined) return true;
    if (this.#o.policy().usesHistory) this.#shared().called(tool, this.now());
    return this.#own.keep(NONE, tool);
  }

  count(isCounted: (tool: string) => boolean, windowMs: number): number | undefined {
    const here = this.#own.count(isCounted, windowMs);
    if (here === undefined || !this.#o.policy().usesHistory) return here;
    const all = this.#told((state, now) => state.count(isCounted, windowMs, now));
    // Those made here are among all, unless they were made before anybody counted.
    return all === undefined ? undefined : Math.max(here, all);
  }

  #told<T>(tell: (state: SessionState, now: number) => T): T | undefined {
    try {
      return tell(this.#shared(), this.now());
    } catch {
      // Not known: conditions on it are unsure, and what would be added is refused with the reason.
      return undefined;
    }
  }

  #shared(): SessionState {
    const sessions = this.#o.sessions();
    if (this.#state === undefined || sessions !== this.#stateOf) {
      this.#state = sessions.open(keyOf(this.#o));
      this.#stateOf = sessions;
    }
    return this.#state;
  }
}

function keyOf({ principal, conversation }: HomeMemoryOptions) {
  return { principal: principal.id, conversation };
}

const NONE: readonly never[] = [];
