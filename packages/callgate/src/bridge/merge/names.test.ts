import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exposeNames, ownedByPrefix, prefixesOf, type NamedServer, type Naming } from './names.ts';
import { sha256 } from './testing.ts';

const naming = (mode: Naming['mode'] = 'always', separator?: string): Naming => ({
  mode,
  sha256,
  ...(separator === undefined ? {} : { separator }),
});
const servers = (...names: string[]): NamedServer[] => names.map((name) => ({ name }));
const exposed = (all: readonly NamedServer[], lists: readonly (readonly string[])[], how = naming()) =>
  exposeNames(all, prefixesOf(all, how), lists, how);
const shown = (all: readonly NamedServer[], lists: readonly (readonly string[])[], how = naming()) =>
  [...exposed(all, lists, how).owners.keys()].toSorted();

describe('names of many servers', () => {
  it.each<[string, readonly NamedServer[], readonly (readonly string[])[], Naming, readonly string[]]>([
    ['begin with the server', servers('a', 'b'), [['x'], ['x']], naming(), ['a__x', 'b__x']],
    ['take another separator', servers('a'), [['x']], naming('always', '-'), ['a-x']],
    ['take a prefix of the config', [{ name: 'github', prefix: 'gh' }], [['x']], naming(), ['gh__x']],
    ['stay bare for an empty prefix', [{ name: 'a', prefix: '' }], [['x']], naming(), ['x']],
    [
      'stay bare unless they collide',
      servers('a', 'b'),
      [['x', 'y'], ['x']],
      naming('collisions'),
      ['a__x', 'b__x', 'y'],
    ],
    [
      'are those of the first where they never change',
      servers('a', 'b'),
      [['x'], ['x', 'y']],
      naming('never'),
      ['b__x', 'x', 'y'],
    ],
    [
      'are never bare when they look like those of another',
      servers('a', 'b'),
      [['x'], ['a__x']],
      naming('never'),
      ['b__a__x', 'x'],
    ],
  ])('%s', (_, all, lists, how, expected) => {
    expect(shown(all, lists, how)).toEqual(expected);
  });

  it('are shortened and hashed when a client would refuse them', () => {
    const long = 'x'.repeat(200);
    const all = shown(servers('a'), [['a.b', 'a_b', long, 'é', '']]);
    expect(all).toContain('a__a_b');
    expect(all.filter((name) => /^a__[A-Za-z_]*_[0-9a-f]{8}$/.test(name))).toHaveLength(4);
    expect(all.every((name) => name.length <= 64)).toBe(true);
  });

  it('keep apart servers whose names run into each other', () => {
    const all = servers('a', 'a__b', 'a_', 'a__b__c');
    const { owners } = exposed(all, [['b__x', 'b__c__x'], ['x', 'c__x'], ['_x'], ['x']]);
    expect(owners.size).toBe(6);
    expect(owners.get('a__b__x')).toEqual({ server: 0, name: 'b__x' });
  });

  it('of a server never change with what another one lists', () => {
    const all = servers('a', 'b', 'a__b');
    const alone = exposed(all, [['x', 'y.z'], [], []]).of[0];
    expect(exposed(all, [['x', 'y.z'], ['a__x', 'x'], ['x']]).of[0]).toEqual(alone);
  });

  const word = fc.oneof(
    fc.string({ unit: fc.constantFrom('a', 'b', '_', '-', '.', '1', 'é'), maxLength: 6 }),
    fc.string({ unit: fc.constantFrom('a', '_'), minLength: 50, maxLength: 80 }),
    fc.constantFrom('__proto__', 'constructor', 'a__b', 'a_deadbeef'),
  );
  const some = fc.record({
    all: fc.uniqueArray(
      fc.record({ name: word, prefix: fc.option(word, { nil: undefined }) }, { requiredKeys: ['name', 'prefix'] }),
      { selector: ({ name }) => name, minLength: 1, maxLength: 5 },
    ),
    lists: fc.array(fc.array(word, { maxLength: 6 }), { minLength: 5, maxLength: 5 }),
    mode: fc.constantFrom('always' as const, 'collisions' as const, 'never' as const),
    separator: fc.constantFrom(undefined, '__', '_', '-', '.', ''),
  });
  const cleaned = (all: readonly { name: string; prefix: string | undefined }[]): NamedServer[] =>
    all.map(({ name, prefix }) => (prefix === undefined ? { name } : { name, prefix }));

  it('are one to one, fit every client and lie below one prefix, whatever servers list', () => {
    fc.assert(
      fc.property(some, ({ all, lists, mode, separator }) => {
        const named = cleaned(all);
        const how = naming(mode, separator);
        const prefixes = prefixesOf(named, how);
        for (const [i, a] of prefixes.entries()) {
          for (const [j, b] of prefixes.entries()) if (i !== j) expect(a.startsWith(b)).toBe(false);
        }
        const own = lists.slice(0, named.length);
        const { owners, of } = exposeNames(named, prefixes, own, how);
        expect(owners.size).toBe(own.reduce((sum, list) => sum + new Set(list).size, 0));
        for (const [name, owner] of owners) {
          expect(name).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
          expect(of[owner.server]!.get(owner.name)).toBe(name);
          const below = prefixes.findIndex((prefix) => name.startsWith(prefix));
          if (mode === 'always' && named[owner.server]!.prefix !== '') expect(below).toBe(owner.server);
          else expect([owner.server, -1]).toContain(below);
          const read = ownedByPrefix(prefixes, name);
          if (read !== undefined) expect(read).toEqual(owner);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('do not depend on the order in which a server lists them', () => {
    fc.assert(
      fc.property(some, ({ all, lists, mode, separator }) => {
        const named = cleaned(all);
        const how = naming(mode, separator);
        const own = lists.slice(0, named.length);
        const turned = own.map((list) => list.toReversed());
        expect([...exposed(named, turned, how).owners].toSorted()).toEqual(
          [...exposed(named, own, how).owners].toSorted(),
        );
      }),
    );
  });
});
