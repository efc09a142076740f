import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { CallgateError, messageOf } from '../model/error.ts';
import {
  IMPORT_SOURCES,
  importPolicy,
  type ImportOptions,
  type ImportResult,
  type ImportSource,
} from '../policy/import/index.ts';
import { PolicyError, type PolicySource } from '../policy/index.ts';
import { didYouMean } from '../policy/document/nearest.ts';
import { complain, readSources } from './policy-files.ts';
import { serverNameOf } from './server-choice.ts';
import { EXIT, type Io, parseFlags, printable, table } from './terminal.ts';

const FLAGS = {
  from: 'source',
  out: 'file',
  'config-out': 'file',
  report: 'file',
  order: 'order',
  json: true,
} as const;

/**
 * `callgate policy import --from <source> <file...> [--out <file>] [--config-out <file>] [--report <file>] [--order readme|as-built] [--json]`:
 * turns policies of other gates into one of ours. The policy goes to stdout or to `--out`, the report to stderr or `--report`.
 * @returns 0 when it was imported, 2 when the source has mistakes (then nothing is written)
 * @throws CallgateError for flags
 */
export async function policyImport(argv: readonly string[], io: Io): Promise<number> {
  const { words, values, switches } = parseFlags(argv, FLAGS);
  const from = sourceOf(values['from']);
  const order = orderOf(values['order'], from);
  if (words.length === 0)
    throw new CallgateError('CG_USAGE_ARGUMENT', 'policy import needs a file to import.', {
      remedy: `Write callgate policy import --from ${from} <file>.`,
    });
  for (const flag of ['out', 'config-out', 'report']) {
    if (words.some((word) => values[flag] !== undefined && resolve(io.cwd, word) === resolve(io.cwd, values[flag])))
      throw new CallgateError('CG_USAGE_ARGUMENT', `--${flag} is a file to import from.`, {
        remedy: 'Name another file.',
      });
  }
  const asJson = switches.has('json');
  const read = readSources(words, io);
  if ('issues' in read) return complain(read, words, asJson, io);
  const seen: PolicySource[] = [...read.sources];
  let result: ImportResult;
  try {
    result = await importPolicy(from, read.sources, { order, read: (file, base) => readBeside(file, base, io, seen) });
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    return complain({ issues: error.issues, sources: seen }, words, asJson, io);
  }
  const report = reportText(result, from);
  write(values['report'], report, io);
  write(values['out'], result.text, io);
  if (values['config-out'] !== undefined) write(values['config-out'], configText(result, values, io), io);
  if (asJson) {
    const { counts, remarks, rules, text } = result;
    const policy = values['out'] === undefined ? { policy: text } : { out: values['out'] };
    io.stdout.write(`${JSON.stringify({ ok: true, from, files: words, rules, counts, remarks, ...policy })}\n`);
    return EXIT.ok;
  }
  if (values['out'] === undefined) io.stdout.write(result.text);
  io.stderr.write(printable(values['report'] === undefined ? report : `${summary(result, from)}\n`));
  return EXIT.ok;
}

function sourceOf(word: string | undefined): ImportSource {
  const source = IMPORT_SOURCES.find((name) => name === word);
  if (source !== undefined) return source;
  const known = `Write --from ${IMPORT_SOURCES.join('|')}.`;
  if (word === undefined)
    throw new CallgateError('CG_USAGE_ARGUMENT', 'policy import needs --from.', { remedy: known });
  const message = `There is no source "${word}" to import from.${didYouMean(word, IMPORT_SOURCES)}`;
  throw new CallgateError('CG_USAGE_FLAG_VALUE', message, { remedy: known });
}

function orderOf(word: string | undefined, from: ImportSource): ImportOptions['order'] {
  if (word === undefined) return undefined;
  if (from === 'agentgate' && (word === 'readme' || word === 'as-built')) return word;
  const message = from === 'agentgate' ? `--order is "${word}".` : `--order is for --from agentgate, not ${from}.`;
  throw new CallgateError('CG_USAGE_FLAG_VALUE', message, {
    remedy: 'Write --order readme or --order as-built, with agentgate.',
  });
}

/** A file that a source names, relative to the file that names it. */
function readBeside(file: string, base: string, io: Io, seen: PolicySource[]): PolicySource | undefined {
  const path = resolve(io.cwd, dirname(base), file);
  try {
    const source = { file: path, text: readFileSync(path, 'utf8') };
    seen.push(source);
    return source;
  } catch {
    return undefined;
  }
}

function write(file: string | undefined, text: string, io: Io): void {
  if (file === undefined) return;
  try {
    writeFileSync(resolve(io.cwd, file), text);
  } catch (cause) {
    throw new CallgateError('CG_POLICY_IMPORT_WRITE', `${file} cannot be written: ${messageOf(cause)}`, {
      remedy: 'Name a file that you may write.',
      cause,
    });
  }
}

/** A callgate.yaml with the server that the source starts, beside the policy of `--out`. Each text is written as JSON, which is YAML. */
function configText({ server }: ImportResult, values: Readonly<Record<string, string>>, io: Io): string {
  const policy = values['out'];
  if (server === undefined || policy === undefined) {
    throw new CallgateError(
      'CG_USAGE_ARGUMENT',
      server === undefined
        ? 'The source starts no server, so there is no config to write.'
        : '--config-out goes with --out.',
      {
        remedy: server === undefined ? 'Leave --config-out out.' : 'Say where the policy goes, too: --out policy.yaml',
      },
    );
  }
  const { command, args, env } = server;
  // What looks like a variable of ours was none of theirs.
  const plain = (text: string) => text.replaceAll('${', () => '$${');
  const at = relative(dirname(resolve(io.cwd, values['config-out'] as string)), resolve(io.cwd, policy));
  const written = {
    command: plain(command),
    args: args.map(plain),
    ...(Object.keys(env).length > 0 && {
      env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, plain(value)])),
    }),
  };
  return [
    '# The server of the imported wrapper: callgate run --config <this file>',
    'version: 1',
    `policy: ${JSON.stringify(plain(`./${at}`))}`,
    'servers:',
    `  ${serverNameOf(command, args)}: ${JSON.stringify(written)}`,
    '',
  ].join('\n');
}

/** One line for each construct, the refused ones first. */
function reportText(result: ImportResult, from: ImportSource): string {
  const rows = ['refused', 'translated', 'same'].flatMap((fate) =>
    result.remarks
      .filter((remark) => remark.fate === fate)
      .map((remark) => [remark.fate, `${remark.file}:${remark.line}`, remark.construct, remark.why].map(oneLine)),
  );
  return `${summary(result, from)}\n${rows.length === 0 ? '' : `${table(rows)}\n`}`;
}

function summary({ counts, rules }: ImportResult, from: ImportSource): string {
  return `imported ${rules} rules from ${from}: ${counts.same} same, ${counts.translated} translated, ${counts.refused} refused`;
}

function oneLine(text: string): string {
  return printable(text.replaceAll(/\s+/g, ' '));
}
