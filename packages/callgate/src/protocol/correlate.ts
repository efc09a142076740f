/** The id of a request. `1` and `"1"` are two ids. */
export type Id = string | number;

const RECENT_TOKENS = 4096;
/** Cancelled ids kept, in UTF-16 units of them; a number counts for 16. */
const RETIRED_UNITS = 4 << 20;

/**
 * The requests one side has open, by id, bounded; and the progress tokens it handed out lately.
 */
export class Pending<T> {
  readonly #most: number;
  readonly #open = new Map<Id, T>();
  readonly #tokens = new Set<Id>();
  readonly #retired = new Set<Id>();
  #retiredUnits = 0;

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

  /** Whether a new request under this id could be given the answer to another: one open, or one cancelled. */
  isTaken(id: Id): boolean {
    return this.#open.has(id) || this.#retired.has(id);
  }

  /**
   * Closes a request that was cancelled: its answer may still come, so that its id is not to be had again. When too many
   * are kept already, nothing is closed.
   */
  retire(id: Id): T | undefined {
    const units = typeof id === 'string' ? id.length + 16 : 16;
    if (!this.#open.has(id) || this.#retiredUnits + units > RETIRED_UNITS) return undefined;
    this.#retired.add(id);
    this.#retiredUnits += units;
    return this.take(id);
  }

  values(): IterableIterator<T> {
    return this.#open.values();
  }

  /** Oldest first. */
  entries(): IterableIterator<[Id, T]> {
    return this.#open.entries();
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
