import type { Json } from '../model/json.ts';
import type { NodePath } from '../policy/document/document-types.ts';
import type { PolicySource } from '../policy/index.ts';
import { type PolicyDocument, readDocument } from '../policy/document/document.ts';
import type { Witness } from '../policy/solve/search.ts';

/** A call that was worked out, as one writes it for `policy explain` and tests. */
export function shownCall({ call, args, outcomes }: Witness): Readonly<Record<string, unknown>> {
  const { server, tool, prompt, uri, principal, annotations, time, labels } = call;
  const last = outcomes.at(-1);
  return {
    server,
    ...(tool === undefined ? {} : { tool }),
    ...(prompt === undefined ? {} : { prompt }),
    ...(uri === undefined ? {} : { resource: uri }),
    args: plain(args),
    ...(principal.roles.length === 0 ? {} : { roles: principal.roles }),
    ...(annotations === undefined ? {} : { annotations }),
    ...(labels === undefined || labels.length === 0 ? {} : { labels }),
    ...(time === undefined ? {} : { time: new Date(time).toISOString() }),
    ...(principal.chain.length === 0 ? {} : { chain: principal.chain }),
    ...(call.findings === undefined || (call.findings()?.length ?? 0) === 0 ? {} : { findings: call.findings() }),
    effect: last?.effect,
    rule: last?.rule,
  };
}

/** As JSON.stringify takes it: exact numbers as numbers, where a double holds them. */
function plain(value: Json): unknown {
  if (Array.isArray(value)) return (value as readonly Json[]).map(plain);
  if (typeof value !== 'object' || value === null) return value;
  if ('text' in value && Object.getPrototypeOf(value) !== null) return Number(value.text);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner as Json)]));
}

/** How long `can` and `diff` search without `--timeout`. */
export const USUAL_MS = 10_000;

/** What to do about an answer that is none. */
export const UNKNOWN_REMEDY = 'name a tool, a server or a field in the question, or give it more time with --timeout';

/** `file:line` of a place in one of these files; undefined where there is none. */
export function placesIn(sources: readonly PolicySource[]): (file: string, path: NodePath) => string | undefined {
  const read = new Map<string, PolicyDocument>();
  return (file, path) => {
    const source = sources.find((one) => one.file === file);
    if (source === undefined) return undefined;
    const document = read.get(file) ?? readDocument(file, source.text);
    read.set(file, document);
    return `${file}:${document.issueAt(path, '', '').line}`;
  };
}
