import type { PolicySource } from '../compile-documents.ts';
import type { Imported, OutRule } from './emit.ts';
import { type FieldReader, isFields, openFields } from './fields.ts';
import { conditionOf } from './mcp-gate-condition.ts';
import { type Foreign, readYaml } from './read.ts';
import type { Draft } from './report.ts';
import { celAnd, celField, celOr, celPattern, celText, exactName, globName } from './write.ts';

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
  survey(
    read.flatMap(({ rules }) => rules),
    run,
  );
  const defaults = roots.map(
    ({ root }) => root.oneOf('default_effect', ['allow', 'deny', 'require_approval']) ?? 'deny',
  );
  for (const [index, { root }] of roots.entries()) {
    root.needs('rules');
    if (root.has('version') && root.raw('version') !== '1' && root.raw('version') !== 1)
      draft.fail(root.at('version'), 'CG_POLICY_IMPORT_VALUE', 'only version "1" of mcp-gate policies is known');
    if (defaults[index] === 'allow')
      draft.say(
        'same',
        root.at('default_effect'),
        'default_effect: allow',
        'kept, and whatever no rule names passes: `default: deny` is safer',
      );
  }
  return {
    name: roots[0]?.root.text('name'),
    description: roots[0]?.root.text('description'),
    combine: 'first',
    default:
      defaults.includes('deny') || defaults.length === 0
        ? 'deny'
        : defaults.includes('require_approval')
          ? 'ask'
          : 'allow',
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
    const key = isFields(budget) ? budget['key'] : undefined;
    if (typeof key === 'string') run.budgets.set(key, (run.budgets.get(key) ?? 0) + 1);
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
    const when = conditionOf(rule.raw('when'), [...rule.path, 'when'], { foreign, draft, permissive }, false, 0);
    if (when !== undefined) parts.push(when);
  }
  const obligations = [redaction(rule, word, run, id), budgetOf(rule, effect, run, id)].filter(
    (part) => part !== undefined,
  );
  if (rule.has('budget') && effect === 'allow' && isShared(rule, run)) {
    effect = 'ask';
    const why = 'its budget is shared with other rules, which the language cannot say: the rule asks';
    notes.push(why);
    draft.say('refused', rule.at('budget'), `rule ${id}`, why, id);
  }
  const done = parts.length === 0 && obligations.length === 0 ? 'same' : 'translated';
  draft.say(
    done,
    rule.place,
    `rule ${id}`,
    `${word} is ${effect}${done === 'same' ? '' : '; a value of a wrong type never lets a call pass'}`,
    id,
  );
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
      const inner = glob
        .slice(i + 1, close)
        .replaceAll(/[\\[\]^]/g, '\\$&')
        .replace(/^!/, '^');
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
    run.draft.fail(
      rule.at('min_threat_score'),
      'CG_POLICY_IMPORT_VALUE',
      `min_threat_score is ${score}`,
      'write 0 to 1, or 0 to 100',
    );
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
    run.draft.say(
      'same',
      rule.at('redact_fields'),
      'redact_fields',
      'has no effect on a rule that denies; left out',
      id,
    );
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
  if (limit < 0)
    run.draft.fail(map.at('limit'), 'CG_POLICY_IMPORT_VALUE', `the limit is ${limit}`, 'write a number of at least 0');
  if (effect === 'deny') {
    run.draft.say(
      'translated',
      rule.at('budget'),
      'budget',
      'left out of a rule that denies: it denies whatever was spent',
      id,
    );
    return undefined;
  }
  run.draft.say(
    'translated',
    rule.at('budget'),
    'budget',
    'a spent budget denies; there the next rule decided. Counted for each session',
    id,
  );
  return { budget: { key: ['rule', 'session'], amount: celField(field.split('.')), max: limit } };
}
