import { OBJECT, STRING, type Tape } from '../protocol/nodes.ts';
import { member, members, stringAt } from '../protocol/tape.ts';

/** A request that travels inside a result. */
export interface EmbeddedRequest {
  /** Undefined when none can be told: then nobody can judge it. */
  readonly method: string | undefined;
  /** Node of its params, or -1. */
  readonly params: number;
}

/**
 * What a result asks of the client in place of requests of the server's own (`inputRequests`, since 2026-07-28, also of a
 * task): sampling, elicitation and roots come this way too, and are judged as what they are.
 */
export function embeddedRequests(tape: Tape, result: number): readonly EmbeddedRequest[] {
  const asked = result < 0 ? -1 : member(tape, result, 'inputRequests');
  if (asked < 0) return NONE;
  if (tape.kinds[asked] !== OBJECT) return [{ method: undefined, params: -1 }];
  return [...members(tape, asked)].map((key) => {
    const method = member(tape, key + 1, 'method');
    return {
      method: method >= 0 && tape.kinds[method] === STRING ? stringAt(tape, method) : undefined,
      params: member(tape, key + 1, 'params'),
    };
  });
}

const NONE: readonly EmbeddedRequest[] = [];
