import { Circuit, type BreakerLimits, type Transition } from './breakers-circuit.ts';

export type { BreakerLimits, CircuitState, Transition } from './breakers-circuit.ts';

/**
 * How a call ended, as far as the server is to blame. `lost`: no answer. `error`: an answer that is an error. `fault`: an
 * error of the client's making. `nothing`: cancelled, or stopped here.
 */
export type Ending = 'answered' | 'error' | 'fault' | 'lost' | 'nothing';

/** A step of the circuit of a server, or of one of its tools. */
export interface Told extends Transition {
  readonly server: string;
  readonly tool: string | undefined;
}

export interface BreakersOptions {
  readonly limits: BreakerLimits;
  /** In [0, 1). */
  random(): number;
  told(step: Told): void;
  /** Tools of one server that are remembered. */
  readonly mostTools?: number;
}

/** The circuits of all servers of a process. */
export interface Breakers {
  /** The breaker of a server: one for all its conversations. */
  of(server: string): Breaker;
}

/** A circuit that lets nothing pass now. */
export interface Shut {
  /** Undefined: that of the whole server. */
  readonly tool: string | undefined;
  readonly waitUs: number;
}

const MOST_TOOLS = 1000;
/** The longest name a circuit is kept for; MCP asks for 128 at most. */
const LONGEST_NAME = 256;

/** Opens the circuits of a process: all closed. Times are microseconds of one monotonic clock. */
export function openBreakers(options: BreakersOptions): Breakers {
  const known = new Map<string, Breaker>();
  return {
    of(server) {
      let breaker = known.get(server);
      if (breaker === undefined) known.set(server, (breaker = new Breaker(server, options)));
      return breaker;
    },
  };
}

/**
 * The circuits of one server: its own, which only errors of the transport open, and one for each tool that failed lately.
 * A tool that never fails has none: names that a client makes up cost nothing, and of those that fail the oldest are
 * forgotten first.
 */
export class Breaker {
  readonly #name: string;
  readonly #o: BreakersOptions;
  readonly #server: Circuit;
  readonly #tools = new Map<string, Circuit>();
  /** Circuits that are not closed. */
  #open = 0;
  /** All is closed and no error remembered: an answer tells nothing new. */
  #isQuiet = true;

  constructor(name: string, options: BreakersOptions) {
    this.#name = name;
    this.#o = options;
    this.#server = this.#circuit(undefined, { ...options.limits, toolErrors: 0 });
  }

  /** Whether `shut` and `enter` have anything to tell. */
  get isAnyOpen(): boolean {
    return this.#open > 0;
  }

  /** Whether an answer can change anything; of losses each can. */
  get learnsFromAnswers(): boolean {
    return !this.#isQuiet || this.#o.limits.toolErrors > 0;
  }

  /** Tools that are remembered. */
  get size(): number {
    return this.#tools.size;
  }

  /** The circuit that keeps a call waiting longest; undefined when it may pass. Changes nothing but giving up a lost probe. */
  shut(tool: string | undefined, now: number): Shut | undefined {
    if (this.#open === 0) return undefined;
    const ofServer = this.#server.wait(now);
    const ofTool = tool === undefined ? 0 : (this.#tools.get(tool)?.wait(now) ?? 0);
    if (ofServer <= 0 && ofTool <= 0) return undefined;
    return ofServer >= ofTool ? { tool: undefined, waitUs: ofServer } : { tool, waitUs: ofTool };
  }

  /** A call passes that nothing keeps waiting: where a circuit has been open, it is the probe. */
  enter(tool: string | undefined, now: number): void {
    if (this.#open === 0) return;
    this.#server.enter(now);
    if (tool !== undefined) this.#tools.get(tool)?.enter(now);
  }

  /**
   * A call has ended.
   * @param since when it began, not before `enter`
   */
  ended(ending: Ending, tool: string | undefined, since: number, now: number): void {
    const { toolErrors } = this.#o.limits;
    if (this.#isQuiet && (ending === 'error' ? toolErrors === 0 : ending !== 'lost')) return;
    const isCounted = ending === 'lost' || (ending === 'error' && toolErrors > 0);
    if (ending === 'nothing') this.#server.ended(since);
    else if (ending === 'lost') this.#server.failed('transport', since, now);
    else this.#server.succeeded(since, now);

    // What the server as a whole does is not the tool's doing.
    const mayBlame = ending !== 'lost' || this.#server.state === 'closed';
    const circuit = isCounted && mayBlame ? this.#remembered(tool) : this.#known(tool);
    if (ending === 'answered') circuit?.succeeded(since, now);
    else if (ending === 'error') circuit?.failed('tool', since, now);
    else if (ending !== 'lost') circuit?.ended(since);
    else if (mayBlame || circuit?.state === 'half-open') circuit?.failed('transport', since, now);

    if (circuit?.isFresh(now) === true) this.#tools.delete(tool as string);
    this.#isQuiet = this.#tools.size === 0 && this.#server.isFresh(now);
  }

  /** Calls that one end of the server lost together: one error of the server, and nobody knows which of them brought it. */
  lostTogether(calls: readonly { readonly tool: string | undefined; readonly since: number }[], now: number): void {
    const [first] = calls;
    if (first === undefined) return;
    if (calls.length === 1) return this.ended('lost', first.tool, first.since, now);
    const latest = calls.reduce((most, { since }) => Math.max(most, since), first.since);
    this.#server.failed('transport', latest, now);
    for (const { tool, since } of calls) {
      const circuit = this.#known(tool);
      if (circuit?.state === 'half-open') circuit.failed('transport', since, now);
    }
    this.#isQuiet = this.#tools.size === 0 && this.#server.isFresh(now);
  }

  #known(tool: string | undefined): Circuit | undefined {
    return tool === undefined ? undefined : this.#tools.get(tool);
  }

  /** The circuit of a tool that has failed. */
  #remembered(tool: string | undefined): Circuit | undefined {
    if (tool === undefined || tool.length > LONGEST_NAME) return undefined;
    const known = this.#tools.get(tool);
    if (known !== undefined) {
      this.#tools.delete(tool);
      this.#tools.set(tool, known);
      return known;
    }
    if (this.#tools.size >= (this.#o.mostTools ?? MOST_TOOLS)) this.#forgetSome();
    const fresh = this.#circuit(tool, this.#o.limits);
    this.#tools.set(tool, fresh);
    return fresh;
  }

  /**
   * Makes room: those that failed longest ago, and of them such as are closed, so that made-up names do not lift what real
   * ones have earned; several at once, for a map that loses its first entry each time is slow.
   */
  #forgetSome(): void {
    let left = Math.max(1, this.#tools.size >> 3);
    const before = this.#tools.size;
    for (const [name, { state }] of this.#tools) {
      if (state !== 'closed') continue;
      this.#tools.delete(name);
      if (--left === 0) return;
    }
    if (this.#tools.size < before) return;
    for (const name of this.#tools.keys()) {
      this.#tools.delete(name);
      this.#open--;
      return;
    }
  }

  #circuit(tool: string | undefined, limits: BreakerLimits): Circuit {
    return new Circuit({
      limits,
      random: () => this.#o.random(),
      told: (transition) => {
        if (transition.from === 'closed') this.#open++;
        if (transition.to === 'closed') this.#open--;
        this.#o.told({ server: this.#name, tool, ...transition });
      },
    });
  }
}
