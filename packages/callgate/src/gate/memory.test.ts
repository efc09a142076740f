import { describe, expect, it, test } from 'vitest';
import { memorySessions, sessionId, type Sessions } from '../state/sessions.ts';
import { CallgateError } from '../model/error.ts';
import { HomeMemory, OwnMemory } from './memory.ts';
import { judgeOf } from './testing.ts';

/** A made-up key of a real shape. */
const SECRET = ['AKIA', 'Q3EGRIGSHDX7KPZT'].join('');

function memory() {
  const clock = { ms: 1_000_000 };
  return { clock, memory: new OwnMemory({ now: () => 0, mono: () => clock.ms * 1000 }) };
}

describe('the history of a session', () => {
  it('counts calls within a window, by their names', () => {
    const { clock, memory: own } = memory();
    for (const tool of ['a', 'b', 'a']) {
      own.keep([], tool);
      clock.ms += 1000;
    }
    const isA = (tool: string): boolean => tool === 'a';
    expect([own.count(isA, 10_000), own.count(isA, 1500), own.count(() => true, 2000)]).toEqual([2, 1, 2]);
    clock.ms += 60_000;
    expect(own.count(isA, 10_000)).toBe(0);
  });

  it('cannot be told once calls of the window are forgotten, and can be told of what is left', () => {
    const { clock, memory: own } = memory();
    for (let n = 0; n < 1025; n++) {
      own.keep([], 'a');
      clock.ms += 10;
    }
    expect(own.count(() => true, 10_000)).toBe(1000);
    expect(own.count(() => true, 11_000)).toBeUndefined();
    clock.ms += 20_000;
    expect(own.count(() => true, 20_000)).toBe(0);
  });
});

describe('the labels of a session', () => {
  it('are each there once, oldest first; a list that was handed out does not change', () => {
    const { memory: own } = memory();
    own.keep(['a', 'b'], undefined);
    const before = own.labels;
    own.keep(['b', 'c'], undefined);
    expect([before, own.labels]).toEqual([
      ['a', 'b'],
      ['a', 'b', 'c'],
    ]);
  });

  it('are at most 64: a call that would add one more is denied, one that adds none is not', () => {
    const labels = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => `l${from + n}`).join(', ');
    const bench = judgeOf(`
  - { id: many, match: { tool: many }, effect: allow, obligations: [{ label: { add: [${labels(0, 64)}] } }] }
  - { id: more, match: { tool: more }, effect: allow, obligations: [{ label: { add: [${labels(60, 65)}] } }] }`);
    bench.call('more');
    bench.call('many');
    expect(bench.refusal).toMatch(/as many labels as it can have/);
    expect(bench.toServer).toHaveLength(1);
    bench.call('more');
    expect(bench.toServer).toHaveLength(2);
  });
});

describe('what conditions know of a call', () => {
  test.each<[string, object, boolean]>([
    ["findings.exists(f, f.class == 'secret')", { a: [{ key: SECRET }] }, true],
    ["findings.exists(f, f.pointer == '/a/0/key')", { a: [{ key: SECRET }] }, true],
    ["findings.exists(f, f.class == 'secret')", { a: 'nothing' }, false],
    ['threat.score > 0.5', { a: SECRET }, true],
    ['threat.score > 0.5', {}, false],
    ['size(labels) == 0', {}, true],
    ["hour('UTC') == 23", {}, true],
    ["session.id != ''", {}, true],
  ])('%s of %j is %s', (when, args, holds) => {
    const bench = judgeOf(`  - { id: r, match: { tool: t }, when: "${when}", effect: allow }`);
    bench.call('t', args);
    expect(bench.toServer.length, bench.refusal).toBe(holds ? 1 : 0);
  });

  it('has what came before: count and seen', () => {
    const bench = judgeOf(`
  - { id: third, match: { tool: t }, when: "count('t', '10m') >= 2", effect: deny }
  - { id: after, match: { tool: send }, when: "seen('read_*', '10m')", effect: deny }
  - { id: all, match: { server: "*" }, effect: allow }`);
    for (let n = 0; n < 4; n++) bench.call('t');
    expect(bench.toServer).toHaveLength(2);
    bench.call('send');
    expect(bench.toServer).toHaveLength(3);
    bench.call('read_mail');
    bench.call('send');
    expect(bench.toServer).toHaveLength(4);
    bench.clock.mono += 601 * 1_000_000;
    bench.clock.now += 601 * 1000;
    bench.call('send');
    expect(bench.toServer).toHaveLength(5);
  });

  it('has the intent that a trusted server claims; without a claim a rule that denies matches', () => {
    const bench = judgeOf(`
  - { id: no-deletes, match: { server: "*" }, when: "intent == 'delete'", effect: deny }
  - { id: all, match: { server: "*" }, effect: allow }`);
    bench.call('wipe');
    expect(bench.toServer).toHaveLength(0);
    bench.send('client', { id: 'l', method: 'tools/list' });
    const tools = [
      { name: 'wipe', annotations: { destructiveHint: true } },
      { name: 'look', annotations: { readOnlyHint: true } },
      { name: 'both', annotations: { readOnlyHint: true, destructiveHint: true } },
      { name: 'none' },
    ];
    bench.send('server', { id: 'l', result: { tools } });
    const before = bench.toServer.length;
    for (const { name } of tools) bench.call(name);
    expect(bench.toServer.slice(before).map((line) => /"name":"(\w+)"/.exec(line)?.[1])).toEqual(['look', 'none']);
  });
});

describe('a session of the home', () => {
  const RULES = `
  - { id: reads, match: { tool: read_secret }, effect: allow, obligations: [{ label: { add: [secret] } }] }
  - { id: result, match: { direction: result, tool: read_mail }, obligations: [{ label: { add: [untrusted] } }] }
  - { id: sends, match: { tool: send }, when: "'secret' in labels || 'untrusted' in labels", effect: deny }
  - { id: often, match: { tool: send }, when: "count('t', '10m') >= 2", effect: deny }
  - { id: all, match: { server: "*" }, effect: allow }`;

  it('is one for its servers: what one has seen, another is refused for', () => {
    const shared = memorySessions();
    const over = { sessions: () => shared, conversation: 'process:1' };
    const [a, b] = [judgeOf(RULES, over), judgeOf(RULES, { ...over, server: 'b' })];
    b.call('send');
    expect(b.toServer).toHaveLength(1);
    a.call('read_secret');
    b.call('send');
    expect(b.toServer).toHaveLength(1);
    expect(b.decisions.at(-1)).toMatchObject({ rule: 'sends', labels: ['secret'] });
  });

  it('counts the calls on all of its servers', () => {
    const shared = memorySessions();
    const over = { sessions: () => shared, conversation: 'process:1' };
    const [a, b, c] = ['a', 'b', 'c'].map((server) => judgeOf(RULES, { ...over, server }));
    for (const bench of [a!, b!]) bench.call('t');
    c!.call('send');
    expect(c!.toServer).toHaveLength(0);
  });

  it.each([
    ['another conversation', { conversation: 'process:2' }],
    ['no conversation', { conversation: undefined }],
    [
      'another principal',
      { principal: { id: 'os:you', roles: [], chain: [], assurance: 'same-user' as const }, conversation: 'process:1' },
    ],
  ])('is not that of %s', (_whose, other) => {
    const shared = memorySessions();
    const a = judgeOf(RULES, { sessions: () => shared, conversation: 'process:1' });
    const { conversation, ...rest } = other as { conversation: string | undefined };
    const b = judgeOf(RULES, {
      sessions: () => shared,
      ...rest,
      ...(conversation === undefined ? {} : { conversation }),
    });
    a.call('read_secret');
    b.call('send');
    expect(b.toServer).toHaveLength(1);
  });

  it('of a principal whom nobody tells apart any further is one, however often it begins anew', () => {
    const shared = memorySessions();
    judgeOf(RULES, { sessions: () => shared }).call('read_secret');
    const anew = judgeOf(RULES, { sessions: () => shared });
    anew.call('send');
    expect(anew.toServer).toHaveLength(0);
  });

  it('has its labels before a result passes, and records those that a message was judged with', () => {
    const shared = memorySessions();
    const bench = judgeOf(RULES, { sessions: () => shared });
    bench.answer(bench.call('read_mail'));
    bench.call('read_secret');
    expect(bench.decisions.map(({ labels }) => labels)).toEqual([undefined, ['untrusted']]);
    expect(shared.open({ principal: 'os:me' }).labels(bench.clock.now)).toEqual(['untrusted', 'secret']);
  });

  it('gets no label from what is refused', () => {
    const shared = memorySessions();
    const bench = judgeOf(
      `
  - { id: no, match: { tool: read_secret }, effect: deny }
  - { id: twice, match: { tool: t }, obligations: [{ rate: { max: 1, per: 1h } }] }
  - { id: label, match: { server: "*" }, obligations: [{ label: { add: [seen] } }] }
  - { id: t, match: { tool: t }, effect: allow }`,
      { sessions: () => shared },
    );
    const labels = (): readonly string[] => shared.open({ principal: 'os:me' }).labels(bench.clock.now);
    bench.call('read_secret');
    expect(labels()).toEqual([]);
    bench.call('t');
    expect(labels()).toEqual(['seen']);
  });

  describe('whose state cannot be reached', () => {
    const gone = (): Sessions => {
      throw new CallgateError('CG_STATE_UNAVAILABLE', 'The shared sessions cannot be used: gone.');
    };

    it.each([
      ['what would be labelled', 'read_secret'],
      ['what labels would deny', 'send'],
      ['what would be counted', 't'],
    ])('refuses %s', (_what, tool) => {
      const bench = judgeOf(RULES, { sessions: gone });
      bench.call(tool);
      expect(bench.toServer).toHaveLength(0);
    });

    it('does not let an allow rule match that looks at labels', () => {
      const bench = judgeOf(`  - { id: r, match: { tool: t }, when: "!('x' in labels)", effect: allow }`, {
        sessions: gone,
      });
      bench.call('t');
      expect(bench.toServer).toHaveLength(0);
    });

    it('refuses a result that would be labelled', () => {
      const bench = judgeOf(
        `
  - { id: result, match: { direction: result }, obligations: [{ label: { add: [untrusted] } }] }
  - { id: all, match: { server: "*" }, effect: allow }`,
        { sessions: gone },
      );
      const id = bench.call('t');
      bench.answer(id, { content: [{ type: 'text', text: 'words of a stranger' }] });
      expect(bench.refusal).toMatch(/could not be judged/);
      expect(bench.toClient.join('')).not.toContain('words of a stranger');
    });

    it('gives back what the call had set aside', () => {
      const shared = memorySessions();
      let isGone = true;
      const bench = judgeOf(
        `
  - id: r
    match: { tool: t }
    effect: allow
    obligations: [{ budget: { key: [global], amount: "5", max: 5 } }, { label: { add: [x] } }]`,
        { sessions: () => (isGone ? gone() : shared) },
      );
      bench.call('t');
      expect(bench.refusal).toMatch(/gone/);
      isGone = false;
      bench.call('t');
      expect(bench.toServer).toHaveLength(1);
    });

    it('is not asked for by a policy that looks at neither labels nor history', () => {
      const bench = judgeOf(
        `
  - { id: s, match: { tool: t }, when: "session.id != ''", effect: allow, obligations: [{ rate: { max: 9, per: 1h, key: [session] } }] }`,
        {
          sessions: () => {
            throw new Error('asked');
          },
        },
      );
      bench.answer(bench.call('t'));
      expect(bench.toServer).toHaveLength(1);
      expect(bench.warned).toEqual([]);
    });
  });

  it('counts the calls of this gate from before a policy counted them', () => {
    const policy = { usesLabels: false, usesHistory: false };
    const shared = memorySessions();
    const memory = new HomeMemory({
      principal: { id: 'p', roles: [], chain: [], assurance: 'bearer' },
      policy: () => policy,
      sessions: () => shared,
      now: () => 0,
      mono: () => 0,
    });
    memory.keep([], 'a');
    policy.usesHistory = true;
    expect(memory.count(() => true, 1000)).toBe(1);
    expect(memory.id).toBe(sessionId({ principal: 'p' }));
  });
});
