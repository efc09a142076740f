import type { Annotations } from '../model/call.ts';
import type { RateObligation, RedactObligation } from '../model/decision.ts';
import { messageOf } from '../model/error.ts';
import type { Principal } from '../model/principal.ts';
import type { Evidence } from '../evidence/index.ts';
import type { CompiledPolicy } from '../policy/index.ts';
import { Pending, type Id } from '../protocol/correlate.ts';
import { Scanner } from '../protocol/scan.ts';
import type { Breaker, Breakers } from '../state/breakers.ts';
import type { Budgets } from '../state/budgets.ts';
import type { Limits } from '../state/limits.ts';
import type { Sessions } from '../state/sessions.ts';
import { Waiting, type Charge } from './charges.ts';
import type { PathResolver } from './facts.ts';
import type { Floor } from './floor.ts';
import { Lists } from './lists.ts';
import { HomeMemory, type Memory } from './memory.ts';
import { Recorder } from './recorder.ts';
import { type TaskHolders, Tasks, type TaskOrigin } from './tasks.ts';

/**
 * Where judged bytes leave: `line` takes a line of the input without its newline, `whole` a line with it. `answers` is the
 * request that it answers.
 */
export interface Outbox {
  line(bytes: Uint8Array, start: number, end: number, answers?: Id): void;
  whole(line: Uint8Array, answers?: Id): void;
}

export interface JudgeOptions {
  readonly server: string;
  readonly principal: Principal;
  readonly transport: string;
  /** The policy in force; asked for each message, so that a reload takes effect at once. */
  policy(): CompiledPolicy;
  readonly evidence: Evidence;
  /** Shared limits of the home. Throws when they cannot be reached; the call is then denied. */
  limits(): Limits;
  /** Shared budgets of the home; as `limits`. */
  budgets(): Budgets;
  /** Shared labels and histories of the home's sessions; as `limits`. Asked only for a policy that looks at them. */
  sessions(): Sessions;
  /** What the session is known by below its principal, where somebody vouches for it (see state/sessions.ts). */
  readonly conversation?: string;
  /** Of the process: whose the tasks of its servers are. */
  readonly taskHolders?: TaskHolders;
  /** Circuit breakers of the process; none: nothing is kept from a server that fails. */
  readonly breakers?: Breakers;
  /** Limits of the settings, for every operation besides those of the policy. */
  readonly standing?: readonly RateObligation[];
  readonly floor: Floor;
  /** Shared with the floor. */
  readonly paths: PathResolver;
  /** What `~` stands for in a path. */
  readonly userHome: string | undefined;
  readonly trustAnnotations: boolean;
  /** false: lists pass as the server wrote them. */
  readonly filterLists?: boolean;
  readonly refusal: 'result' | 'error';
  readonly messageLimits: { readonly depth: number; readonly keys: number };
  readonly inFlight: number;
  /** True while the server reads too slowly: nothing more is put on the way to it. */
  isFull?(): boolean;
  /** Explicit, logged settings (`fail: open`, `evidence.required: false`). Denials and the floor still hold. */
  readonly pass: { readonly unjudged: boolean; readonly unrecorded: boolean };
  readonly toServer: Outbox;
  readonly toClient: Outbox;
  /** Milliseconds since the epoch. */
  now(): number;
  /** A monotonic clock in microseconds. */
  mono(): number;
  warn(message: string): void;
  /** What a policy wants told that is no warning. */
  info?(message: string): void;
}

/** A request that was let through and whose answer is awaited. */
export interface Open {
  readonly sequence: number;
  readonly method: string;
  readonly name: string | undefined;
  readonly uri: string | undefined;
  readonly modern: boolean;
  readonly idText: string;
  readonly since: number;
  readonly redactResult: readonly RedactObligation[] | undefined;
  /** What it has set aside of budgets. */
  readonly charge: Charge | undefined;
  /** The call whose result may come in the answer. */
  readonly task: TaskOrigin | undefined;
}

/** What the steps of judging share while one client and one server talk. */
export interface Session {
  readonly options: JudgeOptions;
  /** The one parse of the message in hand. */
  readonly tape: Scanner;
  /** For reading a message again that was changed. */
  readonly spare: Scanner;
  readonly record: Recorder;
  /** Requests that were let through, by who made them. */
  readonly open: { readonly client: Pending<Open>; readonly server: Pending<Open> };
  readonly tasks: Tasks;
  /** What calls have set aside of budgets that wait for their retry. */
  readonly waiting: Waiting;
  /** The circuits of this server. */
  readonly breaker: Breaker | undefined;
  readonly memory: Memory;
  readonly lists: Lists;
  /** What the server, where it is trusted, claims about its tools. */
  readonly annotations: Map<string, Annotations>;
}

/** Begins a session: nothing is open, nothing known. */
export function newSession(options: JudgeOptions): Session {
  return {
    options,
    tape: new Scanner(options.messageLimits),
    spare: new Scanner(options.messageLimits),
    record: new Recorder(options),
    open: { client: new Pending<Open>(options.inFlight), server: new Pending<Open>(options.inFlight) },
    tasks: new Tasks(options),
    waiting: new Waiting(),
    breaker: options.breakers?.of(options.server),
    memory: new HomeMemory(options),
    lists: new Lists(),
    annotations: new Map(),
  };
}

/**
 * Writes the evidence now: what a server asks for is answered by the client, so it cannot wait for the end of the chunk.
 * @returns why it could not be written, unless the operator lets pass what is not recorded
 */
export function evidenceFault({ options }: Session): string | undefined {
  try {
    options.evidence.flush();
    return undefined;
  } catch (error) {
    if (options.pass.unrecorded) return undefined;
    const why = messageOf(error);
    options.warn(why);
    return why;
  }
}
