import type { SqlDialect } from './dialects.ts';
import type { SqlToken } from './tokens.ts';

/** A token that means something: no blanks, no comments. */
export interface Lexeme {
  readonly kind: 'string' | 'name' | 'word' | 'number' | 'param' | 'op';
  /** Words in lower case; names and strings without their quotes; the rest as written. */
  readonly text: string;
  /** How many parentheses are open before it. */
  readonly depth: number;
}

/** Splits tokens into statements at `;`, and at a line `GO` in T-SQL. Empty statements are left out. */
export function splitStatements(
  text: string,
  tokens: readonly SqlToken[],
  dialect: SqlDialect,
): readonly (readonly Lexeme[])[] {
  const statements: Lexeme[][] = [];
  let current: Lexeme[] = [];
  let depth = 0;
  const close = () => {
    if (current.length > 0) statements.push(current);
    current = [];
    depth = 0;
  };
  for (const token of tokens) {
    if (token.kind === 'space' || token.kind === 'comment') continue;
    const raw = text.slice(token.start, token.end);
    if (raw === ';' || (dialect === 'mssql' && isGo(text, token, raw))) {
      close();
      continue;
    }
    if (raw === ')' && depth > 0) depth--;
    current.push({ kind: token.kind, text: plainText(token.kind, raw), depth });
    if (raw === '(') depth++;
  }
  close();
  return statements;
}

function isGo(text: string, token: SqlToken, raw: string): boolean {
  if (raw.length !== 2 || raw.toLowerCase() !== 'go') return false;
  const before = text.slice(Math.max(0, token.start - 80), token.start);
  return (
    /(?:^|\n)[ \t]*$/.test(before) && /^[ \t]*(?:\d+[ \t]*)?\r?(?:\n|$)/.test(text.slice(token.end, token.end + 80))
  );
}

function plainText(kind: Lexeme['kind'], raw: string): string {
  if (kind === 'word') return raw.toLowerCase();
  if (kind === 'name') return raw.slice(1, -1);
  if (kind !== 'string') return raw;
  const open = raw.search(/['"$]/);
  return raw.startsWith('$') ? raw.replace(/^\$[^$]*\$|\$[^$]*\$$/g, '') : raw.slice(open + 1, -1);
}

/** Whether a lexeme is this bare word. */
export const isWord = (lexeme: Lexeme | undefined, ...words: readonly string[]): boolean =>
  lexeme?.kind === 'word' && words.includes(lexeme.text);

export const isOp = (lexeme: Lexeme | undefined, op: string): boolean => lexeme?.kind === 'op' && lexeme.text === op;

/** A bare or quoted name, in lower case; undefined for the rest. */
export const nameOf = (lexeme: Lexeme | undefined): string | undefined =>
  lexeme?.kind === 'word' ? lexeme.text : lexeme?.kind === 'name' ? lexeme.text.toLowerCase() : undefined;
