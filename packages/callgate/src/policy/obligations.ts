import type { Direction } from '../model/call.ts';
import type {
  BudgetKey,
  LabelObligation,
  Obligation,
  RateKey,
  RateObligation,
  RedactObligation,
} from '../model/decision.ts';
import { compileBudget } from './condition/amount.ts';
import type { NodePath, ObligationDoc, RateDoc, RedactDoc } from './document/document-types.ts';
import { parseField } from './condition/field.ts';
import { compileClamp, compileSet } from './edits.ts';
import type { Report, Scope } from './condition/scope.ts';

type ReportAt = (path: NodePath) => Report;

const DEFAULT_REPLACEMENT = '[redacted]';
const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** A window longer than this would keep counters for ever. */
const MAX_WINDOW = 366 * 86_400_000;
/** Obligations on the way there: when a result is judged, the call is done. */
const BEFOREHAND = ['rate', 'budget', 'set', 'clamp', 'sandbox'] as const;

/** Compiles the obligations of one rule. */
export function compileObligations(
  docs: readonly ObligationDoc[],
  rule: string,
  directions: ReadonlySet<Direction>,
  path: NodePath,
  scope: Scope,
  reportAt: ReportAt,
): readonly Obligation[] {
  const out: Obligation[] = [];
  const budgets = new Map<string, number>();
  const series = (key: readonly BudgetKey[]): number => {
    const count = budgets.get(key.join()) ?? 0;
    budgets.set(key.join(), count + 1);
    return count;
  };
  for (const [index, doc] of docs.entries()) {
    const at = (kind: string): NodePath => [...path, index, kind];
    const { redact, rate, budget, set, clamp, sandbox, label, log, alert } = doc;
    for (const kind of BEFOREHAND) if (doc[kind] !== undefined) checkDirections(kind, directions, at(kind), reportAt);
    if (redact !== undefined) out.push(redaction(redact, rule, directions, at('redact'), scope, reportAt));
    if (rate !== undefined) out.push(rateOf(rate, rule, at('rate'), reportAt));
    if (isWhole(budget, 'amount', 'max')) out.push(compileBudget(budget, rule, series, at('budget'), scope, reportAt));
    if (set !== undefined) out.push(compileSet(set, rule, at('set'), scope, reportAt));
    if (clamp !== undefined) out.push(compileClamp(clamp, rule, at('clamp'), reportAt));
    if (sandbox !== undefined) out.push({ kind: 'sandbox', rule, profile: sandbox.profile });
    if (isWhole(label, 'add')) out.push(labelling(label.add, rule, at('label'), reportAt));
    if (log !== undefined) out.push({ kind: 'log', rule, ...log });
    if (alert !== undefined) out.push({ kind: 'alert', rule, ...alert });
  }
  return Object.freeze(out);
}

/** Parts that did not load are missing, and reported already. */
function isWhole<T extends object>(doc: T | undefined, ...keys: (keyof T)[]): doc is T {
  return doc !== undefined && keys.every((key) => Object.hasOwn(doc, key));
}

/** Milliseconds of `10s`, `1m`, `1h`, `1d`, or of a number of seconds. */
export function durationMs(duration: string | number): number {
  if (typeof duration === 'number') return Math.round(duration * 1_000);
  return Number(duration.slice(0, -1)) * (UNITS[duration.slice(-1)] ?? 1_000);
}

function checkDirections(kind: string, directions: ReadonlySet<Direction>, path: NodePath, reportAt: ReportAt): void {
  const isBefore = directions.has('call') || directions.has('request');
  const isAfter = directions.has('result') || directions.has('answer');
  // Rates of rules for both ways count the calls, as they always have.
  if (!isAfter || (kind === 'rate' && isBefore)) return;
  reportAt(path)(
    'CG_POLICY_OBLIGATION',
    `${kind} is for calls, and this rule also covers results or answers: by then the call is done`,
    'write a rule for direction: call',
  );
}

/** More than these a session cannot have. */
const MOST_LABELS = 64;

function labelling(labels: readonly string[], rule: string, path: NodePath, reportAt: ReportAt): LabelObligation {
  if (labels.length > MOST_LABELS)
    reportAt([...path, 'add'])(
      'CG_POLICY_VALUE',
      `a session can have ${MOST_LABELS} labels, and this adds ${labels.length}`,
      'name fewer',
    );
  return { kind: 'label', rule, labels: [...new Set(labels)] };
}

function redaction(
  doc: RedactDoc,
  rule: string,
  directions: ReadonlySet<Direction>,
  path: NodePath,
  scope: Scope,
  reportAt: ReportAt,
): RedactObligation {
  if (doc.classes === undefined && doc.fields === undefined && doc.pattern === undefined) {
    reportAt(path)('CG_POLICY_EMPTY', 'redact does not say what to mask', 'name classes, fields or pattern');
  }
  const fields: (readonly string[])[] = [];
  for (const [index, field] of (doc.fields ?? []).entries()) {
    try {
      fields.push(parseField(field));
    } catch (cause) {
      reportAt([...path, 'fields', index])(
        'CG_POLICY_FIELD',
        `"${field}" is not a field: ${(cause as Error).message}`,
        'remove the empty part, or write a dot inside a key as \\.',
      );
    }
  }
  const pattern = doc.pattern === undefined ? undefined : scope.pattern(doc.pattern, reportAt([...path, 'pattern']));
  const on = doc.on ?? usualSide(directions);
  const isResultOnly = !directions.has('call') && !directions.has('request');
  if (isResultOnly && on !== 'result') {
    reportAt([...path, 'on'])(
      'CG_POLICY_OBLIGATION',
      'the arguments have already passed when a result is judged',
      'write `on: result`, or a rule for direction: call',
    );
  }
  return {
    kind: 'redact',
    rule,
    on,
    classes: doc.classes ?? [],
    fields,
    replacement: doc.replacement ?? DEFAULT_REPLACEMENT,
    ...(pattern === undefined ? {} : { pattern }),
  };
}

function usualSide(directions: ReadonlySet<Direction>): 'args' | 'result' | 'both' {
  const onArgs = directions.has('call') || directions.has('request');
  const onResult = directions.has('result') || directions.has('answer');
  return onArgs && onResult ? 'both' : onResult ? 'result' : 'args';
}

function rateOf(doc: RateDoc, rule: string, path: NodePath, reportAt: ReportAt): RateObligation {
  const windowMs = doc.per === undefined ? 1_000 : durationMs(doc.per);
  if (windowMs > MAX_WINDOW)
    reportAt([...path, 'per'])('CG_POLICY_VALUE', 'a window may be at most 366 days', 'write 366d or less');
  const key: readonly RateKey[] = doc.key === undefined ? ['rule'] : typeof doc.key === 'string' ? [doc.key] : doc.key;
  const burst = doc.burst === undefined ? {} : { burst: doc.burst };
  return { kind: 'rate', rule, key: [...new Set(key)], max: doc.max, windowMs, ...burst };
}
