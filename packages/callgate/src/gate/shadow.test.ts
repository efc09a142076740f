import { expect, it } from 'vitest';
import { compilePolicy } from '../policy/compile.ts';
import { combine } from '../policy/layers.ts';
import { judgeOf } from './testing.ts';

const compiled = (rules: string) =>
  compilePolicy([{ file: 'policy.yaml', text: `version: 1\nrules:\n${rules}` }], {
    variables: {},
    sha256: (text) => String(text.length),
  });

/** A judge over rules, beside which a policy in shadow mode would deny every `run`. */
function judgeBesideShadow(rules: string) {
  const shadow = compiled('  - { id: no-run, match: { tool: run }, effect: deny }\n');
  const policy = combine([compiled(rules)], undefined, [shadow]);
  return judgeOf('  []', { policy: () => policy });
}

it('what a policy in shadow mode would have decided is in the record, and nothing else changes', () => {
  const { raw, toServer, records } = judgeBesideShadow('  - { id: all, match: { method: "*" }, effect: allow }\n');
  const line = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"run","arguments":{}}}';
  raw('client', line);
  expect(toServer).toEqual([line]);
  expect(records).toMatchObject([
    { type: 'decision', effect: 'allow', rule: 'all', obligations: ['shadow-deny:no-run'] },
  ]);
});

it.each([
  ['cannot be confined', 'sandbox: { profile: strict }'],
  ['cannot be edited', 'set: { "a.b": 1 }'],
  ['costs what nobody can tell', 'budget: { amount: args.a, max: 1 }'],
])('what it would have decided is in the record, too, of a call that %s', (_what, duty) => {
  const bench = judgeBesideShadow(`  - { id: run, match: { tool: run }, effect: allow, obligations: [{ ${duty} }] }\n`);
  bench.call('run', { a: 'x' });
  expect(bench.decisions).toMatchObject([{ effect: 'deny' }]);
  expect(bench.decisions[0]?.obligations).toContain('shadow-deny:no-run');
});
