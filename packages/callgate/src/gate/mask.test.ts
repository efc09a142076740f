import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Scanner } from '../protocol/scan.ts';
import { maskArguments, type Masked } from './mask.ts';

const GITHUB = `${'gh'}${'p_'}${'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8'}`;
const AWS = `${'AK'}${'IA'}${'QYLPMN5HHHFPZAM2'}`;

function mask(json: string, maxBytes = 65_536): Masked & { readonly text: string } {
  const scanner = new Scanner();
  expect(scanner.scan(new TextEncoder().encode(json))).toBeUndefined();
  const masked = maskArguments(scanner, 0, maxBytes);
  const text = new TextDecoder().decode(masked.bytes);
  expect(new Scanner().scan(masked.bytes)).toBeUndefined();
  return { ...masked, text };
}

describe('a kept copy of arguments', () => {
  it('shares the bytes of the message when there is nothing to hide', () => {
    const scanner = new Scanner();
    const bytes = new TextEncoder().encode('{"path": "/a/b",  "n": 12345678901234567890}');
    scanner.scan(bytes);
    const masked = maskArguments(scanner, 0, 1000);
    expect(masked.bytes.buffer).toBe(bytes.buffer);
    expect(masked.bytes).toEqual(bytes);
    expect(masked).toMatchObject({ findings: [], truncated: 0 });
  });

  it('names the rule in place of the secret and says where it was', () => {
    const { text, findings } = mask(JSON.stringify({ a: [{ note: `use ${GITHUB} now` }], n: 1 }));
    expect(text).toBe('{"a":[{"note":"use [secret:github-token] now"}],"n":1}');
    expect(findings).toEqual([
      {
        ruleId: 'github-token',
        class: 'secret',
        start: 4,
        end: 44,
        confidence: 0.9,
        direction: 'call',
        pointer: '/a/0/note',
      },
    ]);
  });

  it('masks names too, and two masked names stay two names', () => {
    const other = GITHUB.replace('a1B2', 'Z9Y8');
    const { text, findings } = mask(JSON.stringify({ [GITHUB]: 1, [other]: 2 }));
    expect(text).toBe('{"[secret:github-token]":1,"[secret:github-token]~2":2}');
    expect(findings[0]!.pointer).toBe(`/${GITHUB}/~key`);
  });

  it('masks what a name promises, also in a list, and leaves public tokens alone', () => {
    const { text } = mask('{"password":"hunter2!","apiKeys":["abcdef12","x"],"nextPageToken":"abcdefgh1","token":12}');
    expect(text).toBe(
      '{"password":"[secret:named-secret]","apiKeys":["[secret:named-secret]","x"],"nextPageToken":"abcdefgh1","token":12}',
    );
  });

  it('sees through escapes', () => {
    const escaped = Array.from(GITHUB, (unit) => `\\u00${unit.charCodeAt(0).toString(16)}`).join('');
    expect(mask(`{"x":"${escaped}","p\\u0061ssword":"abcdefgh"}`).text).not.toMatch(/abcdefgh|a1B2/);
  });

  it('finds a payload behind a megabyte of padding although the copy is cut', () => {
    const { findings, truncated, text } = mask(
      JSON.stringify({ pad: `${'x'.repeat(1_000_000)} ${AWS}`, after: GITHUB }),
      4096,
    );
    expect(findings.map(({ ruleId, pointer, start }) => [ruleId, pointer, start])).toEqual([
      ['aws-access-key', '/pad', 1_000_001],
      ['github-token', '/after', 0],
    ]);
    expect(text.length).toBeLessThan(4096);
    expect(text).toContain('"after":"[secret:github-token]"');
    expect(truncated).toBeGreaterThan(990_000);
  });

  it('falls back to a summary when names alone are too much', () => {
    const json = JSON.stringify({ [`${'k'.repeat(1_000_000)} ${AWS}`]: 1 });
    const { text, truncated, findings } = mask(json, 4096);
    expect(JSON.parse(text)).toEqual({ _truncated: true, bytes: json.length });
    expect(truncated).toBeGreaterThan(0);
    expect(findings).toHaveLength(1);
  });

  it('is valid JSON within its bound, without the secret, for any arguments (property)', () => {
    const value = fc.jsonValue({ maxDepth: 4 });
    const place = fc.constantFrom<(json: unknown) => unknown>(
      (json) => ({ json, x: `a ${GITHUB}` }),
      (json) => [json, { secret: GITHUB }],
      (json) => ({ [`k${GITHUB}`]: json }),
      (json) => ({ deep: [{ t: `é"\\${GITHUB}\n` }, json] }),
    );
    fc.assert(
      fc.property(value, place, fc.integer({ min: 64, max: 400 }), (json, put, maxBytes) => {
        const { text, bytes, findings } = mask(JSON.stringify(put(json)), maxBytes);
        return !text.includes(GITHUB) && bytes.length <= maxBytes && findings.length >= 1;
      }),
    );
  });
});
