import { messageOf } from '../../model/error.ts';
import type { PolicySource } from '../compile-documents.ts';
import type { NodePath } from '../document-types.ts';
import type { Imported, OutRule } from './emit.ts';
import { type FieldReader, openFields } from './fields.ts';
import { type Foreign, readYaml, type Value } from './read.ts';
import { toRe2 } from './regex.ts';
import { type Draft, shorten } from './report.ts';
import { celAnd, celField, celList, celLiteral, celNot, celOr, celPattern, celText, exactName, globName } from './write.ts';

const ROOT = ['name', 'version', 'description', 'default_effect', 'rules'];
const RULE = [
  'id',
  'description',
  'effect',
  'tools',
  'agents',
  'agent',
  'require_roles',
  'min_threat_score',
  'reason',
  'when',
  'budget',
  'redact_fields',
];
const EFFECTS = { allow: 'allow', deny: 'deny', require_approval: 'ask', redact: 'allow' } as const;
const OPS = ['eq', 'ne', 'lt', 'le', 'gt', 'ge', 'in', 'not_in', 'contains', 'startswith', 'endswith', 'regex', 'exists'] as const;

/**
 * mcp-gate's YAML or JSON: the first rule all of whose criteria hold decides. A condition on a missing field is false, under
 * `not`, `ne` and `not_in` an error. A spent budget denies here; there the rule no longer matches and the next one decides.
 */
export function importMcpGate(sources: readonly PolicySource[], draft: Draft): Imported {
  const run: Run = { draft, budgets: new Map(), isPercent: false };
  const roots = sources
    .map((source) => ({ foreign: readYaml(source, draft) }))
    .flatMap(({ foreign }) => {
      const root = foreign === undefined ? undefined : openFields(foreign, foreign.value, [], ROOT, draft);
      return foreign === undefined || root === undefined ? [] : [{ foreign, root }];
    });
  const read = roots.map(({ foreign, root }) => ({ foreign, root, rules: rulesOf(root) }));
  survey(read.flatMap(({ rules }) => rules), run);
  const defaults = roots.map(({ root }) => root.oneOf('default_effect', ['allow', 'deny', 'require_approval']) ?? 'deny');
  for (const [index, { root }] of roots.entries()) {
    if (root.has('version') && String(root.raw('version')) !== '1')
      draft.fail(root.at('version'), 'CG_POLICY_IMPORT_VALUE', 'only version "1" of mcp-gate policies is known');
    if (defaults[index] === 'allow')
      draft.say('same', root.at('default_effect'), 'default_effect: allow', 'kept, and whatever no rule names passes: `default: deny` is safer');
  }
  return {
    name: roots[0]?.root.text('name'),
    description: roots[0]?.root.text('description'),
    combine: 'first',
    default: defaults.includes('deny') || defaults.length === 0 ? 'deny' : defaults.includes('require_approval') ? 'ask' : 'allow',
    notes: [],
    rules: read.flatMap(({ foreign, rules }) => rules.flatMap((rule) => readRule(rule, foreign, run) ?? [])),
  };
}

interface Run {
  readonly draft: Draft;
  /** How many rules share a budget. */
  readonly budgets: Map<string, number>;
  /** Whether scores are written from 0 to 100. */
  isPercent: boolean;
}

function rulesOf(root: FieldReader): FieldReader[] {
  return [...(root.list('rules') ?? []).keys()].flatMap((index) => root.item('rules', index, RULE) ?? []);
}

/** What the rules have in common: the scale of threat scores, and budgets of one name. */
function survey(rules: readonly FieldReader[], run: Run): void {
  for (const rule of rules) {
    const score = rule.raw('min_threat_score');
    if (typeof score === 'number' && score > 1) run.isPercent = true;
    const budget = rule.raw('budget');
    const key = typeof budget === 'object' && budget !== null && 'key' in budget ? String(budget['key']) : undefined;
    if (key !== undefined) run.budgets.set(key, (run.budgets.get(key) ?? 0) + 1);
  }
}

function readRule(rule: FieldReader, foreign: Foreign, run: Run): OutRule | undefined {
  const { draft } = run;
  if (!rule.needs('id', 'effect')) return undefined;
  const wanted = rule.text('id');
  const word = rule.oneOf('effect', ['allow', 'deny', 'require_approval', 'redact']);
  if (wanted === undefined || word === undefined) return undefined;
  const id = draft.id(wanted, rule.at('id'));
  let effect: 'allow' | 'deny' | 'ask' = EFFECTS[word];
  const permissive = effect === 'allow';
  const notes: string[] = [];
  const parts: string[] = [];
  const agents = [...(rule.texts('agents') ?? []), ...(rule.texts('agent') ?? [])];
  if (agents.length > 0) {
    parts.push(celOr(agents.map((glob) => agentTest(glob))));
    draft.say('translated', rule.at(rule.has('agents') ? 'agents' : 'agent'), 'agents', 'globs on principal.id', id);
  }
  const roles = rule.texts('require_roles');
  if (roles !== undefined) draft.say('same', rule.at('require_roles'), 'require_roles', 'one of them is enough', id);
  const score = scoreTest(rule, run, id);
  if (score !== undefined) parts.push(score);
  if (rule.has('when')) {
    const when = conditionOf(rule.raw('when'), [...rule.path, 'when'], { foreign, run, permissive, id }, false, 0);
    if (when !== undefined) parts.push(when);
  }
  const obligations = [redaction(rule, word, run, id), budgetOf(rule, effect, run, id)].filter((part) => part !== undefined);
  if (rule.has('budget') && effect === 'allow' && isShared(rule, run)) {
    effect = 'ask';
    const why = 'its budget is shared with other rules, which the language cannot say: the rule asks';
    notes.push(why);
    draft.say('refused', rule.at('budget'), `rule ${id}`, why, id);
  }
  const done = parts.length === 0 && obligations.length === 0 ? 'same' : 'translated';
  draft.say(done, rule.place, `rule ${id}`, `${word} is ${effect}${done === 'same' ? '' : '; a value of a wrong type never lets a call pass'}`, id);
  return {
    id,
    from: rule.place,
    description: rule.text('description'),
    match: { tool: toolsOf(rule), ...(roles === undefined ? {} : { roles: roles.map(exactName) }) },
    when: parts.length === 0 ? undefined : celAnd(parts),
    effect,
    reason: rule.text('reason'),
    obligations,
    notes,
  };
}

function toolsOf(rule: FieldReader): unknown {
  const globs = rule.texts('tools')?.map(fnmatch);
  return globs === undefined || globs.length === 0 ? '*' : globs.length === 1 ? globs[0] : globs;
}

/** A glob of Python's fnmatch: `[...]` is a class there, and becomes a pattern. */
function fnmatch(glob: string): string | { readonly regex: string } {
  const regex = fnmatchPattern(glob);
  return regex === undefined ? globName(glob) : { regex };
}

function agentTest(glob: string): string {
  const regex = fnmatchPattern(glob);
  if (regex !== undefined) return `principal.id.matches(${celPattern(regex)})`;
  return /[*?]/.test(glob) ? `glob(principal.id, ${celPattern(globName(glob))})` : `principal.id == ${celText(glob)}`;
}

function fnmatchPattern(glob: string): string | undefined {
  if (!/\[[^\]]+\]/.test(glob)) return undefined;
  let out = '^';
  for (let i = 0; i < glob.length; i++) {
    const char = glob[i] as string;
    const close = char === '[' ? glob.indexOf(']', i + 2) : -1;
    if (close > 0) {
      const inner = glob.slice(i + 1, close).replaceAll(/[\\[\]^]/g, '\\$&').replace(/^!/, '^');
      out += `[${inner}]`;
      i = close;
    } else out += char === '*' ? '(?s:.*)' : char === '?' ? '(?s:.)' : char.replaceAll(/[\\^$.|+()[\]{}]/g, '\\$&');
  }
  return `${out}$`;
}

function scoreTest(rule: FieldReader, run: Run, id: string): string | undefined {
  const score = rule.number('min_threat_score');
  if (score === undefined) return undefined;
  if (score < 0 || score > 100) {
    run.draft.fail(rule.at('min_threat_score'), 'CG_POLICY_IMPORT_VALUE', `min_threat_score is ${score}`, 'write 0 to 1, or 0 to 100');
    return undefined;
  }
  const scaled = run.isPercent ? score / 100 : score;
  const why = `threat.score is the highest confidence of what was found, 0 to 1; ${run.isPercent ? 'the file counts to 100' : 'the file counts to 1'}`;
  run.draft.say('translated', rule.at('min_threat_score'), 'min_threat_score', why, id);
  return `threat.score >= ${scaled}`;
}

function redaction(rule: FieldReader, word: string, run: Run, id: string): Record<string, unknown> | undefined {
  const fields = rule.texts('redact_fields');
  if (fields === undefined) {
    if (word === 'redact') rule.needs('redact_fields');
    return undefined;
  }
  if (word === 'deny') {
    run.draft.say('same', rule.at('redact_fields'), 'redact_fields', 'has no effect on a rule that denies; left out', id);
    return undefined;
  }
  run.draft.say('same', rule.at('redact_fields'), 'redact_fields', 'masked before the call passes', id);
  return { redact: { fields: fields.map((field) => field.replaceAll('\\', '\\\\')), on: 'args' } };
}

function isShared(rule: FieldReader, run: Run): boolean {
  const key = rule.map('budget', ['key', 'field', 'limit'])?.text('key');
  return key !== undefined && (run.budgets.get(key) ?? 0) > 1;
}

function budgetOf(rule: FieldReader, effect: string, run: Run, id: string): Record<string, unknown> | undefined {
  const map = rule.map('budget', ['key', 'field', 'limit']);
  if (map === undefined || !map.needs('key', 'field', 'limit')) return undefined;
  const field = map.text('field');
  const limit = map.number('limit');
  map.text('key');
  if (field === undefined || limit === undefined) return undefined;
  if (limit < 0) run.draft.fail(map.at('limit'), 'CG_POLICY_IMPORT_VALUE', `the limit is ${limit}`, 'write a number of at least 0');
  if (effect === 'deny') {
    run.draft.say('translated', rule.at('budget'), 'budget', 'left out of a rule that denies: it denies whatever was spent', id);
    return undefined;
  }
  run.draft.say('translated', rule.at('budget'), 'budget', 'a spent budget denies; there the next rule decided. Counted for each session', id);
  return { budget: { key: ['rule', 'session'], amount: celField(field.split('.')), max: limit } };
}

interface At {
  readonly foreign: Foreign;
  readonly run: Run;
  readonly permissive: boolean;
  readonly id: string;
}

function conditionOf(value: Value | undefined, path: NodePath, at: At, isNegated: boolean, depth: number): string | undefined {
  const { draft } = at.run;
  const map = openFields(at.foreign, value, path, ['field', 'op', 'value', 'all', 'any', 'not'], draft);
  if (map === undefined) return undefined;
  const kinds = ['all', 'any', 'not', 'field'].filter((key) => map.has(key));
  if (kinds.length !== 1 || depth > 24) {
    draft.fail(map.place, 'CG_POLICY_IMPORT_VALUE', depth > 24 ? 'nested too deeply' : 'a condition is one of field, all, any and not', 'write one of them');
    return undefined;
  }
  const [kind = ''] = kinds;
  if (kind === 'field') return leafOf(map, at, isNegated);
  if (map.has('op') || map.has('value')) draft.fail(map.place, 'CG_POLICY_IMPORT_KEY', `op and value do not go with ${kind}`, 'remove them');
  if (kind === 'not') {
    const inner = conditionOf(map.raw('not'), [...path, 'not'], at, !isNegated, depth + 1);
    return inner === undefined ? undefined : celNot(inner);
  }
  const list = map.list(kind) ?? [];
  if (list.length === 0) draft.fail(map.at(kind), 'CG_POLICY_IMPORT_VALUE', `${kind} is empty`, 'name a condition, or remove it');
  const parts = list.map((item, index) => conditionOf(item, [...path, kind, index], at, isNegated, depth + 1));
  const whole = parts.filter((part) => part !== undefined);
  return kind === 'all' ? celAnd(whole) : celOr(whole);
}

function leafOf(map: FieldReader, at: At, isNegated: boolean): string | undefined {
  if (!map.needs('field', 'op')) return undefined;
  const name = map.text('field');
  const op = map.oneOf('op', OPS);
  if (name === undefined || op === undefined) return undefined;
  const path = name.split('.');
  if (path.includes('')) {
    at.run.draft.fail(map.at('field'), 'CG_POLICY_IMPORT_VALUE', `"${shorten(name)}" is not a field`, 'write a.b');
    return undefined;
  }
  const field = celField(path);
  if (op === 'exists') {
    const wanted = map.has('value') ? map.flag('value') : true;
    return wanted === undefined ? undefined : wanted ? `has(${field})` : `!has(${field})`;
  }
  if (!map.has('value')) {
    map.needs('value');
    return undefined;
  }
  const test = testOf(op, field, map, at, isNegated);
  // Negative operators hold for a missing field there; here that is an error.
  return test === undefined || isNegated || op === 'ne' || op === 'not_in' ? test : `(has(${field}) && ${test})`;
}

const SIGNS = { eq: '==', ne: '!=', lt: '<', le: '<=', gt: '>', ge: '>=' } as const;
const METHODS = { startswith: 'startsWith', endswith: 'endsWith' } as const;

function testOf(op: Exclude<(typeof OPS)[number], 'exists'>, field: string, map: FieldReader, at: At, isNegated: boolean): string | undefined {
  const { draft } = at.run;
  const value = map.raw('value');
  switch (op) {
    case 'in':
    case 'not_in': {
      const list = map.list('value');
      const plain = list?.filter((item) => item === null || typeof item !== 'object');
      if (list === undefined || plain === undefined) return undefined;
      if (list.length === 0 || plain.length < list.length) {
        draft.fail(map.at('value'), 'CG_POLICY_IMPORT_VALUE', 'the list is empty, or holds lists or maps', 'list texts, numbers or truth values');
        return undefined;
      }
      const test = `${field} in ${celList(plain as (string | number | boolean | null)[])}`;
      return op === 'in' ? test : `!(${test})`;
    }
    case 'regex': {
      const source = map.text('value');
      if (source === undefined) return undefined;
      try {
        return `${field}.matches(${celPattern(toRe2(source, 'python', at.permissive !== isNegated))})`;
      } catch (cause) {
        draft.fail(map.at('value'), 'CG_POLICY_IMPORT_REGEX', `the pattern ${shorten(source)} cannot be carried: ${messageOf(cause)}`, 'rewrite it without that');
        return undefined;
      }
    }
    case 'startswith':
    case 'endswith': {
      const text = map.text('value');
      return text === undefined ? undefined : `${field}.${METHODS[op]}(${celText(text)})`;
    }
    default: {
      if (typeof value === 'object' && value !== null) {
        draft.fail(map.at('value'), 'CG_POLICY_IMPORT_TYPE', `${op} compares with a text, a number or a truth value`, 'write one');
        return undefined;
      }
      const literal = celLiteral(value ?? null);
      if (op !== 'contains') {
        if (SIGNS[op].length <= 2 && (op === 'eq' || op === 'ne' || typeof value === 'number' || typeof value === 'string'))
          return `${field} ${SIGNS[op]} ${literal}`;
        draft.fail(map.at('value'), 'CG_POLICY_IMPORT_TYPE', `${op} compares numbers or texts`, 'write a number');
        return undefined;
      }
      // A text contains a text; a list contains an element. `has(x[0])` holds for lists only.
      if (typeof value !== 'string') return `${literal} in ${field}`;
      return `(has(${field}[0]) ? (${literal} in ${field}) : ${field}.contains(${literal}))`;
    }
  }
}
