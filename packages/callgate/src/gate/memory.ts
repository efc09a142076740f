import { randomUUID } from 'node:crypto';

const MOST_LABELS = 64;
const MOST_CALLS = 1024;

/** What a session remembers of itself, for the policy to look at: its labels and the calls that were allowed. Bounded. */
export class Memory {
  readonly id: string;
  /** Milliseconds since the epoch; and a monotonic clock in microseconds, which times the history. */
  readonly now: () => number;
  readonly #mono: () => number;
  #labels: readonly string[] = [];
  /** A ring of the last calls. */
  readonly #tools: string[] = [];
  readonly #times: number[] = [];
  #next = 0;
  /** When the youngest call that is forgotten was made. */
  #forgotten = Number.NEGATIVE_INFINITY;

  constructor(clock: { now(): number; mono(): number }, id: string = randomUUID()) {
    this.id = id;
    this.now = () => clock.now();
    this.#mono = () => clock.mono() / 1000;
  }

  /** Labels of the session, oldest first. A list that was handed out does not change. */
  get labels(): readonly string[] {
    return this.#labels;
  }

  /** Whether there is room for labels. */
  hasRoom(labels: readonly string[]): boolean {
    return new Set([...this.#labels, ...labels]).size <= MOST_LABELS;
  }

  label(labels: readonly string[]): void {
    const all = new Set([...this.#labels, ...labels]);
    if (all.size > this.#labels.length) this.#labels = [...all].slice(0, MOST_LABELS);
  }

  /** Remembers that a tool may be called. */
  called(tool: string): void {
    const at = this.#next;
    if (this.#tools.length === MOST_CALLS) this.#forgotten = Math.max(this.#forgotten, this.#times[at]!);
    this.#tools[at] = tool;
    this.#times[at] = this.#mono();
    this.#next = (at + 1) % MOST_CALLS;
  }

  /** How many calls of such tools were allowed within the last `windowMs`; undefined when some may be forgotten. */
  count(isCounted: (tool: string) => boolean, windowMs: number): number | undefined {
    const since = this.#mono() - windowMs;
    if (!(this.#forgotten < since)) return undefined;
    let count = 0;
    for (const [at, tool] of this.#tools.entries()) if (this.#times[at]! >= since && isCounted(tool)) count++;
    return count;
  }
}
