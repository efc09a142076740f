import { describe, expect, it } from 'vitest';
import { memoryBudgets, sqliteBudgets, type Budget, type BudgetOptions, type Budgets } from './budgets.ts';
import { openFile } from './testing.ts';
import { DAY, KEY, refund, reserved, TTL } from './testing-budgets.ts';

const kinds: readonly (readonly [string, (options?: BudgetOptions) => Budgets])[] = [
  ['memory', (options) => memoryBudgets(options)],
  ['sqlite', (options) => sqliteBudgets(openFile(), options)],
];

describe.each(kinds)('%s budgets', (kind, make) => {
  it('let 13 of 20 parallel refunds of 150 through 2,000, and say what is left', () => {
    const budgets = make();
    const answers = Array.from({ length: 20 }, () => budgets.reserve([refund('150')], 0, TTL));
    expect(answers.filter((answer) => answer.ok)).toHaveLength(13);
    expect(answers.at(-1)).toEqual({ ok: false, index: 0, left: '50' });
    expect(budgets.spent(KEY, 0)).toBe('1950');
    expect(budgets.reserve([refund('50')], 0, TTL).ok).toBe(true);
    expect(budgets.reserve([refund('1e-30')], 0, TTL)).toEqual({ ok: false, index: 0, left: '0' });
  });

  it('give back what is released, and only once', () => {
    const budgets = make();
    const token = reserved(budgets, [refund('1500')]);
    reserved(budgets, [refund('400')]);
    budgets.release(token);
    budgets.release(token);
    budgets.commit(token);
    expect(budgets.spent(KEY, 0)).toBe('400');
  });

  it('keep no key of which nothing is spent: names that a client makes up do not fill the books', () => {
    const budgets = make({ maxKeys: 2, maxHeld: 10 });
    const forGood = (key: string, amount: string): Budget => ({ key, max: '10', amount });
    for (let name = 0; name < 10; name++) {
      budgets.commit(reserved(budgets, [forGood(`free ${name}`, '0')]));
      budgets.release(reserved(budgets, [forGood(`failed ${name}`, '5')]));
    }
    const held = reserved(budgets, [forGood('a', '4')]);
    reserved(budgets, [forGood('a', '6')]);
    budgets.release(held);
    expect(budgets.spent('a', 0)).toBe('6');
    // A maximum that is lower by now refuses also what costs nothing.
    expect(budgets.reserve([{ ...forGood('a', '0'), max: '5' }], 0, TTL)).toEqual({ ok: false, index: 0, left: '0' });
    reserved(budgets, [forGood('b', '1')]);
    expect(() => budgets.reserve([forGood('c', '1')], 0, TTL)).toThrow('more than 2 keys');
  });

  it('never give back what is committed', () => {
    const budgets = make();
    const token = reserved(budgets, [refund('1500')]);
    budgets.commit(token);
    budgets.commit(token);
    budgets.release(token);
    expect(budgets.spent(KEY, 0)).toBe('1500');
  });

  it.each(['', 'never given', "x' OR 1=1 --"])('shrug at the unknown token %j', (token) => {
    const budgets = make();
    reserved(budgets, [refund('1500')]);
    budgets.commit(token);
    budgets.release(token);
    expect(budgets.spent(KEY, 0)).toBe('1500');
  });

  it('count a reservation that nobody settles as spent once its time is over, also for one that comes late', () => {
    const budgets = make();
    const token = reserved(budgets, [refund('1500')]);
    expect(budgets.spent(KEY, TTL - 1)).toBe('1500');
    expect(budgets.reserve([refund('600')], TTL, TTL)).toEqual({ ok: false, index: 0, left: '500' });
    budgets.release(token);
    expect(budgets.spent(KEY, TTL + 1)).toBe('1500');
  });

  it('give back nothing of many reservations whose time is over, swept or not', () => {
    const budgets = make();
    const tokens = Array.from({ length: 60 }, () => reserved(budgets, [refund('10')]));
    reserved(budgets, [refund('1')], TTL);
    for (const token of tokens) budgets.release(token);
    expect(budgets.spent(KEY, TTL)).toBe('601');
  });

  it('reserve all or none, and name the first that refuses', () => {
    const budgets = make();
    const both = [refund('150'), refund('150', { key: 'team', max: '200' })];
    reserved(budgets, both);
    expect(budgets.reserve(both, 0, TTL)).toEqual({ ok: false, index: 1, left: '50' });
    expect([budgets.spent(KEY, 0), budgets.spent('team', 0)]).toEqual(['150', '150']);
    const token = reserved(budgets, [refund('1'), refund('2', { key: 'team', max: '200' })]);
    budgets.release(token);
    expect([budgets.spent(KEY, 0), budgets.spent('team', 0)]).toEqual(['150', '150']);
  });

  it('add up amounts from one key, under the smallest of its maxima', () => {
    const budgets = make();
    const twice = [refund('60', { max: '100' }), refund('60')];
    expect(budgets.reserve(twice, 0, TTL)).toEqual({ ok: false, index: 0, left: '100' });
    expect(budgets.reserve(twice.toReversed(), 0, TTL)).toEqual({ ok: false, index: 1, left: '100' });
    budgets.release(reserved(budgets, [refund('60'), refund('60')]));
    expect(budgets.spent(KEY, 0)).toBe('0');
  });

  it('count in decimals: 0.1 and 0.2 are 0.3, to the last digit', () => {
    const budgets = make();
    const cents = (amount: string): Budget => refund(amount, { max: '0.3' });
    reserved(budgets, [cents('0.1')]);
    reserved(budgets, [cents('0.2')]);
    expect(budgets.spent(KEY, 0)).toBe('0.3');
    expect(budgets.reserve([cents('0.000000000000000000000000000001')], 0, TTL).ok).toBe(false);
    expect(budgets.reserve([refund('12345678901234567890', { max: '12345678901234567889' })], 0, TTL).ok).toBe(false);
  });

  it.each(['-150', '', 'NaN', 'Infinity', '1e999999', '1e40', '0x96', 150 as unknown as string, undefined as never])(
    'refuse the amount %j with an error, and change nothing',
    (amount) => {
      const budgets = make();
      reserved(budgets, [refund('100')]);
      const wrong = [refund('100'), refund(amount, { key: 'other' })];
      const error = expect.objectContaining({ code: 'CG_STATE_AMOUNT', remedy: expect.stringContaining('12.50') });
      expect(() => budgets.reserve(wrong, 0, TTL)).toThrow(error);
      expect(() => budgets.reserve([refund('1', { max: amount })], 0, TTL)).toThrow(error);
      expect([budgets.spent(KEY, 0), budgets.spent('other', 0)]).toEqual(['100', '0']);
    },
  );

  it.each([
    ['no time', [refund('1')], Number.NaN, TTL],
    ['a time beyond all dates', [refund('1')], 1e300, TTL],
    ['no time to live', [refund('1')], 0, Number.NaN],
    ['a time to live of none', [refund('1')], 0, 0],
    ['an endless time to live', [refund('1')], 0, Number.POSITIVE_INFINITY],
    ['a negative lifetime', [refund('1', { lifetimeMs: -1 })], 0, TTL],
    ['a key without end', [refund('1', { key: 'k'.repeat(1001) })], 0, TTL],
    ['a key that is no text', [refund('1', { key: 7 as never })], 0, TTL],
  ])('refuse %s with CG_STATE_UNAVAILABLE', (_what, wanted, now, ttlMs) => {
    const budgets = make();
    expect(() => budgets.reserve(wanted, now, ttlMs)).toThrow(
      expect.objectContaining({ code: 'CG_STATE_UNAVAILABLE' }),
    );
    expect(budgets.spent(KEY, 0)).toBe('0');
  });

  it('forget a key only when its lifetime has passed since it was last used, and never one without', () => {
    const budgets = make();
    const forever: Budget = { key: 'ever', max: '10', amount: '1' };
    reserved(budgets, [refund('100'), forever]);
    reserved(budgets, [refund('100')], DAY);
    expect(budgets.spent(KEY, 3 * DAY - 1)).toBe('200');
    expect(budgets.spent(KEY, 3 * DAY)).toBe('0');
    expect(reserved(budgets, [refund('5')], 3 * DAY)).not.toBe('');
    expect(budgets.spent(KEY, 3 * DAY)).toBe('5');
    expect(budgets.spent('ever', 8.64e15)).toBe('1');
  });

  it('do not forget a key of which something is still reserved, and do not take the old for the new', () => {
    const budgets = make();
    const brief = (amount: string): Budget => refund(amount, { lifetimeMs: 10 });
    const token = reserved(budgets, [brief('100')], 0, 1000);
    expect(budgets.spent(KEY, 999)).toBe('100');
    reserved(budgets, [brief('7')], 1000, 1000);
    budgets.release(token);
    expect(budgets.spent(KEY, 1000)).toBe('7');
  });

  it('keep their time when the clock steps back', () => {
    const budgets = make();
    const token = reserved(budgets, [refund('100')], 10 * DAY);
    reserved(budgets, [refund('100')], 0);
    expect(budgets.spent(KEY, 12 * DAY - 1)).toBe('200');
    reserved(budgets, [refund('100')], 10 * DAY + TTL);
    budgets.release(token);
    expect(budgets.spent(KEY, 0)).toBe('300');
  });

  it('reckon a lifetime from the latest time seen, also for a clock that has stepped back', () => {
    const budgets = make();
    reserved(budgets, [refund('1', { key: 'other' })], 10 * DAY);
    reserved(budgets, [refund('100')], 0);
    expect(budgets.spent(KEY, 11 * DAY)).toBe('100');
    expect(budgets.spent(KEY, 12 * DAY)).toBe('0');
  });

  it('fail closed when more keys are in use than fit, and go on when old ones are forgotten', () => {
    const budgets = make({ maxKeys: 50 });
    const key = (name: string): Budget => refund('1', { key: name, max: '1', lifetimeMs: 1000 });
    for (let at = 0; at < 50; at++) reserved(budgets, [key(`k${at}`)], 0, 10);
    const tooMany = (): unknown => budgets.reserve([key('more')], 500, 10);
    expect(tooMany).toThrow(expect.objectContaining({ code: 'CG_STATE_UNAVAILABLE' }));
    expect(tooMany).toThrow(/50 keys/);
    expect(budgets.spent('more', 500)).toBe('0');
    expect(budgets.reserve([key('k3')], 500, 10).ok).toBe(false);
    // More room than one sweep makes, while a forgotten key is used again.
    const many = ['k49', ...Array.from({ length: 30 }, (_, at) => `new${at}`)].toReversed().map(key);
    reserved(budgets, many, 5000, 10);
    for (const wanted of many) expect(budgets.reserve([wanted], 5001, 10).ok).toBe(false);
  });

  it('fail closed when more is reserved than fits, and go on when its time is over', () => {
    const budgets = make({ maxHeld: 40 });
    const tokens = Array.from({ length: 40 }, () => reserved(budgets, [refund('1')], 0));
    expect(() => budgets.reserve([refund('1')], 1, TTL)).toThrow(/40 reservations/);
    expect(budgets.spent(KEY, 1)).toBe('40');
    budgets.commit(tokens[0] ?? '');
    reserved(budgets, [refund('1')], 1);
    reserved(budgets, [refund('1')], 2 * TTL);
    expect(budgets.spent(KEY, 2 * TTL)).toBe('42');
  });

  it('give a token for nothing, which does nothing', () => {
    const budgets = make();
    budgets.release(reserved(budgets, []));
    budgets.commit(reserved(budgets, [refund('0')]));
    expect(budgets.spent(KEY, 0)).toBe('0');
  });
});

describe('memory budgets', () => {
  it('stay bounded over 50,000 keys that come and go', () => {
    const budgets = memoryBudgets({ maxKeys: 1000, maxHeld: 1000 });
    for (let at = 0; at < 50_000; at++)
      expect(budgets.reserve([refund('1', { key: `k${at}`, lifetimeMs: 100 })], at, 100).ok).toBe(true);
  });
});
