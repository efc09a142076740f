import { CallgateError } from '../model/error.ts';
import type { Sessions, SessionKey } from '../state/sessions.ts';
import type { Service } from './connection.ts';

const MOST_TEXT = 4096;
const MOST_TEXTS = 256;

/**
 * Labels and histories of the home for those that live too short to open its state themselves: the same state, so that
 * a gate sees at once what came in here, and nothing is lost with the daemon.
 *
 * `{ principal, conversation?, add?: [label], called?: tool, within?: ms }` → `{ labels, history?: [[tool, calls]] }`;
 * `history` is null when some calls of that time are forgotten.
 * @param now milliseconds since the epoch
 */
export function sessionService(sessions: () => Promise<Sessions>, now: () => number): Service {
  return async (asked) => {
    const { add = [], called, within } = asked;
    const key = keyOf(asked);
    if (!Array.isArray(add) || add.length > MOST_TEXTS) throw bad('add', 'a list of labels');
    const time = now();
    const labels = add.map((label) => textOf('add', label));
    if (within !== undefined && !(typeof within === 'number' && within > 0)) throw bad('within', 'milliseconds');
    const session = (await sessions()).open(key);
    if (called !== undefined) session.called(textOf('called', called), time);
    if (!session.addLabels(labels, time))
      throw new CallgateError('CG_DAEMON_REFUSED', 'The session has as many labels as it can have.');
    const all = { labels: session.labels(time) };
    if (within === undefined) return all;
    const history = new Map<string, number>();
    const count = (tool: string): boolean => {
      history.set(tool, (history.get(tool) ?? 0) + 1);
      return true;
    };
    const known = session.count(count, within, time);
    return { ...all, history: known === undefined ? null : [...history] };
  };
}

function keyOf({ principal, conversation }: Readonly<Record<string, unknown>>): SessionKey {
  const key = { principal: textOf('principal', principal) };
  return conversation === undefined ? key : { ...key, conversation: textOf('conversation', conversation) };
}

function textOf(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '' || value.length > MOST_TEXT) throw bad(name, 'a text');
  return value;
}

function bad(name: string, what: string): CallgateError {
  return new CallgateError('CG_DAEMON_REFUSED', `"${name}" of a request about a session is not ${what}.`);
}
