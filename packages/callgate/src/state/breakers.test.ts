import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openBreakers, type BreakerLimits, type Ending, type Told } from './breakers.ts';
import { Circuit } from './breakers-circuit.ts';

const S = 1_000_000;
const LIMITS: BreakerLimits = { transportErrors: 3, toolErrors: 2, windowUs: 60 * S, pauseUs: 10 * S };

function bench(limits: Partial<BreakerLimits> = {}, mostTools?: number) {
  const told: Told[] = [];
  const breakers = openBreakers({
    limits: { ...LIMITS, ...limits },
    random: () => 0,
    told: (step) => void told.push(step),
    ...(mostTools === undefined ? {} : { mostTools }),
  });
  const breaker = breakers.of('fx');
  let now = 0;
  /** Calls: undefined when it is refused, else how to end it. */
  const call = (tool: string | undefined = 'a') => {
    if (breaker.shut(tool, now) !== undefined) return undefined;
    breaker.enter(tool, now);
    const since = now;
    return (ending: Ending) => breaker.ended(ending, tool, since, now);
  };
  return {
    breaker,
    breakers,
    told,
    get now() {
      return now;
    },
    pass: (us: number): void => {
      now += us;
    },
    call,
    calls: (ending: Ending, tool: string | undefined = 'a', times = 1): void => {
      for (let at = 0; at < times; at++) {
        now++;
        call(tool)?.(ending);
      }
    },
    shutBy: (tool: string | undefined = 'a') => {
      const shut = breaker.shut(tool, now);
      return shut === undefined ? undefined : [shut.tool, Math.round(shut.waitUs / S)];
    },
    steps: () => told.map(({ tool, from, to }) => `${tool ?? '*'} ${from}>${to}`),
  };
}

describe('the breaker of a server', () => {
  it('opens after so many losses in a row, for all tools, and says for how long', () => {
    const { calls, shutBy, told } = bench();
    calls('lost', 'a', 2);
    expect(shutBy()).toBeUndefined();
    calls('lost', 'b');
    expect([shutBy('a'), shutBy('c'), shutBy(undefined)]).toEqual(Array.from({ length: 3 }, () => [undefined, 10]));
    expect(told).toMatchObject([{ server: 'fx', tool: undefined, to: 'open', cause: 'transport', pauseUs: 10 * S }]);
  });

  it.each<[string, Ending]>([
    ['an answer', 'answered'],
    ['an error as answer', 'error'],
    ['an answer to the fault of a client', 'fault'],
  ])('%s between them begins the count anew', (_what, between) => {
    const { calls, shutBy } = bench({ toolErrors: 0 });
    calls('lost', 'a', 2);
    calls(between, 'b');
    calls('lost', 'c', 2);
    expect(shutBy()).toBeUndefined();
  });

  it('losses longer ago than the window count no more', () => {
    const { calls, pass, shutBy } = bench();
    calls('lost', 'a', 2);
    pass(61 * S);
    calls('lost', 'b', 2);
    expect(shutBy()).toBeUndefined();
  });

  it.each<Ending>(['error', 'fault', 'nothing', 'answered'])('is opened by no number of "%s"', (ending) => {
    const { calls, shutBy } = bench();
    calls(ending, undefined, 1000);
    for (let at = 0; at < 1000; at++) calls(ending, `tool${at}`);
    expect(shutBy('other')).toBeUndefined();
  });

  it('one end of the server is one error, however many calls it loses', () => {
    const { breaker, now, shutBy, steps } = bench();
    const lost = Array.from({ length: 50 }, (_, at) => ({ tool: `t${at}`, since: now }));
    breaker.lostTogether(lost, 1);
    breaker.lostTogether(lost, 2);
    expect([shutBy(), breaker.size]).toEqual([undefined, 0]);
    breaker.lostTogether(lost, 3);
    expect(steps()).toEqual(['* closed>open']);
  });

  it('is off when its threshold is 0', () => {
    const { calls, told } = bench({ transportErrors: 0, toolErrors: 0 });
    calls('lost', 'a', 1000);
    calls('error', 'a', 1000);
    expect(told).toEqual([]);
  });

  it('is one for all who ask for it by its name', () => {
    const { breakers, breaker } = bench();
    expect(breakers.of('fx')).toBe(breaker);
    expect(breakers.of('other')).not.toBe(breaker);
  });
});

describe('the breaker of a tool', () => {
  it('opens by its own errors and shuts no other tool', () => {
    const { calls, shutBy } = bench();
    calls('error', 'a');
    calls('error', 'b');
    expect([shutBy('a'), shutBy('b')]).toEqual([undefined, undefined]);
    calls('error', 'a');
    expect([shutBy('a'), shutBy('b'), shutBy('c')]).toEqual([['a', 10], undefined, undefined]);
  });

  it('counts its losses apart from its errors', () => {
    const { calls, shutBy } = bench({ transportErrors: 2 });
    calls('error', 'a');
    calls('lost', 'a');
    expect(shutBy('a')).toBeUndefined();
  });

  it('opens when it hangs while other tools of the server answer', () => {
    const { calls, shutBy } = bench();
    for (let at = 0; at < 3; at++) {
      calls('lost', 'hangs');
      calls('answered', 'works');
    }
    expect([shutBy('hangs'), shutBy('works')]).toEqual([['hangs', 10], undefined]);
  });

  it('stays out of it while the server itself is open', () => {
    const { calls, pass, shutBy } = bench();
    calls('lost', 'a', 3);
    pass(10 * S);
    calls('lost', 'a');
    pass(20 * S);
    calls('answered', 'b');
    expect(shutBy('a')).toBeUndefined();
  });

  it('an error where those are off shows a probe that the server is back', () => {
    const { calls, pass, shutBy } = bench({ toolErrors: 0, transportErrors: 2 });
    for (let at = 0; at < 2; at++) {
      calls('lost', 'a');
      calls('answered', 'b');
    }
    pass(10 * S);
    calls('error', 'a');
    expect(shutBy('a')).toBeUndefined();
  });
});

describe('an open circuit', () => {
  const opened = (limits: Partial<BreakerLimits> = {}) => {
    const all = bench(limits);
    all.calls('lost', undefined, limits.transportErrors ?? 3);
    return all;
  };

  it('lets one probe through after the pause; an answer closes it', () => {
    const { call, pass, steps, shutBy } = opened();
    pass(10 * S - 1);
    expect(call()).toBeUndefined();
    pass(1);
    const probe = call();
    expect([call(), call('b'), call(undefined)]).toEqual([undefined, undefined, undefined]);
    probe?.('answered');
    expect(shutBy()).toBeUndefined();
    expect(steps()).toEqual(['* closed>open', '* open>half-open', '* half-open>closed']);
  });

  it('is opened again by a lost probe, for longer each time, up to a bound', () => {
    const { calls, pass, told } = opened();
    for (let at = 0; at < 12; at++) {
      pass(700 * S);
      calls('lost');
    }
    const pauses = told.flatMap(({ pauseUs }) => (pauseUs === undefined ? [] : [pauseUs / S]));
    expect(pauses).toEqual([10, 20, 40, 80, 160, ...Array<number>(8).fill(320)]);
  });

  it('takes a probe that never comes back for lost, and believes it when it comes late', () => {
    const { call, pass, shutBy, told } = opened();
    pass(10 * S);
    const probe = call();
    pass(60 * S);
    expect(shutBy()).toEqual([undefined, 20]);
    expect(told.at(-1)).toMatchObject({ to: 'open', cause: 'lost probe' });
    probe?.('answered');
    expect(shutBy()).toBeUndefined();
  });

  it('a probe that was cancelled makes room for another', () => {
    const { call, pass, shutBy } = opened();
    pass(10 * S);
    call()?.('nothing');
    const next = call();
    expect(next).toBeDefined();
    next?.('answered');
    expect(shutBy()).toBeUndefined();
  });

  it.each<Ending>(['answered', 'lost'])('is not moved by an older call that ends as "%s"', (ending) => {
    const { call, calls, pass, steps } = bench();
    const old = call('b');
    pass(1);
    calls('lost', undefined, 3);
    old?.(ending);
    pass(10 * S);
    const probe = call();
    old?.(ending);
    expect(steps()).toEqual(['* closed>open', '* open>half-open']);
    probe?.('answered');
    expect(steps().at(-1)).toBe('* half-open>closed');
  });

  it('goes back to short pauses once it has stayed closed for a window', () => {
    const { calls, pass, told } = opened();
    const again = (after: number) => {
      pass(1000 * S);
      calls('answered');
      pass(after);
      calls('lost', undefined, 3);
      return told.at(-1)?.pauseUs;
    };
    expect([again(S), again(61 * S)]).toEqual([20 * S, 10 * S]);
  });

  it.each([
    [0, 10],
    [0.999_999, 12.5],
  ])('spreads its pause by the jitter it is given: %s', (random, seconds) => {
    const pauses: number[] = [];
    const circuit = new Circuit({
      limits: LIMITS,
      random: () => random,
      told: ({ pauseUs }) => void pauses.push((pauseUs ?? 0) / S),
    });
    for (let at = 0; at < 3; at++) circuit.failed('transport', 0, 0);
    expect(pauses[0]).toBeCloseTo(seconds, 3);
  });
});

describe('names of tools', () => {
  it('that a client makes up are not kept unless they fail, and then no more than so many', () => {
    const { breaker, calls } = bench();
    for (let at = 0; at < 100_000; at++) calls('answered', `ok${at}`);
    for (let at = 0; at < 10_000; at++) calls('fault', `odd${at}`);
    expect(breaker.size).toBe(0);
    for (let at = 0; at < 1_000_000; at++) calls('error', `bad${at}`);
    expect(breaker.size).toBeLessThanOrEqual(1000);
    expect(breaker.size).toBeGreaterThan(800);
  });

  it('too long for a tool have no circuit', () => {
    const { breaker, calls } = bench();
    calls('error', 'x'.repeat(257), 10);
    expect(breaker.size).toBe(0);
  });

  it('that failed once do not push out one that is open', () => {
    const { calls, shutBy } = bench({ pauseUs: 1e12 }, 10);
    calls('error', 'real', 2);
    for (let at = 0; at < 1000; at++) calls('error', `made-up${at}`);
    expect(shutBy('real')).toBeDefined();
  });

  it('of a tool that works again are forgotten', () => {
    const { breaker, calls, pass } = bench();
    calls('error', 'a');
    calls('answered', 'a');
    expect(breaker.size).toBe(0);
    calls('error', 'a', 2);
    pass(11 * S);
    calls('answered', 'a');
    pass(61 * S);
    calls('answered', 'a');
    expect(breaker.size).toBe(0);
  });
});

describe('whatever happens', () => {
  const endings = fc.constantFrom<Ending>('answered', 'error', 'fault', 'lost', 'nothing');
  const event = fc.oneof(
    fc.record({ does: fc.constant('call' as const), tool: fc.constantFrom('a', 'b', undefined) }),
    fc.record({ does: fc.constant('end' as const), which: fc.nat(20), ending: endings }),
    fc.record({ does: fc.constant('end' as const), which: fc.nat(20), ending: fc.constant<Ending>('lost') }),
    fc.record({ does: fc.constant('pass' as const), us: fc.integer({ min: 0, max: 70 * S }) }),
  );
  interface Model {
    state: 'closed' | 'open' | 'half-open';
    until: number;
  }

  it('a closed breaker refuses nothing, an open one all until its pause is over, and then one probe passes at a time', () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 200 }),
        fc.double({ min: 0, max: 0.99, noNaN: true }),
        (events, random) => {
          const model = new Map<string, Model>();
          const modelOf = (tool: string | undefined): Model => {
            const known = model.get(tool ?? '*');
            if (known !== undefined) return known;
            const fresh: Model = { state: 'closed', until: 0 };
            model.set(tool ?? '*', fresh);
            return fresh;
          };
          let now = 0;
          const breaker = openBreakers({
            limits: LIMITS,
            random: () => random,
            told({ tool, from, to, pauseUs = 0 }) {
              const circuit = modelOf(tool);
              expect(from).toBe(circuit.state);
              // Nothing but these four steps.
              expect(['closed>open', 'open>half-open', 'half-open>open', 'half-open>closed', 'open>closed']).toContain(
                `${from}>${to}`,
              );
              expect(pauseUs <= 600 * S && (to !== 'open' || pauseUs >= LIMITS.pauseUs)).toBe(true);
              Object.assign(circuit, { state: to, until: now + pauseUs });
            },
          }).of('fx');
          /** Open calls, and on which circuits each is the probe. */
          let open: { tool: string | undefined; since: number; probes: readonly Model[] }[] = [];
          for (const one of events) {
            if (one.does === 'pass') now += one.us;
            else if (one.does === 'end') {
              const [ended] = open.splice(one.which % Math.max(1, open.length), 1);
              if (ended !== undefined) breaker.ended(one.ending, ended.tool, ended.since, now);
            } else {
              now++;
              const circuits = [modelOf(undefined), ...(one.tool === undefined ? [] : [modelOf(one.tool)])];
              const before = circuits.map(({ state }) => state);
              if (breaker.shut(one.tool, now) !== undefined) {
                expect(before.every((state) => state === 'closed')).toBe(false);
                continue;
              }
              for (const circuit of circuits) expect(circuit.state !== 'open' || now >= circuit.until).toBe(true);
              breaker.enter(one.tool, now);
              const probes = circuits.filter(({ state }) => state !== 'closed');
              for (const probe of probes) {
                expect(probe.state).toBe('half-open');
                // The one before was given up, for it was lost for a whole window, or it has ended.
                const others = open.filter(
                  (other) => other.probes.includes(probe) && now - other.since < LIMITS.windowUs,
                );
                expect(others).toEqual([]);
              }
              open = [...open, { tool: one.tool, since: now, probes }];
            }
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
