import { loadConfig, openHome, type Config, type ConfigRequest, type ServerConfig } from '../config/index.ts';
import { CallgateError } from '../model/error.ts';
import { launcherConversation } from '../state/sessions-launcher.ts';
import { startProcess, type ProcessEnd, type ProcessUpstream } from '../upstreams/process.ts';
import type { GateRequest } from './gate-parts.ts';
import { holdGate, settingsOf } from './hold-gate.ts';
import { COMMAND_REMEDY, noServer, serverNameOf } from './server-choice.ts';
import { ENDING_SIGNALS, exitCodeAfter } from './signals.ts';
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
  const target = targetOf(flags.rest, flags.values['name'], config, io);
  const conversation = await launcherConversation(env);
  const parts = { ...(await holdGate(config, request, io)), conversation };
  try {
    return 'command' in target ? await runProcess(target, parts) : await runServers(target.servers, parts);
  } finally {
    parts.holder.close();
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
  if (only === undefined || configured === undefined) throw noServer(name, config, 'run');
  if (configured.kind === 'url') return { servers: { [only]: configured } };
  const env = { ...io.env, ...configured.env };
  return { name: only, command: configured.command, args: configured.args, env, cwd: configured.cwd ?? io.cwd };
}

function refuseWords(words: readonly string[]): void {
  if (words.length === 0) return;
  throw new CallgateError('CG_USAGE_COMMAND', `"${words[0]}" stands before "--".`, {
    remedy: COMMAND_REMEDY,
  });
}

/** What a terminal or a client sends us is meant for the server; it is then given a moment to end. */
function passSignals(upstream: ProcessUpstream): () => void {
  const pass = (name: NodeJS.Signals): void => {
    upstream.signal(name);
    void upstream.stop();
  };
  for (const name of ENDING_SIGNALS) process.on(name, pass);
  return () => {
    for (const name of ENDING_SIGNALS) process.off(name, pass);
  };
}

function exitCodeOf(end: ProcessEnd): number {
  return end.code ?? exitCodeAfter(end.signal);
}
