import type { Io } from './terminal.ts';

type Run = (argv: string[], io: Io) => Promise<number>;

/** One command: its help and the chunk that holds it. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  readonly usage: readonly string[];
  readonly flags: readonly (readonly [flag: string, meaning: string])[];
  /** Lines that run as they stand. */
  readonly examples: readonly string[];
  readonly load: () => Promise<Run>;
  /** Commands of its own, each with its help. */
  readonly verbs?: () => Promise<readonly Command[]>;
}

/** Flags of every command that reads a home, or a log. */
export const HOME_FLAG = ['--home <directory>', 'use this home instead of CALLGATE_HOME or ~/.callgate'] as const;
export const EVIDENCE_FLAG = ['--evidence <directory>', 'read this log instead of the one of the home'] as const;

const RUN_FLAGS: Command['flags'] = [
  ['--policy <file>', 'judge by this policy instead of the one of the project or the home'],
  ['--name <server>', 'what rules call the server; without a command, the one of the config to offer, instead of all'],
  ['--config <file>', 'read this file instead of ./callgate.yaml'],
  HOME_FLAG,
  ['--durability batch|strict', 'when a record is synced to disk'],
  ['--refusal result|error', 'how a denied tools/call is answered'],
  ['--fail closed|open', 'what becomes of a call when Callgate itself is at fault'],
  ['--log-level error|warn|info|debug', 'what is written to stderr'],
  ['--log-format pretty|json', 'how it is written'],
];

const SERVE_FLAGS: Command['flags'] = [
  ['--host <address>', 'listen there; by default 127.0.0.1'],
  ['--port <number>', 'listen on this port; 0 takes a free one'],
  ['--auth key|anonymous', 'whether clients must show the bearer key of the home'],
  ['--transport http|sse', 'sse: also serve clients of HTTP+SSE (2024-11-05)'],
  ['--upstream <url>', 'stand in front of this server instead of those of the config'],
  ['--header "<name>: <value>"', 'send this to it; ${NAME} takes an environment variable; may be repeated'],
  ...RUN_FLAGS.map(([flag, meaning]): readonly [string, string] =>
    flag.startsWith('--name')
      ? [flag, 'what rules call the server; of several, offer this one alone']
      : [flag, meaning],
  ),
];

/** Every command, in the order of the help. Adding one is a line here and a file. */
export const COMMANDS: readonly Command[] = [
  {
    name: 'run',
    summary: 'stand in front of one server or several, for a client on stdio',
    usage: [
      'callgate run [flags] -- <command...>',
      'callgate run [--name <server>] [flags]',
      'callgate -- <command...>',
    ],
    flags: RUN_FLAGS,
    examples: ['callgate run -- npx -y @modelcontextprotocol/server-filesystem .', 'callgate run --name files'],
    load: async () => (await import('./run.ts')).runCommand,
  },
  {
    name: 'serve',
    summary: 'stand in front of any number of servers, for clients that come over HTTP',
    usage: [
      'callgate serve [flags]',
      'callgate serve --upstream <url> [flags]',
      'callgate serve [flags] -- <command...>',
    ],
    flags: SERVE_FLAGS,
    examples: ['callgate serve', 'callgate serve --port 0 -- npx -y @modelcontextprotocol/server-everything'],
    load: async () => (await import('./serve.ts')).serveCommand,
  },
  {
    name: 'servers',
    summary: 'look at the servers of the config, and call one',
    usage: ['callgate servers <verb> [flags]', 'callgate servers <verb> --help'],
    flags: [],
    examples: ['callgate servers list', 'callgate servers test'],
    verbs: async () => (await import('./servers-verbs.ts')).SERVERS_VERBS,
    load: async () => (await import('./servers.ts')).serversCommand,
  },
  {
    name: 'demo',
    summary: 'see calls allowed, denied, redacted and asked, and the evidence verified',
    usage: ['callgate demo [--keep]'],
    flags: [['--keep', 'keep the home of the demo, to look at']],
    examples: ['callgate demo'],
    load: async () => (await import('./demo.ts')).demoCommand,
  },
  {
    name: 'init',
    summary: 'write a policy and a config to start from',
    usage: ['callgate init [--global] [--force] [--dir <directory>]'],
    flags: [
      ['--global', 'write into the home, for every project'],
      ['--force', 'replace files that are there; each is kept as .bak'],
      ['--dir <directory>', 'write there instead of here'],
      HOME_FLAG,
    ],
    examples: ['callgate init', 'callgate init --global'],
    load: async () => (await import('./init.ts')).initCommand,
  },
  {
    name: 'trust',
    summary: "accept what this project's files say, after looking at it",
    usage: ['callgate trust [--show] [--yes <hash>] [--revoke]'],
    flags: [
      ['--show', 'only show it'],
      ['--yes <hash>', 'accept without asking; <hash> is the sha256:... that --show printed'],
      ['--revoke', 'forget what was accepted'],
      HOME_FLAG,
    ],
    examples: ['callgate trust --show', 'callgate trust'],
    load: async () => (await import('./trust.ts')).trustCommand,
  },
  {
    name: 'policy',
    summary: 'check a policy, and question it',
    usage: ['callgate policy <verb> [flags]', 'callgate policy <verb> --help'],
    flags: [],
    examples: ['callgate policy check policy.yaml'],
    verbs: async () => (await import('./policy-verbs.ts')).VERBS,
    load: async () => (await import('./policy.ts')).policyCommand,
  },
  {
    name: 'logs',
    summary: 'read the evidence: what was called, what was decided and why',
    usage: ['callgate logs [flags]'],
    flags: [
      ['--tool <name>', 'calls of this tool'],
      ['--server <name>', 'calls to this server'],
      ['--decision allow|deny|ask|defer', 'calls that were decided so'],
      ['--status <status>', 'calls that ended so: ok, error, denied, lost, ...'],
      ['--rule <id>', 'calls that this rule decided'],
      ['--since <10m|2h|1d|time>', 'calls from then on'],
      ['--until <10m|2h|1d|time>', 'calls up to then'],
      ['--limit <number>', 'the newest so many; 50 by default'],
      ['--json', 'one JSON object a line instead of a table'],
      ['--follow', 'go on with what comes'],
      EVIDENCE_FLAG,
      HOME_FLAG,
    ],
    examples: ['callgate logs', 'callgate logs --decision deny --since 1d'],
    load: async () => (await import('./logs.ts')).logsCommand,
  },
  {
    name: 'audit',
    summary: 'verify that no evidence was changed, dropped, moved or put in',
    usage: [
      'callgate audit verify [--against <checkpoint>] [--vkey <file>] [--json]',
      'callgate audit checkpoint',
      'callgate audit accept-rollback --size <number>',
    ],
    flags: [
      ['--against <checkpoint file>', 'a checkpoint you kept: finds records that were cut off since'],
      ['--vkey <key file>', 'the key the log must be signed with'],
      ['--size <number>', 'accept-rollback: how many records the log once had, as the error says'],
      ['--json', 'one JSON object instead of lines'],
      EVIDENCE_FLAG,
      HOME_FLAG,
    ],
    examples: ['callgate audit verify'],
    load: async () => (await import('./audit.ts')).auditCommand,
  },
  {
    name: 'daemon',
    summary: 'the resident process of a home: start it, see it, end it',
    usage: ['callgate daemon [--idle <minutes>]', 'callgate daemon --foreground|--status|--stop'],
    flags: [
      ['--foreground', 'run here, until it is told to end'],
      ['--status', 'say whether it runs; exit code 1 when it does not'],
      ['--stop', 'end it'],
      ['--idle <minutes>', 'end after so long without a client; otherwise it stays'],
      ['--json', '--status as one JSON object'],
      HOME_FLAG,
    ],
    examples: ['callgate daemon', 'callgate daemon --status'],
    load: async () => (await import('./daemon.ts')).daemonCommand,
  },
  {
    name: 'doctor',
    summary: 'check that Callgate can do its work here, and say how to mend what it cannot',
    usage: ['callgate doctor [--json] [--config-show]'],
    flags: [
      ['--json', 'one JSON object instead of lines'],
      ['--config-show', 'each setting, its value and where it came from; secrets masked'],
      ['--config <file>', 'check with this file instead of ./callgate.yaml'],
      HOME_FLAG,
    ],
    examples: ['callgate doctor', 'callgate doctor --config-show'],
    load: async () => (await import('./doctor.ts')).doctorCommand,
  },
];

/** Other names: `wrap` is `run` under the name that other gates use. */
export const ALIASES: Readonly<Record<string, string>> = { wrap: 'run' };

/** Words that people try; only for hints. */
export const HINTS: Readonly<Record<string, string>> = {
  start: 'run',
  server: 'servers',
  gateway: 'serve',
  proxy: 'run',
  setup: 'init',
  verify: 'audit verify',
  check: 'policy check',
  log: 'logs',
};
