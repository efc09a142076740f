import { toJsonSchema } from '../policy/document/schema-json.ts';
import { EXIT, type Io, parseFlags } from './terminal.ts';

/** `callgate policy schema`: prints the JSON Schema of a policy file, for editors. */
export async function policySchema(argv: readonly string[], io: Io): Promise<number> {
  parseFlags(argv, {});
  io.stdout.write(`${JSON.stringify(toJsonSchema(), null, 2)}\n`);
  return EXIT.ok;
}
