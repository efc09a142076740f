import type { Dispatcher } from 'undici';
import type { HttpTarget } from '../net/index.ts';
import { type HeaderList, headerBase, POST_HEADERS, STREAM_HEADERS } from './http-headers.ts';
import { LIMITS, TIMEOUTS, type HttpLimits, type HttpLinkOptions, type HttpTimeouts } from './http-options.ts';

/** The way to one server: what every request of a link has in common. */
export interface Wire {
  readonly limits: HttpLimits;
  readonly timeouts: HttpTimeouts;
  /** The headers of a POST, to which those of the message are added. */
  postHeaders(): HeaderList;
  /** The headers of a GET that wants a stream, or of a DELETE. */
  streamHeaders(): HeaderList;
  /**
   * Begins an exchange; what comes of it is told to the answer, maybe at once. `idleMs` and `path` in place of the usual.
   */
  begin(
    method: 'POST' | 'GET' | 'DELETE',
    headers: HeaderList,
    body: Uint8Array | null,
    answer: Dispatcher.DispatchHandler,
    more?: { readonly idleMs?: number; readonly firstByteMs?: number; readonly path?: string },
  ): void;
}

export function openWire(target: HttpTarget, options: HttpLinkOptions): Wire {
  const { agent } = options;
  const timeouts: HttpTimeouts = { ...TIMEOUTS, ...options.timeouts };
  return {
    limits: { ...LIMITS, ...options.limits },
    timeouts,
    postHeaders: headerBase(options.headers, POST_HEADERS),
    streamHeaders: headerBase(options.headers, STREAM_HEADERS),
    begin(method, headers, body, answer, more) {
      agent.dispatch(
        {
          origin: target.origin,
          path: more?.path ?? target.path,
          method,
          headers,
          body,
          headersTimeout: more?.firstByteMs ?? timeouts.firstByteMs,
          bodyTimeout: more?.idleMs ?? timeouts.idleMs,
        },
        answer,
      );
    },
  };
}
