import { createHash } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { CallgateError } from '../model/error.ts';
import { compilePolicy } from '../policy/compile.ts';
import { type CompiledPolicy, type Issue, PolicyError, type PolicySource } from '../policy/index.ts';
import { EXIT, type Io, parseFlags, printable } from './terminal.ts';

/**
 * `callgate policy check [<file...>] [--json]`: loads policy files as one policy and prints everything that is wrong with
 * them. Without a file it checks ./policy.yaml.
 * @returns 0 when they load, 2 when they do not or a file is missing
 */
export async function policyCommand(
  argv: string[],
  io: Pick<Io, 'stdout' | 'stderr' | 'env' | 'cwd'>,
): Promise<number> {
  const [verb, ...rest] = argv;
  if (verb !== 'check') {
    throw new CallgateError('CG_USAGE_UNKNOWN_COMMAND', `There is no command "policy ${verb ?? ''}".`, {
      remedy: 'Write callgate policy check <file...>.',
    });
  }
  const { words, switches } = parseFlags(rest, { json: true });
  const files = words.length === 0 ? ['policy.yaml'] : words;
  const result = check(files, io);
  if (switches.has('json')) io.stdout.write(`${JSON.stringify(asJson(files, result))}\n`);
  else if ('policy' in result) io.stdout.write(`ok: ${rulesOf(result.policy)}, ${result.policy.hash}\n`);
  else for (const issue of result.issues) io.stderr.write(`${printable(shown(issue, result.sources))}\n`);
  return 'policy' in result ? EXIT.ok : EXIT.usage;
}

type Result =
  | { readonly policy: CompiledPolicy }
  | { readonly issues: readonly Issue[]; readonly sources: readonly PolicySource[] };

function check(files: readonly string[], io: Pick<Io, 'env' | 'cwd'>): Result {
  const sources: PolicySource[] = [];
  const unreadable: Issue[] = [];
  for (const file of files) {
    try {
      sources.push({ file, text: readFileSync(resolve(io.cwd, file), 'utf8') });
    } catch (cause) {
      unreadable.push(unread(file, cause));
    }
  }
  if (unreadable.length > 0) return { issues: unreadable, sources };
  try {
    return { policy: compilePolicy(sources, { variables: variablesOf(io), sha256, realPath }) };
  } catch (error) {
    if (error instanceof PolicyError) return { issues: error.issues, sources };
    throw error;
  }
}

function unread(file: string, cause: unknown): Issue {
  const place = { file, line: 1, column: 1 };
  const isMissing = (cause as { code?: unknown }).code === 'ENOENT';
  const message = isMissing ? 'there is no such file' : `the file cannot be read: ${(cause as Error).message}`;
  const remedy = isMissing ? 'name a policy file, or write one with `callgate init`' : 'make it readable for you';
  return { code: 'CG_POLICY_UNREADABLE', message, remedy, ...place, place };
}

/** What `${...}` stands for: the directory, the homes and the environment. */
function variablesOf(io: Pick<Io, 'env' | 'cwd'>): Record<string, string | undefined> {
  const home = io.env['HOME'] ?? homedir();
  const variables: Record<string, string | undefined> = Object.create(null) as Record<string, string | undefined>;
  for (const [name, value] of Object.entries(io.env)) variables[name] = value;
  return Object.assign(variables, {
    PROJECT: io.cwd,
    HOME: home,
    CALLGATE_HOME: io.env['CALLGATE_HOME'] ?? join(home, '.callgate'),
  });
}

/** `file:line:column: message`, the line with a caret under the place, and what to do. */
function shown(issue: Issue, sources: readonly PolicySource[]): string {
  const lines = [`${issue.file}:${issue.line}:${issue.column}: ${issue.message} [${issue.code}]`];
  const text = sources.find((source) => source.file === issue.file)?.text.replace(/^\uFEFF/, '');
  const line = text?.split('\n')[issue.line - 1]?.replace(/\r$/, '');
  if (line !== undefined && line.trim() !== '') {
    const from = Math.max(0, issue.column - 60);
    const cut = line.slice(from, from + 110);
    lines.push(`  ${cut.replaceAll('\t', ' ')}`, `  ${' '.repeat(issue.column - 1 - from)}^`);
  }
  if (issue.remedy !== undefined) lines.push(`  do: ${issue.remedy}`);
  return lines.join('\n');
}

function asJson(files: readonly string[], result: Result): unknown {
  if (!('policy' in result))
    return { ok: false, files, issues: result.issues.map((issue) => ({ ...issue, place: undefined })) };
  const { policy } = result;
  return { ok: true, files, rules: policy.rules.length, default: policy.defaultEffect, hash: policy.hash };
}

function rulesOf(policy: CompiledPolicy): string {
  return policy.rules.length === 1 ? '1 rule' : `${policy.rules.length} rules`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch {
    return undefined;
  }
}
