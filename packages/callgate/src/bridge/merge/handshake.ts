import type { Json, JsonObject } from '../../model/json.ts';
import { ExactNumber } from '../../model/json.ts';
import { readMessage } from '../../protocol/message.ts';
import { SERVER_INFO } from '../../protocol/meta-keys.ts';
import { LEGACY_REVISIONS, MODERN_REVISIONS, NEWEST_LEGACY } from '../../protocol/revisions.ts';
import type { Scanner } from '../../protocol/scan.ts';
import { encodeUtf8, quoted, splice } from '../../protocol/splice.ts';
import { member as memberOf } from '../../protocol/tape.ts';
import { edited, memberEdits } from '../../protocol/edits.ts';
import type { Member } from './member.ts';
import type { MergeOptions } from './options.ts';
import { jsonText, paramsText, PROGRESS_TOKEN } from './wire.ts';

/** Characters of the instructions of one server, and of all. */
const MOST_OF_ONE = 4000;
const MOST_OF_ALL = 32_000;
/** Kinds of which lists change when a server comes late. */
const LISTED = ['tools', 'prompts', 'resources'] as const;
const DISCOVER_TTL_MS = 5000;

/**
 * Makes the client's `initialize` into those for the servers: the same but for the id, and without its progress token.
 * @param tape holds the message
 */
export function helloUnder(tape: Scanner, params: number): (id: number) => Uint8Array {
  const kept = edited(tape, memberEdits(tape, memberOf(tape, params, '_meta'), PROGRESS_TOKEN));
  readMessage(tape, kept, 0, kept.length);
  const node = memberOf(tape, 0, 'id');
  const [start, end] = [tape.starts[node]!, tape.ends[node]!];
  return (id) => splice(kept, 0, kept.length, [{ start, end, text: encodeUtf8(String(id)) }]);
}

/** The result of `initialize`. @param wanted the revision that the client named */
export function initializeResult(
  options: MergeOptions,
  members: readonly Member[],
  prefixes: readonly string[],
  wanted: string | undefined,
): string {
  const version = wanted !== undefined && LEGACY_REVISIONS.includes(wanted) ? wanted : NEWEST_LEGACY;
  return paramsText({
    protocolVersion: quoted(version),
    capabilities: jsonText(capabilitiesOf(members)),
    serverInfo: JSON.stringify(options.serverInfo),
    instructions: instructionsText(options, members, prefixes),
  });
}

/** The result of `server/discover`. It depends on who asks, and changes when a server comes. */
export function discoverResult(options: MergeOptions, members: readonly Member[], prefixes: readonly string[]): string {
  return paramsText({
    resultType: '"complete"',
    supportedVersions: JSON.stringify(MODERN_REVISIONS),
    capabilities: jsonText(capabilitiesOf(members)),
    instructions: instructionsText(options, members, prefixes),
    ttlMs: String(DISCOVER_TTL_MS),
    cacheScope: '"private"',
    _meta: paramsText({ [SERVER_INFO]: JSON.stringify(options.serverInfo) }),
  });
}

/** What at least one server can. While one has not spoken, it may have any list, and the client is told when it does. */
export function capabilitiesOf(members: readonly Member[]): JsonObject {
  const all = members.reduce<JsonObject>((union, { capabilities }) => united(union, capabilities ?? {}), NO_MEMBERS);
  const isWhole = members.every(({ capabilities }) => capabilities !== undefined);
  const out = Object.assign(Object.create(null) as Record<string, Json>, all);
  for (const kind of LISTED) {
    if (!isWhole || out[kind] !== undefined) out[kind] = united(objectOr(out[kind]), { listChanged: true });
  }
  return out;
}

/**
 * What servers want a model to know, each under a heading of ours. Every line is quoted, so that none can look like the heading of
 * another server.
 */
function instructionsText(
  options: MergeOptions,
  members: readonly Member[],
  prefixes: readonly string[],
): string | undefined {
  let left = MOST_OF_ALL;
  const sections: string[] = [];
  for (const { index, instructions } of members) {
    if (instructions === undefined || instructions.trim() === '') continue;
    const most = Math.min(MOST_OF_ONE, left);
    const kept = instructions.slice(0, most);
    left -= kept.length;
    const lines = kept.split(/\r\n|[\n\r\u0085\u2028\u2029]/).map((line) => `> ${line}`);
    const cut = instructions.length - kept.length;
    if (cut > 0) lines.push(`(${cut} more characters are left out)`);
    sections.push(`${headingOf(options, index, prefixes[index]!)}\n${lines.join('\n')}`);
  }
  return sections.length === 0 ? undefined : quoted(sections.join('\n\n'));
}

function headingOf({ naming, servers }: MergeOptions, index: number, prefix: string): string {
  const { name, prefix: wanted } = servers[index]!;
  const isPrefixed = naming === 'always' && wanted !== '';
  return `# Server "${name}"${isPrefixed ? ` (its names begin with "${prefix}")` : ''}`;
}

/** Members of both. What both have is united when both are objects, true when one is true, and else what came first. */
function united(a: JsonObject, b: JsonObject): JsonObject {
  const out = Object.assign(Object.create(null) as Record<string, Json>, a);
  for (const key of Object.keys(b)) {
    const mine = Object.hasOwn(out, key) ? out[key] : undefined;
    const other = b[key]!;
    if (mine === undefined) out[key] = other;
    else if (isObject(mine) && isObject(other)) out[key] = united(mine, other);
    else if (mine === false && other === true) out[key] = true;
  }
  return out;
}

function objectOr(json: Json | undefined): JsonObject {
  return json !== undefined && isObject(json) ? json : NO_MEMBERS;
}

function isObject(json: Json): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json) && !(json instanceof ExactNumber);
}

const NO_MEMBERS: JsonObject = Object.create(null) as JsonObject;
