/**
 * The one table of what may stand in callgate.yaml. Checking, environment names, `lock`, the JSON Schema and docs/config.md
 * all follow it.
 */

interface Described {
  readonly about: string;
}

/** One of a few words. `strictest: 'last'` says the list runs from loose to strict. */
interface Choice extends Described {
  readonly type: 'choice';
  readonly values: readonly string[];
  readonly fallback: string;
  readonly strictest?: 'last';
}

/** A whole number; with `strictest: 'lowest'` a smaller one is stricter. */
interface Whole extends Described {
  readonly type: 'whole';
  readonly min: number;
  readonly max: number;
  readonly fallback: number;
  readonly strictest?: 'lowest';
  /** 0 stands for no limit at all, the loosest. */
  readonly zero?: 'none';
}

/** true or false; `strictest` says which of them is the strict one. */
interface Truth extends Described {
  readonly type: 'truth';
  readonly fallback: boolean;
  readonly strictest?: boolean;
}

interface Text extends Described {
  readonly type: 'text';
  /** Counts in the home file alone. */
  readonly homeOnly?: true;
  /** Relative paths start at the directory of the file (of the working directory for flags and environment). */
  readonly path?: true;
}

interface Texts extends Described {
  readonly type: 'texts';
}

interface TextMap extends Described {
  readonly type: 'text-map';
}

export type Setting = Choice | Whole | Truth | Text;
export type ServerKey = Setting | Texts | TextMap;
export type Value = string | number | boolean;

/** Settings that stand alone, by dotted key. Each may also come from a flag or the environment. */
export const SETTINGS: Readonly<Record<string, Setting>> = {
  policy: { type: 'text', path: true, about: 'The policy file.' },
  'evidence.durability': {
    type: 'choice',
    values: ['batch', 'strict'],
    fallback: 'batch',
    strictest: 'last',
    about:
      'batch: a record survives any crash of Callgate, and is synced within 50 ms. strict: it is synced before the call goes on.',
  },
  'evidence.required': {
    type: 'truth',
    fallback: true,
    strictest: true,
    about: 'Whether a call is refused when its evidence cannot be written.',
  },
  'evidence.dir': { type: 'text', path: true, about: 'Where the evidence log lies; by default evidence/ in the home.' },
  refusal: {
    type: 'choice',
    values: ['result', 'error'],
    fallback: 'result',
    about:
      'How a denied tools/call is answered: result is an isError text that the model reads, error a JSON-RPC error.',
  },
  'limits.messageBytes': {
    type: 'whole',
    min: 1024,
    max: 268_435_456,
    fallback: 10_485_760,
    strictest: 'lowest',
    about: 'The longest message, in bytes.',
  },
  'limits.depth': {
    type: 'whole',
    min: 4,
    max: 1024,
    fallback: 128,
    strictest: 'lowest',
    about: 'The deepest nesting of a message.',
  },
  'limits.keys': {
    type: 'whole',
    min: 16,
    max: 10_000_000,
    fallback: 100_000,
    strictest: 'lowest',
    about: 'The most object keys in one message.',
  },
  'limits.inFlight': {
    type: 'whole',
    min: 1,
    max: 1_000_000,
    fallback: 10_000,
    strictest: 'lowest',
    about: 'The most requests that wait for an answer at one time.',
  },
  'limits.perMinute': {
    type: 'whole',
    min: 0,
    max: 1_000_000,
    fallback: 0,
    strictest: 'lowest',
    zero: 'none',
    about:
      'The most calls of tools, prompts, resources and completions in any minute, of all gates of the home; 0: any.',
  },
  'limits.toolPerMinute': {
    type: 'whole',
    min: 0,
    max: 1_000_000,
    fallback: 0,
    strictest: 'lowest',
    zero: 'none',
    about: 'The same for each tool.',
  },
  'limits.principalPerMinute': {
    type: 'whole',
    min: 0,
    max: 1_000_000,
    fallback: 0,
    strictest: 'lowest',
    zero: 'none',
    about: 'The same for each principal.',
  },
  'breaker.transportErrors': {
    type: 'whole',
    min: 0,
    max: 100,
    fallback: 5,
    about:
      'After so many calls in a row that a server (or one tool of it) did not answer, it is given a rest; 0: never.',
  },
  'breaker.toolErrors': {
    type: 'whole',
    min: 0,
    max: 100,
    fallback: 0,
    about: 'After so many errors in a row of one tool, the tool is given a rest; 0: never.',
  },
  'breaker.window': {
    type: 'whole',
    min: 1,
    max: 3600,
    fallback: 60,
    about: 'Seconds within which those errors must come; and how long a probe may take.',
  },
  'breaker.pause': {
    type: 'whole',
    min: 1,
    max: 3600,
    fallback: 10,
    about: 'Seconds of the first rest; those that follow at once are longer.',
  },
  'log.level': {
    type: 'choice',
    values: ['error', 'warn', 'info', 'debug'],
    fallback: 'warn',
    about: 'What is written to stderr.',
  },
  'log.format': { type: 'choice', values: ['pretty', 'json'], fallback: 'pretty', about: 'How it is written.' },
  'lists.filter': {
    type: 'truth',
    fallback: true,
    strictest: true,
    about: 'Whether tools, prompts and resources that the policy would never let pass are left out of lists.',
  },
  'organisation.policy': {
    type: 'text',
    path: true,
    homeOnly: true,
    about: 'A policy above all others: what it denies, asks or limits is lifted by none of them.',
  },
  'serve.host': { type: 'text', about: 'The address that `callgate serve` listens on; by default 127.0.0.1.' },
  'serve.port': { type: 'whole', min: 0, max: 65_535, fallback: 4180, about: 'Its port; 0 takes a free one.' },
  'serve.auth': {
    type: 'choice',
    values: ['anonymous', 'key'],
    fallback: 'key',
    strictest: 'last',
    about:
      'key: clients show the bearer key of the home, made at the first start. anonymous: everybody who can connect.',
  },
  'serve.hosts': {
    type: 'text',
    about:
      'Names, separated by commas, that clients may reach it under (the Host header), besides the one it listens on.',
  },
  'serve.origins': {
    type: 'text',
    about: 'Origins of web pages, separated by commas, that may call it; by default none.',
  },
  'serve.tlsCert': { type: 'text', path: true, about: 'Its certificate (PEM); with tlsKey it speaks https.' },
  'serve.tlsKey': { type: 'text', path: true, about: 'The private key (PEM) of tlsCert.' },
  'serve.clientCa': {
    type: 'text',
    path: true,
    about: 'Certificates (PEM) that sign those of clients; given, every client must show one (mTLS).',
  },
  'serve.sse': {
    type: 'truth',
    fallback: false,
    strictest: false,
    about: 'Whether clients of HTTP+SSE (2024-11-05) are served, under /sse.',
  },
  'serve.names': {
    type: 'choice',
    values: ['never', 'collisions', 'always'],
    fallback: 'always',
    about: 'When tools and prompts of many servers behind /mcp carry the prefix of theirs.',
  },
  'serve.sessions': {
    type: 'whole',
    min: 1,
    max: 1_000_000,
    fallback: 10_000,
    strictest: 'lowest',
    about: 'The most sessions of legacy clients at one time.',
  },
  'serve.sessionIdle': {
    type: 'whole',
    min: 10,
    max: 604_800,
    fallback: 1800,
    strictest: 'lowest',
    about: 'Seconds without a message after which a session ends.',
  },
  'serve.inFlight': {
    type: 'whole',
    min: 1,
    max: 100_000,
    fallback: 1000,
    strictest: 'lowest',
    about: 'The most requests of one principal that wait for an answer at one time.',
  },
  fail: {
    type: 'choice',
    values: ['open', 'closed'],
    fallback: 'closed',
    strictest: 'last',
    about:
      'What becomes of a call when Callgate itself is at fault (engine, evidence). open lets it pass and says so in the log, each time.',
  },
};

/** What may stand under `servers.<name>`; only in files. `with` names the kind of server that has it. */
export const SERVER_KEYS: Readonly<Record<string, ServerKey & { readonly with?: 'command' | 'url' }>> = {
  command: { type: 'text', with: 'command', about: 'The program to start; or `url` for a server that runs already.' },
  args: { type: 'texts', with: 'command', about: 'Its arguments.' },
  env: {
    type: 'text-map',
    with: 'command',
    about: 'Environment variables it gets besides the own ones; ${NAME} takes one of them.',
  },
  cwd: { type: 'text', with: 'command', path: true, about: 'The directory it starts in.' },
  maxProcesses: {
    type: 'whole',
    with: 'command',
    min: 1,
    max: 10_000,
    fallback: 256,
    about: 'How many of its processes may run at one time: legacy clients have one each.',
  },
  url: { type: 'text', with: 'url', about: 'Where the server is reached: https, or http on a host that `dial` names.' },
  headers: {
    type: 'text-map',
    with: 'url',
    about: 'Headers that every request to it carries; ${NAME} takes an environment variable. Never logged.',
  },
  headerFiles: {
    type: 'text-map',
    with: 'url',
    about: 'Headers whose value is the text of a file, as secrets are mounted. Never logged.',
  },
  transport: {
    type: 'choice',
    with: 'url',
    values: ['streamable', 'sse'],
    fallback: 'streamable',
    about: 'streamable: Streamable HTTP. sse: the HTTP+SSE of 2024-11-05.',
  },
  dial: {
    type: 'texts',
    with: 'url',
    about:
      'Private hosts, addresses or ranges that may be dialled for it; a loopback host in `url` is opened by its name.',
  },
  ca: {
    type: 'text',
    with: 'url',
    path: true,
    about: 'Certificates (PEM) that its own may be signed by, besides the usual.',
  },
  cert: { type: 'text', with: 'url', path: true, about: 'The certificate (PEM) that Callgate shows it.' },
  key: { type: 'text', with: 'url', path: true, about: 'The private key (PEM) of `cert`.' },
  era: {
    type: 'choice',
    values: ['auto', 'legacy', 'modern'],
    fallback: 'auto',
    about: 'The protocol it speaks: modern is 2026-07-28, legacy what came before. auto asks it.',
  },
  prefix: { type: 'text', about: 'What its names begin with where many servers are one; by default its own name.' },
  timeout: {
    type: 'whole',
    min: 1,
    max: 86_400,
    fallback: 300,
    about: 'Seconds after which a request that it has not answered is given up.',
  },
  'trust.annotations': {
    type: 'truth',
    fallback: false,
    strictest: false,
    about: 'Whether rules may believe what this server says about its own tools.',
  },
};

export const SERVER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Variables that start with CALLGATE_ and are no settings. */
export const OTHER_VARIABLES: Readonly<Record<string, string>> = {
  CALLGATE_HOME: 'the home directory',
  CALLGATE_CONFIG: 'a config file in place of ./callgate.yaml, as --config',
  CALLGATE_SESSION: 'what the conversation is called that this gate belongs to',
  CALLGATE_LONG: 'read by the test suite alone',
};

/** `limits.messageBytes` → `CALLGATE_LIMITS__MESSAGE_BYTES`. */
export function environmentName(key: string): string {
  const words = key.split('.').map((part) => part.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase());
  return `CALLGATE_${words.join('__')}`;
}

/** The sections of SETTINGS: `evidence`, `limits`, `log`. */
export const SECTIONS: ReadonlySet<string> = new Set(
  Object.keys(SETTINGS).flatMap((key) => (key.includes('.') ? [key.slice(0, key.indexOf('.'))] : [])),
);

/**
 * Whether `next` is at least as strict as `base`. A setting without an order is only as strict as itself.
 * @param base undefined when the setting has no value (a path without default).
 */
export function isAsStrict(setting: Setting, next: Value, base: Value | undefined): boolean {
  if (next === base) return true;
  switch (setting.type) {
    case 'choice':
      return (
        setting.strictest === 'last' && setting.values.indexOf(String(next)) >= setting.values.indexOf(String(base))
      );
    case 'whole':
      return setting.strictest === 'lowest' && boundOf(setting, next) <= boundOf(setting, base);
    case 'truth':
      return next === setting.strictest;
    case 'text':
      return false;
  }
}

function boundOf({ zero }: Whole, value: Value | undefined): number {
  return zero === 'none' && value === 0 ? Number.POSITIVE_INFINITY : Number(value);
}
