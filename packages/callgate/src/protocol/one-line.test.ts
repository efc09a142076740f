import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { oneLine } from './one-line.ts';

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe('a message as one line', () => {
  it('is the same bytes when it is one', () => {
    const bytes = encode('{"a":"b\\n"}');
    expect(oneLine(bytes, 0, bytes.length)).toBe(bytes);
  });

  it('hides no message on a line of its own', () => {
    const bytes = encode('..{"params":\n{"jsonrpc":"2.0","id":9,"method":"tools/call"}\r\n}.');
    expect(decode(oneLine(bytes, 2, bytes.length - 1))).toBe(
      '{"params": {"jsonrpc":"2.0","id":9,"method":"tools/call"}  }',
    );
  });

  it('says the same', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        const spread = encode(JSON.stringify(JSON.parse(json), null, 2).replaceAll('\n', '\r\n'));
        const line = oneLine(spread, 0, spread.length);
        expect(line.includes(10) || line.includes(13)).toBe(false);
        expect(JSON.parse(decode(line))).toEqual(JSON.parse(json));
      }),
    );
  });
});
