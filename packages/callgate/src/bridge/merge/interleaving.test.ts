import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Client, serverOf, settled, type Answering, type Fields } from './testing.ts';

/** What can happen, in any order. */
const step = fc.oneof(
  fc.record({ do: fc.constant('ask' as const), what: fc.nat(8) }),
  fc.record({ do: fc.constant('cancel' as const), nth: fc.nat(20) }),
  fc.record({ do: fc.constant('answer' as const), server: fc.nat(1) }),
  fc.record({ do: fc.constant('end' as const), server: fc.nat(1) }),
  fc.record({ do: fc.constant('change' as const), server: fc.nat(1) }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(0, 500, 1000, 5000) }),
);

describe.each(['legacy', 'modern'] as const)('whatever happens in whatever order to a %s client', (era) => {
  const requests: readonly (readonly [string, Fields])[] = [
    ['tools/list', {}],
    ['tools/call', { name: 'a__x' }],
    ['tools/call', { name: 'b__y_deadbeef' }],
    ['tools/call', { name: 'nobody' }],
    ['resources/read', { uri: 'x:1' }],
    ['prompts/list', {}],
    era === 'legacy' ? ['logging/setLevel', { level: 'info' }] : ['subscriptions/listen', { notifications: {} }],
    era === 'legacy' ? ['ping', {}] : ['server/discover', {}],
    ['vendor/method', {}],
  ];

  it('each request is answered once, or was cancelled, and nothing else is answered', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40, size: 'max' }), async (steps) => {
        const held: (() => void)[][] = [[], []];
        const slowly =
          (index: number): Answering =>
          ({ method, id }, self) => {
            if (method !== 'tools/call' && method !== 'tools/list') return undefined;
            const generation = self.opened;
            const result =
              method === 'tools/list' ? { tools: [{ name: 'x' }, { name: 'y_deadbeef' }] } : { content: [] };
            held[index]!.push(() => {
              if (self.opened === generation) self.say({ jsonrpc: '2.0', id: id!, result });
            });
            return 'nothing';
          };
        const servers = [serverOf('a', [], slowly(0)), serverOf('b', [], slowly(1))];
        const client = new Client(era, servers);
        if (era === 'legacy') await client.hello();
        const asked: number[] = [];
        const listens = new Set<number>();
        const cancelled = new Set<number>();
        for (const one of steps) {
          if (one.do === 'ask') {
            const [method, params] = requests[one.what]!;
            const id = client.begin(method, params);
            asked.push(id);
            if (method === 'subscriptions/listen') listens.add(id);
          } else if (one.do === 'cancel') {
            const id = asked[one.nth];
            if (id === undefined) continue;
            cancelled.add(id);
            client.notify('notifications/cancelled', { requestId: id });
          } else if (one.do === 'answer') held[one.server]!.shift()?.();
          else if (one.do === 'end') servers[one.server]!.end?.ended('ended');
          else if (one.do === 'change') {
            servers[one.server]!.end?.message(
              Buffer.from('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'),
              undefined,
              undefined,
            );
          } else await client.clock.pass(one.ms);
          if (one.do !== 'ask') await settled();
        }
        for (let round = 0; round < 4; round++) {
          await client.clock.pass(1000);
          for (const queue of held) for (const answer of queue.splice(0)) answer();
        }
        await settled();
        for (const id of asked) {
          const answers = client.heard.filter((message) => message.id === id && message.method === undefined).length;
          if (cancelled.has(id) || listens.has(id)) expect(answers).toBeLessThanOrEqual(1);
          else expect(answers).toBe(1);
        }
        await client.merge.close();
      }),
      { numRuns: 300 },
    );
  });
});
