import { describe, expect, it, test } from 'vitest';
import { agentAbove, launcherConversation, parsePs, parseStat, type ProcessInfo } from './sessions-launcher.ts';

/** Processes from the gate's parent upwards; a name with `*` leads the session of a terminal. */
function chain(...names: string[]) {
  const all = names.map((name, at): ProcessInfo => {
    const isLast = at === names.length - 1;
    const isTerminal = name.endsWith('*');
    return { pid: 100 + at, parent: isLast ? 0 : 101 + at, start: `s${at}`, name: name.replace('*', ''), isTerminal };
  });
  return (pid: number): ProcessInfo | undefined => all.find((one) => one.pid === pid);
}

describe('the agent that has started a gate', () => {
  test.each([
    ['its parent', ['claude', 'zsh*', 'sshd'], 100],
    ['above a shell', ['sh', 'claude', 'zsh*'], 101],
    ['above npx and its shell', ['sh', 'npm exec callga', 'node', 'zsh*'], 102],
    ['above shells in shells', ['dash', 'bash', '-zsh', 'node'], 103],
    ['a shell that a person sits at', ['bash*', 'sshd', 'systemd'], 100],
    ['the first process of a container', ['sh', 'node'], 101],
    ['a first process that is a shell', ['sh'], 100],
    ['one whose name only begins like a starter', ['shipmate', 'node'], 100],
  ])('is %s', (_what, names, pid) => {
    expect(agentAbove(100, chain(...names)).pid).toBe(pid);
  });

  it('is one for all of its servers, however each was started', () => {
    const look = chain('sh', 'npm exec callga', 'agent', 'zsh*');
    expect(agentAbove(100, look)).toEqual(agentAbove(102, look));
  });

  it('ends in a circle and above what cannot be looked at', () => {
    const circle = (pid: number): ProcessInfo => ({ pid, parent: pid, start: 's', name: 'sh', isTerminal: false });
    expect(agentAbove(7, circle)).toEqual({ pid: 7, start: 's' });
    expect(agentAbove(7, () => undefined)).toEqual({ pid: 7, start: '' });
  });
});

describe('the conversation of a gate on stdio', () => {
  it('is what its launcher has named, and never passes for a process', async () => {
    expect(await launcherConversation({ CALLGATE_SESSION: 'process:1' })).toBe('name:process:1');
  });

  it('is the same each time without a name', async () => {
    const first = await launcherConversation({});
    expect(first).toMatch(/^process:\[/);
    expect(await launcherConversation({ HOME: '/x' })).toBe(first);
  });

  test.each([
    ['', 'is empty'],
    ['  ', 'is empty'],
    ['x'.repeat(257), 'longer than 256'],
  ])('is no name like %j', async (CALLGATE_SESSION, why) => {
    await expect(launcherConversation({ CALLGATE_SESSION })).rejects.toThrow(why);
  });
});

describe('a process', () => {
  const rest = '4194304 101 0 0 0 0 0 0 0 20 0 1 0 1529347 3133440 415';
  test.each<[string, Partial<ProcessInfo> | undefined]>([
    [
      `27 (npm exec callga) S 12 27 26 0 -1 ${rest}`,
      { pid: 27, parent: 12, start: '1529347', name: 'npm exec callga' },
    ],
    [`27 (a) S (b) c) S 12 27 26 0 -1 ${rest}`, { parent: 12, name: 'a) S (b) c' }],
    [`27 (zsh) S 12 27 27 34816 -1 ${rest}`, { isTerminal: true }],
    [`27 (sh) S 12 27 27 0 -1 ${rest}`, { isTerminal: false }],
    ['27 (sh) S 12', undefined],
    ['', undefined],
  ])('is read from /proc: %s', (stat, expected) => {
    const found = parseStat(stat);
    if (expected === undefined) expect(found).toBeUndefined();
    else expect(found).toMatchObject(expected);
  });

  test.each<[string, Partial<ProcessInfo> | undefined]>([
    [
      '  501   1 Ss   ttys001  Sat Nov 21 14:42:11 2026     /bin/zsh -l',
      { pid: 501, parent: 1, start: 'Sat Nov 21 14:42:11 2026', name: 'zsh -l', isTerminal: true },
    ],
    ['  501   1 S    ??       Sat Nov 21 14:42:11 2026     npm exec callgate run', { name: 'npm exec callgate run' }],
    ['  501   1 Ss   ??       Sat Nov 21 14:42:11 2026     sh -c x', { isTerminal: false }],
    ['', undefined],
    ['nonsense', undefined],
  ])('is read from ps: %s', (line, expected) => {
    const found = parsePs(line);
    if (expected === undefined) expect(found).toBeUndefined();
    else expect(found).toMatchObject(expected);
  });
});
