/** What a server may say about a tool; apart from the shape of documents, which judging does not need. */
export const HINTS = ['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint'] as const;
