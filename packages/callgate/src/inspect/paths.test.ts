import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isBelow, readPath, resolveSegments } from './paths.ts';

const place = { cwd: '/work/project', home: '/home/ann' };

describe('reads clear paths', () => {
  it.each([
    ['a.txt', '/work/project/a.txt'],
    ['./a//b/./c/', '/work/project/a/b/c'],
    ['../other', '/work/other'],
    ['../../../../..', '/'],
    ['/etc/../var//log', '/var/log'],
    ['//etc/passwd', '/etc/passwd'],
    ['~', '/home/ann'],
    ['~/x/../y', '/home/ann/y'],
    ['a/~/b', '/work/project/a/~/b'],
    ['file:///etc/hosts', '/etc/hosts'],
    ['FILE://LOCALHOST/etc/hosts', '/etc/hosts'],
    ['file:/etc/hosts', '/etc/hosts'],
    ['file:///a%20b/%C3%A9', '/a b/é'],
    ['file:///a/%2e%2e/b', '/b'],
    ['100%.txt', '/work/project/100%.txt'],
    ['a%20b', '/work/project/a%20b'],
    ['notes: today', '/work/project/notes: today'],
    ['.hidden', '/work/project/.hidden'],
    ['…and more', '/work/project/…and more'],
    ['日本語/é', '/work/project/日本語/é'],
  ])('%j is %j', (text, path) => expect(readPath(text, place)).toEqual({ path }));
});

describe('calls ambiguous what two programs could read differently', () => {
  it.each([
    '',
    'a\0b',
    'a\nb',
    '..\\..\\etc',
    'C:\\Users',
    'C:/Users',
    '\\\\server\\share',
    '~root/x',
    '$HOME/x',
    'a/${X}/b',
    'a/$(id)/b',
    '%2e%2e%2fetc',
    '..%2fetc',
    '..%c0%afetc',
    '%252e%252e/x',
    'a%00b',
    '%u002e/x',
    'file://server/share',
    'file:relative',
    'file:///a%2fb',
    'file:///a%5cb',
    'file:///a%00b',
    'file:///a%zz',
    'file:///a%ff',
    'file:///a?x',
    'file:///a#x',
    'file:///a%252e%252e/b',
    'https://example.com/x',
    'memo://x',
    '..\uff0fetc',
    '..\u2215etc',
    '\u2025/etc',
    '\uff0e\uff0e/etc',
    '\u2024\u2024/etc',
    '\uff61\uff61/etc',
    'a\u202eb',
    'a/\u200b../b',
    'a/.../b',
    'a/....//b',
    'a./b',
    'a /b',
    'secret.txt ',
    'x'.repeat(40_000),
    'a\ud800b',
  ])('%j', (text) => expect(readPath(text, place)).toHaveProperty('ambiguous'));
});

describe('under', () => {
  it('compares whole segments', () => {
    expect(isBelow('/a/b', '/a')).toBe(true);
    expect(isBelow('/a', '/a')).toBe(true);
    expect(isBelow('/a/b', '/a/')).toBe(true);
    expect(isBelow('/ab', '/a')).toBe(false);
    expect(isBelow('/', '/a')).toBe(false);
    expect(isBelow('/anything', '/')).toBe(true);
  });

  it('never calls a path that climbs out of its root inside (property)', () => {
    const segment = fc.constantFrom('..', '.', '', 'a', 'b', '...x', '~');
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 12 }), (segments) => {
        const read = readPath(segments.join('/') || '.', place);
        if ('ambiguous' in read) return true;
        const clean = read.path.split('/').slice(1);
        return (
          read.path.startsWith('/') &&
          clean.every((each) => each !== '..' && each !== '.') &&
          resolveSegments(read.path) === read.path
        );
      }),
    );
  });
});
