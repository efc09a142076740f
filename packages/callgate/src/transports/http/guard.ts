import { hostOf } from './head.ts';
import type { Head } from './head.ts';

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];
const EVERYWHERE = ['0.0.0.0', '[::]'];

/** Who may be meant by a request, and from which pages it may come. */
export interface Guard {
  /** Why not, or undefined. A page that a name was bent to (DNS rebinding) says the wrong host. */
  hostProblem(head: Head): string | undefined;
  originProblem(head: Head): string | undefined;
  /** What a page of another origin may be told; empty for requests that come from none. */
  corsFields(head: Head): readonly string[];
}

const NONE: readonly string[] = [];

/**
 * Makes the checks of Host and Origin.
 * @param host what the door is bound to; loopback names are allowed when it is one, or all addresses
 */
export function makeGuard(
  host: string,
  allowedHosts: readonly string[] = [],
  allowedOrigins: readonly string[] = [],
): Guard {
  const bound = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  const isLoopback = LOOPBACK.includes(bound.toLowerCase()) || bound.startsWith('127.');
  // No name that a page was bent to is one of these; so they may reach a door that listens everywhere.
  const hasLoopback = isLoopback || EVERYWHERE.includes(bound);
  const names = [...allowedHosts, ...(hasLoopback ? LOOPBACK : []), bound];
  const hosts = new Set(names.map((name) => name.toLowerCase()));
  const origins = new Set(allowedOrigins.map((origin) => origin.toLowerCase()));
  return {
    hostProblem(head) {
      const name = head.host === undefined ? undefined : hostOf(head.host);
      if (name !== undefined && (hosts.has(name) || hosts.has((head.host as string).toLowerCase()))) return undefined;
      return 'The Host field names a host that is not allowed; serve.hosts lists those that are.';
    },
    originProblem(head) {
      if (head.origin === undefined) return undefined;
      const origin = head.origin.toLowerCase();
      if (origins.has(origin)) return undefined;
      const own = (head.host ?? '').toLowerCase();
      if (origin === `http://${own}` || origin === `https://${own}`) return undefined;
      return 'The Origin field names an origin that is not allowed; serve.origins lists those that are.';
    },
    corsFields(head) {
      if (head.origin === undefined) return NONE;
      return [
        'Access-Control-Allow-Origin',
        head.origin,
        'Access-Control-Expose-Headers',
        'Mcp-Session-Id',
        'Vary',
        'Origin',
      ];
    },
  };
}

/** What a preflight is told. */
export const PREFLIGHT: readonly string[] = [
  'Access-Control-Allow-Methods',
  'GET, POST, DELETE',
  'Access-Control-Allow-Headers',
  'Authorization, Content-Type, Accept, Last-Event-ID, X-Agent-Key, Mcp-Session-Id, Mcp-Protocol-Version, Mcp-Method, Mcp-Name',
  'Access-Control-Max-Age',
  '600',
];
