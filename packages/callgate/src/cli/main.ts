import * as nodeModule from 'node:module';
import { didYouMean } from '../policy/document/nearest.ts';
import { CallgateError } from '../model/error.ts';
import { ALIASES, COMMANDS, HINTS, type Command } from './commands.ts';
import { EXIT, printError, type Io } from './terminal.ts';
import { nodeTooOld, VERSION } from './version.ts';

// Not awaited here: what a command loads may import from this file.
void start();

/** The program. Loads one chunk for the command that was asked for, and nothing for --version. */
async function start(): Promise<void> {
  const refusal = nodeTooOld(process.versions.node);
  if (refusal !== undefined) {
    process.stderr.write(refusal);
    process.exitCode = 2;
    return;
  }
  (nodeModule as { enableCompileCache?: () => unknown }).enableCompileCache?.();
  // A client that closed our stderr must not end the gate.
  process.stderr.on('error', () => undefined);
  const argv = process.argv.slice(2);
  if (argv[0] === '--version' || argv[0] === '-v') {
    process.stdout.write(`${VERSION}\n`);
    return;
  }
  process.on('uncaughtException', (error) => void fail(error, argv));
  try {
    await leave(await dispatch(argv));
  } catch (error) {
    await fail(error, argv);
  }
}

async function dispatch(argv: readonly string[]): Promise<number> {
  const [first, ...rest] = argv;
  const io: Io = {
    stdout: process.stdout,
    stderr: process.stderr,
    stdin: process.stdin,
    env: process.env,
    cwd: process.cwd(),
  };
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
    const { overview, commandHelp } = await import('./help.ts');
    const about = COMMANDS.find(({ name }) => name === rest[0]);
    // Without a word, whoever started us may expect a protocol on stdout.
    (first === undefined ? io.stderr : io.stdout).write(
      about === undefined ? overview() : await commandHelp(about, rest.slice(1)),
    );
    return first === undefined ? 2 : 0;
  }
  const named = COMMANDS.find(({ name }) => name === (ALIASES[first] ?? first));
  const isServer = first === '--' || (first.startsWith('-') && argv.includes('--'));
  const command = named ?? (isServer ? COMMANDS.find(({ name }) => name === 'run') : undefined);
  if (command === undefined) return unknownCommand(first, COMMANDS, Object.keys(ALIASES), HINTS);
  const own = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  if (own.includes('--help') || own.includes('-h')) {
    const { commandHelp } = await import('./help.ts');
    io.stdout.write(await commandHelp(command, rest));
    return 0;
  }
  // What `run` says goes out another way, which sees for itself that nobody reads.
  process.stdout.on('error', command.name === 'run' ? () => undefined : endOnBrokenPipe);
  const run = await command.load();
  return await run([...(named === undefined ? argv : rest)], io);
}

function unknownCommand(
  word: string,
  commands: readonly Command[],
  aliases: readonly string[],
  hints: Readonly<Record<string, string>>,
): never {
  const names = commands.map(({ name }) => name);
  const kind = word.startsWith('-') ? 'flag' : 'command';
  const hint = Object.hasOwn(hints, word)
    ? ` Did you mean "${hints[word]}"?`
    : didYouMean(word, kind === 'flag' ? ['--help', '--version'] : [...names, ...aliases]);
  throw new CallgateError(
    kind === 'flag' ? 'CG_USAGE_UNKNOWN_FLAG' : 'CG_USAGE_UNKNOWN_COMMAND',
    `There is no ${kind} ${word}.${hint}`,
    { remedy: `Commands: ${names.join(', ')}. See: callgate --help` },
  );
}

let hasFailed = false;

async function fail(error: unknown, argv: readonly string[]): Promise<void> {
  // A fault while a fault is told: whoever should hear of it does not read.
  if (hasFailed) process.exit(EXIT.internal);
  hasFailed = true;
  const end = argv.indexOf('--');
  const isDebug = (end < 0 ? argv : argv.slice(0, end)).includes('--debug');
  await leave(printError(error, process.stderr, isDebug));
}

/** Ends the process when what was written is out; what a command left open (timers, watches) does not hold it. */
async function leave(code: number): Promise<void> {
  process.exitCode = code;
  await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write('', done))));
  process.exit(code);
}

/** `callgate logs | head`: the reader has seen enough. */
function endOnBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
}
