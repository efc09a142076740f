import { describe, expect, it, test } from 'vitest';
import { Memory } from './memory.ts';
import { judgeOf } from './testing.ts';

/** A made-up key of a real shape. */
const SECRET = ['AKIA', 'Q3EGRIGSHDX7KPZT'].join('');

function memory() {
  const clock = { ms: 1_000_000 };
  return { clock, memory: new Memory({ now: () => 0, mono: () => clock.ms * 1000 }) };
}

describe('the history of a session', () => {
  it('counts calls within a window, by their names', () => {
    const { clock, memory: own } = memory();
    for (const tool of ['a', 'b', 'a']) {
      own.called(tool);
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
      own.called('a');
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
    own.label(['a', 'b']);
    const before = own.labels;
    own.label(['b', 'c']);
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
