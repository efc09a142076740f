import { LEGACY_REVISIONS, MODERN_REVISIONS, REVISIONS } from './revisions.ts';

/** Who sends it. */
export type Sender = 'client' | 'server';

/**
 * What a message is for. `housekeeping`: keeps the session going. `list`: says what there is. `operation`: does
 * something. `ask`: the server wants something of the client. `observe`: tells what happened.
 */
export type MethodGroup = 'housekeeping' | 'list' | 'operation' | 'ask' | 'observe';

/** A method of the Model Context Protocol. */
export interface MethodKind {
  readonly method: string;
  readonly from: Sender | 'both';
  readonly form: 'request' | 'notification';
  readonly group: MethodGroup;
  /** What its params name: `params.name` of a tool or prompt, or `params.uri`. */
  readonly target: 'tool' | 'prompt' | 'uri' | 'none';
  /** The revisions that have it. */
  readonly revisions: readonly string[];
  /** Too many and too small for a record each: when allowed, they are counted. */
  readonly counted: boolean;
}

const ALL = REVISIONS;
const LEGACY = LEGACY_REVISIONS;
const MODERN = MODERN_REVISIONS;
const SINCE_2025_06 = REVISIONS.slice(2);
/** Tasks came with 2025-11-25 and became an extension in 2026-07-28. */
const SINCE_2025_11 = REVISIONS.slice(3);
const ONLY_2025_11 = REVISIONS.slice(3, 4);

type Row = readonly [
  method: string,
  from: MethodKind['from'],
  form: MethodKind['form'],
  group: MethodGroup,
  revisions: readonly string[],
  target?: MethodKind['target'],
];

// Sampling, elicitation and roots travel embedded in results since 2026-07-28; they stay requests here because a peer
// may send them so all the same, and then they must be judged.
const ROWS: readonly Row[] = [
  ['initialize', 'client', 'request', 'housekeeping', LEGACY],
  ['notifications/initialized', 'client', 'notification', 'housekeeping', LEGACY],
  ['ping', 'both', 'request', 'housekeeping', LEGACY],
  ['server/discover', 'client', 'request', 'housekeeping', MODERN],
  ['notifications/cancelled', 'both', 'notification', 'housekeeping', ALL],
  ['notifications/progress', 'both', 'notification', 'housekeeping', ALL],
  ['logging/setLevel', 'client', 'request', 'housekeeping', LEGACY],
  ['notifications/roots/list_changed', 'client', 'notification', 'housekeeping', LEGACY],
  ['notifications/subscriptions/acknowledged', 'server', 'notification', 'housekeeping', MODERN],

  ['tools/list', 'client', 'request', 'list', ALL],
  ['resources/list', 'client', 'request', 'list', ALL],
  ['resources/templates/list', 'client', 'request', 'list', ALL],
  ['prompts/list', 'client', 'request', 'list', ALL],

  ['tools/call', 'client', 'request', 'operation', ALL, 'tool'],
  ['prompts/get', 'client', 'request', 'operation', ALL, 'prompt'],
  ['resources/read', 'client', 'request', 'operation', ALL, 'uri'],
  ['resources/subscribe', 'client', 'request', 'operation', LEGACY, 'uri'],
  ['resources/unsubscribe', 'client', 'request', 'operation', LEGACY, 'uri'],
  ['completion/complete', 'client', 'request', 'operation', ALL],
  ['subscriptions/listen', 'client', 'request', 'operation', MODERN],
  ['tasks/get', 'both', 'request', 'operation', SINCE_2025_11],
  ['tasks/cancel', 'both', 'request', 'operation', SINCE_2025_11],
  ['tasks/list', 'both', 'request', 'operation', ONLY_2025_11],
  ['tasks/result', 'both', 'request', 'operation', ONLY_2025_11],
  ['tasks/update', 'client', 'request', 'operation', MODERN],

  ['sampling/createMessage', 'server', 'request', 'ask', ALL],
  ['elicitation/create', 'server', 'request', 'ask', SINCE_2025_06],
  ['roots/list', 'server', 'request', 'ask', ALL],

  ['notifications/message', 'server', 'notification', 'observe', ALL],
  ['notifications/tools/list_changed', 'server', 'notification', 'observe', ALL],
  ['notifications/prompts/list_changed', 'server', 'notification', 'observe', ALL],
  ['notifications/resources/list_changed', 'server', 'notification', 'observe', ALL],
  ['notifications/resources/updated', 'server', 'notification', 'observe', ALL, 'uri'],
  ['notifications/elicitation/complete', 'server', 'notification', 'observe', ONLY_2025_11],
  ['notifications/tasks/status', 'both', 'notification', 'observe', ONLY_2025_11],
  ['notifications/tasks', 'server', 'notification', 'observe', MODERN],
];

/** Every method of every revision, in both directions. */
export const METHODS: readonly MethodKind[] = ROWS.map(([method, from, form, group, revisions, target = 'none']) => ({
  method,
  from,
  form,
  group,
  target,
  revisions,
  counted: form === 'notification',
}));

const byName = new Map(METHODS.map((kind) => [kind.method, kind]));

/**
 * What the protocol says about a method.
 * @param method as written; names are case-sensitive
 * @param from who sent it
 * @returns undefined when the protocol has no such method in this direction
 */
export function methodKind(method: string, from: Sender): MethodKind | undefined {
  const kind = byName.get(method);
  return kind !== undefined && (kind.from === from || kind.from === 'both') ? kind : undefined;
}
