import type { ClampObligation, SetObligation } from '../model/decision.ts';
import { ExactNumber, type Json } from '../model/json.ts';
import type { ClampDoc, NodePath } from './document/document-types.ts';
import { type FieldPath, parseField } from './condition/field.ts';
import { compareNumbers } from './condition/numbers.ts';
import type { Report, Scope } from './condition/scope.ts';

/** Keys that a careless server would take for parts of its own objects. */
const PROTOTYPE_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

const PROTOTYPE_REMEDY = 'leave it out: some servers would take it for a part of their own objects';

/** Gives the reporting of mistakes at a place of the rule. */
type ReportAt = (path: NodePath) => Report;

/** Compiles the values that a rule puts into the arguments. What is wrong is reported and left out. */
export function compileSet(
  doc: Readonly<Record<string, Json>>,
  rule: string,
  path: NodePath,
  scope: Scope,
  reportAt: ReportAt,
): SetObligation {
  const values: { path: FieldPath; value: Json }[] = [];
  for (const [field, written] of Object.entries(doc)) {
    const report = reportAt([...path, field]);
    const target = fieldOf(field, report);
    if (target === undefined) continue;
    const other = values.find((one) => isWithin(one.path, target) || isWithin(target, one.path));
    if (other !== undefined)
      report(
        'CG_POLICY_OBLIGATION',
        `"${field}" and "${other.path.join('.')}" are set one inside the other`,
        'set the outer one, with all that is to be in it, or the inner ones',
      );
    values.push({ path: target, value: expanded(written, scope, report) });
  }
  return { kind: 'set', rule, values };
}

/** Compiles the bounds that a rule holds numbers between. What is wrong is reported and left out. */
export function compileClamp(
  doc: Readonly<Record<string, ClampDoc>>,
  rule: string,
  path: NodePath,
  reportAt: ReportAt,
): ClampObligation {
  const fields: ClampObligation['fields'][number][] = [];
  for (const [field, { min, max }] of Object.entries(doc)) {
    const report = reportAt([...path, field]);
    const target = fieldOf(field, report);
    if (min !== undefined && max !== undefined) {
      const order = compareNumbers(min, max);
      if (typeof order !== 'number' || order > 0)
        report(
          'CG_POLICY_VALUE',
          'min is above max: no number is between',
          'exchange them, or write the same number twice',
        );
    }
    if (target === undefined) continue;
    fields.push({
      path: target,
      ...(min === undefined ? {} : { min }),
      ...(max === undefined ? {} : { max }),
    });
  }
  return { kind: 'clamp', rule, fields };
}

function fieldOf(field: string, report: Report): FieldPath | undefined {
  try {
    const path = parseField(field);
    const odd = path.find((key) => key === '*' || PROTOTYPE_KEYS.has(key));
    if (odd === undefined) return path;
    report(
      'CG_POLICY_FIELD',
      odd === '*' ? 'one field is named here, not any' : `"${odd}" cannot be put into arguments`,
      odd === '*' ? 'write each field out' : PROTOTYPE_REMEDY,
    );
  } catch (cause) {
    report(
      'CG_POLICY_FIELD',
      `"${field}" is not a field: ${(cause as Error).message}`,
      'remove the empty part, or write a dot inside a key as \\.',
    );
  }
  return undefined;
}

/** Puts `${NAME}` into texts, and refuses keys of prototypes at any depth. */
function expanded(value: Json, scope: Scope, report: Report): Json {
  if (typeof value === 'string') return scope.expand(value, report) ?? value;
  if (typeof value !== 'object' || value === null || value instanceof ExactNumber) return value;
  if (Array.isArray(value)) return (value as readonly Json[]).map((item) => expanded(item, scope, report));
  const out = Object.create(null) as Record<string, Json>;
  for (const [key, item] of Object.entries(value)) {
    if (PROTOTYPE_KEYS.has(key)) report('CG_POLICY_FIELD', `"${key}" cannot be put into arguments`, PROTOTYPE_REMEDY);
    else out[key] = expanded(item, scope, report);
  }
  return out;
}

/** Whether `path` is `outer` or below it. */
function isWithin(path: FieldPath, outer: FieldPath): boolean {
  return outer.every((key, index) => path[index] === key);
}
