import type { Effect } from '../../model/decision.ts';
import { type CompiledPolicy, compilePolicy } from '../compile.ts';
import { type Issue, PolicyError } from '../document/issue.ts';
import { type CallParts, callOf, OPTIONS } from '../testing.ts';
import { type ImportOptions, importPolicy, type ImportResult, type ImportSource } from './index.ts';

/** An imported policy, compiled. */
export interface ImportedPolicy extends ImportResult {
  readonly policy: CompiledPolicy;
  readonly decide: (parts: CallParts) => Effect;
  /** Lines of the report whose construct or reason has this text. */
  readonly remarksOn: (text: string) => readonly ImportResult['remarks'][number][];
}

/** Imports one text, or several files. */
export async function imported(
  from: ImportSource,
  text: string | Readonly<Record<string, string>>,
  options: ImportOptions = {},
): Promise<ImportedPolicy> {
  const files = typeof text === 'string' ? { source: text } : text;
  const sources = Object.entries(files).map(([file, content]) => ({ file, text: content }));
  const result = await importPolicy(from, sources, options);
  const policy = compilePolicy([{ file: 'imported.yaml', text: result.text }], OPTIONS);
  return {
    ...result,
    policy,
    decide: (parts) => policy.decide(callOf(parts)).effect,
    remarksOn: (part) => result.remarks.filter(({ construct, why }) => construct.includes(part) || why.includes(part)),
  };
}

/** What is wrong with a source, as `line: code`. */
export async function mistakes(
  from: ImportSource,
  text: string,
  options: ImportOptions = {},
): Promise<readonly string[]> {
  return (await issuesIn(from, text, options)).map(
    (issue) => `${issue.line}: ${issue.code.replace('CG_POLICY_IMPORT_', '')}`,
  );
}

/** What is wrong with a source. */
export async function issuesIn(
  from: ImportSource,
  text: string,
  options: ImportOptions = {},
): Promise<readonly Issue[]> {
  try {
    await importPolicy(from, [{ file: 'source', text }], options);
    return [];
  } catch (error) {
    if (error instanceof PolicyError) return error.issues;
    throw error;
  }
}
