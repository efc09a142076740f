import { describe, expect, test } from 'vitest';
import { callOf, type CallParts, policyOf } from '../testing.ts';
import { nearestExpected, nearestRule } from './nearest-rule.ts';

const policy = policyOf(`
  - { id: small, match: { tool: pay }, args: { currency: EUR }, when: args.amount > 0 && args.amount < 500, effect: allow }
  - { id: vip, match: { tool: pay, roles: [vip] }, when: 'args.amount < 5 || args.approved == true', effect: allow }
  - { id: no-rm, match: { tool: sh }, args: { command: { contains: "rm" } }, effect: deny }
  - { id: careful, match: { tool: sh }, when: '!args.command.contains("sudo")', effect: allow }
  - { id: read, match: { server: files, tool: [read_file, "list_*"] }, effect: allow }
`);

function near(parts: CallParts, effect: string | undefined = 'allow'): readonly (string | undefined)[] {
  const found = nearestRule(policy, callOf(parts), (rule) => rule.effect === effect);
  return found === undefined ? [] : [found.rule.name, found.why];
}

describe('the nearest rule', () => {
  test.each<[string, CallParts, readonly string[]]>([
    [
      'is the one with most conditions as it wants them, and says the first that is not',
      { tool: 'pay', args: { currency: 'EUR', amount: 700 } },
      ['small', 'args.amount < 500 does not hold, it is 700'],
    ],
    [
      'counts conditions that hold, not those that fail',
      { tool: 'pay', roles: ['vip'], args: { currency: 'USD', amount: 5, approved: false } },
      ['small', 'args.currency: EUR does not hold, it is "USD"'],
    ],
    [
      'says what must not hold',
      { tool: 'sh', args: { command: 'sudo x' } },
      ['careful', 'args.command.contains("sudo") holds, and must not, it is "sudo x"'],
    ],
    [
      'says what cannot be told',
      { tool: 'sh', args: {} },
      ['careful', 'args.command.contains("sudo") cannot be told: args.command is missing'],
    ],
    [
      'is one for the same tool of another server, where none names the call',
      { server: 'server', tool: 'read_file' },
      ['read', 'it is for server "files", not "server"'],
    ],
    [
      'is one for a tool of nearly the same name',
      { server: 'files', tool: 'readfile' },
      ['read', 'it is for tool "read_file", not "readfile"'],
    ],
    ['is none where nothing is near', { server: 'files', tool: 'zzzzzz' }, []],
    [
      'is one that matches, where another decides',
      { tool: 'pay', args: { currency: 'EUR', amount: 1 } },
      ['small', 'it matches, but another rule decides'],
    ],
  ])('%s', (_name, parts, wanted) => {
    const [rule, why] = near(parts);
    expect(rule).toBe(wanted[0]);
    if (wanted[1] !== undefined) expect(why).toBe(wanted[1]);
  });

  test('lists what would do of a choice', () => {
    const choice = policyOf("  - { id: c, match: { tool: a }, when: 'args.n < 5 || args.ok == true', effect: allow }");
    const found = nearestRule(choice, callOf({ tool: 'a', args: { n: 7, ok: false } }), () => true);
    expect(found?.why).toBe(
      'one of these would do: args.n < 5 does not hold, it is 7; args.ok == true does not hold, it is false',
    );
  });

  test('counts what cannot be told as a match of a rule that refuses', () => {
    expect(near({ tool: 'sh', args: {} }, 'deny')).toEqual(['no-rm', 'it matches, but another rule decides']);
  });

  test('is the rule that a case names, whatever keeps it from matching', () => {
    const why = (rule: string): string | undefined =>
      nearestExpected(policy, callOf({ tool: 'pay', args: { currency: 'EUR', amount: 700 } }), { rule })?.why;
    expect(why('vip')).toBe('roles: [vip] does not hold, it is []');
    expect(why('no-rm')).toBe('it is for another tool than "pay"');
    expect(why('nobody')).toBeUndefined();
  });

  test('shows no secret', () => {
    const [, why] = near({
      tool: 'sh',
      args: { command: `sudo mysql -p${'pw='}hunter2hunter2 password=hunter2hunter2x` },
    });
    expect(why).not.toContain('hunter2hunter2x');
  });
});
