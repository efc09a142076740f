import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startModel } from './model.mjs';

type Model = Awaited<ReturnType<typeof startModel>>;

/** One of the three APIs, as its clients speak it. */
interface Api {
  readonly name: string;
  readonly path: string;
  readonly streamPath: string;
  /** A request that offers tools, with the results so far. */
  ask(tools: readonly string[], results: readonly string[], isStream: boolean): object;
  /** What an answer says: the call as `name {arguments}`, or a text. Throws when it is in no form that the API has. */
  said(answer: Answer): string;
}

interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly text: string;
  /** What came in `data:` lines. */
  readonly events: readonly unknown[];
}

interface Block {
  readonly type: string;
  readonly text?: string;
  readonly name?: string;
  readonly input?: object;
}
interface AnthropicEvent {
  readonly type: string;
  readonly content_block?: Block;
  readonly delta?: { readonly text?: string; readonly partial_json?: string; readonly stop_reason?: string };
}
interface OpenaiItem {
  readonly type: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly arguments?: string;
  readonly content?: readonly { readonly text: string }[];
}
interface OpenaiResponse {
  readonly status: string;
  readonly output: readonly OpenaiItem[];
}
interface OpenaiEvent {
  readonly type: string;
  readonly sequence_number: number;
  readonly response?: OpenaiResponse;
}
interface GeminiPart {
  readonly text?: string;
  readonly functionCall?: { readonly name: string; readonly args: object };
}
interface GeminiAnswer {
  readonly candidates: readonly [
    { readonly finishReason?: string; readonly content: { readonly parts: GeminiPart[] } },
  ];
}

const SCRIPT = [
  { tool: 'echo', args: { message: 'ü "quoted"' } },
  { tool: 'get-sum', args: { a: 2, b: 3 } },
];

const anthropic: Api = {
  name: 'anthropic',
  path: '/v1/messages?beta=true',
  streamPath: '/v1/messages?beta=true',
  ask: (tools, results, stream) => ({
    model: 'm',
    stream,
    tools: tools.map((name) => ({ name, input_schema: { type: 'object' } })),
    messages: [
      { role: 'user', content: 'go' },
      ...results.map((text) => ({
        role: 'user',
        content: [{ type: 'tool_result', tool_use_id: 'x', content: [{ type: 'text', text }] }],
      })),
    ],
  }),
  said(answer) {
    if (answer.events.length === 0) {
      const { content } = JSON.parse(answer.text) as { content: readonly [Block] };
      const [{ name, input, text = `${name} ${JSON.stringify(input)}` }] = content;
      return text;
    }
    const events = answer.events as readonly AnthropicEvent[];
    expect(events.map(({ type }) => type)).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    const opening = events[1]?.content_block;
    const whole = events
      .slice(2, 4)
      .map(({ delta }) => delta?.text ?? delta?.partial_json)
      .join('');
    expect(events[5]?.delta?.stop_reason).toBe(opening?.type === 'text' ? 'end_turn' : 'tool_use');
    return opening?.type === 'text' ? whole : `${opening?.name} ${whole}`;
  },
};

const openai: Api = {
  name: 'openai',
  path: '/v1/responses',
  streamPath: '/v1/responses',
  ask: (tools, results, stream) => ({
    model: 'm',
    stream,
    tools: tools.map((name) => ({ type: 'function', name, parameters: { type: 'object' } })),
    input: [
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'go' }] },
      ...results.map((output) => ({ type: 'function_call_output', call_id: 'x', output })),
    ],
  }),
  said({ events: unknowns, text }) {
    const events = unknowns as readonly OpenaiEvent[];
    const last = events.at(-1) ?? {
      type: 'response.completed',
      response: JSON.parse(text) as OpenaiResponse,
    };
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, n) => n));
    expect([last.type, last.response?.status]).toEqual(['response.completed', 'completed']);
    const item = last.response?.output[0];
    if (item?.type === 'message') return item.content?.[0]?.text ?? '';
    return `${item?.namespace === undefined ? '' : `${item.namespace}/`}${item?.name} ${item?.arguments}`;
  },
};

const gemini: Api = {
  name: 'gemini',
  path: '/v1beta/models/gemini-2.5-flash:generateContent',
  streamPath: '/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse',
  ask: (tools, results) => ({
    tools: [{ functionDeclarations: tools.map((name) => ({ name })) }],
    contents: [
      { role: 'user', parts: [{ text: 'go' }] },
      ...results.map((output) => ({
        role: 'user',
        parts: [{ functionResponse: { name: 'x', response: { output } } }],
      })),
    ],
  }),
  said({ events, text }) {
    const answers = (events.length === 0 ? [JSON.parse(text)] : events) as readonly GeminiAnswer[];
    expect(answers.at(-1)?.candidates[0].finishReason).toBe('STOP');
    return answers
      .flatMap(({ candidates }) => candidates[0].content.parts)
      .map(({ functionCall: call, text: words }) =>
        call === undefined ? words : `${call.name} ${JSON.stringify(call.args)}`,
      )
      .join('');
  },
};

let model: Model;
beforeEach(async () => {
  model = await startModel(SCRIPT, 'gw');
});
afterEach(async () => model.close());

async function post(path: string, body: unknown): Promise<Answer> {
  const answer = await fetch(`${model.url}${path}`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await answer.text();
  const events = text
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line): unknown => JSON.parse(line.slice(6)));
  return { status: answer.status, type: answer.headers.get('content-type'), text, events };
}

describe.each([anthropic, openai, gemini])('the scripted model, asked through $name,', (api) => {
  const tools = ['Bash', 'mcp__gw__get_sum', 'mcp__gw__echo'];

  async function ask(results: readonly string[], isStream: boolean, offered: readonly string[] = tools) {
    const answer = await post(isStream ? api.streamPath : api.path, api.ask(offered, results, isStream));
    expect([answer.status, answer.type]).toEqual([200, isStream ? 'text/event-stream' : 'application/json']);
    expect(answer.events.length > 0).toBe(isStream);
    return api.said(answer);
  }

  it.each([true, false])('calls the tools of the script one by one, then ends (streaming: %s)', async (isStream) => {
    expect(await ask([], isStream)).toBe('mcp__gw__echo {"message":"ü \\"quoted\\""}');
    expect(await ask(['ü'], isStream)).toBe('mcp__gw__get_sum {"a":2,"b":3}');
    expect(await ask(['ü', '5'], isStream)).toBe('All 2 calls are made.');
    expect(model.turns.map(({ results, called }) => [results, called])).toEqual([
      [[], 'mcp__gw__echo'],
      [['ü'], 'mcp__gw__get_sum'],
      [['ü', '5'], undefined],
    ]);
    expect(model.turns[0]?.tools).toEqual(tools);
  });

  it('says the same to a request that is sent again', async () => {
    expect(await ask(['ü'], true)).toBe(await ask(['ü'], true));
  });

  it('takes no tool of another server, and none whose name only ends alike', async () => {
    expect(await ask([], true, ['echo', 'mcp__other__echo', 'mcp__gw__noecho'])).toBe('There is no echo.');
    expect(model.turns[0]?.missing).toBe('echo');
  });

  it('answers a question without tools, which is no turn of the script', async () => {
    expect(await ask([], false, [])).toBe('Nothing to add.');
    expect(model.turns).toEqual([]);
  });

  it('refuses what is not JSON', async () => {
    expect(await post(api.path, '{')).toMatchObject({ status: 400 });
  });
});

describe('the scripted model', () => {
  it('calls a tool in a namespace with the namespace', async () => {
    const tools = [{ type: 'namespace', name: 'mcp__gw', tools: [{ name: 'get_sum' }, { name: 'echo' }] }];
    const answer = await post('/v1/responses', { tools, input: 'go', stream: true });
    expect(openai.said(answer)).toBe('mcp__gw/echo {"message":"ü \\"quoted\\""}');
  });

  it('counts tokens', async () => {
    expect(JSON.parse((await post('/v1/messages/count_tokens', {})).text)).toEqual({ input_tokens: 12 });
    expect(JSON.parse((await post('/v1beta/models/g:countTokens', {})).text)).toEqual({ totalTokens: 12 });
  });

  it('says what it was asked that none of the three APIs has', async () => {
    expect(await post('/v1/telemetry', {})).toMatchObject({ status: 404 });
    expect(model.strays).toEqual(['POST /v1/telemetry']);
  });

  it('refuses a request that is too long', async () => {
    expect(await post('/v1/messages', ' '.repeat((16 << 20) + 1))).toMatchObject({ status: 400 });
  });
});
