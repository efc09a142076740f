import type { RuleTrace, Told, Trace } from '../policy/tools/trace.ts';
import { table } from './terminal.ts';

/** The rule that would have let a call pass, and what kept it from it. */
export interface Near {
  readonly rule: RuleTrace;
  readonly why: string;
}

/** A trace as one object of JSON. */
export function jsonOf({ decision, rules }: Trace, near: Near | undefined): string {
  const nearest =
    near === undefined
      ? {}
      : { nearest: { rule: near.rule.rule, file: near.rule.file, line: near.rule.line, why: near.why } };
  return JSON.stringify({
    decision: { ...decision, obligations: decision.obligations.map(plainDuty) },
    ...nearest,
    rules,
  });
}

/** An obligation without what it is carried out by. */
function plainDuty(duty: Trace['decision']['obligations'][number]): unknown {
  return JSON.parse(
    JSON.stringify(duty, (_key, value: unknown) => (typeof value === 'function' ? undefined : value)),
  ) as unknown;
}

/** How a trace is shown. */
export interface View {
  /** The one file that was named: its rules are shown by their line alone. */
  readonly file: string | undefined;
  /** Also the rules that are for other calls. */
  readonly isAll: boolean;
}

/** A trace as a person reads it: the verdict, why, and the rules that were asked. */
export function textOf({ decision, rules }: Trace, near: Near | undefined, view: View): string {
  const lines = [`${decision.effect}: ${decision.rule}`, `  why: ${decision.reason}`];
  if (near !== undefined) {
    const place = placeOf(near.rule, view);
    lines.push(`  nearest: ${near.rule.rule}${place === '' ? '' : ` (${place})`}: ${near.why}`);
  }
  if (decision.obligations.length > 0) {
    const duties = decision.obligations.map(({ kind, rule }) => `${kind} (${rule})`);
    lines.push(`  with: ${duties.join(', ')}`);
  }
  for (const shadow of decision.shadow ?? []) lines.push(`  in shadow: ${shadow.effect}: ${shadow.rule}`);
  const shown = rules.filter((rule) => view.isAll || !isForOthers(rule));
  const rows = shown.flatMap((rule) => rowsOf(rule, view));
  if (rows.length > 0) lines.push('', ...tableLines([{ cells: [' ', 'rule', 'effect', 'holds', 'because'] }, ...rows]));
  const others = rules.length - shown.length;
  if (others > 0) lines.push('', othersText(rules.filter(isForOthers)));
  return lines.join('\n');
}

/** A rule whose names are not those of the call; its conditions were not asked. */
function isForOthers({ matched, atoms }: RuleTrace): boolean {
  return matched === false && atoms.length === 0;
}

/** `12 rules are for other calls: 9 for another tool, 3 for another server (--all lists them)`. */
function othersText(rules: readonly RuleTrace[]): string {
  const counts = new Map<string, number>();
  for (const { why = '' } of rules) {
    const kind =
      /^it is (for (?:another \w+|other messages|direction .+?))(?: than .*)?$/.exec(why)?.[1] ?? 'for others';
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const kinds = [...counts].map(([kind, number]) => `${number} ${kind}`);
  return `${rules.length === 1 ? '1 rule is' : `${rules.length} rules are`} for other calls: ${kinds.join(', ')} (--all lists them)`;
}

/** One line of the table, and one above it for what is too long to stand in a column. */
interface Row {
  readonly above?: string;
  readonly cells: readonly string[];
}

function tableLines(rows: readonly Row[]): readonly string[] {
  const lines = table(rows.map(({ cells }) => cells)).split('\n');
  return rows.flatMap(({ above }, index) => [...(above === undefined ? [] : [above]), lines[index] ?? '']);
}

const WORDS: Readonly<Record<string, string>> = { true: 'yes', false: 'no', error: 'error' };

function word(value: Told): string {
  return WORDS[String(value)] as string;
}

/** Texts up to here stand in the column of the rules. */
const WIDEST = 60;

function rowsOf(traced: RuleTrace, view: View): readonly Row[] {
  const { rule, effect, matched, why, atoms, decided } = traced;
  const where = placeOf(traced, view);
  const isTold = why !== undefined && (atoms.length === 0 || matched === 'error');
  const because = isTold ? [where, why].filter((part) => part !== '').join(': ') : where;
  const head = { cells: [decided ? '>' : '', rule, effect ?? 'adds', word(matched), because] };
  const parts = atoms.map(({ text, value, cause, operand }): Row => {
    const flat = oneLine(text);
    const rest = ['', word(value), oneLine(cause ?? operand ?? '')];
    return flat.length > WIDEST
      ? { above: `     ${flat}`, cells: ['', '', ...rest] }
      : { cells: ['', `  ${flat}`, ...rest] };
  });
  return [head, ...parts];
}

function placeOf({ file, line }: RuleTrace, view: View): string {
  if (line === undefined) return '';
  return file === view.file ? `line ${line}` : `${file}:${line}`;
}

/** Longest condition or value of a trace. */
const LONGEST = 1000;

function oneLine(text: string): string {
  const flat = text.replaceAll(/\s+/g, ' ');
  return flat.length > LONGEST ? `${flat.slice(0, LONGEST - 1)}…` : flat;
}
