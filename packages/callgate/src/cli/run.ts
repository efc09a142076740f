import { loadConfig, openHome, type Config, type ConfigRequest, type ServerConfig } from '../config/index.ts';
import { holdPolicy, type PolicyInForce } from '../gate/policy-in-force.ts';
import { CallgateError } from '../model/error.ts';
import { createLogger, type Logger } from '../observe/logger.ts';
import { launcherConversation } from '../state/sessions-launcher.ts';
import { startProcess, type ProcessEnd, type ProcessUpstream } from '../upstreams/process.ts';
import type { GateRequest } from './gate-parts.ts';
import { parseFlags, withHome, type Io } from './terminal.ts';

const FLAGS = {
  policy: 'file',
  name: 'server',
  config: 'file',
  home: 'directory',
  durability: 'batch|strict',
  refusal: 'result|error',
  fail: 'open|closed',
  'log-level': 'level',
  'log-format': 'pretty|json',
} as const;

/**
 * `callgate run [flags] -- <command...>`, or `callgate run [--name <server>]` for one of the config, or all of it as one: the
 * gate for one client on stdin and stdout. stdout carries the protocol and nothing else. Resolves with the exit code of
 * the server's process (128 + n after signal n).
 * Throws CallgateError when the gate cannot stand: nothing is started before policy and config are good, and a server
 * whose calls could not be recorded is ended without having heard a word.
 */
export async function runCommand(argv: readonly string[], io: Io): Promise<number> {
  const flags = parseFlags(argv, FLAGS);
  refuseWords(flags.words);
  const env = withHome(io, flags.values['home']);
  const home = openHome(env);
  const request: ConfigRequest = { flags: settingsOf(flags.values), env, cwd: io.cwd, home };
  const config = await loadConfig(request);
  const log = createLogger({ stream: io.stderr, level: config.log.level, format: config.log.format, env: io.env });
  const target = targetOf(flags.rest, flags.values['name'], config, io);
  const conversation = await launcherConversation(env);
  const holder = await holdPolicy(config, request);
  announce(holder.current, config, log);
  const parts = { config, holder, home, log, env: io.env, conversation };
  try {
    return 'command' in target ? await runProcess(target, parts) : await runServers(target.servers, parts);
  } finally {
    holder.close();
  }
}

/** One server that is a command: its process speaks to the client through the judge and nothing else. */
async function runProcess(launch: Launch, parts: GateRequest): Promise<number> {
  // Policy and config are good: the server boots while the rest of the gate is loaded.
  let release: (() => void) | undefined;
  const starting = startProcess(launch.command, launch.args, launch).then((upstream) => {
    release = passSignals(upstream);
    return upstream;
  });
  // If it fails while the session is loaded, the session hears of it.
  starting.catch(() => undefined);
  try {
    const { runSession } = await import('./session.ts');
    return exitCodeOf(await runSession({ ...parts, server: launch.name, starting }));
  } catch (error) {
    const upstream = await starting.catch(() => undefined);
    await upstream?.stop();
    throw error;
  } finally {
    release?.();
  }
}

/** A server that runs elsewhere, or several servers as one. */
async function runServers(servers: Readonly<Record<string, ServerConfig>>, parts: GateRequest): Promise<number> {
  const { runGatedServers } = await import('./session-servers.ts');
  return runGatedServers(servers, parts);
}

/** How to start a server that is a command. */
interface Launch {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Io['env'];
  readonly cwd: string;
}

/** What the client is to talk to: the command that was given, the server of the config by its name, or all that it has. */
function targetOf(
  rest: readonly string[] | undefined,
  name: string | undefined,
  config: Config,
  io: Io,
): Launch | { readonly servers: Readonly<Record<string, ServerConfig>> } {
  const [command, ...args] = rest ?? [];
  if (command !== undefined) {
    return { name: name ?? serverNameOf(command, args), command, args, env: io.env, cwd: io.cwd };
  }
  const known = Object.keys(config.servers);
  const only = name ?? (known.length === 1 ? known[0] : undefined);
  if (only === undefined && known.length > 1) return { servers: config.servers };
  const configured = only === undefined || !Object.hasOwn(config.servers, only) ? undefined : config.servers[only];
  if (only === undefined || configured === undefined) throw noServer(name, known, config);
  if (configured.kind === 'url') return { servers: { [only]: configured } };
  const env = { ...io.env, ...configured.env };
  return { name: only, command: configured.command, args: configured.args, env, cwd: configured.cwd ?? io.cwd };
}

/** @param name what was asked for; undefined when nothing was */
export function noServer(name: string | undefined, known: readonly string[], config: Config): CallgateError {
  const what = name === undefined ? 'No server command was given.' : `There is no server "${name}" in the config.`;
  const untrusted = config.trust === 'untrusted' || config.trust === 'changed';
  return new CallgateError('CG_USAGE_COMMAND', what, {
    remedy: untrusted
      ? 'Servers of this project do not count until you trust it: callgate trust'
      : known.length > 0
        ? `Name one of the config's (${known.map((server) => `--name ${server}`).join(', ')}), or write a command after "--".`
        : COMMAND_REMEDY,
  });
}

function refuseWords(words: readonly string[]): void {
  if (words.length === 0) return;
  throw new CallgateError('CG_USAGE_COMMAND', `"${words[0]}" stands before "--".`, {
    remedy: COMMAND_REMEDY,
  });
}

const COMMAND_REMEDY =
  'Write the server command after "--": callgate run -- npx -y @modelcontextprotocol/server-filesystem .';

/** Flags by the name of the setting they stand for. */
export function settingsOf(values: Readonly<Record<string, string>>): Record<string, string | undefined> {
  return {
    policy: values['policy'],
    config: values['config'],
    'evidence.durability': values['durability'],
    refusal: values['refusal'],
    fail: values['fail'],
    'log.level': values['log-level'],
    'log.format': values['log-format'],
  };
}

/** Programs that run another program: the server is named by their argument. */
const RUNNERS = new Set('npx bunx uvx uv node python python3 deno bun tsx pnpm npm yarn docker sh bash'.split(' '));
/** Parts of a path that say nothing about whose server it is. */
const NAMELESS = /^(index|main|server|cli|app|dist|build|src|lib|bin|out|run|exec|dlx|x|)$/;

/** The name rules know the server by, when none is given: `npx -y @scope/server-files .` is `files`. */
export function serverNameOf(command: string, args: readonly string[]): string {
  const runner = plainName(command.split(/[/\\]/).at(-1) ?? command);
  const named = RUNNERS.has(runner) ? args.find((arg) => !arg.startsWith('-') && !NAMELESS.test(arg)) : undefined;
  const parts = (named ?? command).split(/[/\\]/).map(plainName);
  const name = parts.findLast((part) => !NAMELESS.test(part) && part !== 'node_modules') ?? runner;
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name) ? name : 'server';
}

/** Without version, file ending and the words that every server's name has. */
function plainName(part: string): string {
  return part
    .replace(/(?<=.)@[^@]*$/, '')
    .replace(/\.([cm]?[jt]s|py|exe|cmd)$/, '')
    .replace(/^(mcp-)?server-(?=.)|^mcp-(?=.)|(?<=.)-mcp(-server)?$/g, '');
}

/** Says on stderr what a person should know of the policy in force. */
export function announce(inForce: PolicyInForce, config: Config, log: Logger): void {
  for (const notice of inForce.notices) log.warn(notice);
  if (inForce.origin !== 'observe') return;
  const isThere = config.untrustedPolicy !== undefined;
  log.warn(
    isThere
      ? 'No policy that you trust: what the policy of the project does not refuse is allowed and recorded by the built-in observe policy.'
      : 'No policy file: the built-in observe policy allows and records everything. Write one with: callgate init',
  );
}

/** What a terminal or a client sends us is meant for the server; it is then given a moment to end. */
function passSignals(upstream: ProcessUpstream): () => void {
  const names: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const pass = (name: NodeJS.Signals): void => {
    upstream.signal(name);
    void upstream.stop();
  };
  for (const name of names) process.on(name, pass);
  return () => {
    for (const name of names) process.off(name, pass);
  };
}

const SIGNAL_NUMBERS: Readonly<Partial<Record<NodeJS.Signals, number>>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGKILL: 9,
  SIGTERM: 15,
};

function exitCodeOf(end: ProcessEnd): number {
  if (end.code !== null) return end.code;
  return 128 + ((end.signal === null ? undefined : SIGNAL_NUMBERS[end.signal]) ?? 0);
}
