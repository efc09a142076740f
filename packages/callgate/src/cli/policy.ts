import { CallgateError } from '../model/error.ts';
import { didYouMean } from '../policy/document/nearest.ts';
import { VERBS } from './policy-verbs.ts';
import type { Io } from './terminal.ts';

/**
 * `callgate policy <verb> ...`: picks the verb and loads its file.
 * @returns the exit code of the verb
 * @throws CallgateError CG_USAGE_UNKNOWN_COMMAND
 */
export async function policyCommand(argv: readonly string[], io: Io): Promise<number> {
  const [word = '', ...rest] = argv;
  const verb = VERBS.find(({ name }) => name === word);
  if (verb === undefined) {
    const known = VERBS.map(({ name }) => name);
    const message =
      word === '' ? 'policy needs a verb.' : `There is no command "policy ${word}".${didYouMean(word, known)}`;
    throw new CallgateError('CG_USAGE_UNKNOWN_COMMAND', message, {
      remedy: `Write callgate policy ${known.join('|')}; callgate policy --help says what each does.`,
    });
  }
  return (await verb.load())(rest, io);
}
