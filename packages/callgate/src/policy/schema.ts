import { match } from './schema-match.ts';
import { obligation } from './schema-obligations.ts';
import { matcher } from './schema-operators.ts';
import { type Shape, text } from './schema-shape.ts';

export const EFFECTS = ['allow', 'deny', 'ask', 'defer'] as const;

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
