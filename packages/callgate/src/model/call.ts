import type { Json } from './json.ts';
import type { Principal } from './principal.ts';

/**
 * Which way a message goes.
 * `call`: client to server request or notification. `result`: the server's answer to it.
 * `request`: server to client request or notification. `answer`: the client's answer to it.
 */
export type Direction = 'call' | 'result' | 'request' | 'answer';

/** What a server claims about a tool. Believed only where the operator trusts the server. */
export interface Annotations {
  readonly readOnlyHint?: boolean;
  readonly destructiveHint?: boolean;
  readonly idempotentHint?: boolean;
  readonly openWorldHint?: boolean;
  readonly title?: string;
}

export type Intent = 'read' | 'create' | 'update' | 'delete' | 'query' | 'unknown';

/** A finding as conditions see it. */
export interface CallFinding {
  readonly rule: string;
  readonly class: string;
  /** JSON pointer of the string. */
  readonly pointer: string;
  /** 0 to 1. */
  readonly confidence: number;
}

/** Everything a policy may look at when it judges one message. Parsed once, never parsed again. */
export interface Call {
  readonly direction: Direction;
  /** The operator's name for the upstream. */
  readonly server: string;
  readonly method: string;
  /** `tools/call`: the upstream's own tool name. */
  readonly tool?: string;
  /** `prompts/get`: the prompt's name. */
  readonly prompt?: string;
  /** `resources/read|subscribe|unsubscribe`: the resource's URI. */
  readonly uri?: string;
  readonly principal: Principal;
  /** Claimed annotations when the server is trusted for them; undefined means unknown. */
  readonly annotations?: Annotations;
  /** When it is judged, in ms since the epoch; unset when tools are listed. */
  readonly time?: number;
  /** Id of the session whose labels and history count. */
  readonly session?: string;
  /** Labels of what the session has seen; undefined when they cannot be told. */
  readonly labels?: readonly string[] | undefined;
  /** What a call wants to do, as far as its method and name tell. */
  readonly intent?: Intent;
  /** The request, where it came as one of an HTTP API. */
  readonly http?: { readonly method: string; readonly path: string };
  /** What inspection saw in the arguments (or in the result); undefined when they were not inspected. */
  findings?(): readonly CallFinding[] | undefined;
  /**
   * How many calls of this session to tools that `glob` accepts were allowed within the last `windowMs`; undefined when
   * that cannot be told.
   */
  history?(glob: (tool: string) => boolean, windowMs: number): number | undefined;
  /** The arguments (`params.arguments` of tools and prompts, else `params`); of a result, the `result`. Lazy, cached. */
  args(): Json | undefined;
  /** Canonical real path of a path string that the policy named in `pathsNeeded`; undefined when it was not resolved. */
  realPath(path: string): string | undefined;
}
