// The tools of the dual-era upstream. Each is written once: what it asks of the client it returns as input requests, which
// the SDK turns into real requests for a client of the sessions' era.
import { inputRequired, MissingRequiredClientCapabilityError } from '@modelcontextprotocol/server';
import { ask, contentOf, PIXEL, sampledText, SILENCE, text } from './content.mjs';

const tool = (name, description, call, inputSchema = { type: 'object' }) => ({ name, description, inputSchema, call });

const pause = (ms) =>
  new Promise((done) => {
    setTimeout(done, ms);
  });

const plain = [
  tool('test_simple_text', 'Answers with one text', () => text('One plain text.')),
  tool('test_image_content', 'Answers with an image', () => ({ content: [PIXEL] })),
  tool('test_audio_content', 'Answers with a sound', () => ({ content: [SILENCE] })),
  tool('test_embedded_resource', 'Answers with a resource inside', () => ({
    content: [resource('test://embedded-resource', 'text/plain', 'What the resource holds.')],
  })),
  tool('test_multiple_content_types', 'Answers with a text, an image and a resource', () => ({
    content: [
      { type: 'text', text: 'Three kinds of content follow one another.' },
      PIXEL,
      resource('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
    ],
  })),
  tool('test_error_handling', 'Always fails', () => text('This tool fails whenever it is called.', { isError: true })),
];

const speaking = [
  tool('test_tool_with_logging', 'Logs three lines while it works', logThrice),
  tool('test_logging_tool', 'Logs three lines, to those who asked for them', logThrice),
  tool('test_tool_with_progress', 'Reports its progress in three steps', async (_args, { progress }) => {
    for (const done of [0, 50, 100]) {
      await progress(done, 100);
      await pause(20);
    }
    return text('All of it is done.');
  }),
  tool(
    'test_reconnection',
    'Ends the stream of its call, so that the client comes back for the answer',
    async (_args, { hangUp }) => {
      hangUp();
      await pause(100);
      return text('The client came back.');
    },
  ),
  tool('test_trigger_tool_change', 'Says that the list of tools changed', async (_args, { changed }) => {
    await changed('tools');
    return text('The change is told.');
  }),
  tool('test_trigger_prompt_change', 'Says that the list of prompts changed', async (_args, { changed }) => {
    await changed('prompts');
    return text('The change is told.');
  }),
];

/** Tools with which a server of the sessions' era asks its client while it works. */
const asking = [
  tool(
    'test_sampling',
    'Has the model of the client answer a prompt',
    ({ prompt }, { answers }) => {
      const said = sampledText(answers, 'answer');
      return said === undefined
        ? inputRequired({ inputRequests: { answer: sample(String(prompt), 100) } })
        : text(`The model said: ${said}`);
    },
    { type: 'object', properties: { prompt: { type: 'string' } }, required: ['prompt'] },
  ),
  tool(
    'test_elicitation',
    'Asks the user what the call says',
    ({ message }, { answers }) =>
      formOnce(answers, String(message), {
        type: 'object',
        properties: { username: { type: 'string' }, email: { type: 'string' } },
        required: ['username', 'email'],
      }),
    { type: 'object', properties: { message: { type: 'string' } }, required: ['message'] },
  ),
  tool('test_elicitation_sep1034_defaults', 'Asks for values that all have defaults', (_args, { answers }) =>
    formOnce(answers, 'Correct what is wrong.', {
      type: 'object',
      properties: {
        name: { type: 'string', default: 'John Doe' },
        age: { type: 'integer', default: 30 },
        score: { type: 'number', default: 95.5 },
        status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
        verified: { type: 'boolean', default: true },
      },
      required: [],
    }),
  ),
  tool('test_elicitation_sep1330_enums', 'Asks for choices of all five forms', (_args, { answers }) =>
    formOnce(answers, 'Choose.', {
      type: 'object',
      properties: {
        untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
        titledSingle: { type: 'string', oneOf: titled('First Option', 'Second Option', 'Third Option') },
        legacyEnum: {
          type: 'string',
          enum: ['opt1', 'opt2', 'opt3'],
          enumNames: ['Option One', 'Option Two', 'Option Three'],
        },
        untitledMulti: { type: 'array', items: { type: 'string', enum: ['option1', 'option2', 'option3'] } },
        titledMulti: { type: 'array', items: { anyOf: titled('First Choice', 'Second Choice', 'Third Choice') } },
      },
      required: [],
    }),
  ),
  tool('test_streaming_elicitation', 'Asks for a name', (_args, { answers }) =>
    formOnce(answers, 'Who are you?', nameSchema('name')),
  ),
];

/** Tools of 2026-07-28 that come back with questions instead of a result. */
const rounds = [
  tool('test_input_required_result_elicitation', 'Asks for a name and greets', (_args, { answers }) => {
    const name = contentOf(answers, 'user_name')?.name;
    return typeof name === 'string'
      ? text(`Hello, ${name}!`)
      : inputRequired({ inputRequests: { user_name: askName() } });
  }),
  tool('test_input_required_result_sampling', 'Asks the model for a capital', (_args, { answers }) => {
    const said = sampledText(answers, 'capital_question');
    return said === undefined
      ? inputRequired({ inputRequests: { capital_question: sample('Which city is the capital of France?', 100) } })
      : text(said);
  }),
  tool('test_input_required_result_list_roots', 'Asks for the roots of the client', (_args, { answers }) => {
    const roots = answers?.client_roots?.roots;
    return Array.isArray(roots)
      ? text(`Roots: ${roots.map(({ uri }) => uri).join(' ')}`)
      : inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
  }),
  tool('test_input_required_result_request_state', 'Asks, and keeps its state with the client', confirmed),
  tool('test_input_required_result_tampered_state', 'Asks, and takes back no state that it did not give', confirmed),
  tool(
    'test_input_required_result_multiple_inputs',
    'Asks three things at once',
    async (_args, { answers, state, mint }) =>
      state !== undefined &&
      contentOf(answers, 'user_name') !== undefined &&
      sampledText(answers, 'greeting') !== undefined &&
      Array.isArray(answers.client_roots?.roots)
        ? text(`All three answers for ${contentOf(answers, 'user_name').name} are here.`)
        : inputRequired({
            inputRequests: {
              user_name: askName(),
              greeting: sample('Greet somebody.', 50),
              client_roots: inputRequired.listRoots(),
            },
            requestState: await mint({ round: 1 }),
          }),
  ),
  tool(
    'test_input_required_result_multi_round',
    'Asks twice, one after the other',
    async (_args, { answers, state, mint }) => {
      if (state?.round === 2 && typeof contentOf(answers, 'step2')?.color === 'string') {
        return text(`${state.name} likes ${contentOf(answers, 'step2').color}.`);
      }
      const name = contentOf(answers, 'step1')?.name;
      if (state?.round === 1 && typeof name === 'string') {
        const step2 = ask('Second question: which colour do you like?', nameSchema('color'));
        return inputRequired({ inputRequests: { step2 }, requestState: await mint({ round: 2, name }) });
      }
      const step1 = ask('First question: what is your name?', nameSchema('name'));
      return inputRequired({ inputRequests: { step1 }, requestState: await mint({ round: 1 }) });
    },
  ),
  tool(
    'test_input_required_result_capabilities',
    'Asks only what the client can answer',
    (_args, { answers, capabilities }) => {
      if (Object.keys(answers ?? {}).length > 0) return text('The client answered.');
      const inputRequests = {
        ...(capabilities.elicitation && { user_name: askName() }),
        ...(capabilities.sampling && { greeting: sample('Greet somebody.', 50) }),
      };
      return Object.keys(inputRequests).length === 0
        ? text('The client can answer nothing.')
        : inputRequired({ inputRequests });
    },
  ),
];

const strict = [
  // A server of the sessions' era asks without a look at what the client can do: who stands between has to know.
  tool('test_missing_capability', 'Needs the model of the client', async (_args, { isLegacy, capabilities, send }) => {
    if (!isLegacy && !capabilities.sampling) {
      throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { sampling: {} } });
    }
    if (isLegacy) await send(sample('Anything.', 10));
    return text('The client can sample.');
  }),
  tool('test_header_param', 'Takes a value that also goes into a header', ({ region }) => text(`Region: ${region}`), {
    type: 'object',
    properties: { region: { type: 'string', 'x-mcp-header': 'Region' } },
    required: ['region'],
  }),
  tool('json_schema_2020_12_tool', 'Has a schema with the words of 2020-12', () => text('The schema was kept.'), {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    $defs: {
      address: {
        $anchor: 'addressDef',
        type: 'object',
        properties: { street: { type: 'string' }, city: { type: 'string' } },
      },
    },
    properties: {
      name: { type: 'string' },
      address: { $ref: '#/$defs/address' },
      contactMethod: { type: 'string', enum: ['phone', 'email'] },
      phone: { type: 'string' },
      email: { type: 'string' },
    },
    allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
    if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
    then: { required: ['phone'] },
    else: { required: ['email'] },
    additionalProperties: false,
  }),
];

export const TOOLS = [...plain, ...speaking, ...asking, ...rounds, ...strict];

async function logThrice(_args, { log }) {
  for (const line of ['It begins.', 'It goes on.', 'It is done.']) {
    await log('info', line);
    await pause(20);
  }
  return text('Three lines were logged.');
}

/** Asks with a state that only this server can have made, and is content when it comes back. */
async function confirmed(_args, { answers, state, mint }) {
  if (state?.asked === 'ok' && contentOf(answers, 'confirm') !== undefined) return text('state-ok');
  const schema = { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'] };
  return inputRequired({
    inputRequests: { confirm: ask('Shall it be so?', schema) },
    requestState: await mint({ asked: 'ok' }),
  });
}

function formOnce(answers, message, schema) {
  const answer = answers?.form;
  if (typeof answer?.action !== 'string') return inputRequired({ inputRequests: { form: ask(message, schema) } });
  return text(`The user chose ${answer.action}: ${JSON.stringify(answer.content ?? {})}`);
}

function resource(uri, mimeType, content) {
  return { type: 'resource', resource: { uri, mimeType, text: content } };
}

function sample(prompt, maxTokens) {
  return inputRequired.createMessage({
    messages: [{ role: 'user', content: { type: 'text', text: prompt } }],
    maxTokens,
  });
}

function nameSchema(name) {
  return { type: 'object', properties: { [name]: { type: 'string' } }, required: [name] };
}

function askName() {
  return ask('What is your name?', nameSchema('name'));
}

function titled(...titles) {
  return titles.map((title, index) => ({ const: `value${index + 1}`, title }));
}
