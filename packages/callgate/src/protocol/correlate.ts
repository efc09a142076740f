/** The id of a request. `1` and `"1"` are two ids. */
export type Id = string | number;

const RECENT_TOKENS = 4096;

/**
 * The requests one side has open, by id, bounded; and the progress tokens it handed out lately.
 */
export class Pending<T> {
  readonly #most: number;
  readonly #open = new Map<Id, T>();
  readonly #tokens = new Set<Id>();

  /** @param most requests that may be open at once */
  constructor(most = 10_000) {
    this.#most = most;
  }

  get size(): number {
    return this.#open.size;
  }

  get isFull(): boolean {
    return this.#open.size >= this.#most;
  }

  /**
   * Opens a request.
   * @returns false, and changes nothing, when the id is open already or no more may be open
   */
  add(id: Id, entry: T): boolean {
    if (this.isFull || this.#open.has(id)) return false;
    this.#open.set(id, entry);
    return true;
  }

  has(id: Id): boolean {
    return this.#open.has(id);
  }

  get(id: Id): T | undefined {
    return this.#open.get(id);
  }

  /** Closes a request: a second answer to it finds nothing. */
  take(id: Id): T | undefined {
    const entry = this.#open.get(id);
    if (entry !== undefined) this.#open.delete(id);
    return entry;
  }

  values(): IterableIterator<T> {
    return this.#open.values();
  }

  /** Closes all; oldest first. */
  drain(): T[] {
    const entries = [...this.#open.values()];
    this.#open.clear();
    return entries;
  }

  /** Remembers a progress token that a request carried. Old ones are forgotten first. */
  rememberToken(token: Id): void {
    this.#tokens.delete(token);
    this.#tokens.add(token);
    if (this.#tokens.size <= RECENT_TOKENS) return;
    for (const oldest of this.#tokens) {
      this.#tokens.delete(oldest);
      break;
    }
  }

  /** Whether a request carried this token lately; progress under any other was asked for by nobody. */
  knowsToken(token: Id): boolean {
    return this.#tokens.has(token);
  }
}
