import { ExactNumber } from '../../../model/json.ts';
import type { Numeric } from '../../condition/numbers.ts';
import type { Scalar } from './shape.ts';
import type { LearnPlace, Part, Seen } from './values.ts';

/** What one rule of a learned policy says, before it is text. */
export interface LearnedRule {
  readonly id: string;
  readonly comments: readonly string[];
  readonly match: Readonly<Record<string, string | readonly string[] | Readonly<Record<string, boolean>>>>;
  readonly fields: readonly LearnedField[];
  readonly when: readonly string[];
  readonly effect: 'allow' | 'ask' | 'deny';
  readonly reason?: string;
}

/** A field, the alternatives of its value, and whether it is an array of them. */
export interface LearnedField {
  readonly name: string;
  readonly isList: boolean;
  readonly parts: readonly Part[];
}

/** What `${PROJECT}` and `${HOME}` will stand for where the policy is used. */
export type Homes = Pick<LearnPlace, 'project' | 'home'>;

/** The lines of a rule, as an item of `rules`. */
export function ruleLines(rule: LearnedRule, homes: Homes): readonly string[] {
  const lines = rule.comments.map((text) => `  # ${commentText(text)}`);
  lines.push(`  - id: ${quote(rule.id)}`, '    match:');
  for (const [key, value] of Object.entries(rule.match)) lines.push(`      ${key}: ${matchText(value)}`);
  if (rule.fields.length > 0) lines.push('    args:', ...rule.fields.flatMap((field) => fieldLines(field, homes)));
  const [only, ...more] = rule.when;
  if (only !== undefined && more.length === 0) lines.push(`    when: ${quote(only)}`);
  else if (only !== undefined)
    lines.push('    when:', '      all:', ...rule.when.map((text) => `        - ${quote(text)}`));
  lines.push(`    effect: ${rule.effect}`);
  if (rule.reason !== undefined) lines.push(`    reason: ${quote(rule.reason)}`);
  return lines;
}

function fieldLines({ name, isList, parts }: LearnedField, homes: Homes): readonly string[] {
  const head = `      ${quote(name)}:`;
  const at = isList ? '          ' : '        ';
  const lines = isList ? [head, '        all:'] : [head];
  const [only, ...more] = parts;
  if (only === undefined) return [];
  if (more.length === 0) return [...lines, ...partLines(only, at, homes)];
  lines.push(`${at}anyOf:`);
  for (const part of parts) {
    const [first = '', ...rest] = partLines(part, `${at}    `, homes);
    lines.push(`${at}  - ${first.trimStart()}`, ...rest);
  }
  return lines;
}

/** One operator; each value with the calls it stood in, so that what stands alone is seen. */
function partLines(part: Part, at: string, homes: Homes): readonly string[] {
  switch (part.kind) {
    case 'in':
    case 'host':
      return [
        `${at}${part.kind}:`,
        ...part.seen.map((one) => `${at}  - ${scalarText(one.value, homes)} # ${seenText(one)}`),
      ];
    case 'under':
      return [
        `${at}under: ${quote(placed(part.dir, homes))} # ${many(part.calls, 'call')}, ${many(part.files, 'file')}; first ${commentText(part.record)}`,
      ];
    case 'range': {
      const { min, max, calls, values } = part;
      return [
        `${at}allOf: [{ ge: ${numberText(min)} }, { le: ${numberText(max)} }] # ${many(calls, 'call')}, ${many(values, 'value')}`,
      ];
    }
    case 'prose':
      return [
        `${at}exists: true # ${many(part.values, 'different text')} of at most ${many(part.longest, 'character')}`,
      ];
  }
}

function seenText({ calls, record }: Seen): string {
  return `${many(calls, 'call')}; first ${commentText(record)}`;
}

function matchText(value: LearnedRule['match'][string]): string {
  if (typeof value === 'string') return quote(value);
  if (Array.isArray(value)) return `[${(value as readonly string[]).map(quote).join(', ')}]`;
  return `{ ${Object.entries(value as object)
    .map(([key, hint]) => `${key}: ${String(hint)}`)
    .join(', ')} }`;
}

function scalarText(value: Scalar, homes: Homes): string {
  if (typeof value === 'string') return quote(placed(value, homes));
  return typeof value === 'number' || value instanceof ExactNumber ? numberText(value) : String(value);
}

/** A path of the project or the home by its variable, so that the policy is as good on another machine. */
function placed(text: string, { project, home }: Homes): string {
  for (const [name, root] of [['PROJECT', project] as const, ['HOME', home] as const]) {
    if (root === undefined || !/^\/[^/]/.test(root)) continue;
    if (text === root || text.startsWith(`${root}/`)) return `\${${name}}${literal(text.slice(root.length))}`;
  }
  return literal(text);
}

/** Variables are not put in: `$${` is a plain `${`. */
function literal(text: string): string {
  return text.split('${').join('$${');
}

function numberText(value: Numeric): string {
  return value instanceof ExactNumber ? value.text : String(value);
}

/** A name as `match` takes it literally; undefined when none of its spellings is. */
export function exactName(name: string): string | undefined {
  if (name === '' || name.includes('${') || name.length > 400) return undefined;
  return name.replace(/[*?\\]/g, '\\$&');
}

/** A double-quoted scalar of YAML, on one line whatever the text holds. */
export function quote(text: string): string {
  return escaped(JSON.stringify(text));
}

/** A comment ends with its line, and nothing in it may begin another. */
export function commentText(text: string): string {
  return escaped(text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r')).slice(0, 400);
}

/** Line breaks of any standard, controls, marks that reorder, and halves of characters, as escapes. */
function escaped(text: string): string {
  let out = '';
  for (const char of text) {
    const unit = char.codePointAt(0) as number;
    const isOdd =
      unit < 0x20 ||
      (unit >= 0x7f && unit <= 0xa0) ||
      unit === 0xad ||
      (unit >= 0x200b && unit <= 0x200f) ||
      (unit >= 0x2028 && unit <= 0x202e) ||
      (unit >= 0x2060 && unit <= 0x2069) ||
      (unit >= 0xd800 && unit <= 0xdfff) ||
      unit === 0xfeff ||
      unit === 0xfffe ||
      unit === 0xffff;
    out += isOdd ? `\\u${unit.toString(16).padStart(4, '0')}` : char;
  }
  return out;
}

/** `1 call`, `2 calls`. */
export function many(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}
