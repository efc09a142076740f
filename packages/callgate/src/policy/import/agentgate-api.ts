import type { PolicySource } from '../compile-documents.ts';
import { compileZone, type Weekday, WEEKDAYS } from '../condition/time.ts';
import { forHttp, forTools, type RequestTest as Test, takeTool } from './agentgate-api-requests.ts';
import type { Imported, OutRule } from './emit.ts';
import { type FieldReader, isFields, openFields } from './fields.ts';
import { type Foreign, readYaml, type Value } from './read.ts';
import { type Draft, shorten } from './report.ts';
import { celAnd, celList, celOr, celText } from './write.ts';

const ROOT = [
  'name',
  'description',
  'version',
  'rules',
  'default_effect',
  'default_reason',
  'rate_limit',
  'time_restrictions',
];
const RULE = ['resource', 'methods', 'intent', 'effect', 'reason', 'conditions', 'description', 'name'];
const CONDITION = ['resource', 'methods', 'intent', 'conditions', 'and', 'or'];
const INTENTS = ['read', 'create', 'update', 'delete', 'query', 'unknown'];
const HTTP = 'has(http.path)';
/** Every request that the proxy would have judged. */
const REQUESTS = { match: { method: '*', direction: 'call' }, when: `(${HTTP} || method == "tools/call")` };

/**
 * The YAML of AgentGate's API proxy (the Python one): time first, then limits, then the first rule that matches. Tools of MCP
 * stand there as `POST /mcp/tools/<name>`; each rule becomes one for tools and one for HTTP requests, as far as it can match them.
 */
export function importAgentgateApi(sources: readonly PolicySource[], draft: Draft): Imported {
  const parts = sources.map((source) => readFile(source, draft)).filter((part) => part !== undefined);
  return {
    name: parts[0]?.name,
    description: parts[0]?.description,
    combine: 'first',
    default: parts.length > 0 && parts.every((part) => part.default === 'allow') ? 'allow' : 'deny',
    notes: [],
    rules: parts.flatMap((part) => part.rules),
  };
}

interface FilePart {
  readonly name: string | undefined;
  readonly description: string | undefined;
  readonly default: 'allow' | 'deny';
  readonly rules: readonly OutRule[];
}

function readFile(source: PolicySource, draft: Draft): FilePart | undefined {
  const foreign = readYaml(source, draft);
  const root = foreign === undefined ? undefined : openFields(foreign, foreign.value, [], ROOT, draft);
  if (foreign === undefined || root === undefined) return undefined;
  root.needs('name', 'rules');
  const hours = hoursOf(root.map('time_restrictions', ['enabled', 'timezone', 'allowed_hours', 'allowed_days']), draft);
  const rules: OutRule[] = hours === undefined ? [] : [hours.outside];
  rules.push(...limits(root, draft));
  for (const index of (root.list('rules') ?? []).keys()) {
    const rule = root.item('rules', index, RULE);
    if (rule !== undefined) rules.push(...readRule(rule, index, foreign, hours?.schedule, draft));
  }
  const effect = root.oneOf('default_effect', ['allow', 'deny']) ?? 'deny';
  const reason = root.text('default_reason');
  if (reason !== undefined && reason !== '') {
    const place = root.at('default_reason');
    const id = draft.id('default-reason', place);
    draft.say('translated', place, 'default_reason', 'the last rule says it', id);
    rules.push({ id, from: place, ...REQUESTS, effect, reason });
  }
  if (effect === 'allow')
    draft.say(
      'same',
      root.at('default_effect'),
      'default_effect: allow',
      'kept, and whatever no rule names passes: `default: deny` is safer',
    );
  return { name: root.text('name'), description: root.text('description'), default: effect, rules };
}

function limits(root: FieldReader, draft: Draft): OutRule[] {
  const map = root.map('rate_limit', ['enabled', 'requests_per_minute', 'requests_per_hour']);
  const place = root.has('rate_limit') ? root.at('rate_limit') : root.place;
  if (map?.flag('enabled') === false) {
    draft.say('same', place, 'rate_limit', 'is switched off');
    return [];
  }
  const minute = map?.has('requests_per_minute') === true ? map.count('requests_per_minute') : 60;
  const hour = map?.has('requests_per_hour') === true ? map.count('requests_per_hour') : 1_000;
  if (minute === undefined || hour === undefined) return [];
  const why =
    map === undefined
      ? "the source's defaults, 60 a minute and 1,000 an hour"
      : `${minute} a minute and ${hour} an hour`;
  const id = draft.id('rate-limit', place);
  draft.say('translated', place, 'rate_limit', `${why}, for each agent; true sliding windows`, id);
  const key = ['principal'];
  const obligations = [{ rate: { max: minute, per: '1m', key } }, { rate: { max: hour, per: '1h', key } }];
  return [{ id, from: place, ...REQUESTS, obligations, notes: map === undefined ? [why] : [] }];
}

interface Hours {
  readonly outside: OutRule;
  readonly schedule: Record<string, unknown> | undefined;
}

function hoursOf(map: FieldReader | undefined, draft: Draft): Hours | undefined {
  if (map === undefined) return undefined;
  const timeZone = map.text('timezone') ?? 'Asia/Tokyo';
  compileZone(timeZone, (_code, message, remedy) =>
    draft.fail(map.has('timezone') ? map.at('timezone') : map.place, 'CG_POLICY_IMPORT_VALUE', message, remedy),
  );
  const days = daysOf(map, draft);
  const hours = map.map('allowed_hours', ['start', 'end']);
  const start = minuteOf(hours, 'start', 0, draft);
  const end = minuteOf(hours, 'end', 1_439, draft);
  if (map.flag('enabled') !== true) {
    draft.say('same', map.place, 'time_restrictions', 'is not switched on');
    return undefined;
  }
  if (!map.has('timezone'))
    draft.say(
      'translated',
      map.place,
      'time_restrictions.timezone',
      "Asia/Tokyo, the source's default, is written out",
    );
  if (start === undefined || end === undefined || days === undefined) return undefined;
  const zone = celText(timeZone);
  const now = `hour(${zone}) * 60 + minute(${zone})`;
  const isLast = end === 1_439;
  const inside: string[] = [];
  if (days.length < 7) inside.push(`weekday(${zone}) in ${celList(days)}`);
  const after = start === 0 ? undefined : `${now} >= ${start}`;
  const before = isLast ? undefined : `${now} < ${end}`;
  const bounds = [after, before].filter((bound) => bound !== undefined);
  const wraps = start > end;
  if (bounds.length > 0) inside.push(wraps ? celOr(bounds) : celAnd(bounds));
  if (inside.length === 0) {
    draft.say('same', map.place, 'time_restrictions', 'covers all the time; nothing to write');
    return undefined;
  }
  if (hours !== undefined && !isLast)
    draft.say('translated', hours.place, 'allowed_hours.end', 'the minute of the end itself is outside');
  const id = draft.id('outside-hours', map.place);
  draft.say(
    'translated',
    map.place,
    'time_restrictions',
    'a deny before all rules, and a schedule on those that allow',
    id,
  );
  const outside: OutRule = {
    id,
    from: map.place,
    match: REQUESTS.match,
    when: `${REQUESTS.when} && !(${celAnd(inside)})`,
    effect: 'deny',
    reason: 'outside the hours in which this is allowed',
  };
  const schedule = {
    days: days.length < 7 ? days : undefined,
    from: start === 0 ? undefined : clock(start),
    to: isLast ? undefined : clock(end),
    timeZone,
  };
  return { outside, schedule: wraps ? undefined : schedule };
}

function daysOf(map: FieldReader, draft: Draft): readonly Weekday[] | undefined {
  const words = map.texts('allowed_days');
  if (words === undefined) return WEEKDAYS;
  const days = words.map((word) => WEEKDAYS.find((day) => day === word.toLowerCase().slice(0, 3) && isDay(word)));
  const wrong = words[days.indexOf(undefined)];
  if (wrong === undefined) return WEEKDAYS.filter((day) => days.includes(day));
  draft.fail(
    map.at('allowed_days'),
    'CG_POLICY_IMPORT_VALUE',
    `"${shorten(wrong)}" is no day`,
    'write mon, tue, wed, thu, fri, sat or sun',
  );
  return undefined;
}

function isDay(word: string): boolean {
  return /^(?:mon|tue|wed|thu|fri|sat|sun)$|^(?:mon|tues|wednes|thurs|fri|satur|sun)day$/i.test(word);
}

function minuteOf(
  hours: FieldReader | undefined,
  key: 'start' | 'end',
  usual: number,
  draft: Draft,
): number | undefined {
  const text = hours?.text(key);
  if (text === undefined) return hours?.has(key) === true ? undefined : usual;
  const match = /^([01]?[0-9]|2[0-3]):([0-5][0-9])$/.exec(text);
  if (match !== null) return Number(match[1]) * 60 + Number(match[2]);
  draft.fail(
    hours?.at(key) ?? { file: '', line: 1, column: 1 },
    'CG_POLICY_IMPORT_VALUE',
    `"${shorten(text)}" is no time`,
    'write "09:00"',
  );
  return undefined;
}

function clock(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
}

function readRule(
  rule: FieldReader,
  index: number,
  foreign: Foreign,
  schedule: Record<string, unknown> | undefined,
  draft: Draft,
): OutRule[] {
  if (!rule.needs('effect')) return [];
  if (!['resource', 'methods', 'intent'].some((key) => rule.has(key))) {
    draft.fail(
      rule.place,
      'CG_POLICY_IMPORT_MISSING',
      'a rule needs a resource, methods or an intent',
      'add one of them',
    );
    return [];
  }
  const effect = rule.oneOf('effect', ['allow', 'deny']);
  const wanted = [criteriaOf(rule, draft), ...conditionsOf(rule, foreign, draft, 0)];
  if (effect === undefined || draft.issues.length > 0) return [];
  const test: Test = { kind: 'and', parts: wanted };
  const base = {
    from: rule.place,
    description: rule.text('description'),
    effect,
    reason: rule.text('reason'),
    schedule: effect === 'allow' ? schedule : undefined,
  };
  const wish = rule.text('name') ?? `rule-${index + 1}`;
  const out: OutRule[] = [];
  const permissive = effect === 'allow';
  const tool = forTools(test, permissive);
  if (tool !== false) {
    const id = draft.id(wish, rule.place);
    const { name, rest } = takeTool(test);
    const when = name === undefined ? tool : forTools(rest, permissive);
    out.push({ ...base, id, match: { tool: name ?? '*' }, when: typeof when === 'string' ? when : undefined });
    draft.say('translated', rule.place, `rule ${index + 1}`, 'POST /mcp/tools/<name> is the tool <name>', id);
  }
  const http = forHttp(test, permissive);
  if (http !== false) {
    const id = draft.id(`${wish}-http`, rule.place);
    out.push({
      ...base,
      id,
      match: { method: '*', direction: 'call' },
      when: http === true ? HTTP : `${HTTP} && ${http}`,
    });
    draft.say('same', rule.place, `rule ${index + 1}`, 'for requests to HTTP APIs', id);
  }
  return out;
}

function criteriaOf(rule: FieldReader, draft: Draft): Test {
  const parts: Test[] = [];
  const glob = rule.text('resource');
  if (glob !== undefined) {
    if (!glob.startsWith('/'))
      draft.fail(
        rule.at('resource'),
        'CG_POLICY_IMPORT_VALUE',
        `the resource ${shorten(glob)} does not begin with "/"`,
        'write the path of the request',
      );
    parts.push({ kind: 'resource', glob });
  }
  const methods = rule.texts('methods');
  for (const method of methods ?? []) {
    if (!/^[A-Za-z]{1,20}$/.test(method))
      draft.fail(
        rule.at('methods'),
        'CG_POLICY_IMPORT_VALUE',
        `"${shorten(method)}" is no HTTP method`,
        'write GET, POST ...',
      );
  }
  if (methods !== undefined) parts.push({ kind: 'methods', words: methods.map((method) => method.toUpperCase()) });
  const intents = rule.texts('intent');
  const odd = intents?.find((intent) => !INTENTS.includes(intent));
  if (odd !== undefined)
    draft.fail(
      rule.at('intent'),
      'CG_POLICY_IMPORT_VALUE',
      `there is no intent "${shorten(odd)}"`,
      `write ${INTENTS.join(', ')}`,
    );
  if (intents !== undefined) parts.push({ kind: 'intent', words: intents });
  return { kind: 'and', parts };
}

/** `conditions: { and: [...], or: [...] }`: both must hold. */
function conditionsOf(rule: FieldReader, foreign: Foreign, draft: Draft, depth: number): Test[] {
  const map = rule.has('conditions') ? rule.map('conditions', ['and', 'or']) : rule;
  if (map === undefined) return [];
  if (map.has('and') && map.has('or'))
    draft.say('translated', map.place, 'and beside or', 'both must hold; the program ignores `or` then');
  if (depth > 8) {
    draft.fail(map.place, 'CG_POLICY_IMPORT_VALUE', 'the conditions are nested too deeply');
    return [];
  }
  const out: Test[] = [];
  for (const kind of ['and', 'or'] as const) {
    const list = map.list(kind);
    if (list === undefined) continue;
    if (list.length === 0)
      draft.fail(map.at(kind), 'CG_POLICY_IMPORT_VALUE', `${kind} is empty`, 'name a condition, or remove it');
    out.push({
      kind,
      parts: list.map((item, index) => conditionOf(item, [...map.path, kind, index], foreign, draft, depth)),
    });
  }
  return out;
}

function conditionOf(
  item: Value,
  path: readonly (string | number)[],
  foreign: Foreign,
  draft: Draft,
  depth: number,
): Test {
  const map = openFields(foreign, item, path, CONDITION, draft);
  if (map === undefined) return { kind: 'and', parts: [] };
  if (isFields(item) && Object.keys(item).length === 0)
    draft.fail(map.place, 'CG_POLICY_IMPORT_MISSING', 'an empty condition', `name one of ${CONDITION.join(', ')}`);
  return { kind: 'and', parts: [criteriaOf(map, draft), ...conditionsOf(map, foreign, draft, depth + 1)] };
}
