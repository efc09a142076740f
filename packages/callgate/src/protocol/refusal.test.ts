import { expect, it } from 'vitest';
import { DENIED } from './codes.ts';
import * as codes from './codes.ts';
import { errorAnswer, toolRefusal, unanswered } from './refusal.ts';
import { decodeUtf8 } from './text.ts';

it('writes an error as a line, with the id as it came', () => {
  expect(decodeUtf8(errorAnswer('"a\\u0041"', DENIED, 'No "x".', { rule: 'r' }))).toBe(
    '{"jsonrpc":"2.0","id":"a\\u0041","error":{"code":-31001,"message":"No \\"x\\".","data":{"rule":"r"}}}\n',
  );
  expect(decodeUtf8(errorAnswer(undefined, -32700, 'x'))).toBe(
    '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}\n',
  );
});

it('writes the refusal of a tool call as a result that the model reads, in either era', () => {
  expect(decodeUtf8(toolRefusal('7', 'No.', false))).toBe(
    '{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"No."}],"isError":true}}\n',
  );
  expect(decodeUtf8(toolRefusal('7', 'line\nend', true))).toBe(
    '{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","content":[{"type":"text","text":"line\\nend"}],"isError":true}}\n',
  );
});

it('keeps its own codes outside the range that JSON-RPC reserves, each once', () => {
  const own = Object.values(codes).filter((code) => code > -32000 || code < -32768);
  expect(own).toEqual([-31001, -31002, -31003, -31004, -31005, -31006, -31007, -31008, -31009, -31010]);
});

it.each([
  ['ended with exit code 1', 'ended with exit code 1 before it answered'],
  ['could not be started: no such program', 'could not be started: no such program'],
  ['cannot be reached: no such host', 'cannot be reached: no such host'],
])('a server that %s left its requests unanswered', (how, why) => {
  expect(unanswered(how)).toBe(why);
});
