import type { ScanLimits } from '../../protocol/scan.ts';
import type { OpenLink } from '../../upstreams/link.ts';
import type { Clock } from '../clock.ts';
import type { Lot } from './lot.ts';
import type { PoolLimits } from './pool.ts';
import type { Seal } from './seal.ts';

export interface ModernLimits extends PoolLimits {
  /** Calls that wait for their client at a time, for this principal. */
  readonly parked: number;
  readonly parkedMs: number;
  /** How long questions that come together are collected. */
  readonly collectMs: number;
  /** What a server may ask in one call at a time. */
  readonly asks: number;
  readonly listens: number;
  /** URIs of all listens together. */
  readonly subscriptions: number;
  /** How long a session waits for the answer to a call that its client gave up. */
  readonly drainMs: number;
}

export const MODERN_LIMITS: ModernLimits = {
  sessions: 8,
  queue: 64,
  queueMs: 30_000,
  idleMs: 300_000,
  startMs: 60_000,
  parked: 16,
  parkedMs: 120_000,
  collectMs: 5,
  asks: 16,
  listens: 16,
  subscriptions: 256,
  drainMs: 2_000,
};

export interface AsModernOptions {
  /** The server's configured name. */
  readonly server: string;
  /** Whose link it is; a state sealed for another one is refused. */
  readonly principal: string;
  /** Starts one new session: a process, or a session over HTTP. */
  readonly openLegacy: OpenLink;
  /** What a server asks comes with the request it belongs to (`about`), as over HTTP. */
  readonly correlates: boolean;
  readonly seal: Seal;
  /** How Callgate names itself to the server. */
  readonly client: { readonly name: string; readonly version: string };
  readonly clock: Clock;
  readonly random: (bytes: number) => Uint8Array;
  /** Room for parked calls of all principals together. */
  readonly lot?: Lot;
  readonly limits?: Partial<ModernLimits>;
  readonly scan?: ScanLimits;
}
