import { CallgateError } from '../model/error.ts';
import { didYouMean } from '../policy/nearest.ts';
import type { Io } from './terminal.ts';

type Run = (argv: readonly string[], io: Io) => Promise<number>;

/** The verbs of `callgate policy`, in the order of the help. Adding one is a line here and a file. */
const VERBS: Readonly<Record<string, () => Promise<Run>>> = {
  check: async () => (await import('./policy-check.ts')).policyCheck,
  schema: async () => (await import('./policy-schema.ts')).policySchema,
};

/**
 * `callgate policy <verb> ...`: picks the verb and loads its file.
 * @returns the exit code of the verb
 * @throws CallgateError CG_USAGE_UNKNOWN_COMMAND
 */
export async function policyCommand(argv: readonly string[], io: Io): Promise<number> {
  const [verb = '', ...rest] = argv;
  const known = Object.keys(VERBS);
  const load = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  if (load === undefined) {
    const message =
      verb === '' ? 'policy needs a verb.' : `There is no command "policy ${verb}".${didYouMean(verb, known)}`;
    throw new CallgateError('CG_USAGE_UNKNOWN_COMMAND', message, {
      remedy: `Write callgate policy ${known.join('|')} ...; callgate policy --help says what each does.`,
    });
  }
  return (await load())(rest, io);
}
