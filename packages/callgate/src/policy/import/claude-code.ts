import type { Place } from '../../model/error.ts';
import type { PolicySource } from '../compile-documents.ts';
import { bashCondition, pathCondition } from './claude-code-patterns.ts';
import type { Imported, OutRule } from './emit.ts';
import { type FieldReader, isFields, openFields } from './fields.ts';
import { readYaml } from './read.ts';
import { type Draft, shorten } from './report.ts';
import { exactName, globName, operand } from './write.ts';

const KEYS = ['allow', 'deny', 'ask', 'defaultMode', 'additionalDirectories', 'disableBypassPermissionsMode'];
const MODES = ['default', 'acceptEdits', 'plan', 'bypassPermissions', 'dontAsk', 'auto'] as const;
const LISTS = ['deny', 'ask', 'allow'] as const;
type List = (typeof LISTS)[number];

/** The server under which the hook reports Claude Code's own tools; a rule that allows counts for it alone. */
const OWN_SERVER = 'claude-code';
const EDIT_TOOLS = ['Edit', 'MultiEdit', 'Write'];
const PATH_TOOLS: Readonly<Record<string, readonly { readonly tools: readonly string[]; readonly field: string }[]>> = {
  Read: [
    { tools: ['Read'], field: 'file_path' },
    { tools: ['NotebookRead'], field: 'notebook_path' },
    { tools: ['Glob', 'Grep', 'LS'], field: 'path' },
  ],
  Edit: [
    { tools: EDIT_TOOLS, field: 'file_path' },
    { tools: ['NotebookEdit'], field: 'notebook_path' },
  ],
  Glob: [{ tools: ['Glob'], field: 'path' }],
  Grep: [{ tools: ['Grep'], field: 'path' }],
  LS: [{ tools: ['LS'], field: 'path' }],
  NotebookEdit: [{ tools: ['NotebookEdit'], field: 'notebook_path' }],
  NotebookRead: [{ tools: ['NotebookRead'], field: 'notebook_path' }],
};

/**
 * The permissions of Claude Code's settings.json: deny before ask before allow, whatever the order; what none names is asked.
 * Several files (managed, user, project) unite.
 */
export function importClaudeCode(sources: readonly PolicySource[], draft: Draft): Imported {
  const rules: OutRule[] = [];
  const defaults = new Set<'ask' | 'deny'>();
  for (const source of sources) {
    const foreign = readYaml(source, draft);
    const root = foreign === undefined ? undefined : openFields(foreign, foreign.value, [], undefined, draft);
    if (root === undefined || !root.needs('permissions')) continue;
    const others = root.keys().filter((name) => name !== 'permissions' && name !== '$schema');
    if (others[0] !== undefined)
      draft.say(
        'refused',
        root.at(others[0]),
        shorten(others.join(', ')),
        `${others.length === 1 ? 'is no permission' : 'are no permissions'}; nothing of it is imported`,
      );
    const permissions = root.map('permissions', KEYS);
    if (permissions === undefined) continue;
    const mode = modeOf(permissions, draft);
    defaults.add(mode === 'dontAsk' ? 'deny' : 'ask');
    for (const key of ['additionalDirectories', 'disableBypassPermissionsMode']) {
      if (permissions.has(key))
        draft.say('refused', permissions.at(key), key, 'is a setting of the client, not a permission');
    }
    if (mode === 'plan') rules.push(planRule(permissions.at('defaultMode'), draft));
    for (const list of LISTS) {
      const items = permissions.list(list) ?? [];
      for (const [index, item] of items.entries()) {
        const place = foreign?.at(['permissions', list, index]) ?? permissions.at(list);
        if (typeof item === 'string') rules.push(...readPermission(item, list, mode, place, draft));
        else
          draft.fail(
            place,
            'CG_POLICY_IMPORT_TYPE',
            `${list} names something that is no text`,
            'write a rule such as "Bash(ls:*)"',
          );
      }
    }
  }
  return {
    name: 'Claude Code permissions',
    combine: 'deny-overrides',
    default: defaults.has('deny') ? 'deny' : 'ask',
    notes: [
      `Claude Code's own tools are those of the server ${OWN_SERVER}; each is asked about unless a rule says otherwise.`,
    ],
    rules: withSearches(rules, draft),
  };
}

function modeOf(permissions: FieldReader, draft: Draft): (typeof MODES)[number] {
  const mode = permissions.oneOf('defaultMode', MODES);
  if (mode === undefined) return 'default';
  const why = {
    default: 'what no rule names is asked; reading files is asked too, which Claude Code just does',
    acceptEdits: 'edits are asked: an import never allows by itself',
    plan: 'tools that edit are denied, the rest is asked',
    bypassPermissions: 'what no rule names is asked: an import never allows everything',
    dontAsk: 'what no rule allows is denied',
    auto: 'what no rule names is asked: nothing here decides in its place',
  } as const;
  draft.say(
    mode === 'bypassPermissions' || mode === 'auto' ? 'refused' : 'translated',
    permissions.at('defaultMode'),
    `defaultMode ${mode}`,
    why[mode],
  );
  return mode;
}

function planRule(place: Place, draft: Draft): OutRule {
  const id = draft.id('plan-mode', place, true);
  return {
    id,
    from: place,
    match: { tool: [...EDIT_TOOLS, 'NotebookEdit'] },
    effect: 'deny',
    reason: 'plan mode: nothing is edited',
  };
}

/** A rule such as `Bash(npm run test:*)`, `Read(./.env)`, `WebFetch(domain:example.com)`, `mcp__server__tool`. */
function readPermission(text: string, list: List, mode: string, place: Place, draft: Draft): OutRule[] {
  const parsed = /^(\*|[A-Za-z][A-Za-z0-9_*.-]*)(?:\((.*)\))?$/s.exec(text.trim());
  if (parsed === null || text.length > 1_000) {
    draft.fail(
      place,
      'CG_POLICY_IMPORT_SYNTAX',
      `"${shorten(text)}" is no rule`,
      'write Tool, Tool(...) or mcp__server__tool',
    );
    return [];
  }
  const [, tool = '', inside] = parsed;
  const effect = list === 'ask' && mode === 'dontAsk' ? 'deny' : list;
  const specifier = inside === undefined || inside.trim() === '*' || inside.trim() === '' ? undefined : inside.trim();
  const rule: Permission = { text, tool, specifier, effect, place, draft, reason: `${list}: ${text}` };
  if (tool.startsWith('mcp__')) return mcpRules(rule);
  if (specifier === undefined) return [whole(rule)];
  if (specifier === ':*')
    return [effect === 'allow' ? lostRule(rule, 'a prefix that is empty is not taken for every command') : whole(rule)];
  if (tool === 'Bash') return [bashRule(rule, specifier)];
  if (tool === 'WebFetch') return [fetchRule(rule, specifier)];
  const groups = groupsOf(tool, list);
  if (groups !== undefined)
    return groups.map(({ tools, field }, index) => pathRule({ ...rule, isSaid: index > 0 }, specifier, tools, field));
  return [lostRule(rule, `what stands in the brackets of ${tool} cannot be carried`)];
}

interface Permission {
  readonly text: string;
  readonly tool: string;
  readonly specifier: string | undefined;
  readonly effect: 'allow' | 'ask' | 'deny';
  readonly place: Place;
  readonly draft: Draft;
  readonly reason: string;
  /** Whether the report has its line already: one permission may become several rules. */
  readonly isSaid?: boolean;
}

/** Tools that a rule for paths is about; a rule for one tool that edits denies all of them. */
function groupsOf(tool: string, list: List): (typeof PATH_TOOLS)[string] | undefined {
  if (tool === 'Write' || tool === 'MultiEdit')
    return list === 'allow' ? [{ tools: [tool], field: 'file_path' }] : PATH_TOOLS['Edit'];
  return Object.hasOwn(PATH_TOOLS, tool) ? PATH_TOOLS[tool] : undefined;
}

function base(rule: Permission, tools: readonly string[], fate: 'same' | 'translated', why: string): OutRule {
  const id = rule.draft.id(
    `${rule.effect}-${rule.text.replaceAll(/\W+/g, '-').replace(/-$/, '')}`.slice(0, 80),
    rule.place,
    true,
  );
  if (rule.isSaid !== true) rule.draft.say(fate, rule.place, rule.text, why, id);
  const names = tools.map((tool) => (tool.includes('*') ? globName(tool) : exactName(tool)));
  return {
    id,
    from: rule.place,
    match: {
      ...(rule.effect === 'allow' ? { server: OWN_SERVER } : {}),
      tool: names.length === 1 ? names[0] : names,
    },
    effect: rule.effect,
    reason: rule.reason,
  };
}

function whole(rule: Permission): OutRule {
  const tools = rule.tool === 'Edit' && rule.effect !== 'allow' ? [...EDIT_TOOLS, 'NotebookEdit'] : [rule.tool];
  return base(rule, tools, 'same', `every call of ${tools.join(', ')}`);
}

function lostRule(rule: Permission, why: string): OutRule {
  const isAllow = rule.effect === 'allow';
  const then = isAllow
    ? `${why}: the rule asks instead of allowing`
    : `${why}: the rule holds for every call of ${rule.tool}`;
  const out = base({ ...rule, effect: isAllow ? 'ask' : rule.effect }, [rule.tool], 'translated', then);
  if (rule.isSaid !== true) rule.draft.say('refused', rule.place, rule.text, then, out.id);
  return { ...out, notes: [then] };
}

function mcpRules(rule: Permission): OutRule[] {
  const [server = '', ...rest] = rule.tool.slice('mcp__'.length).split('__');
  const tool = rest.join('__');
  if (rule.specifier !== undefined) return [mcpRule(rule, server, tool, 'ask')];
  return [mcpRule(rule, server, tool, rule.effect)];
}

function mcpRule(rule: Permission, server: string, tool: string, wanted: 'allow' | 'ask' | 'deny'): OutRule {
  const isLost = rule.specifier !== undefined;
  const effect = isLost && rule.effect === 'deny' ? 'deny' : wanted;
  const why = isLost
    ? 'what stands in the brackets of an MCP tool cannot be carried: the rule does without'
    : 'server and tool by their names';
  const out = base({ ...rule, effect }, ['*'], 'translated', why);
  if (isLost) rule.draft.say('refused', rule.place, rule.text, why, out.id);
  return {
    ...out,
    match: { server: globName(server === '' ? '*' : server), tool: tool === '' ? '*' : globName(tool) },
  };
}

function bashRule(rule: Permission, specifier: string): OutRule {
  const why =
    rule.effect === 'allow'
      ? 'one command and nothing chained, substituted or redirected'
      : 'found at the start of any command of the line; `shell` in args sees more';
  return { ...base(rule, ['Bash'], 'translated', why), when: bashCondition(specifier, rule.effect === 'allow') };
}

function fetchRule(rule: Permission, specifier: string): OutRule {
  const domain = /^domain:\s*([A-Za-z0-9*.-]+)$/.exec(specifier)?.[1]?.toLowerCase();
  if (domain === undefined) return lostRule(rule, 'only domain:<name> is known of WebFetch');
  const isWide = rule.effect !== 'allow' && !domain.startsWith('*.');
  const out = base(
    rule,
    ['WebFetch'],
    isWide ? 'translated' : 'same',
    isWide ? 'its subdomains too' : 'the host of the URL',
  );
  return { ...out, args: { url: { host: isWide ? [domain, `*.${domain}`] : domain } } };
}

function pathRule(rule: Permission, specifier: string, tools: readonly string[], field: string): OutRule {
  const test = pathCondition(specifier, field, rule.effect === 'allow');
  if (test === undefined)
    return lostRule({ ...rule, tool: tools[0] ?? rule.tool }, 'a pattern of this form cannot be carried for a path');
  const out = base(rule, tools, 'translated', test.why);
  if (test.roots !== undefined && field !== 'path') return { ...out, args: { [field]: { under: test.roots } } };
  const inside = test.roots === undefined ? test.when : `under(args.${field}, ${JSON.stringify(test.roots[0])})`;
  // A search without a path begins where the session is.
  return { ...out, when: field === 'path' ? `has(args.path) && ${inside}` : inside };
}

/** A search from above reads what Read(...) denies, and no path shows it: it is asked. */
function withSearches(rules: readonly OutRule[], draft: Draft): readonly OutRule[] {
  const denied = rules.find(
    (rule) =>
      rule.effect === 'deny' && isFields(rule.match as never) && rule.reason?.startsWith('deny: Read(') === true,
  );
  if (denied === undefined) return rules;
  const id = draft.id('ask-Grep', denied.from, true);
  const why = 'a search may read files that Read(...) denies: it is asked';
  draft.say('translated', denied.from, 'Grep', why, id);
  return [
    ...rules,
    { id, from: denied.from, match: { tool: 'Grep' }, effect: 'ask', reason: why, notes: [operand(why)] },
  ];
}
