// The OpenAI Responses API, as far as Codex uses it.
const USAGE = {
  input_tokens: 12,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens: 9,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 21,
};

export const openai = {
  name: 'openai',
  speaks: (path) => path === '/v1/responses',
  streams: (_path, { stream }) => stream === true,

  /** Tools of a server may come in a namespace, and are called with it. */
  tools: ({ tools = [] }) =>
    tools.flatMap((tool) =>
      tool.type === 'namespace'
        ? tool.tools.map(({ name }) => ({ name, namespace: tool.name }))
        : tool.type === 'function'
          ? [{ name: tool.name }]
          : [],
    ),
  results: ({ input }) =>
    (Array.isArray(input) ? input : [])
      .filter(({ type }) => type === 'function_call_output')
      .map(({ output }) => textOf(output)),

  whole: (say) => responseOf('completed', [itemOf(say, 'completed')]),

  *stream(say) {
    let number = 0;
    const event = (type, rest) => ({ event: type, data: { type, sequence_number: number++, ...rest } });
    const item = itemOf(say, 'completed');
    const at = { item_id: item.id, output_index: 0 };
    yield event('response.created', { response: responseOf('in_progress', []) });
    yield event('response.output_item.added', { output_index: 0, item: itemOf(say, 'in_progress') });
    if (say.tool === undefined) {
      yield event('response.output_text.delta', { ...at, content_index: 0, delta: say.text });
      yield event('response.output_text.done', { ...at, content_index: 0, text: say.text });
    } else {
      yield event('response.function_call_arguments.delta', { ...at, delta: item.arguments });
      yield event('response.function_call_arguments.done', { ...at, arguments: item.arguments });
    }
    yield event('response.output_item.done', { output_index: 0, item });
    yield event('response.completed', { response: responseOf('completed', [item]) });
  },
};

const responseOf = (status, output) => ({
  id: 'resp_scripted',
  object: 'response',
  created_at: 0,
  status,
  output,
  usage: status === 'completed' ? USAGE : null,
});

function itemOf({ tool, args, nth, text }, status) {
  const isDone = status === 'completed';
  if (tool === undefined) {
    const content = isDone ? [{ type: 'output_text', text, annotations: [] }] : [];
    return { type: 'message', id: 'msg_scripted', role: 'assistant', status, content };
  }
  return {
    type: 'function_call',
    id: `fc_scripted${nth}`,
    call_id: `call_scripted${nth}`,
    ...tool,
    arguments: isDone ? JSON.stringify(args) : '',
    status,
  };
}

function textOf(output) {
  if (typeof output === 'string') return output;
  return (Array.isArray(output) ? output : [output]).map((part) => part.text ?? JSON.stringify(part)).join('\n');
}
