import { describe, expect, it } from 'vitest';
import { Returns } from './returns.ts';
import { encodeUtf8 } from './text.ts';

describe('a carriage return', () => {
  it('is found in its own line only, in whatever order lines are asked', () => {
    const returns = new Returns();
    const bytes = encodeUtf8('{}\n{\r}\n{ }\n[\r]\r\n');
    const lines = [
      [0, 2, false],
      [3, 6, true],
      [7, 10, false],
      [11, 14, true],
      [3, 6, true],
      [0, 2, false],
    ] as const;
    for (const [start, end, found] of lines) expect(returns.within(bytes, start, end)).toBe(found);
    expect(returns.within(encodeUtf8('{ }'), 0, 3)).toBe(false);
    expect(returns.within(encodeUtf8('{\r}'), 0, 3)).toBe(true);
  });
});
