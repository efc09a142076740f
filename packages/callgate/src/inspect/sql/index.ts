import { REAL_DIALECTS, type SqlDialect } from './dialects.ts';
import { isWord, splitStatements } from './lexemes.ts';
import { readStatement, type SqlStatement } from './statement.ts';
import { type SqlTokens, tokenizeSql } from './tokens.ts';

export type { SqlDanger } from './dangers.ts';
export { SQL_CLASSES, SQL_DIALECTS, type SqlClass, type SqlDialect } from './dialects.ts';
export { type SqlKind, type SqlStatement } from './statement.ts';
export { type SqlToken, tokenizeSql } from './tokens.ts';

export interface SqlReading {
  /** In order; empty ones are left out. When databases read the text differently, every statement any of them would run. */
  readonly statements: readonly SqlStatement[];
  /** Why two databases, or a database and this reading, could differ. The statements still cover the readings tried. */
  readonly ambiguous?: string;
}

const LONGEST = 1_048_576;
const TOO_LONG: SqlStatement = { kind: 'other', class: 'dangerous', tables: [], unbounded: true, dangers: [] };

/**
 * Reads SQL text as a database would cut it, and judges each statement by its tokens: no grammar is checked, and what a
 * function or procedure of the user's does is not known. Never throws; linear. Text above 1 MiB is one dangerous statement.
 * With `generic` the text is read as every dialect does as soon as two of them would cut it differently.
 */
export function readSql(text: string, dialect: SqlDialect = 'generic'): SqlReading {
  if (text.length > LONGEST) return { statements: [TOO_LONG], ambiguous: 'it is too long' };
  const cut = tokenizeSql(text, dialect);
  const odd = cut.odd ?? splitWord(text, cut);
  if (cut.fork === undefined) return reading(statementsOf(text, cut, dialect), odd);
  const all = REAL_DIALECTS.flatMap((real) => statementsOf(text, tokenizeSql(text, real), real));
  const distinct = new Map(all.map((statement) => [JSON.stringify(statement), statement]));
  return reading([...distinct.values()], `it has ${cut.fork}`);
}

const reading = (statements: readonly SqlStatement[], ambiguous: string | undefined): SqlReading =>
  ambiguous === undefined ? { statements } : { statements, ambiguous };

const statementsOf = (text: string, { tokens }: SqlTokens, dialect: SqlDialect): readonly SqlStatement[] =>
  splitStatements(text, tokens, dialect).map((lexemes, i) => readStatement(lexemes, dialect, i > 0));

const KEYWORDS = 'select insert update delete drop alter create truncate grant union exec execute merge'.split(' ');

/** `DEL/**\/ETE` is two words to every database of today, but one to whatever strips comments first. */
function splitWord(text: string, { tokens }: SqlTokens): string | undefined {
  for (let i = 1; i + 1 < tokens.length; i++) {
    const [before, comment, after] = [tokens[i - 1]!, tokens[i]!, tokens[i + 1]!];
    if (comment.kind !== 'comment' || before.kind !== 'word' || after.kind !== 'word') continue;
    if (before.end - before.start + after.end - after.start > 12) continue;
    const joined = text.slice(before.start, before.end) + text.slice(after.start, after.end);
    const word = { kind: 'word', text: joined.toLowerCase(), depth: 0 } as const;
    if (isWord(word, ...KEYWORDS)) return `it has a comment inside the word ${joined.toUpperCase()}`;
  }
  return undefined;
}
