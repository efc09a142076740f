/** What has requests that may grow too old. */
export interface Timed {
  /** Gives up what is overdue. */
  giveUpOverdue(): void;
}

const SWEEP_MS = 1000;

/** Has all conversations of a process look once a second for what their servers do not answer: one timer for all. */
export class Deadlines {
  readonly #timed = new Set<Timed>();
  #timer: NodeJS.Timeout | undefined;

  add(timed: Timed): void {
    this.#timed.add(timed);
    this.#timer ??= setInterval(() => {
      for (const one of this.#timed) one.giveUpOverdue();
    }, SWEEP_MS).unref();
  }

  remove(timed: Timed): void {
    this.#timed.delete(timed);
    if (this.#timed.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
