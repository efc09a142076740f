import type { Direction } from '../model/call.ts';

/** What agents ask servers to do. A rule that names no tool, prompt, resource or method covers these; so does `default`. */
export const OPERATIONS = [
  'tools/call',
  'prompts/get',
  'resources/read',
  'resources/subscribe',
  'resources/unsubscribe',
  'subscriptions/listen',
  'completion/complete',
] as const;

/** What servers ask clients to do. */
export const ASKS = ['sampling/createMessage', 'elicitation/create', 'roots/list'] as const;

/** Methods of resources that name a URI. */
export const RESOURCE_METHODS = ['resources/read', 'resources/subscribe', 'resources/unsubscribe'] as const;

/** Every method of every revision of the protocol, for "did you mean". */
export const KNOWN_METHODS: readonly string[] = [
  ...OPERATIONS,
  ...ASKS,
  'initialize',
  'server/discover',
  'ping',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'logging/setLevel',
  'tasks/get',
  'tasks/list',
  'tasks/result',
  'tasks/update',
  'tasks/cancel',
  'notifications/initialized',
  'notifications/cancelled',
  'notifications/progress',
  'notifications/message',
  'notifications/tools/list_changed',
  'notifications/prompts/list_changed',
  'notifications/resources/list_changed',
  'notifications/resources/updated',
  'notifications/roots/list_changed',
  'notifications/elicitation/complete',
  'notifications/tasks/status',
  'notifications/subscriptions/acknowledged',
];

const operations: ReadonlySet<string> = new Set(OPERATIONS);
const asks: ReadonlySet<string> = new Set(ASKS);
const resourceMethods: ReadonlySet<string> = new Set(RESOURCE_METHODS);

/** Whether a method is an operation of its direction: what agents ask of servers, or servers of clients. */
export function isOperation(direction: Direction, method: string): boolean {
  if (method.startsWith('tasks/')) return true;
  return direction === 'call' || direction === 'result' ? operations.has(method) : asks.has(method);
}

/** Whether a method's target is a resource URI. */
export function isResourceMethod(method: string): boolean {
  return resourceMethods.has(method);
}
