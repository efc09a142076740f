import { HINTS } from './annotations.ts';
import { flag, type Shape, text } from './schema-shape.ts';

export const DIRECTIONS = ['call', 'result', 'request', 'answer'] as const;

const regexOnly: Shape = {
  kind: 'map',
  one: true,
  keys: { regex: { shape: text, doc: 'RE2 pattern, unanchored: use ^ and $ to match the whole name.' } },
  aliases: { re: 'regex', pattern: 'regex', matches: 'regex' },
};
const name: Shape = { kind: 'either', options: [text, regexOnly] };
const names: Shape = {
  kind: 'ref',
  name: 'names',
  to: () => ({ kind: 'either', options: [name, { kind: 'list', of: name }] }),
};

const direction: Shape = {
  kind: 'text',
  oneOf: DIRECTIONS,
  aliases: { response: 'result', output: 'result', input: 'call' },
};

/** `match` of a rule. */
export const match: Shape = {
  kind: 'map',
  aliases: { uri: 'resource', tools: 'tool', servers: 'server', role: 'roles', methods: 'method', arguments: 'args' },
  notYet: { principal: '`roles`, or `when: principal.id == "..."`' },
  keys: {
    server: { shape: names, doc: 'The operator\'s name of the server: exact, glob (`*`, `?`), or { regex: "..." }.' },
    tool: { shape: names, doc: "The server's own tool name. Implies method tools/call." },
    prompt: { shape: names, doc: 'Prompt name. Implies method prompts/get.' },
    resource: { shape: names, doc: 'Resource URI. Implies methods resources/read, subscribe and unsubscribe.' },
    method: { shape: names, doc: 'Protocol method, such as "sampling/createMessage"; "*" covers every message.' },
    direction: {
      shape: { kind: 'either', options: [direction, { kind: 'list', of: direction }] },
      doc: 'call (default), result, request (server to client) or answer. A rule that names a method covers request too.',
    },
    roles: { shape: names, doc: 'The principal has at least one of these roles.' },
    annotations: {
      shape: {
        kind: 'map',
        keys: Object.fromEntries(HINTS.map((hint) => [hint, { shape: flag, doc: `The tool's ${hint}.` }])),
      },
      doc: 'What the server says about the tool; known only where the operator trusts the server for it. Implies tools/call.',
    },
  },
};
