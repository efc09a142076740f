import { openHome } from '../config/index.ts';
import { connectDaemon, type DaemonClient } from '../daemon/client.ts';
import { daemonPlace } from '../daemon/place.ts';
import { CallgateError } from '../model/error.ts';
import { createLogger } from '../observe/logger.ts';
import { isHeld } from '../state/lock.ts';
import { EXIT, flagValue, parseFlags, printable, withHome, type Io } from './terminal.ts';
import { VERSION } from './version.ts';

const FLAGS = {
  foreground: true,
  status: true,
  stop: true,
  json: true,
  idle: 'minutes',
  home: 'directory',
} as const;
const WAYS = ['foreground', 'status', 'stop'] as const;
const ENDS_WITHIN_MS = 5000;

/**
 * `callgate daemon [--foreground|--status|--stop]`: the resident process of a home.
 * @throws CallgateError CG_DAEMON_*
 */
export async function daemonCommand(argv: readonly string[], io: Io): Promise<number> {
  const flags = parseFlags(argv, FLAGS);
  const extra = [...flags.words, ...(flags.rest ?? [])][0];
  if (extra !== undefined)
    throw new CallgateError('CG_USAGE_ARGUMENT', `daemon takes no "${extra}".`, {
      remedy: 'See: callgate daemon --help',
    });
  const ways = WAYS.filter((way) => flags.switches.has(way));
  if (ways.length > 1) throw flagValue(`--${ways[0]} and --${ways[1]} are two things.`, 'Keep one of them.');
  const idleMs = idleOf(flags.values['idle']);
  const home = openHome(withHome(io, flags.values['home']));
  switch (ways[0]) {
    case 'foreground':
      return runHere(home, idleMs, io);
    case 'status':
      return tellStatus(home, flags.switches.has('json'), io);
    case 'stop':
      return stop(home, io);
    default:
      return start(home, flags.values['idle'], io);
  }
}

function idleOf(minutes: string | undefined): number | undefined {
  if (minutes === undefined) return undefined;
  const number = /^\d{1,5}$/.test(minutes) ? Number(minutes) : 0;
  if (number > 0) return number * 60_000;
  throw flagValue(`--idle is a number of minutes, not ${minutes}.`, 'Write: --idle 15');
}

async function runHere(home: string, idleMs: number | undefined, io: Io): Promise<number> {
  const { startResident } = await import('../daemon/resident.ts');
  const log = createLogger({ stream: io.stderr, level: 'info', format: 'pretty', env: io.env });
  const daemon = await startResident({
    home,
    version: VERSION,
    ...(idleMs === undefined ? {} : { idleMs }),
    warn: (message) => log.warn(message),
  });
  const close = (): void => void daemon.close();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, close);
  // Of a terminal that was closed: whoever wants it to go on starts it without --foreground.
  if (io.stdin !== process.stdin || process.stdin.isTTY) process.once('SIGHUP', close);
  else process.on('SIGHUP', () => undefined);
  log.info(`The daemon of ${home} listens at ${daemon.socket}.`);
  await daemon.ended;
  return EXIT.ok;
}

async function start(home: string, idle: string | undefined, io: Io): Promise<number> {
  const { ensureDaemon } = await import('../daemon/ensure.ts');
  const { client, wasStarted } = await ensureDaemon({ home, command: commandOf(home, idle), env: environmentOf(io) });
  const { pid } = client;
  client.close();
  io.stdout.write(
    wasStarted ? `The daemon runs as process ${pid}.\n` : `The daemon runs already, as process ${pid}.\n`,
  );
  return EXIT.ok;
}

/** How this program starts a daemon. @param idle minutes without a client after which it ends */
export function commandOf(home: string, idle: string | undefined): [string, ...string[]] {
  const after = idle === undefined ? [] : ['--idle', idle];
  return [process.execPath, process.argv[1] ?? '', 'daemon', '--foreground', '--home', home, ...after];
}

/** It serves all conversations, and belongs to none. */
function environmentOf({ env }: Io): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => name !== 'CALLGATE_SESSION'));
}

async function tellStatus(home: string, asJson: boolean, io: Io): Promise<number> {
  const status = await asking(home, (client) => client.ask('status'));
  if (status === undefined) {
    io.stdout.write(asJson ? '{"running":false}\n' : 'No daemon runs for this home.\n');
    return EXIT.failed;
  }
  const { pid, version, since, clients, sealing } = status as Readonly<Record<string, unknown>>;
  if (asJson) io.stdout.write(`${JSON.stringify({ running: true, ...(status as object) })}\n`);
  else {
    // We are one of them.
    const others = Number(clients) - 1;
    const lines = [
      `The daemon runs as process ${String(pid)}, version ${String(version)}, since ${String(since)}.`,
      `Clients: ${others}. It ${sealing === true ? 'seals the evidence of the home' : 'does not seal'}.`,
    ];
    io.stdout.write(`${lines.map(printable).join('\n')}\n`);
  }
  return EXIT.ok;
}

async function stop(home: string, io: Io): Promise<number> {
  const stopped = await asking(home, (client) =>
    client.ask('stop').catch((error: unknown) => refused(error, client.pid)),
  );
  if (stopped === undefined) {
    io.stdout.write('No daemon runs for this home.\n');
    return EXIT.ok;
  }
  const { lock } = daemonPlace(home);
  for (const until = Date.now() + ENDS_WITHIN_MS; isHeld(lock);) {
    if (Date.now() > until)
      throw new CallgateError('CG_DAEMON_LOST', 'The daemon was told to end and still runs.', {
        remedy: 'See it with: callgate daemon --status',
      });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  io.stdout.write('The daemon has ended.\n');
  return EXIT.ok;
}

/** The daemon that is a part of `callgate serve` does not end alone. */
function refused(error: unknown, pid: number): never {
  if (!(error instanceof CallgateError) || error.code !== 'CG_DAEMON_REFUSED') throw error;
  throw new CallgateError(error.code, error.message, { remedy: `End that process: kill ${pid}`, cause: error });
}

async function asking<T>(home: string, ask: (client: DaemonClient) => Promise<T>): Promise<T | undefined> {
  const client = await connectDaemon(home);
  if (client === undefined) return undefined;
  try {
    return await ask(client);
  } finally {
    client.close();
  }
}
