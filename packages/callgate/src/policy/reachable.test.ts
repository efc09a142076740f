import { describe, expect, test } from 'vitest';
import { issuesOf } from './testing.ts';

const head = 'version: 1\nrules:\n';

describe('a rule that is never reached', () => {
  const never = (rules: string): readonly string[] =>
    issuesOf(`${head}${rules}`).map((issue) => `${issue.code} ${issue.line}`);

  test.each<[string, string, boolean]>([
    ['the same tool', ' - {id: a, match: {tool: x}, effect: deny}\n - {id: b, match: {tool: x}, effect: allow}', true],
    [
      'a star before',
      ' - {id: a, match: {tool: "*"}, effect: deny}\n - {id: b, match: {tool: x}, effect: allow}',
      true,
    ],
    [
      'a wider prefix',
      ' - {id: a, match: {tool: "a*"}, effect: deny}\n - {id: b, match: {tool: "ab*"}, effect: allow}',
      true,
    ],
    [
      'every message',
      ' - {id: a, match: {method: "*"}, effect: deny}\n - {id: b, match: {prompt: x}, effect: allow}',
      true,
    ],
    [
      'every operation',
      ' - {id: a, match: {server: "*"}, effect: deny}\n - {id: b, match: {resource: x}, when: "true", effect: allow}',
      true,
    ],
    [
      'one server of all',
      ' - {id: a, match: {server: s}, effect: deny}\n - {id: b, match: {tool: x}, effect: allow}',
      false,
    ],
    [
      'a condition',
      ' - {id: a, match: {tool: x}, args: {p: y}, effect: deny}\n - {id: b, match: {tool: x}, effect: allow}',
      false,
    ],
    [
      'roles',
      ' - {id: a, match: {tool: x, roles: [r]}, effect: deny}\n - {id: b, match: {tool: x}, effect: allow}',
      false,
    ],
    [
      'no effect',
      ' - {id: a, match: {tool: x}, effect: deny}\n - {id: b, match: {tool: x}, obligations: [{rate: {max: 1, per: 1s}}]}',
      false,
    ],
    [
      'nothing that decides',
      ' - {id: b, match: {tool: x}, obligations: [{rate: {max: 1, per: 1s}}]}\n - {id: a, match: {tool: x}, effect: deny}',
      false,
    ],
    [
      'another direction',
      ' - {id: a, match: {tool: x}, effect: deny}\n - {id: b, match: {tool: x, direction: result}, effect: deny}',
      false,
    ],
    [
      'operations only',
      ' - {id: a, match: {server: "*"}, effect: deny}\n - {id: b, match: {method: tools/list}, effect: deny}',
      false,
    ],
    [
      'a part of a list',
      ' - {id: a, match: {tool: x}, effect: deny}\n - {id: b, match: {tool: [x, y]}, effect: allow}',
      false,
    ],
  ])('behind %s', (_, rules, expected) => {
    expect(never(rules)).toEqual(expected ? ['CG_POLICY_UNREACHABLE 4'] : []);
  });

  test('names the rule that hides it', () => {
    expect(
      issuesOf(`${head} - {id: a, match: {tool: "*"}, effect: deny}\n - {id: b, match: {tool: x}, effect: allow}`)[0],
    ).toMatchObject({
      message: expect.stringContaining('"a"') as string,
      remedy: 'move "b" before "a", or remove it',
    });
  });
});
