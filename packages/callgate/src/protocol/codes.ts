/** JSON-RPC 2.0 section 5.1. */
export const PARSE_ERROR = -32700;
export const INVALID_REQUEST = -32600;
export const METHOD_NOT_FOUND = -32601;
export const INVALID_PARAMS = -32602;
export const INTERNAL_ERROR = -32603;

/** MCP up to 2025-11-25: no resource has this URI; later that is INVALID_PARAMS. */
export const RESOURCE_NOT_FOUND = -32002;
/** MCP 2025-11-25: pages must be visited first. */
export const URL_ELICITATION_REQUIRED = -32042;
/** MCP 2026-07-28, basic/index, "Error codes". */
export const HEADER_MISMATCH = -32020;
export const MISSING_CAPABILITY = -32021;
export const UNSUPPORTED_VERSION = -32022;

// Our own, outside the range that JSON-RPC reserves (-32768 to -32000).
/** A rule, or no rule, denied it. */
export const DENIED = -31001;
/** A rule wants a person to approve it first. */
export const NEEDS_APPROVAL = -31002;
/** A limit is spent. */
export const RATE_LIMITED = -31003;
/** The server ended before it answered. */
export const SERVER_ENDED = -31004;
/** The server's answer was refused as malformed or ambiguous. */
export const MALFORMED_ANSWER = -31005;
/** Too many requests are open. */
export const TOO_MANY_IN_FLIGHT = -31006;
/** The evidence of the decision could not be written. */
export const EVIDENCE_UNAVAILABLE = -31007;
/** The method is unknown, or not this side's to send. */
export const METHOD_REFUSED = -31008;
/** A rule puts it off; `data.retryAfterMs` says until when. */
export const DEFERRED = -31009;
/** The server, or the tool, failed too often in a row; `data.retryAfterMs` says until when nothing is asked of it. */
export const CIRCUIT_OPEN = -31010;
