import { describe, expect, it } from 'vitest';
import type { Link, LinkEvents, OpenLink } from '../upstreams/link.ts';
import { legacyFirst } from './legacy-first.ts';

/** A link that remembers what was sent, and the events to speak as its server. */
function fake() {
  const sent: string[] = [];
  let events!: LinkEvents;
  let isClosed = false;
  const open: OpenLink = (told) => {
    events = told;
    const link: Link = {
      isFull: false,
      send: (bytes, start, end) => void sent.push(new TextDecoder().decode(bytes.subarray(start, end))),
      close: async () => void (isClosed = true),
    };
    return link;
  };
  return {
    open,
    sent,
    get isClosed() {
      return isClosed;
    },
    say(message: object) {
      const bytes = bytesOf(message);
      events.message(bytes, 0, bytes.length, undefined);
    },
    get events() {
      return events;
    },
  };
}

const bytesOf = (message: object) => new TextEncoder().encode(JSON.stringify({ jsonrpc: '2.0', ...message }));
const turn = () => new Promise((resolve) => setImmediate(resolve));
const HELLO = { id: 1, method: 'initialize', params: {} };

function begin(verdict: (worked: boolean) => OpenLink | undefined) {
  const legacy = fake();
  const heard: unknown[] = [];
  const verdicts: boolean[] = [];
  const link = legacyFirst(
    legacy.open,
    async (worked) => {
      verdicts.push(worked);
      return verdict(worked);
    },
    {
      message: (bytes, start, end) => void heard.push(JSON.parse(new TextDecoder().decode(bytes.subarray(start, end)))),
      oversize: () => void heard.push('oversize'),
      failed: (id, { why }) => void heard.push(`failed ${id}: ${why}`),
      drained: () => undefined,
      ended: (how) => void heard.push(`ended: ${how}`),
    },
  );
  const send = (message: object) => {
    const bytes = bytesOf(message);
    link.send(bytes, 0, bytes.length);
  };
  send(HELLO);
  return { legacy, heard, verdicts, link, send };
}

describe('the first try of a server that nobody knows', () => {
  it('goes on as it began when the server takes it', async () => {
    const { legacy, heard, verdicts, send } = begin(() => undefined);
    legacy.say({ id: 1, result: { protocolVersion: '2025-11-25' } });
    send({ method: 'notifications/initialized' });
    await turn();
    expect(verdicts).toEqual([true]);
    expect(heard).toMatchObject([{ id: 1, result: {} }]);
    expect(legacy.sent).toHaveLength(2);
  });

  it.each([
    ['goes on over the other link', true, []],
    ['tells the client both', false, [{ id: 1, error: {} }, 'ended: ended with exit code 1']],
  ])('%s when the first ends right after its refusal', async (_what, hasOther, told) => {
    const other = fake();
    const { legacy, heard } = begin((worked) => (worked || !hasOther ? undefined : other.open));
    legacy.say({ id: 1, error: { code: -32603, message: 'no' } });
    legacy.events.ended('ended with exit code 1');
    await turn();
    expect(heard).toMatchObject(told);
    expect(other.sent).toHaveLength(hasOther ? 1 : 0);
  });

  it('ends the first link when the client leaves on hearing that the server will have none of it', async () => {
    const legacy = fake();
    const link: Link = legacyFirst(legacy.open, async () => undefined, {
      message: () => void link.close(),
      oversize: () => undefined,
      failed: () => undefined,
      drained: () => undefined,
      ended: () => undefined,
    });
    const bytes = bytesOf(HELLO);
    link.send(bytes, 0, bytes.length);
    legacy.say({ id: 1, error: { code: -32603, message: 'no' } });
    await turn();
    expect(legacy.isClosed).toBe(true);
  });

  it('ends the first link when the client leaves before it is known how to go on', async () => {
    const { legacy, heard, link } = begin(() => undefined);
    legacy.say({ id: 1, error: { code: -32603, message: 'no' } });
    await link.close();
    await turn();
    expect(legacy.isClosed).toBe(true);
    expect(heard).toEqual([]);
  });

  it.each([
    [
      'answers with an error',
      (legacy: ReturnType<typeof fake>) => legacy.say({ id: 1, error: { code: -32601, message: 'no' } }),
    ],
    [
      'refuses it',
      ({ events }: ReturnType<typeof fake>) => events.failed(1, { code: -31004, why: 'said 400', kind: 'refused' }),
    ],
    ['ends', ({ events }: ReturnType<typeof fake>) => events.ended('ended with exit code 1')],
  ])('goes on over the other link when the server %s, with the request said again', async (_what, fail) => {
    const other = fake();
    const { legacy, heard, verdicts, send } = begin((worked) => (worked ? undefined : other.open));
    fail(legacy);
    send({ method: 'notifications/early' });
    await turn();
    expect(verdicts).toEqual([false]);
    expect(other.sent.map((line) => (JSON.parse(line) as { method: string }).method)).toEqual([
      'initialize',
      'notifications/early',
    ]);
    other.say({ id: 1, result: {} });
    expect(heard).toMatchObject([{ id: 1, result: {} }]);
    expect(legacy.isClosed).toBe(true);
  });

  it('lets the failure stand when there is no other way', async () => {
    const { legacy, heard } = begin(() => undefined);
    legacy.say({ id: 1, error: { code: -32000, message: 'no' } });
    await turn();
    expect(heard).toMatchObject([{ id: 1, error: { message: 'no' } }]);
  });

  it('leaves no link behind when the client goes at once on hearing that the failure stands', async () => {
    for (const turns of [0, 1, 2, 3, 4, 5]) {
      const { legacy, link } = begin(() => undefined);
      legacy.say({ id: 1, error: { code: -32601, message: 'no' } });
      for (let at = 0; at < turns; at++) await Promise.resolve();
      await link.close();
      expect(legacy.isClosed, `${turns} turns later`).toBe(true);
    }
  });

  it('asks for no verdict where the server could not be reached', async () => {
    const { legacy, heard, verdicts } = begin(() => undefined);
    legacy.events.failed(1, { code: -31004, why: 'could not be reached', kind: 'transport' });
    await turn();
    expect([heard, verdicts]).toEqual([['failed 1: could not be reached'], []]);
  });
});
