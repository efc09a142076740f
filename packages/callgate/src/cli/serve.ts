import { readFileSync } from 'node:fs';
import {
  loadConfig,
  openHome,
  serverOf,
  type Config,
  type ConfigRequest,
  type ServeConfig,
  type ServerConfig,
} from '../config/index.ts';
import type { Daemon } from '../daemon/server.ts';
import { CallgateError, messageOf } from '../model/error.ts';
import { guardFor, readTarget } from '../net/target.ts';
import type { Logger } from '../observe/logger.ts';
import { keepSmall, openGate } from './gate-parts.ts';
import { gateServers, type GatedServers } from './gate-servers.ts';
import { boundNursery } from './nursery.ts';
import { holdGate, settingsOf } from './hold-gate.ts';
import { noServer, serverNameOf } from './server-choice.ts';
import { ENDING_SIGNALS } from './signals.ts';
import { EXIT, flagValue, parseFlags, withHome, type Io } from './terminal.ts';
import { VERSION } from './version.ts';

const FLAGS = {
  host: 'address',
  port: 'number',
  auth: 'key|anonymous',
  transport: 'http|sse',
  upstream: 'url',
  header: '"Name: value"...',
  name: 'server',
  policy: 'file',
  config: 'file',
  home: 'directory',
  durability: 'batch|strict',
  refusal: 'result|error',
  fail: 'open|closed',
  'log-level': 'level',
  'log-format': 'pretty|json',
} as const;

const SERVE_REMEDY = 'Servers stand in callgate.yaml; one alone after "--" (a command) or --upstream (a URL).';

/** Enough for what a few dozen connections have under way. */
const NURSERY_BYTES = 16 << 20;

/**
 * `callgate serve`: the gate for clients that come over HTTP, in front of the servers of the config, of one URL
 * (`--upstream`) or of one command (`-- <command...>`). The first line of stdout is its address. Runs until it is told to
 * end (SIGINT, SIGTERM).
 * @throws CallgateError when the gate cannot stand: nothing listens before policy, config and log are good
 */
export async function serveCommand(argv: readonly string[], io: Io): Promise<number> {
  const flags = parseFlags(argv, FLAGS);
  if (flags.words.length > 0) throw flagValue(`"${flags.words[0]}" is no flag.`, SERVE_REMEDY);
  const { values } = flags;
  const env = withHome(io, values['home']);
  const home = openHome(env);
  const request: ConfigRequest = {
    flags: {
      ...settingsOf(values),
      'serve.host': values['host'],
      'serve.port': values['port'],
      'serve.auth': values['auth'],
      'serve.sse': sseOf(values['transport']),
    },
    env,
    cwd: io.cwd,
    home,
  };
  const config = await loadConfig(request);
  const servers = serversOf(config, values, flags.lists['header'] ?? [], flags.rest, env);
  checkUrls(servers);
  const parts = await holdGate(config, request, io);
  const { holder, log } = parts;
  try {
    const gate = openGate(parts);
    const { current } = holder;
    gate.event('session', { event: 'serve', policy: current.policy.hash, origin: current.origin });
    const gated = gateServers(parts, gate, servers);
    const daemon = await daemonBeside(home, log);
    try {
      await current.complete;
      keepSmall();
      boundNursery(NURSERY_BYTES);
      await serveUntilTold(config, home, gated, log, io);
    } finally {
      await daemon?.close();
      await gated.close();
      await gate.close();
    }
    return EXIT.ok;
  } finally {
    holder.close();
  }
}

/** What is there anyway is also the daemon of the home, unless there is one. It can do without. */
async function daemonBeside(home: string, log: Logger): Promise<Daemon | undefined> {
  const { startResident } = await import('../daemon/resident.ts');
  try {
    return await startResident({ home, version: VERSION, isPart: true, warn: (message) => log.warn(message) });
  } catch (error) {
    if (!(error instanceof CallgateError && error.code === 'CG_DAEMON_RUNNING')) log.warn(messageOf(error));
    return undefined;
  }
}

async function serveUntilTold(config: Config, home: string, gated: GatedServers, log: Logger, io: Io): Promise<void> {
  const { serve, limits } = config;
  const { serveHttp } = await import('../transports/http/front-door.ts');
  const { bearerKeys, homeKey } = await import('../transports/http/keys.ts');
  const isOpen = serve.auth === 'anonymous';
  const door = await serveHttp({
    host: serve.host,
    port: serve.port,
    ...tlsOf(serve),
    authenticate: bearerKeys([homeKey(home)], isOpen),
    open: (opening) => gated.open(opening, 'http'),
    malformed: (who, refusal) => gated.malformed(who, refusal, 'http'),
    health: () => healthOf(gated),
    allowedHosts: serve.hosts,
    allowedOrigins: serve.origins,
    legacySse: serve.sse,
    limits: {
      bodyBytes: limits.messageBytes,
      depth: limits.depth,
      keys: limits.keys,
      inFlight: limits.inFlight,
      inFlightPerPrincipal: serve.inFlight,
      sessions: serve.sessions,
      sessionIdleMs: serve.sessionIdle * 1000,
    },
    warn: (message) => log.warn(message),
  });
  io.stdout.write(`Callgate serves ${gated.names.join(', ')} at ${door.url}/mcp\n`);
  if (isOpen) log.warn('Everybody who can connect may call: serve.auth is anonymous.');
  else io.stdout.write(`Clients show the bearer key in ${home}/keys/serve.key\n`);
  try {
    await toldToEnd();
  } finally {
    await door.close();
  }
}

function healthOf(gated: GatedServers) {
  const { health } = gated;
  const up = health.filter(({ state }) => state !== 'failing').length;
  return { live: true, ready: up === health.length, servers: { up, total: health.length } };
}

function sseOf(transport: string | undefined): string | undefined {
  if (transport === undefined || transport === 'http') return undefined;
  if (transport === 'sse') return 'true';
  throw flagValue(
    `--transport is http or sse, not ${transport}.`,
    transport === 'stdio' ? 'For a client on stdio: callgate run' : 'Write: --transport http',
  );
}

/** A URL that may not be dialled is an error of the settings, not of the first call. */
function checkUrls(servers: Readonly<Record<string, ServerConfig>>): void {
  for (const [name, server] of Object.entries(servers)) {
    if (server.kind !== 'url') continue;
    try {
      guardFor(readTarget(server.url), server.dial);
    } catch (cause) {
      if (!(cause instanceof CallgateError)) throw cause;
      const { code, message, remedy = '' } = cause;
      throw new CallgateError(code, `The server "${name}" cannot be reached: ${message}`, { remedy, cause });
    }
  }
}

/** The servers behind this gate: one URL, one command, or those of the config. */
function serversOf(
  config: Config,
  values: Readonly<Record<string, string>>,
  headers: readonly string[],
  rest: readonly string[] | undefined,
  env: Io['env'],
): Readonly<Record<string, ServerConfig>> {
  const url = values['upstream'];
  const [command, ...args] = rest ?? [];
  if (headers.length > 0 && url === undefined) {
    throw flagValue('--header goes with --upstream.', 'Headers of servers in the config stand there, under headers.');
  }
  if (url !== undefined) {
    if (command !== undefined) throw flagValue('--upstream and a command are two servers.', 'Keep one of them.');
    return { [values['name'] ?? 'upstream']: serverOf({ url, headers: headersOf(headers, env) }) };
  }
  if (command !== undefined) {
    const name = values['name'] ?? serverNameOf(command, args);
    return { [name]: serverOf({ command, args }) };
  }
  const { name } = values;
  if (name !== undefined && Object.hasOwn(config.servers, name))
    return { [name]: config.servers[name] as ServerConfig };
  if (name === undefined && Object.keys(config.servers).length > 0) return config.servers;
  throw noServer(name, config, 'serve');
}

/** `Name: value` with `${VARIABLE}` filled in, which keeps secrets out of the process list. */
function headersOf(texts: readonly string[], env: Io['env']): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const colon = text.indexOf(':');
      if (colon < 1) throw flagValue('--header is "Name: value".', 'Write: --header "Authorization: Bearer ${TOKEN}"');
      return [text.slice(0, colon).trim(), fill(text.slice(colon + 1).trim(), env)];
    }),
  );
}

function fill(text: string, env: Io['env']): string {
  return text.replaceAll(/\$\{([^}]*)\}/g, (_whole, name: string) => {
    const value = env[name];
    if (value !== undefined) return value;
    throw new CallgateError('CG_CONFIG_UNSET_VARIABLE', `\${${name}} of --header has no value.`, {
      remedy: `Set the variable ${name}.`,
    });
  });
}

function tlsOf(serve: ServeConfig) {
  const { tlsCert, tlsKey, clientCa } = serve;
  if (tlsCert === undefined && tlsKey === undefined && clientCa === undefined) return {};
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new CallgateError('CG_HTTP_TLS', 'serve.tlsCert and serve.tlsKey go together.', {
      remedy: 'Set both, or neither (and no clientCa then).',
    });
  }
  const ca = clientCa === undefined ? {} : { ca: pem(clientCa), requireClientCert: true };
  return { tls: { cert: pem(tlsCert), key: pem(tlsKey), ...ca } };
}

function pem(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CallgateError('CG_HTTP_TLS', `${file} cannot be read: ${messageOf(cause)}.`, {
      remedy: 'Check that it is there and that you may read it.',
      cause,
    });
  }
}

function toldToEnd(): Promise<void> {
  return new Promise((resolve) => {
    for (const name of ENDING_SIGNALS) process.once(name, () => resolve());
  });
}
