import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { bearerKeys, homeKey } from './keys.ts';
import type { Credentials } from './options.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'keys-'));
});
afterEach(() => rmSync(home, { recursive: true }));

const none: Credentials = {
  authorization: undefined,
  agentKey: undefined,
  certificate: undefined,
  remoteAddress: undefined,
};

it('makes one key for a home, which nobody else may read', () => {
  const key = homeKey(home);
  expect(key).toMatch(/^cgk_[A-Za-z0-9_-]{43}$/);
  expect(homeKey(home)).toBe(key);
  const path = join(home, 'keys/serve.key');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readFileSync(path, 'utf8')).toBe(`${key}\n`);
  expect(readdirSync(join(home, 'keys'))).toEqual(['serve.key']);
});

it('uses no key that others may read, and no file that is none', () => {
  homeKey(home);
  const path = join(home, 'keys/serve.key');
  chmodSync(path, 0o644);
  expect(() => homeKey(home)).toThrow('Others may read the key');
  chmodSync(path, 0o600);
  writeFileSync(path, 'cgk_short\n');
  expect(() => homeKey(home)).toThrow('holds no key of Callgate');
});

it('makes no key where it cannot', () => {
  writeFileSync(join(home, 'file'), '');
  expect(() => homeKey(join(home, 'file'))).toThrow('cannot be read or made');
  expect(existsSync(join(home, 'file/keys'))).toBe(false);
});

it('knows a key by either field, and nobody else', () => {
  const key = homeKey(home);
  const authenticate = bearerKeys([key]);
  const who = authenticate({ ...none, authorization: `Bearer ${key}` });
  expect(who).toMatchObject({ id: expect.stringMatching(/^key:[0-9a-f]{8}$/), assurance: 'bearer' });
  expect(authenticate({ ...none, authorization: `bearer ${key}` })).toBe(who);
  expect(authenticate({ ...none, agentKey: key })).toBe(who);
  expect(authenticate({ ...none, authorization: `Bearer ${key}`, agentKey: key })).toBe(who);
  expect(JSON.stringify(who)).not.toContain(key);
  const wrong: Partial<Credentials>[] = [
    {},
    { authorization: '' },
    { authorization: key },
    { authorization: 'Bearer' },
    { authorization: 'Bearer ' },
    { authorization: `Bearer ${key} more` },
    { authorization: `Bearer ${key.slice(0, -1)}` },
    { authorization: `Bearer ${key}x` },
    { authorization: `Basic ${key}` },
    { authorization: `Bearer ${key.slice(0, -1)}!` },
    { authorization: `Bearer ${key.slice(0, -1)}\u00e9` },
    { agentKey: `\u00e9${key.slice(1)}` },
    { authorization: `Bearer  ${key}` },
    { authorization: ` Bearer ${key}` },
    { agentKey: '' },
    { agentKey: `${key}x` },
    { authorization: `Bearer ${key}`, agentKey: 'other' },
    { authorization: 'Bearer other', agentKey: key },
  ];
  for (const credentials of wrong)
    expect(authenticate({ ...none, ...credentials }), JSON.stringify(credentials)).toMatchObject({ status: 401 });
});

it('lets nobody in without a key unless told to, and a wrong key never', () => {
  const authenticate = bearerKeys([homeKey(home)], true);
  expect(authenticate(none)).toMatchObject({ id: 'anonymous', assurance: 'asserted' });
  expect(authenticate({ ...none, authorization: 'Bearer other' })).toMatchObject({ status: 401 });
});
