import type { SqlDialect } from './dialects.ts';
import { type Lexeme, isOp, isWord } from './lexemes.ts';

/** `true` and `false` whatever the row, decided by the `row`, or constant (or too deep) and `unknown`. */
export type Verdict = 'true' | 'false' | 'row' | 'unknown';

const DEEPEST = 32;
const NOT_COLUMNS = new Set(
  (
    'true false null and or not is in like ilike rlike regexp glob similar to between case when then else end select distinct as ' +
    'interval escape any all some exists unknown div mod binary collate array row cast int integer text char varchar numeric date'
  ).split(' '),
);
const COMPARISONS = new Set(['=', '==', '<=>', '<>', '!=', '<', '>', '<=', '>=']);
const WORD_COMPARISONS = new Set(['like', 'ilike', 'in', 'is', 'between', 'regexp', 'rlike', 'glob', 'similar']);

/**
 * Judges a condition by constants alone: `1=1`, `'a'='a'`, `id=id`, `x LIKE '%'`, anything without a column or parameter.
 * What is nested too deep, or constant and not computed here, is `unknown`, which a caller takes for `true`.
 */
export function judgeCondition(lexemes: readonly Lexeme[], dialect: SqlDialect, level = 0): Verdict {
  if (level > DEEPEST) return 'unknown';
  const inner = unwrapped(lexemes);
  if (inner.length === 0) return 'row';
  const either = splitAt(inner, (lexeme) => isWord(lexeme, 'or') || (dialect === 'mysql' && isOp(lexeme, '||')));
  if (either.length > 1) {
    const verdicts = either.map((part) => judgeCondition(part, dialect, level + 1));
    return (['true', 'unknown', 'row'] as const).find((verdict) => verdicts.includes(verdict)) ?? 'false';
  }
  const both = splitAt(inner, (lexeme) => isWord(lexeme, 'and') || isOp(lexeme, '&&'));
  if (both.length > 1) {
    const verdicts = both.map((part) => judgeCondition(part, dialect, level + 1));
    return (['false', 'row', 'unknown'] as const).find((verdict) => verdicts.includes(verdict)) ?? 'true';
  }
  let nots = 0;
  while (isWord(inner[nots], 'not') || isOp(inner[nots], '!')) nots++;
  const verdict = nots === 0 ? judgeComparison(inner) : judgeCondition(inner.slice(nots), dialect, level + 1);
  if (verdict === 'row' || verdict === 'unknown' || nots % 2 === 0) return verdict;
  return verdict === 'true' ? 'false' : 'true';
}

/** Without the parentheses around the whole, however many. */
function unwrapped(lexemes: readonly Lexeme[]): readonly Lexeme[] {
  let opening = 0;
  while (isOp(lexemes[opening], '(')) opening++;
  let closing = 0;
  while (isOp(lexemes[lexemes.length - 1 - closing], ')')) closing++;
  if (opening === 0 || closing === 0) return lexemes;
  // A pair is around the whole only as long as nothing between comes back to its depth.
  let levels = Math.min(opening, closing);
  const base = lexemes[0]!.depth;
  for (let i = opening; i < lexemes.length - closing; i++) levels = Math.min(levels, lexemes[i]!.depth - base);
  return levels <= 0 ? lexemes : lexemes.slice(levels, -levels);
}

/** Splits at the joining words of the outermost level, outside CASE … END and BETWEEN … AND. */
function splitAt(lexemes: readonly Lexeme[], isJoint: (lexeme: Lexeme) => boolean): readonly (readonly Lexeme[])[] {
  const base = lexemes[0]!.depth;
  const parts: Lexeme[][] = [[]];
  let cases = 0;
  let isBetween = false;
  for (const lexeme of lexemes) {
    const isOuter = lexeme.depth <= base && cases === 0;
    if (isWord(lexeme, 'case')) cases++;
    if (isWord(lexeme, 'end') && cases > 0) cases--;
    if (isOuter && isWord(lexeme, 'between')) isBetween = true;
    if (isOuter && isJoint(lexeme)) {
      if (!isBetween || !isWord(lexeme, 'and')) {
        parts.push([]);
        continue;
      }
      isBetween = false;
    }
    parts.at(-1)!.push(lexeme);
  }
  return parts;
}

function judgeComparison(lexemes: readonly Lexeme[]): Verdict {
  const base = lexemes[0]!.depth;
  const at = lexemes.findIndex(
    ({ kind, text, depth }) =>
      depth === base && (kind === 'op' ? COMPARISONS.has(text) : kind === 'word' && WORD_COMPARISONS.has(text)),
  );
  if (at > 0) {
    const known = compare(unwrapped(lexemes.slice(0, at)), lexemes[at]!.text, lexemes.slice(at + 1));
    if (known !== undefined) return known;
  }
  const only = lexemes.length === 1 ? lexemes[0]! : undefined;
  if (only?.kind === 'number') return Number(only.text) === 0 ? 'false' : 'true';
  if (only?.kind === 'string')
    return Number.parseFloat(only.text) > 0 || /^t(?:rue)?$/i.test(only.text) ? 'true' : 'false';
  if (isWord(only, 'false', 'null')) return 'false';
  if (isWord(only, 'true')) return 'true';
  return lexemes.some(isOfRow) ? 'row' : 'unknown';
}

const isOfRow = (lexeme: Lexeme, i: number, all: readonly Lexeme[]): boolean =>
  lexeme.kind === 'param' ||
  lexeme.kind === 'name' ||
  (lexeme.kind === 'word' && !NOT_COLUMNS.has(lexeme.text) && !isOp(all[i + 1], '('));

/** What a comparison of two sides comes to, where that is plain. */
function compare(left: readonly Lexeme[], operator: string, right: readonly Lexeme[]): Verdict | undefined {
  const other = unwrapped(right);
  if (operator === 'in') {
    const items = other.length === 0 ? [] : splitAt(other, (lexeme) => isOp(lexeme, ','));
    return items.some((item) => isSame(left, item)) ? 'true' : undefined;
  }
  if ((operator === 'like' || operator === 'ilike') && other.length === 1 && /^%+$/.test(other[0]!.text)) return 'true';
  const allowsEqual = ['=', '==', '<=>', '<=', '>=', 'like', 'ilike', 'is'].includes(operator);
  if (isSame(left, other) && left.some((lexeme) => lexeme.kind !== 'number' && lexeme.kind !== 'string')) {
    return allowsEqual ? 'true' : undefined;
  }
  const [a, b] = [constantOf(left), constantOf(other)];
  if (a === undefined || b === undefined) return undefined;
  const areNumbers = a.trim() !== '' && b.trim() !== '' && !Number.isNaN(Number(a)) && !Number.isNaN(Number(b));
  const order = areNumbers
    ? Number(a) - Number(b)
    : a.toLowerCase() < b.toLowerCase()
      ? -1
      : a.toLowerCase() > b.toLowerCase()
        ? 1
        : 0;
  return verdictOf(operator, order);
}

function verdictOf(operator: string, order: number): Verdict | undefined {
  const of = (holds: boolean): Verdict => (holds ? 'true' : 'false');
  if (operator === '<') return of(order < 0);
  if (operator === '>') return of(order > 0);
  if (operator === '<=') return of(order <= 0);
  if (operator === '>=') return of(order >= 0);
  if (operator === '<>' || operator === '!=') return of(order !== 0);
  return ['=', '==', '<=>', 'like', 'ilike', 'is'].includes(operator) ? of(order === 0) : undefined;
}

const constantOf = (side: readonly Lexeme[]): string | undefined =>
  side.length === 1 && (side[0]!.kind === 'number' || side[0]!.kind === 'string') ? side[0]!.text : undefined;

/** Two `?` are two values, so they are never the same. */
const isSame = (a: readonly Lexeme[], b: readonly Lexeme[]): boolean =>
  a.length > 0 &&
  a.length === b.length &&
  a.every((one, i) => one.kind === b[i]!.kind && one.text === b[i]!.text && one.text !== '?' && one.text !== '%s');
