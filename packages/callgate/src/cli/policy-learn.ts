import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { matchesName } from '../evidence/calls.ts';
import { learnPolicy, type Learned } from '../policy/tools/learn/learn.ts';
import type { Recorded } from '../policy/tools/replay.ts';
import { openSource } from './evidence-source.ts';
import { timeFlag } from './flag-values.ts';
import { readRecorded, trustedServers } from './policy-evidence.ts';
import { realPath, sha256, variablesOf } from './policy-files.ts';
import { EXIT, flagValue, type Io, parseFlags } from './terminal.ts';

const FLAGS = {
  since: '10m|2h|1d|time',
  until: '10m|2h|1d|time',
  server: 'name',
  out: 'file',
  evidence: 'directory',
  home: 'directory',
  annotations: true,
} as const;

/**
 * `callgate policy learn`: a policy that allows what was recorded, and little more.
 * @throws CallgateError CG_USAGE_*, CG_EVIDENCE_NO_LOG
 */
export async function policyLearn(argv: readonly string[], io: Io): Promise<number> {
  const { words, values, switches } = parseFlags(argv, FLAGS);
  if (words[0] !== undefined)
    throw flagValue(`policy learn takes no "${words[0]}".`, 'Name the file to write with --out.');
  const now = Date.now();
  const since = timeFlag('since', values['since'], now);
  const until = timeFlag('until', values['until'], now);
  const source = await openSource(values, io);
  const read = await readRecorded(source, { since, until });
  const { server } = values;
  const servers = new Set(
    read.logged.map((call) => call.server).filter((name) => name !== '' && matchesName(server, name)),
  );
  const trusted = await trustedServers(values, io);
  for (const name of trusted) if (matchesName(server, name)) servers.add(name);
  const learned = learnPolicy(only(read.calls, server), {
    project: io.cwd,
    home: variablesOf(io)['HOME'],
    realPath,
    sha256,
    ...(switches.has('annotations') ? { annotations: { servers: [...servers], trusted } } : {}),
  });
  if (values['out'] === undefined) io.stdout.write(learned.text);
  else {
    write(resolve(io.cwd, values['out']), learned.text);
    io.stdout.write(`${values['out']}: ${summary(learned)}\n`);
  }
  return EXIT.ok;
}

function* only(calls: Iterable<Recorded>, server: string | undefined): Generator<Recorded> {
  for (const recorded of calls) if (matchesName(server, recorded.server)) yield recorded;
}

/** Never over a file that is there: it may be the policy in force. */
function write(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: 'wx', mode: 0o600 });
  } catch (cause) {
    const isThere = (cause as { code?: unknown }).code === 'EEXIST';
    if (isThere) throw flagValue(`${path} is already there.`, 'Name a new file with --out, and compare the two.');
    throw flagValue(`${path} cannot be written: ${(cause as Error).message}`, 'Name a file where you may write.');
  }
}

function summary({ rules, learned, leftOut, read }: Learned): string {
  const left = [...leftOut.values()].reduce((sum, count) => sum + count, 0);
  return `${rules} rules learned from ${learned} of ${read} records, ${left} left out; read it before you use it`;
}
