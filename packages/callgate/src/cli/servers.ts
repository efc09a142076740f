import { SERVERS_VERBS } from './servers-verbs.ts';
import type { Io } from './terminal.ts';
import { runVerb } from './verbs.ts';

/** `callgate servers <verb> ...`. */
export function serversCommand(argv: readonly string[], io: Io): Promise<number> {
  return runVerb('servers', SERVERS_VERBS, argv, io);
}
