import type { MatcherDoc, NameDoc, NodePath, OperatorDoc, WhenDoc } from '../document/document-types.ts';
import { type Expr, ExpressionError, parseExpression } from '../condition/expression-parse.ts';
import { isAnchored } from './lint-anchored.ts';
import type { Found, LintedRule } from './lint.ts';
import { addressAlone, textOrder } from './lint-errors.ts';
import { MAPPED, pathOf, split } from './lint-facts.ts';
import { isNumeric } from '../condition/numbers.ts';

/** Reports what one rule alone says that is probably not meant. */
export function suspicious(rule: LintedRule, report: Found): void {
  wideAllow(rule, report);
  annotationsAlone(rule, report);
  names(rule, report);
  for (const use of usesOf(rule)) judgeUse(rule, use, report);
  sharedRates(rule, report);
  unwrittenVariables(rule, report);
  addressAlone(rule, report);
  textOrder(rule, report);
}

function wideAllow({ rule, ...rest }: LintedRule, report: Found): void {
  const { server, tool, prompt, resource, method, annotations } = rule.target;
  const isAny = (key: typeof server): boolean => key === undefined || key.test('\u{10ffff}any name at all\u{10ffff}');
  const isWide = [server, tool, method].every(isAny) && prompt === undefined && resource === undefined;
  if (rule.effect !== 'allow' || rule.condition !== undefined || annotations !== undefined || !isWide) return;
  if (!rule.target.directions.has('call')) return;
  report(
    { rule, ...rest },
    'LINT-04',
    'warning',
    ['match'],
    `rule "${rule.name}" allows every tool of every server, with any arguments`,
    'name the servers or tools, or write `default: allow` if that is meant',
  );
}

function annotationsAlone(linted: LintedRule, report: Found): void {
  const { doc } = linted.written;
  const hasMore = doc.args !== undefined || doc.when !== undefined || doc.match.tool !== undefined;
  if (doc.effect !== 'allow' || doc.match.annotations === undefined || hasMore) return;
  report(
    linted,
    'LINT-10',
    'warning',
    ['match', 'annotations'],
    `rule "${doc.id}" allows whatever a server says about itself`,
    'name the tools too: a hint is a claim, and a server may change it',
  );
}

/** Patterns in names. */
function names(linted: LintedRule, report: Found): void {
  const { doc } = linted.written;
  for (const key of ['server', 'tool', 'prompt', 'resource', 'method', 'roles'] as const) {
    const given = doc.match[key];
    const list: readonly (readonly [NameDoc, NodePath])[] = Array.isArray(given)
      ? (given as readonly NameDoc[]).map((name, index) => [name, ['match', key, index]] as const)
      : given === undefined
        ? []
        : [[given as NameDoc, ['match', key]]];
    for (const [name, path] of list) {
      if (typeof name === 'string' || doc.effect !== 'allow' || isAnchored(name.regex)) continue;
      report(
        linted,
        'LINT-05',
        'warning',
        path,
        `the pattern ${shown(name.regex)} is found anywhere in the name: "x${sampleOf(name.regex)}x" may match too`,
        `write ^(?:${name.regex})$, or a glob`,
      );
    }
  }
}

/** One operator on one field, wherever it stands. */
interface Use {
  readonly field: readonly string[];
  readonly op: string;
  readonly text: string | undefined;
  readonly negated: boolean;
  readonly path: NodePath;
}

function usesOf({ written: { doc } }: LintedRule): readonly Use[] {
  const uses: Use[] = [];
  for (const [field, matcher] of Object.entries(doc.args ?? {})) {
    ofMatcher(matcher, field.split('.'), false, ['args', field], uses);
  }
  if (doc.when !== undefined) ofWhen(doc.when, false, ['when'], uses);
  return uses;
}

function ofWhen(when: WhenDoc, negated: boolean, path: NodePath, uses: Use[]): void {
  if (typeof when === 'string') {
    try {
      ofExpression(parseExpression(when), negated, path, uses);
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
    }
    return;
  }
  for (const key of ['all', 'any'] as const)
    for (const [index, part] of (when[key] ?? []).entries()) ofWhen(part, negated, [...path, key, index], uses);
  if (when.not !== undefined) ofWhen(when.not, !negated, [...path, 'not'], uses);
  const { field, op, value } = when;
  if (field === undefined || op === undefined || !field.startsWith('args.')) return;
  const name = MAPPED[op] ?? op;
  const isNot = name === 'notEquals' || name === 'notIn';
  const text = typeof value === 'string' ? value : undefined;
  uses.push({ field: field.slice(5).split('.'), op: name, text, negated: negated !== isNot, path });
}

function ofMatcher(doc: MatcherDoc, field: readonly string[], negated: boolean, path: NodePath, uses: Use[]): void {
  if (typeof doc !== 'object' || doc === null || isNumeric(doc)) {
    uses.push({ field, op: 'equals', text: typeof doc === 'string' ? doc : undefined, negated, path });
    return;
  }
  for (const [op, value] of Object.entries(doc) as [keyof OperatorDoc, unknown][]) {
    const at = [...path, op];
    if (op === 'not') ofMatcher(value as MatcherDoc, field, !negated, at, uses);
    else if (op === 'any' || op === 'all') ofMatcher(value as MatcherDoc, field, negated, at, uses);
    else if (op === 'anyOf' || op === 'allOf')
      for (const [index, part] of (value as OperatorDoc[]).entries())
        ofMatcher(part, field, negated, [...at, index], uses);
    else {
      const isNot = op === 'notEquals' || op === 'notIn';
      uses.push({
        field,
        op,
        text: typeof value === 'string' ? value : undefined,
        negated: negated !== isNot,
        path: at,
      });
    }
  }
}

const METHODS: Readonly<Record<string, string>> = {
  startsWith: 'startsWith',
  endsWith: 'endsWith',
  contains: 'contains',
  matches: 'regex',
};

function ofExpression(expr: Expr, negated: boolean, path: NodePath, uses: Use[]): void {
  const add = (of: Expr, op: string, value: Expr | undefined, isNot: boolean): void => {
    const field = pathOf(of);
    if (field === undefined || field[0] !== 'args' || field.length < 2) return;
    const text = value?.kind === 'literal' && typeof value.value === 'string' ? value.value : undefined;
    uses.push({ field: field.slice(1), op, text, negated: isNot, path });
  };
  switch (expr.kind) {
    case 'and':
    case 'or':
      for (const part of expr.parts) ofExpression(part, negated, path, uses);
      return;
    case 'not':
      ofExpression(expr.of, !negated, path, uses);
      return;
    case 'method':
      if (Object.hasOwn(METHODS, expr.name)) add(expr.of, METHODS[expr.name] as string, expr.args[0], negated);
      return;
    case 'binary':
      if (expr.op === '==' || expr.op === '!=') add(expr.left, 'equals', expr.right, negated !== (expr.op === '!='));
      if (expr.op === 'in') add(expr.left, 'in', undefined, negated);
      return;
    default:
      if (expr.kind === 'member' || expr.kind === 'index') add(expr, 'equals', undefined, negated);
  }
}

const PATHS = /^(?:.*_)?(?:path|paths|file|filename|filepath|dir|directory|folder|root|cwd|destination|dest)$/;
const URLS = /^(?:.*_)?(?:url|urls|uri|href|endpoint|link|webhook)$/;
const COMMANDS = /^(?:.*_)?(?:command|commands|cmd|script|shell|bash)$/;
const FOLDED = /^(?:.*_)?(?:url|uri|host|hostname|domain|email|sql|query|statement|header)$/;
const TEXTUAL = new Set(['startsWith', 'endsWith', 'contains', 'regex', 'glob']);

function judgeUse(linted: LintedRule, use: Use, report: Found): void {
  const { doc } = linted.written;
  const isAllow = doc.effect === 'allow';
  const name = (use.field.findLast((part) => !/^[0-9*]+$/.test(part)) ?? '')
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();
  const field = use.field.join('.');
  const say = (code: string, message: string, remedy: string, severity: 'warning' | 'note' = 'warning'): void =>
    report(linted, code, severity, use.path, message, remedy);

  const isUrl = URLS.test(name) || use.text?.includes('://') === true;
  const isPath = !isUrl && PATHS.test(name);
  const isCommand = COMMANDS.test(name);
  if (isAllow && use.negated && (isCommand || isPath || isUrl)) {
    const what = isCommand ? 'command' : isPath ? 'path' : 'URL';
    say(
      'LINT-09',
      `rule "${doc.id}" allows every ${what} but some, and there are many ways to write those`,
      positive(what),
    );
    return;
  }
  if (isUrl && (use.op === 'startsWith' || use.op === 'contains') && use.text !== undefined) urlPrefix(use, field, say);
  else if (isPath && (use.op === 'startsWith' || use.op === 'contains') && use.text?.includes('/') === true)
    say(
      'LINT-06',
      `${use.op} ${quoted(use.text)} on ${field} compares text: \`..\`, links and doubled slashes lead elsewhere`,
      `write under: ${JSON.stringify([use.text.replace(/\/+$/, '') || '/'])}`,
    );
  else if (isCommand && TEXTUAL.has(use.op))
    say(
      'LINT-08',
      `${use.op} on ${field} reads a command as text: quotes, variables and && get around it`,
      'use shell: { destructive: true }, or shell: { programs: [...] }, which reads the command as a shell does',
    );
  else if (use.op === 'regex' && use.text !== undefined && isAllow && !use.negated && !isAnchored(use.text))
    say(
      'LINT-05',
      `the pattern ${shown(use.text)} is found anywhere in ${field}: more passes than it shows`,
      `write ^(?:${use.text})$`,
    );
  if (
    doc.effect === 'deny' &&
    !use.negated &&
    use.op === 'regex' &&
    use.text !== undefined &&
    mindsCase(use.text, name)
  )
    say(
      'LINT-11',
      `the pattern ${shown(use.text)} minds upper and lower case, and what reads ${field} does not`,
      `begin it with (?i)`,
    );
  if (isAllow && use.negated && use.op !== 'exists' && !isGuarded(linted, use))
    say(
      'LINT-12',
      `rule "${doc.id}" does not allow a call without ${field}: a missing field is neither true nor false`,
      `if a call without it should pass too, write \`when: !has(args.${field}) || ...\`; else demand it with exists`,
      'note',
    );
}

function positive(what: string): string {
  if (what === 'path') return 'name what is allowed, with under; refuse the exceptions in a deny rule before it';
  return what === 'URL' ? 'name the hosts that are allowed' : 'name the programs that are allowed';
}

type Say = (code: string, message: string, remedy: string, severity?: 'warning' | 'note') => void;

function urlPrefix(use: Use, field: string, say: Say): void {
  const text = use.text as string;
  if (use.op === 'startsWith' && /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?#]*$/.test(text)) {
    say(
      'LINT-07',
      `startsWith ${quoted(text)} on ${field} also holds for ${quoted(`${text}.attacker.example`)}`,
      `end it with a slash, or use host: ${JSON.stringify(text.replace(/^[^/]*:\/\//, ''))}`,
    );
  } else if (use.op === 'contains') {
    say(
      'LINT-07',
      `contains ${quoted(text)} on ${field} also holds where it stands in a path or query`,
      'use host: "..." for the host',
    );
  }
}

const SQL = /\b(?:drop|delete|truncate|insert|update|alter|grant|select)\b/i;

function mindsCase(pattern: string, name: string): boolean {
  const letters = pattern.replaceAll(/\\[A-Za-z]/g, '').replaceAll(/\[[^\]]*\]/g, '');
  if (!/[A-Za-z]{2}/.test(letters) || /\(\?[a-zA-Z]*i/.test(pattern)) return false;
  return FOLDED.test(name) || SQL.test(letters);
}

/** Whether the rule says elsewhere that the field must be there, or may be missing. */
function isGuarded({ written: { doc } }: LintedRule, use: Use): boolean {
  const when: unknown = doc.when;
  const spelt = `args.${use.field.join('.')}`;
  if (typeof when === 'string' && when.includes(`has(${spelt})`)) return true;
  if (use.path[0] !== 'when') {
    const matcher = doc.args?.[use.field.join('.')];
    return JSON.stringify(matcher ?? null).includes('"exists"');
  }
  return typeof when === 'string' && split(parseExpression(when)).some((part) => isPositive(part, use.field));
}

function isPositive(expr: Expr, field: readonly string[]): boolean {
  const of = expr.kind === 'method' ? expr.of : expr.kind === 'binary' && expr.op !== '!=' ? expr.left : undefined;
  return of !== undefined && JSON.stringify(pathOf(of)?.slice(1)) === JSON.stringify(field);
}

function sharedRates(linted: LintedRule, report: Found): void {
  for (const [index, { rate }] of (linted.written.doc.obligations ?? []).entries()) {
    if (rate === undefined) continue;
    const keys: readonly string[] =
      rate.key === undefined ? ['rule'] : typeof rate.key === 'string' ? [rate.key] : rate.key;
    if (keys.some((key) => ['principal', 'session', 'user'].includes(key))) continue;
    report(
      linted,
      'LINT-13',
      'note',
      ['obligations', index, 'rate'],
      `the rate of rule "${linted.rule.name}" is counted for all callers together: one of them can use it up`,
      `write key: [${[...keys.filter((key) => key !== 'rule'), 'principal'].join(', ')}] to count each caller`,
    );
  }
}

/** Spellings of variables that stay plain text. */
const FOREIGN = /\{\{\s*[\w.]+\s*\}\}|\$(?:env:)?[A-Z_]{3,}\b|%[A-Z_]{3,}%|\$\([A-Z_]+\)/;

function unwrittenVariables(linted: LintedRule, report: Found): void {
  for (const use of usesOf(linted)) {
    const found = use.op === 'regex' || use.text === undefined ? null : FOREIGN.exec(use.text);
    if (found === null) continue;
    report(
      linted,
      'LINT-15',
      'warning',
      use.path,
      `${quoted(found[0])} is no variable here: it is compared as it is written`,
      'write ${NAME}; known are ${PROJECT}, ${HOME} and ${env.NAME}',
    );
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 59)}…` : text);
}

/** A pattern as it is written: its backslashes are not doubled. */
function shown(pattern: string): string {
  return `"${pattern.length > 60 ? `${pattern.slice(0, 59)}…` : pattern}"`;
}

/** A word of the pattern, to show what matches besides. */
function sampleOf(pattern: string): string {
  return /[A-Za-z0-9_]{2,}/.exec(pattern.replaceAll(/\\[A-Za-z]/g, ''))?.[0] ?? '...';
}
