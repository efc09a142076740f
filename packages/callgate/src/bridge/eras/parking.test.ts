import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AsModernOptions } from './modern-options.ts';
import { lotOf } from './lot.ts';
import { sealOf } from './seal.ts';
import { envelope, legacyServer, modernClientOf, settled, type Peer, type Script } from './testing.ts';

const can = { sampling: {}, elicitation: {}, roots: {} };
const call = (id: number, more: object = {}, capabilities: object = can) => ({
  id,
  method: 'tools/call',
  params: { name: 'a', arguments: { x: 1 }, ...more, ...envelope(capabilities) },
});
const form = { message: 'Who?', requestedSchema: { type: 'object', properties: {} } };
const accept = { action: 'accept', content: { name: 'o' } };

function modern(script: Script = () => undefined, over: Partial<AsModernOptions> = {}) {
  return modernClientOf(legacyServer(script), over);
}

/** A call that the server has stopped at one question, and the client's first answer: the question. */
async function parked(over: Partial<AsModernOptions> = {}) {
  const all = modern(undefined, over);
  all.send(call(1));
  await settled();
  const peer = all.peers[0]!;
  peer.say({ id: 'e1', method: 'elicitation/create', params: form }, 1);
  await all.clock.pass(10);
  const result = all.ear.answer(1)!.result!;
  return { ...all, peer, state: result['requestState'] as string, result };
}

const answersOf = (peer: Peer, id: unknown) => peer.sent.filter((message) => message.id === id && !message.method);

describe('a call that is asked something', () => {
  it('comes back with the questions, and goes on with the answers under the ids of the server', async () => {
    const { send, ear, peer, state, result } = await parked();
    expect(result).toEqual({
      resultType: 'input_required',
      inputRequests: { 'elicitation-1': { method: 'elicitation/create', params: form } },
      requestState: expect.any(String),
    });
    send(call(2, { requestState: state, inputResponses: { 'elicitation-1': accept, other: 5 } }));
    expect(answersOf(peer, 'e1')).toEqual([{ jsonrpc: '2.0', id: 'e1', result: accept }]);
    peer.say({ id: 1, result: { content: [] } });
    expect(ear.answer(2)?.result).toEqual({ content: [], resultType: 'complete' });
    expect(ear.early).toBe(0);
    expect(peer.sent.filter(({ method }) => method === 'tools/call')).toHaveLength(1);
  });

  it('collects what is asked at about the same time, and asks again what was left out', async () => {
    const { send, peers, ear, clock } = modern();
    send(call(1));
    await settled();
    const peer = peers[0]!;
    peer.say({ id: 1, method: 'roots/list' });
    peer.say({ id: 2, method: 'sampling/createMessage', params: { messages: [], maxTokens: 1, n: 1 } });
    await clock.pass(10);
    const first = ear.answer(1)!.result!;
    expect(Object.keys(first['inputRequests'] as object)).toEqual(['roots-1', 'sampling-2']);
    expect((first['inputRequests'] as Record<string, object>)['roots-1']).toEqual({ method: 'roots/list' });
    send(call(5, { requestState: first['requestState'], inputResponses: { 'roots-1': { roots: [] } } }));
    await settled();
    const second = ear.answer(5)!.result!;
    expect(Object.keys(second['inputRequests'] as object)).toEqual(['sampling-2']);
    expect(second['requestState']).not.toBe(first['requestState']);
    send(call(6, { requestState: second['requestState'], inputResponses: { 'sampling-2': { role: 'assistant' } } }));
    expect(answersOf(peer, 2)).toHaveLength(1);
    peer.say({ id: 3, method: 'roots/list' });
    await clock.pass(10);
    expect(Object.keys(ear.answer(6)!.result!['inputRequests'] as object)).toEqual(['roots-3']);
  });

  it('hands on the numbers and unknown members of questions and answers as they are', async () => {
    const { send, peers, ear, clock } = modern();
    send(call(1));
    await settled();
    peers[0]!.say(
      '{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{"elicitationId":"e","big":12345678901234567890, "f":1.0,"task":{},"_meta":{"progressToken":1}}}',
    );
    await clock.pass(10);
    expect(ear.raw[0]).toContain('{"method":"elicitation/create","params":{"big":12345678901234567890, "f":1.0}}');
    const state = JSON.stringify(ear.answer(1)!.result!['requestState']);
    const { _meta } = envelope(can);
    send(
      `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"requestState":${state},"inputResponses":{"elicitation-1":{ "n":1e400 }},"_meta":${JSON.stringify(_meta)},"arguments":{ "x":1 },"name":"a"}}`,
    );
    expect(peers[0]!.raw.at(-1)).toBe('{"jsonrpc":"2.0","id":7,"result":{ "n":1e400 }}');
  });

  it('gets the answer that came while nobody was there', async () => {
    const { send, ear, peer, state } = await parked();
    peer.say({ id: 1, error: { code: -32603, message: 'timed out' } });
    expect(answersOf(peer, 'e1')).toMatchObject([{ error: { code: -32603 } }]);
    send(call(2, { requestState: state, inputResponses: { 'elicitation-1': accept } }));
    await settled();
    expect(ear.answer(2)?.error).toEqual({ code: -32603, message: 'timed out' });
  });

  it('fails at its return when the server has ended meanwhile', async () => {
    const { send, ear, peer, state } = await parked();
    peer.end('ended with exit code 1');
    expect(ear.failures).toEqual([]);
    send(call(2, { requestState: state, inputResponses: {} }));
    await settled();
    expect(ear.failures).toMatchObject([{ id: 2, why: 'ended with exit code 1' }]);
  });

  it('is told of progress under the token of its last request', async () => {
    const { clock, send, ear, peers } = modern();
    const withToken = (id: number, token: number, more = {}) => {
      const made = call(id, more);
      return { ...made, params: { ...made.params, _meta: { ...made.params._meta, progressToken: token } } };
    };
    send(withToken(1, 11));
    await settled();
    const progress = { method: 'notifications/progress', params: { progressToken: 11, progress: 1 } };
    peers[0]!.say(progress);
    peers[0]!.say({ id: 9, method: 'roots/list' });
    await clock.pass(10);
    peers[0]!.say(progress);
    const requestState = ear.answer(1)!.result!['requestState'];
    send(withToken(2, 22, { requestState, inputResponses: { 'roots-1': {} } }));
    peers[0]!.say(progress);
    expect(ear.told('notifications/progress').map(({ params }) => params!['progressToken'])).toEqual([11, 22]);
  });

  it('is cancelled when its client does not come back, and its session is not used before it is quiet', async () => {
    const { send, peer, clock, state, ear, peers } = await parked();
    await clock.pass(121_000);
    expect(peer.last('notifications/cancelled')?.params).toMatchObject({ requestId: 1 });
    expect(answersOf(peer, 'e1')).toMatchObject([{ error: { code: -32603 } }]);
    send(call(2, { requestState: state }));
    await settled();
    expect(ear.answer(2)?.error).toMatchObject({ code: -32602, data: { reason: 'state_expired' } });
    send(call(3));
    expect(peers).toHaveLength(2);
    await clock.pass(3000);
    expect(peer.isClosed).toBe(true);
  });

  it('gives its session up when other calls have waited for one', async () => {
    const { send, peer, clock, state, ear, peers } = await parked({ limits: { sessions: 1, drainMs: 1000 } });
    send(call(2));
    await clock.pass(2000);
    expect(peer.last('notifications/cancelled')).toBeUndefined();
    await clock.pass(4000);
    expect(peer.last('notifications/cancelled')?.params).toMatchObject({ requestId: 1 });
    expect(peers.at(-1)!.last('tools/call')).toBeDefined();
    expect(peers).toHaveLength(2);
    send(call(3, { requestState: state }));
    await settled();
    expect(ear.answer(3)?.error).toMatchObject({ code: -32602, data: { reason: 'state_unknown' } });
  });

  it('does not wait for a question that the server takes back', async () => {
    const { send, peers, ear, clock } = modern();
    send(call(1));
    await settled();
    peers[0]!.say({ id: 9, method: 'roots/list' });
    peers[0]!.say({ method: 'notifications/cancelled', params: { requestId: 9 } });
    await clock.pass(10);
    expect(ear.heard).toEqual([]);
    peers[0]!.say({ id: 1, result: {} });
    expect(ear.answer(1)?.result).toEqual({ resultType: 'complete' });
  });

  it('takes what the server asked before any call', async () => {
    const { send, peers, ear, clock } = modern((message) =>
      message.method === 'notifications/initialized' ? { id: 'r', method: 'roots/list' } : undefined,
    );
    send({ id: 1, method: 'tools/list', params: envelope(can) });
    await clock.pass(10);
    expect(ear.heard).toEqual([]);
    send(call(2));
    await clock.pass(10);
    expect(ear.answer(2)?.result?.['inputRequests']).toEqual({ 'roots-1': { method: 'roots/list' } });
    expect(peers).toHaveLength(1);
  });
});

describe('a state', () => {
  it.each([
    ['altered', (state: string) => `${state}-TAMPERED`, {}, 'state_altered'],
    ['no text', () => 5, {}, 'state_altered'],
    ['of a call with other arguments', (state: string) => state, { arguments: { x: 2 } }, 'state_mismatch'],
    ['of another tool', (state: string) => state, { name: 'b' }, 'state_mismatch'],
    ['with answers that are no object', (state: string) => state, { inputResponses: 5 }, 'responses_invalid'],
    [
      'with an answer that is no object',
      (state: string) => state,
      { inputResponses: { 'elicitation-1': 5 } },
      'responses_invalid',
    ],
  ])('is refused when it is %s, and stays good for the right return', async (_, alter, over, reason) => {
    const { send, ear, peer, state } = await parked();
    const inputResponses = { 'elicitation-1': accept };
    send(call(2, { requestState: alter(state), inputResponses, ...over }));
    await settled();
    expect(ear.answer(2)?.error).toMatchObject({ code: -32602, data: { reason } });
    expect(answersOf(peer, 'e1')).toEqual([]);
    send(call(3, { requestState: state, inputResponses }));
    expect(answersOf(peer, 'e1')).toHaveLength(1);
  });

  it.each([
    ['another principal', { principal: 'os:other' }, 'state_foreign'],
    ['another server', { server: 'gy' }, 'state_foreign'],
    ['another process', {}, 'state_unknown'],
    ['another key', { seal: sealOf(new Uint8Array(32).fill(8), (n) => randomBytes(n)) }, 'state_altered'],
  ])('is refused by %s', async (_, over, reason) => {
    const { state } = await parked();
    const other = modern(undefined, over);
    other.send(call(2, { requestState: state, inputResponses: {} }));
    await settled();
    expect(other.ear.answer(2)?.error).toMatchObject({ code: -32602, data: { reason } });
    expect(other.peers).toHaveLength(0);
  });

  it('is not passed over when the client declares nothing any more', async () => {
    const { send, ear, state } = await parked();
    send(call(2, { requestState: `${state}x` }, {}));
    await settled();
    expect(ear.answer(2)?.error).toMatchObject({ data: { reason: 'state_altered' } });
  });

  it('is good for one return, however many come at once and in whatever order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 2, maxLength: 8 }), async (complete) => {
        const { send, ear, peer, state } = await parked();
        for (const [index, isComplete] of complete.entries()) {
          send(
            call(10 + index, { requestState: state, inputResponses: isComplete ? { 'elicitation-1': accept } : {} }),
          );
        }
        await settled();
        const reasons = complete.map((_, index) => ear.answer(10 + index)?.error?.data?.['reason']);
        expect(reasons.slice(1)).toEqual(complete.slice(1).map(() => 'state_used'));
        expect(reasons[0]).toBeUndefined();
        expect(answersOf(peer, 'e1')).toHaveLength(complete[0] ? 1 : 0);
      }),
      { numRuns: 30 },
    );
  });
});

describe('what may not be asked', () => {
  it.each([
    ['sampling/createMessage', {}, { elicitation: {} }, { sampling: {} }],
    ['sampling/createMessage', { tools: [] }, { sampling: {} }, { sampling: { tools: {} } }],
    ['elicitation/create', form, { roots: {} }, { elicitation: { form: {} } }],
    ['elicitation/create', form, { elicitation: { url: {} } }, { elicitation: { form: {} } }],
    ['elicitation/create', { mode: 'url', url: 'u' }, { elicitation: {} }, { elicitation: { url: {} } }],
    ['roots/list', undefined, {}, { roots: {} }],
  ])('%s %j of a client with %j', async (method, params, capabilities, required) => {
    const { send, peers, ear, clock } = modern();
    send(call(1, {}, capabilities));
    await settled();
    peers[0]!.say({ id: 9, method, params });
    await clock.pass(10);
    expect(answersOf(peers[0]!, 9)).toMatchObject([{ error: { code: -32601 } }]);
    peers[0]!.say({ id: 1, error: { code: -32603, message: 'cannot' } });
    expect(ear.answer(1)?.error).toMatchObject({ code: -32021, data: { requiredCapabilities: required } });
  });

  it('more than a call may be asked at a time, or more calls than may wait', async () => {
    const { send, peers, ear, clock } = modern(undefined, { limits: { asks: 1, parked: 1 } });
    send(call(1));
    send(call(2));
    await settled();
    peers[0]!.say({ id: 'a', method: 'roots/list' });
    peers[0]!.say({ id: 'b', method: 'roots/list' });
    peers[1]!.say({ id: 'c', method: 'roots/list' });
    await clock.pass(10);
    expect(answersOf(peers[0]!, 'b')).toMatchObject([{ error: { code: -32603 } }]);
    expect(answersOf(peers[1]!, 'c')).toMatchObject([{ error: { code: -32603 } }]);
    expect(ear.heard.map(({ id }) => id)).toEqual([1]);
  });

  it('more than may wait in the whole process, until one has returned', async () => {
    const lot = lotOf(1);
    const first = await parked({ lot });
    const second = modern(undefined, { lot });
    second.send(call(1));
    await settled();
    second.peers[0]!.say({ id: 'c', method: 'roots/list' });
    await second.clock.pass(10);
    expect(second.ear.heard).toEqual([]);
    first.send(call(2, { requestState: first.state, inputResponses: { 'elicitation-1': accept } }));
    second.peers[0]!.say({ id: 'd', method: 'roots/list' });
    await second.clock.pass(10);
    expect(second.ear.heard).toHaveLength(1);
    await second.link.close();
    expect(lot.take()).toBe(true);
  });
});

describe('a server over HTTP', () => {
  it('has its questions put to the call on whose stream they came', async () => {
    const { send, peers, ear, clock } = modern(undefined, { correlates: true });
    send(call(1));
    send(call(2));
    await settled();
    expect(peers).toHaveLength(1);
    peers[0]!.say({ id: 'r', method: 'roots/list' }, 2);
    peers[0]!.say({ id: 'stray', method: 'roots/list' });
    await clock.pass(10);
    expect(ear.heard.map(({ id }) => id)).toEqual([2]);
    expect(answersOf(peers[0]!, 'stray')).toMatchObject([{ error: { code: -32603 } }]);
  });
});

describe('a server that wants pages visited first (-32042)', () => {
  const pages = [{ mode: 'url', url: 'https://x.example/', message: 'Sign in', elicitationId: 'e' }];
  const error = { code: -32042, message: 'first', data: { elicitations: pages } };

  it('gets the call again once they were', async () => {
    const { send, peers, ear } = modern();
    send(call(1, {}, { elicitation: { url: {} } }));
    await settled();
    peers[0]!.say({ id: 1, error });
    await settled();
    const result = ear.answer(1)!.result!;
    const { elicitationId: _, ...page } = pages[0]!;
    expect(result['inputRequests']).toEqual({ 'elicitation-1': { method: 'elicitation/create', params: page } });
    const again = { requestState: result['requestState'], inputResponses: { 'elicitation-1': { action: 'accept' } } };
    send(call(2, again, { elicitation: { url: {} } }));
    await settled();
    expect(peers[0]!.last('tools/call')).toMatchObject({ id: 2, params: { name: 'a', arguments: { x: 1 } } });
    expect(Object.keys(peers[0]!.last('tools/call')!.params!)).toEqual(['name', 'arguments']);
    peers[0]!.say({ id: 2, result: {} });
    expect(ear.answer(2)?.result).toEqual({ resultType: 'complete' });
  });

  it('gets nothing when the person declines, or the client has no such capability', async () => {
    const { send, peers, ear } = modern();
    send(call(1, {}, { elicitation: { url: {} } }));
    await settled();
    peers[0]!.say({ id: 1, error });
    const state = { requestState: ear.answer(1)!.result!['requestState'] };
    send(
      call(2, { ...state, inputResponses: { 'elicitation-1': { action: 'decline' } } }, { elicitation: { url: {} } }),
    );
    await settled();
    expect(ear.answer(2)?.error?.code).toBe(-32603);
    send(call(3));
    await settled();
    peers[1]!.say({ id: 3, error });
    expect(ear.answer(3)?.error).toMatchObject({
      code: -32021,
      data: { requiredCapabilities: { elicitation: { url: {} } } },
    });
  });
});

it('gives the session of a cancelled call to the next one as soon as the server has answered', async () => {
  const { send, peers } = modern(undefined, { limits: { sessions: 1 } });
  send(call(1));
  await settled();
  send({ method: 'notifications/cancelled', params: { requestId: 1 } });
  send(call(2));
  await settled();
  expect(peers[0]!.sent.filter(({ method }) => method === 'tools/call')).toHaveLength(1);
  peers[0]!.say({ id: 1, result: {} });
  await settled();
  expect(peers[0]!.sent.filter(({ method }) => method === 'tools/call')).toHaveLength(2);
});
