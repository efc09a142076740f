import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { documentCache } from './document-cache.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cg-cache-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const open = (build = 'b1') => documentCache(home, 'policy', build)!;
const files = () => readdirSync(join(home, 'cache'));

describe('the documents kept in a home', () => {
  it('come back for the same text and build, and for no other', () => {
    open().put('text', '{"a":1}');
    expect(open().get('text')).toBe('{"a":1}');
    const others = [open().get('text '), open('b2').get('text'), documentCache(home, 'config', 'b1')!.get('text')];
    expect(others).toEqual([undefined, undefined, undefined]);
  });

  it('are readable by their owner alone, and leave nothing half written', () => {
    open().put('text', '{}');
    open().put('text', '{"b":2}');
    expect(open().get('text')).toBe('{"b":2}');
    expect(files()).toEqual([expect.stringMatching(/^policy-[0-9a-f]{64}\.json$/)]);
    expect([
      statSync(join(home, 'cache')).mode & 0o777,
      statSync(join(home, 'cache', files()[0]!)).mode & 0o777,
    ]).toEqual([0o700, 0o600]);
  });

  it.each([
    ['cut short', (content: string) => content.slice(0, -1)],
    ['changed', (content: string) => content.replace('1', '2')],
    ['emptied', () => ''],
  ])('count as not there when a file was %s', (_how, damage) => {
    open().put('text', '{"a":[1,1,1]}');
    const file = join(home, 'cache', files()[0]!);
    const content = readFileSync(file, 'utf8');
    writeFileSync(file, content.slice(0, 65) + damage(content.slice(65)));
    expect(open().get('text')).toBeUndefined();
  });

  it('are a hundred and some at most', () => {
    const cache = open();
    for (let at = 0; at < 140; at++) cache.put(`text ${at}`, '{}');
    expect(files()).toHaveLength(128);
    expect(cache.get('text 139')).toBe('{}');
  });

  it('are not kept where the home cannot be written, and that is no error', () => {
    writeFileSync(join(home, 'cache'), '');
    open().put('text', '{}');
    expect(open().get('text')).toBeUndefined();
  });

  it('are not kept by a program that is not built', () => {
    expect(documentCache(home, 'policy')).toBeUndefined();
  });
});
