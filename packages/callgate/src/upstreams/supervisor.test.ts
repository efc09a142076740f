import { afterEach, describe, expect, it } from 'vitest';
import { Supervisor } from './supervisor.ts';

let supervised: Supervisor[] = [];
afterEach(async () => {
  await Promise.all(supervised.splice(0).map(async (one) => one.close()));
  supervised = [];
});

function supervise(script: string, maxProcesses = 8) {
  const clock = { us: 0 };
  const supervisor = new Supervisor({
    command: process.execPath,
    args: ['-e', script],
    env: { ...process.env },
    maxProcesses,
    mono: () => clock.us,
  });
  supervised.push(supervisor);
  return { supervisor, clock };
}

const STAYS = 'process.stdin.resume()';

describe('a supervisor', () => {
  it('starts as many processes as may run, and says when no more do', async () => {
    const { supervisor } = supervise(STAYS, 2);
    const [first] = await Promise.all([supervisor.start(), supervisor.start()]);
    await expect(supervisor.start()).rejects.toThrow('2 of its processes run, and no more may.');
    await first?.stop();
    await expect(supervisor.start()).resolves.toBeDefined();
    expect(supervisor.state).toMatchObject({ running: 2, failures: 0 });
  });

  it('counts processes that are still starting', async () => {
    const { supervisor } = supervise(STAYS, 1);
    const both = await Promise.allSettled([supervisor.start(), supervisor.start()]);
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });

  it('pauses, longer each time, when processes end by themselves', async () => {
    const { supervisor, clock } = supervise('process.exit(3)');
    await (
      await supervisor.start()
    ).ended;
    await expect(supervisor.start()).rejects.toThrow('the last one ended with exit code 3');
    clock.us += 250_000;
    await (
      await supervisor.start()
    ).ended;
    clock.us += 250_000;
    await expect(supervisor.start()).rejects.toThrow('It is not started again before');
    clock.us += 250_000;
    await expect(supervisor.start()).resolves.toBeDefined();
  });

  it('forgets earlier ends once a process has run well', async () => {
    const { supervisor, clock } = supervise(STAYS);
    const upstream = await supervisor.start();
    clock.us += 6_000_000;
    upstream.signal('SIGKILL');
    await upstream.ended;
    expect(supervisor.state).toMatchObject({ failures: 1, lastError: 'was ended by SIGKILL' });
  });

  it.each([
    [{ command: '/nowhere/at/all' }, 'There is no program "/nowhere/at/all"', 'Check its spelling'],
    [{ command: 'npx -y server' }, 'There is no program "npx -y server"', 'each argument for itself'],
    [{ command: process.execPath, cwd: '/nowhere' }, 'There is no directory /nowhere', 'change cwd'],
    [{ command: import.meta.dirname }, 'cannot be run', 'executable'],
  ])('says why %j cannot be started', async (what, message, remedy) => {
    const supervisor = new Supervisor({ args: [], env: {}, maxProcesses: 1, mono: () => 0, ...what });
    await expect(supervisor.start()).rejects.toMatchObject({
      code: 'CG_UPSTREAM_START',
      message: expect.stringContaining(message) as string,
      remedy: expect.stringContaining(remedy) as string,
    });
  });

  it('takes an end that was asked for as none', async () => {
    const { supervisor } = supervise(STAYS);
    const upstream = await supervisor.start();
    await upstream.stop();
    await expect(supervisor.start()).resolves.toBeDefined();
  });

  it('counts a command that cannot be started', async () => {
    const supervisor = new Supervisor({
      command: '/nowhere/at/all',
      args: [],
      env: {},
      maxProcesses: 1,
      mono: () => 0,
    });
    await expect(supervisor.start()).rejects.toThrow('There is no program');
    await expect(supervisor.start()).rejects.toThrow('It is not started again before');
  });
});
