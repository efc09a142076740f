import { describe, expect, it } from 'vitest';
import { judgingOf } from '../gate/testing.ts';
import { Books } from './books.ts';
import { Conversation } from './conversation.ts';
import { Deadlines } from './deadlines.ts';

const RULES = '  - { id: all, match: { method: "*" }, effect: allow }';
const CALLS = 100_000;
const FEWER = 20_000;
const IN_FLIGHT = 500;
/** What the link of the test takes before it says that it is full. */
const LINK_BYTES = 64 * 1024;

/** A conversation with a server that reads nothing and answers nothing. */
function hung(linkBytes = Number.POSITIVE_INFINITY) {
  const { options, records } = judgingOf(RULES);
  let kept = 0;
  let sent = 0;
  const heard = { answers: 0, busy: 0, retryAfter: new Set<unknown>() };
  const evidence = { ...options.evidence, append: (record: object) => ('detail' in record ? 0 : records.length) };
  const conversation = new Conversation({
    deadlines: new Deadlines(),
    timeoutMs: 300_000,
    ...options,
    evidence,
    inFlight: IN_FLIGHT,
    books: new Books({ evidence, durability: 'batch', passUnrecorded: false, warn: () => undefined }),
    open: () => ({
      get isFull() {
        return kept >= linkBytes;
      },
      send(_bytes, start, end) {
        sent++;
        kept += end - start;
      },
      close: async () => undefined,
    }),
    end: {
      message(line) {
        heard.answers++;
        const { error } = JSON.parse(Buffer.from(line).toString()) as {
          error?: { code: number; data?: { retryAfterMs?: number } };
        };
        if (error?.code !== -31006) return;
        heard.busy++;
        heard.retryAfter.add(error.data?.retryAfterMs);
      },
      ended: () => undefined,
    },
  });
  const say = (message: object): void => {
    const bytes = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }));
    conversation.receive(bytes, 0, bytes.length);
  };
  const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  /** Says something so many times, in turns as input comes. */
  const flood = async (once: (id: number) => void, times = CALLS): Promise<void> => {
    for (let id = 1; id <= times; id++) {
      once(id);
      if (id % 200 === 0) await turn();
    }
    await turn();
  };
  return {
    conversation,
    heard,
    say,
    flood,
    call: (id: number) =>
      say({ id, method: 'tools/call', params: { name: 'echo', arguments: { text: 'x'.repeat(100) } } }),
    get kept() {
      return kept;
    },
    get sent() {
      return sent;
    },
  };
}

describe('while a server hangs and its client goes on calling', () => {
  it('no more requests are open than may be; each one beyond is answered with a time to try again', async () => {
    const talk = hung();
    await talk.flood(talk.call);
    expect(talk.heard).toEqual({ answers: CALLS - IN_FLIGHT, busy: CALLS - IN_FLIGHT, retryAfter: new Set([1000]) });
    expect(talk.conversation.isFull).toBe(false);
  }, 120_000);

  it('memory stays flat over 100,000 calls', async () => {
    const talk = hung();
    await talk.flood(talk.call);
    const before = process.memoryUsage().heapUsed;
    await talk.flood((id) => talk.call(CALLS + id));
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(48 << 20);
    expect(talk.sent).toBe(IN_FLIGHT);
  }, 120_000);

  it('a client that cancels what it asks and asks again fills the link to its bound and no further', async () => {
    const talk = hung(LINK_BYTES);
    await talk.flood((id) => {
      talk.call(id);
      talk.say({ method: 'notifications/cancelled', params: { requestId: id } });
    }, FEWER);
    // The calls of one turn were on their way already, and each may be cancelled.
    expect(talk.kept).toBeLessThan(LINK_BYTES + 200 * 400);
    expect(talk.heard.busy).toBeGreaterThan(FEWER / 2);
  }, 120_000);

  it.each(['notifications/progress', 'notifications/roots/list_changed', 'notifications/cancelled'])(
    'neither does one that floods it with %s',
    async (method) => {
      const talk = hung(LINK_BYTES);
      await talk.flood((id) => talk.say({ method, params: { requestId: -id, progressToken: id, progress: 1 } }), FEWER);
      expect(talk.kept).toBeLessThan(LINK_BYTES + 200 * 400);
    },
    120_000,
  );
});
