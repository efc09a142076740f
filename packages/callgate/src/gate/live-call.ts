import type { Annotations, Call, Direction } from '../model/call.ts';
import type { Json } from '../model/json.ts';
import type { Principal } from '../model/principal.ts';
import type { Scanner } from '../protocol/scan.ts';
import { jsonAt } from '../protocol/tape.ts';

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
  readonly tape: Scanner;
  readonly node: number;
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
  /** Real paths fetched for the policy before it decides (gate/facts.ts). */
  paths: ReadonlyMap<string, string> | undefined;
  readonly #tape: Scanner;
  readonly #node: number;
  #args: Json | undefined;
  #read = false;

  constructor(parts: CallParts) {
    this.direction = parts.direction;
    this.server = parts.server;
    this.method = parts.method;
    if (parts.tool !== undefined) this.tool = parts.tool;
    if (parts.prompt !== undefined) this.prompt = parts.prompt;
    if (parts.uri !== undefined) this.uri = parts.uri;
    this.principal = parts.principal;
    if (parts.annotations !== undefined) this.annotations = parts.annotations;
    this.paths = undefined;
    this.#tape = parts.tape;
    this.#node = parts.node;
  }

  args(): Json | undefined {
    if (!this.#read) {
      this.#args = this.#node < 0 ? undefined : jsonAt(this.#tape, this.#node);
      this.#read = true;
    }
    return this.#args;
  }

  realPath(path: string): string | undefined {
    return this.paths?.get(path);
  }
}
