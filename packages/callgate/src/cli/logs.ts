import {
  ArgumentReader,
  followCalls,
  queryCalls,
  readHead,
  type CallFilter,
  type LoggedCall,
  type LogSource,
} from '../evidence/index.ts';
import { NOTHING_YET, openSource, sealPending } from './evidence-source.ts';
import { countFlag, timeFlag } from './flag-values.ts';
import { EXIT, flagValue, parseFlags, printable, table, type Io } from './terminal.ts';

const FLAGS = {
  tool: 'name',
  server: 'name',
  decision: 'allow|deny|ask|defer',
  status: 'status',
  rule: 'id',
  since: '10m|2h|1d|time',
  until: '10m|2h|1d|time',
  limit: 'number',
  evidence: 'directory',
  home: 'directory',
  json: true,
  follow: true,
} as const;

/** Words of other gates for the same decisions. */
const DECISIONS: Readonly<Record<string, string>> = {
  allow: 'allow',
  allowed: 'allow',
  deny: 'deny',
  denied: 'deny',
  block: 'deny',
  blocked: 'deny',
  ask: 'ask',
  'approval-required': 'ask',
  defer: 'defer',
};

/**
 * `callgate logs`: the newest calls as a table, or one JSON object a line. Filters narrow it; `--follow` goes on.
 * Throws CallgateError CG_USAGE_* for a flag that says nothing, CG_EVIDENCE_NO_LOG when there is no home.
 */
export async function logsCommand(argv: readonly string[], io: Io): Promise<number> {
  const { values, switches, words } = parseFlags(argv, FLAGS);
  if (words[0] !== undefined)
    throw flagValue(`logs takes no "${words[0]}".`, 'Filter with --tool, --server, --rule, --decision.');
  const filter = filterOf(values, Date.now());
  const source = await openSource(values, io);
  const calls = await queryCalls(source, filter);
  const isEmpty = calls.length === 0 && readHead(source.dir) === undefined;
  const print = switches.has('json') ? printJson(source, io) : printTable(io, isEmpty);
  print(calls);
  if (switches.has('follow')) await follow(source, filter, print, io);
  return EXIT.ok;
}

function filterOf(values: Readonly<Record<string, string>>, now: number): CallFilter {
  const { tool, server, rule, decision, status, since, until, limit } = values;
  const effect = decision === undefined ? undefined : DECISIONS[decision];
  if (decision !== undefined && (effect === undefined || !Object.hasOwn(DECISIONS, decision)))
    throw flagValue(`There is no decision "${decision}".`, 'Use allow, deny, ask or defer.');
  const from = timeFlag('since', since, now);
  const to = timeFlag('until', until, now);
  return {
    limit: countFlag('limit', limit, 50, 1),
    ...(tool === undefined ? {} : { tool }),
    ...(server === undefined ? {} : { server }),
    ...(rule === undefined ? {} : { rule }),
    ...(effect === undefined ? {} : { decision: effect }),
    ...(status === undefined ? {} : { status }),
    ...(from === undefined ? {} : { since: from }),
    ...(to === undefined ? {} : { until: to }),
  };
}

type Print = (calls: readonly LoggedCall[]) => void;

const COLUMNS = ['time', 'server', 'tool', 'decision', 'rule', 'latency', 'status'];

function printTable(io: Io, isEmpty: boolean): Print {
  let isFirst = true;
  return (calls) => {
    if (isFirst && calls.length === 0)
      io.stderr.write(isEmpty ? `callgate: no call is recorded yet. ${NOTHING_YET}\n` : 'callgate: no call matches.\n');
    const rows = calls.map(rowOf);
    if (rows.length > 0) io.stdout.write(`${table(isFirst ? [COLUMNS, ...rows] : rows)}\n`);
    isFirst = false;
  };
}

function rowOf(call: LoggedCall): string[] {
  const what = call.tool ?? [call.method, call.target].filter((part) => part !== undefined).join(' ');
  const cells = [call.server, what, call.decision, call.rule, latencyText(call.us), statusText(call)];
  return [new Date(call.time).toISOString(), ...cells.map((cell) => oneLine(cell))];
}

function statusText({ status, redactions }: LoggedCall): string {
  return redactions === 0 ? (status ?? '-') : `${status ?? '-'}, ${redactions} redacted`;
}

function latencyText(us: number | undefined): string {
  if (us === undefined) return '-';
  return us < 1000 ? `${us} us` : us < 10_000_000 ? `${(us / 1000).toFixed(1)} ms` : `${(us / 1e6).toFixed(1)} s`;
}

/** Names come from strangers: no cell may break its line or rewrite the terminal. */
function oneLine(text: string): string {
  const clean = printable(text).replaceAll('\n', '\\n').replaceAll('\t', '\\t');
  return clean.length > 60 ? `${clean.slice(0, 59)}…` : clean === '' ? '-' : clean;
}

function printJson(source: LogSource, io: Io): Print {
  const reader = new ArgumentReader(source);
  return (calls) => {
    for (const call of calls) io.stdout.write(`${jsonLine(call, reader)}\n`);
  };
}

/** The arguments stand as they were written: a number that no double holds keeps its digits. */
function jsonLine(call: LoggedCall, reader: ArgumentReader): string {
  const { index, id, time, server, method, tool, target, direction, decision, rule, reason, who, truncated } = call;
  const before = JSON.stringify({
    timestamp: new Date(time).toISOString(),
    serverName: server,
    toolName: tool ?? null,
  });
  const after = JSON.stringify({
    ...(truncated === undefined ? {} : { argumentsTruncated: truncated }),
    decision,
    matchedRule: rule,
    reason: reason ?? null,
    durationMs: call.us === undefined ? null : call.us / 1000,
    status: call.status ?? null,
    redactions: call.redactions,
    method,
    target: target ?? null,
    direction,
    agent: who,
    id,
    index,
  });
  return `${before.slice(0, -1)},"arguments":${reader.of(call) ?? 'null'},${after.slice(1)}`;
}

async function follow(source: LogSource, filter: CallFilter, print: Print, io: Io): Promise<void> {
  const stop = new AbortController();
  const end = (): void => stop.abort();
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  io.stdout.once('error', end);
  try {
    for await (const call of followCalls(source, filter, () => sealPending(source), stop.signal)) print([call]);
  } finally {
    process.off('SIGINT', end);
    process.off('SIGTERM', end);
    io.stdout.off('error', end);
  }
}
