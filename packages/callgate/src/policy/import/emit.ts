import type { Place } from '../../model/error.ts';
import type { Effect } from '../../model/decision.ts';

/** A rule to be written. Keys are those of the language; texts of `match`, `args` and `when` are already escaped. */
export interface OutRule {
  readonly id: string;
  readonly from: Place;
  readonly description?: string | undefined;
  readonly match: Readonly<Record<string, unknown>>;
  readonly args?: Readonly<Record<string, unknown>> | undefined;
  readonly when?: string | undefined;
  readonly schedule?: Readonly<Record<string, unknown>> | undefined;
  readonly effect?: Effect | undefined;
  readonly reason?: string | undefined;
  readonly obligations?: readonly Readonly<Record<string, unknown>>[] | undefined;
  readonly tags?: readonly string[] | undefined;
  /** Written above the rule as comments. */
  readonly notes?: readonly string[] | undefined;
}

/** What an importer makes of its files. */
export interface Imported {
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly combine: 'first' | 'deny-overrides';
  readonly default: 'deny' | 'allow' | 'ask';
  readonly notes: readonly string[];
  readonly rules: readonly OutRule[];
  /** The server that the source starts itself. */
  readonly server?: ImportedServer | undefined;
}

/** A server as its source had it, nothing filled in. */
export interface ImportedServer {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The text of a policy, and the line on which each of its rules begins. */
export interface Emitted {
  readonly text: string;
  readonly lines: readonly number[];
}

/** Writes a policy; each rule cites where it comes from. Rules in `left` (by index) are only mentioned, with the reason. */
export function emitPolicy(policy: Imported, origin: string, left: ReadonlyMap<number, string>): Emitted {
  const out: string[] = [
    `# Imported from ${comment(origin)}.`,
    '# `callgate policy import --report` says what became of each part.',
  ];
  for (const note of policy.notes) out.push(`# ${comment(note)}`);
  out.push('version: 1');
  if (policy.name !== undefined && policy.name !== '') out.push(`name: ${scalar(policy.name)}`);
  if (policy.description !== undefined && policy.description !== '')
    out.push(`description: ${scalar(policy.description)}`);
  if (policy.combine !== 'first') out.push(`combine: ${policy.combine}`);
  out.push(`default: ${policy.default}`);
  const lines: number[] = [];
  const isEmpty = policy.rules.every((_, index) => left.has(index));
  out.push(isEmpty ? 'rules: []' : 'rules:');
  for (const [index, rule] of policy.rules.entries()) {
    out.push(`  # ${comment(`${rule.from.file}:${rule.from.line}`)}`);
    const reason = left.get(index);
    if (reason !== undefined) out.push(`  # ${comment(`rule ${rule.id} is left out: ${reason}`)}`);
    for (const note of rule.notes ?? []) out.push(`  # ${comment(note)}`);
    lines.push(out.length + 1);
    if (reason === undefined) out.push(...ruleLines(rule));
  }
  return { text: `${out.join('\n')}\n`, lines };
}

function ruleLines(rule: OutRule): string[] {
  const out = [`  - id: ${scalar(rule.id)}`];
  const add = (key: string, value: unknown): void => {
    if (value !== undefined) out.push(`    ${key}: ${flow(value)}`);
  };
  add('description', rule.description === '' ? undefined : rule.description);
  add('match', rule.match);
  add('args', rule.args);
  add('when', rule.when);
  add('schedule', rule.schedule);
  add('effect', rule.effect);
  add('reason', rule.reason === '' ? undefined : rule.reason);
  if (rule.obligations !== undefined && rule.obligations.length > 0) {
    out.push('    obligations:');
    for (const obligation of rule.obligations) {
      const [kind = '', value] = Object.entries(obligation)[0] ?? [];
      out.push(`      - ${kind}: ${flow(value)}`);
    }
  }
  if (rule.tags !== undefined && rule.tags.length > 0) add('tags', rule.tags);
  return out;
}

/** A value in YAML's flow style. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? '[]' : `[${value.map(flow).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
    return entries.length === 0
      ? '{}'
      : `{ ${entries.map(([key, inner]) => `${keyOf(key)}: ${flow(inner)}`).join(', ')} }`;
  }
  return typeof value === 'string' ? scalar(value) : String(value);
}

const PLAIN = /^[A-Za-z][A-Za-z0-9_./-]*$/;
const NOT_TEXT = /^(?:true|false|null|yes|no|on|off|y|n|inf|nan)$/i;
const PRINTABLE = /^[\u0020-\u007e\u00a1-\u02ff]*$/;

/** A text as a YAML scalar that is read back as just this text. */
export function scalar(text: string): string {
  if (PLAIN.test(text) && !NOT_TEXT.test(text)) return text;
  if (PRINTABLE.test(text) && (text.includes('"') || text.includes('\\'))) return `'${text.replaceAll("'", "''")}'`;
  return JSON.stringify(text).replaceAll(
    /[\u007f-\u00a0\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A key: the language has one called `on`, which only YAML before 1.2 takes for a truth value. */
function keyOf(key: string): string {
  return key === 'on' ? key : scalar(key);
}

/** A foreign text in a comment: on one line, and nothing that moves the cursor. */
function comment(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ').slice(0, 400);
}
