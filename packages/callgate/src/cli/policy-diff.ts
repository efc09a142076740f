import { CallgateError } from '../model/error.ts';
import { differences } from '../policy/solve/differences.ts';
import { secondsFlag } from './flag-values.ts';
import { placesIn, shownCall, UNKNOWN_REMEDY, USUAL_MS } from './policy-search.ts';
import { loadEngines } from '../policy/index.ts';
import { compileOptions, complain, loadPolicyFiles } from './policy-files.ts';
import { EXIT, type Io, parseFlags, printable, table } from './terminal.ts';

/**
 * `callgate policy diff <before> <after> [--timeout seconds] [--json]`: which calls two policies decide differently, with an
 * example for each pair of rules.
 * @returns 0 when there is certainly no difference, 1 otherwise, 2 when a policy does not load
 */
export async function policyDiff(argv: readonly string[], io: Io): Promise<number> {
  const { words, values, switches } = parseFlags(argv, { timeout: 'seconds', json: true });
  const [before, after] = words;
  if (before === undefined || after === undefined || words.length > 2) {
    throw new CallgateError('CG_USAGE_ARGUMENT', 'diff needs two policy files.', {
      remedy: 'Write callgate policy diff before.yaml after.yaml.',
    });
  }
  const asJson = switches.has('json');
  const compile = compileOptions(io);
  const old = loadPolicyFiles([before], io, compile);
  if (!('policy' in old)) return complain(old, [before], asJson, io);
  const next = loadPolicyFiles([after], io, compile);
  if (!('policy' in next)) return complain(next, [after], asJson, io);
  await Promise.all([loadEngines(old.policy), loadEngines(next.policy)]);

  const withinMs = secondsFlag('timeout', values['timeout'], USUAL_MS);
  const found = differences(old.policy, next.policy, {
    compile,
    now: () => performance.now(),
    withinMs,
    placeOf: placesIn([...old.sources, ...next.sources]),
  });
  const changes = found.witnesses.map((witness) => {
    const [from, to] = witness.outcomes;
    return { before: from, after: to, call: { ...shownCall(witness), effect: undefined, rule: undefined } };
  });
  if (asJson) {
    io.stdout.write(`${JSON.stringify({ complete: found.isComplete, changes, why: found.why })}\n`);
  } else {
    const rows = changes.map(({ before: from, after: to, call }) => [
      `${from?.effect} -> ${to?.effect}`,
      `${from?.rule} -> ${to?.rule}`,
      printable(JSON.stringify(call)),
    ]);
    if (rows.length > 0) io.stdout.write(`${table([['change', 'rules', 'example'], ...rows])}\n`);
    const rest = found.isComplete ? 'nothing else changes' : `there may be more (${printable(found.why.join('; '))})`;
    io.stdout.write(
      rows.length === 0 && found.isComplete ? 'no call is decided differently\n' : `${rows.length} found; ${rest}\n`,
    );
    if (rows.length === 0 && !found.isComplete) io.stdout.write(`  do: ${UNKNOWN_REMEDY}\n`);
  }
  return changes.length === 0 && found.isComplete ? EXIT.ok : EXIT.failed;
}
