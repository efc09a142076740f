import { decodeUtf8 } from '../../../protocol/splice.ts';
import { isCredential } from './kinds.ts';
import { shapeOf, type Shape } from './shape.ts';
import { exactName } from './text.ts';
import { damages, isParams, parseRecorded, type Recorded } from '../replay.ts';

/** Calls that were alike to the letter: what a policy can be learned from. */
export interface Lesson {
  /** Server and method, and what the rule names besides. */
  readonly target: Target;
  /** Undefined where there were no arguments, or none are looked at. */
  readonly shape: Shape | undefined;
  readonly recorded: Recorded;
  calls: number;
  first: number;
  last: number;
  readonly records: string[];
}

/** What one rule is about. */
export interface Target {
  readonly key: string;
  readonly server: string;
  readonly method: string;
  /** The key of `match` besides the server, and its name. */
  readonly by: 'tool' | 'prompt' | 'resource' | 'method';
  readonly name: string;
}

/** Calls to learn from, calls that must stay refused, and why the others are neither. */
export interface Selection {
  readonly lessons: readonly Lesson[];
  readonly refused: readonly Recorded[];
  /** Counts by reason, for people: with the calls of the lessons they are all records. */
  readonly leftOut: ReadonlyMap<string, number>;
  readonly targets: ReadonlyMap<string, Target>;
  /** Keys of targets of which more was refused than is kept to compare with. */
  readonly uncompared: ReadonlySet<string>;
  readonly first: number | undefined;
  readonly last: number;
  readonly read: number;
}

const MOST_LESSONS = 50_000;
const RECORDS_SHOWN = 3;
const LIMITED = /^The limit of a rule is spent\.$|^Of the budget of /;
const RESOURCES = new Set(['resources/read', 'resources/subscribe', 'resources/unsubscribe']);

/**
 * Sorts recorded calls. Only those are learned from that were allowed, ended well, are known whole, and show neither findings
 * nor labels nor credentials.
 */
export function selectLessons(records: Iterable<Recorded>): Selection {
  const lessons = new Map<string, Lesson>();
  const refused = new Map<string, Recorded>();
  const leftOut = new Map<string, number>();
  const targets = new Map<string, Target>();
  const uncompared = new Set<string>();
  let read = 0;
  let first: number | undefined;
  let last = 0;
  const leave = (why: string): void => void leftOut.set(why, (leftOut.get(why) ?? 0) + 1);
  for (const recorded of records) {
    read++;
    first ??= recorded.time;
    last = Math.max(last, recorded.time);
    if (recorded.direction !== 'call') {
      leave(
        recorded.direction === 'request'
          ? 'asked by servers, which is for you to decide'
          : 'answers, which have no rules here',
      );
      continue;
    }
    const target = targetOf(recorded);
    if (target === undefined) {
      leave(
        recorded.effect === 'allow' ? 'lists and the like, which pass without a rule' : `refused (${recorded.effect})`,
      );
      continue;
    }
    if (typeof target === 'string') {
      leave(target);
      continue;
    }
    targets.set(target.key, target);
    const key = `${target.key}\n${recorded.args === undefined ? '' : decodeUtf8(recorded.args)}`;
    if (recorded.effect !== 'allow') {
      const isLimited = LIMITED.test(recorded.reason ?? '');
      const isPart = recorded.args === undefined || recorded.truncated > 0;
      const what = isPart ? ', not whole: nothing was compared with them' : '';
      leave(isLimited ? 'refused by a limit alone' : `refused (${recorded.effect})${what}`);
      if (isLimited) continue;
      if (refused.size < MOST_LESSONS || refused.has(key)) refused.set(key, recorded);
      else uncompared.add(target.key);
      continue;
    }
    const known = lessons.get(key);
    const why = unfit(recorded);
    if (why !== undefined) leave(why);
    else if (known !== undefined) {
      known.calls++;
      known.last = Math.max(known.last, recorded.time);
      known.first = Math.min(known.first, recorded.time);
      if (known.records.length < RECORDS_SHOWN) known.records.push(recorded.id);
    } else {
      const lesson = lessonOf(recorded, target);
      if (typeof lesson === 'string') leave(lesson);
      else if (lessons.size >= MOST_LESSONS) leave('more different calls than are learned from');
      else lessons.set(key, lesson);
    }
  }
  return {
    lessons: [...lessons.values()],
    refused: [...refused.values()],
    leftOut,
    targets,
    uncompared,
    first,
    last,
    read,
  };
}

/** What a rule for it names; undefined for what passes without one; a text when no rule can name it. */
function targetOf({ server, method, tool, target }: Recorded): Target | string | undefined {
  const by =
    method === 'tools/call'
      ? 'tool'
      : method === 'prompts/get'
        ? 'prompt'
        : RESOURCES.has(method)
          ? 'resource'
          : 'method';
  const name = by === 'tool' ? tool : by === 'method' ? method : target;
  if (by === 'method' && method !== 'completion/complete') return undefined;
  const odd = [server, name].some((text) => text === undefined || exactName(text) === undefined || isCut(text));
  if (odd || name === undefined) return 'named in a way that no rule can repeat';
  return { key: JSON.stringify([server, method, name]), server, method, by, name };
}

/** Masked, or cut, before it was kept. */
function isCut(name: string): boolean {
  return name.includes('[secret:') || (name.length > 200 && name.endsWith('…'));
}

/** Why an allowed call is not learned from. */
function unfit({ status, findings, labels, truncated, principal }: Recorded): string | undefined {
  if (status !== 'ok')
    return status === undefined || status === 'unknown'
      ? 'without a known end'
      : `ended otherwise than well (${status})`;
  if (principal === undefined) return 'forgotten: their arguments are gone';
  if (findings.length > 0) return 'flagged: something was found in them';
  if (labels.length > 0) return 'tainted: their session had labels';
  return truncated > 0 ? 'cut: their arguments are not whole' : undefined;
}

function lessonOf(recorded: Recorded, target: Target): Lesson | string {
  const { time, id, args } = recorded;
  const lesson = { target, recorded, calls: 1, first: time, last: time, records: [id] };
  if (target.by === 'resource' || target.by === 'method') return { ...lesson, shape: undefined };
  const value = args === undefined ? undefined : parseRecorded(args);
  if (value === undefined) return 'forgotten: their arguments are gone';
  if (isParams(value, target.name)) return { ...lesson, shape: undefined };
  if (damages(value).length > 0) return 'masked: their arguments are not whole';
  const shape = shapeOf(value);
  if (shape === undefined) return 'built in a way that no rule repeats';
  for (const { path, values } of shape.leaves)
    if (values.some((one) => isCredential(path, one))) return 'with what looks like a credential';
  return { ...lesson, shape };
}
