import type { HttpTarget } from '../net/index.ts';
import { LegacyLink } from './http-legacy.ts';
import { ModernLink } from './http-modern.ts';
import { type HttpLinkOptions, readHeaders } from './http-options.ts';
import { openWire } from './http-wire.ts';
import type { Link, LinkEvents } from './link.ts';

export { type HttpLimits, type HttpLinkOptions, type HttpTimeouts, readHeaders } from './http-options.ts';

/**
 * A conversation with a server over Streamable HTTP. Nothing is sent before the first message. Each request is a POST of
 * the very bytes; its answer is a body or a stream.
 * Modern: a `notifications/cancelled` ends the POST of the request it names and goes no further. Legacy: the link keeps the
 * session that `initialize` made, listens on its stream, and takes up again streams that broke off.
 * @param target see `readTarget`
 * @throws CallgateError CG_UPSTREAM_HEADER for headers that cannot be sent; nothing later
 */
export function httpLink(target: HttpTarget, options: HttpLinkOptions, events: LinkEvents): Link {
  if (typeof options.headers === 'object') readHeaders(options.headers);
  const wire = openWire(target, options);
  return options.era === 'modern' ? new ModernLink(wire, events) : new LegacyLink(wire, events);
}
