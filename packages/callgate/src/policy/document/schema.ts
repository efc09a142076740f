import { match } from './schema-match.ts';
import { duration, obligation } from './schema-obligations.ts';
import { matcher, when } from './schema-operators.ts';
import { type Shape, text } from './schema-shape.ts';
import { WEEKDAYS } from '../condition/time.ts';

export const COMBINE = ['first', 'priority', 'deny-overrides'] as const;
export const EFFECTS = ['allow', 'deny', 'ask', 'defer'] as const;

const clock: Shape = { kind: 'text', pattern: /^(?:[01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$/ };

const schedule: Shape = {
  kind: 'map',
  aliases: {
    timezone: 'timeZone',
    zone: 'timeZone',
    tz: 'timeZone',
    start: 'from',
    end: 'to',
    until: 'to',
    day: 'days',
  },
  keys: {
    days: {
      shape: { kind: 'list', of: { kind: 'text', oneOf: WEEKDAYS } },
      doc: 'The days on which the hours begin; every day when absent.',
    },
    from: { shape: clock, doc: 'Beginning, "HH:MM"; 00:00 when absent.' },
    to: { shape: clock, doc: 'End, "HH:MM", not included; 24:00 when absent. Before `from`: of the next day.' },
    timeZone: { shape: text, doc: 'Name of the time zone, such as Europe/Berlin or UTC.', required: true },
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
    when: {
      shape: when,
      doc: 'Condition in the CEL subset of docs/policy-operators.md, or a map of all, any, not and comparisons.',
    },
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
    retryAfter: {
      shape: duration,
      doc: 'With effect: defer, when to try again: 10s, 1m, 1h, 1d, or a number of seconds; default 60s.',
    },
    reason: { shape: text, doc: 'Told to the agent and kept in the evidence.' },
    obligations: { shape: { kind: 'list', of: obligation }, doc: 'What must happen when the call passes.' },
    tags: {
      shape: { kind: 'list', of: text },
      doc: 'Free words; what looks like the id of a framework (ASI01, MCP03, AISVS-2.1.3) must be one.',
    },
    priority: {
      shape: { kind: 'number', integer: true },
      doc: 'With `combine: priority`: lower numbers are asked first, rules without one last.',
    },
    schedule: { shape: schedule, doc: 'When the rule counts; outside these hours it does not match.' },
    onError: {
      shape: { kind: 'text', oneOf: ['deny', 'ask'] },
      doc: 'For a rule without an effect: what happens when its condition cannot be told; default deny.',
    },
  },
};

const role: Shape = {
  kind: 'map',
  mayBeEmpty: true,
  aliases: { include: 'includes', inherits: 'includes', member: 'members', principals: 'members' },
  keys: {
    includes: { shape: { kind: 'list', of: text }, doc: 'Roles that come with this one.' },
    members: {
      shape: { kind: 'list', of: text },
      doc: 'Globs on principal.id: who has the role besides those it came with.',
    },
  },
};

const include: Shape = {
  kind: 'either',
  options: [
    text,
    {
      kind: 'map',
      keys: {
        file: { shape: text, doc: 'Path, relative to this file.', required: true },
        sha256: {
          shape: { kind: 'text', pattern: /^(?:sha256:)?[0-9A-Fa-f]{64}$/ },
          doc: 'SHA-256 of the file, in hex; another content is an error.',
        },
      },
    },
  ],
};

/** The root shape. */
export const POLICY_SHAPE: Shape & { readonly kind: 'map' } = {
  kind: 'map',
  aliases: { policies: 'rules', metadata: 'name', defaultEffect: 'default', default_effect: 'default' },
  notYet: {
    settings: 'callgate.yaml',
  },
  keys: {
    version: { shape: { kind: 'number', integer: true }, doc: 'Version of the language: 1.', required: true },
    name: { shape: text, doc: 'Name of the policy.' },
    description: { shape: text, doc: 'What the policy is for.' },
    combine: {
      shape: {
        kind: 'text',
        oneOf: COMBINE,
        aliases: { 'first-match': 'first', 'most-restrictive': 'deny-overrides' },
      },
      doc: 'Which of the matching rules decides: the first (when absent), the one with the lowest priority, or the most restrictive.',
    },
    mode: {
      shape: { kind: 'text', oneOf: ['enforce', 'shadow'] },
      doc: 'shadow: evaluated and recorded, not applied. enforce when absent.',
    },
    extends: {
      shape: include,
      doc: 'A file whose rules are asked after those of this one; a rule here replaces one with its id there.',
    },
    imports: { shape: { kind: 'list', of: include }, doc: 'Files whose rules are asked last.' },
    roles: {
      shape: { kind: 'fields', of: role },
      doc: 'Roles that rules may name: what they include, and who has them.',
    },
    default: {
      shape: { kind: 'text', oneOf: ['deny', 'allow', 'ask'], aliases: { block: 'deny' } },
      doc: 'Effect on operations that no rule decides; deny when absent.',
    },
    rules: {
      shape: { kind: 'list', of: rule },
      doc: 'Asked from top to bottom; by default the first with an effect that matches decides.',
      required: true,
    },
  },
};
