import { expect, it } from 'vitest';
import { Pending } from './correlate.ts';

it('tells the id 1 from the id "1"', () => {
  const pending = new Pending<string>();
  expect(pending.add(1, 'number')).toBe(true);
  expect(pending.add('1', 'string')).toBe(true);
  expect(pending.take('1')).toBe('string');
  expect(pending.get(1)).toBe('number');
  expect(pending.has('1')).toBe(false);
});

it('opens an id once and answers it once', () => {
  const pending = new Pending<string>();
  expect(pending.add('a', 'first')).toBe(true);
  expect(pending.add('a', 'second')).toBe(false);
  expect(pending.take('a')).toBe('first');
  expect(pending.take('a')).toBeUndefined();
  expect(pending.add('a', 'third')).toBe(true);
});

it('opens no more than it may', () => {
  const pending = new Pending<number>(2);
  expect([pending.add(1, 1), pending.add(2, 2), pending.isFull, pending.add(3, 3), pending.size]).toEqual([
    true,
    true,
    true,
    false,
    2,
  ]);
  expect([...pending.values()]).toEqual([1, 2]);
  expect(pending.drain()).toEqual([1, 2]);
  expect(pending.size).toBe(0);
});

it('knows the progress tokens of late, by their type, and forgets the oldest', () => {
  const pending = new Pending<number>();
  pending.rememberToken(1);
  pending.rememberToken('keep');
  expect([pending.knowsToken(1), pending.knowsToken('1')]).toEqual([true, false]);
  for (let i = 2; i < 4090; i++) pending.rememberToken(i);
  pending.rememberToken('keep');
  for (let i = 5000; i < 5100; i++) pending.rememberToken(i);
  expect([pending.knowsToken(1), pending.knowsToken('keep'), pending.knowsToken(5099)]).toEqual([false, true, true]);
});
