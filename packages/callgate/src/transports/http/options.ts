import type { PeerCertificate } from 'node:tls';
import type { ClientEnd, Era, Exchange } from '../../bridge/exchange.ts';
import type { Principal } from '../../model/principal.ts';
import type { Refusal } from '../../protocol/message.ts';

/** What of a request can say who sends it. None of it goes further than this. */
export interface Credentials {
  readonly authorization: string | undefined;
  /** The field X-Agent-Key. */
  readonly agentKey: string | undefined;
  /** Of a client that proved to hold its key, under an authority of `tls.ca`. */
  readonly certificate: PeerCertificate | undefined;
  readonly remoteAddress: string | undefined;
}

/** Why a request is not let in. */
export interface Challenge {
  readonly status: 401 | 403;
  /** Value of WWW-Authenticate. */
  readonly challenge: string;
  readonly message: string;
}

/** What the front door wants opened. */
export interface Opening {
  /** The name in the path `/mcp/<server>`; undefined for `/mcp`. */
  readonly server: string | undefined;
  readonly principal: Principal;
  readonly era: Era;
  readonly end: ClientEnd;
  /** Names the conversation in records: a legacy session, or all that a principal has to do with a server. No client's secret. */
  readonly session: string;
}

/** What is up; counted, not named. */
export interface Health {
  readonly live: boolean;
  readonly ready: boolean;
  readonly servers: { readonly up: number; readonly total: number };
}

/** Bounds; see DEFAULT_LIMITS. */
export interface HttpLimits {
  readonly bodyBytes: number;
  /** Of all requests that are on their way in or not answered yet; one principal has half of it. */
  readonly uploadBytes: number;
  /** Of all answers that their clients have not read; one principal has half of it. */
  readonly unreadBytes: number;
  /** Bounds of one message; as the judge's. */
  readonly depth: number;
  readonly keys: number;
  readonly headerBytes: number;
  readonly headersTimeoutMs: number;
  /** A whole request, head and body, must be here in this time. */
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  /** A connection on which nothing moves for so long is cut: its client does not read. */
  readonly stalledMs: number;
  readonly connections: number;
  readonly inFlight: number;
  readonly inFlightPerPrincipal: number;
  readonly sessions: number;
  readonly sessionsPerPrincipal: number;
  readonly sessionIdleMs: number;
  /** Event streams that stay open without a call: GET, `subscriptions/listen`, HTTP+SSE. */
  readonly streamsPerPrincipal: number;
  readonly keptEvents: number;
  readonly keptBytes: number;
  /** Of all sessions together, shared out evenly where there are many; so it is with what streams hold unread. */
  readonly sharedBytes: number;
  /** Of one stream, unread by its client. */
  readonly bufferedBytes: number;
  /** A request without an answer for so long becomes a stream, so that nothing between takes it for dead. */
  readonly streamAfterMs: number;
  readonly keepAliveMs: number;
  /** Told to clients: when to come back to a stream that broke. */
  readonly retryMs: number;
  readonly closeMs: number;
}

export const DEFAULT_LIMITS: HttpLimits = {
  bodyBytes: 10 << 20,
  uploadBytes: 256 << 20,
  unreadBytes: 512 << 20,
  depth: 128,
  keys: 100_000,
  headerBytes: 16 << 10,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 65_000,
  stalledMs: 120_000,
  connections: 10_000,
  inFlight: 4096,
  inFlightPerPrincipal: 1024,
  sessions: 10_000,
  sessionsPerPrincipal: 1000,
  sessionIdleMs: 30 * 60_000,
  streamsPerPrincipal: 1000,
  keptEvents: 256,
  keptBytes: 1 << 20,
  sharedBytes: 256 << 20,
  bufferedBytes: 4 << 20,
  streamAfterMs: 5000,
  keepAliveMs: 15_000,
  retryMs: 1000,
  closeMs: 5000,
};

export interface TlsOptions {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly ca?: string | Buffer;
  readonly requireClientCert?: boolean;
}

export interface HttpOptions {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  readonly tls?: TlsOptions;
  /** Who it is. Returns the same object for the same principal where it can: then nothing is compared anew. */
  authenticate(credentials: Credentials): Principal | Challenge;
  /** Undefined when there is no such server, or not for this principal. */
  open(opening: Opening): Exchange | undefined;
  /** Records what is refused as no message, of somebody who has no conversation that would record it. */
  malformed?(who: Pick<Opening, 'server' | 'principal'>, refusal: Refusal): void;
  health(): Health;
  /** Names that the Host field may say, beside the loopback names when `host` is one of them. */
  readonly allowedHosts?: readonly string[];
  /** Origins of pages that may call; those of the Host itself always may. */
  readonly allowedOrigins?: readonly string[];
  /** Offers HTTP+SSE of 2024-11-05 at `/sse`. */
  readonly legacySse?: boolean;
  readonly limits?: Partial<HttpLimits>;
  /** Milliseconds that never go back. */
  mono?(): number;
  /** Something is wrong that no client is told of. */
  warn(message: string): void;
}
