import { afterEach, describe, expect, it } from 'vitest';
import type { Recorded } from '../policy/tools/replay.ts';
import { policyOf, type RecordedParts, recordOf } from '../policy/testing.ts';
import { openReplay, type Replay, type Replayed, type ReplayOptions } from './replay.ts';

let open: Replay | undefined;
afterEach(() => {
  open?.close();
  open = undefined;
});

const START = Date.parse('2026-03-01T10:00:00Z');

/** A call of somebody of the staff. */
const record = (parts: RecordedParts = {}): Recorded =>
  recordOf({ principal: { id: 'me', roles: ['staff'], chain: [], assurance: 'same-user' }, ...parts });

/** What the rules say about records, one after the other: the effect, or why they cannot be replayed. */
function replayed(rules: string, records: readonly Recorded[], over: Partial<ReplayOptions> = {}): string[] {
  open = openReplay(policyOf(rules), { cwd: '/project', isWhole: true, trustsAnnotations: () => false, ...over });
  const say = (result: Replayed): string =>
    result.kind === 'judged'
      ? `${result.effect} ${result.rule}`
      : result.kind === 'unknown'
        ? result.why.join('; ')
        : 'fixed';
  return records.map((one) => say((open as Replay).judge(one)));
}

const ALLOW = '- { id: all, match: { tool: "*" }, effect: allow }';

describe('a replay', () => {
  it('judges by the recorded names, arguments and caller', () => {
    const rules = `- { id: small, match: { tool: run, roles: staff }, args: { n: { le: 5 } }, effect: allow }`;
    expect(
      replayed(rules, [record({ args: { n: 5 } }), record({ args: { n: 6 } }), record({ args: { n: 1 }, tool: 'x' })]),
    ).toEqual(['allow small', 'deny default', 'deny default']);
  });

  it('compares numbers as they were written', () => {
    const rules = `- { id: one, match: { tool: run }, args: { n: 12345678901234567891 }, effect: allow }`;
    const bytes = (text: string): Recorded => ({ ...record(), args: new TextEncoder().encode(text) });
    expect(replayed(rules, [bytes('{"n":12345678901234567891}'), bytes('{"n":12345678901234567890}')])).toEqual([
      'allow one',
      'deny default',
    ]);
  });

  it('resolves paths by their letters', () => {
    const rules = `- { id: in, match: { tool: run }, args: { path: { under: "\${PROJECT}" } }, effect: allow }`;
    const paths = ['a', '/project/b', '/project/../etc', '/etc'].map((path) => record({ args: { path } }));
    expect(replayed(rules, paths).map((text) => text.split(' ')[0])).toEqual(['allow', 'allow', 'deny', 'deny']);
  });

  it.each<[string, string, RecordedParts, string]>([
    ['a masked text', 'args: { a: x }', { args: { a: '[secret:aws]' } }, '/a, which was masked'],
    [
      'a text with a masked part',
      'args: { a: { contains: x } }',
      { args: { a: 'x [secret:aws]' } },
      '/a, which was masked',
    ],
    ['a masked text in a list', 'args: { a: x }', { args: { a: ['x', '[secret:aws]'] } }, '/a/1, which was masked'],
    ['a masked name', 'args: { a: x }', { args: { '[secret:aws]': 'y' } }, 'arguments, of which a name was masked'],
    [
      'every text',
      'args: { anyString: { not: { contains: x } } }',
      { args: { b: { c: '[secret:aws]' } } },
      '/b/c, which was masked',
    ],
    ['a cut text', 'when: size(args.a) < 5', { args: { a: 'abc… [9 more]' }, truncated: 9 }, '/a, which was cut'],
    [
      'cut arguments',
      'args: { a: x }',
      { args: { _truncated: true, bytes: 99 }, truncated: 99 },
      'arguments, which were cut',
    ],
    ['forgotten arguments', 'args: { a: x }', { principal: undefined }, 'arguments, which were forgotten'],
    ['a forgotten caller', 'when: principal.id == "me"', { principal: undefined }, 'who called, which was forgotten'],
    [
      'a call that may have no arguments',
      'args: { name: run }',
      { args: { name: 'run' } },
      'whether it had no arguments',
    ],
  ])('never guesses: %s', (_what, condition, parts, why) => {
    const { args, ...over } = parts;
    const one =
      over.principal === undefined && 'principal' in over
        ? { ...record(over), args: undefined }
        : record({ args, ...over });
    const [said] = replayed(`- { id: it, match: { tool: run }, ${condition}, effect: allow }`, [one]);
    expect(said).toContain(why);
  });

  it('needs nothing of what the policy does not look at', () => {
    const rules = `- { id: b, match: { tool: run }, args: { b: 1 }, effect: allow }`;
    expect(replayed(rules, [record({ args: { a: '[secret:aws]', b: 1 } })])).toEqual(['allow b']);
    expect(replayed(ALLOW, [{ ...record({ principal: undefined }), args: undefined }])).toEqual(['allow all']);
  });

  it('knows that a server nobody trusts claims nothing, and not what a trusted one claimed', () => {
    const rules = `- { id: reads, match: { annotations: { readOnlyHint: true } }, effect: allow }`;
    expect(replayed(rules, [record()])).toEqual(['deny default']);
    const [said] = replayed(rules, [record()], { trustsAnnotations: () => true });
    expect(said).toBe('annotations, which are not recorded');
  });

  it('has no results', () => {
    const rules = `- { id: r, match: { direction: result }, when: 'result.ok == true', effect: deny }`;
    const { args: _args, ...rest } = record({ direction: 'result' });
    expect(replayed(rules, [{ ...rest, args: undefined }])[0]).toContain('a result, which is not kept');
  });

  it('leaves to themselves what no policy decided', () => {
    const floor = record({ effect: 'deny', rule: 'floor:home' });
    const malformed = record({ effect: 'deny', method: '(malformed)', rule: 'protocol:syntax' });
    expect(replayed(ALLOW, [floor, malformed])).toEqual(['fixed', 'fixed']);
  });

  it('counts rates by the recorded clock, and only what passes', () => {
    const rules = `- { id: r, match: { tool: run }, args: { n: 1 }, effect: allow, obligations: [{ rate: { max: 2, per: 1m } }] }`;
    const at = (seconds: number, n = 1): Recorded => record({ args: { n }, time: START + seconds * 1000 });
    expect(replayed(rules, [at(0), at(1, 2), at(2), at(3), at(61), at(62)]).map((text) => text.split(' ')[0])).toEqual([
      'allow',
      'deny',
      'allow',
      'deny',
      'allow',
      'allow',
    ]);
  });

  it('spends budgets, and gives back what failed', () => {
    const rules = `- { id: b, match: { tool: run }, effect: allow, obligations: [{ budget: { amount: args.n, max: 10, key: [principal] } }] }`;
    const records = [
      record({ args: { n: 6 }, status: 'tool_error' }),
      record({ args: { n: 6 } }),
      record({ args: { n: 6 } }),
      record({ args: { n: 4 } }),
      record({ args: { n: 'x' } }),
    ];
    expect(replayed(rules, records).map((text) => text.split(' ')[0])).toEqual([
      'allow',
      'allow',
      'deny',
      'allow',
      'deny',
    ]);
  });

  it('denies where an obligation cannot be carried out', () => {
    const clamp = `- { id: c, match: { tool: run }, effect: allow, obligations: [{ clamp: { n: { max: 5 } } }] }`;
    expect(replayed(clamp, [record({ args: { n: 9 } }), record({ args: { n: 'x' } })])).toEqual(['allow c', 'deny c']);
    const sandbox = `- { id: s, match: { tool: run }, effect: allow, obligations: [{ sandbox: { profile: strict } }] }`;
    expect(replayed(sandbox, [record()])).toEqual(['deny s']);
  });

  it('counts the calls of a session that were allowed when they were recorded', () => {
    const rules = `- { id: h, match: { tool: run }, when: 'count("read*", "1m") < 2', effect: allow }\n${ALLOW.replace('"*"', '"read*"')}`;
    const at = (seconds: number, over: RecordedParts = {}): Recorded => record({ ...over, mono: seconds * 1_000_000 });
    const records = [
      at(0, { tool: 'read' }),
      at(1, { tool: 'read', effect: 'deny', status: undefined }),
      at(2),
      at(3, { tool: 'read_all' }),
      at(4),
      at(4, { session: 'bbbbbbbbbb' }),
      at(62),
    ];
    expect(replayed(rules, records)).toEqual([
      'allow all',
      'allow all',
      'allow h',
      'allow all',
      'deny default',
      'allow h',
      'allow h',
    ]);
  });

  it('does not know what a session did before the first record that was read', () => {
    const rules = `- { id: h, match: { tool: run }, when: 'seen("read*", "1m")', effect: deny }\n${ALLOW}`;
    expect(replayed(rules, [record()], { isWhole: false })[0]).toContain('before the first record');
  });

  it('labels a session by the policy, and knows the labels that were recorded', () => {
    const rules = `- { id: tainted, match: { tool: send }, when: '"secret" in labels', effect: deny }
- { id: reads, match: { tool: run }, effect: allow, obligations: [{ label: { add: [secret] } }] }\n${ALLOW}`;
    const send = (over: RecordedParts = {}): Recorded => record({ tool: 'send', ...over });
    const records = [send(), send({ labels: ['secret'] }), record(), send(), send({ session: 'bbbbbbbbbb' })];
    expect(replayed(rules, records)).toEqual(['allow all', 'deny tainted', 'allow reads', 'deny tainted', 'allow all']);
  });

  it('judges by names and roles whatever a name looks like', () => {
    expect(replayed(ALLOW, [record({ tool: 'x[secret:aws]' })])[0]).toContain('a name that was masked or cut');
  });
});
