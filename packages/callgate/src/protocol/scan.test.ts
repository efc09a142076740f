import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KEY, NUMBER, OBJECT, Scanner, STRING } from './scan.ts';
import type { ScanFaultCode } from './scan.ts';
import { denseAt, fuzzScanner, isSame } from './testing/fuzz.ts';
import { strictParse } from './testing/reference.ts';
import { jsonAt } from './tape.ts';
import { encodeUtf8 } from './text.ts';

const scanner = new Scanner({}, 1);
const codeOf = (input: string | readonly number[]): ScanFaultCode | 'accepted' => {
  const bytes = typeof input === 'string' ? encodeUtf8(input) : Uint8Array.from(input);
  return scanner.scan(bytes)?.code ?? 'accepted';
};
/** The bytes between two quotes. */
const inQuotes = (...bytes: number[]): number[] => [0x22, ...bytes, 0x22];

describe('RFC 8259', () => {
  it.each([
    'null', 'true', 'false', '0', '-0', '-1', '10', '1.5', '-0.0', '1e5', '1E-5', '1e+5', '123456789012345678901234567890',
    '""', '"a"', '"\\u0000"', '"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\u007f"', '"\u2028"', '[]', '[ ]', '{}', '{ }', '[[],[[]],{}]',
    '[1,2]', ' [ 1 , 2 ] ', '{"a":1}', '\t{\r\n"a" : 1 ,"b":[ ] }\n', '{"":0}', '{"a":{"a":{"a":1}}}', '[{"a":1},{"a":1}]',
  ])('accepts %j', (text) => {
    expect(codeOf(text)).toBe('accepted');
  }); // prettier-ignore

  it.each<[string, ScanFaultCode]>([
    ['', 'empty'], [' \n', 'empty'], ['nul', 'syntax'], ['nulll', 'trailing_content'], ['True', 'syntax'], ['NaN', 'syntax'],
    ['Infinity', 'syntax'], ['-Infinity', 'invalid_number'], ['+1', 'syntax'], ['01', 'invalid_number'], ['-01', 'invalid_number'],
    ['.5', 'syntax'], ['1.', 'invalid_number'], ['1.e1', 'invalid_number'], ['1e', 'invalid_number'], ['1e+', 'invalid_number'],
    ['-', 'invalid_number'], ['0x1', 'trailing_content'], ['1 2', 'trailing_content'], ['{} {}', 'trailing_content'],
    ['{},', 'trailing_content'], ['{}]', 'trailing_content'], ['"a', 'truncated'], ['"a\\', 'truncated'], ['"\\u12', 'truncated'],
    ['"\\x41"', 'invalid_escape'], ['"\\u12g4"', 'invalid_escape'], ['"\\\'"', 'invalid_escape'], ["'a'", 'syntax'],
    ['"\t"', 'control_character'], ['"\n"', 'control_character'], ['"\u0000"', 'control_character'], ['[', 'truncated'],
    ['[1', 'truncated'], ['[1,', 'truncated'], ['[1,]', 'syntax'], ['[,1]', 'syntax'], ['[1 2]', 'syntax'], ['[1}', 'syntax'],
    [']', 'syntax'], ['{', 'truncated'], ['{"a"', 'truncated'], ['{"a":', 'truncated'], ['{"a":1', 'truncated'],
    ['{"a":1,}', 'syntax'], ['{,}', 'syntax'], ['{a:1}', 'syntax'], ['{1:1}', 'syntax'], ['{"a" 1}', 'syntax'], ['{"a"}', 'syntax'],
    ['{"a":}', 'syntax'], ['{"a":1]', 'syntax'], ['{"a":1 "b":2}', 'syntax'], ['/**/1', 'syntax'], ['1//', 'trailing_content'],
    ['\u00a01', 'syntax'], ['\u000b1', 'syntax'], ['\u000c1', 'syntax'], ['1\u00a0', 'trailing_content'], ['\u2028[]', 'syntax'],
    ['\ufeff{}', 'bom'], ['{}\ufeff', 'trailing_content'], [' \ufeff{}', 'syntax'],
  ])('refuses %j as %s', (text, code) => {
    expect(codeOf(text)).toBe(code);
  }); // prettier-ignore

  it('says where: bytes from the start of the message, wherever that lies in the buffer', () => {
    const bytes = encodeUtf8('xxx{"é":tru}yyy');
    expect(scanner.scan(bytes, 3, bytes.length - 3)).toMatchObject({ code: 'syntax', offset: 6 });
  });

  it('reads nothing outside the given span', () => {
    const bytes = encodeUtf8('"[1,2]"3');
    expect(scanner.scan(bytes, 1, 6)).toBeUndefined();
    expect(scanner.scan(bytes, 1, 5)?.code).toBe('truncated');
    expect(scanner.scan(bytes, 4, 5)).toBeUndefined();
    expect(scanner.scan(bytes, -5, 900)?.code).toBe('trailing_content');
    expect(scanner.scan(bytes, 7, 2)?.code).toBe('empty');
  });
});

describe('text', () => {
  it.each<[string, number[]]>([
    ['two bytes', [0xc2, 0x80]],
    ['the last of two', [0xdf, 0xbf]],
    ['the first of three', [0xe0, 0xa0, 0x80]],
    ['before the surrogates', [0xed, 0x9f, 0xbf]],
    ['after the surrogates', [0xee, 0x80, 0x80]],
    ['a noncharacter', [0xef, 0xbf, 0xbf]],
    ['a byte order mark as content', [0xef, 0xbb, 0xbf]],
    ['the first of four', [0xf0, 0x90, 0x80, 0x80]],
    ['U+10FFFF', [0xf4, 0x8f, 0xbf, 0xbf]],
  ])('accepts %s', (_name, bytes) => {
    expect(codeOf(inQuotes(...bytes))).toBe('accepted');
    expect(codeOf([0x7b, ...inQuotes(...bytes), 0x3a, 0x31, 0x7d])).toBe('accepted');
  });

  it.each<[string, number[]]>([
    ['a lone continuation', [0x80]],
    ['overlong two', [0xc0, 0xaf]],
    ['overlong two, c1', [0xc1, 0xbf]],
    ['overlong three', [0xe0, 0x9f, 0xbf]],
    ['overlong four', [0xf0, 0x8f, 0xbf, 0xbf]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['the last surrogate', [0xed, 0xbf, 0xbf]],
    ['above U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['f5', [0xf5, 0x80, 0x80, 0x80]],
    ['ff', [0xff]],
    ['a cut sequence of two', [0xc3]],
    ['a cut sequence of three', [0xe6, 0xbc]],
    ['a cut sequence of four', [0xf0, 0x9f, 0x98]],
    ['a bad second byte', [0xc3, 0x28]],
    ['a bad third byte', [0xe6, 0xbc, 0x28]],
    ['a bad fourth byte', [0xf0, 0x9f, 0x98, 0x28]],
    ['a cut sequence after a whole one', [0xe6, 0xbc, 0xa2, 0xe6, 0xbc]],
  ])('refuses %s', (_name, bytes) => {
    expect(codeOf(inQuotes(...bytes))).toBe('invalid_utf8');
    expect(codeOf([0x7b, ...inQuotes(...bytes), 0x3a, 0x31, 0x7d])).toBe('invalid_utf8');
  });

  it.each([
    '\\ud800',
    '\\udc00',
    '\\udc00\\ud800',
    '\\ud800\\ud800',
    '\\ud800x',
    '\\ud83d\\n',
    '\\udbff\\ue000',
    '\\ud83d\\u0061',
  ])('refuses the half pair %s, in values and keys', (escape) => {
    expect(codeOf(`"${escape}"`)).toBe('lone_surrogate');
    expect(codeOf(`{"${escape}":1}`)).toBe('lone_surrogate');
  });

  it('accepts a whole pair, in either case of its digits', () => {
    expect(codeOf('"\\ud83d\\uDE00"')).toBe('accepted');
    expect(codeOf('"\\uDBFF\\udfff"')).toBe('accepted');
  });
});

describe('duplicate keys', () => {
  it.each([
    '{"a":1,"a":2}',
    '{"a":1,"b":2,"a":3}',
    '{"":1,"":2}',
    '{"method":1,"m\\u0065thod":2}',
    '{"m\\u0065thod":1,"method":2}',
    '{"m\\u0065thod":1,"meth\\u006fd":2}',
    '{"é":1,"\\u00e9":2}',
    '{"\\ud83d\\ude00":1,"😀":2}',
    '{"/":1,"\\/":2}',
    '{"__proto__":1,"__proto__":2}',
    '[[{"x":{"y":[{"k":1,"k":1}]}}]]',
    '{"a":{"b":1},"c":{"b":1,"b":2}}',
    '{"a":{"a":1},"a":{}}',
  ])('refuses %s', (text) => {
    expect(codeOf(text)).toBe('duplicate_key');
  });

  it.each([
    '{"a":1,"A":2}',
    '{"a":{"a":{"a":1}}}',
    '{"é":1,"e\\u0301":2}',
    '{"a":[{"b":1},{"b":1}],"b":1}',
    '{"a":1,"a\\u0000":2}',
  ])('accepts the different keys of %s', (text) => {
    expect(codeOf(text)).toBe('accepted');
  });

  it('takes as many keys as the limit says and finds the one that repeats', () => {
    const keys = Array.from({ length: 100_000 }, (_, i) => `"key${i}":0`);
    expect(codeOf(`{${keys.join()}}`)).toBe('accepted');
    expect(codeOf(`{${keys.join()},"one more":0}`)).toBe('too_many_keys');
    keys[99_999] = '"key77":0';
    expect(codeOf(`{${keys.join()}}`)).toBe('duplicate_key');
    expect(new Scanner({ keys: 2 }).scan(encodeUtf8('[{"a":1},{"a":1},{"a":1}]'))?.code).toBe('too_many_keys');
  });

  it('accepts many keys whatever the seed', () => {
    const bytes = encodeUtf8(`{${Array.from({ length: 20_000 }, (_, i) => `"${i.toString(36)}":0`).join()}}`);
    for (const seed of [0, 1, -1, 0x7fffffff, 0x9e3779b9 | 0, 123456789]) {
      expect(new Scanner({}, seed).scan(bytes)).toBeUndefined();
    }
  });

  it('refuses keys made to collide for a known seed, and accepts them under another', () => {
    const keys = collidingKeys(7, 140);
    const bytes = encodeUtf8(`{${keys.map((key) => `"${key}":0`).join()}}`);
    expect(new Scanner({}, 7).scan(bytes)?.code).toBe('key_collisions');
    expect(new Scanner({}, 8).scan(bytes)).toBeUndefined();
  });

  it('accepts two keys that happen to have one hash', () => {
    const [first, second] = sameHash(7);
    const bytes = encodeUtf8(`{"${first}":0,"${second}":0}`);
    expect(first).not.toBe(second);
    expect(new Scanner({}, 7).scan(bytes)).toBeUndefined();
  });

  it('keeps the keys of one message apart from those of the next, also after many', () => {
    const small = encodeUtf8('{"a":{"b":1},"b":2}');
    const twice = encodeUtf8('{"a":{"b":1},"b":2,"b":3}');
    for (let i = 0; i < 5000; i++) {
      expect(scanner.scan(small)).toBeUndefined();
      if (i % 100 === 0) expect(scanner.scan(twice)?.code).toBe('duplicate_key');
    }
  });
});

/** The hash of a top-level key; repeats the arithmetic of keys.ts on purpose. */
function hashOf(key: string, seed: number): number {
  const factor = Math.imul(seed ^ (seed >>> 15) ^ 0x27d4eb2f, 0x01000193) | 1;
  let hash = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b);
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), factor);
  hash = Math.imul(hash, 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 15), 0x297a2d39);
  return hash ^ (hash >>> 14);
}

/** Keys that meet in one slot of every table they pass through. */
function collidingKeys(seed: number, count: number): string[] {
  const keys: string[] = [];
  for (let i = 0; keys.length < count; i++) {
    const key = i.toString(36);
    if ((hashOf(key, seed) & 0x3ff) === 0) keys.push(key);
  }
  return keys;
}

function sameHash(seed: number): [string, string] {
  const seen = new Map<number, string>();
  for (let i = 0; ; i++) {
    const key = (i * 7919).toString(36);
    const hash = hashOf(key, seed);
    const other = seen.get(hash);
    if (other !== undefined) return [other, key];
    seen.set(hash, key);
  }
}

describe('bounds', () => {
  it('counts the depth of arrays and objects together', () => {
    const limited = new Scanner({ depth: 3 });
    expect(limited.scan(encodeUtf8('[{"a":[1]}]'))).toBeUndefined();
    expect(limited.scan(encodeUtf8('[{"a":[[]]}]'))).toMatchObject({ code: 'too_deep', offset: 7 });
    expect(limited.scan(encodeUtf8('[[[],[]],[[]]]'))).toBeUndefined();
  });

  it.each(['[', '{"a":', '[{"a":'])('refuses 100,000 levels of %s without overflowing', (open) => {
    expect(codeOf(open.repeat(100_000))).toBe('too_deep');
    expect(codeOf(`${'['.repeat(128)}${']'.repeat(128)}`)).toBe('accepted');
    expect(codeOf(`${'['.repeat(129)}${']'.repeat(129)}`)).toBe('too_deep');
  });

  it('never goes deeper than readers of the tape may recurse', () => {
    const bytes = encodeUtf8(`${'['.repeat(5000)}${']'.repeat(5000)}`);
    expect(new Scanner({ depth: 1e9 }).scan(bytes)?.code).toBe('too_deep');
  });

  it('limits values', () => {
    const limited = new Scanner({ values: 1000 });
    expect(limited.scan(encodeUtf8(`[${'1,'.repeat(900)}1]`))).toBeUndefined();
    expect(limited.scan(encodeUtf8(`[${'1,'.repeat(1100)}1]`))?.code).toBe('too_many_values');
  });

  it('gives back the memory of a giant message', () => {
    const own = new Scanner();
    expect(own.scan(encodeUtf8(`[${'1,'.repeat(300_000)}1]`))).toBeUndefined();
    expect(own.count).toBe(300_002);
    expect(own.kinds.length).toBeGreaterThan(300_000);
    expect(own.scan(encodeUtf8('[1]'))).toBeUndefined();
    expect(own.kinds.length).toBeLessThan(40_000);
    own.release();
    expect(own.bytes.length).toBe(0);
  });

  it('holds nothing of a large message when it rests, and all of a small one', () => {
    const own = new Scanner();
    own.scan(encodeUtf8(`[${'1,'.repeat(100_000)}1]`));
    own.rest();
    expect([own.bytes.length, own.count]).toEqual([0, 0]);
    expect(own.kinds.length).toBeLessThan(40_000);
    own.scan(encodeUtf8('[1]'));
    own.rest();
    expect(own.count).toBe(2);
  });

  it('has no tape after a fault', () => {
    expect(codeOf('[1]')).toBe('accepted');
    expect(codeOf('[1')).toBe('truncated');
    expect(scanner.count).toBe(0);
  });
});

it('lays the value out in preorder', () => {
  const text = ' {"a":[1,{}],"b\\n":"x"} ';
  expect(codeOf(text)).toBe('accepted');
  const rows = Array.from({ length: scanner.count }, (_, node) => [
    scanner.kinds[node],
    text.slice(scanner.starts[node], scanner.ends[node]),
    scanner.nexts[node],
    scanner.flags[node],
  ]);
  expect(rows).toEqual([
    [OBJECT, text.trim(), 7, 0],
    [KEY, '"a"', 2, 0],
    [6, '[1,{}]', 5, 0],
    [NUMBER, '1', 4, 0],
    [OBJECT, '{}', 5, 0],
    [KEY, '"b\\n"', 6, 1],
    [STRING, '"x"', 7, 0],
  ]);
});

describe('against the reference', () => {
  it('agrees on a message that outgrows the tape several times, inside open containers', () => {
    const value = Array.from({ length: 4000 }, (_, i) => ({
      id: i,
      tags: ['a', [i, { deep: [null, i] }]],
      [`k${i}`]: 'x',
    }));
    const bytes = encodeUtf8(JSON.stringify({ result: { items: value } }));
    const fresh = new Scanner();
    for (let round = 0; round < 2; round++) {
      expect(fresh.scan(bytes)).toBeUndefined();
      expect(denseAt(fresh, 0)).toBe(strictParse(bytes)?.dense);
      expect(isSame(jsonAt(fresh, 0), { result: { items: value } })).toBe(true);
      expect(fresh.scan(encodeUtf8('{"a":1,"a":2}'))?.code).toBe('duplicate_key');
    }
  });

  it('accepts what JSON.stringify writes, and its spans re-assemble it', () => {
    fc.assert(
      fc.property(
        fc.json({ depthSize: 'medium', noUnicodeString: false }),
        fc.constantFrom(0, 1, 3),
        (text, indent) => {
          const spaced = JSON.stringify(JSON.parse(text), undefined, indent);
          const bytes = encodeUtf8(spaced);
          const wanted = strictParse(bytes);
          expect(scanner.scan(bytes) === undefined).toBe(wanted !== undefined);
          if (wanted === undefined) return;
          expect(denseAt(scanner, 0)).toBe(wanted.dense);
          expect(isSame(jsonAt(scanner, 0), wanted.value)).toBe(true);
        },
      ),
    );
  });

  it('never throws and never disagrees on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(scanner.scan(bytes) === undefined).toBe(strictParse(bytes) !== undefined);
      }),
      { numRuns: 2000 },
    );
  });

  it('agrees on a sample of the fuzz run', () => {
    const report = fuzzScanner(20_261_120, 20_000);
    expect(report.mismatch).toBeUndefined();
    expect(report.accepted).toBeGreaterThan(5000);
  });

  it('replays a fuzz run from its seed', () => {
    expect(fuzzScanner(3, 500)).toEqual(fuzzScanner(3, 500));
  });
});
