// The Gemini API, as far as Gemini CLI uses it.
const PATH = /^\/v1(?:beta)?\/models\/[^/:]+:(generateContent|streamGenerateContent|countTokens)$/;
const methodOf = (path) => PATH.exec(path)?.[1];

export const gemini = {
  name: 'gemini',
  speaks: (path) => methodOf(path) !== undefined,
  counts: (path) => methodOf(path) === 'countTokens',
  count: { totalTokens: 12 },
  streams: (path) => methodOf(path) === 'streamGenerateContent',

  tools: ({ tools = [] }) =>
    tools.flatMap(({ functionDeclarations = [] }) => functionDeclarations.map(({ name }) => ({ name }))),
  results: ({ contents = [] }) =>
    contents
      .flatMap(({ parts = [] }) => parts)
      .filter((part) => part.functionResponse !== undefined)
      .map(({ functionResponse: { response } }) => response?.output ?? response?.error ?? JSON.stringify(response)),

  whole: (say) => chunkOf(partOf(say), 'STOP'),

  /** A text in two parts; a function call is always whole. */
  *stream(say) {
    if (say.tool === undefined) yield { data: chunkOf({ text: say.text.slice(0, 4) }) };
    yield { data: chunkOf(say.tool === undefined ? { text: say.text.slice(4) } : partOf(say), 'STOP') };
  },
};

const partOf = ({ tool, args, text }) => (tool === undefined ? { text } : { functionCall: { name: tool.name, args } });

function chunkOf(part, finishReason) {
  return {
    candidates: [{ index: 0, content: { role: 'model', parts: [part] }, ...(finishReason && { finishReason }) }],
    usageMetadata: { promptTokenCount: 12, candidatesTokenCount: 9, totalTokenCount: 21 },
  };
}
