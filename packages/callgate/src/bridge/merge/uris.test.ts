import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256 } from './testing.ts';
import { exposeUris, matchesTemplate, ownedByTag, tagsOf } from './uris.ts';

const tags = tagsOf([{ name: 'a' }, { name: 'b' }, { name: 'c d' }], sha256);

describe('URIs of many servers', () => {
  it("stay as they are; what two have is the first server's, and the other's under its name", () => {
    const { owners } = exposeUris(tags, [['x:1'], ['x:1', 'x:2'], []]);
    expect([...owners]).toEqual([
      ['x:1', { server: 0, name: 'x:1' }],
      ['b+x:1', { server: 1, name: 'x:1' }],
      ['x:2', { server: 1, name: 'x:2' }],
    ]);
    expect(ownedByTag(tags, 'b+x:1')).toEqual({ server: 1, name: 'x:1' });
  });

  it('that look like those of another server are never shown as they are', () => {
    const { owners } = exposeUris(tags, [[], ['a+x:1'], []]);
    expect([...owners.keys()]).toEqual(['b+a+x:1']);
  });

  it('have tags that begin a URI, whatever the server is called', () => {
    expect(tags[2]).toMatch(/^s[0-9a-f]{8}\+$/);
  });

  it('are one to one', () => {
    const uri = fc.string({ unit: fc.constantFrom('a', 'b', '+', ':'), minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.tuple(fc.array(uri), fc.array(uri), fc.array(uri)), (lists) => {
        const { owners } = exposeUris(tags, lists);
        expect(owners.size).toBe(lists.reduce((sum, list) => sum + new Set(list).size, 0));
      }),
    );
  });
});

describe('a template', () => {
  it.each([
    ['file:///{path}', 'file:///a', true],
    ['file:///{path}', 'file:///a/b', false],
    ['file:///{+path}', 'file:///a/b', true],
    ['file:///{a}/{b}.txt', 'file:///x/y.txt', true],
    ['file:///{a}/{b}.txt', 'file:///x/y.md', false],
    ['x:{?a,b}', 'x:?a=1&b=2', true],
    ['x:1', 'x:1', true],
    ['x:{', 'x:{', false],
    ['{a}', '', true],
    ['', 'x', false],
  ])('%s of %s: %s', (template, uri, expected) => {
    expect(matchesTemplate(template, uri)).toBe(expected);
  });

  it('takes a bounded time for what would make others backtrack', () => {
    const started = performance.now();
    expect(matchesTemplate('{+a}'.repeat(15) + 'b', 'a'.repeat(2048))).toBe(false);
    expect(performance.now() - started).toBeLessThan(100);
    expect(matchesTemplate('{+a}'.repeat(1000), 'a')).toBe(false);
  });
});
