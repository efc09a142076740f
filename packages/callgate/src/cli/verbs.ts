import { CallgateError } from '../model/error.ts';
import { didYouMean } from '../policy/document/nearest.ts';
import type { Command } from './commands.ts';
import type { Io } from './terminal.ts';

/**
 * Picks a verb of a command and runs it.
 * @returns the exit code of the verb
 * @throws CallgateError CG_USAGE_UNKNOWN_COMMAND
 */
export async function runVerb(
  command: string,
  verbs: readonly Command[],
  argv: readonly string[],
  io: Io,
): Promise<number> {
  const [word = '', ...rest] = argv;
  const verb = verbs.find(({ name }) => name === word);
  if (verb === undefined) {
    const known = verbs.map(({ name }) => name);
    const message =
      word === '' ? `${command} needs a verb.` : `There is no command "${command} ${word}".${didYouMean(word, known)}`;
    throw new CallgateError('CG_USAGE_UNKNOWN_COMMAND', message, {
      remedy: `Write callgate ${command} ${known.join('|')}; callgate ${command} --help says what each does.`,
    });
  }
  return (await verb.load())(rest, io);
}
