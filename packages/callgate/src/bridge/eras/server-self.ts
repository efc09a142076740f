import { memberEdits, inOrder } from '../../protocol/edits.ts';
import { SERVER_INFO, TASKS_EXTENSION } from '../../protocol/meta-keys.ts';
import { OBJECT, STRING, TRUE, type Tape } from '../../protocol/nodes.ts';
import { MODERN_REVISION } from '../../protocol/revisions.ts';
import { quoted, splice } from '../../protocol/splice.ts';
import { member } from '../../protocol/tape.ts';
import { decodeUtf8 } from '../../protocol/text.ts';

/** What the server said of itself. */
export interface ServerSelf {
  /** JSON text, as the server wrote it. */
  readonly capabilities: string;
  readonly serverInfo: string | undefined;
  readonly instructions: string | undefined;
  readonly has: Readonly<
    Record<'logging' | 'toolsChange' | 'promptsChange' | 'resourcesChange' | 'subscribe', boolean>
  >;
}

/** What a server says of itself, in either era. @param result of `initialize`, or of `server/discover` */
export function selfOf(tape: Tape, result: number): ServerSelf {
  const capabilities = member(tape, result, 'capabilities');
  const has = (name: string, more?: string): boolean => {
    const node = member(tape, capabilities, name);
    if (node < 0 || tape.kinds[node] !== OBJECT) return false;
    return more === undefined || tape.kinds[member(tape, node, more)] === TRUE;
  };
  const info = member(tape, result, 'serverInfo');
  const namedInMeta = member(tape, member(tape, result, '_meta'), SERVER_INFO);
  return {
    capabilities: withoutTasks(tape, capabilities),
    serverInfo: textOf(tape, info >= 0 ? info : namedInMeta, OBJECT),
    instructions: textOf(tape, member(tape, result, 'instructions'), STRING),
    has: {
      logging: has('logging'),
      toolsChange: has('tools', 'listChanged'),
      promptsChange: has('prompts', 'listChanged'),
      resourcesChange: has('resources', 'listChanged'),
      subscribe: has('resources', 'subscribe'),
    },
  };
}

/** The result of `initialize`, for a legacy client. @param version the revision that was agreed on */
export function initializeResult(self: ServerSelf, version: string): string {
  const { capabilities, serverInfo, instructions } = self;
  const parts = [
    `"protocolVersion":${quoted(version)}`,
    `"capabilities":${capabilities}`,
    `"serverInfo":${serverInfo ?? '{"name":"unnamed","version":"0"}'}`,
    ...(instructions === undefined ? [] : [`"instructions":${instructions}`]),
  ];
  return `{${parts.join(',')}}`;
}

/** The result of `server/discover`, for a modern client: it depends on who asks, and is not kept. */
export function discoverResult({ capabilities, serverInfo, instructions }: ServerSelf): string {
  const parts = [
    `"supportedVersions":[${quoted(MODERN_REVISION)}]`,
    `"capabilities":${capabilities}`,
    ...(serverInfo === undefined ? [] : [`"serverInfo":${serverInfo}`, `"_meta":{"${SERVER_INFO}":${serverInfo}}`]),
    ...(instructions === undefined ? [] : [`"instructions":${instructions}`]),
    '"resultType":"complete"',
    '"ttlMs":0',
    '"cacheScope":"private"',
  ];
  return `{${parts.join(',')}}`;
}

function withoutTasks(tape: Tape, capabilities: number): string {
  if (capabilities < 0 || tape.kinds[capabilities] !== OBJECT) return '{}';
  const extensions = member(tape, capabilities, 'extensions');
  const inside = extensions >= 0 && tape.kinds[extensions] === OBJECT ? memberEdits(tape, extensions, TASKS) : [];
  const edits = inOrder([...memberEdits(tape, capabilities, TASKS), ...inside]);
  return decodeUtf8(splice(tape.bytes, tape.starts[capabilities]!, tape.ends[capabilities]!, edits));
}

const TASKS: ReadonlySet<string> = new Set(['tasks', TASKS_EXTENSION]);

function textOf(tape: Tape, node: number, kind: number): string | undefined {
  return node >= 0 && tape.kinds[node] === kind
    ? decodeUtf8(tape.bytes, tape.starts[node], tape.ends[node])
    : undefined;
}
