import type { Evidence } from '../evidence/index.ts';
import { messageOf } from '../model/error.ts';

/** What waits for its evidence before it leaves. */
export interface Due {
  /** Closes its books: what is judged from now on belongs to the next ones. */
  settle(): Settled;
}

/** What was judged until its books were closed. One of the two is called, once. */
export interface Settled {
  /** It leaves. */
  release(): void;
  /** Its evidence cannot be written: it is answered in place of leaving. */
  takeBack(cause: unknown): void;
}

export interface BooksOptions {
  readonly evidence: Evidence;
  /** `strict` waits for the disk before a call leaves, `batch` for the kernel. */
  readonly durability: 'batch' | 'strict';
  /** Calls leave although their evidence cannot be written: an explicit, logged setting. */
  readonly passUnrecorded: boolean;
  warn(message: string): void;
}

/** Groups of calls that may wait for the disk. */
const MOST_WAITING = 64;
const OUTCOME_DELAY_MS = 10;

/**
 * Writes the evidence of all conversations of a process together: what was judged in one turn of the event loop is one
 * write, and leaves after it. No call leaves before its decision is written.
 */
export class Books {
  readonly #o: BooksOptions;
  #due = new Set<Due>();
  #outcomes: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(options: BooksOptions) {
    this.#o = options;
  }

  /** True while the disk falls behind. */
  get isFull(): boolean {
    return this.#waiting > MOST_WAITING;
  }

  /** Something was judged here; it leaves at the end of this turn. */
  add(due: Due): void {
    if (this.#due.size === 0) setImmediate(() => this.#close());
    this.#due.add(due);
  }

  /** An outcome was noted: it is written with the next decision, or a few milliseconds later. */
  outcome(): void {
    this.#outcomes ??= setTimeout(() => {
      this.#outcomes = undefined;
      this.#flush();
    }, OUTCOME_DELAY_MS);
  }

  /** Writes what is left. */
  async end(): Promise<void> {
    clearTimeout(this.#outcomes);
    this.#outcomes = undefined;
    if (this.#due.size > 0) this.#close();
    else this.#flush();
    await this.#turn;
  }

  #close(): void {
    const due = [...this.#due];
    if (due.length === 0) return;
    this.#due = new Set();
    const settled = due.map((one) => one.settle());
    const takeBack = (cause: unknown): void => {
      for (const one of settled) one.takeBack(cause);
    };
    const fault = this.#flush();
    if (fault !== undefined && !this.#o.passUnrecorded) return takeBack(fault);
    if (this.#o.durability === 'batch') {
      for (const one of settled) one.release();
      return;
    }
    this.#waiting++;
    this.#turn = Promise.all([this.#turn, this.#o.evidence.synced()])
      .then(
        () => settled.forEach((one) => one.release()),
        (error: unknown) => {
          this.#o.warn(messageOf(error));
          takeBack(error);
        },
      )
      .finally(() => void this.#waiting--);
  }

  /** @returns why it could not be written */
  #flush(): unknown {
    try {
      this.#o.evidence.flush();
      return undefined;
    } catch (error) {
      this.#o.warn(messageOf(error));
      return error;
    }
  }
}
