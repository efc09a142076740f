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

/** Which call each task of this session carries out: its result comes under another method, and is that call's all the same. */
export class Tasks {
  readonly #origins = new Map<string, TaskOrigin>();

  /** Remembers the task that a result of `tools/call` started. @returns false when it cannot be remembered. */
  started(tape: Tape, result: number, origin: TaskOrigin): boolean {
    const inner = member(tape, result, 'task');
    const id = textOf(tape, member(tape, inner >= 0 && tape.kinds[inner] === OBJECT ? inner : result, 'taskId'));
    if (id === undefined) return true;
    if (id.length > LONGEST_ID) return false;
    // One that was forgotten could be any tool's again, which is judged as strictly as can be.
    if (this.#origins.size >= MOST_TASKS && !this.#origins.has(id)) return false;
    this.#origins.set(id, origin);
    return true;
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
