import { secretsOf } from '../inspect/message-secrets.ts';

const LONGEST_NAME = 256;
const SHORTEST_SECRET = 8;
const MOST_KNOWN = 512;
const LONGEST_KNOWN = 64;
const known = new Map<string, string>();

/**
 * A text of a peer's choosing (a name, a URI, an id, a reason that quotes one) as it may stand in clear in a record: secrets
 * masked, then bounded.
 * @param most longest text kept, in UTF-16 units
 */
export function recordable(text: string, most = LONGEST_NAME): string {
  if (text.length < SHORTEST_SECRET) return text;
  const before = known.get(text);
  if (before !== undefined) return before;
  const masked = masking(text);
  const kept = masked.length <= most ? masked : `${masked.slice(0, most)}…`;
  if (text.length <= LONGEST_KNOWN) {
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(text, kept);
  }
  return kept;
}

function masking(text: string): string {
  const findings = secretsOf(text, undefined);
  if (findings.length === 0) return text;
  let masked = '';
  let from = 0;
  for (const { start, end, ruleId } of findings) {
    masked += `${text.slice(from, start)}[secret:${ruleId}]`;
    from = end;
  }
  return masked + text.slice(from);
}
