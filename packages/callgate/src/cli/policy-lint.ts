import type { LintFinding } from '../policy/tools/lint.ts';
import { lint } from '../policy/tools/lint.ts';
import { complain, filesOf, loadPolicyFiles, shownPlace } from './policy-files.ts';
import { EXIT, type Io, parseFlags, printable } from './terminal.ts';

/**
 * `callgate policy lint [<file>...] [--json] [--strict]`: says what in a policy that loads is probably not meant.
 * @returns 1 when there is an error, with `--strict` also for a warning; 2 when the policy does not load
 */
export async function policyLint(argv: readonly string[], io: Io): Promise<number> {
  const { words, switches } = parseFlags(argv, { json: true, strict: true });
  const files = filesOf(words);
  const loaded = loadPolicyFiles(files, io);
  if (!('policy' in loaded)) return complain(loaded, files, switches.has('json'), io);
  const findings = lint(loaded.policy, loaded.sources);
  const isFailed = findings.some(
    ({ severity }) => severity === 'error' || (severity === 'warning' && switches.has('strict')),
  );
  if (switches.has('json')) {
    io.stdout.write(`${JSON.stringify({ ok: !isFailed, files, findings })}\n`);
  } else {
    for (const finding of findings) {
      const { file, line, column } = finding.place;
      const head = `${file}:${line}:${column}: ${finding.severity}: ${finding.message} [${finding.code}]`;
      const lines = [head, ...shownPlace(finding.place, loaded.sources), `  do: ${finding.remedy}`];
      io.stdout.write(`${printable(lines.join('\n'))}\n`);
    }
    io.stdout.write(`${summary(findings, loaded.policy.rules.length)}\n`);
  }
  return isFailed ? EXIT.failed : EXIT.ok;
}

function summary(findings: readonly LintFinding[], rules: number): string {
  const count = (severity: string, word: string): string[] => {
    const number = findings.filter((finding) => finding.severity === severity).length;
    return number === 0 ? [] : [`${number} ${word}${number === 1 ? '' : 's'}`];
  };
  const parts = [...count('error', 'error'), ...count('warning', 'warning'), ...count('note', 'note')];
  const checked = rules === 1 ? '1 rule' : `${rules} rules`;
  return parts.length === 0 ? `ok: ${checked}, nothing to say` : `${parts.join(', ')} in ${checked}`;
}
