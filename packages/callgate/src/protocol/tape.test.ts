import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ExactNumber } from '../model/json.ts';
import { Scanner } from './scan.ts';
import { elements, jsonAt, member, members, stringAt, walkStrings } from './tape.ts';
import { decodeUtf8, encodeUtf8 } from './text.ts';

const tape = new Scanner();
const scan = (text: string): Scanner => {
  expect(tape.scan(encodeUtf8(text))).toBeUndefined();
  return tape;
};

describe('member', () => {
  it('finds a member by its decoded key', () => {
    scan('{"a":1,"b\\u0061d":{"a":2},"é":3,"":4}');
    expect(jsonAt(tape, member(tape, 0, 'a'))).toBe(1);
    expect(jsonAt(tape, member(tape, member(tape, 0, 'bad'), 'a'))).toBe(2);
    expect(jsonAt(tape, member(tape, 0, 'é'))).toBe(3);
    expect(jsonAt(tape, member(tape, 0, ''))).toBe(4);
  });

  it('finds nothing in what is absent, nested or no object', () => {
    scan('{"a":{"deep":1},"list":["a"]}');
    expect(member(tape, 0, 'deep')).toBe(-1);
    expect(member(tape, 0, 'toString')).toBe(-1);
    expect(member(tape, member(tape, 0, 'list'), 'a')).toBe(-1);
    expect(member(tape, -1, 'a')).toBe(-1);
  });
});

it('walks members and elements of their own kind only', () => {
  scan('{"a":[1,[2],{"x":3}],"b":{}}');
  expect([...members(tape, 0)].map((key) => stringAt(tape, key))).toEqual(['a', 'b']);
  expect([...elements(tape, member(tape, 0, 'a'))].map((node) => JSON.stringify(jsonAt(tape, node)))).toEqual([
    '1',
    '[2]',
    '{"x":3}',
  ]);
  expect([...elements(tape, 0), ...members(tape, member(tape, 0, 'a')), ...elements(tape, -1)]).toEqual([]);
});

describe('jsonAt', () => {
  it.each(['0', '7', '-7', '123456789', '1234567890', '0.5', '-0.25', '9007199254740991', '1e-7', '0.1'])(
    'reads %s as a number',
    (text) => {
      expect(jsonAt(scan(text), 0)).toBe(Number(text));
    },
  );

  it.each([
    '-0',
    '1.0',
    '1e5',
    '1E5',
    '9007199254740992',
    '12345678901234567890',
    '1e400',
    '1e+21',
    '0.10',
    `0.${'3'.repeat(400)}`,
  ])('keeps the spelling of %s', (text) => {
    const value = jsonAt(scan(text), 0);
    expect(value).toBeInstanceOf(ExactNumber);
    expect((value as ExactNumber).text).toBe(text);
  });

  it('keeps __proto__ as an own key and gives objects no prototype', () => {
    const value = jsonAt(scan('{"__proto__":{"isAdmin":true},"constructor":1}'), 0) as Record<string, unknown>;
    expect(Object.getPrototypeOf(value)).toBeNull();
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor']);
    expect(value['isAdmin']).toBeUndefined();
  });

  it('decodes every escape, pairs and a byte order mark included', () => {
    const text = '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u00e9\\u6f22\\ud83d\\ude00é漢😀\ufeff"';
    expect(jsonAt(scan(text), 0)).toBe(JSON.parse(text));
    expect(jsonAt(scan('"\ufeffx"'), 0)).toBe('\ufeffx');
  });

  it('equals JSON.parse where every number is a plain one', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5, noUnicodeString: false }), (value) => {
        const text = JSON.stringify(value, (_key, item: unknown) =>
          typeof item === 'number' ? Math.trunc(item % 1e6) : item,
        );
        if (tape.scan(encodeUtf8(text)) !== undefined) return;
        expect(JSON.stringify(jsonAt(tape, 0))).toBe(text);
      }),
    );
  });
});

it('decodes and encodes text of every length as the host does', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 120 }), (text) => {
      expect(decodeUtf8(encodeUtf8(text))).toBe(text);
      expect(decodeUtf8(encodeUtf8(`x${text}y`), 1, encodeUtf8(text).length + 1)).toBe(text);
    }),
  );
});

describe('walkStrings', () => {
  const walk = (text: string, from = 0): [string, string][] => {
    const found: [string, string][] = [];
    scan(text);
    walkStrings(tape, from, (node, pointer) => found.push([pointer(), stringAt(tape, node)]));
    return found;
  };

  it('visits values and keys with their pointers, in order', () => {
    expect(walk('{"a":["x",1,["y"],{"b/c":"z","~":{}}],"d":"w"}')).toEqual([
      ['/a/~key', 'a'],
      ['/a/0', 'x'],
      ['/a/2/0', 'y'],
      ['/a/3/b~1c/~key', 'b/c'],
      ['/a/3/b~1c', 'z'],
      ['/a/3/~0/~key', '~'],
      ['/d/~key', 'd'],
      ['/d', 'w'],
    ]);
  });

  it('visits a string alone, with the empty pointer', () => {
    expect(walk('"x"')).toEqual([['', 'x']]);
    expect(walk('1')).toEqual([]);
  });

  it('names the member that holds a string, through arrays', () => {
    const found: [string, string | undefined][] = [];
    scan('["x",{"a":[["y"],{"b":"z"},"w"]},"v"]');
    walkStrings(tape, 0, (node, _pointer, key) =>
      found.push([stringAt(tape, node), key < 0 ? undefined : stringAt(tape, key)]),
    );
    expect(found).toEqual([
      ['x', undefined],
      ['a', 'a'],
      ['y', 'a'],
      ['b', 'b'],
      ['z', 'b'],
      ['w', 'a'],
      ['v', undefined],
    ]);
  });

  it('shortens the giant keys of a pointer', () => {
    const found = walk(`{"${'k'.repeat(100_000)}":[${'"",'.repeat(20_000)}"x"]}`);
    expect(found.at(-1)).toEqual([`/${'k'.repeat(256)}…/20000`, 'x']);
  });

  it('gives pointers that lead back to the string', () => {
    fc.assert(
      fc.property(fc.json({ noUnicodeString: false }), (text) => {
        if (tape.scan(encodeUtf8(text)) !== undefined) return;
        walkStrings(tape, 0, (node, pointer) => {
          const path = pointer().split('/').slice(1);
          if (path.at(-1) === '~key') return;
          let value: unknown = JSON.parse(text);
          for (const segment of path) {
            value = (value as Record<string, unknown>)[segment.replaceAll('~1', '/').replaceAll('~0', '~')];
          }
          expect(value).toBe(stringAt(tape, node));
        });
      }),
    );
  });

  it('gives pointers relative to where it began', () => {
    expect(walk('{"a":{"b":"c"},"d":"e"}', 2)).toEqual([
      ['/b/~key', 'b'],
      ['/b', 'c'],
    ]);
  });
});
