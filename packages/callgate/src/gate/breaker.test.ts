import { describe, expect, it } from 'vitest';
import type { EventRecord } from '../model/record.ts';
import { openBreakers } from '../state/breakers.ts';
import { breakerListener } from './breaker.ts';
import { judgeOf } from './testing.ts';
import type { JudgeOptions } from './session.ts';

const RULES = `
  - { id: no-rm, match: { tool: rm }, effect: deny }
  - { id: paid, match: { tool: pay }, effect: allow, obligations: [{ budget: { key: [rule], amount: 1, max: 1 } }] }
  - { id: rated, match: { tool: rated }, effect: allow, obligations: [{ rate: { max: 1, per: 1m, key: [rule] } }] }
  - { id: all, match: { method: "*" }, effect: allow }
`;
const S = 1_000_000;
const LIMITS = { transportErrors: 3, toolErrors: 2, windowUs: 60 * S, pauseUs: 10 * S };
const LOST = { code: -31004, why: 'gave no answer', kind: 'transport' } as const;

function benchOf(over: Partial<JudgeOptions> = {}) {
  const events: EventRecord[] = [];
  const warned: string[] = [];
  const clock = { now: 0, mono: 0 };
  const told = breakerListener({
    evidence: { append: (record: EventRecord) => events.push(record) } as never,
    now: () => clock.now,
    mono: () => clock.mono,
    warn: (message) => void warned.push(message),
  });
  const breakers = openBreakers({ limits: LIMITS, random: () => 0, told });
  const open = (more: Partial<JudgeOptions> = {}) =>
    judgeOf(RULES, { breakers, now: () => clock.now, mono: () => ++clock.mono, ...over, ...more });
  const bench = open();
  const lose = (times: number, name = 'echo') => {
    for (let at = 0; at < times; at++) bench.judge.failed(bench.call(name), LOST);
  };
  return { ...bench, bench, open, lose, events, breakerWarned: warned, clock, breakers };
}

describe('while the circuit of a server is open', () => {
  it('a call is refused with the rule and the time, and recorded as deferred', () => {
    const { bench, lose } = benchOf();
    lose(3);
    const before = bench.toServer.length;
    bench.call('other');
    expect(bench.refusal).toMatch(
      /^Callgate held back the call of "other" \(rule "breaker:fx"\)\. The server "fx" failed too often in a row\. Try again in 10 s\. \[record p-\d+\]$/,
    );
    expect(bench.toServer).toHaveLength(before);
    expect(bench.decisions.at(-1)).toMatchObject({ rule: 'breaker:fx', effect: 'defer', tool: 'other' });
  });

  it('an error says it in its code and data', () => {
    const { bench, lose } = benchOf({ refusal: 'error' });
    lose(3);
    bench.call('other');
    const { error } = bench.last;
    expect(error).toMatchObject({ code: -31010, data: { rule: 'breaker:fx' } });
    const { retryAfterMs } = (error as { data: { retryAfterMs: number } }).data;
    expect(retryAfterMs).toBeGreaterThan(9000);
    expect(retryAfterMs).toBeLessThanOrEqual(10_000);
  });

  it.each([
    ['resources/read', { uri: 'file:///a' }],
    ['prompts/get', { name: 'p' }],
    ['completion/complete', { ref: { type: 'ref/prompt', name: 'p' }, argument: { name: 'a', value: '' } }],
  ])('%s is refused too', (method, params) => {
    const { bench, lose } = benchOf();
    lose(3);
    bench.send('client', { id: 99, method, params });
    expect(bench.last).toMatchObject({ id: 99, error: { code: -31010 } });
  });

  it.each(['ping', 'tools/list', 'initialize'])('%s passes: it is how a client holds on to the server', (method) => {
    const { bench, lose } = benchOf();
    lose(3);
    bench.send('client', { id: 99, method, params: {} });
    expect(bench.toServer.at(-1)).toContain(method);
  });

  it('what the policy denies is denied, as ever', () => {
    const { bench, lose } = benchOf();
    lose(3);
    bench.call('rm');
    expect(bench.decisions.at(-1)).toMatchObject({ rule: 'no-rm', effect: 'deny' });
  });

  it('nothing is charged: neither budget nor rate', () => {
    const { bench, lose, clock } = benchOf();
    lose(3);
    for (let at = 0; at < 5; at++) {
      bench.call('pay');
      bench.call('rated');
    }
    clock.mono += 11 * S;
    bench.answer(bench.call('pay'));
    expect(bench.last.result?.isError).toBeUndefined();
    bench.answer(bench.call('rated'));
    expect(bench.last.result?.isError).toBeUndefined();
  });

  it('other conversations with the same server wait with it, those with others do not', () => {
    const { open, lose } = benchOf();
    lose(3);
    const [same, other] = [open(), open({ server: 'fy' })];
    same.call('echo');
    other.call('echo');
    expect([same.toServer.length, other.toServer.length]).toEqual([0, 1]);
  });

  it('one probe passes after the pause, and its answer lets all pass', () => {
    const { bench, open, lose, clock } = benchOf();
    lose(3);
    clock.mono += 11 * S;
    const sent = bench.toServer.length;
    const probe = bench.call('echo');
    bench.call('echo');
    const other = open();
    other.call('echo');
    expect([bench.toServer.length - sent, other.toServer.length]).toEqual([1, 0]);
    bench.answer(probe);
    other.call('echo');
    expect(other.toServer).toHaveLength(1);
  });

  it.each<[string, (bench: ReturnType<typeof judgeOf>, probe: number) => void]>([
    [
      'its client cancels it',
      ({ send }, id) => send('client', { method: 'notifications/cancelled', params: { requestId: id } }),
    ],
    ['its evidence cannot be written', ({ judge }) => judge.settle()(new Error('disk full'))],
    ['its client leaves', ({ judge }) => judge.serverEnded('was left', true)],
    ['the link refuses it', ({ judge }, id) => judge.failed(id, { ...LOST, kind: 'refused' })],
    ['it was the fault of the client', ({ send }, id) => send('server', { id, error: { code: -32602, message: 'x' } })],
  ])('a probe makes room for another when %s', (_when, end) => {
    const { bench, open, lose, clock } = benchOf();
    lose(3);
    bench.judge.settle();
    clock.mono += 11 * S;
    const probing = open();
    end(probing, probing.call('echo'));
    const next = open();
    next.call('echo');
    expect(next.toServer).toHaveLength(1);
  });

  it('a probe that the limits of a rule refuse was none', () => {
    const { bench, lose, clock } = benchOf();
    bench.answer(bench.call('rated'));
    lose(3);
    clock.mono += 11 * S;
    bench.call('rated');
    expect(bench.refusal).toContain('the limit of rule "rated" is spent');
    const sent = bench.toServer.length;
    bench.call('echo');
    expect(bench.toServer.length).toBe(sent + 1);
  });
});

describe('what opens a circuit', () => {
  const opensAfter = (times: number, once: (bench: ReturnType<typeof benchOf>, at: number) => void): boolean => {
    const all = benchOf();
    for (let at = 0; at < times; at++) once(all, at);
    const sent = all.bench.toServer.length;
    all.bench.call('echo');
    return all.bench.toServer.length === sent;
  };
  type Case = [string, boolean, (all: ReturnType<typeof benchOf>, at: number) => void];
  const error = (code: number): Case[2] => {
    return ({ bench }) => bench.send('server', { id: bench.call('echo'), error: { code, message: 'x' } });
  };
  it.each<Case>([
    ['isError results', true, ({ bench }) => bench.answer(bench.call('echo'), { content: [], isError: true })],
    [
      'isError results of another tool',
      false,
      ({ bench }) => bench.answer(bench.call('b'), { content: [], isError: true }),
    ],
    ['answers', false, ({ bench }) => bench.answer(bench.call('echo'))],
    ['internal errors', true, error(-32603)],
    ['errors of the server itself', true, error(-32000)],
    ['unknown methods', false, error(-32601)],
    ['wrong params', false, error(-32602)],
    ['resources that are not there', false, error(-32002)],
    ['URLs that the client must open first', false, error(-32042)],
    ['failures of the link', true, ({ bench }) => bench.judge.failed(bench.call('b'), LOST)],
    ['refusals of the link', false, ({ bench }) => bench.judge.failed(bench.call('b'), { ...LOST, kind: 'refused' })],
    ['denials', false, ({ bench }) => void bench.call('rm')],
    [
      'an end with calls open, thrice',
      true,
      ({ bench }) => (bench.call('a'), bench.call('b'), bench.judge.serverEnded('ended')),
    ],
    ['an end with nothing open', false, ({ bench }) => bench.judge.serverEnded('ended')],
    ['an end that its client wanted', false, ({ bench }) => (bench.call('a'), bench.judge.serverEnded('ended', true))],
    [
      'cancelled calls',
      false,
      ({ bench }) =>
        bench.send('client', { method: 'notifications/cancelled', params: { requestId: bench.call('a') } }),
    ],
    [
      'lost pings',
      false,
      ({ bench }, at) => (bench.send('client', { id: `p${at}`, method: 'ping' }), bench.judge.failed(`p${at}`, LOST)),
    ],
  ])('%s: %s', (_what, opens, once) => {
    expect(opensAfter(5, once)).toBe(opens);
  });

  it('one end of a server that loses a thousand calls is one error', () => {
    const { bench } = benchOf();
    for (let at = 0; at < 1000; at++) bench.call('echo');
    bench.judge.serverEnded('ended');
    const sent = bench.toServer.length;
    bench.call('echo');
    expect(bench.toServer.length).toBe(sent + 1);
  });
});

describe('the steps of a circuit', () => {
  it('are events of the log, and lines for the operator', () => {
    const { bench, lose, clock, events, breakerWarned } = benchOf();
    lose(3);
    clock.mono += 11 * S;
    bench.answer(bench.call('echo'));
    expect(events.map(({ type, detail }) => [type, detail])).toEqual([
      ['breaker', { rule: 'breaker:fx', from: 'closed', to: 'open', cause: 'transport', pauseMs: 10_000 }],
      ['breaker', { rule: 'breaker:fx', from: 'open', to: 'half-open' }],
      ['breaker', { rule: 'breaker:fx', from: 'half-open', to: 'closed' }],
    ]);
    expect(breakerWarned).toEqual([
      'Calls of server "fx" are refused for 10 s: it gave no answers.',
      'One call of server "fx" passes as a probe.',
      'Calls of server "fx" pass again: it answers.',
    ]);
  });

  it('of names that a client makes up are told so often a minute and then counted', () => {
    const { bench, clock, events, breakerWarned } = benchOf();
    const trip = (name: string): void => {
      for (let at = 0; at < 2; at++) bench.answer(bench.call(name), { content: [], isError: true });
    };
    for (let at = 0; at < 5000; at++) trip(`made-up-${at}`);
    expect([events.length, breakerWarned.length]).toEqual([60, 60]);
    clock.mono += 61 * S;
    trip('last');
    expect(events.at(-1)?.detail).toMatchObject({ rule: 'breaker:fx/last', untold: 4940 });
  });

  it('name no secret that stands in the name of a tool', () => {
    const { bench, events, breakerWarned } = benchOf();
    const secret = ['AKIA', 'Q3EGRIGSHDX7KPZT'].join('');
    for (let at = 0; at < 2; at++) bench.answer(bench.call(secret), { content: [], isError: true });
    bench.call(secret);
    expect(JSON.stringify([events, breakerWarned, bench.decisions.at(-1)?.rule])).not.toContain(secret);
  });
});
