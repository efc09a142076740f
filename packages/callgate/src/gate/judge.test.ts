import { describe, expect, it } from 'vitest';
import type { EvidenceRecord } from '../model/record.ts';
import { compilePolicy } from '../policy/compile.ts';
import { pathResolver } from './facts.ts';
import { Judge } from './judge.ts';

const POLICY = `version: 1
rules:
  - { id: all, match: { method: "*" }, effect: allow }
  - { id: no-answer, match: { direction: result, tool: hidden }, effect: deny }
`;

/** A judge whose log stops taking records when told to. */
function judgeWithLog() {
  const log = { full: false };
  const [toServer, toClient]: [string[], string[]] = [[], []];
  const box = (lines: string[]) => ({
    line: (bytes: Uint8Array, start: number, end: number) =>
      void lines.push(Buffer.from(bytes.subarray(start, end)).toString()),
    whole: (line: Uint8Array) => void lines.push(Buffer.from(line).toString()),
  });
  let sequence = 0;
  const policy = compilePolicy([{ file: 'policy.yaml', text: POLICY }], { variables: {}, sha256: () => '0' });
  const judge = new Judge({
    server: 'fx',
    principal: { id: 'os:me', roles: [], chain: [], assurance: 'same-user' },
    transport: 'stdio',
    policy: () => policy,
    evidence: {
      append(_record: EvidenceRecord) {
        if (log.full) throw new Error('full');
        return sequence++;
      },
      flush: () => undefined,
      synced: async () => undefined,
      idOf: (n) => `p-${n}`,
      close: async () => undefined,
    },
    limits: () => {
      throw new Error('no limits here');
    },
    budgets: () => {
      throw new Error('no budgets here');
    },
    floor: { mayTouch: () => false, judge: () => undefined },
    paths: pathResolver('/'),
    userHome: undefined,
    trustAnnotations: false,
    refusal: 'result',
    messageLimits: { depth: 128, keys: 1000 },
    inFlight: 10,
    pass: { unjudged: false, unrecorded: false },
    toServer: box(toServer),
    toClient: box(toClient),
    now: () => 0,
    mono: () => 0,
    warn: () => undefined,
  });
  const send = (from: 'client' | 'server', message: object): void => {
    const bytes = Buffer.from(JSON.stringify(message));
    judge.line(from, bytes, 0, bytes.length);
  };
  const call = (id: number, name: string) =>
    send('client', { jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: {} } });
  const answer = (id: number) => send('server', { jsonrpc: '2.0', id, result: { content: [] } });
  return { judge, log, toServer, toClient, call, answer };
}

describe('when the log takes no more records', () => {
  it('the answer to a call that went before is delivered', () => {
    const { log, toClient, call, answer } = judgeWithLog();
    call(1, 'echo');
    log.full = true;
    answer(1);
    expect(toClient.map((line) => JSON.parse(line) as object)).toMatchObject([{ id: 1, result: { content: [] } }]);
  });

  it('an answer that is denied is still answered, and not delivered', () => {
    const { log, toClient, call, answer } = judgeWithLog();
    call(1, 'hidden');
    log.full = true;
    answer(1);
    expect(toClient.map((line) => JSON.parse(line) as object)).toMatchObject([{ id: 1, error: { code: -31005 } }]);
  });

  it('no call goes to the server, each is answered, and the session ends in order', () => {
    const { judge, log, toServer, toClient, call } = judgeWithLog();
    call(1, 'echo');
    log.full = true;
    call(2, 'echo');
    expect(toServer).toHaveLength(1);
    judge.serverEnded('ended');
    judge.close();
    expect(toClient.map((line) => (JSON.parse(line) as { id: number }).id)).toEqual([2, 1]);
  });
});
