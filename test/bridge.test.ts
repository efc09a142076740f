import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bench, realServer } from './peers/gate.ts';
import { keyOf, post, serve, type Served } from './peers/serve.ts';

const POLICY = `version: 1
default: deny
rules:
  - id: spends
    match: { tool: trigger-sampling-request }
    effect: allow
    obligations:
      - budget: { key: [tool, day], amount: 1, max: 2 }
  - { id: no-roots, match: { method: roots/list, direction: request }, effect: deny, reason: The files are private. }
  - { id: all, match: { method: "*" }, effect: allow }
`;
const CAPABILITIES = { sampling: {}, elicitation: { form: {} }, roots: {} };
const SAMPLED = { role: 'assistant', model: 'm', stopReason: 'endTurn', content: { type: 'text', text: 'sampled' } };

let bench: Bench;
let gates: Served[];
let ids: number;
beforeEach(() => {
  bench = new Bench(POLICY);
  gates = [];
  ids = 0;
});
afterEach(async () => {
  await Promise.all(gates.map(async (gate) => gate.stop()));
  bench.remove();
});

async function start(): Promise<Served> {
  const gate = await serve(bench, '--auth', 'anonymous', '--', ...realServer('everything'));
  gates.push(gate);
  return gate;
}

interface Round {
  readonly result?: {
    readonly resultType?: string;
    readonly requestState?: string;
    readonly inputRequests?: Readonly<Record<string, { readonly method: string }>>;
    readonly content?: readonly { readonly text?: string }[];
    readonly isError?: boolean;
  };
  readonly error?: { readonly code: number; readonly message: string; readonly data?: { readonly reason?: string } };
}

/** One request of a modern client: a call of the tool that asks for sampling, unless more says otherwise. */
async function ask(gate: Served, more: object = {}, headers: Record<string, string> = {}): Promise<Round> {
  const params = {
    name: 'trigger-sampling-request',
    arguments: { prompt: 'say', maxTokens: 10 },
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': CAPABILITIES,
    },
    ...more,
  };
  const answer = await post(
    gate.url,
    { id: ++ids, method: 'tools/call', params },
    { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': params.name, ...headers },
  );
  return JSON.parse(answer.text.replace(/^data: /m, '')) as Round;
}

/** What a client answers to everything that it was asked. */
const answersTo = ({ result }: Round, answer: object = SAMPLED) => ({
  requestState: result?.requestState,
  inputResponses: Object.fromEntries(Object.keys(result?.inputRequests ?? {}).map((key) => [key, answer])),
});
const textOf = ({ result, error }: Round): string => result?.content?.[0]?.text ?? error?.message ?? '';

describe('what a server of the older protocol asks a client of the newer one', () => {
  it('comes as input_required, and the retry brings the result', async () => {
    const gate = await start();
    const first = await ask(gate);
    expect(first.result).toMatchObject({ resultType: 'input_required' });
    expect(Object.values(first.result?.inputRequests ?? {})).toMatchObject([{ method: 'sampling/createMessage' }]);
    const done = await ask(gate, answersTo(first));
    expect(done.result?.resultType).toBe('complete');
    expect(textOf(done)).toContain('sampled');
  });

  it('charges the budget of a call once, whatever its rounds', async () => {
    const gate = await start();
    for (const expected of ['sampled', 'sampled']) {
      const first = await ask(gate);
      expect(textOf(await ask(gate, answersTo(first)))).toContain(expected);
    }
    expect(textOf(await ask(gate))).toContain('rule "spends"');
  });

  it.each([
    ['used twice', (first: Round) => answersTo(first), {}],
    ['altered', (first: Round) => ({ ...answersTo(first), requestState: altered(first.result?.requestState) }), {}],
    [
      'for other arguments',
      (first: Round) => ({ ...answersTo(first), arguments: { prompt: 'other', maxTokens: 10 } }),
      {},
    ],
    ['made up', (first: Round) => ({ ...answersTo(first), requestState: 'eyJ4IjoxfQ' }), {}],
  ])('does not go on under a state that is %s', async (what, retry) => {
    const gate = await start();
    const first = await ask(gate);
    if (what === 'used twice') await ask(gate, answersTo(first));
    const again = await ask(gate, retry(first));
    expect(textOf(again)).not.toContain('sampled');
    expect(again.error ?? again.result).toBeDefined();
  });

  it('is answered by the principal that was asked, and no other', async () => {
    const gate = await start();
    const first = await ask(gate);
    const other = await ask(gate, answersTo(first), { authorization: `Bearer ${keyOf(bench)}` });
    expect(textOf(other)).not.toContain('sampled');
    expect(textOf(await ask(gate, answersTo(first)))).toContain('sampled');
  });

  it('is answered where it was asked: another replica refuses', async () => {
    const [one, two] = [await start(), await start()];
    const first = await ask(one);
    const other = await ask(two, answersTo(first));
    expect(textOf(other)).not.toContain('sampled');
  });

  it('is judged itself: what the policy denies is refused to the server, and the call goes on', async () => {
    const gate = await start();
    // This server asks for roots by itself, in the middle of whatever call.
    for (let round = 0; round < 6; round++) {
      const called = await ask(gate, { name: 'echo', arguments: { message: 'hi' } });
      expect(JSON.stringify(called)).not.toContain('roots');
      expect(textOf(called)).toBe('Echo: hi');
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    await gate.stop();
    const asked = (await bench.logs()).filter(({ method }) => method === 'roots/list');
    expect(asked.map(({ matchedRule, direction }) => [matchedRule, direction])).toContainEqual(['no-roots', 'request']);
  });

  it('answers of the client are judged again as a call of their own round', async () => {
    const gate = await start();
    const first = await ask(gate);
    await ask(gate, answersTo(first));
    await gate.stop();
    const rounds = (await bench.logs()).filter(({ toolName }) => toolName === 'trigger-sampling-request');
    expect(rounds.filter(({ direction }) => direction === 'call')).toHaveLength(2);
  });
});

/** The state with one character changed. */
function altered(state = ''): string {
  const at = state.length >> 1;
  return `${state.slice(0, at)}${state[at] === 'A' ? 'B' : 'A'}${state.slice(at + 1)}`;
}
