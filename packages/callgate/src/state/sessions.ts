import { createHash } from 'node:crypto';

export { memorySessions } from './sessions-memory.ts';
export { sqliteSessions } from './sqlite-sessions.ts';

/**
 * Whose state it is: a principal and, below it, one conversation (an agent's process with its servers, a task).
 *
 * A conversation only counts where whoever vouches for the principal vouches for it, too: with a name of the client's own
 * choice (`Mcp-Session-Id`, a trace id) it would shed its labels by choosing another. Where nobody vouches for one, the
 * principal is the session, and labels fade a day after they were last given: it may never end.
 */
export interface SessionKey {
  readonly principal: string;
  readonly conversation?: string | undefined;
}

/**
 * What a session has seen, for all gates of a home that serve it. Time is handed in, in milliseconds since the epoch, and
 * never runs backwards: `now` before the latest time seen counts as that.
 * Every method throws CallgateError CG_STATE_UNAVAILABLE when the state cannot be told or kept; the caller denies.
 */
export interface SessionState {
  /** Oldest first. A list that was handed out does not change. */
  labels(now: number): readonly string[];
  /** Adds labels; @returns false, and adds none, when the session would have more than it can. */
  addLabels(labels: readonly string[], now: number): boolean;
  /** Remembers that a tool may be called. */
  called(tool: string, now: number): void;
  /** How many calls of such tools came within the last `windowMs`; undefined when some of them may be forgotten. */
  count(isCounted: (tool: string) => boolean, windowMs: number, now: number): number | undefined;
}

/** The sessions of a home. One that nobody uses for a day is forgotten. */
export interface Sessions {
  /** Touches nothing yet. The same key gives the same session. */
  open(key: SessionKey): SessionState;
  /** For a gate, a few times a day: the sessions that it serves still live, also without a call. */
  keep(now: number): void;
  close(): void;
}

export interface SessionsOptions {
  readonly perPrincipal?: number;
}

export const MOST_LABELS = 64;
export const MOST_CALLS = 1024;
/** So many sessions of one principal are remembered at a time; no other is begun then. */
export const MOST_SESSIONS = 4096;
/** So many sessions one process has at hand. */
export const MOST_OPEN = 10_000;
export const FORGOTTEN_AFTER_MS = 86_400_000;
/** A longer name could not be kept, and a part of it would be counted as another tool's. */
export const LONGEST_TOOL = 1024;

/** The id of a session: what rules and records know it by, and says nothing of its key. */
export function sessionId({ principal, conversation }: SessionKey): string {
  const key = JSON.stringify(['callgate session', principal, conversation ?? null]);
  return createHash('sha256').update(key).digest('base64url').slice(0, 22);
}

/** Whether labels of such a session fade: one with a conversation ends with it. */
export function fades({ conversation }: SessionKey): boolean {
  return conversation === undefined;
}
