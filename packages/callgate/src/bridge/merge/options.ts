import type { Scanner } from '../../protocol/scan.ts';
import type { Clock } from '../clock.ts';
import type { ClientEnd, Era, Exchange } from '../exchange.ts';
import type { NamedServer, Naming } from './names.ts';

/** What a client and its servers under one name need. */
export interface MergeOptions {
  readonly era: Era;
  readonly end: ClientEnd;
  /** In the order of the config. */
  readonly servers: readonly NamedServer[];
  /**
   * Begins a conversation with one server, judged by policy, in the era of the client. Ids of requests are given to it once:
   * those of the client as they come, and those of the merge, which are numbers from 2^52 on.
   */
  open(server: string, end: ClientEnd): Exchange;
  readonly naming: Naming['mode'];
  /** Between prefix and name; `__` unless said otherwise. */
  readonly separator?: string;
  readonly serverInfo: { readonly name: string; readonly version: string };
  readonly timeouts?: {
    /** How long a server is waited for when lists are made, or a call finds it not begun; 5000. */
    readonly connectMs?: number;
  };
  readonly limits?: Partial<MergeLimits>;
  /** Of the scanner, where none is given; what the judge accepted must not be too much here. */
  readonly messageLimits?: { readonly depth: number; readonly keys: number };
  /** May be shared by all that runs in one thread: nothing is read from it later than in the turn of its scan. */
  readonly scanner?: Scanner;
  readonly clock: Clock;
  readonly log: MergeLog;
  /** SHA-256 of a text, in hex. */
  readonly sha256: (text: string) => string;
}

export interface MergeLimits {
  /** Pages read of one list of one server; 100. */
  readonly pages: number;
  /** Entries kept of one list of one server; 5000. */
  readonly entries: number;
  /** `subscriptions/listen` of one client open at once; 32. */
  readonly listens: number;
  /** Bytes of one page of a merged list; what is more comes under a cursor; 4 MB. */
  readonly pageBytes: number;
  /** Requests of the client open at once; 10,000. */
  readonly open: number;
}

export interface MergeLog {
  info(message: string): void;
  warn(message: string): void;
}

/** What became of one server of a merge. */
export interface MemberHealth {
  readonly name: string;
  /** `idle`: not asked for yet; `ended`: over or never come, and begun again when it is needed. */
  readonly state: 'idle' | 'connecting' | 'ready' | 'ended';
  /** The revision it agreed to. */
  readonly revision?: string;
  readonly error?: string;
}

/** Many servers as one, for one client. */
export interface MergedExchange extends Exchange {
  servers(): readonly MemberHealth[];
}

export const DEFAULT_LIMITS: MergeLimits = {
  pages: 100,
  entries: 5000,
  listens: 32,
  pageBytes: 4 << 20,
  open: 10_000,
};
export const CONNECT_MS = 5000;
