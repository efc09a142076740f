import { describe, expect, it } from 'vitest';
import { memoryLimits, sqliteLimits, type Limits } from '../state/limits.ts';
import { openFile } from '../state/testing.ts';
import { standingRates, type AdmissionLimits } from './admission.ts';
import { takeRates, type Counted } from './rates.ts';
import type { Session } from './session.ts';
import { judgeOf } from './testing.ts';

const RULES = `
  - { id: no-rm, match: { tool: rm }, effect: deny }
  - { id: rated, match: { tool: rated }, effect: allow, obligations: [{ rate: { max: 1, per: 1m, key: [rule] } }] }
  - { id: all, match: { method: "*" }, effect: allow }
`;
const NONE: AdmissionLimits = { perMinute: 0, toolPerMinute: 0, principalPerMinute: 0 };
const MINUTE = 60_000;

/** Judges of one home: they share their limits. */
function home(settings: Partial<AdmissionLimits>) {
  const limits = memoryLimits();
  const clock = { now: 0 };
  return {
    clock,
    open: (principal = 'os:me', server = 'fx') =>
      judgeOf(RULES, {
        server,
        principal: { id: principal, roles: [], chain: [], assurance: 'bearer' },
        standing: standingRates({ ...NONE, ...settings }),
        limits: () => limits,
        now: () => clock.now,
      }),
  };
}

describe('limits a minute of the settings', () => {
  it('are none by default', () => {
    expect(standingRates(NONE)).toEqual([]);
  });

  it('hold over all tools, clients and servers, and open again after a minute', () => {
    const { open, clock } = home({ perMinute: 3 });
    const judges = [open('a'), open('b'), open('a', 'fy')];
    for (const [at, judge] of judges.entries()) judge.call(`tool${at}`);
    const [first] = judges as [ReturnType<typeof open>];
    clock.now = MINUTE - 2500;
    first.call('other');
    expect(first.toServer).toHaveLength(1);
    expect(first.refusal).toMatch(/the limit of "settings:limits.perMinute" is spent\. Try again in 3 s\./);
    expect(first.decisions.at(-1)).toMatchObject({ rule: 'settings:limits.perMinute', effect: 'deny' });
    clock.now = MINUTE;
    first.call('other');
    expect(first.toServer).toHaveLength(2);
  });

  it.each<[string, Partial<AdmissionLimits>, readonly [string, string, string][], number]>([
    [
      'one tool',
      { toolPerMinute: 1 },
      [
        ['a', 'fx', 'x'],
        ['b', 'fx', 'x'],
      ],
      1,
    ],
    [
      'two tools',
      { toolPerMinute: 1 },
      [
        ['a', 'fx', 'x'],
        ['a', 'fx', 'y'],
      ],
      2,
    ],
    [
      'one name at two servers',
      { toolPerMinute: 1 },
      [
        ['a', 'fx', 'x'],
        ['a', 'fy', 'x'],
      ],
      2,
    ],
    [
      'one principal',
      { principalPerMinute: 1 },
      [
        ['a', 'fx', 'x'],
        ['a', 'fy', 'y'],
      ],
      1,
    ],
    [
      'two principals',
      { principalPerMinute: 1 },
      [
        ['a', 'fx', 'x'],
        ['b', 'fx', 'x'],
      ],
      2,
    ],
  ])('count %s', (_what, settings, calls, passed) => {
    const { open } = home(settings);
    const judges = calls.map(([principal, server, tool]) => {
      const judge = open(principal, server);
      judge.call(tool);
      return judge;
    });
    expect(judges.reduce((sum, { toServer }) => sum + toServer.length, 0)).toBe(passed);
  });

  it('count operations, and neither lists nor what keeps a session going', () => {
    const { open } = home({ perMinute: 1 });
    const judge = open();
    for (const [id, method] of ['ping', 'tools/list', 'resources/list', 'prompts/list'].entries())
      judge.send('client', { id, method, params: {} });
    judge.send('client', { method: 'notifications/initialized' });
    judge.send('client', { id: 'r', method: 'resources/read', params: { uri: 'file:///a' } });
    expect(judge.toServer).toHaveLength(6);
    judge.send('client', { id: 'p', method: 'prompts/get', params: { name: 'p' } });
    expect(judge.last).toMatchObject({ id: 'p', error: { code: -31003, data: { retryAfterMs: MINUTE } } });
  });

  it('count nothing that the policy denies, or that a rate of a rule refuses', () => {
    const { open } = home({ perMinute: 2 });
    const judge = open();
    judge.call('rated');
    for (let at = 0; at < 5; at++) judge.call('rm');
    for (let at = 0; at < 5; at++) judge.call('rated');
    expect(judge.refusal).toContain('the limit of rule "rated"');
    judge.call('echo');
    expect(judge.toServer).toHaveLength(2);
  });

  it('deny when the counters of the home cannot be told', () => {
    const judge = judgeOf(RULES, {
      standing: standingRates({ ...NONE, perMinute: 5 }),
      limits: () => {
        throw new Error('locked');
      },
    });
    judge.call('echo');
    expect(judge.toServer).toEqual([]);
    expect(judge.decisions.at(-1)).toMatchObject({ rule: 'engine-fault', effect: 'deny' });
  });
});

describe('a flood of principals', () => {
  const flood = (limits: Limits, times: number, everyMs: number) => {
    const standing = standingRates({ perMinute: 0, toolPerMinute: 100, principalPerMinute: 5 });
    let now = 0;
    const session = { options: { limits: () => limits, now: () => now, pass: { unjudged: false }, warn() {} } };
    const decision = { effect: 'allow', rule: 'r', reason: '', obligations: [] } as const;
    let passed = 0;
    for (let at = 0; at < times; at++) {
      now += everyMs;
      const principal = { id: `user-${at}`, roles: [], chain: [], assurance: 'bearer' } as const;
      const call: Counted = { server: 'fx', method: 'tools/call', tool: `t${at}`, principal, session: 's', time: now };
      const taken = takeRates(session as unknown as Session, call as never, decision, standing);
      if (taken.spent === undefined && taken.decision.effect === 'allow') passed++;
    }
    return passed;
  };

  // With CALLGATE_LONG a million of them, else as many as take a second.
  const many = process.env['CALLGATE_LONG'] === undefined ? 50_000 : 1_000_000;

  it(`${many} in time leave a minute of them in memory, and every one of them passes`, () => {
    // No more than 6,000 counters of 3,000 principals at one time, or the flood is refused.
    expect(flood(memoryLimits({ maxKeys: 2 * 3001 + 32 }), many, 20)).toBe(many);
  }, 300_000);

  it('at once fills the counters, and whoever comes then is refused: nobody is forgotten who has spent his own', () => {
    const limits = memoryLimits({ maxKeys: 1000 });
    expect(flood(limits, 5000, 0)).toBe(500);
    expect(limits.take([{ key: 'new', max: 1, windowMs: MINUTE }], MINUTE).ok).toBe(true);
  });

  it('leaves a minute of rows in the state of the home', () => {
    const file = openFile();
    const limits = sqliteLimits(file);
    expect(flood(limits, 10_000, 20)).toBe(10_000);
    const { n } = file.prepare('SELECT count(*) AS n FROM rate_counter').get() as { n: number };
    const { e } = file.prepare('SELECT count(*) AS e FROM rate_event').get() as { e: number };
    expect(n).toBeLessThanOrEqual(2 * 3001 + 32);
    expect(e).toBeLessThanOrEqual(n);
  }, 120_000);
});
