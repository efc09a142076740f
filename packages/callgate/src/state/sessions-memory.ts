import {
  FORGOTTEN_AFTER_MS,
  LONGEST_TOOL,
  MOST_CALLS,
  MOST_LABELS,
  MOST_SESSIONS,
  fades,
  sessionId,
  type SessionKey,
  type Sessions,
  type SessionsOptions,
  type SessionState,
} from './sessions.ts';
import { unavailable } from './unavailable.ts';

interface Session {
  /** With the time at which each fades. */
  readonly labels: Map<string, number>;
  readonly tools: string[];
  readonly times: number[];
  forgotten: number;
  used: number;
}

/** Sessions of this process alone: for tests, and for what has no home. */
export function memorySessions({ perPrincipal = MOST_SESSIONS }: SessionsOptions = {}): Sessions {
  const principals = new Map<string, Map<string, Session>>();

  const find = (key: SessionKey, now: number): Session | undefined => {
    const session = principals.get(key.principal)?.get(sessionId(key));
    return session === undefined || session.used <= now - FORGOTTEN_AFTER_MS ? undefined : session;
  };
  const make = (key: SessionKey, now: number): Session => {
    const known = find(key, now);
    if (known !== undefined) {
      known.used = Math.max(known.used, now);
      return known;
    }
    let own = principals.get(key.principal);
    if (own === undefined) principals.set(key.principal, (own = new Map()));
    for (const [id, { used }] of own) if (used <= now - FORGOTTEN_AFTER_MS) own.delete(id);
    if (own.size >= perPrincipal) throw unavailable('sessions', `${perPrincipal} of this principal are remembered`);
    const fresh = { labels: new Map(), tools: [], times: [], forgotten: Number.NEGATIVE_INFINITY, used: now };
    own.set(sessionId(key), fresh);
    return fresh;
  };

  const open = (key: SessionKey): SessionState => ({
    labels: (now) => labelsOf(find(key, now), now),
    addLabels(labels, now) {
      if (labels.length === 0) return true;
      const all = new Set([...labelsOf(find(key, now), now), ...labels]);
      if (all.size > MOST_LABELS) return false;
      const session = make(key, now);
      for (const [label, until] of session.labels) if (until <= now) session.labels.delete(label);
      for (const label of labels) session.labels.set(label, fades(key) ? now + FORGOTTEN_AFTER_MS : Infinity);
      return true;
    },
    called(tool, now) {
      if (tool.length > LONGEST_TOOL) throw unavailable('sessions', 'the name of a tool is too long to be counted');
      const session = make(key, now);
      session.tools.push(tool);
      session.times.push(Math.max(now, session.times.at(-1) ?? now));
      if (session.tools.length <= MOST_CALLS) return;
      session.tools.shift();
      session.forgotten = session.times.shift() as number;
    },
    count(isCounted, windowMs, now) {
      const session = find(key, now);
      if (session === undefined) return 0;
      return countIn(session, isCounted, Math.max(now, session.times.at(-1) ?? now) - windowMs);
    },
  });
  return {
    open,
    keep: (now) => {
      for (const own of principals.values())
        for (const session of own.values()) session.used = Math.max(now, session.used);
    },
    close: () => principals.clear(),
  };
}

function labelsOf(session: Session | undefined, now: number): readonly string[] {
  return session === undefined ? [] : [...session.labels].flatMap(([label, until]) => (until > now ? [label] : []));
}

/** What of calls in the order of their times is counted; undefined when some that would be may be forgotten. */
export function countIn(
  { tools, times, forgotten }: Pick<Session, 'tools' | 'times' | 'forgotten'>,
  isCounted: (tool: string) => boolean,
  since: number,
): number | undefined {
  if (!(forgotten < since)) return undefined;
  let count = 0;
  for (let at = times.length - 1; at >= 0 && times[at]! >= since; at--) if (isCounted(tools[at]!)) count++;
  return count;
}
