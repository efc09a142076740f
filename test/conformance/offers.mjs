// The prompts and resources of the dual-era upstream.
import { inputRequired } from '@modelcontextprotocol/server';
import { ask, contentOf, PIXEL } from './content.mjs';

const user = (content) => ({ role: 'user', content });
const says = (text) => user({ type: 'text', text });

export const PROMPTS = [
  { name: 'test_simple_prompt', description: 'One message', get: () => [says('One plain message.')] },
  {
    name: 'test_prompt_with_arguments',
    description: 'One message that holds both arguments',
    arguments: [
      { name: 'arg1', description: 'The first', required: true },
      { name: 'arg2', description: 'The second', required: true },
    ],
    get: ({ arg1, arg2 }) => [says(`The first is '${arg1}', the second '${arg2}'.`)],
  },
  {
    name: 'test_prompt_with_embedded_resource',
    description: 'A resource and what to do with it',
    arguments: [{ name: 'resourceUri', description: 'Of the resource', required: true }],
    get: ({ resourceUri: uri }) => [
      user({ type: 'resource', resource: { uri, mimeType: 'text/plain', text: 'What the resource holds.' } }),
      says('Read it.'),
    ],
  },
  {
    name: 'test_prompt_with_image',
    description: 'An image and what to do with it',
    get: () => [user(PIXEL), says('Describe it.')],
  },
  {
    name: 'test_input_required_result_prompt',
    description: 'Asks for its context first',
    get: (_args, { answers }) => {
      const context = contentOf(answers, 'user_context')?.context;
      if (typeof context === 'string') return [says(`With this in mind: ${context}`)];
      const schema = { type: 'object', properties: { context: { type: 'string' } }, required: ['context'] };
      return inputRequired({ inputRequests: { user_context: ask('In which context?', schema) } });
    },
  },
];

const WATCHED = 'test://watched-resource';

export const RESOURCES = [
  { uri: 'test://static-text', name: 'Text', description: 'A text that stays as it is', mimeType: 'text/plain' },
  { uri: 'test://static-binary', name: 'Image', description: 'An image that stays as it is', mimeType: 'image/png' },
  { uri: WATCHED, name: 'Watched', description: 'A text that may be subscribed', mimeType: 'text/plain' },
];

export const TEMPLATES = [
  {
    uriTemplate: 'test://template/{id}/data',
    name: 'Data',
    description: 'What is known of an id',
    mimeType: 'application/json',
  },
];

/** What a URI holds. @returns undefined when there is nothing under it */
export function read(uri) {
  if (uri === 'test://static-text') return { uri, mimeType: 'text/plain', text: 'A text that stays as it is.' };
  if (uri === 'test://static-binary') return { uri, mimeType: 'image/png', blob: PIXEL.data };
  if (uri === WATCHED) return { uri, mimeType: 'text/plain', text: 'A text that may be subscribed.' };
  const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
  if (id === undefined) return undefined;
  return { uri, mimeType: 'application/json', text: JSON.stringify({ id, of: 'template' }) };
}
