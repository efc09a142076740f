import { scalar, type Shape, text } from './schema-shape.ts';

/** Inspection classes a redaction may name. */
export const REDACT_CLASSES = ['secret'] as const;
export const RATE_KEYS = ['rule', 'tool', 'server', 'principal', 'user', 'session', 'global'] as const;
/** Budgets may begin anew with each hour, day or month, in UTC. */
export const BUDGET_KEYS = [...RATE_KEYS, 'hour', 'day', 'month'] as const;
/** How much an alert matters, least first. */
export const SEVERITIES = ['info', 'low', 'medium', 'high', 'critical'] as const;

/** 10s, 1m, 1h, 1d, or a number of seconds. */
export const duration: Shape = {
  kind: 'either',
  options: [
    { kind: 'text', pattern: /^[1-9][0-9]{0,6}(s|m|h|d)$/ },
    { kind: 'number', min: 1 },
  ],
};

const rateKey: Shape = { kind: 'text', oneOf: RATE_KEYS };
const budgetKey: Shape = { kind: 'text', oneOf: BUDGET_KEYS };
const word: Shape = { kind: 'text', pattern: /^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$/ };
const label: Shape = { kind: 'text', pattern: /^[A-Za-z0-9][A-Za-z0-9:._/-]{0,99}$/ };
/** Any value that arguments can hold. */
const json: Shape = {
  kind: 'ref',
  name: 'value',
  to: () => ({
    kind: 'either',
    options: [scalar, { kind: 'list', of: json }, { kind: 'fields', of: json }],
  }),
};
const bound: Shape = { kind: 'number' };
/** One item of `obligations`. */
export const obligation: Shape = {
  kind: 'map',
  one: true,
  notYet: { approval: '`effect: ask`' },
  aliases: {
    rateLimit: 'rate',
    limit: 'rate',
    mask: 'redact',
    override: 'set',
    warn: 'alert',
    notify: 'alert',
    labels: 'label',
    spend: 'budget',
  },
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
      doc: 'At most `max` calls in each sliding window; several of them all hold.',
      shape: {
        kind: 'map',
        aliases: { maxCalls: 'max', window: 'per', calls: 'max', by: 'key', limit: 'max' },
        keys: {
          max: { shape: { kind: 'number', integer: true, min: 1 }, doc: 'How many.', required: true },
          per: {
            shape: duration,
            doc: 'Window: 10s, 1m, 1h, 1d, or a number of seconds.',
            required: true,
          },
          key: {
            shape: { kind: 'either', options: [rateKey, { kind: 'list', of: rateKey }] },
            doc: 'Counted apart for each value of these; default [rule].',
          },
          burst: {
            shape: { kind: 'number', integer: true, min: 1 },
            doc: 'A bucket in place of the window: `max` come back evenly, at most so many go at once.',
          },
        },
      },
    },
    budget: {
      doc: 'What calls spend adds up to at most `max`: reserved when decided, given back when the call fails.',
      shape: {
        kind: 'map',
        aliases: { limit: 'max', by: 'key', cost: 'amount', per: 'key' },
        keys: {
          key: {
            shape: { kind: 'either', options: [budgetKey, { kind: 'list', of: budgetKey }] },
            doc: 'Counted apart for each value of these; default [rule]. hour, day and month are those of UTC.',
          },
          amount: {
            shape: { kind: 'either', options: [text, { kind: 'number' }] },
            doc: 'What a call spends: an expression such as args.amount, or a number.',
            required: true,
          },
          max: { shape: { kind: 'number' }, doc: 'Most that may be spent.', required: true },
        },
      },
    },
    set: {
      doc: 'Put values into the arguments before they pass: dotted field to value.',
      shape: { kind: 'fields', of: json },
    },
    clamp: {
      doc: 'Hold numbers of the arguments between bounds: dotted field to min and max.',
      shape: {
        kind: 'fields',
        of: {
          kind: 'map',
          aliases: { minimum: 'min', maximum: 'max', ge: 'min', le: 'max', from: 'min', to: 'max' },
          keys: {
            min: { shape: bound, doc: 'A smaller number becomes this.' },
            max: { shape: bound, doc: 'A larger number becomes this.' },
          },
        },
      },
    },
    sandbox: {
      doc: 'The call may only run confined. No sandbox is built in yet: the call is denied.',
      shape: { kind: 'map', keys: { profile: { shape: word, doc: 'Name of the profile.', required: true } } },
    },
    label: {
      doc: 'When the message passes, the session has these labels from then on.',
      shape: {
        kind: 'map',
        aliases: { labels: 'add', set: 'add' },
        keys: { add: { shape: { kind: 'list', of: label }, doc: 'The labels.', required: true } },
      },
    },
    log: {
      doc: 'Told on stderr at level info, and named in the evidence.',
      shape: { kind: 'map', aliases: { text: 'message' }, keys: { message: { shape: text, doc: 'What is told.' } } },
    },
    alert: {
      doc: 'Told on stderr as a warning, and named in the evidence.',
      shape: {
        kind: 'map',
        aliases: { level: 'severity', text: 'message' },
        keys: {
          severity: { shape: { kind: 'text', oneOf: SEVERITIES }, doc: 'How much it matters.', required: true },
          message: { shape: text, doc: 'What is told.' },
        },
      },
    },
  },
};
