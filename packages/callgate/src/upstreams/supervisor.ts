import { CallgateError, clauseOf } from '../model/error.ts';
import { describeEnd, startProcess, type ProcessEnd, type ProcessUpstream } from './process.ts';

export interface SupervisorOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** How many processes may run at one time. */
  readonly maxProcesses: number;
  /** A monotonic clock in microseconds. */
  mono(): number;
}

/** What is known of the processes of a server. */
export interface Supervised {
  readonly running: number;
  /** Ends that nobody asked for, since it last ran well. */
  readonly failures: number;
  readonly lastError: string | undefined;
}

/** A process that ran so long ran well. */
const SETTLED_MS = 5000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;

/**
 * Starts the processes of one server, as many as its clients need and no more than are allowed. When they end soon after
 * they were started, the next one waits, longer each time: until then who asks is told why.
 */
export class Supervisor {
  readonly #o: SupervisorOptions;
  readonly #running = new Set<ProcessUpstream>();
  #starting = 0;
  #failures = 0;
  #lastError: string | undefined;
  #notBefore = Number.NEGATIVE_INFINITY;

  constructor(options: SupervisorOptions) {
    this.#o = options;
  }

  get state(): Supervised {
    return { running: this.#running.size, failures: this.#failures, lastError: this.#lastError };
  }

  /**
   * Starts one process; whoever asked stops it.
   * @throws CG_UPSTREAM_START when it cannot be started, CG_UPSTREAM_PAUSED while its restart waits, CG_UPSTREAM_BUSY
   * when too many run
   */
  async start(): Promise<ProcessUpstream> {
    const now = this.#now();
    if (now < this.#notBefore) throw paused(this.#notBefore - now, this.#lastError);
    if (this.#running.size + this.#starting >= this.#o.maxProcesses) throw busy(this.#o.maxProcesses);
    this.#starting++;
    try {
      return this.#watched(await startProcess(this.#o.command, this.#o.args, this.#o));
    } catch (error) {
      this.#failed(`failed to start: ${clauseOf(error)}`);
      throw error;
    } finally {
      this.#starting--;
    }
  }

  /** Ends all that still run. */
  async close(): Promise<void> {
    await Promise.all([...this.#running].map((upstream) => upstream.stop()));
  }

  #watched(upstream: ProcessUpstream): ProcessUpstream {
    const since = this.#now();
    let isAsked = false;
    this.#running.add(upstream);
    void upstream.ended.then((end: ProcessEnd) => {
      this.#running.delete(upstream);
      const ranWell = this.#now() - since >= SETTLED_MS;
      if (ranWell || isAsked) this.#failures = 0;
      if (!isAsked) this.#failed(describeEnd(end));
    });
    return {
      ...upstream,
      stop: () => {
        isAsked = true;
        return upstream.stop();
      },
    };
  }

  #failed(why: string): void {
    this.#lastError = why;
    this.#notBefore = this.#now() + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures);
    this.#failures++;
  }

  #now(): number {
    return this.#o.mono() / 1000;
  }
}

function paused(ms: number, lastError: string | undefined): CallgateError {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  const why = `It is not started again before ${seconds} s have passed; the last one ${lastError ?? 'ended'}.`;
  return new CallgateError('CG_UPSTREAM_PAUSED', why, { remedy: 'Mend the server, or wait.' });
}

function busy(most: number): CallgateError {
  return new CallgateError('CG_UPSTREAM_BUSY', `${most} of its processes run, and no more may.`, {
    remedy: 'Try again later, or raise maxProcesses of the server in callgate.yaml.',
  });
}
