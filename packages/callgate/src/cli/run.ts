import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { loadConfig, openHome, type Config, type ConfigRequest } from '../config/index.ts';
import { openEvidence, type Evidence } from '../evidence/wal.ts';
import { pathResolver, type ResolvePath } from '../gate/facts.ts';
import { createFloor } from '../gate/floor.ts';
import { holdPolicy, type PolicyHolder, type PolicyInForce } from '../gate/policy-in-force.ts';
import { CallgateError } from '../model/error.ts';
import type { Principal } from '../model/principal.ts';
import { createLogger, type Logger } from '../observe/logger.ts';
import { openOutput, runStdio } from '../transports/stdio.ts';
import { startProcess, type ProcessEnd, type ProcessUpstream } from '../upstreams/process.ts';
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
 * `callgate run [flags] -- <command...>`: the gate in front of one stdio server. stdout carries the protocol and nothing
 * else. Resolves with the server's own exit code (128 + n after signal n).
 * Throws CallgateError when the gate cannot stand: then nothing is started.
 */
export async function runCommand(argv: readonly string[], io: Io): Promise<number> {
  // Messages die young: a nursery that grows to its default 32 MB saves no time here and doubles the memory.
  setFlagsFromString('--semi-space-growth-factor=1');
  const flags = parseFlags(argv, FLAGS);
  const [command, ...args] = commandOf(flags.rest, flags.words);
  const env = withHome(io, flags.values['home']);
  const home = openHome(env);
  const request: ConfigRequest = { flags: settingsOf(flags.values), env, cwd: io.cwd, home };
  const config = await loadConfig(request);
  const log = createLogger({ stream: io.stderr, level: config.log.level, format: config.log.format, env: io.env });
  const server = flags.values['name'] ?? serverNameOf(command, args);
  const holder = await holdPolicy(config, request);
  announce(config, holder.current, log);
  const evidence = openEvidence({
    dir: config.evidence.dir ?? join(home, 'evidence'),
    keysDir: join(home, 'keys'),
    durability: config.evidence.durability,
    now: Date.now,
    mono: microseconds,
    onProblem: (problem) => log.error(problem.message, { code: problem.code }),
  });
  holder.watch(reloadListener(log, evidence));

  const paths = pathResolver(config.cwd);
  recordEvent(evidence, 'session', {
    event: 'start',
    server,
    policy: holder.current.policy.hash,
    origin: holder.current.origin,
  });
  let release: (() => void) | undefined;
  try {
    const upstream = await startProcess(command, args, { env: io.env, cwd: io.cwd });
    release = passSignals(upstream);
    const end = await runStdio({
      input: process.stdin,
      output: openOutput(1, process.stdout),
      upstream,
      server,
      principal: operatingSystemUser(),
      policy: () => holder.current.policy,
      evidence,
      limits: () => holder.limits(),
      floor: floorOf(config, holder, paths.resolve, io),
      paths,
      userHome: io.env['HOME'],
      trustAnnotations: config.servers[server]?.trust.annotations ?? false,
      refusal: config.refusal,
      messageLimits: config.limits,
      maxMessageBytes: config.limits.messageBytes,
      inFlight: config.limits.inFlight,
      pass: { unjudged: config.fail === 'open', unrecorded: config.fail === 'open' || !config.evidence.required },
      durability: config.evidence.durability,
      now: Date.now,
      mono: microseconds,
      warn: (message) => log.warn(message),
    });
    return exitCodeOf(end);
  } finally {
    release?.();
    holder.close();
    await evidence.close().catch((error: unknown) => log.error(messageOf(error)));
  }
}

function commandOf(rest: readonly string[] | undefined, words: readonly string[]): [string, ...string[]] {
  const [command, ...args] = rest ?? [];
  if (words.length === 0 && command !== undefined) return [command, ...args];
  throw new CallgateError(
    'CG_USAGE_COMMAND',
    words.length > 0 ? `"${words[0]}" stands before "--".` : 'No server command was given.',
    {
      remedy: 'Write the server command after "--": callgate run -- npx -y @modelcontextprotocol/server-filesystem .',
    },
  );
}

/** Flags by the name of the setting they stand for. */
function settingsOf(values: Readonly<Record<string, string>>): Record<string, string | undefined> {
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

function announce(config: Config, inForce: PolicyInForce, log: Logger): void {
  for (const notice of config.notices) log.warn(notice);
  if (inForce.origin === 'observe') {
    log.warn(
      'No policy file: the built-in observe policy allows and records everything. Write one with: callgate init',
    );
  }
}

function reloadListener(log: Logger, evidence: Evidence) {
  return {
    replaced(now: PolicyInForce, before: PolicyInForce): void {
      recordEvent(evidence, 'policy_change', { from: before.policy.hash, to: now.policy.hash, origin: now.origin });
      log.warn(`The policy changed: ${now.policy.hash} is in force.`);
    },
    kept(error: unknown): void {
      log.error(`The changed policy is broken, the one before stays in force. ${describe(error)}`);
    },
  };
}

/** Changes of policy and the start of a session are synced whatever the durability. */
function recordEvent(
  evidence: Evidence,
  type: 'session' | 'policy_change',
  detail: Readonly<Record<string, string>>,
): void {
  evidence.append({ type, time: Date.now(), mono: microseconds(), detail });
  evidence.flush();
  void evidence.synced().catch(() => undefined);
}

function floorOf(config: Config, holder: PolicyHolder, realPath: ResolvePath, io: Io) {
  return createFloor({
    home: config.home,
    userHome: io.env['HOME'] ?? homedir(),
    cwd: config.cwd,
    protectedFiles: [...new Set([...config.watched, ...holder.current.files])],
    realPath,
  });
}

/** A stdio parent is known by its operating-system account and no better: `same-user`. */
function operatingSystemUser(): Principal {
  const name = userNameOf();
  return { id: `os:${name}`, user: name, roles: [], chain: [], assurance: 'same-user' };
}

function userNameOf(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'unknown');
  }
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

function microseconds(): number {
  return Math.round(performance.now() * 1000);
}

function describe(error: unknown): string {
  const issues: unknown = (error as { issues?: unknown }).issues;
  const first = Array.isArray(issues)
    ? (issues[0] as { message?: string; place?: { file: string; line: number; column: number } })
    : undefined;
  if (first?.message === undefined) return messageOf(error);
  const at = first.place === undefined ? '' : `${first.place.file}:${first.place.line}:${first.place.column}: `;
  return `${at}${first.message}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
