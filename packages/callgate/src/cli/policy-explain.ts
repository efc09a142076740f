import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import type { LoggedCall } from '../evidence/calls.ts';
import { pathResolver } from '../gate/facts.ts';
import type { Annotations, Call, Direction } from '../model/call.ts';
import { messageOf } from '../model/error.ts';
import type { Json } from '../model/json.ts';
import { callFrom, type CallSpec } from '../policy/tools/cases-call.ts';
import { openPlaces } from '../policy/document/places.ts';
import { nearestRule } from '../policy/tools/nearest-rule.ts';
import { type Trace, trace } from '../policy/tools/trace.ts';
import { Scanner } from '../protocol/scan.ts';
import { jsonAt } from '../protocol/tape.ts';
import { type CompiledPolicy, loadEngines } from '../policy/index.ts';
import { jsonOf, type Near, textOf, type View } from './policy-explain-text.ts';
import { complain, filesOf, loadPolicyFiles, variablesOf } from './policy-files.ts';
import { EXIT, flagValue, type Io, parseFlags, printable } from './terminal.ts';

const FLAGS = {
  tool: 'name',
  server: 'name',
  prompt: 'name',
  resource: 'uri',
  method: 'name',
  direction: 'call|result|request|answer',
  args: 'json',
  'args-file': 'file',
  role: 'name...',
  principal: 'id',
  annotations: 'json',
  time: 'ISO time',
  session: 'id',
  label: 'name...',
  history: 'tool[=times]...',
  record: 'id',
  evidence: 'directory',
  home: 'directory',
  all: true,
  json: true,
} as const;

type Values = Readonly<Record<string, string>>;

/**
 * `callgate policy explain --tool T [flags] [<file>...]`: what a policy says about one call, and why: every rule and every
 * part of its conditions. `--record` takes the call from the evidence. Paths and links are those of this machine.
 * @returns 0, whatever the decision; 2 when the policy does not load
 */
export async function policyExplain(argv: readonly string[], io: Io): Promise<number> {
  const { values, lists, switches, words } = parseFlags(argv, FLAGS);
  const files = filesOf(words.filter((word) => word !== '-'));
  const asJson = switches.has('json');
  const written = await writtenCall(values, lists, words.includes('-'), io);
  const loaded = loadPolicyFiles(files, io);
  if (!('policy' in loaded)) return complain(loaded, files, asJson, io);
  await loadEngines(loaded.policy);
  const home = variablesOf(io)['HOME'];
  // Without a word about it, the call is the first of its session.
  const call = callFrom({ history: {}, ...written }, { cwd: io.cwd, home, realPath: pathResolver(io.cwd).resolve });
  const writtenOf = openPlaces(loaded.sources);
  const told = trace(loaded.policy, call, (rule) => writtenOf(rule)?.at());
  const near = nearestAllow(loaded.policy, call, told);
  const view: View = { file: files.length === 1 ? files[0] : undefined, isAll: switches.has('all') };
  io.stdout.write(asJson ? `${jsonOf(told, near)}\n` : `${printable(textOf(told, near, view))}\n`);
  return EXIT.ok;
}

/** Where only the default refuses: the rule that would have let the call pass. */
function nearestAllow(policy: CompiledPolicy, call: Call, { decision, rules }: Trace): Near | undefined {
  if (decision.effect === 'allow' || !/(?:^|:)default$/.test(decision.rule)) return undefined;
  const found = nearestRule(policy, call, ({ effect }) => effect === 'allow');
  if (found === undefined) return undefined;
  const traced = rules.find(({ rule }) => rule === found.rule.name);
  return traced === undefined ? undefined : { rule: traced, why: found.why };
}

async function writtenCall(
  values: Values,
  lists: Readonly<Record<string, readonly string[]>>,
  fromStdin: boolean,
  io: Io,
): Promise<CallSpec> {
  const recorded = values['record'] === undefined ? {} : await recordedCall(values['record'], values, io);
  const direction = directionOf(values['direction']) ?? recorded.direction;
  const subject = await argumentsOf(values, fromStdin, io);
  const isBack = direction === 'result' || direction === 'answer';
  const { tool, server, prompt, resource, method, session, principal } = values;
  if (![tool, prompt, resource, method, values['record']].some((name) => name !== undefined)) {
    throw flagValue('explain needs a call.', 'Name it with --tool, --prompt, --resource, --method or --record.');
  }
  return {
    ...recorded,
    ...optional({ tool, server, prompt, resource, method, session, direction }),
    ...(subject === undefined ? {} : isBack ? { result: subject } : { args: subject }),
    ...(principal === undefined ? {} : { principal: { id: principal } }),
    ...(lists['role'] === undefined ? {} : { roles: lists['role'] }),
    ...(lists['label'] === undefined ? {} : { labels: lists['label'] }),
    ...(lists['history'] === undefined ? {} : { history: historyOf(lists['history']) }),
    ...(values['annotations'] === undefined ? {} : { annotations: annotationsOf(values['annotations']) }),
    time: timeOf(values['time']) ?? recorded.time ?? Date.now(),
  };
}

function optional<T extends Record<string, unknown>>(parts: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const kept = Object.entries(parts).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as { [K in keyof T]?: NonNullable<T[K]> };
}

/** `read_file`, or `read_file=3`: calls that were allowed before; the same tool twice is counted together. */
function historyOf(words: readonly string[]): Readonly<Record<string, number>> {
  const calls = Object.create(null) as Record<string, number>;
  for (const word of words) {
    const [, tool, times = '1'] = /^([^=]+)(?:=([0-9]{1,6}))?$/.exec(word) ?? [];
    if (tool === undefined)
      throw flagValue(`--history is "${word}".`, 'Write --history read_file or --history read_file=3.');
    calls[tool] = (calls[tool] ?? 0) + Number(times);
  }
  return calls;
}

const DIRECTIONS: readonly string[] = ['call', 'result', 'request', 'answer'];

function directionOf(text: string | undefined): Direction | undefined {
  if (text === undefined || DIRECTIONS.includes(text)) return text as Direction | undefined;
  throw flagValue(`--direction is "${text}".`, 'Use call, result, request or answer.');
}

/** The arguments, or the result, from one of the places where they may be given. */
async function argumentsOf(values: Values, fromStdin: boolean, io: Io): Promise<Json | undefined> {
  const given = [values['args'], values['args-file'], fromStdin ? '-' : undefined].filter((from) => from !== undefined);
  if (given.length > 1) throw flagValue('The arguments are given twice.', 'Use one of --args, --args-file and -.');
  if (values['args'] !== undefined) return jsonFrom(values['args'], '--args');
  const file = values['args-file'];
  if (file !== undefined) return jsonFrom(readText(file, io), file);
  return fromStdin ? jsonFrom(await readAll(io.stdin), 'stdin') : undefined;
}

function readText(file: string, io: Io): string {
  try {
    return readFileSync(resolve(io.cwd, file), 'utf8');
  } catch (cause) {
    throw flagValue(`${file} cannot be read: ${messageOf(cause)}`, 'Name a file with the arguments as JSON.');
  }
}

/** As the gate reads messages: every digit kept, duplicate keys refused. */
function jsonFrom(text: string, from: string): Json {
  const scanner = new Scanner();
  const fault = scanner.scan(Buffer.from(text.trim()));
  if (fault === undefined) return jsonAt(scanner, 0);
  const where = 'at' in fault && typeof fault.at === 'number' ? ` at character ${fault.at + 1}` : '';
  throw flagValue(`${from} is no JSON: ${fault.code}${where}.`, 'Write an object such as \'{"path": "/tmp/a"}\'.');
}

const HINTS = new Set(['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint']);

function annotationsOf(text: string): Annotations {
  const read = jsonFrom(text, '--annotations');
  const isGood =
    typeof read === 'object' &&
    read !== null &&
    Object.entries(read).every(([key, value]) => HINTS.has(key) && typeof value === 'boolean');
  if (isGood) return read as Annotations;
  throw flagValue('--annotations is no set of hints.', 'Write \'{"readOnlyHint": true}\'.');
}

function timeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const time = /^[0-9]{4}-/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw flagValue(`--time is "${text}".`, 'Write a time like 2026-03-01T10:00:00Z.');
  return time;
}

const MOST_RECORDS = 100_000;

/** A call of the evidence. Roles, annotations and labels are not in it; secrets are masked there. */
async function recordedCall(id: string, values: Values, io: Io): Promise<CallSpec> {
  const { ArgumentReader, queryCalls } = await import('../evidence/index.ts');
  const { openSource } = await import('./evidence-source.ts');
  const source = await openSource(values, io);
  const calls = await queryCalls(source, { limit: MOST_RECORDS });
  const found = calls.find((call) => call.id === id);
  if (found === undefined)
    throw flagValue(`There is no recorded call ${id}.`, 'callgate logs --json shows the id of each call.');
  const text = new ArgumentReader(source).of(found);
  const args = text === undefined ? undefined : jsonFrom(text, `the record ${id}`);
  const was = `${found.decision} by ${found.rule}${found.reason === undefined ? '' : `: ${found.reason}`}`;
  const missing = 'Roles, annotations and labels are not recorded: give them with flags. Secrets are masked.';
  io.stderr.write(`callgate: it was decided ${printable(was)}\ncallgate: ${missing}\n`);
  const { server, method, tool, target, time } = found;
  const direction = directionOf(found.direction);
  const isResource = method.startsWith('resources/');
  return {
    server,
    method,
    time,
    principal: { id: found.who },
    history: pastOf(found, calls),
    ...optional({ tool, direction }),
    ...(target === undefined
      ? {}
      : isResource
        ? { resource: target }
        : method === 'prompts/get'
          ? { prompt: target }
          : {}),
    ...(args === undefined ? {} : { args }),
  };
}

/** Calls of the same session that were allowed before; not told where the log was not read from its beginning. */
function pastOf(found: LoggedCall, calls: readonly LoggedCall[]): NonNullable<CallSpec['history']> {
  const session = `${found.id.split('-', 1)[0]}-`;
  const past = calls.filter(
    ({ id, index, direction, decision }) =>
      index < found.index && id.startsWith(session) && direction === 'call' && decision === 'allow',
  );
  return (isCounted, windowMs) =>
    calls.length >= MOST_RECORDS
      ? undefined
      : past.filter(({ tool, time }) => tool !== undefined && time >= found.time - windowMs && isCounted(tool)).length;
}
