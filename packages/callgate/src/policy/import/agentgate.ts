import { messageOf } from '../../model/error.ts';
import type { PolicySource } from '../compile-documents.ts';
import { type AgentgateCondition, conditionToCel, parseCondition, wholePatterns } from './agentgate-condition.ts';
import type { Imported, OutRule } from './emit.ts';
import { type FieldReader, openFields } from './fields.ts';
import type { ImportOptions } from './index.ts';
import { readToml } from './read.ts';
import { toRe2 } from './regex.ts';
import { type Draft, shorten } from './report.ts';
import { exactName } from './write.ts';

const RULE = [
  'id',
  'tool',
  'condition',
  'action',
  'message',
  'pattern',
  'replacement',
  'fields',
  'max_calls',
  'window_seconds',
];
const ACTIONS = ['allow', 'deny', 'redact', 'rate_limit'] as const;
const OF_ACTION: Readonly<Record<string, readonly string[]>> = {
  redact: ['pattern', 'replacement', 'fields'],
  rate_limit: ['max_calls', 'window_seconds'],
};

/**
 * AgentGate's TOML (the Rust one): first match in file order; `redact` and `rate_limit` only add what must happen, so that a
 * later deny still counts; what no rule matches is allowed.
 */
export async function importAgentgate(
  sources: readonly PolicySource[],
  draft: Draft,
  options: ImportOptions,
): Promise<Imported> {
  let name: string | undefined;
  let version: string | undefined;
  const rules: OutRule[] = [];
  for (const source of sources) {
    const foreign = await readToml(source, draft);
    const root =
      foreign === undefined ? undefined : openFields(foreign, foreign.value, [], ['metadata', 'rules'], draft);
    if (root === undefined || !root.needs('metadata')) continue;
    const metadata = root.map('metadata', ['name', 'version', 'description', 'author']);
    metadata?.needs('name', 'version');
    name ??= metadata?.text('name');
    version ??= metadata?.text('version');
    draft.say('same', root.place, 'no rule matches', 'allowed, as there; `default: deny` is safer');
    const own: OutRule[] = [];
    for (const index of (root.list('rules') ?? []).keys()) {
      const rule = root.item('rules', index, RULE);
      if (rule !== undefined) own.push(...readRule(rule, draft));
    }
    rules.push(...inOrder(own, options.order ?? 'readme', draft));
  }
  return {
    name,
    description: version === undefined ? undefined : `version ${version}`,
    combine: 'first',
    default: 'allow',
    notes: [
      'What no rule matches is allowed, as in AgentGate. Write `default: deny` when the rules name all you want.',
    ],
    rules,
  };
}

/** Rules in the order that decides: that of the file, or those that name a tool first. */
function inOrder(rules: readonly OutRule[], order: 'readme' | 'as-built', draft: Draft): readonly OutRule[] {
  const isWide = (rule: OutRule): boolean => rule.match['tool'] === '*';
  const deciding = rules.filter((rule) => rule.effect !== undefined);
  const firstWide = deciding.findIndex(isWide);
  const late = firstWide < 0 ? [] : deciding.slice(firstWide + 1).filter((rule) => !isWide(rule));
  for (const rule of late) {
    const why =
      order === 'readme'
        ? 'stands behind a rule for every tool, and is asked after it, as documented; the program asks it before (--order as-built)'
        : 'is asked before the rules for every tool, as the program is built; its README says file order';
    draft.say('translated', rule.from, `order of ${rule.id}`, why, rule.id);
  }
  return order === 'readme' ? rules : [...rules.filter((rule) => !isWide(rule)), ...rules.filter(isWide)];
}

function readRule(rule: FieldReader, draft: Draft): readonly OutRule[] {
  if (!rule.needs('id', 'tool', 'action')) return [];
  const wanted = rule.text('id');
  const tool = rule.text('tool');
  const action = rule.oneOf('action', ACTIONS);
  if (wanted === undefined || tool === undefined || action === undefined) return [];
  for (const [owner, keys] of Object.entries(OF_ACTION)) {
    for (const key of owner === action ? [] : keys.filter((key) => rule.has(key)))
      draft.fail(
        rule.at(key),
        'CG_POLICY_IMPORT_KEY',
        `${key} says nothing in a rule with action ${action}`,
        'remove it',
      );
  }
  const id = draft.id(wanted, rule.at('id'));
  const condition = conditionOf(rule, action === 'allow', id, draft);
  const reason = rule.text('message');
  const when = condition?.when;
  const base = { id, from: rule.place, match: { tool: tool === '*' ? '*' : exactName(tool) }, when, reason };
  if (action === 'allow' || action === 'deny') {
    draft.say(
      'same',
      rule.place,
      `rule ${id}`,
      action === 'deny' && when !== undefined ? 'a value of a wrong type denies' : `${action} stays ${action}`,
      id,
    );
    const out: OutRule = { ...base, effect: action };
    return condition?.isPartial === true && action === 'deny' ? [out, restOf(out, draft)] : [out];
  }
  const obligation = action === 'redact' ? redaction(rule, draft, id) : rate(rule, draft, id);
  const always = condition?.isPartial === true ? { ...base, when: undefined } : base;
  return obligation === undefined ? [] : [{ ...always, obligations: [obligation] }];
}

/** What a deny rule may have found in the JSON of the arguments, and cannot find in their texts, is asked. */
function restOf(rule: OutRule, draft: Draft): OutRule {
  const id = draft.id(`${rule.id}-rest`, rule.from);
  const why = 'its pattern looks at signs of JSON, which cannot be carried: what it does not find is asked';
  draft.say('refused', rule.from, `rule ${rule.id}`, why, id);
  return { id, from: rule.from, match: rule.match, effect: 'ask', reason: rule.reason, notes: [why] };
}

interface Condition {
  readonly when: string;
  /** Some of it cannot be said here. */
  readonly isPartial: boolean;
}

function conditionOf(rule: FieldReader, permissive: boolean, id: string, draft: Draft): Condition | undefined {
  const source = rule.text('condition');
  if (source === undefined) return undefined;
  let condition: AgentgateCondition;
  try {
    condition = parseCondition(source);
  } catch (cause) {
    draft.fail(rule.at('condition'), 'CG_POLICY_IMPORT_SYNTAX', `the condition does not parse: ${messageOf(cause)}`);
    return undefined;
  }
  try {
    const when = conditionToCel(condition, permissive);
    const patterns = wholePatterns(condition);
    for (const pattern of patterns) {
      const why = 'looked for in every key and value of the arguments, one by one, not in their JSON';
      draft.say('translated', rule.at('condition'), `contains_pattern '${shorten(pattern)}'`, why, id);
    }
    return { when, isPartial: patterns.some(seesJson) };
  } catch (cause) {
    draft.fail(
      rule.at('condition'),
      'CG_POLICY_IMPORT_REGEX',
      `a pattern of the condition cannot be carried: ${messageOf(cause)}`,
      'rewrite it: what look-ahead leaves out can be a rule before this one',
    );
    return undefined;
  }
}

/** Whether a pattern looks at what only the JSON text of the arguments has: quotes, braces, brackets. */
function seesJson(pattern: string): boolean {
  return pattern.includes('"') || /\\[{}[\]]/.test(pattern);
}

function redaction(rule: FieldReader, draft: Draft, id: string): Record<string, unknown> | undefined {
  const source = rule.text('pattern');
  const fields = rule.texts('fields');
  if (source === undefined && fields === undefined) {
    rule.needs('pattern');
    return undefined;
  }
  draft.say(
    'translated',
    rule.place,
    `rule ${id}`,
    'masks arguments and results, and later rules still count; there it ended the evaluation',
    id,
  );
  if (source !== undefined && fields !== undefined)
    draft.say(
      'translated',
      rule.at('fields'),
      'pattern and fields',
      'masks what the pattern finds anywhere, and these fields whole',
      id,
    );
  const replacement = rule.text('replacement');
  try {
    const pattern = source === undefined ? undefined : toRe2(source, 'rust');
    return { redact: { fields, pattern, replacement, on: 'both' } };
  } catch (cause) {
    draft.fail(rule.at('pattern'), 'CG_POLICY_IMPORT_REGEX', `the pattern cannot be carried: ${messageOf(cause)}`);
    return undefined;
  }
}

function rate(rule: FieldReader, draft: Draft, id: string): Record<string, unknown> | undefined {
  const max = rule.has('max_calls') ? rule.count('max_calls') : 100;
  const per = rule.has('window_seconds') ? rule.count('window_seconds') : 60;
  if (max === undefined || per === undefined) return undefined;
  draft.say('translated', rule.place, `rule ${id}`, 'a sliding window; later rules still count', id);
  return { rate: { max, per, key: ['rule'] } };
}
