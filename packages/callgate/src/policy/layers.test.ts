import { describe, expect, test } from 'vitest';
import { combine, tightenOnly } from './layers.ts';
import { callOf, policyOf } from './testing.ts';

const mine = policyOf(' - {id: a, match: {tool: "*"}, effect: allow, obligations: [{rate: {max: 9, per: 1m}}]}');
const project = policyOf(
  [
    ' - {id: open, match: {tool: secret}, effect: allow}',
    ' - {id: block, match: {tool: [secret, rm]}, args: {p: {under: "/x"}}, effect: deny}',
    ' - {id: a, match: {tool: run}, obligations: [{rate: {max: 2, per: 1m}}]}',
    ' - {id: mask, match: {direction: result}, obligations: [{redact: {classes: [secret]}}]}',
  ].join('\n'),
  'version: 1\ndefault: allow',
);
const both = combine([mine, tightenOnly(project)], (text) => `h${text.length}`);

describe('a project that nobody trusts', () => {
  test('allows nothing: neither its rules nor its default', () => {
    const nothing = combine([policyOf(' []'), tightenOnly(project)]);
    expect(nothing.decide(callOf({ tool: 'secret', args: { p: '/y' } }))).toMatchObject({
      effect: 'deny',
      rule: 'default',
    });
    expect(nothing.decide(callOf())).toMatchObject({ effect: 'deny', rule: 'default' });
  });

  test('may deny', () => {
    expect(both.decide(callOf({ tool: 'rm', args: { p: '/x/y' } }))).toMatchObject({
      effect: 'deny',
      rule: 'project:block',
    });
    expect(both.decide(callOf({ tool: 'rm', args: { p: '/y' } }))).toMatchObject({ effect: 'allow', rule: 'a' });
  });

  test('adds obligations under names of its own', () => {
    expect(both.decide(callOf()).obligations).toMatchObject([
      { rule: 'a', max: 9 },
      { rule: 'project:a', max: 2 },
    ]);
    expect(both.decide(callOf({ direction: 'result' }))).toMatchObject({
      effect: 'allow',
      rule: 'base:results',
      obligations: [{ kind: 'redact', rule: 'project:mask' }],
    });
  });

  test('is asked for its facts', () => {
    expect(both.pathsNeeded(callOf({ tool: 'rm' }))).toEqual([['p']]);
    expect(both.needsResult('s', 'tools/call', 'run')).toBe(true);
    expect(mine.needsResult('s', 'tools/call', 'run')).toBe(false);
    expect(both.usesRates).toBe(true);
    expect(both.layerOf('project:block')).toBe('policy.yaml');
  });

  test('changes the hash', () => {
    expect(both.hash).toMatch(/^sha256:h/);
    expect(combine([mine]).hash).toBe(mine.hash);
  });
});

describe('layers together', () => {
  const layer = (effect: string): ReturnType<typeof policyOf> =>
    policyOf(` - {id: ${effect}, match: {tool: run}, effect: ${effect}}`);

  test.each([
    ['allow', 'deny', 'deny'],
    ['ask', 'deny', 'deny'],
    ['allow', 'ask', 'ask'],
    ['defer', 'ask', 'ask'],
    ['allow', 'defer', 'defer'],
    ['allow', 'allow', 'allow'],
  ])('%s and %s are %s', (a, b, effect) => {
    expect(combine([layer(a), layer(b)]).decide(callOf())).toMatchObject({ effect, rule: effect });
    expect(combine([layer(b), layer(a)]).decide(callOf())).toMatchObject({ effect, rule: effect });
  });

  test('that all abstain deny', () => {
    expect(combine([tightenOnly(layer('allow'))]).decide(callOf())).toMatchObject({ effect: 'deny', rule: 'default' });
  });
});
