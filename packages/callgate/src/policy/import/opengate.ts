import type { Place } from '../../model/error.ts';
import type { PolicySource } from '../compile-documents.ts';
import { HINTS } from '../document/annotations.ts';
import type { Imported, ImportedServer, OutRule } from './emit.ts';
import { type FieldReader, isFields, openFields } from './fields.ts';
import type { ImportOptions } from './index.ts';
import { type Foreign, readYaml, type Value } from './read.ts';
import { toRe2 } from './regex.ts';
import { type Draft, failPattern, shorten } from './report.ts';
import { celPattern, exactName, globName, operand } from './write.ts';

const ROOT = ['version', 'default', 'name', 'description', 'extends', 'imports', 'settings', 'rules'];
const WRAPPER = ['policy', 'server', 'audit'];
const RULE = ['id', 'description', 'match', 'action', 'reason', 'rateLimit', 'approval'];
const OPERATORS = ['startsWith', 'endsWith', 'contains', 'regex', 'equals', 'in', 'not'];
const EFFECTS = { allow: 'allow', block: 'deny', 'require-approval': 'ask' } as const;
const MAX_FILES = 64;

/**
 * OpenGate's YAML: first match wins; own rules, then those of `extends`, then those of `imports`, spliced into one file.
 * A condition on a missing argument is false, under `not` it is an error; all operators of a matcher must hold.
 */
export function importOpengate(
  sources: readonly PolicySource[],
  draft: Draft,
  options: ImportOptions,
): Imported | undefined {
  const run: Run = { draft, options, open: [], done: new Set(), rules: [], effect: 'allow', server: undefined };
  let defaults: ('allow' | 'deny')[] = [];
  let name: string | undefined;
  for (const source of sources) {
    const part = addFile(source, run, true);
    name ??= part?.name;
    defaults = part?.default === undefined ? defaults : [...defaults, part.default];
  }
  return {
    name,
    combine: 'first',
    default: defaults.includes('deny') || defaults.length === 0 ? 'deny' : 'allow',
    notes: [],
    rules: run.rules,
    server: run.server,
  };
}

interface Run {
  readonly draft: Draft;
  readonly options: ImportOptions;
  readonly open: string[];
  readonly done: Set<string>;
  readonly rules: OutRule[];
  effect: 'allow' | 'deny' | 'ask';
  /** The one that the wrapper starts. */
  server: ImportedServer | undefined;
}

interface FilePart {
  readonly name: string | undefined;
  readonly default: 'allow' | 'deny' | undefined;
}

function addFile(source: PolicySource, run: Run, needsDefault: boolean): FilePart | undefined {
  const { draft } = run;
  const foreign = readYaml(source, draft);
  if (foreign === undefined) return undefined;
  const root = rootOf(foreign, run);
  if (root === undefined) return undefined;
  run.done.add(source.file);
  run.open.push(source.file);
  root.needs('version');
  const parentPath = root.text('extends');
  const own = root.oneOf('default', ['allow', 'deny']);
  if (own === undefined && !root.has('default') && parentPath === undefined && needsDefault) root.needs('default');
  root.text('description');
  settings(root.map('settings', ['rateLimit', 'audit']), run);
  for (const index of (root.list('rules') ?? []).keys()) {
    const rule = root.item('rules', index, RULE);
    if (rule !== undefined) addRule(rule, foreign, run);
  }
  const parent = parentPath === undefined ? undefined : follow(parentPath, root.at('extends'), foreign.file, run, true);
  for (const path of root.texts('imports') ?? []) {
    const part = follow(path, root.at('imports'), foreign.file, run, false);
    if (part?.default !== undefined)
      draft.say(
        'same',
        root.at('imports'),
        `default of ${path}`,
        'ignored, as OpenGate ignores the default of an import',
      );
  }
  run.open.pop();
  const effect = own ?? parent?.default;
  if (own === 'allow')
    draft.say(
      'same',
      root.at('default'),
      'default: allow',
      'kept, and whatever no rule names passes: `default: deny` is safer',
    );
  else if (own !== undefined)
    draft.say(
      'translated',
      root.at('default'),
      'default: deny',
      'also denies prompts and resources that no rule names',
    );
  return { name: root.text('name') ?? parent?.name, default: effect };
}

/** The policy itself, out of its wrapper when there is one. */
function rootOf(foreign: Foreign, run: Run): FieldReader | undefined {
  const { value } = foreign;
  const isWrapped = isFields(value) && Object.hasOwn(value, 'policy');
  if (!isWrapped) return openFields(foreign, value, [], ROOT, run.draft);
  const wrapper = openFields(foreign, value, [], WRAPPER, run.draft);
  run.server ??= serverOf(wrapper?.map('server', ['command', 'args', 'env']), run.draft);
  if (wrapper?.has('audit') === true) {
    const why = 'is not part of a policy: where evidence lies is set in callgate.yaml';
    run.draft.say('refused', wrapper.at('audit'), 'audit', why);
  }
  return wrapper?.map('policy', ROOT);
}

function serverOf(server: FieldReader | undefined, draft: Draft): ImportedServer | undefined {
  if (server?.needs('command') !== true) return undefined;
  const command = server.text('command');
  if (command === undefined) return undefined;
  const variables = server.map('env', undefined);
  const env = Object.fromEntries((variables?.keys() ?? []).map((name) => [name, variables?.text(name) ?? '']));
  draft.say('translated', server.place, 'server', 'becomes a server of callgate.yaml (--config-out)');
  return { command, args: server.texts('args') ?? [], env };
}

function follow(path: string, place: Place, from: string, run: Run, isParent: boolean): FilePart | undefined {
  const { draft } = run;
  const source = run.options.read?.(path, from);
  if (source === undefined) {
    draft.fail(
      place,
      'CG_POLICY_IMPORT_FILE',
      `the file ${shorten(path)} that this one names cannot be read`,
      'put it there',
    );
    return undefined;
  }
  if (run.open.includes(source.file)) {
    draft.fail(
      place,
      'CG_POLICY_IMPORT_FILE',
      `${shorten(path)} leads back to itself`,
      'take one of the references out',
    );
    return undefined;
  }
  if (run.done.size >= MAX_FILES) {
    draft.fail(place, 'CG_POLICY_IMPORT_FILE', `more than ${MAX_FILES} files name each other`);
    return undefined;
  }
  draft.say('same', place, `${isParent ? 'extends' : 'imports'} ${shorten(path)}`, 'its rules are spliced in here');
  return addFile(source, run, isParent);
}

function settings(map: FieldReader | undefined, run: Run): void {
  if (map === undefined) return;
  if (map.has('audit'))
    run.draft.say(
      'refused',
      map.at('audit'),
      'settings.audit',
      'is not part of a policy: evidence is always kept; see callgate.yaml',
    );
  const rate = rateOf(map.map('rateLimit', ['window', 'maxCalls']));
  if (rate === undefined) return;
  const id = run.draft.id('settings-rate-limit', map.at('rateLimit'));
  run.draft.say('translated', map.at('rateLimit'), 'settings.rateLimit', 'one count for all calls of tools', id);
  run.rules.push({
    id,
    from: map.at('rateLimit'),
    match: { tool: '*' },
    obligations: [{ rate: { ...rate, key: ['rule'] } }],
  });
}

function rateOf(map: FieldReader | undefined): { max: number; per: number } | undefined {
  if (map === undefined || !map.needs('window', 'maxCalls')) return undefined;
  const max = map.count('maxCalls');
  const per = map.count('window');
  return max === undefined || per === undefined ? undefined : { max, per };
}

function addRule(rule: FieldReader, foreign: Foreign, run: Run): void {
  const { draft } = run;
  if (!rule.needs('id', 'match', 'action')) return;
  const action = rule.oneOf('action', ['allow', 'block', 'require-approval']);
  const wanted = rule.text('id');
  const match = rule.map('match', ['server', 'tool', 'arguments', 'annotations']);
  if (action === undefined || wanted === undefined || match === undefined) return;
  const id = draft.id(wanted, rule.at('id'));
  run.effect = EFFECTS[action];
  const lost: string[] = [];
  const notes: string[] = [];
  const conditions: string[] = [];
  const server = match.text('server');
  const tool = toolOf(match, foreign, run, conditions);
  const annotations = annotationsOf(match.map('annotations', undefined), lost);
  const args = argumentsOf(match.map('arguments', undefined), foreign, run, lost);
  const obligations = obligationsOf(rule, run, action);
  const approval = rule.map('approval', ['timeout', 'message']);
  const reason = approval?.text('message') ?? rule.text('reason');
  if (approval?.has('timeout') === true) {
    approval.count('timeout');
    draft.say(
      'refused',
      approval.at('timeout'),
      'approval.timeout',
      'how long a person has is a setting of the gate',
      id,
    );
  }
  if (annotations !== undefined)
    draft.say(
      'translated',
      match.at('annotations'),
      'annotations',
      'believed only where the operator trusts the server: stricter',
      id,
    );
  for (const why of lost) {
    draft.say('refused', rule.place, `rule ${id}`, `${why}: ${instead(action)}`, id);
    notes.push(`${why}: ${instead(action)}`);
  }
  if (lost.length === 0)
    draft.say(
      action === 'allow' || args === undefined ? 'same' : 'translated',
      rule.place,
      `rule ${id}`,
      args === undefined ? `${action} is ${run.effect}` : 'wrong types and missing values under `not` deny or ask',
      id,
    );
  run.rules.push({
    id,
    from: rule.place,
    description: rule.text('description'),
    match: {
      ...(server === undefined ? {} : { server: exactName(server) }),
      tool: tool ?? '*',
      ...(annotations === undefined ? {} : { annotations }),
    },
    args,
    when: conditions.length === 0 ? undefined : conditions.join(' && '),
    effect: lost.length > 0 && action === 'allow' ? 'ask' : run.effect,
    reason,
    obligations,
    notes,
  });
}

function instead(action: string): string {
  return action === 'allow' ? 'the rule asks instead of allowing' : 'the rule matches without it';
}

/** A glob, or `{ glob, regex, equals }` of which all must hold. */
function toolOf(match: FieldReader, foreign: Foreign, run: Run, conditions: string[]): unknown {
  if (!match.has('tool')) return undefined;
  const raw = match.raw('tool');
  if (typeof raw === 'string') return globName(raw);
  const tool = openFields(foreign, raw, [...match.path, 'tool'], ['glob', 'regex', 'equals'], run.draft);
  if (tool === undefined) return undefined;
  if (tool.keys().length === 0) tool.needs('equals');
  const regex = patternOf(tool, 'regex', run);
  const glob = tool.text('glob');
  const equals = tool.text('equals');
  if (tool.keys().length > 1)
    run.draft.say(
      'translated',
      match.at('tool'),
      'several operators on tool',
      'all of them must hold; OpenGate heeds the first only',
    );
  const names = [equals === undefined ? undefined : exactName(equals), glob === undefined ? undefined : globName(glob)];
  const [first, second] = names.filter((name) => name !== undefined);
  if (second !== undefined) conditions.push(`glob(tool, ${celPattern(second)})`);
  if (first === undefined) return regex === undefined ? undefined : { regex };
  if (regex !== undefined) conditions.push(`tool.matches(${celPattern(regex)})`);
  return first;
}

function patternOf(map: FieldReader, key: string, run: Run): string | undefined {
  const source = map.text(key);
  if (source === undefined) return undefined;
  try {
    return toRe2(source, 'js', run.effect === 'allow');
  } catch (cause) {
    failPattern(run.draft, map.at(key), source, cause, 'rewrite it without that, or as two rules');
    return undefined;
  }
}

function annotationsOf(map: FieldReader | undefined, lost: string[]): Record<string, boolean> | undefined {
  if (map === undefined) return undefined;
  const out: Record<string, boolean> = {};
  for (const key of map.keys()) {
    const hint = HINTS.find((name) => name === key);
    const value = map.raw(key);
    if (hint === undefined || typeof value !== 'boolean')
      lost.push(`the annotation ${shorten(key)} is no hint that is true or false`);
    else out[hint] = value;
  }
  return Object.keys(out).length === 0 ? undefined : out;
}

function argumentsOf(
  map: FieldReader | undefined,
  foreign: Foreign,
  run: Run,
  lost: string[],
): Record<string, unknown> | undefined {
  if (map === undefined || map.keys().length === 0) return undefined;
  // A field may be called __proto__.
  const out: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const key of map.keys()) {
    const field = key.replaceAll('\\', '\\\\');
    const isNamed = key !== '*' && key !== 'anyString' && key.split('.').every((part) => part !== '');
    const parts = matcherOf(map.raw(key), [...map.path, key], foreign, run, lost);
    if (!isNamed) {
      lost.push(`the argument "${shorten(key)}" has a name that the language reads otherwise`);
    } else if (parts !== undefined) {
      // A missing argument makes the positive operators false; where there is only `not`, it is an error.
      const isPositive = parts.some((part) => !Object.hasOwn(part, 'not'));
      const all = isPositive ? [{ exists: true }, ...parts] : parts;
      out[field] = all.length === 1 ? all[0] : { allOf: all };
    }
  }
  return Object.keys(out).length === 0 ? undefined : out;
}

type Part = Readonly<Record<string, unknown>>;

function matcherOf(
  value: Value | undefined,
  path: readonly (string | number)[],
  foreign: Foreign,
  run: Run,
  lost: string[],
  depth = 0,
): readonly Part[] | undefined {
  if (typeof value === 'string') return [{ glob: globName(value) }];
  const map = openFields(foreign, value, path, OPERATORS, run.draft);
  if (map === undefined) return undefined;
  if (map.keys().length === 0) {
    run.draft.fail(
      map.place,
      'CG_POLICY_IMPORT_MISSING',
      'a matcher without an operator',
      `name one of ${OPERATORS.join(', ')}`,
    );
    return undefined;
  }
  if (map.keys().length > 1)
    run.draft.say(
      'translated',
      map.place,
      'several operators on an argument',
      'all of them must hold; OpenGate heeds the first only',
    );
  const parts: Part[] = [];
  for (const key of ['startsWith', 'endsWith', 'contains'] as const) {
    const text = map.text(key);
    if (text !== undefined) parts.push({ [key]: operand(text) });
  }
  const regex = patternOf(map, 'regex', run);
  if (regex !== undefined) parts.push({ regex });
  for (const key of ['equals', 'in'] as const) {
    if (!map.has(key)) continue;
    const values = key === 'equals' ? [map.raw(key)] : (map.list(key) ?? []);
    if (key === 'in' && values.length === 0) map.texts(key);
    const plain = values.filter((item) => item === null || typeof item !== 'object');
    if (plain.length < values.length) lost.push(`${key} names a list or an object`);
    else parts.push(key === 'equals' ? { equals: operand(plain[0]) } : { in: plain.map(operand) });
  }
  if (map.has('not')) {
    const outer = run.effect;
    // What is negated matches more when its pattern matches less.
    run.effect = outer === 'allow' ? 'deny' : 'allow';
    const inner = depth > 16 ? undefined : matcherOf(map.raw('not'), [...path, 'not'], foreign, run, lost, depth + 1);
    run.effect = outer;
    if (inner?.length === 1) parts.push({ not: inner[0] });
    else if (inner !== undefined) parts.push({ not: { allOf: inner } });
  }
  return parts.length === 0 ? undefined : parts;
}

function obligationsOf(rule: FieldReader, run: Run, action: string): Part[] {
  const rate = rateOf(rule.map('rateLimit', ['window', 'maxCalls']));
  if (rate === undefined) return [];
  if (action === 'block') {
    run.draft.say('same', rule.at('rateLimit'), 'rateLimit', 'has no effect on a rule that blocks; left out');
    return [];
  }
  run.draft.say('same', rule.at('rateLimit'), 'rateLimit', 'counted for each tool');
  return [{ rate: { ...rate, key: ['rule', 'tool'] } }];
}
