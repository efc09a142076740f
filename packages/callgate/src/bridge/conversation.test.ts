import { describe, expect, it } from 'vitest';
import { judgingOf } from '../gate/testing.ts';
import type { Id } from '../protocol/correlate.ts';
import type { LinkEvents } from '../upstreams/link.ts';
import { Books } from './books.ts';
import { Conversation } from './conversation.ts';
import { Deadlines } from './deadlines.ts';

const RULES = `
  - { id: no-rm, match: { tool: rm }, effect: deny }
  - { id: no-roots, match: { direction: request, method: roots/list }, effect: deny }
  - { id: ask-back, match: { direction: request }, effect: allow }
  - { id: all, match: { method: "*" }, effect: allow }
`;

/** @param isSlow the disk has written only what the test says it has */
function talk(durability: 'batch' | 'strict' = 'batch', isSlow = false) {
  const { options, records, broken, warned, clock } = judgingOf(RULES);
  const synced: { resolve: () => void; reject: (cause: Error) => void }[] = [];
  const disk = () => new Promise<void>((resolve, reject) => synced.push({ resolve, reject }));
  const sent: string[] = [];
  const heard: { line: { [key: string]: unknown }; answers: Id | undefined; about: Id | undefined }[] = [];
  const ended: string[] = [];
  let events!: LinkEvents;
  let isClosed = false;
  const books = new Books({
    evidence: isSlow ? { ...options.evidence, synced: disk } : options.evidence,
    durability,
    passUnrecorded: false,
    warn: (message) => void warned.push(message),
  });
  const conversation = new Conversation({
    ...options,
    books,
    deadlines: new Deadlines(),
    timeoutMs: 5000,
    open: (told) => {
      events = told;
      return {
        isFull: false,
        send: (bytes, start, end) => void sent.push(Buffer.from(bytes.subarray(start, end)).toString()),
        close: async () => void (isClosed = true),
      };
    },
    end: {
      message: (line, answers, about) =>
        void heard.push({
          line: JSON.parse(Buffer.from(line).toString()) as { [key: string]: unknown },
          answers,
          about,
        }),
      ended: (how) => void ended.push(how),
    },
  });
  const bytesOf = (message: object) => Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }));
  return {
    conversation,
    books,
    clock,
    broken,
    records,
    synced,
    sent,
    heard,
    ended,
    get isClosed() {
      return isClosed;
    },
    events,
    ask: (message: object) => {
      const bytes = bytesOf(message);
      conversation.receive(bytes, 0, bytes.length);
    },
    say: (message: object, about?: Id) => {
      const bytes = bytesOf(message);
      events.message(bytes, 0, bytes.length, about);
    },
    turn: () => new Promise((resolve) => setImmediate(() => setImmediate(resolve))),
  };
}

const call = (id: number, name = 'echo') => ({ id, method: 'tools/call', params: { name, arguments: {} } });

describe('a conversation', () => {
  it('sends a call at the end of the turn, after its decision was written', async () => {
    const { ask, sent, records, turn } = talk();
    ask(call(1));
    ask(call(2));
    expect([sent.length, records.length]).toEqual([0, 2]);
    await turn();
    expect(sent.map((line) => (JSON.parse(line) as { id: number }).id)).toEqual([1, 2]);
  });

  it('answers what the policy refuses, and sends nothing', async () => {
    const { ask, sent, heard, turn } = talk();
    ask(call(1, 'rm'));
    await turn();
    expect(sent).toEqual([]);
    expect(heard).toMatchObject([{ answers: 1, about: 1, line: { id: 1, result: { isError: true } } }]);
  });

  it('lets no call leave whose evidence cannot be written, and answers it', async () => {
    const { ask, broken, sent, heard, turn } = talk();
    broken.flush = new Error('disk full');
    ask(call(1));
    await turn();
    expect(sent).toEqual([]);
    expect(heard).toMatchObject([{ answers: 1, line: { error: { code: -31007 } } }]);
  });

  it('delivers its refusals before it tells that the server is gone', async () => {
    const { ask, events, heard, ended, turn } = talk();
    ask(call(1, 'rm'));
    events.ended('could not be started');
    expect(ended).toEqual([]);
    await turn();
    expect(heard).toMatchObject([{ answers: 1, line: { id: 1, result: { isError: true } } }]);
    expect(ended).toEqual(['could not be started']);
  });

  it('waits for the disk in strict mode, in order', async () => {
    const { ask, sent, books, turn } = talk('strict');
    ask(call(1));
    await turn();
    ask(call(2));
    await turn();
    await books.end();
    expect(sent.map((line) => (JSON.parse(line) as { id: number }).id)).toEqual([1, 2]);
  });

  it('lets no call leave in strict mode with the evidence of an earlier one', async () => {
    const { ask, sent, synced, turn } = talk('strict', true);
    const ids = (): number[] => sent.map((line) => (JSON.parse(line) as { id: number }).id);
    ask(call(1));
    await turn();
    ask(call(2));
    await turn();
    expect([ids(), synced.length]).toEqual([[], 2]);
    synced[0]!.resolve();
    await turn();
    expect(ids()).toEqual([1]);
    ask(call(3));
    synced[1]!.resolve();
    await Promise.resolve();
    expect(ids()).not.toContain(3);
    await turn();
    expect(ids()).toEqual([1, 2]);
  });

  it('takes back in strict mode what could not be written, and nothing else', async () => {
    const { ask, sent, heard, synced, broken, turn } = talk('strict', true);
    ask(call(1));
    await turn();
    broken.flush = new Error('disk full');
    ask(call(2));
    await turn();
    expect(heard).toMatchObject([{ answers: 2, line: { error: { code: -31007 } } }]);
    synced[0]!.resolve();
    await turn();
    expect(sent.map((line) => (JSON.parse(line) as { id: number }).id)).toEqual([1]);
    delete broken.flush;
    ask(call(3));
    await turn();
    synced.at(-1)!.reject(new Error('disk gone'));
    await turn();
    expect(heard[1]).toMatchObject({ answers: 3, line: { error: { code: -31007 } } });
    expect(sent).toHaveLength(1);
  });

  it('hands answers on at once, and says what a message of the server is about', async () => {
    const { ask, say, heard, turn } = talk();
    ask(call(1));
    await turn();
    say({ method: 'notifications/progress', params: { progressToken: 1, progress: 1 } }, 1);
    say({ id: 's1', method: 'sampling/createMessage', params: {} }, 1);
    say({ id: 1, result: { content: [] } }, 1);
    expect(heard.map(({ answers, about }) => [answers, about])).toEqual([
      [undefined, 1],
      [undefined, 1],
      [1, 1],
    ]);
  });

  it('gives an error for a request that will not be answered', async () => {
    const { ask, events, heard, turn } = talk();
    ask(call(1));
    await turn();
    events.failed(1, { code: -31004, why: 'could not be reached', kind: 'transport' });
    expect(heard).toMatchObject([
      { answers: 1, line: { id: 1, error: { code: -31004, message: 'The server "fx" could not be reached.' } } },
    ]);
  });

  it('tells a link what its server may not ask, also when that cannot be recorded', () => {
    const { events, broken } = talk();
    const asked = (method: string) => {
      const bytes = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 's', method, params: {} }));
      return events.refuses?.(bytes, 0, bytes.length);
    };
    expect(asked('sampling/createMessage')).toBeUndefined();
    expect(asked('roots/list')).toMatchObject({ code: -31001, text: expect.stringContaining('no-roots') as string });
    broken.append = new Error('full');
    expect(asked('roots/list')).toMatchObject({ code: -31007, text: 'Callgate refused the request: full' });
  });

  it('gives up what is not answered in time, tells the server, and drops the late answer', async () => {
    const { ask, say, conversation, clock, sent, heard, turn } = talk();
    ask(call(1));
    ask({ id: 2, method: 'subscriptions/listen', params: {} });
    await turn();
    clock.mono += 4_000_000;
    ask(call(3));
    await turn();
    conversation.giveUpOverdue();
    expect(heard).toEqual([]);
    clock.mono += 2_000_000;
    conversation.giveUpOverdue();
    expect(heard).toMatchObject([
      { answers: 1, line: { error: { message: 'The server "fx" did not answer within 5 s.' } } },
    ]);
    expect(JSON.parse(sent.at(-1) ?? '')).toMatchObject({
      method: 'notifications/cancelled',
      params: { requestId: 1 },
    });
    say({ id: 1, result: {} }, 1);
    expect(heard).toHaveLength(1);
    await conversation.close();
  });

  it('answers every open request when the server ends, and tells its client once', async () => {
    const { ask, events, heard, ended, turn, conversation } = talk();
    ask(call(1));
    ask(call(2));
    await turn();
    events.ended('ended with exit code 1');
    await conversation.close();
    expect(heard.map(({ answers }) => answers)).toEqual([1, 2]);
    expect(ended).toEqual(['ended with exit code 1']);
  });
});
