import type { CompiledPolicy } from '../policy/index.ts';
import { complain, filesOf, loadPolicyFiles } from './policy-files.ts';
import { EXIT, type Io, parseFlags } from './terminal.ts';

/**
 * `callgate policy check [<file...>] [--json]`: loads policy files as one policy and prints everything that is wrong with
 * them. Without a file it checks ./policy.yaml.
 * @returns 0 when they load, 2 when they do not or a file is missing
 */
export async function policyCheck(argv: readonly string[], io: Io): Promise<number> {
  const { words, switches } = parseFlags(argv, { json: true });
  const files = filesOf(words);
  const asJson = switches.has('json');
  const loaded = loadPolicyFiles(files, io);
  if (!('policy' in loaded)) return complain(loaded, files, asJson, io);
  const { policy } = loaded;
  if (asJson) {
    const facts = { rules: policy.rules.length, default: policy.defaultEffect, hash: policy.hash };
    io.stdout.write(`${JSON.stringify({ ok: true, files, ...facts })}\n`);
  } else {
    io.stdout.write(`ok: ${rulesOf(policy)}, policy hash ${policy.hash}\n`);
  }
  return EXIT.ok;
}

function rulesOf(policy: CompiledPolicy): string {
  return policy.rules.length === 1 ? '1 rule' : `${policy.rules.length} rules`;
}
