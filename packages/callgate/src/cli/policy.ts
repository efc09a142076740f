import { VERBS } from './policy-verbs.ts';
import type { Io } from './terminal.ts';
import { runVerb } from './verbs.ts';

/** `callgate policy <verb> ...`. */
export function policyCommand(argv: readonly string[], io: Io): Promise<number> {
  return runVerb('policy', VERBS, argv, io);
}
