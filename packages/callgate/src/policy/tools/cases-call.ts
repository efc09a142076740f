import { secretsOf } from '../../inspect/message-secrets.ts';
import type { Call, CallFinding } from '../../model/call.ts';
import { ExactNumber, type Json } from '../../model/json.ts';
import type { Principal } from '../../model/principal.ts';
import { isObject } from '../condition/field.ts';
import { lexicalPath } from '../condition/under.ts';
import { intentOf } from '../document/annotations.ts';

/** What a person writes of a call just as the call has it. */
type Plain = Pick<
  Call,
  | 'server'
  | 'tool'
  | 'prompt'
  | 'method'
  | 'direction'
  | 'annotations'
  | 'time'
  | 'session'
  | 'labels'
  | 'intent'
  | 'http'
>;

/** A call as a person writes it, to question a policy; what is left out is as usual, or cannot be told. */
export interface CallSpec extends Partial<Plain> {
  readonly resource?: string;
  readonly args?: Json;
  /** What the server answered; without a direction the message is then a result. */
  readonly result?: Json;
  readonly principal?: Partial<Principal>;
  readonly roles?: readonly string[];
  readonly findings?: readonly CallFinding[];
  /** Calls of the session that were allowed lately, by tool; or how many of such tools were within so many ms. */
  readonly history?: Readonly<Record<string, number>> | NonNullable<Call['history']>;
}

/** Where relative paths begin, and what paths lead to. */
export interface PathsOfCalls {
  readonly cwd: string;
  readonly home: string | undefined;
  /** Real path of a path; without it, what the text says. */
  readonly realPath?: (path: string) => string | undefined;
  /** Paths that are links, and what they lead to; null for what cannot be told. Asked first. */
  readonly links?: Readonly<Record<string, string | null>>;
}

/** Makes a call of what was written. */
export function callFrom(spec: CallSpec, paths: PathsOfCalls): Call {
  const { server = 'server', annotations, history } = spec;
  const direction = spec.direction ?? (spec.result === undefined ? 'call' : 'result');
  const isBack = direction === 'result' || direction === 'answer';
  const subject = isBack ? spec.result : spec.args;
  const intent = spec.intent ?? (annotations === undefined ? undefined : intentOf(annotations));
  return {
    direction,
    server,
    method: spec.method ?? usualMethod(spec),
    ...(spec.tool === undefined ? {} : { tool: spec.tool }),
    ...(spec.prompt === undefined ? {} : { prompt: spec.prompt }),
    ...(spec.resource === undefined ? {} : { uri: spec.resource }),
    principal: principalOf(spec),
    ...(annotations === undefined ? {} : { annotations }),
    ...(spec.time === undefined ? {} : { time: spec.time }),
    ...(spec.session === undefined ? {} : { session: spec.session }),
    labels: spec.labels ?? [],
    ...(intent === undefined ? {} : { intent }),
    ...(spec.http === undefined ? {} : { http: spec.http }),
    findings: () => spec.findings ?? secretsBelow(subject),
    history:
      typeof history === 'function' ? history : (glob) => (history === undefined ? undefined : countOf(history, glob)),
    args: () => subject,
    realPath: (path) => resolved(path, paths),
  };
}

function usualMethod({ prompt, resource }: CallSpec): string {
  return prompt !== undefined ? 'prompts/get' : resource !== undefined ? 'resources/read' : 'tools/call';
}

function principalOf({ principal = {}, roles }: CallSpec): Principal {
  const usual = { id: 'agent', roles: [], chain: [], assurance: 'same-user' as const };
  return { ...usual, ...principal, ...(roles === undefined ? {} : { roles }) };
}

function countOf(history: Readonly<Record<string, number>>, glob: (tool: string) => boolean): number {
  return Object.entries(history).reduce((sum, [tool, count]) => (glob(tool) ? sum + count : sum), 0);
}

function resolved(path: string, { cwd, home, realPath, links = {} }: PathsOfCalls): string | undefined {
  if (Object.hasOwn(links, path)) return links[path] ?? undefined;
  if (realPath !== undefined) return realPath(path);
  const whole = path.startsWith('/') ? path : `${cwd}/${path}`;
  const text = lexicalPath(whole, home);
  if (typeof text !== 'string') return undefined;
  // A link on the way leads everything below it elsewhere.
  const link = Object.keys(links)
    .filter((from) => from.startsWith('/') && text.startsWith(`${from}/`))
    .toSorted((a, b) => b.length - a.length)[0];
  if (link === undefined) return text;
  const target = links[link];
  return target === null || target === undefined ? undefined : target + text.slice(link.length);
}

const MOST_STRINGS = 10_000;

/** Secrets in the texts of a value, as inspection finds them. */
function secretsBelow(value: Json | undefined): readonly CallFinding[] {
  const found: CallFinding[] = [];
  const open: { readonly value: Json; readonly name: string | undefined; readonly pointer: string }[] =
    value === undefined ? [] : [{ value, name: undefined, pointer: '' }];
  for (let left = MOST_STRINGS; left > 0; left--) {
    const next = open.pop();
    if (next === undefined) break;
    const { value: at, name, pointer } = next;
    if (typeof at === 'string') {
      for (const { ruleId, class: kind, confidence } of secretsOf(at, name))
        found.push({ rule: ruleId, class: kind, pointer, confidence });
    } else if (Array.isArray(at)) {
      for (const [index, item] of (at as readonly Json[]).entries())
        open.push({ value: item, name, pointer: `${pointer}/${index}` });
    } else if (isObject(at)) {
      for (const [key, item] of Object.entries(at)) {
        const escaped = key.replaceAll('~', '~0').replaceAll('/', '~1');
        open.push({ value: item, name: key, pointer: `${pointer}/${escaped}` });
      }
    }
  }
  return found;
}

/** A value as one line of JSON with its secrets masked; `name` is that of the member that holds it. */
export function maskedText(value: unknown, name: string | undefined): string {
  if (typeof value === 'string') return JSON.stringify(masked(value, name));
  if (value instanceof ExactNumber) return value.text;
  if (typeof value !== 'object' || value === null) return String(JSON.stringify(value));
  if (Array.isArray(value)) {
    const items = value.slice(0, 20).map((item) => maskedText(item, name));
    return `[${items.join(', ')}${value.length > 20 ? ', ...' : ''}]`;
  }
  const entries = Object.entries(value as Record<string, unknown>);
  const shown = entries
    .slice(0, 20)
    .map(([key, item]) => `${JSON.stringify(masked(key, undefined))}: ${maskedText(item, key)}`);
  return `{${shown.join(', ')}${entries.length > 20 ? ', ...' : ''}}`;
}

/** A text with its secrets masked; `name` is that of the member that holds it. */
export function masked(text: string, name: string | undefined): string {
  let out = '';
  let from = 0;
  for (const { ruleId, start, end } of secretsOf(text, name)) {
    out += `${text.slice(from, start)}[secret:${ruleId}]`;
    from = end;
  }
  return out + text.slice(from);
}
