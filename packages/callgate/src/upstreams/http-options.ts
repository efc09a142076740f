import type { Dispatcher } from 'undici';
import { CallgateError } from '../model/error.ts';

/** How a link speaks HTTP to one server for one principal. */
export interface HttpLinkOptions {
  /** `legacy`: sessions and `initialize`; `modern`: 2026-07-28 and later. */
  readonly era: 'legacy' | 'modern';
  /** A guarded agent; shared by links of the same server. */
  readonly agent: Dispatcher;
  /** What each request carries besides: checked by `readHeaders`. A function is asked for each request. */
  readonly headers?: HeaderSource;
  readonly timeouts?: Partial<HttpTimeouts>;
  readonly limits?: Partial<HttpLimits>;
}

export type HeaderSource = Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>);

/** Milliseconds; 0 is none. Connecting has its own, in the agent. */
export interface HttpTimeouts {
  /** Until the headers of an answer. */
  readonly firstByteMs: number;
  /** Between two pieces of an answer. */
  readonly idleMs: number;
  /** A call as a whole; subscriptions have none. */
  readonly callMs: number;
  /** Saying goodbye. */
  readonly closeMs: number;
}

export interface HttpLimits {
  readonly messageBytes: number;
  /** Requests at the server at once. */
  readonly inFlight: number;
  /** Requests that wait for their turn. */
  readonly queued: number;
  /** Subscriptions open at once. */
  readonly listens: number;
}

export const TIMEOUTS: HttpTimeouts = { firstByteMs: 300_000, idleMs: 300_000, callMs: 1_800_000, closeMs: 1_000 };
export const LIMITS: HttpLimits = { messageBytes: 10_000_000, inFlight: 256, queued: 1024, listens: 64 };

/** Headers that a link sets itself, or that belong to the connection. */
const RESERVED = new Set(
  (
    'host accept accept-encoding content-type content-length content-encoding transfer-encoding connection keep-alive ' +
    'upgrade expect te trailer proxy-authorization proxy-connection last-event-id origin ' +
    'mcp-session-id mcp-protocol-version mcp-method mcp-name'
  ).split(' '),
);
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/**
 * Checks headers that an operator wrote for a server. Values are not shown in errors.
 * @throws CallgateError CG_UPSTREAM_HEADER for a name that is none or is Callgate's own, or a value that no header can have
 */
export function readHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const seen = new Set<string>();
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase();
    const shown = JSON.stringify(name.slice(0, 80));
    if (!TOKEN.test(name)) throw unusable(`${shown} is no name of a header`);
    if (RESERVED.has(lower) || lower.startsWith('mcp-param-')) throw unusable(`${shown} is set by Callgate itself`);
    if (seen.has(lower)) throw unusable(`${shown} stands there twice`);
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value))
      throw unusable(`the value of ${shown} has characters that no header can have`);
    seen.add(lower);
  }
  return headers;
}

function unusable(why: string): CallgateError {
  return new CallgateError('CG_UPSTREAM_HEADER', `The headers of a server cannot be sent: ${why}.`, {
    remedy: 'Take it out, or write it as HTTP has it.',
  });
}
