import type { ScanLimits } from '../../protocol/scan.ts';
import type { OpenLink } from '../../upstreams/link.ts';
import type { Clock } from '../clock.ts';

export interface LegacyLimits {
  /** How often one call may come back with questions. */
  readonly rounds: number;
  /** How long the client has to answer the questions of a round. */
  readonly answerMs: number;
  /** Questions of one round. */
  readonly asks: number;
  readonly subscriptions: number;
}

export const LEGACY_LIMITS: LegacyLimits = { rounds: 10, answerMs: 120_000, asks: 16, subscriptions: 256 };

export interface AsLegacyOptions {
  /** Opens the one link to the server, of the era without sessions. */
  readonly open: OpenLink;
  /** How Callgate names itself where the client gave no name. */
  readonly client: { readonly name: string; readonly version: string };
  readonly clock: Clock;
  readonly random: (bytes: number) => Uint8Array;
  readonly limits?: Partial<LegacyLimits>;
  readonly scan?: ScanLimits;
}
