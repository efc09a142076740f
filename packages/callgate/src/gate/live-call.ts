import type { Annotations, Call, CallFinding, Direction, Intent } from '../model/call.ts';
import type { Finding } from '../model/finding.ts';
import type { Json } from '../model/json.ts';
import { findSecrets } from '../inspect/message-secrets.ts';
import type { Principal } from '../model/principal.ts';
import { intentOf } from '../policy/document/annotations.ts';
import type { Scanner } from '../protocol/scan.ts';
import { jsonAt, walkStrings } from '../protocol/tape.ts';
import type { Memory } from './memory.ts';

/** What a call is built from: names already read, and where its arguments stand on the tape. */
export interface CallParts {
  readonly direction: Direction;
  readonly server: string;
  readonly method: string;
  readonly tool: string | undefined;
  readonly prompt: string | undefined;
  readonly uri: string | undefined;
  readonly principal: Principal;
  readonly annotations: Annotations | undefined;
  readonly memory: Memory;
  readonly tape: Scanner;
  readonly node: number;
  /** What travels beside it and is inspected with it; nothing when absent. */
  readonly beside?: () => readonly number[];
}

/**
 * One message as policy sees it. Arguments are read from the tape of the one parse, when first asked for; the object
 * lives only until the next message is scanned.
 */
export class LiveCall implements Call {
  readonly direction: Direction;
  readonly server: string;
  readonly method: string;
  declare readonly tool?: string;
  declare readonly prompt?: string;
  declare readonly uri?: string;
  readonly principal: Principal;
  declare readonly annotations?: Annotations;
  /** As far as a trusted server claims it; undefined when there is no claim to go by. */
  declare readonly intent?: Intent;
  /** Real paths fetched for the policy before it decides (gate/facts.ts). */
  paths: ReadonlyMap<string, string> | undefined;
  readonly #memory: Memory;
  readonly #tape: Scanner;
  readonly #node: number;
  readonly #beside: (() => readonly number[]) | undefined;
  #args: Json | undefined;
  #read = false;
  #time: number | undefined;
  #findings: readonly CallFinding[] | undefined;
  #labels: readonly string[] | undefined;
  #hasLabels = false;

  constructor(parts: CallParts) {
    this.direction = parts.direction;
    this.server = parts.server;
    this.method = parts.method;
    if (parts.tool !== undefined) this.tool = parts.tool;
    if (parts.prompt !== undefined) this.prompt = parts.prompt;
    if (parts.uri !== undefined) this.uri = parts.uri;
    this.principal = parts.principal;
    if (parts.annotations !== undefined) {
      this.annotations = parts.annotations;
      this.intent = intentOf(parts.annotations);
    }
    this.paths = undefined;
    this.#memory = parts.memory;
    this.#tape = parts.tape;
    this.#node = parts.node;
    this.#beside = parts.beside;
  }

  args(): Json | undefined {
    if (!this.#read) {
      this.#args = this.#node < 0 ? undefined : jsonAt(this.#tape, this.#node);
      this.#read = true;
    }
    return this.#args;
  }

  /** When it was first asked for: one time for all that is decided about it. */
  get time(): number {
    return (this.#time ??= this.#memory.now());
  }

  get session(): string {
    return this.#memory.id;
  }

  /** As they were when first asked for: what it gives itself is not among them. */
  get labels(): readonly string[] | undefined {
    if (!this.#hasLabels) {
      this.#labels = this.#memory.labels;
      this.#hasLabels = true;
    }
    return this.#labels;
  }

  /** Secrets in the arguments (of a result, in it), and in what travels beside them; looked for when first asked. */
  findings(): readonly CallFinding[] {
    return (this.#findings ??= this.#findAll());
  }

  #findAll(): readonly CallFinding[] {
    const nodes = [...(this.#node < 0 ? [] : [this.#node]), ...(this.#beside?.() ?? [])];
    return nodes.flatMap((node) => findingsBelow(this.#tape, node, node === this.#node ? '' : BESIDE));
  }

  history(isCounted: (tool: string) => boolean, windowMs: number): number | undefined {
    return this.#memory.count(isCounted, windowMs);
  }

  realPath(path: string): string | undefined {
    return this.paths?.get(path);
  }
}

/** Where a finding beside the arguments lies: a pointer of no argument. */
const BESIDE = '/~beside';

function findingsBelow(tape: Scanner, node: number, where: string): readonly CallFinding[] {
  const byNode = new Map<number, readonly Finding[]>();
  findSecrets(tape, node, (at, _text, findings) => byNode.set(at, findings));
  if (byNode.size === 0) return [];
  const placed: CallFinding[] = [];
  walkStrings(tape, node, (at, pointer) => {
    for (const { ruleId, class: kind, confidence } of byNode.get(at) ?? [])
      placed.push({ rule: ruleId, class: kind, pointer: `${where}${pointer()}`, confidence });
  });
  return placed;
}
