import type { PolicyDoc } from './document/document-types.ts';
import { OPERATIONS } from './methods.ts';

/** File name of the base layer, where a decision's rule is traced to its source. */
export const BASE_FILE = '(built-in base layer)';

/**
 * The built-in base layer. It is asked after the user's rules and before `default`, so any rule of it can be overruled.
 * Its rules appear in decisions as `base:<id>`. It is a policy like any other, written in the JSON half of YAML so that
 * starting up does not parse it slowly.
 */
export const BASE_POLICY = `{
  "version": 1,
  "name": "base",
  "rules": [
    {
      "id": "housekeeping",
      "description": "Opening, closing and keeping a connection.",
      "match": {
        "direction": ["call", "request"],
        "method": ["initialize", "server/discover", "ping", "notifications/initialized", "notifications/cancelled", "notifications/progress", "logging/setLevel"]
      },
      "effect": "allow"
    },
    {
      "id": "lists",
      "description": "Lists of what there is; using it is another question.",
      "match": { "direction": "call", "method": ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] },
      "effect": "allow"
    },
    {
      "id": "listen",
      "description": "Watching lists for changes. Watching single resources is an operation.",
      "match": { "direction": "call", "method": "subscriptions/listen" },
      "when": "!has(args.notifications.resourceSubscriptions)",
      "effect": "allow"
    },
    {
      "id": "following",
      "description": "Following a task that was allowed when it was started.",
      "match": { "direction": ["call", "request"], "method": ["tasks/get", "tasks/list", "tasks/result", "tasks/cancel", "notifications/tasks/status"] },
      "effect": "allow"
    },
    {
      "id": "roots-changed",
      "match": { "direction": "call", "method": "notifications/roots/list_changed" },
      "effect": "allow"
    },
    {
      "id": "observing",
      "description": "What servers tell without being asked.",
      "match": {
        "direction": "request",
        "method": ["notifications/message", "notifications/tools/list_changed", "notifications/prompts/list_changed", "notifications/resources/list_changed", "notifications/resources/updated", "notifications/elicitation/complete", "notifications/subscriptions/acknowledged"]
      },
      "effect": "allow"
    },
    {
      "id": "results",
      "description": "Results of what was allowed.",
      "match": { "direction": ["result", "answer"], "method": "*" },
      "effect": "allow"
    },
    {
      "id": "sampling",
      "match": { "direction": "request", "method": "sampling/createMessage" },
      "effect": "ask",
      "reason": "the server wants to use the client's model"
    },
    {
      "id": "elicitation",
      "match": { "direction": "request", "method": "elicitation/create" },
      "effect": "ask",
      "reason": "the server wants to ask the person at the client for data"
    },
    {
      "id": "roots",
      "match": { "direction": "request", "method": "roots/list" },
      "effect": "ask",
      "reason": "the server wants to know which directories the client has"
    },
    {
      "id": "unknown-call",
      "match": { "direction": "call", "method": "*" },
      "when": "!(method in [${OPERATIONS.map((method) => `'${method}'`).join(', ')}]) && !method.startsWith('tasks/')",
      "effect": "deny",
      "reason": "no rule names this method, and it is no method of the protocol that passes by itself"
    },
    {
      "id": "unknown-request",
      "match": { "direction": "request", "method": "*" },
      "effect": "deny",
      "reason": "no rule names this method, and servers do not ask it of clients by themselves"
    }
  ]
}
`;

/** The base layer, read; a test holds it to what the policy reader makes of the same text. */
export function basePolicy(): PolicyDoc {
  return JSON.parse(BASE_POLICY) as PolicyDoc;
}
