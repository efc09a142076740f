import { describe, expect, test } from 'vitest';
import { openReadings } from './readings.ts';

function counted() {
  const reads: string[] = [];
  const readings = openReadings((text) => {
    reads.push(text.slice(0, 10));
    return text.length;
  });
  return { reads, readings };
}

describe('readings', () => {
  test('read a short text once for all decisions', () => {
    const { reads, readings } = counted();
    expect([readings.read('a'), readings.read('a')]).toEqual([1, 1]);
    readings.forget();
    readings.read('a');
    expect(reads).toEqual(['a']);
  });

  test('read a long text once for a decision, and let it go after', () => {
    const { reads, readings } = counted();
    const long = 'b'.repeat(4_097);
    readings.read(long);
    readings.read(long);
    expect([reads.length, readings.size()]).toEqual([1, 0]);
    readings.forget();
    readings.read(long);
    expect(reads).toHaveLength(2);
  });

  test('keep no more than 256, the newest', () => {
    const { reads, readings } = counted();
    for (let i = 0; i < 1_000; i++) readings.read(`t${i}`);
    expect(readings.size()).toBe(256);
    readings.read('t999');
    readings.read('t744');
    expect(reads).toHaveLength(1_000);
    readings.read('t743');
    expect(reads).toHaveLength(1_001);
  });
});
