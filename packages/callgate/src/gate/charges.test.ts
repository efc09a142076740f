import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CallgateError } from '../model/error.ts';
import { judgeOf } from './testing.ts';

const PAY = `
  - { id: pay, match: { tool: pay }, effect: allow, obligations: [{ budget: { key: [principal, day], amount: args.amount, max: 100 } }] }
  - { id: lose, match: { direction: result, tool: pay }, when: has(result.hide), effect: deny }
  - { id: all, match: { method: "*" }, effect: allow }`;

/** What a day of `pay` has spent or set aside. */
const KEY = JSON.stringify(['pay', 0, 'principal=os:me', 'day=2026-11-21']);
type Bench = ReturnType<typeof judgeOf>;
const spent = ({ budgets, clock }: Bench): string => budgets.spent(KEY, clock.now);
const room = (bench: Bench): boolean => {
  const before = bench.toServer.length;
  bench.call('pay', { amount: 100 });
  return bench.toServer.length > before;
};

describe('an amount that is set aside', () => {
  it('counts while the call runs', () => {
    const bench = judgeOf(PAY);
    bench.call('pay', { amount: 60 });
    expect(spent(bench)).toBe('60');
    bench.call('pay', { amount: 41 });
    expect(bench.refusal).toMatch(
      /denied the call of "pay" \(rule "pay"\)\. Of the budget of 100 \(principal, day\) 40 is left, and this takes 41\./,
    );
    expect(bench.decisions.at(-1)).toMatchObject({ effect: 'deny', rule: 'pay', obligations: ['budget:pay'] });
    expect(bench.toServer).toHaveLength(1);
  });

  it.each<[string, (bench: Bench, id: number) => void]>([
    ['the call succeeds', (bench, id) => bench.answer(id)],
    ['a rule hides the result of a call that was done', (bench, id) => bench.answer(id, { hide: true })],
    ['isError is not true but truthy', (bench, id) => bench.answer(id, { isError: 1 })],
    [
      'the answer cannot be read',
      (bench, id) => bench.raw('server', `{"jsonrpc":"2.0","id":${id},"result":{"a":1,"a":2}}`),
    ],
    [
      'the client cancels it',
      (bench, id) => bench.send('client', { method: 'notifications/cancelled', params: { requestId: id } }),
    ],
    ['the server ends', (bench) => bench.judge.serverEnded('ended')],
    ['the call is answered by a task, which may go on', (bench, id) => bench.answer(id, { task: { taskId: 't' } })],
    [
      'it comes late, after the call was cancelled',
      (bench, id) => {
        bench.send('client', { method: 'notifications/cancelled', params: { requestId: id } });
        bench.answer(id, { isError: true, content: [] });
      },
    ],
  ])('is spent when %s', (_what, end) => {
    const bench = judgeOf(PAY);
    end(bench, bench.call('pay', { amount: 60 }));
    bench.clock.now += 60_000;
    expect([spent(bench), room(bench)]).toEqual(['60', false]);
  });

  it.each<[string, (bench: Bench, id: number) => void]>([
    ['the tool fails', (bench, id) => bench.answer(id, { isError: true, content: [] })],
    [
      'the server answers an error',
      (bench, id) => bench.send('server', { id, error: { code: -32603, message: 'no' } }),
    ],
    [
      'the evidence of the call cannot be flushed, so that it does not go',
      (bench) => bench.judge.settle()(new Error('full')),
    ],
  ])('is given back when %s', (_what, end) => {
    const bench = judgeOf(PAY);
    end(bench, bench.call('pay', { amount: 60 }));
    expect([spent(bench), room(bench)]).toEqual(['0', true]);
  });

  it.each([
    ['clamp: { amount: { min: 50 } }', { amount: 0 }],
    ['set: { amount: 50 }', { amount: 0 }],
  ])('is what the call says when it leaves, where that is more: %s', (duty, args) => {
    const bench = judgeOf(`  - { id: shape, match: { tool: pay }, obligations: [{ ${duty} }] }${PAY}`);
    for (let round = 0; round < 3; round++) bench.answer(bench.call('pay', args));
    expect([spent(bench), bench.toServer.length]).toEqual(['100', 2]);
  });

  it('is given back when the decision cannot be recorded', () => {
    const bench = judgeOf(PAY);
    bench.broken.append = new Error('full');
    bench.call('pay', { amount: 60 });
    expect(bench.toServer).toEqual([]);
    delete bench.broken.append;
    expect([spent(bench), room(bench)]).toEqual(['0', true]);
  });

  it('is settled once, whatever comes twice', () => {
    const bench = judgeOf(PAY);
    const id = bench.call('pay', { amount: 60 });
    bench.answer(id);
    bench.answer(id, { isError: true, content: [] });
    expect(spent(bench)).toBe('60');
  });

  it('belongs to the day on which the call was made, in UTC', () => {
    const bench = judgeOf(PAY);
    bench.call('pay', { amount: 100 });
    expect(room(bench)).toBe(false);
    bench.clock.now += 45 * 60_000;
    expect(room(bench)).toBe(true);
  });

  it('is not set aside when the arguments cannot be edited', () => {
    const bench = judgeOf(`
  - { id: shape, match: { tool: pay }, obligations: [{ clamp: { amount: { max: 50 } } }, { clamp: { to: { max: 1 } } }] }${PAY}`);
    bench.call('pay', { amount: 60, to: 'x' });
    expect([bench.toServer.length, spent(bench)]).toEqual([0, '0']);
    bench.call('pay', { amount: 60 });
    // What the policy decided on counts, where it makes less of it.
    expect([bench.toServer[0], spent(bench)]).toEqual([expect.stringContaining('{"amount":50}'), '60']);
  });
});

describe('when the budgets cannot be reached', () => {
  const budgets = (): never => {
    throw new CallgateError('CG_STATE_UNAVAILABLE', 'The books are gone.');
  };
  it('the call is denied', () => {
    const bench = judgeOf(PAY, { budgets });
    bench.call('pay', { amount: 1 });
    expect(bench.refusal).toMatch(/engine-fault.*The books are gone/);
    bench.call('other');
    expect(bench.toServer).toHaveLength(1);
  });

  it('`fail: open` lets it pass and says so, and a budget that is spent holds all the same', () => {
    const bench = judgeOf(PAY, { budgets, pass: { unjudged: true, unrecorded: false } });
    bench.call('pay', { amount: 1 });
    expect([bench.toServer.length, bench.warned[0]]).toEqual([1, expect.stringContaining('fail: open')]);
    const other = judgeOf(PAY, { pass: { unjudged: true, unrecorded: false } });
    other.call('pay', { amount: 101 });
    expect(other.toServer).toEqual([]);
  });

  it('at the end, what was set aside stays spent', () => {
    let gone = false;
    const own = judgeOf(PAY);
    const bench = judgeOf(PAY, { budgets: () => (gone ? budgets() : own.budgets) });
    const id = bench.call('pay', { amount: 60 });
    gone = true;
    bench.answer(id, { isError: true, content: [] });
    expect(bench.last.id).toBe(id);
    expect([spent(own), bench.warned[0]]).toEqual(['60', expect.stringContaining('stays spent')]);
  });
});

describe('a call that the server answers with questions', () => {
  const ASK = { resultType: 'input_required', requestState: 'abc', inputRequests: { a: { method: 'roots/list' } } };
  const retry = (requestState = 'abc') => ({ requestState, inputResponses: { a: {} } });
  const bench = (): Bench => judgeOf(PAY);

  it('is the same call when it is retried', () => {
    const one = bench();
    one.answer(one.call('pay', { amount: 60 }), ASK);
    expect(spent(one)).toBe('60');
    one.answer(one.call('pay', { amount: 60 }, retry()), ASK);
    one.answer(one.call('pay', { amount: 60 }, retry()));
    expect([spent(one), one.toServer.length]).toEqual(['60', 3]);
  });

  it('spends what it says in the end', () => {
    const one = bench();
    one.answer(one.call('pay', { amount: 60 }), ASK);
    one.answer(one.call('pay', { amount: 90 }, retry()));
    expect(spent(one)).toBe('90');
  });

  it('spends no less than it said before, for a server may go by its own state', () => {
    const one = bench();
    one.answer(one.call('pay', { amount: 60 }), ASK);
    one.call('pay', { amount: 101 }, retry());
    expect([spent(one), one.refusal]).toEqual(['60', expect.stringMatching(/and this takes 101/)]);
    one.answer(one.call('pay', { amount: 1 }, retry()));
    expect(spent(one)).toBe('60');
    one.call('pay', { amount: 1 }, retry());
    expect([spent(one), one.refusal]).toEqual(['60', expect.stringMatching(/40 is left, and this takes 60/)]);
  });

  it('is charged as before on all budgets, though its retry falls under another rule', () => {
    const one = judgeOf(`
  - { id: small, match: { tool: pay }, when: args.amount < 10, effect: allow, obligations: [{ budget: { amount: args.amount, max: 100 } }] }${PAY}`);
    one.answer(one.call('pay', { amount: 60 }), ASK);
    one.answer(one.call('pay', { amount: 1 }, retry()));
    expect(spent(one)).toBe('60');
  });

  it('gets back what it was to spend when the retry fails', () => {
    const one = bench();
    one.answer(one.call('pay', { amount: 60 }), ASK);
    one.answer(one.call('pay', { amount: 60 }, retry()), { isError: true, content: [] });
    expect(spent(one)).toBe('0');
  });

  it('is charged for each retry that another call’s state, or one used before, stands in', () => {
    const one = bench();
    one.answer(one.call('pay', { amount: 40 }), ASK);
    one.answer(one.call('pay', { amount: 30 }, retry('other')));
    expect(spent(one)).toBe('70');
    one.answer(one.call('pay', { amount: 40 }, retry()));
    expect(spent(one)).toBe('70');
    one.call('pay', { amount: 40 }, retry());
    expect(one.refusal).toMatch(/30 is left/);
  });

  it('stays charged while nobody retries it', () => {
    const one = bench();
    one.answer(one.call('pay', { amount: 60 }), { resultType: 'input_required' });
    expect([spent(one), room(one)]).toEqual(['60', false]);
  });
});

it('what a server asks for inside a result is charged, and cannot be edited', () => {
  const rules = (duty: string) => `
  - { id: ask, match: { direction: request, method: sampling/createMessage }, effect: allow, obligations: [${duty}] }
  - { id: all, match: { method: "*" }, effect: allow }`;
  const asks = { inputRequests: { a: { method: 'sampling/createMessage', params: { maxTokens: 60 } } } };
  const bench = judgeOf(rules('{ budget: { amount: args.maxTokens, max: 100 } }'));
  bench.answer(bench.call('t'), asks);
  expect(bench.last).toMatchObject({ result: asks });
  bench.answer(bench.call('t'), asks);
  expect(bench.refusal).toMatch(/40 is left/);
  for (const duty of [
    '{ clamp: { maxTokens: { max: 5 } } }',
    '{ set: { maxTokens: 5 } }',
    '{ sandbox: { profile: x } }',
  ]) {
    const other = judgeOf(rules(duty));
    other.answer(other.call('t'), asks);
    expect(other.refusal, duty).toMatch(/denied/);
  }
});

it('what a server asks for is given back when the client refuses it', () => {
  const bench = judgeOf(`
  - id: ask
    match: { direction: request, method: sampling/createMessage }
    effect: allow
    obligations: [{ budget: { amount: args.maxTokens, max: 100 } }]`);
  const ask = (id: string): void =>
    bench.send('server', { id, method: 'sampling/createMessage', params: { maxTokens: 60 } });
  const passed = (): number => bench.toClient.length;
  ask('a');
  ask('b');
  expect([passed(), bench.toServer.at(-1)]).toEqual([1, expect.stringMatching(/"id":"b","error".*40 is left/)]);
  bench.send('client', { id: 'a', error: { code: -1, message: 'no' } });
  ask('c');
  bench.send('client', { id: 'c', result: { role: 'assistant' } });
  ask('d');
  expect(passed()).toBe(2);
});

it('is never more than the budget, and exactly what was not given back, whatever happens in whatever order', () => {
  const step = fc.record({
    do: fc.constantFrom('call', 'call', 'call', 'ok', 'fail', 'error', 'cancel', 'ask', 'retry'),
    amount: fc.integer({ min: 0, max: 60 }),
    which: fc.nat(5),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const bench = judgeOf(PAY);
      /** Calls that are open, and those that wait for their retry. */
      let open: { id: number; amount: number }[] = [];
      let waiting: { state: string; amount: number }[] = [];
      let used = 0;
      const call = (amount: number, more: object, held: number): void => {
        const before = bench.toServer.length;
        const id = bench.call('pay', { amount }, more);
        const due = Math.max(amount, held);
        const fits = used - held + due <= 100;
        expect(bench.toServer.length - before).toBe(fits ? 1 : 0);
        if (!fits) return;
        used += due - held;
        open.push({ id, amount: due });
      };
      for (const { do: what, amount, which } of steps) {
        if (what === 'call') call(amount, {}, 0);
        else if (what === 'retry') {
          const wait = waiting[which];
          waiting = waiting.filter((one) => one !== wait);
          call(amount, { requestState: wait?.state ?? 'none' }, wait?.amount ?? 0);
        } else {
          const one = open[which];
          if (one === undefined) continue;
          open = open.filter((other) => other !== one);
          if (what === 'ok') bench.answer(one.id);
          else if (what === 'cancel')
            bench.send('client', { method: 'notifications/cancelled', params: { requestId: one.id } });
          else if (what === 'ask') {
            const state = `state of ${one.id}`;
            bench.answer(one.id, { resultType: 'input_required', requestState: state });
            waiting.push({ state, amount: one.amount });
          } else {
            if (what === 'fail') bench.answer(one.id, { isError: true });
            else bench.send('server', { id: one.id, error: { code: 1, message: 'no' } });
            used -= one.amount;
          }
        }
        expect(used).toBeLessThanOrEqual(100);
        expect(spent(bench)).toBe(String(used));
      }
    }),
    { numRuns: 200 },
  );
});
