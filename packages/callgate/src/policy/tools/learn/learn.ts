import { type CompiledPolicy, compilePolicy } from '../../compile.ts';
import { PolicyError } from '../../document/issue.ts';
import { callRules, callsOf, fieldRules, iso, isWritable, plain } from './rules.ts';
import { type Lesson, type Selection, selectLessons, type Target } from './select.ts';
import { commentText, exactName, type Homes, type LearnedRule, many, ruleLines } from './text.ts';
import type { LearnPlace } from './values.ts';
import { decodeUtf8 } from '../../../protocol/splice.ts';
import { ReplayCall, type Recorded } from '../replay.ts';

export interface LearnOptions extends LearnPlace {
  sha256(text: string): string;
  /** Writes rules for tools without a record: for these servers, and which of them may be believed about their tools. */
  readonly annotations?: { readonly servers: readonly string[]; readonly trusted: ReadonlySet<string> };
}

/** A learned policy. */
export interface Learned {
  readonly text: string;
  readonly rules: number;
  /** Recorded calls that the policy was learned from, and all other records, by reason: together they are those read. */
  readonly learned: number;
  readonly leftOut: ReadonlyMap<string, number>;
  readonly read: number;
}

/**
 * How closely the calls of a tool are followed: `general` joins files, numbers and prose; `fields` allows each value that was
 * seen in its field; `calls` allows each call as it was. A tool of which something was refused gets the first one that
 * keeps it refused.
 */
type Level = 'general' | 'fields' | 'calls' | 'none';
const CLOSER: Readonly<Record<Level, Level>> = { general: 'fields', fields: 'calls', calls: 'none', none: 'none' };

/**
 * Writes a policy that allows recorded calls, and of what was not recorded as little as will do. It allows every call that it
 * says it was learned from, and none that was refused.
 * @param records oldest first; gone through once
 */
export function learnPolicy(records: Iterable<Recorded>, options: LearnOptions): Learned {
  const selection = selectLessons(records);
  const leftOut = new Map(selection.leftOut);
  const groups = groupsOf(selection, leftOut);
  for (const group of groups) settle(group, selection, options, leftOut);
  const extra = annotationRules(selection, options);
  fit(groups, extra, options, leftOut);
  const rules = withIds(groups.flatMap((group) => group.rules));
  const learned = groups.reduce((sum, group) => sum + group.kept.reduce((calls, lesson) => calls + lesson.calls, 0), 0);
  const all = [...rules, ...extra];
  const text = policyText(all, selection, learned, leftOut, options);
  return { text, rules: all.length, learned, leftOut, read: selection.read };
}

/** The calls of one tool, prompt or resource, and the rules for them. */
interface Group {
  readonly target: Target;
  readonly lessons: readonly Lesson[];
  rules: readonly LearnedRule[];
  kept: readonly Lesson[];
}

function groupsOf({ lessons }: Selection, leftOut: Map<string, number>): Group[] {
  const byTarget = new Map<string, Lesson[]>();
  for (const lesson of lessons) {
    const list = byTarget.get(lesson.target.key);
    if (list === undefined) byTarget.set(lesson.target.key, [lesson]);
    else list.push(lesson);
  }
  const groups = [...byTarget].map(([, of]): Group => {
    const fit = of.filter((lesson) => isWritable(lesson));
    leave(leftOut, 'with a value too long to be written out', without(of, fit));
    return { target: (of[0] as Lesson).target, lessons: fit, rules: [], kept: [] };
  });
  return groups.toSorted((a, b) => (a.target.key < b.target.key ? -1 : 1));
}

/** Writes the rules of a group as generally as its refusals permit, and keeps what they really allow. */
function settle(group: Group, selection: Selection, options: LearnOptions, leftOut: Map<string, number>): void {
  const refused = selection.refused.filter((recorded) => isOf(group.target, recorded));
  if (selection.uncompared.has(group.target.key))
    return leave(leftOut, 'with more refusals than can be compared', group.lessons);
  let lessons = withoutTwins(group.lessons, refused, leftOut);
  let level: Level = 'general';
  while (level !== 'none' && lessons.length > 0) {
    const drafted =
      level === 'calls' ? callRules(group.target, lessons) : fieldRules(group.target, lessons, level, options);
    const policy = compiled(drafted.rules, options);
    const isAllowed = (recorded: Recorded): boolean => policy !== undefined && allows(policy, recorded, options);
    if (policy !== undefined && !refused.some(isAllowed)) {
      const kept = drafted.lessons.filter(({ recorded }) => isAllowed(recorded));
      if (kept.length === drafted.lessons.length) {
        leave(leftOut, 'beyond the number of values, shapes or calls that are listed', without(lessons, kept));
        group.rules = drafted.rules;
        group.kept = kept;
        return;
      }
      const failed = without(drafted.lessons, kept);
      // Some of them the rules would not allow: a rule must not say it was learned from them.
      leave(leftOut, 'built in a way that no rule repeats', failed);
      lessons = without(lessons, failed);
      continue;
    }
    level = CLOSER[level];
  }
  leave(leftOut, 'not to be told from what was refused', lessons);
}

const MOST_BYTES = 900_000;

/** Leaves out the tools with the longest rules until the policy is one that loads: a file has a bounded size. */
function fit(
  groups: Group[],
  extra: readonly LearnedRule[],
  options: LearnOptions,
  leftOut: Map<string, number>,
): void {
  const size = (rules: readonly LearnedRule[]): number =>
    rules.reduce(
      (sum, rule) => sum + ruleLines(rule, options).reduce((bytes, line) => bytes + 1 + 3 * line.length, 0),
      0,
    );
  const sized = groups.map((group) => ({ group, bytes: size(group.rules) })).toSorted((a, b) => a.bytes - b.bytes);
  let total = size(extra) + sized.reduce((sum, { bytes }) => sum + bytes, 0);
  const isLoading = (): boolean => {
    const rules = [...groups.flatMap((group) => group.rules), ...extra];
    return rules.length === 0 || compiled(rules, options) !== undefined;
  };
  while (sized.length > 0 && (total > MOST_BYTES || !isLoading())) {
    const { group, bytes } = sized.pop() as (typeof sized)[number];
    total -= bytes;
    leave(leftOut, 'beyond the size of a policy file', group.kept);
    group.rules = [];
    group.kept = [];
  }
}

/** Without the calls that were refused to the letter at another time. */
function withoutTwins(
  lessons: readonly Lesson[],
  refused: readonly Recorded[],
  leftOut: Map<string, number>,
): readonly Lesson[] {
  const texts = new Set(refused.map(({ args }) => argsText(args)));
  const fit = lessons.filter(({ recorded }) => !texts.has(argsText(recorded.args)));
  leave(leftOut, 'allowed at one time and refused at another', without(lessons, fit));
  return fit;
}

function argsText(args: Uint8Array | undefined): string {
  return args === undefined ? '' : decodeUtf8(args);
}

function isOf({ server, method, by, name }: Target, recorded: Recorded): boolean {
  if (recorded.server !== server || recorded.method !== method) return false;
  return by === 'method' || (by === 'tool' ? recorded.tool : recorded.target) === name;
}

/** Ids of letters that ids may have; equal ones are numbered in order. */
function withIds(rules: readonly LearnedRule[]): readonly LearnedRule[] {
  const taken = new Map<string, number>();
  return rules.map((rule) => {
    const number = (taken.get(rule.id) ?? 0) + 1;
    taken.set(rule.id, number);
    return { ...rule, id: `${rule.id}/${number}` };
  });
}

/**
 * Tools without a record: of a server that is trusted those that it calls read-only are allowed, all else is asked. A tool
 * with a record is followed by its rules alone, whatever is said about it.
 */
function annotationRules({ targets }: Selection, { annotations }: LearnOptions): readonly LearnedRule[] {
  if (annotations === undefined) return [];
  return [...new Set(annotations.servers)].toSorted().flatMap((server) => {
    const name = exactName(server);
    if (name === undefined) return [];
    const known = [...targets.values()]
      .filter((target) => target.by === 'tool' && target.server === server)
      .map((target) => exactName(target.name) ?? '')
      .toSorted();
    const base = { fields: [], when: [] };
    const id = `learned/${plain(server)}`;
    const rules: LearnedRule[] = [];
    if (known.length > 0) {
      const reason = 'it is called otherwise than it was when the policy was learned';
      rules.push({
        ...base,
        id: `${id}/known`,
        comments: [`tools of ${server} that have records: no more than the rules above`],
        match: { server: name, tool: known },
        effect: 'deny',
        reason,
      });
    }
    if (annotations.trusted.has(server)) {
      const comments = [
        `tools of ${server} without a record that it says only read; believed, because its trust.annotations is on`,
      ];
      rules.push({
        ...base,
        id: `${id}/read-only`,
        comments,
        match: { server: name, annotations: { readOnlyHint: true } },
        effect: 'allow',
      });
    }
    const reason = 'no record and no claim that is believed says what it does';
    rules.push({
      ...base,
      id: `${id}/unknown`,
      comments: [`every other tool of ${server}`],
      match: { server: name, tool: '*' },
      effect: 'ask',
      reason,
    });
    return rules;
  });
}

function policyText(
  rules: readonly LearnedRule[],
  { first, last, read }: Selection,
  learned: number,
  leftOut: ReadonlyMap<string, number>,
  homes: Homes,
): string {
  const span = first === undefined ? '' : `, ${iso(first)} to ${iso(last)}`;
  const lines = [
    '# Learned from the evidence: read it before you use it. Whoever could call tools while it was learned could add to it.',
    `# ${many(read, 'record')}${span}; learned from ${many(learned, 'call')}.`,
  ];
  const reasons = [...leftOut].toSorted(([a], [b]) => (a < b ? -1 : 1));
  if (reasons.length > 0) lines.push('# Left out:');
  for (const [why, count] of reasons) lines.push(`#   ${count}: ${commentText(why)}`);
  lines.push('version: 1', 'name: learned', 'default: deny');
  lines.push(...(rules.length === 0 ? ['rules: []'] : ['rules:', ...rules.flatMap((rule) => ruleLines(rule, homes))]));
  return `${lines.join('\n')}\n`;
}

/** The rules as a policy of their own; undefined when they do not load. */
function compiled(rules: readonly LearnedRule[], options: LearnOptions): CompiledPolicy | undefined {
  const text = [
    'version: 1',
    'default: deny',
    'rules:',
    ...withIds(rules).flatMap((rule) => ruleLines(rule, options)),
    '',
  ].join('\n');
  const variables = { PROJECT: options.project, HOME: options.home };
  try {
    return compilePolicy([{ file: 'learned.yaml', text }], { variables, sha256: (of) => options.sha256(of) });
  } catch (error) {
    if (error instanceof PolicyError) return undefined;
    throw error;
  }
}

function allows(policy: CompiledPolicy, recorded: Recorded, { project }: LearnPlace): boolean {
  const call = new ReplayCall(recorded, {
    cwd: project,
    labels: [],
    history: () => undefined,
    trustsAnnotations: false,
  });
  return policy.decide(call).effect === 'allow';
}

function without(lessons: readonly Lesson[], others: readonly Lesson[]): readonly Lesson[] {
  const taken = new Set(others);
  return lessons.filter((lesson) => !taken.has(lesson));
}

function leave(leftOut: Map<string, number>, why: string, lessons: readonly Lesson[]): void {
  const count = callsOf(lessons);
  if (count > 0) leftOut.set(why, (leftOut.get(why) ?? 0) + count);
}
