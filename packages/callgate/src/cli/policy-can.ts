import { CallgateError } from '../model/error.ts';
import { PolicyError } from '../policy/index.ts';
import { can, compileGoal } from '../policy/solve/can.ts';
import { secondsFlag } from './flag-values.ts';
import { placesIn, shownCall, UNKNOWN_REMEDY, USUAL_MS } from './policy-search.ts';
import { loadEngines } from '../policy/index.ts';
import { compileOptions, complain, filesOf, loadPolicyFiles } from './policy-files.ts';
import { EXIT, flagValue, type Io, parseFlags, printable } from './terminal.ts';

const EFFECTS = ['allow', 'ask', 'deny', 'defer'] as const;

/**
 * `callgate policy can '<goal>' [<file>...] [--effect allow] [--timeout seconds] [--json]`: is there any call that fits the
 * goal and is decided so?
 * @returns 0 when there is none (proven), 1 when there is one or it cannot be told, 2 when goal or policy do not load
 */
export async function policyCan(argv: readonly string[], io: Io): Promise<number> {
  const { words, values, switches } = parseFlags(argv, { effect: 'effect', timeout: 'seconds', json: true });
  const [goal, ...rest] = words;
  const asJson = switches.has('json');
  const effect = EFFECTS.find((one) => one === (values['effect'] ?? 'allow'));
  if (goal === undefined) {
    throw new CallgateError('CG_USAGE_ARGUMENT', 'can needs a goal.', {
      remedy: `Write callgate policy can 'tool == "run" && args.command.contains("rm")'.`,
    });
  }
  if (effect === undefined) {
    throw flagValue(`--effect is "${values['effect']}".`, `Write ${EFFECTS.join(', ')}.`);
  }
  const compile = compileOptions(io);
  const files = filesOf(rest);
  const loaded = loadPolicyFiles(files, io, compile);
  if (!('policy' in loaded)) return complain(loaded, files, asJson, io);
  await loadEngines(loaded.policy);
  let rule;
  try {
    rule = compileGoal(goal, compile);
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    const issues = error.issues.map((issue) => ({ ...issue, file: 'goal', line: 1, column: 1 }));
    return complain({ issues, sources: [] }, ['goal'], asJson, io);
  }
  const withinMs = secondsFlag('timeout', values['timeout'], USUAL_MS);
  const found = can(
    loaded.policy,
    rule,
    { compile, now: () => performance.now(), withinMs, placeOf: placesIn(loaded.sources) },
    effect,
  );
  const usesHttp = loaded.policy.rules.some(({ facts }) => facts.has('http'));
  if (asJson) {
    const witness = found.answer === 'yes' ? shownCall(found.witness) : undefined;
    io.stdout.write(
      `${JSON.stringify({ answer: found.answer, goal, effect, witness, why: found.answer === 'unknown' ? found.why : undefined })}\n`,
    );
  } else if (found.answer === 'yes') {
    io.stdout.write(`yes: ${printable(JSON.stringify(shownCall(found.witness)))}\n`);
  } else if (found.answer === 'no') {
    io.stdout.write(
      `no: ${goal} is never decided ${effect}, whatever the arguments, the principal and the time${usesHttp ? ', for calls that come without http' : ''}\n`,
    );
  } else {
    io.stdout.write(`unknown: no such call was found, and none was ruled out (${printable(found.why.join('; '))})\n`);
    io.stdout.write(`  do: ${UNKNOWN_REMEDY}\n`);
  }
  return found.answer === 'no' ? EXIT.ok : EXIT.failed;
}
