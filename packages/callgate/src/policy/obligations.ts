import type { Direction } from '../model/call.ts';
import type { Obligation, RateKey, RateObligation, RedactObligation } from '../model/decision.ts';
import type { NodePath, ObligationDoc, RateDoc, RedactDoc } from './document-types.ts';
import { parseField } from './field.ts';
import type { Report, Texts } from './scope.ts';

type ReportAt = (path: NodePath) => Report;

const DEFAULT_REPLACEMENT = '[redacted]';
const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** A window longer than this would keep counters for ever. */
const MAX_WINDOW = 366 * 86_400_000;

/** Compiles the obligations of one rule. */
export function compileObligations(
  docs: readonly ObligationDoc[],
  rule: string,
  directions: ReadonlySet<Direction>,
  path: NodePath,
  texts: Texts,
  reportAt: ReportAt,
): readonly Obligation[] {
  const out: Obligation[] = [];
  for (const [index, doc] of docs.entries()) {
    if (doc.redact !== undefined)
      out.push(redaction(doc.redact, rule, directions, [...path, index, 'redact'], texts, reportAt));
    if (doc.rate !== undefined) out.push(rate(doc.rate, rule, [...path, index, 'rate'], reportAt));
  }
  return Object.freeze(out);
}

function redaction(
  doc: RedactDoc,
  rule: string,
  directions: ReadonlySet<Direction>,
  path: NodePath,
  texts: Texts,
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
      reportAt([...path, 'fields', index])('CG_POLICY_FIELD', `"${field}" is not a field: ${(cause as Error).message}`);
    }
  }
  const pattern = doc.pattern === undefined ? undefined : texts.pattern(doc.pattern, reportAt([...path, 'pattern']));
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

function rate(doc: RateDoc, rule: string, path: NodePath, reportAt: ReportAt): RateObligation {
  const windowMs = Math.round(windowOf(doc.per));
  if (windowMs > MAX_WINDOW) reportAt([...path, 'per'])('CG_POLICY_VALUE', 'a window may be at most 366 days');
  const key: readonly RateKey[] = doc.key === undefined ? ['rule'] : typeof doc.key === 'string' ? [doc.key] : doc.key;
  return { kind: 'rate', rule, key: [...new Set(key)], max: doc.max, windowMs };
}

function windowOf(per: string | number | undefined): number {
  if (per === undefined) return 1_000;
  if (typeof per === 'number') return per * 1_000;
  return Number(per.slice(0, -1)) * (UNITS[per.slice(-1)] ?? 1_000);
}
