import { describe, expect, test } from 'vitest';
import { callOf, issuesOf, policyOf } from './testing.ts';

const ROLES =
  'roles: { admin: { includes: [support], members: ["os:ann", "team-*"] }, support: { includes: [viewer] }, viewer: {} }';
const HEAD = `version: 1\n${ROLES}`;
const effectFor = (rule: string, id: string, roles: readonly string[] = []): string =>
  policyOf(rule, HEAD).decide(callOf({ principal: { id, roles, chain: [], assurance: 'same-user' } })).effect;

describe('roles of a policy', () => {
  test.each<[string, string, readonly string[], string]>([
    ['viewer', 'os:ann', [], 'allow'],
    ['admin', 'team-7', [], 'allow'],
    ['support', 'os:bob', ['admin'], 'allow'],
    ['viewer', 'os:bob', ['support'], 'allow'],
    ['admin', 'os:bob', ['support'], 'deny'],
    ['viewer', 'os:anna', [], 'deny'],
    ['"*min"', 'os:ann', [], 'allow'],
  ])('%s for %s with %j: %s', (role, id, roles, effect) => {
    expect(effectFor(` - {id: a, match: {tool: run, roles: ${role}}, effect: allow}`, id, roles)).toBe(effect);
    const when = role.startsWith('"') ? `principal.roles.exists(r, glob(r, ${role}))` : `"${role}" in principal.roles`;
    expect(effectFor(` - {id: a, match: {tool: run}, when: '${when}', effect: allow}`, id, roles)).toBe(effect);
  });

  test('without declarations are those of the principal, under any name', () => {
    const policy = policyOf(' - {id: a, match: {tool: run, roles: whoever}, effect: allow}');
    expect(policy.decide(callOf({ roles: ['whoever'] })).effect).toBe('allow');
  });

  test.each([
    [ROLES, 'amdin', 'CG_POLICY_ROLE 4', 'did you mean "admin"?'],
    [ROLES, '"x*"', 'CG_POLICY_ROLE 4', 'declare it under `roles:`'],
    ['roles: { a: { includes: [other] } }', 'a', 'CG_POLICY_ROLE 2', 'declare it under `roles:`'],
    ['roles: { a: { includes: [a] } }', 'a', 'CG_POLICY_CYCLE 2', 'take one of the includes out'],
    [
      'roles: { a: { includes: [b] }, b: { includes: [c] }, c: { includes: [a] } }',
      'a',
      'CG_POLICY_CYCLE 2',
      'take one of the includes out',
    ],
  ])('%s and a rule for %s: %s', (roles, name, code, remedy) => {
    const text = `version: 1\n${roles}\nrules:\n - {id: a, match: {tool: run, roles: ${name}}, effect: allow}`;
    expect(issuesOf(text).map((issue) => [`${issue.code} ${issue.line}`, issue.remedy])).toEqual([[code, remedy]]);
  });

  test('named like members of every object are roles like any other', () => {
    const text = ' - {id: a, match: {tool: run, roles: constructor}, effect: allow}';
    const head = 'version: 1\nroles: { constructor: { includes: [__proto__] }, __proto__: {} }';
    expect(policyOf(text, head).decide(callOf({ roles: ['__proto__'] })).effect).toBe('deny');
    expect(policyOf(text, head).decide(callOf({ roles: ['constructor'] })).effect).toBe('allow');
  });

  test('are bounded in number', () => {
    const many = Array.from({ length: 1_001 }, (_, n) => `r${n}: {}`).join(', ');
    expect(issuesOf(`version: 1\nroles: {${many}}\nrules: []`)).toMatchObject([{ code: 'CG_POLICY_ROLE' }]);
  });
});
