import type { Finding } from '../model/finding.ts';
import { ARRAY, ESCAPED, KEY, STRING, type Tape } from '../protocol/nodes.ts';
import { stringAt } from '../protocol/tape.ts';
import { secretKind } from './secret-names.ts';
import { mayHoldSecret, scanMember, scanSecrets } from './secrets.ts';

/**
 * Finds secrets in every string below a node, keys included, and in values whose member name promises one.
 * The whole text is looked at, whatever its length.
 * @param visit gets each STRING or KEY node with findings, in the order they are written, with its decoded text.
 */
export function findSecrets(
  tape: Tape,
  node: number,
  visit: (node: number, text: string, findings: readonly Finding[]) => void,
): void {
  if (!mayHoldSecret(tape.bytes, tape.starts[node]!, tape.ends[node]!)) return;
  const { kinds, nexts } = tape;
  const end = nexts[node]!;
  /** The last array whose member name promises secrets, and its name: it speaks for its elements. */
  let telling = '';
  let tellingEnd = 0;
  for (let at = node; at < end; at++) {
    const kind = kinds[at]!;
    if (kind === KEY) {
      if (kinds[at + 1] === ARRAY) {
        const name = stringAt(tape, at);
        if (secretKind(name) !== undefined) {
          telling = name;
          tellingEnd = nexts[at + 1]!;
        }
      }
      inspect(tape, at, undefined, visit);
    } else if (kind === STRING) {
      const named = at > node && kinds[at - 1] === KEY;
      inspect(tape, at, named ? stringAt(tape, at - 1) : at < tellingEnd ? telling : undefined, visit);
    }
  }
}

function inspect(
  tape: Tape,
  at: number,
  name: string | undefined,
  visit: (node: number, text: string, findings: readonly Finding[]) => void,
): void {
  const promised = name !== undefined && secretKind(name) !== undefined;
  const plain = tape.flags[at] !== ESCAPED;
  if (!promised && plain && !mayHoldSecret(tape.bytes, tape.starts[at]! + 1, tape.ends[at]! - 1)) return;
  const text = stringAt(tape, at);
  const findings = secretsOf(text, promised ? name : undefined);
  if (findings.length > 0) visit(at, text, findings);
}

/** Findings in one string; `name` is that of the member that holds it. */
export function secretsOf(text: string, name: string | undefined): readonly Finding[] {
  const found = scanSecrets(text);
  const whole = name === undefined ? undefined : scanMember(name, text)[0];
  if (whole === undefined) return found;
  const only = found[0];
  return only !== undefined && only.start === 0 && only.end === text.length ? found : [whole];
}
