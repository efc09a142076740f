import { expect, it } from 'vitest';
import type { EvidenceRecord } from '../model/record.ts';
import { compilePolicy } from '../policy/compile.ts';
import { combine } from '../policy/layers.ts';
import { pathResolver } from './facts.ts';
import { Judge } from './judge.ts';
import { judgeOf } from './testing.ts';

const compiled = (rules: string) =>
  compilePolicy([{ file: 'policy.yaml', text: `version: 1\nrules:\n${rules}` }], {
    variables: {},
    sha256: (text) => String(text.length),
  });

it('what a policy in shadow mode would have decided is in the record, and nothing else changes', () => {
  const enforced = compiled('  - { id: all, match: { method: "*" }, effect: allow }\n');
  const shadow = compiled('  - { id: no-run, match: { tool: run }, effect: deny }\n');
  const policy = combine([enforced], undefined, [shadow]);
  const records: EvidenceRecord[] = [];
  const sent: string[] = [];
  const unavailable = (): never => {
    throw new Error('not here');
  };
  const judge = new Judge({
    server: 'fx',
    principal: { id: 'os:me', roles: [], chain: [], assurance: 'same-user' },
    transport: 'stdio',
    policy: () => policy,
    evidence: {
      append: (record) => records.push(record) - 1,
      flush: () => undefined,
      synced: async () => undefined,
      idOf: (sequence) => `p-${sequence}`,
      close: async () => undefined,
    },
    limits: unavailable,
    budgets: unavailable,
    floor: { mayTouch: () => false, judge: () => undefined },
    paths: pathResolver('/'),
    userHome: undefined,
    trustAnnotations: false,
    refusal: 'result',
    messageLimits: { depth: 128, keys: 1000 },
    inFlight: 10,
    pass: { unjudged: false, unrecorded: false },
    toServer: {
      line: (bytes, start, end) => void sent.push(Buffer.from(bytes.subarray(start, end)).toString()),
      whole: (line) => void sent.push(Buffer.from(line).toString()),
    },
    toClient: { line: () => undefined, whole: () => undefined },
    now: () => 0,
    mono: () => 0,
    warn: () => undefined,
  });
  const line = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"run","arguments":{}}}';
  const bytes = Buffer.from(line);
  judge.line('client', bytes, 0, bytes.length);
  expect(sent).toEqual([line]);
  expect(records).toMatchObject([
    { type: 'decision', effect: 'allow', rule: 'all', obligations: ['shadow-deny:no-run'] },
  ]);
});

it.each([
  ['cannot be confined', 'sandbox: { profile: strict }'],
  ['cannot be edited', 'set: { "a.b": 1 }'],
  ['costs what nobody can tell', 'budget: { amount: args.a, max: 1 }'],
])('what it would have decided is in the record, too, of a call that %s', (_what, duty) => {
  const enforced = compiled(`  - { id: run, match: { tool: run }, effect: allow, obligations: [{ ${duty} }] }\n`);
  const shadow = compiled('  - { id: no-run, match: { tool: run }, effect: deny }\n');
  const policy = combine([enforced], undefined, [shadow]);
  const bench = judgeOf('  []', { policy: () => policy });
  bench.call('run', { a: 'x' });
  expect(bench.decisions).toMatchObject([{ effect: 'deny' }]);
  expect(bench.decisions[0]?.obligations).toContain('shadow-deny:no-run');
});
