import type { Annotations, Intent } from '../../model/call.ts';

/** What a server may say about a tool; apart from the shape of documents, which judging does not need. */
export const HINTS = ['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint'] as const;

/** What a tool wants to do, by what a trusted server claims of it. */
export function intentOf({ destructiveHint, readOnlyHint }: Annotations): Intent {
  if (destructiveHint === true) return 'delete';
  return readOnlyHint === true ? 'read' : 'unknown';
}
