import type { RedactObligation } from '../model/decision.ts';
import { secretsOf } from '../inspect/message-secrets.ts';
import type { Message } from '../protocol/message.ts';
import { OBJECT, type Tape } from '../protocol/nodes.ts';
import { member, members, stringAt } from '../protocol/tape.ts';

const KNOWN = new Set(['jsonrpc', 'id', 'method', 'params', 'result', 'error']);

/**
 * What of a message travels beside its arguments, result or error and is redacted with them: members that JSON-RPC does not
 * know, and beside arguments `_meta` and the answers of a retry. (`requestState` and cursors are the server's own words,
 * on their way back.)
 * @returns value nodes, in the order they are written
 */
export function besides(tape: Tape, message: Message): number[] {
  const found: number[] = [];
  for (const key of members(tape, 0)) {
    const name = stringAt(tape, key);
    if (!KNOWN.has(name)) found.push(key + 1);
    else if (name === 'params' && message.name !== undefined && tape.kinds[key + 1] === OBJECT) {
      for (const beside of ['_meta', 'inputResponses']) {
        const at = member(tape, key + 1, beside);
        if (at >= 0) found.push(at);
      }
    }
  }
  return found.toSorted((a, b) => a - b);
}

/** Whether the name of a member beside holds what must go. */
export function namesSecret(tape: Tape, nodes: readonly number[], redactions: readonly RedactObligation[]): boolean {
  return nodes.some((node) => {
    const name = stringAt(tape, node - 1);
    return redactions.some(
      ({ classes, pattern }) =>
        (classes.includes('secret') && secretsOf(name, undefined).length > 0) || pattern?.test(name) === true,
    );
  });
}
