import { matchesName } from '../evidence/calls.ts';
import { openReplay, type Replayed } from '../gate/replay.ts';
import type { Effect } from '../model/decision.ts';
import type { Recorded } from '../policy/tools/replay.ts';
import { openSource } from './evidence-source.ts';
import { loadEngines } from '../policy/index.ts';
import { compileOptions, complain, filesOf, loadPolicyFiles } from './policy-files.ts';
import { countFlag, timeFlag } from './flag-values.ts';
import { needsPast, readRecorded, trustedServers, type RecordedCalls } from './policy-evidence.ts';
import { EXIT, flagValue, type Io, parseFlags, printable, table } from './terminal.ts';

const FLAGS = {
  since: '10m|2h|1d|time',
  until: '10m|2h|1d|time',
  tool: 'name',
  server: 'name',
  limit: 'number',
  examples: 'number',
  'fail-on': 'newly-allowed|newly-denied|newly-asked|newly-deferred|any',
  evidence: 'directory',
  home: 'directory',
  json: true,
} as const;

const EFFECTS: readonly Effect[] = ['allow', 'ask', 'defer', 'deny'];
/** Kinds of change, in the order they are told: what opens comes first. */
const CHANGES = ['newly-allowed', 'newly-denied', 'newly-asked', 'newly-deferred'] as const;
type Change = (typeof CHANGES)[number];
const CHANGE_OF: Readonly<Record<Effect, Change>> = {
  allow: 'newly-allowed',
  deny: 'newly-denied',
  ask: 'newly-asked',
  defer: 'newly-deferred',
};

/**
 * `callgate policy simulate [<file>...]`: what another policy would have decided on the recorded calls.
 * @returns 1 when `--fail-on` names a change that there is; 2 when the policy does not load
 * @throws CallgateError CG_USAGE_*, CG_EVIDENCE_NO_LOG
 */
export async function policySimulate(argv: readonly string[], io: Io): Promise<number> {
  const { words, values, switches } = parseFlags(argv, FLAGS);
  const failOn = failOnOf(values['fail-on']);
  const now = Date.now();
  const since = timeFlag('since', values['since'], now);
  const until = timeFlag('until', values['until'], now);
  const limit = countFlag('limit', values['limit'], Number.POSITIVE_INFINITY, 1);
  const examples = countFlag('examples', values['examples'], 3, 0);
  const files = filesOf(words);
  // Recorded paths are compared by their letters, so the policy's roots are, too.
  const lexical = { ...compileOptions(io), realPath: (path: string) => path };
  const loaded = loadPolicyFiles(files, io, lexical);
  if (!('policy' in loaded)) return complain(loaded, files, switches.has('json'), io);
  await loadEngines(loaded.policy);

  const source = await openSource(values, io);
  const trusted = await trustedServers(values, io);
  const began = performance.now();
  const past = needsPast(loaded.policy);
  const read = await readRecorded(source, { since: past ? undefined : since, until });
  const isWanted = wantedOf(read, { since, limit, tool: values['tool'], server: values['server'] });
  const replay = openReplay(loaded.policy, {
    cwd: io.cwd,
    isWhole: read.isWhole,
    trustsAnnotations: (server) => trusted.has(server),
  });
  const tally = new Tally(examples);
  try {
    for (const recorded of read.calls) {
      const wanted = isWanted(recorded);
      if (!wanted && !past) continue;
      const replayed = replay.judge(recorded);
      if (wanted) tally.add(recorded, replayed);
    }
  } finally {
    replay.close();
  }
  const ms = Math.round(performance.now() - began);
  const report = tally.report();
  if (switches.has('json'))
    io.stdout.write(
      `${JSON.stringify({ ok: !report.changes(failOn), files, ms, isWhole: read.isWhole, ...report.json() })}\n`,
    );
  else io.stdout.write(`${printable(report.text(ms, !read.isWhole && past))}\n`);
  return report.changes(failOn) ? EXIT.failed : EXIT.ok;
}

function failOnOf(text: string | undefined): readonly Change[] {
  if (text === undefined) return [];
  if (text === 'any') return CHANGES;
  const change = CHANGES.find((known) => known === text);
  if (change !== undefined) return [change];
  throw flagValue(`--fail-on is "${text}".`, `Write ${CHANGES.join(', ')} or any.`);
}

interface Wanted {
  readonly since: number | undefined;
  readonly limit: number;
  readonly tool: string | undefined;
  readonly server: string | undefined;
}

/** Which records are counted; the others, where they matter, only leave their traces in rates and histories. */
function wantedOf({ logged }: RecordedCalls, { since, limit, tool, server }: Wanted): (recorded: Recorded) => boolean {
  const newest = logged.filter(
    (call) =>
      (since === undefined || call.time >= since) &&
      matchesName(tool, call.tool ?? '') &&
      matchesName(server, call.server),
  );
  const wanted = new Set(newest.slice(-limit).map(({ index }) => index));
  return ({ index }) => wanted.has(index);
}

interface Example {
  readonly id: string;
  readonly time: string;
  readonly arguments: string | undefined;
}

/** Calls that changed in the same way: of one tool, from one rule to another. */
interface Group {
  readonly change: Change;
  readonly server: string;
  readonly what: string;
  readonly from: string;
  readonly to: string;
  readonly was: Effect;
  readonly reason: string;
  count: number;
  readonly examples: Example[];
}

interface Report {
  changes(wanted: readonly Change[]): boolean;
  json(): object;
  text(ms: number, isCut: boolean): string;
}

class Tally {
  readonly #examples: number;
  readonly #matrix = new Map<string, number>();
  readonly #groups = new Map<string, Group>();
  readonly #unknown = new Map<string, { count: number; readonly examples: string[] }>();
  #judged = 0;
  #fixed = 0;
  #unknownCount = 0;
  #first: number | undefined;
  #last = 0;

  constructor(examples: number) {
    this.#examples = examples;
  }

  add(recorded: Recorded, replayed: Replayed): void {
    this.#first ??= recorded.time;
    this.#last = recorded.time;
    if (replayed.kind === 'fixed') this.#fixed++;
    else if (replayed.kind === 'unknown') this.#addUnknown(recorded, replayed.why);
    else {
      this.#judged++;
      const cell = `${recorded.effect} ${replayed.effect}`;
      this.#matrix.set(cell, (this.#matrix.get(cell) ?? 0) + 1);
      if (recorded.effect !== replayed.effect) this.#addChange(recorded, replayed);
    }
  }

  #addUnknown({ id }: Recorded, why: readonly string[]): void {
    this.#unknownCount++;
    const text = why.join('; ').slice(0, 300);
    // Names of fields are strangers': what is told of them is bounded.
    const key = this.#unknown.has(text) || this.#unknown.size < 100 ? text : 'other reasons';
    const entry = this.#unknown.get(key) ?? { count: 0, examples: [] };
    entry.count++;
    if (entry.examples.length < this.#examples) entry.examples.push(id);
    this.#unknown.set(key, entry);
  }

  #addChange(recorded: Recorded, { effect, rule, reason }: Replayed & { kind: 'judged' }): void {
    const { server, tool, method, target, rule: from, effect: was } = recorded;
    const what = tool ?? (target === undefined ? method : `${method} ${target}`);
    const key = JSON.stringify([effect, server, what, was, from, rule]);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { change: CHANGE_OF[effect], server, what, from, to: rule, was, reason, count: 0, examples: [] };
      this.#groups.set(key, group);
    }
    group.count++;
    if (group.examples.length >= this.#examples) return;
    const args = recorded.args === undefined ? undefined : new TextDecoder().decode(recorded.args);
    group.examples.push({ id: recorded.id, time: new Date(recorded.time).toISOString(), arguments: args });
  }

  report(): Report {
    const groups = [...this.#groups.values()].toSorted((a, b) => b.count - a.count);
    return {
      changes: (wanted) => groups.some(({ change }) => wanted.includes(change)),
      json: () => this.#json(groups),
      text: (ms, isCut) => this.#text(groups, ms, isCut),
    };
  }

  #json(groups: readonly Group[]): object {
    const matrix = Object.fromEntries(
      EFFECTS.map((from) => [from, Object.fromEntries(EFFECTS.map((to) => [to, this.#cell(from, to)]))]),
    );
    const changes = groups.map(({ change, server, what, was, from, to, reason, count, examples }) => {
      return {
        change,
        server,
        target: what,
        recorded: { effect: was, rule: from },
        now: { rule: to, reason },
        count,
        examples,
      };
    });
    const notReplayable = [...this.#unknown].map(([why, { count, examples }]) => ({ why, count, examples }));
    return {
      records: this.#records(),
      judged: this.#judged,
      outsidePolicy: this.#fixed,
      matrix,
      changes,
      notReplayable,
    };
  }

  #text(groups: readonly Group[], ms: number, isCut: boolean): string {
    if (this.#first === undefined) return 'No recorded call matches.';
    const span = `${new Date(this.#first).toISOString()} to ${new Date(this.#last).toISOString()}`;
    const lines = [`${many(this.#records(), 'record')}, ${span}, replayed in ${(ms / 1000).toFixed(2)} s`, ''];
    lines.push(table([['recorded \\ now', ...EFFECTS], ...this.#rows()]), '');
    for (const change of CHANGES) lines.push(...changeLines(change, groups));
    if (groups.length === 0) lines.push('no decision changes');
    if (this.#unknownCount > 0) lines.push(...this.#unknownLines());
    if (this.#fixed > 0)
      lines.push(`${many(this.#fixed, 'record')} that no policy is asked about: the floor, malformed messages`);
    if (isCut)
      lines.push('rates, budgets and histories begin with the first record that was read: there are older ones');
    lines.push('paths are compared by their letters: links of that time are gone');
    return lines.join('\n');
  }

  #rows(): string[][] {
    const isUsed = (from: Effect): boolean => EFFECTS.some((to) => this.#cell(from, to) > 0);
    return EFFECTS.filter(isUsed).map((from) => [from, ...EFFECTS.map((to) => String(this.#cell(from, to)))]);
  }

  #unknownLines(): string[] {
    const entries = [...this.#unknown].toSorted(([, a], [, b]) => b.count - a.count);
    const lines = [`not replayable: ${this.#unknownCount}; the policy looks at what the evidence does not hold`];
    for (const [why, { count, examples }] of entries)
      lines.push(`  ${count}: ${cell(why, 160)}${examples.length === 0 ? '' : ` (${examples.join(', ')})`}`);
    return lines;
  }

  #records(): number {
    return this.#judged + this.#fixed + this.#unknownCount;
  }

  #cell(from: Effect, to: Effect): number {
    return this.#matrix.get(`${from} ${to}`) ?? 0;
  }
}

const MOST_GROUPS = 50;

function changeLines(change: Change, groups: readonly Group[]): string[] {
  const of = groups.filter((group) => group.change === change);
  if (of.length === 0) return [];
  const total = of.reduce((sum, { count }) => sum + count, 0);
  const lines = [`${change.replace('-', ' ')}: ${total}`];
  for (const { what, server, was, from, to, count, examples, reason } of of.slice(0, MOST_GROUPS)) {
    lines.push(`  ${cell(what)} on ${cell(server)}: ${was} by ${cell(from)} -> ${cell(to)}, ${many(count, 'call')}`);
    if (change !== 'newly-allowed') lines.push(`    ${cell(reason, 160)}`);
    for (const example of examples)
      lines.push(`    ${example.id}  ${example.time}  ${cell(example.arguments ?? '-', 100)}`);
  }
  if (of.length > MOST_GROUPS) lines.push(`  and ${many(of.length - MOST_GROUPS, 'more group')}; --json has them all`);
  return [...lines, ''];
}

/** Names and arguments come from strangers: no cell may break its line. */
function cell(text: string, most = 80): string {
  const clean = printable(text).replaceAll('\n', '\\n').replaceAll('\t', '\\t');
  return clean.length > most ? `${clean.slice(0, most - 1)}…` : clean;
}

function many(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}
