import type { RedactObligation } from '../model/decision.ts';
import { OBJECT, STRING, type Tape } from '../protocol/nodes.ts';
import { member, stringAt } from '../protocol/tape.ts';

/** The call that a task carries out. */
export interface TaskOrigin {
  /** Undefined for a task that was not started here: it may be any tool's. */
  readonly name: string | undefined;
  readonly redactResult: readonly RedactObligation[] | undefined;
}

const MOST_TASKS = 10_000;
const LONGEST_ID = 1024;
const UNKNOWN: TaskOrigin = { name: undefined, redactResult: undefined };

/** Whose tasks there are, among all principals that this process serves: a server may tell them apart by nothing but their ids. */
export class TaskHolders {
  readonly #tasks = new Map<string, Set<string>>();

  /** @returns false when it is another principal's */
  claim(server: string, id: string, principal: string): boolean {
    if (this.isForeign(server, id, principal)) return false;
    const own = this.#tasks.get(principal) ?? new Set();
    this.#tasks.set(principal, own);
    own.add(keyOf(server, id));
    if (own.size <= MOST_TASKS) return true;
    // The principal's own oldest: nobody makes room by starting many.
    for (const oldest of own) {
      own.delete(oldest);
      break;
    }
    return true;
  }

  isForeign(server: string, id: string, principal: string): boolean {
    const key = keyOf(server, id);
    for (const [holder, ids] of this.#tasks) if (holder !== principal && ids.has(key)) return true;
    return false;
  }
}

function keyOf(server: string, id: string): string {
  return JSON.stringify([server, id]);
}

/** What the tasks of one session are to know of those of others. */
export interface TasksOf {
  readonly server: string;
  readonly principal: { readonly id: string };
  readonly taskHolders?: TaskHolders;
}

/** Which call each task of this session carries out: its result comes under another method, and is that call's all the same. */
export class Tasks {
  readonly #origins = new Map<string, TaskOrigin>();
  readonly #of: TasksOf;

  constructor(of: TasksOf) {
    this.#of = of;
  }

  /** Remembers the task that a result of `tools/call` started. @returns false when it cannot be remembered. */
  started(tape: Tape, result: number, origin: TaskOrigin): boolean {
    const inner = member(tape, result, 'task');
    const id = textOf(tape, member(tape, inner >= 0 && tape.kinds[inner] === OBJECT ? inner : result, 'taskId'));
    if (id === undefined) return true;
    if (id.length > LONGEST_ID) return false;
    // One that was forgotten could be any tool's again, which is judged as strictly as can be.
    if (this.#origins.size >= MOST_TASKS && !this.#origins.has(id)) return false;
    const { taskHolders, server, principal } = this.#of;
    if (taskHolders?.claim(server, id, principal.id) === false) return false;
    this.#origins.set(id, origin);
    return true;
  }

  /** Whether a request is about the task of another principal. */
  isForeign(tape: Tape, method: string, params: number): boolean {
    const { taskHolders, server, principal } = this.#of;
    if (taskHolders === undefined || !method.startsWith('tasks/')) return false;
    const id = textOf(tape, member(tape, params, 'taskId'));
    return id !== undefined && taskHolders.isForeign(server, id, principal.id);
  }

  /** The origin of the task that a request asks for; undefined when its method has no results of tasks. */
  askedFor(tape: Tape, method: string, params: number): TaskOrigin | undefined {
    if (method !== 'tasks/result' && method !== 'tasks/get') return undefined;
    return this.#origins.get(textOf(tape, member(tape, params, 'taskId')) ?? '') ?? UNKNOWN;
  }
}

/** Where the result of the call stands in the answer to `tasks/result` or `tasks/get`; -1 while there is none. */
export function resultOfTask(tape: Tape, method: string, result: number): number {
  return method === 'tasks/result' ? result : member(tape, result, 'result');
}

function textOf(tape: Tape, node: number): string | undefined {
  return node >= 0 && tape.kinds[node] === STRING ? stringAt(tape, node) : undefined;
}
