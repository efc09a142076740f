import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CallgateError } from '../model/error.ts';
import { existingHome, homePath, openHome } from './home.ts';

let base: string;
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'callgate-home-')));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(base, { recursive: true, force: true });
});

const open = (path: string) => openHome({ CALLGATE_HOME: path });
function codeOf(action: () => unknown): string {
  try {
    action();
    return 'fine';
  } catch (error) {
    return (error as CallgateError).code;
  }
}

describe('the home', () => {
  it('is CALLGATE_HOME, else .callgate of the user', () => {
    expect(homePath({ CALLGATE_HOME: '/x/y', HOME: '/h' })).toBe('/x/y');
    expect(homePath({ HOME: '/h' })).toBe('/h/.callgate');
  });

  it.each(['', 'relative', './x'])('is not "%s": another directory would be another judge', (path) => {
    expect(codeOf(() => homePath({ CALLGATE_HOME: path }))).toBe('CG_HOME_INVALID');
  });

  it('is made at first use for this user alone, whatever the umask', () => {
    const before = process.umask(0);
    const home = open(join(base, 'a', 'home'));
    process.umask(before);
    expect(statSync(home).mode & 0o777).toBe(0o700);
    expect(readdirSync(home)).toEqual([]);
    expect(open(home)).toBe(home);
  });

  it.skipIf(process.platform !== 'linux')('that cannot be made is refused at once', () => {
    expect(() => openHome({ CALLGATE_HOME: '/proc/callgate/home' })).toThrow('cannot be made');
  });

  it('is not made by looking', () => {
    expect(existingHome({ CALLGATE_HOME: join(base, 'none') })).toBeUndefined();
    expect(readdirSync(base)).toEqual([]);
  });

  it.each([0o770, 0o707, 0o720, 0o702])('of mode %o, which others may write to, is refused', (mode) => {
    chmodSync(open(join(base, 'h')), mode);
    expect(codeOf(() => open(join(base, 'h')))).toBe('CG_HOME_UNSAFE');
    expect(codeOf(() => existingHome({ CALLGATE_HOME: join(base, 'h') }))).toBe('CG_HOME_UNSAFE');
  });

  it('of another user is refused', () => {
    open(join(base, 'h'));
    vi.spyOn(process, 'getuid').mockReturnValue(statSync(base).uid + 1);
    expect(codeOf(() => open(join(base, 'h')))).toBe('CG_HOME_UNSAFE');
  });

  it('in a directory where anyone may replace it is refused; with the sticky bit it is not', () => {
    mkdirSync(join(base, 'open'));
    open(join(base, 'open', 'h'));
    chmodSync(join(base, 'open'), 0o777);
    expect(codeOf(() => open(join(base, 'open', 'h')))).toBe('CG_HOME_UNSAFE');
    chmodSync(join(base, 'open'), 0o1777);
    expect(codeOf(() => open(join(base, 'open', 'h')))).toBe('fine');
  });

  it('that is a link is resolved once', () => {
    const real = open(join(base, 'real'));
    symlinkSync(real, join(base, 'link'));
    expect(open(join(base, 'link'))).toBe(real);
  });

  it('that is a file or a link to nothing cannot be used', () => {
    writeFileSync(join(base, 'file'), '');
    symlinkSync(join(base, 'gone'), join(base, 'dangling'));
    expect(codeOf(() => open(join(base, 'file')))).toBe('CG_HOME_UNUSABLE');
    expect(codeOf(() => open(join(base, 'dangling')))).toBe('CG_HOME_UNUSABLE');
  });
});
