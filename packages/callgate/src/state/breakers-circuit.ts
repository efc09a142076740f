/** What opens a circuit, and for how long. Times in microseconds. */
export interface BreakerLimits {
  /** Errors in a row, within the window, that open it; 0: never. */
  readonly transportErrors: number;
  readonly toolErrors: number;
  readonly windowUs: number;
  /** How long it stays open the first time; longer each time that it fails again at once. */
  readonly pauseUs: number;
}

export type CircuitState = 'closed' | 'open' | 'half-open';

/** `transport`: no answer came. `tool`: the answer was an error. */
export type ErrorKind = 'transport' | 'tool';

/** One step of a circuit. */
export interface Transition {
  readonly from: CircuitState;
  readonly to: CircuitState;
  /** Why it opened. */
  readonly cause?: ErrorKind | 'lost probe';
  /** How long it stays open, in microseconds. */
  readonly pauseUs?: number;
}

export interface CircuitOptions {
  readonly limits: BreakerLimits;
  /** In [0, 1): spreads the pauses of gates that saw the same fault. */
  random(): number;
  told(transition: Transition): void;
}

const MOST_DOUBLINGS = 5;
const LONGEST_PAUSE_US = 600_000_000;

/**
 * A circuit breaker (Nygard, "Release It!", 2007): closed, until errors follow each other; then open, and nothing passes;
 * after a pause one call at a time is the probe that closes it or opens it again, for longer. Errors in a row are counted,
 * and only within a rolling window, so that a few errors among many answers open nothing. Pure: the clock is handed in.
 *
 * Outcomes say when their call began (`since`), as the same clock told it: those of calls older than the last step are
 * about another time, and count no more.
 */
export class Circuit {
  readonly #o: CircuitOptions;
  #state: CircuitState = 'closed';
  #changedAt = Number.NEGATIVE_INFINITY;
  #openUntil = 0;
  /** When the latest probe began; NaN when there is none. */
  #probe = Number.NaN;
  /** Times it opened without having stayed closed for a window in between. */
  #trips = 0;
  #transport: number[] = [];
  #tool: number[] = [];

  constructor(options: CircuitOptions) {
    this.#o = options;
  }

  get state(): CircuitState {
    return this.#state;
  }

  /** Nothing is remembered that a fresh circuit would not know. */
  isFresh(now: number): boolean {
    if (this.#state !== 'closed' || this.#transport.length > 0 || this.#tool.length > 0) return false;
    return this.#trips === 0 || now - this.#changedAt > this.#o.limits.windowUs;
  }

  /** How long a call has to wait, in microseconds; 0: it may pass now. */
  wait(now: number): number {
    if (this.#state === 'closed') return 0;
    if (this.#state === 'open') return Math.max(0, this.#openUntil - now);
    if (Number.isNaN(this.#probe)) return 0;
    const left = this.#probe + this.#o.limits.windowUs - now;
    if (left > 0) return Math.min(left, this.#o.limits.pauseUs);
    this.#open(now, 'lost probe');
    return Math.max(0, this.#openUntil - now);
  }

  /** A call passes, now that `wait` is 0. */
  enter(now: number): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'open') this.#step('half-open', now);
    this.#probe = now;
  }

  /** A call has ended well. */
  succeeded(since: number, now: number): void {
    switch (this.#state) {
      case 'closed':
        if (since < this.#changedAt) return;
        if (this.#transport.length > 0) this.#transport = [];
        if (this.#tool.length > 0) this.#tool = [];
        return;
      // Of a probe that was given up the answer still tells.
      case 'open':
      case 'half-open':
        if (!(since >= this.#probe)) return;
        this.#probe = Number.NaN;
        this.#step('closed', now);
    }
  }

  /** A call has failed. */
  failed(kind: ErrorKind, since: number, now: number): void {
    if (this.#state === 'closed') {
      if (since >= this.#changedAt) this.#count(kind, now);
    } else if (this.#state === 'half-open' && since >= this.#probe) this.#reopen(kind, now);
  }

  /** A call has ended in a way that says nothing: it was cancelled, or its client was at fault. */
  ended(since: number): void {
    if (this.#state === 'half-open' && since >= this.#probe) this.#probe = Number.NaN;
  }

  #count(kind: ErrorKind, now: number): void {
    const { limits } = this.#o;
    const most = kind === 'transport' ? limits.transportErrors : limits.toolErrors;
    // An answer came, if only an error.
    if (kind === 'tool' && this.#transport.length > 0) this.#transport = [];
    if (most === 0) return;
    const times = kind === 'transport' ? this.#transport : this.#tool;
    while (times.length > 0 && now - (times[0] as number) > limits.windowUs) times.shift();
    times.push(now);
    if (times.length >= most) this.#open(now, kind);
  }

  /** The probe has failed; an error of the tool, where those open nothing, shows that the server answers again. */
  #reopen(kind: ErrorKind, now: number): void {
    this.#probe = Number.NaN;
    if (kind === 'tool' && this.#o.limits.toolErrors === 0) this.#step('closed', now);
    else this.#open(now, kind);
  }

  #open(now: number, cause: ErrorKind | 'lost probe'): void {
    const { limits } = this.#o;
    if (this.#state === 'closed') {
      if (now - this.#changedAt > limits.windowUs) this.#trips = 0;
      this.#probe = Number.NaN;
    }
    const doubled = limits.pauseUs * 2 ** Math.min(this.#trips, MOST_DOUBLINGS);
    const pauseUs = Math.min(Math.max(limits.pauseUs, LONGEST_PAUSE_US), doubled * (1 + this.#o.random() / 4));
    this.#trips++;
    this.#openUntil = now + pauseUs;
    this.#transport = [];
    this.#tool = [];
    this.#step('open', now, { cause, pauseUs });
  }

  #step(to: CircuitState, now: number, more: Partial<Transition> = {}): void {
    const from = this.#state;
    this.#state = to;
    this.#changedAt = now;
    this.#o.told({ from, to, ...more });
  }
}
