import type { PolicySource } from '../compile-documents.ts';
import { compilePattern } from '../condition/pattern.ts';
import type { Imported, OutRule } from './emit.ts';
import { type FieldReader, openFields } from './fields.ts';
import { readYaml } from './read.ts';
import { toRe2 } from './regex.ts';
import { type Draft, failPattern, shorten } from './report.ts';
import { celAnd, celField, celOr, celPattern, celText, globName } from './write.ts';

const ROOT = ['version', 'name', 'description', 'rules'];
const RULE = [
  'id',
  'name',
  'description',
  'action',
  'priority',
  'tool_patterns',
  'argument_patterns',
  'arg_patterns',
  'taint_labels',
  'owasp_asi_id',
  'conditions',
  'enabled',
];
const ACTIONS = ['allow', 'deny', 'audit', 'sandbox', 'warn'] as const;
type Action = (typeof ACTIONS)[number];

/**
 * MCPGuard's YAML: of all rules that match the most restrictive wins, deny before sandbox, warn, audit, allow; what no rule
 * matches is denied, as its README says. A tool pattern that may be a glob counts in both readings where it restricts, and in
 * the narrower one where it allows.
 */
export function importMcpguard(sources: readonly PolicySource[], draft: Draft): Imported {
  const rules: OutRule[] = [];
  let name: string | undefined;
  let description: string | undefined;
  for (const source of sources) {
    const foreign = readYaml(source, draft);
    const root = foreign === undefined ? undefined : openFields(foreign, foreign.value, [], ROOT, draft);
    if (root === undefined || !root.needs('rules')) continue;
    name ??= root.text('name');
    description ??= root.text('description');
    draft.say('translated', root.place, 'no rule matches', 'denied, as its README says; its engine allows');
    for (const index of (root.list('rules') ?? []).keys()) {
      const rule = root.item('rules', index, RULE);
      if (rule !== undefined) rules.push(...readRule(rule, draft));
    }
  }
  return {
    name,
    description,
    combine: 'deny-overrides',
    default: 'deny',
    notes: ["Denied is what no rule matches, as MCPGuard's README says; its engine allows it."],
    rules,
  };
}

function readRule(rule: FieldReader, draft: Draft): OutRule[] {
  if (!rule.needs('id', 'action')) return [];
  const wanted = rule.text('id');
  const action = rule.oneOf('action', ACTIONS);
  if (wanted === undefined || action === undefined) return [];
  if (rule.has('priority')) {
    rule.number('priority');
    draft.say(
      'translated',
      rule.at('priority'),
      'priority',
      'ignored: the most restrictive rule wins, as its code has it',
    );
  }
  const description = [rule.text('name'), rule.text('description')].filter((text) => text !== undefined).join(': ');
  const tags = tagOf(rule, draft);
  const tools = toolsOf(rule, draft, action);
  const when = conditionsOf(rule, draft, action === 'allow');
  const lost = lostConditions(rule, draft, action, wanted);
  if (draft.issues.length > 0) return [];
  if (rule.flag('enabled') === false) {
    draft.say('same', rule.place, `rule ${shorten(wanted)}`, 'is switched off; left out');
    return [];
  }
  if (!['tool_patterns', 'argument_patterns', 'arg_patterns', 'taint_labels'].some((key) => rule.has(key)))
    draft.say(
      'same',
      rule.place,
      `rule ${shorten(wanted)}`,
      'names neither tools nor arguments nor labels: it matches every call',
    );
  const id = draft.id(wanted, rule.at('id'));
  const base = { from: rule.place, description, tags, when, notes: lost };
  const effect = action === 'deny' ? 'deny' : lost.length > 0 ? 'ask' : 'allow';
  const why = {
    allow: 'allow',
    deny: 'deny',
    audit: 'allow, and log',
    warn: 'allow, and alert',
    sandbox: 'allow in a sandbox; without one the call is denied',
  };
  draft.say(
    action === 'allow' || action === 'deny' ? 'same' : 'translated',
    rule.place,
    `rule ${id}`,
    `${action} is ${why[action]}`,
    id,
  );
  const duties = obligationsOf(action, description === '' ? `rule ${id}` : description);
  if (action === 'deny') return [{ ...base, id, match: { tool: tools.wide }, effect }];
  const isPlain = duties.length === 0 || (when === undefined && !tools.differ);
  if (isPlain) return [{ ...base, id, match: { tool: tools.narrow }, effect, obligations: duties }];
  // What must happen stands apart from what allows, so that it is not skipped where a condition cannot be told.
  const dutyId = draft.id(`${id}-${action}`, rule.place);
  return [
    { ...base, id: dutyId, match: { tool: tools.wide }, obligations: duties },
    { ...base, id, match: { tool: tools.narrow }, effect },
  ];
}

function obligationsOf(action: Action, description: string): Record<string, unknown>[] {
  if (action === 'audit') return [{ log: { message: description } }];
  if (action === 'warn') return [{ alert: { severity: 'medium', message: description } }];
  return action === 'sandbox' ? [{ sandbox: { profile: 'strict' } }] : [];
}

function tagOf(rule: FieldReader, draft: Draft): readonly string[] | undefined {
  const written = rule.text('owasp_asi_id');
  if (written === undefined || written === '') return undefined;
  const number = /^ASI[-_ ]?0?([1-9]|10)$/i.exec(written)?.[1];
  if (number === undefined) {
    draft.fail(
      rule.at('owasp_asi_id'),
      'CG_POLICY_IMPORT_VALUE',
      `there is no id "${shorten(written)}"`,
      'write ASI01 to ASI10',
    );
    return undefined;
  }
  return [`ASI${number.padStart(2, '0')}`];
}

interface Tools {
  /** Every reading of the patterns. */
  readonly wide: unknown;
  /** The reading that matches less. */
  readonly narrow: unknown;
  readonly differ: boolean;
}

function toolsOf(rule: FieldReader, draft: Draft, action: Action): Tools {
  const patterns = rule.texts('tool_patterns');
  if (patterns === undefined) return { wide: '*', narrow: '*', differ: false };
  const wide: unknown[] = [];
  const narrow: unknown[] = [];
  let differ = false;
  for (const pattern of patterns) {
    const glob = isGlob(pattern) ? globName(pattern) : undefined;
    const regex = fullPattern(pattern, glob !== undefined, rule, draft, action === 'allow');
    const isName = /^[A-Za-z0-9_/:-]+$/.test(pattern);
    if (isName) {
      wide.push(pattern);
      narrow.push(pattern);
      continue;
    }
    if (glob !== undefined) {
      differ = true;
      const why = action === 'deny' ? 'both readings deny' : 'read as a glob where it allows';
      draft.say(
        'translated',
        rule.at('tool_patterns'),
        `tool pattern ${shorten(pattern)}`,
        `is a glob in its docs and a regular expression in its code: ${why}`,
      );
    }
    if (regex !== undefined) wide.push({ regex });
    if (glob !== undefined) wide.push(glob);
    narrow.push(glob ?? { regex });
  }
  const one = (list: readonly unknown[]): unknown => (list.length === 1 ? list[0] : list);
  return { wide: one(wide), narrow: one(narrow), differ };
}

/** Whether a pattern can be meant as a glob: a name with `*` or `?` that do not stand behind what a pattern would repeat. */
function isGlob(pattern: string): boolean {
  return /^[A-Za-z0-9_./:*?-]+$/.test(pattern) && !/\.[*?]/.test(pattern) && /[*?.]/.test(pattern);
}

function fullPattern(
  source: string,
  mayFail: boolean,
  rule: FieldReader,
  draft: Draft,
  permissive: boolean,
): string | undefined {
  try {
    const whole = `^(?:${toRe2(source, 'python', permissive)})$`;
    compilePattern(whole);
    return whole;
  } catch (cause) {
    if (!mayFail) failPattern(draft, rule.at('tool_patterns'), source, cause);
    return undefined;
  }
}

function conditionsOf(rule: FieldReader, draft: Draft, permissive: boolean): string | undefined {
  const parts: string[] = [];
  if (rule.has('argument_patterns') && rule.has('arg_patterns'))
    draft.fail(
      rule.at('arg_patterns'),
      'CG_POLICY_IMPORT_KEY',
      'argument_patterns is there already',
      'keep one of them',
    );
  for (const key of ['argument_patterns', 'arg_patterns']) {
    const map = rule.map(key, undefined);
    for (const name of map?.keys() ?? []) {
      const source = map?.text(name);
      if (map === undefined || source === undefined) continue;
      try {
        const field = celField([name]);
        parts.push(`has(${field}) && ${field}.matches(${celPattern(toRe2(source, 'python', permissive))})`);
      } catch (cause) {
        failPattern(draft, map.at(name), source, cause);
      }
    }
    if (map !== undefined)
      draft.say('translated', rule.at(key), key, 'searched in texts; a value of another type never lets a call pass');
  }
  const labels = rule.texts('taint_labels');
  if (labels !== undefined) {
    draft.say('same', rule.at('taint_labels'), 'taint_labels', 'one of them is enough');
    parts.push(celOr(labels.map((label) => `${celText(label)} in labels`)));
  }
  return parts.length === 0 ? undefined : celAnd(parts);
}

function lostConditions(rule: FieldReader, draft: Draft, action: Action, id: string): string[] {
  const map = rule.map('conditions', undefined);
  if (map === undefined || map.keys().length === 0) return [];
  const why = `conditions ${map.keys().map(shorten).join(', ')} have no meaning written down`;
  const then = action === 'deny' ? 'the rule denies without them' : 'the rule asks instead of allowing';
  draft.say('refused', rule.at('conditions'), `rule ${shorten(id)}`, `${why}: ${then}`);
  return [`${why}: ${then}`];
}
