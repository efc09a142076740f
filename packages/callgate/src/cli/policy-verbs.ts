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
    name: 'lint',
    summary: 'find rules that never decide, and ones that are wider or narrower than they look',
    usage: ['callgate policy lint [<file>...] [--strict] [--json]'],
    flags: [['--strict', 'end with 1 for warnings too'], JSON_FLAG],
    examples: ['callgate policy lint policy.yaml'],
    load: async () => (await import('./policy-lint.ts')).policyLint,
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
