import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Message, readMessage } from './message.ts';
import { cancelOf, errorCode, numbered, originalOf, restoreAnswer, restoreNote } from './renumber.ts';
import { Scanner } from './scan.ts';
import { decodeUtf8, encodeUtf8 } from './text.ts';

const scanner = new Scanner();
const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId';

function read(text: string): Message {
  const bytes = encodeUtf8(text);
  const message = readMessage(scanner, bytes, 0, bytes.length);
  if ('refused' in message) throw new Error(message.message);
  return message;
}
function numberedText(text: string, number: number): string {
  const message = read(text);
  return decodeUtf8(numbered(scanner, message, 0, scanner.bytes.length, number));
}
function restored(line: string, number: number, id: string, listens = false): string | undefined {
  const original = { id: encodeUtf8(id), token: undefined };
  const bytes = restoreAnswer(new Scanner(), encodeUtf8(line), number, original, listens);
  return bytes === undefined ? undefined : decodeUtf8(bytes);
}

it.each([
  ['{"jsonrpc":"2.0","id":"a","method":"x"}', '{"jsonrpc":"2.0","id":12,"method":"x"}'],
  ['{"method":"x","id" : 5 ,"jsonrpc":"2.0"}', '{"method":"x","id" : 12 ,"jsonrpc":"2.0"}'],
  [
    '{"jsonrpc":"2.0","id":1,"method":"x","params":{"id":1,"n":1e400,"_meta":{"progressToken":"p"}}}',
    '{"jsonrpc":"2.0","id":12,"method":"x","params":{"id":1,"n":1e400,"_meta":{"progressToken":12}}}',
  ],
  [
    '{"params":{"_meta":{"progressToken":3}},"jsonrpc":"2.0","id":"\\u0041","method":"x"}',
    '{"params":{"_meta":{"progressToken":12}},"jsonrpc":"2.0","id":12,"method":"x"}',
  ],
])('gives a request a number and changes nothing else: %s', (before, after) => {
  expect(numberedText(before, 12)).toBe(after);
});

it.each([
  ['{"jsonrpc":"2.0","id":12,"result":{"id":12}}', '{"jsonrpc":"2.0","id":"mine","result":{"id":12}}'],
  ['{"id":12,"jsonrpc":"2.0","result":{}}', '{"id":"mine","jsonrpc":"2.0","result":{}}'],
  ['{"result":{"id":12},"jsonrpc":"2.0","id":12}', '{"result":{"id":12},"jsonrpc":"2.0","id":"mine"}'],
  ['{"jsonrpc":"2.0", "id":12 ,"result":{}}', '{"jsonrpc":"2.0", "id":"mine" ,"result":{}}'],
  ['{"jsonrpc":"2.0","result":{},"id":12,"x":1}', '{"jsonrpc":"2.0","result":{},"id":"mine","x":1}'],
  ['{"jsonrpc":"2.0","result":{"\\",\\"id":1},"id":12}', '{"jsonrpc":"2.0","result":{"\\",\\"id":1},"id":"mine"}'],
])('gives an answer its id back, wherever it stands: %s', (before, after) => {
  expect(restored(before, 12, '"mine"')).toBe(after);
});

it.each([
  ['another id', '{"jsonrpc":"2.0","id":13,"result":{}}'],
  ['an id that begins like it', '{"jsonrpc":"2.0","id":123,"result":{}}'],
  ['an id that ends like it', '{"jsonrpc":"2.0","result":{},"id":312}'],
  ['the number as text', '{"jsonrpc":"2.0","id":"12","result":{}}'],
  ['the id inside its result alone', '{"jsonrpc":"2.0","id":1,"result":{"x":1,"id":12}}'],
  ['a request', '{"jsonrpc":"2.0","id" :12,"method":"x"}'],
  ['no message', '{"jsonrpc":"2.0"'],
])('takes no answer for what it is not: %s', (_what, line) => {
  expect(restored(line, 12, '1')).toBeUndefined();
});

it('names a subscription by the id of the client where it closes', () => {
  const closing = `{"jsonrpc":"2.0","result":{"_meta":{"${SUBSCRIPTION}":12}},"id":12}`;
  expect(restored(closing, 12, '"s"', true)).toBe(closing.replaceAll('12', '"s"'));
  const other = `{"jsonrpc":"2.0","result":{"_meta":{"${SUBSCRIPTION}":13}},"id":12}`;
  expect(restored(other, 12, '"s"', true)).toBe(other.replace('"id":12', '"id":"s"'));
});

it('says the code of an error, and that a result has none', () => {
  const code = (line: string): number => errorCode(new Scanner(), encodeUtf8(line));
  expect(code('{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"x"}}')).toBe(-32601);
  expect(code('{"error":{"message":"\\"result\\":","code":-5},"id":1,"jsonrpc":"2.0"}')).toBe(-5);
  expect(code('{"jsonrpc":"2.0","id":"x,\\"result\\":","error":{"code":-7,"message":"x"}}')).toBe(-7);
  expect(code('{"jsonrpc":"2.0","id":1,"error":{"code":1e400,"message":"x"}}')).toBe(0);
  for (const line of [
    '{"jsonrpc":"2.0","id":1,"result":{}}',
    '{"result":{"error":{"code":-1}},"id":1,"jsonrpc":"2.0"}',
  ])
    expect(code(line)).toBe(0);
});

it('tells notes in the words of the client', () => {
  const originals = new Map([[12, { id: encodeUtf8('"s"'), token: encodeUtf8('"t"') }]]);
  const note = (line: string) => {
    const told = restoreNote(new Scanner(), encodeUtf8(line), (number) => originals.get(number));
    return told === undefined ? undefined : [decodeUtf8(told.line), told.about, told.asks];
  };
  const progress = (token: unknown): string =>
    JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: token, progress: 1 } });
  expect(note(progress(12))).toEqual([progress('t'), 12, false]);
  expect(note(progress('12'))).toEqual([progress('t'), 12, false]);
  expect(note(progress(13))).toBeUndefined();
  expect(note(progress('t'))).toBeUndefined();
  const tagged = (id: unknown): string =>
    JSON.stringify({ jsonrpc: '2.0', method: 'notifications/x', params: { _meta: { [SUBSCRIPTION]: id } } });
  expect(note(tagged(12))).toEqual([tagged('s'), 12, false]);
  expect(note(tagged(13))).toEqual([tagged(13), undefined, false]);
  const ask = '{"jsonrpc":"2.0","id":12,"method":"roots/list","params":{"_meta":{"progressToken":12}}}';
  expect(note(ask)).toEqual([ask, undefined, true]);
  expect(note('{"jsonrpc":"2.0","id":12,"result":{}}')).toBeUndefined();
});

it('turns a cancellation to the number', () => {
  const text = '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"1","requestId":"1"}}';
  const message = read(text);
  expect(decodeUtf8(cancelOf(scanner, message, 0, scanner.bytes.length, 12))).toBe(
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"1","requestId":12}}',
  );
});

it('gives back what it took, for any id, token and content', () => {
  const id = fc.oneof(fc.string({ unit: 'grapheme' }), fc.maxSafeInteger());
  fc.assert(
    fc.property(id, fc.option(id), fc.jsonValue(), fc.boolean(), fc.nat(), (id, token, value, isLast, number) => {
      const params = { value, ...(token === null ? {} : { _meta: { progressToken: token } }) };
      const parts = isLast ? { method: 'x', params, jsonrpc: '2.0', id } : { id, jsonrpc: '2.0', method: 'x', params };
      const text = JSON.stringify(parts);
      const message = read(text);
      const original = originalOf(scanner, message);
      const there = JSON.parse(numberedText(text, number)) as { id: number; params: typeof params };
      expect(there).toEqual({
        ...JSON.parse(text),
        id: number,
        params: {
          ...JSON.parse(JSON.stringify(params)),
          ...(token === null ? {} : { _meta: { progressToken: number } }),
        },
      });
      const answer = JSON.stringify(
        isLast ? { result: { value }, jsonrpc: '2.0', id: number } : { id: number, jsonrpc: '2.0', result: { value } },
      );
      const back = restoreAnswer(new Scanner(), encodeUtf8(answer), number, original) as Uint8Array;
      expect(JSON.parse(decodeUtf8(back))).toEqual({ ...JSON.parse(answer), id: JSON.parse(JSON.stringify(id)) });
      if (token !== null) expect(JSON.parse(decodeUtf8(original.token as Uint8Array))).toBe(token);
    }),
  );
});
