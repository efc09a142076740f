import { loadConfig, openHome, type Config } from '../config/index.ts';
import { maskArguments, maskText } from '../observe/mask.ts';
import { EXIT, parseFlags, printable, table, withHome, type Io } from './terminal.ts';
import { noServer } from './server-choice.ts';

const FLAGS = { config: 'file', home: 'directory', json: true } as const;

/** `callgate servers list`: the servers of the config as they are written, less what looks like a secret. Starts none. */
export async function serversList(argv: readonly string[], io: Io): Promise<number> {
  const { values, switches } = parseFlags(argv, FLAGS);
  const env = withHome(io, values['home']);
  const flags = { config: values['config'] };
  const config = await loadConfig({ flags, env, cwd: io.cwd, home: openHome(env) });
  const names = Object.keys(config.servers);
  if (names.length === 0) throw noServer(undefined, config, 'servers');
  const rows = names.map((name) => describe(config, name));
  if (switches.has('json')) {
    io.stdout.write(
      `${JSON.stringify({ servers: rows.map(([name, kind, where, from]) => ({ name, kind, where, from })) })}\n`,
    );
    return EXIT.ok;
  }
  io.stdout.write(`${table([['SERVER', 'KIND', 'WHERE', 'FROM'], ...rows.map((row) => row.map(printable))])}\n`);
  return EXIT.ok;
}

/** Name, kind, what it is reached by with variables not filled in, and which file says so. */
function describe(config: Config, name: string): readonly string[] {
  const written = (key: string) => config.written[`servers.${name}.${key}`];
  const { kind } = config.servers[name]!;
  const args = JSON.parse(written('args') ?? '[]') as readonly string[];
  const where =
    kind === 'url' ? maskText(written('url') ?? '') : [written('command') ?? '', ...maskArguments(args)].join(' ');
  return [name, kind, where, config.sources[`servers.${name}`]?.from ?? ''];
}
