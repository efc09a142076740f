const PREFIX = 'io.modelcontextprotocol/';

// Keys of `_meta` that the protocol has for itself (2026-07-28, basic/index, "_meta").

/** Of a request: the revision it is written in, and who sends it. */
export const PROTOCOL_VERSION = `${PREFIX}protocolVersion`;
export const CLIENT_INFO = `${PREFIX}clientInfo`;
export const CLIENT_CAPABILITIES = `${PREFIX}clientCapabilities`;
export const LOG_LEVEL = `${PREFIX}logLevel`;
/** Of a result: who gives it. */
export const SERVER_INFO = `${PREFIX}serverInfo`;
/** Of a notification, and of the result that ends a subscription: the id of the `subscriptions/listen` it comes under. */
export const SUBSCRIPTION_ID = `${PREFIX}subscriptionId`;

/** Names the tasks extension among the `extensions` of capabilities. */
export const TASKS_EXTENSION = `${PREFIX}tasks`;
