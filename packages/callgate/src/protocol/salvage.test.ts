import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { salvage, salvageId, salvageOversize } from './salvage.ts';
import { encodeUtf8 } from './text.ts';

const idOf = (text: string): string | undefined => {
  const bytes = encodeUtf8(text);
  return salvageId(bytes, 0, bytes.length);
};

describe('a broken line', () => {
  it.each<[string, string | undefined]>([
    ['{"id":1,"method":"a","params":{', '1'],
    ['{"jsonrpc":"2.0", "id" : "a\\nb" , "x', '"a\\nb"'],
    ['{"params":{"id":5},"id":6,', '6'],
    ['{"params":{"id":5},"x":[{"id":7}],', undefined],
    ['{"a":"\\"id\\":3","id":4}', '4'],
    ['{"a":"}{\\"","i\\u0064":4}', '4'],
    ['{"id":1,"id":2}', undefined],
    ['{"id":1}{"id":2}', undefined],
    ['[{"id":1}]', undefined],
    ['[{"id":1}', undefined],
    ['x{"id":1}', undefined],
    ['\ufeff{"id":1}', '1'],
    ['{"id":1', undefined],
    ['{"id":12345678901234567890,"a":1}', undefined],
    ['{"id":1.5,"a":1}', undefined],
    ['{"id":-0,"a":1}', undefined],
    ['{"id":null,"a":1}', undefined],
    ['{"id":{"a":1},"a":1}', undefined],
    ['{"id":"\\ud800","a":1}', undefined],
    ['{"id":"a\u0001","a":1}', undefined],
    ['{"id":"a', undefined],
    ['{"x":"id","y":1,"id":2 }', '2'],
    ['"id":3', undefined],
    ['hello', undefined],
    ['', undefined],
  ])('%s', (text, wanted) => {
    expect(idOf(text)).toBe(wanted);
  });

  it('tells what it seems to be', () => {
    const of = (text: string) => salvage(encodeUtf8(text), 0, encodeUtf8(text).length);
    expect(of('{"id":1,"method":"a","params":')).toMatchObject({ asks: true, answers: false });
    expect(of('{"id":1,"result":{"method":1')).toMatchObject({ asks: false, answers: true });
  });
});

describe('the last part of a line', () => {
  it.each<[string, string | undefined]>([
    ['xxx"},"id":7}', '7'],
    ['xxx\\"},"id":6}","jsonrpc":"2.0","id": "a" }', '"a"'],
    ['xx"}},"method":"tools/call","id":-3,"jsonrpc":"2.0"}', '-3'],
    ['xx"},"id":7},"jsonrpc":"2.0"}', undefined],
    ['x"]}],"id":7,"a":{"id":8,"b":[1,"]"]}}', '7'],
    ['x"},"id":7,"id":8}', undefined],
    ['x"},"id":7', undefined],
    ['x\\\\"},"id":7}', '7'],
  ])('%s', (text, wanted) => {
    expect(idOf(text)).toBe(wanted);
  });
});

describe('a line of which the two ends were kept', () => {
  const of = (head: string, tail: string) => salvageOversize(encodeUtf8(head), encodeUtf8(tail));

  it('finds the id at either end, and only the one', () => {
    expect(of('{"id":1,"method":"a","params":{"x":"yyy', 'yyy"}}')).toMatchObject({ idText: '1', asks: true });
    expect(of('{"result":{"x":"yyy', 'yyy"},"jsonrpc":"2.0","id":9}')).toMatchObject({ idText: '9', answers: true });
    expect(of('{"id":1,"params":{"x":"yyy', 'yyy"},"id":9}').idText).toBeUndefined();
    expect(of('{"params":{"x":"yyy', 'yyy"}}').idText).toBeUndefined();
  });
});

it('reads hostile lines of megabytes once, not over and over', () => {
  const long = 'x'.repeat(2_000_000);
  expect(idOf(`x,${'"id":'.repeat(400_000)}"${long}"}`)).toBeUndefined();
  expect(idOf(`{${`"id":"${'y'.repeat(100)}",`.repeat(20_000)}`)).toBeUndefined();
  expect(idOf(`x"${'\\'.repeat(2_000_000)}"}`)).toBeUndefined();
});

it('finds the id of any message cut anywhere after it, and never throws on any bytes', () => {
  fc.assert(
    fc.property(fc.json(), fc.nat(), (params, cut) => {
      const head = '{"jsonrpc":"2.0","id":"x","method":"a",';
      const text = `${head}"params":${params}}`;
      expect(idOf(text.slice(0, head.length + (cut % (params.length + 10))))).toBe('"x"');
      const bytes = encodeUtf8(`{"params":${params},"id":"x"}`);
      const tail = bytes.slice(Math.min(bytes.length - 9, 1 + (cut % bytes.length)));
      expect(salvageOversize(bytes.slice(0, bytes.length - tail.length), tail).idText).toBe('"x"');
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }), (head, tail) => {
      salvageId(head, 0, head.length);
      salvageOversize(head, tail);
    }),
  );
});
