import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Id } from '../../protocol/correlate.ts';
import { asLegacy } from './as-legacy.ts';
import { asModern } from './as-modern.ts';
import { sealOf } from './seal.ts';
import { clientOf, counting, envelope, legacyServer, ManualClock, scripted, settled, type Ear } from './testing.ts';

// Whatever a client, a server and time do in whatever order: each request is answered once, unless its client gave it up.

type Step =
  | { readonly do: 'call'; readonly asks: boolean }
  | {
      readonly do: 'cancel' | 'answer' | 'ask' | 'retry' | 'replay' | 'end' | 'pass' | 'withdraw';
      readonly which: number;
    };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('call' as const), asks: fc.boolean() }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'cancel',
        'answer',
        'answer',
        'ask',
        'ask',
        'retry',
        'retry',
        'replay',
        'end',
        'pass',
        'withdraw',
      ),
      which: fc.nat(9),
    }),
  },
);

function pick<T>(from: readonly T[], which: number): T | undefined {
  return from.length === 0 ? undefined : from[which % from.length];
}

/** How often a request was answered or failed. */
function outcomes(ear: Ear, id: Id): number {
  const answers = ear.heard.filter((message) => message.id === id && message.method === undefined).length;
  return answers + ear.failures.filter((failure) => failure.id === id).length;
}

it('answers each request of a modern client to a legacy server once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.boolean(), async (steps, correlates) => {
      const clock = new ManualClock();
      const random = counting();
      const server = legacyServer();
      const { send, ear, link } = clientOf((events) =>
        asModern(
          {
            server: 'fx',
            principal: 'p',
            openLegacy: server.open,
            correlates,
            random,
            clock,
            seal: sealOf(new Uint8Array(32), random),
            client: { name: 'c', version: '0' },
            limits: { sessions: 3, queue: 3, parked: 2, asks: 2 },
          },
          events,
        ),
      );
      const cancelled = new Set<Id>();
      const sent: Id[] = [];
      const used = new Map<unknown, Id>();
      let ids = 0;
      const call = (asks: boolean, more: object = {}): Id => {
        const id = ++ids;
        sent.push(id);
        const can = asks ? { roots: {} } : {};
        send({ id, method: 'tools/call', params: { name: 'a', ...more, ...envelope(can) } });
        return id;
      };
      const live = () => server.peers.filter((peer) => !peer.isClosed);
      const open = () =>
        live().flatMap((peer) =>
          peer.sent
            .filter(
              ({ method, id }) => method === 'tools/call' && !peer.sent.some((m) => m.params?.['requestId'] === id),
            )
            .map(({ id }) => ({ peer, id: id as Id })),
        );
      const states = () => ear.heard.flatMap(({ result }) => result?.['requestState'] ?? []);
      const asked: { readonly peer: (typeof server.peers)[number]; readonly id: string }[] = [];
      for (const one of steps) {
        switch (one.do) {
          case 'call':
            call(one.asks);
            break;
          case 'cancel': {
            const id = pick(sent, one.which);
            if (id === undefined || outcomes(ear, id) > 0) break;
            cancelled.add(id);
            send({ method: 'notifications/cancelled', params: { requestId: id } });
            break;
          }
          case 'answer': {
            const to = pick(open(), one.which);
            to?.peer.say({ id: to.id, result: {} }, to.id);
            break;
          }
          case 'ask': {
            const to = pick(open(), one.which);
            if (to === undefined) break;
            const id = `s${asked.length}`;
            asked.push({ peer: to.peer, id });
            to.peer.say({ id, method: 'roots/list' }, correlates ? to.id : undefined);
            break;
          }
          case 'withdraw': {
            const ask = pick(asked, one.which);
            if (ask !== undefined) ask.peer.say({ method: 'notifications/cancelled', params: { requestId: ask.id } });
            break;
          }
          case 'retry':
          case 'replay': {
            const state = pick(one.do === 'retry' ? states().filter((s) => !used.has(s)) : states(), one.which);
            if (state === undefined) break;
            const inputResponses = Object.fromEntries([1, 2, 3].map((n) => [`roots-${n}`, { roots: [] }]));
            const wasUsed = used.has(state);
            const id = call(true, { requestState: state, inputResponses: one.which > 7 ? {} : inputResponses });
            await settled();
            if (wasUsed) expect(ear.answer(id)?.error?.code).toBe(-32602);
            used.set(state, id);
            break;
          }
          case 'end':
            if (one.which === 0) pick(live(), one.which)?.end('ended');
            break;
          case 'pass':
            await clock.pass(one.which * one.which * 300);
            break;
          default:
        }
        await settled();
        expect(live().length).toBeLessThanOrEqual(3);
      }
      for (let i = 0; i < 20; i++) {
        for (const { peer, id } of open()) peer.say({ id, result: {} }, id);
        await clock.pass(10_000);
      }
      for (const id of sent) {
        const count = outcomes(ear, id);
        if (cancelled.has(id)) expect(count).toBeLessThanOrEqual(1);
        else expect([id, count]).toEqual([id, 1]);
      }
      // Every question was answered, or its asker is gone or took it back.
      for (const { peer, id } of asked) {
        const answers = peer.sent.filter((message) => message.id === id && message.method === undefined);
        expect(answers.length).toBeLessThanOrEqual(1);
      }
      expect(ear.early).toBe(0);
      await clock.pass(400_000);
      expect(live()).toEqual([]);
      expect(clock.timers).toBe(0);
      await link.close();
    }),
    { numRuns: 150 },
  );
}, 60_000);

it('answers each request of a legacy client to a modern server once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const clock = new ManualClock();
      const result = { supportedVersions: ['2026-07-28'], capabilities: {} };
      const server = scripted(({ id, method }) => (method === 'server/discover' ? { id, result } : undefined));
      const { send, ear, link } = clientOf((events) =>
        asLegacy({ open: server.open, client: { name: 'c', version: '0' }, clock, random: counting() }, events),
      );
      send({ id: 0, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: { roots: {} } } });
      await settled();
      const peer = server.peers[0]!;
      const sent: Id[] = [0];
      const cancelled = new Set<Id>();
      const open = () => peer.sent.filter(({ method }) => method === 'tools/call').map(({ id }) => id as Id);
      for (const one of steps) {
        switch (one.do) {
          case 'call':
            sent.push(sent.length);
            send({ id: sent.length - 1, method: 'tools/call', params: { name: 'a' } });
            break;
          case 'cancel': {
            const id = pick(sent, one.which);
            if (id === undefined || outcomes(ear, id) > 0) break;
            cancelled.add(id);
            send({ method: 'notifications/cancelled', params: { requestId: id } });
            break;
          }
          case 'answer':
          case 'ask': {
            const id = pick(open(), one.which);
            const questions = { resultType: 'input_required', inputRequests: { a: { method: 'roots/list' } } };
            if (id !== undefined) peer.say({ id, result: one.do === 'ask' ? questions : {} });
            break;
          }
          case 'retry':
          case 'replay': {
            const question = pick(ear.told('roots/list'), one.which);
            const answer = one.which > 7 ? { error: { code: 1, message: 'no' } } : { result: { roots: [] } };
            if (question !== undefined) send({ id: question.id, ...answer });
            break;
          }
          case 'pass':
            await clock.pass(one.which * one.which * 300);
            break;
          default:
        }
        await settled();
      }
      for (let i = 0; i < 15; i++) {
        for (const id of open()) peer.say({ id, result: {} });
        await clock.pass(10_000);
      }
      for (const id of sent) {
        const count = outcomes(ear, id);
        if (cancelled.has(id)) expect(count).toBeLessThanOrEqual(1);
        else expect([id, count]).toEqual([id, 1]);
      }
      expect(ear.early).toBe(0);
      expect(clock.timers).toBe(0);
      await link.close();
    }),
    { numRuns: 150 },
  );
}, 60_000);
