import { createHash } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { includesOnDisk } from '../config/includes.ts';
import { compilePolicy } from '../policy/compile.ts';
import {
  type CompiledPolicy,
  type CompileOptions,
  type FindInclude,
  type Issue,
  PolicyError,
  type PolicySource,
} from '../policy/index.ts';
import { EXIT, type Io, printable } from './terminal.ts';

/** What a verb of `callgate policy` needs to read files. */
export type FileIo = Pick<Io, 'env' | 'cwd'>;

/** Policy files that were read as one policy, or everything that is wrong with them; `sources` has what they include. */
export type Loaded =
  | { readonly policy: CompiledPolicy; readonly sources: readonly PolicySource[] }
  | { readonly issues: readonly Issue[]; readonly sources: readonly PolicySource[] };

/** The files that the words of a command name; ./policy.yaml without any. */
export function filesOf(words: readonly string[]): readonly string[] {
  return words.length === 0 ? ['policy.yaml'] : words;
}

/** Reads policy files and compiles them as one policy. Never throws for what is wrong with a file: it is in `issues`. */
export function loadPolicyFiles(files: readonly string[], io: FileIo, options = compileOptions(io)): Loaded {
  const read = readSources(files, io);
  if ('issues' in read) return read;
  return compileSources(read.sources, options);
}

/** Compiles policy texts that were read already. */
export function compileSources(sources: readonly PolicySource[], options: CompileOptions): Loaded {
  const { include } = options;
  const all = [...sources];
  const remembering: CompileOptions = {
    ...options,
    ...(include === undefined ? {} : { include: (from, name) => remember(include(from, name), all) }),
  };
  try {
    return { policy: compilePolicy(sources, remembering), sources: all };
  } catch (error) {
    if (error instanceof PolicyError) return { issues: error.issues, sources: all };
    throw error;
  }
}

/** Included files are sources too: places may be in them. */
function remember(found: ReturnType<FindInclude>, sources: PolicySource[]): ReturnType<FindInclude> {
  if (!('refused' in found) && !sources.some(({ file }) => file === found.file)) sources.push(found);
  return found;
}

/** Reads files, in order; every one that cannot be read is an issue. */
export function readSources(
  files: readonly string[],
  io: FileIo,
): { readonly sources: readonly PolicySource[] } | (Loaded & { readonly issues: readonly Issue[] }) {
  const sources: PolicySource[] = [];
  const issues: Issue[] = [];
  for (const file of files) {
    try {
      sources.push({ file, text: readFileSync(resolve(io.cwd, file), 'utf8') });
    } catch (cause) {
      issues.push(unread(file, cause));
    }
  }
  return issues.length > 0 ? { issues, sources } : { sources };
}

function unread(file: string, cause: unknown): Issue {
  const place = { file, line: 1, column: 1 };
  const isMissing = (cause as { code?: unknown }).code === 'ENOENT';
  const message = isMissing ? 'there is no such file' : `the file cannot be read: ${(cause as Error).message}`;
  const remedy = isMissing ? 'name a policy file, or write one with `callgate init`' : 'make it readable for you';
  return { code: 'CG_POLICY_UNREADABLE', message, remedy, ...place, place };
}

/** What a policy is compiled with here: the variables of this directory, links as they are on this machine. */
export function compileOptions(io: FileIo): CompileOptions {
  return { variables: variablesOf(io), sha256, realPath, include: includesOnDisk({ cwd: io.cwd }) };
}

/** What `${...}` stands for: the directory, the homes and the environment. */
export function variablesOf(io: FileIo): Record<string, string | undefined> {
  const home = io.env['HOME'] ?? homedir();
  const variables: Record<string, string | undefined> = Object.create(null) as Record<string, string | undefined>;
  for (const [name, value] of Object.entries(io.env)) variables[name] = value;
  return Object.assign(variables, {
    PROJECT: io.cwd,
    HOME: home,
    CALLGATE_HOME: io.env['CALLGATE_HOME'] ?? join(home, '.callgate'),
  });
}

/**
 * Says on stderr what is wrong with the files, or prints it as one JSON object.
 * @returns the exit code of a policy that does not load
 */
export function complain(
  failed: { readonly issues: readonly Issue[]; readonly sources: readonly PolicySource[] },
  files: readonly string[],
  asJson: boolean,
  io: Pick<Io, 'stdout' | 'stderr'>,
): number {
  if (asJson) {
    const issues = failed.issues.map((issue) => ({ ...issue, place: undefined }));
    io.stdout.write(`${JSON.stringify({ ok: false, files, issues })}\n`);
  } else {
    for (const issue of failed.issues) io.stderr.write(`${printable(shownIssue(issue, failed.sources))}\n`);
  }
  return EXIT.usage;
}

/** `file:line:column: message`, the line with a caret under the place, and what to do. */
export function shownIssue(issue: Issue, sources: readonly PolicySource[]): string {
  const lines = [`${issue.file}:${issue.line}:${issue.column}: ${issue.message} [${issue.code}]`];
  lines.push(...shownPlace(issue, sources));
  if (issue.remedy !== undefined) lines.push(`  do: ${issue.remedy}`);
  return lines.join('\n');
}

/** The line of a place and a caret under it; nothing when the text is not there. */
export function shownPlace(
  place: { readonly file: string; readonly line: number; readonly column: number },
  sources: readonly PolicySource[],
): readonly string[] {
  const text = sources.find((source) => source.file === place.file)?.text.replace(/^\uFEFF/, '');
  const line = text?.split('\n')[place.line - 1]?.replace(/\r$/, '');
  if (line === undefined || line.trim() === '') return [];
  const from = Math.max(0, place.column - 60);
  const cut = line.slice(from, from + 110);
  return [`  ${cut.replaceAll('\t', ' ')}`, `  ${' '.repeat(place.column - 1 - from)}^`];
}

/** In hex. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The path with links followed; undefined when nothing is there. */
export function realPath(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch {
    return undefined;
  }
}
