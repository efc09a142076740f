import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ExactNumber } from '../model/json.ts';
import { pathResolver, resolvePaths } from './facts.ts';

let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'callgate-facts-')));
  mkdirSync(join(root, 'dir', 'sub'), { recursive: true });
  writeFileSync(join(root, 'dir', 'file'), '');
  symlinkSync(join(root, 'dir', 'sub'), join(root, 'link'));
  symlinkSync(join(root, 'dir', 'new'), join(root, 'dangling'));
  symlinkSync('loop', join(root, 'loop'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('a real path', () => {
  it.each([
    ['dir/file', 'dir/file'],
    ['dir/./sub/../file', 'dir/file'],
    ['link', 'dir/sub'],
    // The file system goes up from where the link leads, not from where it stands.
    ['link/../file', 'dir/file'],
    ['link/new/er', 'dir/sub/new/er'],
    ['dangling', 'dir/new'],
    ['dangling/below', 'dir/new/below'],
    ['nowhere/at/all', 'nowhere/at/all'],
  ])('of %s is %s', (path, real) => {
    expect(pathResolver(root).resolve(path)).toBe(join(root, real));
    expect(pathResolver('/').resolve(`${root}/${path}`)).toBe(join(root, real));
  });

  it.each([['loop'], ['loop/below'], ['dir/file/below'], [''], ['a\0b'], ['x'.repeat(5000)]])(
    'of %j is not known',
    (path) => {
      expect(pathResolver(root).resolve(path)).toBeUndefined();
    },
  );

  it('is looked up anew for each message', () => {
    const paths = pathResolver(root);
    expect(paths.resolve('moving')).toBe(join(root, 'moving'));
    symlinkSync(join(root, 'dir'), join(root, 'moving'));
    paths.forget();
    expect(paths.resolve('moving')).toBe(join(root, 'dir'));
  });
});

describe('the paths a policy asks for', () => {
  const resolve = (path: string): string => `/real${path}`;
  it.each([
    [{ path: '/a' }, [['path']], ['/a']],
    [{ paths: ['/a', '/b'] }, [['paths']], ['/a', '/b']],
    [{ edits: [{ file: '/a' }, { file: '/b' }] }, [['edits', 'file']], ['/a', '/b']],
    [{ edits: [{ file: '/a' }, { file: '/b' }] }, [['edits', '1', 'file']], ['/b']],
    [{ a: { b: '/a' }, c: ['/b'] }, [['*']], ['/a', '/b']],
    [{ path: 7, other: '/a' }, [['path']], []],
    [{ path: new ExactNumber('1e400') }, [['path']], []],
    [{ path: 'https://host/a' }, [['path']], []],
    [{ path: '~/a' }, [['path']], ['/home/me/a']],
    [undefined, [['path']], []],
  ])('in %j by %j are %j', (args, fields, found) => {
    expect([...resolvePaths(args, fields, resolve, '/home/me').keys()].toSorted()).toEqual(found);
  });
});
