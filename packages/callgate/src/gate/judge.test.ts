import { describe, expect, it } from 'vitest';
import { judgeOf } from './testing.ts';

const RULES = `
  - { id: all, match: { method: "*" }, effect: allow }
  - { id: no-answer, match: { direction: result, tool: hidden }, effect: deny }
`;
const FULL = new Error('full');

const parsed = (lines: readonly string[]) => lines.map((line) => JSON.parse(line) as { readonly id: number });

describe('when the log takes no more records', () => {
  it('the answer to a call that went before is delivered', () => {
    const { broken, toClient, call, answer } = judgeOf(RULES);
    const id = call('echo');
    broken.append = FULL;
    answer(id);
    expect(parsed(toClient)).toMatchObject([{ id, result: { content: [] } }]);
  });

  it('an answer that is denied is still answered, and not delivered', () => {
    const { broken, toClient, call, answer } = judgeOf(RULES);
    const id = call('hidden');
    broken.append = FULL;
    answer(id);
    expect(parsed(toClient)).toMatchObject([{ id, error: { code: -31005 } }]);
  });

  it('no call goes to the server, each is answered, and the session ends in order', () => {
    const { judge, broken, toServer, toClient, call } = judgeOf(RULES);
    const went = call('echo');
    broken.append = FULL;
    const stayed = call('echo');
    expect(toServer).toHaveLength(1);
    judge.serverEnded('ended');
    judge.close();
    expect(parsed(toClient).map(({ id }) => id)).toEqual([stayed, went]);
  });
});
