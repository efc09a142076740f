import type { Command } from './commands.ts';

const JSON_FLAG = ['--json', 'one JSON object instead of lines'] as const;

/** The verbs of `callgate policy`, in the order of the help. Adding one is an entry here and a file. */
export const VERBS: readonly Command[] = [
  {
    name: 'check',
    summary: 'check that policy files load',
    usage: ['callgate policy check [<file>...] [--json]'],
    flags: [JSON_FLAG],
    examples: ['callgate policy check policy.yaml'],
    load: async () => (await import('./policy-check.ts')).policyCheck,
  },
  {
    name: 'explain',
    summary: 'say what a policy decides about one call, and why',
    usage: [
      "callgate policy explain --tool <name> [--args '<json>'] [flags] [<file>...]",
      'callgate policy explain --record <id> [flags] [<file>...]',
      'callgate policy explain --tool <name> - < arguments.json',
    ],
    flags: [
      ['--tool <name>', 'the tool that is called'],
      ['--server <name>', 'what rules call the server'],
      ['--prompt <name>', 'the prompt that is asked for'],
      ['--resource <uri>', 'the resource that is read'],
      ['--method <name>', 'the protocol method, where it does not follow from the name'],
      ['--direction call|result|request|answer', 'which way the message goes; call when not given'],
      ['--args <json>', 'the arguments, or the result; - reads them from stdin'],
      ['--args-file <file>', 'the same, from a file'],
      ['--role <name>', 'a role of the caller; may be repeated'],
      ['--principal <id>', 'the id of the caller'],
      ['--annotations <json>', 'hints of a server that is trusted for them'],
      ['--time <ISO time>', 'when the call is made; now when not given'],
      ['--session <id>', 'the session it belongs to'],
      ['--label <name>', 'a label of the session; may be repeated'],
      ['--record <id>', 'a call of the evidence; callgate logs --json shows ids'],
      ['--evidence <directory>', 'read the record from this log instead of the one of the home'],
      ['--home <directory>', 'use this home instead of CALLGATE_HOME or ~/.callgate'],
      JSON_FLAG,
    ],
    examples: [`callgate policy explain --tool read_file --args '{"path": "/etc/passwd"}' policy.yaml`],
    load: async () => (await import('./policy-explain.ts')).policyExplain,
  },
  {
    name: 'lint',
    summary: 'find rules that never decide, and ones that are wider or narrower than they look',
    usage: ['callgate policy lint [<file>...] [--strict] [--json]'],
    flags: [['--strict', 'end with 1 for warnings too'], JSON_FLAG],
    examples: ['callgate policy lint policy.yaml'],
    load: async () => (await import('./policy-lint.ts')).policyLint,
  },
  {
    name: 'diff',
    summary: 'show which calls two policies decide differently, with an example for each',
    usage: ['callgate policy diff <before> <after> [--timeout <seconds>] [--json]'],
    flags: [['--timeout <seconds>', 'stop searching after so long; 10'], JSON_FLAG],
    examples: ['callgate policy diff policy.yaml new-policy.yaml'],
    load: async () => (await import('./policy-diff.ts')).policyDiff,
  },
  {
    name: 'can',
    summary: 'find a call that fits a goal and is allowed, or prove that there is none',
    usage: ["callgate policy can '<goal>' [<file>...] [--effect <effect>] [--timeout <seconds>] [--json]"],
    flags: [
      ['--effect <effect>', 'allow, ask, deny or defer; allow'],
      ['--timeout <seconds>', 'answer "unknown" after so long; 10'],
      JSON_FLAG,
    ],
    examples: [`callgate policy can 'args.path.contains("/../")' policy.yaml`],
    load: async () => (await import('./policy-can.ts')).policyCan,
  },
  {
    name: 'schema',
    summary: 'print the JSON Schema of a policy file, for editors',
    usage: ['callgate policy schema'],
    flags: [],
    examples: ['callgate policy schema'],
    load: async () => (await import('./policy-schema.ts')).policySchema,
  },
];
