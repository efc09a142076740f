// The Anthropic Messages API, as far as Claude Code uses it.
const USAGE = { input_tokens: 12, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 1 };

export const anthropic = {
  name: 'anthropic',
  speaks: (path) => path === '/v1/messages' || path === '/v1/messages/count_tokens',
  counts: (path) => path.endsWith('/count_tokens'),
  count: { input_tokens: 12 },
  streams: (_path, { stream }) => stream === true,

  tools: ({ tools = [] }) => tools.map(({ name }) => ({ name })),
  results: ({ messages = [] }) =>
    messages
      .flatMap(({ content }) => (Array.isArray(content) ? content : []))
      .filter(({ type }) => type === 'tool_result')
      .map(({ content }) => textOf(content)),

  whole(say, question) {
    const block = say.tool === undefined ? { type: 'text', text: say.text } : { ...openingOf(say), input: say.args };
    return { ...messageFor(question), content: [block], stop_reason: reasonOf(say) };
  },

  *stream(say, question) {
    yield event({ type: 'message_start', message: messageFor(question) });
    yield event({ type: 'content_block_start', index: 0, content_block: openingOf(say) });
    for (const delta of deltasOf(say)) yield event({ type: 'content_block_delta', index: 0, delta });
    yield event({ type: 'content_block_stop', index: 0 });
    yield event({
      type: 'message_delta',
      delta: { stop_reason: reasonOf(say), stop_sequence: null },
      usage: { output_tokens: 9 },
    });
    yield event({ type: 'message_stop' });
  },
};

const event = (data) => ({ event: data.type, data });
const reasonOf = (say) => (say.tool === undefined ? 'end_turn' : 'tool_use');

const messageFor = ({ model }) => ({
  id: 'msg_scripted',
  type: 'message',
  role: 'assistant',
  model,
  content: [],
  stop_reason: null,
  stop_sequence: null,
  usage: USAGE,
});

const openingOf = ({ tool, nth }) =>
  tool === undefined
    ? { type: 'text', text: '' }
    : { type: 'tool_use', id: `toolu_scripted${nth}`, name: tool.name, input: {} };

/** In two parts, as a model's words come: an agent must put them together. */
function deltasOf({ tool, args, text }) {
  const [type, key, whole] =
    tool === undefined ? ['text_delta', 'text', text] : ['input_json_delta', 'partial_json', JSON.stringify(args)];
  const middle = whole.length >> 1;
  return [whole.slice(0, middle), whole.slice(middle)].map((part) => ({ type, [key]: part }));
}

function textOf(content) {
  if (typeof content === 'string') return content;
  return (content ?? []).map((block) => block.text ?? JSON.stringify(block)).join('\n');
}
