import { afterEach, describe, expect, it } from 'vitest';
import { Bench } from './peers/gate.ts';
import { type RawClient, textOf } from './peers/raw-client.ts';

let bench: Bench;
afterEach(async () => bench.close());

/** What server A has shown keeps calls from server B. */
const POLICY = `version: 1
rules:
  - { id: taints, match: { server: a, tool: give }, effect: allow, obligations: [{ label: { add: [secret] } }] }
  - { id: no-way-out, match: { server: b }, when: "'secret' in labels", effect: deny }
  - { id: not-often, match: { server: b }, when: "count('echo', '10m') >= 3", effect: deny }
  - { id: all, match: { method: "*" }, effect: allow }
`;

/** Connects to a gate of its own in front of the echo server under this name. */
async function gate(name: string, env: Record<string, string> = {}): Promise<RawClient> {
  return bench.connect(bench.gated(bench.echo(), { name }), { env: { ...bench.env, ...env } });
}

async function isDenied(client: RawClient, tool = 'echo'): Promise<string | undefined> {
  const answer = await client.call(tool, { message: 'x', value: 'x' });
  return answer.result?.isError === true ? /rule "([^"]*)"/.exec(textOf(answer))?.[1] : undefined;
}

describe('two gates that one agent has started', () => {
  it('share labels: what one server has shown keeps calls from the other', async () => {
    bench = new Bench(POLICY);
    const [a, b] = await Promise.all([gate('a'), gate('b')]);
    expect(await isDenied(b)).toBeUndefined();
    expect(await isDenied(a, 'give')).toBeUndefined();
    expect(await isDenied(b)).toBe('no-way-out');
  });

  it('share the history of calls', async () => {
    bench = new Bench(POLICY);
    const [a, b] = await Promise.all([gate('a'), gate('b')]);
    for (let n = 0; n < 3; n++) await isDenied(a);
    expect(await isDenied(b)).toBe('not-often');
  });

  it('still share them when the gate that gave a label was killed, and with a gate that is started later', async () => {
    bench = new Bench(POLICY);
    expect(await isDenied(await gate('a'), 'give')).toBeUndefined();
    await bench.kill();
    expect(await isDenied(await gate('b'))).toBe('no-way-out');
  });

  it('belong to the conversation that CALLGATE_SESSION names, and to no other', async () => {
    bench = new Bench(POLICY);
    const [one, same, other] = await Promise.all([
      gate('a', { CALLGATE_SESSION: 'one' }),
      gate('b', { CALLGATE_SESSION: 'one' }),
      gate('b', { CALLGATE_SESSION: 'two' }),
    ]);
    expect(await isDenied(one, 'give')).toBeUndefined();
    expect(await isDenied(same)).toBe('no-way-out');
    expect(await isDenied(other)).toBeUndefined();
  });

  it('are started through shells of their own, and are one all the same', async () => {
    bench = new Bench(POLICY);
    const inShell = async (name: string) => {
      const line = bench.gated(bench.echo(), { name }).map((word) => `'${word}'`);
      // The second command keeps the shell from replacing itself with the first.
      return bench.connect(['sh', '-c', `${line.join(' ')}; exit $?`]);
    };
    const [a, b] = [await inShell('a'), await inShell('b')];
    expect(await isDenied(a, 'give')).toBeUndefined();
    expect(await isDenied(b)).toBe('no-way-out');
  });
});
