import { HINTS } from './hints.ts';

/**
 * The shape of a policy file, version 1. One table drives both the checking of documents (`document.ts`) and the JSON
 * Schema for editors (`toJsonSchema`).
 */
export type Shape =
  | { readonly kind: 'text'; readonly oneOf?: readonly string[]; readonly aliases?: Words; readonly pattern?: RegExp }
  | { readonly kind: 'number'; readonly integer?: boolean; readonly min?: number }
  | { readonly kind: 'boolean' }
  /** Text, number, boolean or null. */
  | { readonly kind: 'scalar' }
  | { readonly kind: 'list'; readonly of: Shape }
  | {
      readonly kind: 'map';
      readonly keys: Keys;
      readonly one?: boolean;
      readonly aliases?: Words;
      readonly notYet?: Words;
    }
  /** A map whose keys are the user's. */
  | { readonly kind: 'fields'; readonly of: Shape }
  /** The first option that fits the kind of node found. */
  | { readonly kind: 'either'; readonly options: readonly Shape[] }
  | { readonly kind: 'ref'; readonly name: string; readonly to: () => Shape };

export type Words = Readonly<Record<string, string>>;
export interface Key {
  readonly shape: Shape;
  readonly doc: string;
  readonly required?: boolean;
}
export type Keys = Readonly<Record<string, Key>>;

const text: Shape = { kind: 'text' };
const scalar: Shape = { kind: 'scalar' };
const flag: Shape = { kind: 'boolean' };
const textOrTexts: Shape = { kind: 'either', options: [text, { kind: 'list', of: text }] };

/** Inspection classes a redaction may name. */
export const REDACT_CLASSES = ['secret'] as const;
export const DIRECTIONS = ['call', 'result', 'request', 'answer'] as const;
export const EFFECTS = ['allow', 'deny', 'ask', 'defer'] as const;
export const RATE_KEYS = ['rule', 'tool', 'server', 'principal', 'global'] as const;

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

const match: Shape = {
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

const operator: Shape = { kind: 'ref', name: 'operator', to: () => operators };
const matcher: Shape = { kind: 'ref', name: 'matcher', to: () => ({ kind: 'either', options: [scalar, operators] }) };
const scalars: Shape = { kind: 'list', of: scalar };

const operators: Shape = {
  kind: 'map',
  one: true,
  aliases: {
    eq: 'equals',
    is: 'equals',
    ne: 'notEquals',
    neq: 'notEquals',
    lte: 'le',
    gte: 'ge',
    less: 'lt',
    greater: 'gt',
    max: 'le',
    min: 'ge',
    oneOf: 'in',
    nin: 'notIn',
    re: 'regex',
    pattern: 'regex',
    matches: 'regex',
    prefix: 'startsWith',
    suffix: 'endsWith',
    includes: 'contains',
    present: 'exists',
    has: 'exists',
    path: 'under',
    within: 'under',
    and: 'allOf',
    or: 'anyOf',
    every: 'all',
    some: 'any',
  },
  notYet: {
    shell: '`regex` on the command, such as { regex: "\\\\brm\\\\s+-[a-z]*[rf]" }',
    url: '`startsWith` or `regex` on the URL',
    host: '`regex` on the URL',
    cidr: '`regex` on the address',
    sql: '`regex` on the statement',
    length: '`when: size(args.field) < 100`',
    type: '`exists`; an operator on the wrong type never allows',
  },
  keys: {
    equals: { shape: scalar, doc: 'Is exactly this text, number, boolean or null.' },
    notEquals: { shape: scalar, doc: 'Is not this value.' },
    in: { shape: scalars, doc: 'Is one of these values.' },
    notIn: { shape: scalars, doc: 'Is none of these values.' },
    startsWith: { shape: text, doc: 'Text begins with.' },
    endsWith: { shape: text, doc: 'Text ends with.' },
    contains: { shape: text, doc: 'Text contains.' },
    regex: { shape: text, doc: 'RE2 pattern found anywhere in the text.' },
    glob: { shape: text, doc: 'Whole text matches: `*` any run of characters, `?` one.' },
    lt: { shape: { kind: 'number' }, doc: 'Number less than.' },
    le: { shape: { kind: 'number' }, doc: 'Number less than or equal.' },
    gt: { shape: { kind: 'number' }, doc: 'Number greater than.' },
    ge: { shape: { kind: 'number' }, doc: 'Number greater than or equal.' },
    exists: { shape: flag, doc: 'The field is there (true) or is not (false).' },
    not: { shape: matcher, doc: 'The matcher does not hold.' },
    under: { shape: textOrTexts, doc: 'A path at or below one of these directories, after `..` and symlinks.' },
    any: { shape: matcher, doc: 'At least one element of the array.' },
    all: { shape: matcher, doc: 'Every element of the array.' },
    anyOf: { shape: { kind: 'list', of: operator }, doc: 'At least one of these operators holds.' },
    allOf: { shape: { kind: 'list', of: operator }, doc: 'All of these operators hold.' },
  },
};

const rateKey: Shape = { kind: 'text', oneOf: RATE_KEYS };
const obligation: Shape = {
  kind: 'map',
  one: true,
  notYet: {
    budget: '`rate`, which counts calls',
    sandbox: 'a `deny` or `ask` rule',
    set: 'a `deny` rule for the values you do not want',
    clamp: 'a `deny` rule with `gt`',
    label: '`tags` on the rule',
    log: 'nothing: every decision is in the evidence',
    alert: '`tags` on the rule, and `callgate logs --follow`',
    approval: '`effect: ask`',
  },
  aliases: { rateLimit: 'rate', limit: 'rate', mask: 'redact' },
  keys: {
    redact: {
      doc: 'Mask values before they pass.',
      shape: {
        kind: 'map',
        aliases: { class: 'classes', field: 'fields', regex: 'pattern', with: 'replacement' },
        keys: {
          classes: {
            shape: { kind: 'list', of: { kind: 'text', oneOf: REDACT_CLASSES } },
            doc: 'What inspection finds of these classes.',
          },
          fields: { shape: { kind: 'list', of: text }, doc: 'Dotted fields, `*` for any key or element.' },
          pattern: { shape: text, doc: 'Whatever this RE2 pattern finds.' },
          replacement: { shape: text, doc: 'Text put in its place; default "[redacted]".' },
          on: {
            shape: { kind: 'text', oneOf: ['args', 'result', 'both'] },
            doc: 'Where; default args, and result for a rule with direction: result.',
          },
        },
      },
    },
    rate: {
      doc: 'At most `max` calls in each sliding window.',
      shape: {
        kind: 'map',
        aliases: { maxCalls: 'max', window: 'per', calls: 'max', by: 'key', limit: 'max' },
        keys: {
          max: { shape: { kind: 'number', integer: true, min: 1 }, doc: 'How many.', required: true },
          per: {
            shape: {
              kind: 'either',
              options: [
                { kind: 'text', pattern: /^[1-9][0-9]{0,6}(s|m|h|d)$/ },
                { kind: 'number', min: 1 },
              ],
            },
            doc: 'Window: 10s, 1m, 1h, 1d, or a number of seconds.',
            required: true,
          },
          key: {
            shape: { kind: 'either', options: [rateKey, { kind: 'list', of: rateKey }] },
            doc: 'Counted apart for each value of these; default [rule].',
          },
        },
      },
    },
  },
};

const rule: Shape = {
  kind: 'map',
  aliases: {
    action: 'effect',
    arguments: 'args',
    if: 'when',
    condition: 'when',
    message: 'reason',
    name: 'id',
    rateLimit: 'obligations',
  },
  notYet: { priority: 'the order of the rules: the first that matches decides' },
  keys: {
    id: {
      shape: { kind: 'text', pattern: /^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$/ },
      doc: 'Unique name; appears in every decision.',
      required: true,
    },
    description: { shape: text, doc: 'What the rule is for.' },
    match: { shape: match, doc: 'Which messages.', required: true },
    args: {
      shape: { kind: 'fields', of: matcher },
      doc: 'Field of the arguments (a.b.0.c; "*" = every text and key) to matcher. All must hold.',
    },
    when: { shape: text, doc: 'Condition in the CEL subset of docs/policy.md.' },
    effect: {
      shape: {
        kind: 'text',
        oneOf: EFFECTS,
        aliases: {
          block: 'deny',
          reject: 'deny',
          forbid: 'deny',
          permit: 'allow',
          pass: 'allow',
          'require-approval': 'ask',
          approve: 'ask',
          escalate: 'ask',
        },
      },
      doc: 'allow, deny, ask, or defer. Without it the rule only adds its obligations.',
    },
    reason: { shape: text, doc: 'Told to the agent and kept in the evidence.' },
    obligations: { shape: { kind: 'list', of: obligation }, doc: 'What must happen when the call passes.' },
    tags: { shape: { kind: 'list', of: text }, doc: 'Free words.' },
    onError: {
      shape: { kind: 'text', oneOf: ['deny', 'ask'] },
      doc: 'For a rule without an effect: what happens when its condition cannot be told; default deny.',
    },
  },
};

/** The root shape. */
export const POLICY_SHAPE: Shape & { readonly kind: 'map' } = {
  kind: 'map',
  aliases: { policies: 'rules', metadata: 'name', defaultEffect: 'default', default_effect: 'default' },
  notYet: {
    combine: 'the order of the rules: the first that matches decides',
    extends: 'several files: `callgate policy check a.yaml b.yaml`',
    imports: 'several files: `callgate policy check a.yaml b.yaml`',
    settings: 'callgate.yaml',
  },
  keys: {
    version: { shape: { kind: 'number', integer: true }, doc: 'Version of the language: 1.', required: true },
    name: { shape: text, doc: 'Name of the policy.' },
    default: {
      shape: { kind: 'text', oneOf: ['deny', 'allow', 'ask'], aliases: { block: 'deny' } },
      doc: 'Effect on operations that no rule decides; deny when absent.',
    },
    rules: {
      shape: { kind: 'list', of: rule },
      doc: 'Asked from top to bottom; the first with an effect that matches decides.',
      required: true,
    },
  },
};

/** The JSON Schema (draft 2020-12) of a policy file, for editors. */
export function toJsonSchema(): Record<string, unknown> {
  const definitions: Record<string, unknown> = {};
  const root = schemaOf(POLICY_SHAPE, definitions);
  const properties = root['properties'] as Record<string, Record<string, unknown>>;
  properties['version'] = { const: 1, description: POLICY_SHAPE.keys['version']?.doc };
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'https://callgate.dev/schema/policy.schema.json',
    title: 'Callgate policy, version 1',
    ...root,
    $defs: definitions,
  };
}

function schemaOf(shape: Shape, definitions: Record<string, unknown>): Record<string, unknown> {
  switch (shape.kind) {
    case 'text':
      if (shape.oneOf !== undefined) return { enum: [...shape.oneOf] };
      return {
        type: 'string',
        minLength: 1,
        ...(shape.pattern === undefined ? {} : { pattern: shape.pattern.source }),
      };
    case 'number':
      return {
        type: shape.integer === true ? 'integer' : 'number',
        ...(shape.min === undefined ? {} : { minimum: shape.min }),
      };
    case 'boolean':
      return { type: 'boolean' };
    case 'scalar':
      return { type: ['string', 'number', 'boolean', 'null'] };
    case 'list':
      return { type: 'array', minItems: 1, items: schemaOf(shape.of, definitions) };
    case 'fields':
      return { type: 'object', minProperties: 1, additionalProperties: schemaOf(shape.of, definitions) };
    case 'either':
      return { anyOf: shape.options.map((option) => schemaOf(option, definitions)) };
    case 'ref':
      if (!Object.hasOwn(definitions, shape.name)) {
        definitions[shape.name] = {};
        definitions[shape.name] = schemaOf(shape.to(), definitions);
      }
      return { $ref: `#/$defs/${shape.name}` };
    case 'map': {
      const properties: Record<string, unknown> = {};
      for (const [key, { shape: inner, doc }] of Object.entries(shape.keys)) {
        properties[key] = { description: doc, ...schemaOf(inner, definitions) };
      }
      const required = Object.keys(shape.keys).filter((key) => shape.keys[key]?.required === true);
      return {
        type: 'object',
        additionalProperties: false,
        minProperties: 1,
        ...(shape.one === true ? { maxProperties: 1 } : {}),
        ...(required.length > 0 ? { required } : {}),
        properties,
      };
    }
  }
}
