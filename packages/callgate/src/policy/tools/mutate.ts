import type { MatcherDoc, NodePath, ObligationDoc, RuleDoc, WhenDoc } from '../document/document-types.ts';
import { type Expr, ExpressionError, parseExpression, type Spans } from '../condition/expression-parse.ts';
import { isNumeric } from '../condition/numbers.ts';

/** A rule with one thing changed. */
export interface Mutation {
  /** What was changed, as a sentence says it: `deleted`, `<= became <` ... */
  readonly what: string;
  readonly kind: 'delete' | 'flip' | 'negate' | 'bound' | 'widen' | 'obligation';
  /** Where, from the rule. */
  readonly path: NodePath;
  /** Undefined when the rule is gone. */
  readonly doc: RuleDoc | undefined;
}

/**
 * Every way to break a rule by one change: it is deleted, its effect flipped, a part of its condition negated, a bound
 * shifted, a name or pattern widened, an obligation dropped.
 */
export function mutationsOf(doc: RuleDoc): readonly Mutation[] {
  return [
    { what: 'the rule deleted', kind: 'delete', path: [], doc: undefined },
    ...flipped(doc),
    ...matchMutations(doc),
    ...Object.entries(doc.args ?? {}).flatMap(([field, matcher]) =>
      matcherMutations(matcher, ['args', field]).map(({ value, ...rest }) => ({
        ...rest,
        doc: { ...doc, args: { ...doc.args, [field]: value } },
      })),
    ),
    ...(doc.when === undefined
      ? []
      : whenMutations(doc.when, ['when']).map(({ value, ...rest }) => ({ ...rest, doc: { ...doc, when: value } }))),
    ...withoutObligations(doc),
  ];
}

interface Change<T> {
  readonly what: string;
  readonly kind: Mutation['kind'];
  readonly path: NodePath;
  readonly value: T;
}

function flipped(doc: RuleDoc): Mutation[] {
  if (doc.effect === undefined) return [];
  const effect = doc.effect === 'allow' ? 'deny' : 'allow';
  const { obligations, retryAfter: _retryAfter, ...rest } = doc;
  // A rule that refuses has no obligations but log and alert.
  const kept =
    effect === 'allow'
      ? obligations
      : obligations?.filter((duty) => duty.log !== undefined || duty.alert !== undefined);
  const flipped = {
    ...rest,
    effect,
    ...(kept === undefined || kept.length === 0 ? {} : { obligations: kept }),
  } as const;
  return [{ what: `${doc.effect} became ${effect}`, kind: 'flip', path: ['effect'], doc: flipped }];
}

function matchMutations(doc: RuleDoc): Mutation[] {
  const out: Mutation[] = [];
  const change = (key: string, value: unknown, what: string, kind: Mutation['kind']): void => {
    const match = Object.fromEntries(
      Object.entries({ ...doc.match, [key]: value }).filter(([, item]) => item !== undefined),
    );
    out.push({ what, kind, path: ['match', key], doc: { ...doc, match } });
  };
  for (const key of ['server', 'tool', 'prompt', 'resource'] as const) {
    const names = doc.match[key];
    if (names !== undefined && names !== '*') change(key, '*', `${key} became "*"`, 'widen');
  }
  if (doc.schedule !== undefined) {
    const { schedule: _schedule, ...always } = doc;
    out.push({ what: 'schedule no longer asked', kind: 'negate', path: ['schedule'], doc: always });
  }
  if (doc.match.roles !== undefined) change('roles', undefined, 'roles no longer asked', 'negate');
  for (const [hint, wanted] of Object.entries(doc.match.annotations ?? {}))
    change('annotations', { ...doc.match.annotations, [hint]: !wanted }, `${hint} became ${!wanted}`, 'negate');
  return out;
}

const BOUNDS: Readonly<Record<string, string>> = { lt: 'le', le: 'lt', gt: 'ge', ge: 'gt' };

function matcherMutations(doc: MatcherDoc, path: NodePath): Change<MatcherDoc>[] {
  const negated: Change<MatcherDoc> =
    typeof doc === 'object' && doc !== null && 'not' in doc && doc.not !== undefined
      ? { what: 'not taken away', kind: 'negate', path, value: doc.not }
      : { what: 'negated', kind: 'negate', path, value: { not: doc } };
  return [negated, ...innerMutations(doc, path)];
}

/** Bounds and patterns, also inside `anyOf`, `allOf`, `any`, `all` and `not`. */
function innerMutations(doc: MatcherDoc, path: NodePath): Change<MatcherDoc>[] {
  if (typeof doc !== 'object' || doc === null || isNumeric(doc)) return [];
  const [entry] = Object.entries(doc) as [string, unknown][];
  if (entry === undefined) return [];
  const [name, value] = entry;
  const at = [...path, name];
  const other = BOUNDS[name];
  if (other !== undefined)
    return [{ what: `${name} became ${other}`, kind: 'bound', path: at, value: { [other]: value } }];
  const widened = widenedOperand(name, value);
  if (widened !== undefined)
    return [
      { what: `${name} widened to ${JSON.stringify(widened)}`, kind: 'widen', path: at, value: { [name]: widened } },
    ];
  if (name === 'not' || name === 'any' || name === 'all')
    return innerMutations(value as MatcherDoc, at).map((change) => ({ ...change, value: { [name]: change.value } }));
  if (name === 'anyOf' || name === 'allOf') {
    const parts = value as readonly MatcherDoc[];
    return parts.flatMap((part, index) =>
      matcherMutations(part, [...at, index]).map((change) => {
        // Literals stand as equals there.
        const changed = parts.with(index, change.value);
        return { ...change, value: { [name]: changed } };
      }),
    );
  }
  return [];
}

function widenedOperand(name: string, value: unknown): string | string[] | undefined {
  if (name === 'glob') return value === '*' ? undefined : '*';
  if (typeof value === 'string' && value.length > 1) {
    if (name === 'startsWith') return value.slice(0, -1);
    if (name === 'endsWith') return value.slice(1);
  }
  if (name !== 'under') return undefined;
  const roots = (typeof value === 'string' ? [value] : (value as readonly string[])).map((root) =>
    root.replace(/\/+$/, ''),
  );
  const wider = roots.map((root) => (root.includes('/') ? root.slice(0, root.lastIndexOf('/')) || '/' : '/'));
  return wider;
}

function whenMutations(when: WhenDoc, path: NodePath): Change<WhenDoc>[] {
  if (typeof when === 'string') return expressionMutations(when, path);
  for (const key of ['all', 'any'] as const) {
    const parts = when[key];
    if (parts === undefined) continue;
    return parts.flatMap((part, index) =>
      whenMutations(part, [...path, key, index]).map((change) => ({
        ...change,
        value: { [key]: parts.with(index, change.value) },
      })),
    );
  }
  if (when.not !== undefined)
    return [
      { what: 'not taken away', kind: 'negate', path, value: when.not },
      ...whenMutations(when.not, [...path, 'not'])
        .filter(({ kind }) => kind !== 'negate')
        .map((change) => ({ ...change, value: { not: change.value } })),
    ];
  const bound = when.op === undefined ? undefined : BOUNDS[when.op];
  return [
    { what: 'negated', kind: 'negate', path, value: { not: when } },
    ...(bound === undefined
      ? []
      : [
          {
            what: `${when.op} became ${bound}`,
            kind: 'bound' as const,
            path: [...path, 'op'],
            value: { ...when, op: bound },
          },
        ]),
  ];
}

const SIGNS: Readonly<Record<string, string>> = { '<': '<=', '<=': '<', '>': '>=', '>=': '>' };

function expressionMutations(text: string, path: NodePath): Change<string>[] {
  const spans: Spans = new Map();
  let whole: Expr;
  try {
    whole = parseExpression(text, spans);
  } catch (error) {
    if (error instanceof ExpressionError) return [];
    throw error;
  }
  return leavesOf(whole).flatMap((leaf) => {
    const { from, to } = spans.get(leaf) ?? { from: 0, to: text.length };
    const part = text.slice(from, to);
    const put = (by: string): string => text.slice(0, from) + by + text.slice(to);
    const out: Change<string>[] = [{ what: `${part.trim()} negated`, kind: 'negate', path, value: put(`!(${part})`) }];
    const shifted = leaf.kind === 'binary' ? SIGNS[leaf.op] : undefined;
    if (leaf.kind === 'binary' && shifted !== undefined) {
      const sign = signAt(text, leaf.op, from, to);
      if (sign !== undefined)
        out.push({
          what: `${leaf.op} became ${shifted} in ${part.trim()}`,
          kind: 'bound',
          path,
          value: text.slice(0, sign) + shifted + text.slice(sign + leaf.op.length),
        });
    }
    return out;
  });
}

function leavesOf(expr: Expr): readonly Expr[] {
  if (expr.kind === 'and' || expr.kind === 'or') return expr.parts.flatMap(leavesOf);
  return expr.kind === 'not' ? leavesOf(expr.of) : [expr];
}

/** Where a comparison sign stands outside of texts. */
function signAt(text: string, sign: string, from: number, to: number): number | undefined {
  let quote = '';
  for (let at = from; at < to; at++) {
    const char = text[at] as string;
    if (quote !== '') {
      if (char === '\\') at++;
      else if (char === quote) quote = '';
    } else if (char === '"' || char === "'") quote = char;
    else if (text.startsWith(sign, at) && (sign.length === 2 || text[at + 1] !== '=')) return at;
  }
  return undefined;
}

function withoutObligations(doc: RuleDoc): Mutation[] {
  const duties: readonly ObligationDoc[] = doc.obligations ?? [];
  return duties.map((duty, index) => {
    const left = duties.toSpliced(index, 1);
    const { obligations: _obligations, ...rest } = doc;
    return {
      what: `${Object.keys(duty)[0] ?? 'an obligation'} dropped`,
      kind: 'obligation',
      path: ['obligations', index],
      doc: left.length > 0 ? { ...rest, obligations: left } : doc.effect === undefined ? undefined : rest,
    };
  });
}
