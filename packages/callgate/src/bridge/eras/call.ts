import type { Id } from '../../protocol/correlate.ts';
import type { LinkFailure } from '../../upstreams/link.ts';
import type { LegacySession } from './legacy-session.ts';

/** What a legacy server asked in the middle of a call. */
export interface Ask {
  /** The server's own. */
  readonly id: Id;
  readonly method: string;
  /** The request as it travels inside a result: `{"method":…,"params":…}`. */
  readonly embedded: Uint8Array;
  readonly since: number;
  /** The client has been asked. */
  wasSent: boolean;
}

/** A modern client's call that a legacy server works on, through all its rounds. */
export interface Call {
  /** The id the server knows: that of the first round. */
  readonly id: Id;
  /** The client's open request; undefined while the call is parked. */
  client: Id | undefined;
  readonly method: string;
  readonly session: LegacySession;
  /** What the server was sent; only of calls that may be parked, and until they are. */
  line: Uint8Array | undefined;
  /** What a retry must repeat: method, name and arguments. Of calls that were parked. */
  digest: string | undefined;
  /** The token the server knows, and the one of the open request. */
  readonly token: Id | undefined;
  clientToken: Id | undefined;
  /** Index of the least severe level it wants to hear of; undefined for silence. */
  readonly logLevel: number | undefined;
  /** Questions without an answer, by the key the client gets. */
  readonly asks: Map<string, Ask>;
  /** Counts the keys, so that none comes twice. */
  keys: number;
  /** The server wants the call again, from the start, once its questions are answered. */
  isAgain: boolean;
  /** Capabilities that the server wanted and the client does not have. */
  missing: Record<string, object> | undefined;
  parked: { readonly park: string; readonly until: number } | undefined;
  /** What the server answered while nobody was there to hear it. */
  kept: { readonly line: Uint8Array } | { readonly failure: LinkFailure } | undefined;
  /** Calls off the end of collecting questions. */
  collecting: (() => void) | undefined;
}
