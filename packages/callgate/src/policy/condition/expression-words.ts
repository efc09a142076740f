import { canonicalHost } from '../../inspect/urls/index.ts';
import { type Expr, ExpressionError } from './expression-parse.ts';
import { suggest } from '../document/nearest.ts';
import { WEEKDAYS } from './time.ts';

const INTENTS = ['read', 'create', 'update', 'delete', 'query', 'unknown'];
const DIRECTIONS = ['call', 'result', 'request', 'answer'];
const ASSURANCES = ['pop', 'bearer', 'asserted', 'same-user'];

/**
 * Refuses a comparison that could never hold, for one side has a few words only and the other is none of them.
 * @throws ExpressionError
 */
export function checkWords(expr: Expr & { kind: 'binary' }): void {
  if (expr.op !== '==' && expr.op !== '!=' && expr.op !== 'in') return;
  checkSide(expr.left, expr.right);
  if (expr.op !== 'in') checkSide(expr.right, expr.left);
}

function checkSide(subject: Expr, other: Expr): void {
  for (const item of other.kind === 'list' ? other.items : [other]) {
    if (item.kind !== 'literal' || item.value === null) continue;
    const { value, at } = item;
    const words = wordsOf(subject);
    if (words !== undefined && !(typeof value === 'string' && words.includes(value)))
      throw new ExpressionError(`this is never ${JSON.stringify(value)}`, at, suggest(JSON.stringify(value), words));
    if (
      subject.kind === 'call' &&
      subject.name === 'host' &&
      typeof value === 'string' &&
      canonicalHost(value) !== value
    )
      throw new ExpressionError(
        `no host is written ${JSON.stringify(value)}`,
        at,
        'write it in lower case and without port; for subdomains write host(x, ["*.example.com"])',
      );
  }
}

function wordsOf(subject: Expr): readonly string[] | undefined {
  if (subject.kind === 'call') return subject.name === 'weekday' ? WEEKDAYS : undefined;
  if (subject.kind === 'name')
    return subject.name === 'intent' ? INTENTS : subject.name === 'direction' ? DIRECTIONS : undefined;
  const isAssurance =
    subject.kind === 'member' &&
    subject.key === 'assurance' &&
    subject.of.kind === 'name' &&
    subject.of.name === 'principal';
  return isAssurance ? ASSURANCES : undefined;
}
