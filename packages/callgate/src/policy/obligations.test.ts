import { describe, expect, it, test } from 'vitest';
import type { BudgetObligation, Obligation } from '../model/decision.ts';
import { ExactNumber, type Json } from '../model/json.ts';
import { plainDecimal } from './condition/amount.ts';
import { combine, tightenOnly } from './layers.ts';
import { callOf, issuesOf, policyOf } from './testing.ts';

/** The obligations of one rule that allows, or of one that says otherwise. */
function dutiesOf(obligations: string, rule = '{ id: r, match: { tool: run }, effect: allow,'): readonly Obligation[] {
  return policyOf(`  - ${rule} obligations: [${obligations}] }`).decide(callOf({ args: {} })).obligations;
}
const problemOf = (rule: string): string => {
  const [issue] = issuesOf(`version: 1\nrules:\n  - ${rule}\n`);
  return issue === undefined ? 'none' : `${issue.code}: ${issue.message}`;
};
const withDuty = (duty: string, match = '{ tool: run }'): string =>
  problemOf(`{ id: r, match: ${match}, effect: allow, obligations: [${duty}] }`);

describe('obligations', () => {
  test.each<[string, object]>([
    [
      '{ rate: { max: 5, per: 1m, key: [session, user], burst: 2 } }',
      { kind: 'rate', max: 5, windowMs: 60_000, key: ['session', 'user'], burst: 2 },
    ],
    [
      '{ set: { dry_run: true, "options.limit": 10 } }',
      {
        kind: 'set',
        values: [
          { path: ['dry_run'], value: true },
          { path: ['options', 'limit'], value: 10 },
        ],
      },
    ],
    [
      '{ set: { root: "${PROJECT}/x", list: [1, { a: "$${b}" }] } }',
      {
        values: [
          { path: ['root'], value: '/project/x' },
          { path: ['list'], value: [1, { a: '${b}' }] },
        ],
      },
    ],
    ['{ set: { price: 1.50 } }', { values: [{ path: ['price'], value: new ExactNumber('1.50') }] }],
    [
      '{ clamp: { limit: { min: 1, max: 100 }, "o.n": { max: 2.5 } } }',
      {
        kind: 'clamp',
        fields: [
          { path: ['limit'], min: 1, max: 100 },
          { path: ['o', 'n'], max: 2.5 },
        ],
      },
    ],
    ['{ sandbox: { profile: strict } }', { kind: 'sandbox', profile: 'strict' }],
    ['{ label: { add: [secret, "untrusted:web", secret] } }', { kind: 'label', labels: ['secret', 'untrusted:web'] }],
    ['{ log: { message: seen } }', { kind: 'log', message: 'seen' }],
    ['{ alert: { severity: high } }', { kind: 'alert', severity: 'high' }],
    ['{ budget: { amount: 1, max: 10 } }', { kind: 'budget', key: ['rule'], series: 0, max: '10' }],
    [
      '{ budget: { key: [principal, day], amount: args.a, max: 2000.50 } }',
      { key: ['principal', 'day'], max: '2000.5' },
    ],
  ])('%s is compiled', (text, wanted) => {
    expect(dutiesOf(text)).toMatchObject([{ rule: 'r', ...wanted }]);
  });

  test.each<[string, RegExp]>([
    ['{ clamp: { limit: { min: 5, max: 1 } } }', /CG_POLICY_VALUE: min is above max/],
    ['{ clamp: { limit: {} } }', /CG_POLICY_EMPTY/],
    ['{ clamp: { "a.*": { max: 1 } } }', /CG_POLICY_FIELD: one field is named here/],
    ['{ set: { "a..b": 1 } }', /CG_POLICY_FIELD/],
    ['{ set: { a: { x: 1 }, "a.b": 1 } }', /CG_POLICY_OBLIGATION: .*one inside the other/],
    ['{ set: { __proto__: 1 } }', /CG_POLICY_FIELD: "__proto__" cannot be put/],
    ['{ set: { "a.constructor.b": 1 } }', /CG_POLICY_FIELD: "constructor" cannot be put/],
    ['{ set: { a: [{ prototype: 1 }] } }', /CG_POLICY_FIELD: "prototype" cannot be put/],
    ['{ set: { a: "${NOPE}" } }', /CG_POLICY_VARIABLE/],
    ['{ budget: { amount: args.a, max: 0 } }', /CG_POLICY_VALUE: max must be above 0/],
    ['{ budget: { amount: args.a, max: -5 } }', /CG_POLICY_VALUE/],
    ['{ budget: { amount: -1, max: 5 } }', /CG_POLICY_VALUE: the amount is negative/],
    ['{ budget: { amount: "args.", max: 5 } }', /CG_POLICY_WHEN/],
    ['{ budget: { amount: result.a, max: 5 } }', /CG_POLICY_/],
    ['{ budget: { max: 5 } }', /CG_POLICY_MISSING_KEY: .*"amount"/],
    ['{ budget: { key: [week], amount: 1, max: 5 } }', /CG_POLICY_VALUE: .*cannot be "week"/],
    ['{ rate: { max: 1, per: 1m, key: [day] } }', /CG_POLICY_VALUE: .*cannot be "day"/],
    ['{ rate: { max: 1, per: 1m, burst: 0 } }', /CG_POLICY_VALUE: .*at least 1/],
    ['{ alert: { severity: loud } }', /CG_POLICY_VALUE/],
    ['{ alert: { message: x } }', /CG_POLICY_MISSING_KEY: .*"severity"/],
    ['{ label: { add: [] } }', /CG_POLICY_EMPTY/],
    ['{ label: { add: ["a b"] } }', /CG_POLICY_VALUE/],
    ['{ sandbox: {} }', /CG_POLICY_/],
    ['{ approval: {} }', /CG_POLICY_NOT_YET/],
  ])('%s is an error when loaded', (text, problem) => {
    expect(withDuty(text)).toMatch(problem);
  });

  test.each([
    'rate: { max: 1, per: 1m }',
    'budget: { amount: 1, max: 5 }',
    'set: { a: 1 }',
    'clamp: { a: { max: 1 } }',
    'sandbox: { profile: x }',
  ])('a rule on results cannot ask for %s, which would do nothing', (duty) => {
    expect(withDuty(`{ ${duty} }`, '{ direction: result }')).toMatch(/CG_POLICY_OBLIGATION: .*the call is done/);
    expect(withDuty(`{ ${duty} }`, '{ direction: [call, result] }') === 'none').toBe(duty.startsWith('rate'));
    expect(withDuty(`{ ${duty} }`, '{ direction: request, method: "*" }')).toBe('none');
  });

  test.each(['log: { message: x }', 'alert: { severity: low }'])('a rule that denies may ask for %s', (duty) => {
    expect(problemOf(`{ id: r, match: { tool: run }, effect: deny, obligations: [{ ${duty} }] }`)).toBe('none');
  });

  it('a rule that denies may ask for nothing else', () => {
    const rule = '{ id: r, match: { tool: run }, effect: deny, obligations: [{ label: { add: [x] } }] }';
    expect(problemOf(rule)).toMatch(/CG_POLICY_OBLIGATION/);
  });

  it('of rules without an effect apply wherever they stand, and a redaction ends nothing', () => {
    const policy = policyOf(`
  - { id: mask, match: { tool: run }, obligations: [{ redact: { fields: [a] } }] }
  - { id: go, match: { tool: run }, effect: allow }
  - { id: no, match: { tool: other }, effect: deny }
  - { id: late, match: { tool: run }, when: args.a == 1, obligations: [{ set: { b: 1 } }] }`);
    const decided = policy.decide(callOf({ args: { a: 1 } }));
    expect(decided).toMatchObject({ effect: 'allow', rule: 'go' });
    expect(decided.obligations.map(({ kind, rule }) => `${kind}:${rule}`)).toEqual(['redact:mask', 'set:late']);
    expect(policy.decide(callOf({ args: { a: 2 } })).obligations).toHaveLength(1);
  });

  it('of an untrusted project change no call, speak no words and label under its name', () => {
    const whole = policyOf('  - { id: all, match: { tool: run }, effect: allow }');
    const project = policyOf(`
  - id: theirs
    match: { tool: run }
    obligations:
      - set: { a: 1 }
      - clamp: { a: { max: 1 } }
      - label: { add: [trusted] }
      - log: { message: Do as I say }
      - alert: { severity: low, message: Do as I say }`);
    const { obligations } = combine([whole, tightenOnly(project)]).decide(callOf({ args: {} }));
    expect(obligations).toMatchObject([
      { kind: 'set', rule: 'project:theirs', untrusted: true },
      { kind: 'clamp', untrusted: true },
      { kind: 'label', labels: ['project:trusted'] },
      { kind: 'log', rule: 'project:theirs' },
      { kind: 'alert', severity: 'low' },
    ]);
    expect(JSON.stringify(obligations)).not.toContain('Do as I say');
  });
});

describe('defer', () => {
  const decided = (more: string, args: Json = {}) =>
    policyOf(`  - { id: later, match: { tool: run }, effect: defer${more} }`).decide(callOf({ args }));

  test.each([
    ['', 60_000],
    [', retryAfter: 30s', 30_000],
    [', retryAfter: 2h', 7_200_000],
    [', retryAfter: 1.5', 1_500],
  ])('says when to try again%s', (more, retryAfterMs) => {
    expect(decided(more)).toMatchObject({ effect: 'defer', retryAfterMs });
  });

  it('says so when its condition cannot be told, too', () => {
    expect(decided(', when: args.n > 5, retryAfter: 10s')).toMatchObject({
      effect: 'defer',
      retryAfterMs: 10_000,
      indeterminate: expect.any(String),
    });
  });

  test.each(['allow', 'deny', 'ask'])('alone has retryAfter; %s has not', (effect) => {
    expect(problemOf(`{ id: r, match: { tool: run }, effect: ${effect}, retryAfter: 30s }`)).toMatch(
      /retryAfter is for rules with effect: defer/,
    );
  });

  it('takes a duration and nothing else', () => {
    expect(problemOf('{ id: r, match: { tool: run }, effect: defer, retryAfter: soon }')).toMatch(/CG_POLICY_VALUE/);
  });
});

describe('the amount of a budget', () => {
  const amountOf = (amount: string, args: Json | undefined, key = 'rule') => {
    const [duty] = policyOf(
      `  - { id: r, match: { tool: run }, effect: allow, obligations: [{ budget: { key: ${key}, amount: '${amount}', max: 9 } }] }`,
    ).decide(callOf({ args })).obligations as [BudgetObligation];
    return duty.amount(callOf({ args }));
  };

  test.each<[string, Json, string]>([
    ['args.n', { n: 150 }, '150'],
    ['args.n', { n: 0 }, '0'],
    ['args.n', { n: 0.1 }, '0.1'],
    ['args.n', { n: 1e21 }, '1000000000000000000000'],
    ['args.n', { n: 1e-7 }, '0.0000001'],
    ['args.n', { n: new ExactNumber('12.500') }, '12.5'],
    ['args.n', { n: new ExactNumber('1.25e2') }, '125'],
    ['args.n', { n: new ExactNumber('-0.0') }, '0'],
    ['args.n', { n: '12.50' }, '12.5'],
    ['args.a + args.b', { a: 0.1, b: 0.2 }, '0.3'],
    ['args.price * args.count', { price: new ExactNumber('19.99'), count: 3 }, '59.97'],
    ['size(args.list)', { list: [1, 2, 3] }, '3'],
    ['has(args.n) ? args.n : 1', {}, '1'],
    ['5', {}, '5'],
  ])('%s of %j is %s', (amount, args, spent) => {
    expect(amountOf(amount, args)).toBe(spent);
  });

  test.each<[string, Json | undefined, RegExp]>([
    ['missing', {}, /missing/],
    ['negative', { n: -5 }, /negative/],
    ['a little negative', { n: new ExactNumber('-1e-9') }, /negative/],
    ['negative text', { n: '-5' }, /negative/],
    ['null', { n: null }, /null/],
    ['a list', { n: [5] }, /a list/],
    ['true', { n: true }, /true or false/],
    ['no decimal', { n: 'five' }, /text/],
    ['empty text', { n: '' }, /text/],
    ['text with an exponent', { n: '1e3' }, /text/],
    ['hexadecimal text', { n: '0x10' }, /text/],
    ['text with a blank', { n: ' 5' }, /text/],
    ['too large', { n: new ExactNumber('1e999') }, /digits/],
    ['too fine', { n: new ExactNumber('1e-19') }, /digits/],
    ['inside a list of arguments', [{ n: 5 }], /missing/],
    ['of a call without arguments', undefined, /missing/],
  ])('cannot be told when it is %s', (_what, args, why) => {
    expect(amountOf('args.n', args)).toMatchObject({ unsure: expect.stringMatching(why) });
  });

  it('is that of the call it is asked for, though conditions remember the call before', () => {
    const policy = policyOf(
      `  - { id: r, match: { tool: run }, when: args.n > 0, effect: allow, obligations: [{ budget: { amount: args.n, max: 9 } }] }`,
    );
    const spent = [1, 2, 3].map((n) => {
      const call = callOf({ args: { n } });
      const decision = policy.decide(call);
      expect(decision.effect).toBe('allow');
      return (decision.obligations[0] as BudgetObligation).amount(call);
    });
    expect(spent).toEqual(['1', '2', '3']);
    expect(policy.decide(callOf({ args: { n: 0 } })).effect).toBe('deny');
  });

  it('counts budgets of one rule and key apart', () => {
    const duties = dutiesOf(
      '{ budget: { key: day, amount: 1, max: 5 } }, { budget: { key: day, amount: args.n, max: 9 } }, { budget: { key: month, amount: 1, max: 7 } }',
    );
    expect(duties.map((duty) => (duty as BudgetObligation).series)).toEqual([0, 1, 0]);
  });

  test.each([
    [1e30, undefined],
    [123e27, `123${'0'.repeat(27)}`],
    [new ExactNumber(`0.${'0'.repeat(17)}1`), `0.${'0'.repeat(17)}1`],
    [new ExactNumber('007'), '7'],
    [new ExactNumber('100.0e-2'), '1'],
  ])('is written plainly: %o', (value, text) => {
    expect(plainDecimal(value)).toBe(text);
  });
});
