import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readMessage, type Message } from '../../protocol/message.ts';
import { Scanner } from '../../protocol/scan.ts';
import { Asks } from './asks.ts';
import type { Member } from './member.ts';

const tape = new Scanner();
const read = (message: object): Message => {
  const line = Buffer.from(JSON.stringify(message));
  const found = readMessage(tape, line, 0, line.length);
  if ('refused' in found) throw new Error(found.message);
  return found;
};
const idOf = (line: Uint8Array): string | number => (JSON.parse(Buffer.from(line).toString()) as { id: string }).id;
const memberOf = (index: number, generation: number): Member => ({ index, generation }) as unknown as Member;

describe('ids of what servers ask', () => {
  it('are never the same for two servers, two of their conversations or two requests, and lead back', () => {
    const id = fc.oneof(fc.maxSafeInteger(), fc.string(), fc.constantFrom(1, '1', '0.1:1', ':', '"', '__proto__'));
    const asked = fc.record({ index: fc.nat(2), id });
    fc.assert(
      fc.property(fc.uniqueArray(asked, { selector: (one) => `${one.index} ${JSON.stringify(one.id)}` }), (all) => {
        const members = [0, 1, 2].map((index) => memberOf(index, 1));
        const asks = new Asks();
        const shown = all.map(({ index, id: own }) =>
          idOf(asks.outward(members[index]!, tape, read({ jsonrpc: '2.0', id: own, method: 'ping' }))!),
        );
        expect(new Set(shown).size).toBe(all.length);
        for (const [i, one] of all.entries()) {
          const back = asks.inward(tape, read({ jsonrpc: '2.0', id: shown[i], result: {} }))!;
          expect(back.member.index).toBe(one.index);
          expect(idOf(back.line)).toBe(one.id);
          expect(asks.inward(tape, read({ jsonrpc: '2.0', id: shown[i], result: {} }))).toBeUndefined();
        }
      }),
    );
  });

  it('of a conversation that is over lead nowhere', () => {
    const asks = new Asks();
    const member = memberOf(0, 1);
    const shown = idOf(asks.outward(member, tape, read({ jsonrpc: '2.0', id: 1, method: 'ping' }))!);
    (member as { generation: number }).generation = 2;
    expect(asks.inward(tape, read({ jsonrpc: '2.0', id: shown, result: {} }))).toBeUndefined();
  });

  it('are asked for once at a time', () => {
    const asks = new Asks();
    const member = memberOf(0, 1);
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    expect(asks.outward(member, tape, read(ping))).toBeDefined();
    expect(asks.outward(member, tape, read(ping))).toBeUndefined();
  });
});
