import { type Command, HOME_FLAG } from './commands.ts';

const CONFIG_FLAG = ['--config <file>', 'read this file instead of ./callgate.yaml'] as const;
const POLICY_FLAG = ['--policy <file>', 'judge by this policy instead of the one of the project or the home'] as const;
const JSON_FLAG = ['--json', 'one JSON object instead of lines'] as const;

/** The verbs of `callgate servers`. */
export const SERVERS_VERBS: readonly Command[] = [
  {
    name: 'list',
    summary: 'what servers the config has, and where they are',
    usage: ['callgate servers list [--json]'],
    flags: [CONFIG_FLAG, HOME_FLAG, JSON_FLAG],
    examples: ['callgate servers list'],
    load: async () => (await import('./servers-list.ts')).serversList,
  },
  {
    name: 'test',
    summary:
      'start or reach each server: whether it answers, its era, how many tools the policy leaves it, its last error',
    usage: ['callgate servers test [<server>...] [--timeout <seconds>] [--json]'],
    flags: [
      ['--timeout <seconds>', 'how long a server may take; 30 by default'],
      CONFIG_FLAG,
      POLICY_FLAG,
      HOME_FLAG,
      JSON_FLAG,
    ],
    examples: ['callgate servers test', 'callgate servers test files'],
    load: async () => (await import('./servers-test.ts')).serversTest,
  },
  {
    name: 'call',
    summary: 'run one tool through the whole gate: judged, recorded, and its result printed',
    usage: ["callgate servers call <server> <tool> [--args '<json>'] [--json]"],
    flags: [
      ['--args <json>', 'the arguments; - reads them from stdin'],
      ['--timeout <seconds>', 'how long it may take; 300 by default'],
      CONFIG_FLAG,
      POLICY_FLAG,
      HOME_FLAG,
      JSON_FLAG,
    ],
    examples: [`callgate servers call files read_file --args '{"path": "README.md"}'`],
    load: async () => (await import('./servers-call.ts')).serversCall,
  },
];
