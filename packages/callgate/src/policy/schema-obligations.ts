import { type Shape, text } from './schema-shape.ts';

/** Inspection classes a redaction may name. */
export const REDACT_CLASSES = ['secret'] as const;
export const RATE_KEYS = ['rule', 'tool', 'server', 'principal', 'global'] as const;

const rateKey: Shape = { kind: 'text', oneOf: RATE_KEYS };
/** One item of `obligations`. */
export const obligation: Shape = {
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
